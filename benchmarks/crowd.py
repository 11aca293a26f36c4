"""Many who want what only one can have: the requests of S5, for our house and for its rivals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from benchmarks.town import Home, Town, Unexpected
from benchmarks.wire import Lines, request

STAYS, WEEK = 100, 7
# Each guest wants one stay in so many, so that as many guests want each.
EVERY = 10
# Beyond what is taken in the demo, and beyond the stays of the durable bookings.
FIRST_DAY, PER_TURN = 380, 21


class Wanted(NamedTuple):
    """A stay that can be had once, and the quote for it, which is for whoever asks."""

    home: Home
    check_in: date
    check_out: date
    quote_id: str

    @property
    def wish(self) -> dict[str, Any]:
        return {
            "listing_id": self.home.id,
            "check_in": str(self.check_in),
            "check_out": str(self.check_out),
            "guests": 1,
        }


async def weeks(lines: Lines, town: Town, turn: int, count: int = STAYS) -> list[Wanted]:
    """So many weeks that nobody has yet; nobody is to want two of one home, since a guest's second hold there
    would let go of the first.
    """
    wanted: list[Wanted] = []
    known: set[tuple[str, int]] = set()
    for home, first in _candidates(town, turn):
        if len(wanted) == count:
            return wanted
        if (home.id, len(wanted) % EVERY) in known:
            continue
        stay = {"check_in": str(first), "check_out": str(first + timedelta(days=WEEK)), "guests": 1}
        answer = await lines.answer(request("POST", f"/api/listings/{home.id}/quote", stay))
        if answer.status == 200:
            known.add((home.id, len(wanted) % EVERY))
            wanted.append(Wanted(home, first, first + timedelta(days=WEEK), answer.record()["id"]))
    if len(wanted) < count:
        raise Unexpected(f"only {len(wanted)} of {count} weeks can be had")
    return wanted


def _candidates(town: Town, turn: int) -> Iterator[tuple[Home, date]]:
    for ahead in range(0, PER_TURN, WEEK):
        for home in town.instant:
            if home.min_nights <= WEEK:
                yield home, town.today + timedelta(days=FIRST_DAY + turn * PER_TURN + ahead)


def ours(wanted: Sequence[Wanted], tokens: Sequence[str], turn: int) -> list[bytes]:
    return [
        request(
            "POST",
            "/api/bookings",
            stay.wish | {"quote_id": stay.quote_id},
            token=token,
            headers={"idempotency-key": f"crowd-{turn}-{number}-{guest}"},
        )
        for number, guest, stay, token in _wishes(wanted, tokens, turn)
    ]


def theirs(wanted: Sequence[Wanted], tokens: Sequence[str], turn: int) -> list[bytes]:
    return [
        request(
            "POST",
            "/api/bookings",
            stay.wish,
            token=token,
            headers={"idempotency-key": f"crowd-{turn}-{number}-{guest}"},
        )
        for number, guest, stay, token in _wishes(wanted, tokens, turn)
    ]


def _wishes(
    wanted: Sequence[Wanted], tokens: Sequence[str], turn: int
) -> Iterator[tuple[int, int, Wanted, str]]:
    """Those who want the same stay come at once, in every turn others first: who wins has a hold of the home,
    which a win of the next turn would end, and its mails would be sent beside the load."""
    guests = range(turn * EVERY, turn * EVERY + len(tokens))
    for number, stay in enumerate(wanted):
        for guest in guests:
            if len(wanted) == 1 or guest % EVERY == number % EVERY:
                yield number, guest % len(tokens), stay, tokens[guest % len(tokens)]

"""A crowd for the same nights: most of it is spared the work that only one can have the good of.

What is kept here is of this process, and may vanish at any moment: the key of the nights referees, always.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from hometrip.kernel.soon import Soon
from hometrip.kernel.stay import Stay
from hometrip.services.booking.actions.looks import Looks
from hometrip.services.booking.store.glances import TOGETHER, Glance

# What was found for one is told to others who ask the same within so long, unless the home was booked here
# meanwhile; that of so many homes at most is remembered.
SAME_SECONDS, MOST = 0.5, 256
# For one who takes longer, as where a calendar of another site is slow, nobody waits any more.
LONG_SECONDS = 0.5

_NOTHING: dict[Hashable, Proposal] = {}


class UnderWay(Soon):
    """Somebody is booking some nights. When that has `ended`, all who wait go on."""

    def __init__(self, stay: Stay) -> None:
        self.stay = stay
        self.ended = asyncio.Event()
        self._then: list[Callable[[], object]] = []

    def then(self, again: Callable[[], object]) -> None:
        self._then.append(again)

    def end(self) -> None:
        """The first goes on ahead of the others: what it begins to look for, they need not."""
        self.ended.set()
        if self._then:
            first, *others = self._then
            self._then = []
            first()
            soon = asyncio.get_running_loop().call_soon
            # It is taken up in the next round of the loop, and has begun in the one after.
            soon(lambda: soon(_call_each, others))


class Proposal(Soon):
    """What to propose instead of nights that are taken: being looked for, or found and good `until` then."""

    def __init__(self, until: float, found: asyncio.Future[list[Stay]]) -> None:
        self.until, self.found = until, found

    def then(self, again: Callable[[], object]) -> None:
        self.found.add_done_callback(lambda _: again())


def _call_each(waiting: Iterable[Callable[[], object]]) -> None:
    for go_on in waiting:
        go_on()


class Crowd:
    """Who is booking which nights just now, who looks whether they are free (`looks`: guests with their
    keys), and what was proposed instead of nights that are taken.
    """

    def __init__(self) -> None:
        self.looks: Looks[tuple[UUID, str], Glance] = Looks(TOGETHER)
        self._booking: dict[UUID, list[UnderWay]] = defaultdict(list)
        self._proposed: dict[UUID, dict[Hashable, Proposal]] = {}

    async def wait_for_others(self, listing_id: UUID, stay: Stay) -> bool:
        """Is somebody here booking some of these nights? Then this returns when they have ended: look again.

        Where it is False, `booking` must follow at once.
        """
        if (others := self.under_way(listing_id, stay)) is None:
            return False
        await others.ended.wait()
        return True

    def under_way(self, listing_id: UUID, stay: Stay) -> UnderWay | None:
        """Somebody here who is booking some of these nights."""
        for other in self._booking.get(listing_id, ()):
            if other.stay.overlaps(stay) and not other.ended.is_set():
                return other
        return None

    @contextmanager
    def booking(self, listing_id: UUID, stay: Stay) -> Iterator[None]:
        """Others here who want some of these nights wait, rather than have their price reckoned in vain and
        wait for their key in the database."""
        mine = UnderWay(stay)
        self._booking[listing_id].append(mine)
        long = asyncio.get_running_loop().call_later(LONG_SECONDS, mine.end)
        try:
            yield
        finally:
            long.cancel()
            self._proposed.pop(listing_id, None)
            self._booking[listing_id].remove(mine)
            if not self._booking[listing_id]:
                del self._booking[listing_id]
            mine.end()

    async def proposal(
        self, listing_id: UUID, asked: Hashable, find: Callable[[], Awaitable[list[Stay]]]
    ) -> list[Stay]:
        """What `find` finds, for all who ask the same of the home at the same time."""
        known = self.proposed(listing_id, asked)
        if known is None:
            known = Proposal(asyncio.get_running_loop().time() + SAME_SECONDS, asyncio.ensure_future(find()))
            self._of(listing_id)[asked] = known
            known.found.add_done_callback(lambda done: self._forget_failed(listing_id, asked, done))
        return known.found.result() if known.found.done() else await asyncio.shield(known.found)

    def proposed(self, listing_id: UUID, asked: Hashable) -> Proposal | None:
        """What others who ask the same of the home are being told."""
        known = self._proposed.get(listing_id, _NOTHING).get(asked)
        return known if known and known.until >= asyncio.get_running_loop().time() else None

    def _of(self, listing_id: UUID) -> dict[Hashable, Proposal]:
        of_home = self._proposed.get(listing_id)
        if of_home is None:
            if len(self._proposed) >= MOST:
                self._proposed.clear()
            of_home = self._proposed[listing_id] = {}
        return of_home

    def _forget_failed(self, listing_id: UUID, asked: Hashable, done: asyncio.Future[list[Stay]]) -> None:
        """Those who wait are told; who asks next finds out anew."""
        failed = done.cancelled() or done.exception() is not None
        known = self._of(listing_id).get(asked)
        if failed and known is not None and known.found is done:
            del self._of(listing_id)[asked]

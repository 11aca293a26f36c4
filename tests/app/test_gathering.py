"""Events that are handled together: how many, what becomes of the others where one fails, and of whom each is
caused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from app.waiting import until
from harness import Person, TestHouse
from hometrip.adapters.clock.system import SystemClock
from hometrip.app.gathering import BESIDE, MOST, Gathering
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.events import Envelope
from hometrip.kernel.pace import Pace
from journeys.steps import ok, open_home, stay


def letter(number: int) -> Envelope:
    return Envelope(
        id=uuid4(),
        name="listing.updated",
        version=1,
        occurred_at=datetime(2027, 4, 1, tzinfo=UTC),
        producer="listing",
        subject=f"listing/{number}",
        sequence=number,
        correlation_id="c",
    )


def numbers(envelopes: Sequence[Envelope]) -> list[int]:
    return [envelope.sequence for envelope in envelopes]


async def test_what_comes_in_a_moment_is_handled_together_and_not_too_much_of_it() -> None:
    seen: list[list[int]] = []

    async def handle(envelopes: Sequence[Envelope]) -> None:
        seen.append(numbers(envelopes))

    gathering = Gathering(handle, Pace(), SystemClock())
    await asyncio.gather(*(gathering.join(letter(number)) for number in range(MOST + 2)))
    assert seen == [list(range(MOST)), [MOST, MOST + 1]]


async def test_what_comes_meanwhile_is_handled_beside_it() -> None:
    """One that has to wait long keeps no other from being handled, and only so many wait at a time."""
    begun: list[list[int]] = []
    go_on = asyncio.Event()

    async def handle(envelopes: Sequence[Envelope]) -> None:
        begun.append(numbers(envelopes))
        if envelopes[0].sequence:
            await go_on.wait()

    gathering, handled = Gathering(handle, Pace(), SystemClock()), []
    for number in range(1, BESIDE + 1):
        handled.append(gathering.join(letter(number)))
        await until(lambda number=number: len(begun) == number)
    handled += [gathering.join(letter(number)) for number in range(BESIDE + 1, BESIDE + 4)]
    await asyncio.sleep(0.005)  # these might have been begun by now
    assert begun == [[number] for number in range(1, BESIDE + 1)]
    go_on.set()
    await asyncio.gather(*handled)
    assert begun[BESIDE:] == [[BESIDE + 1, BESIDE + 2, BESIDE + 3]]


async def test_where_one_fails_the_others_are_handled_all_the_same() -> None:
    done: list[int] = []

    async def handle(envelopes: Sequence[Envelope]) -> None:
        if 3 in numbers(envelopes):
            raise ValueError("three")
        done.extend(numbers(envelopes))

    gathering = Gathering(handle, Pace(), SystemClock())
    answers = await asyncio.gather(
        *(gathering.join(letter(number)) for number in range(6)), return_exceptions=True
    )
    assert done == [0, 1, 2, 4, 5]
    assert [str(answer) for answer in answers if answer] == ["three"]
    assert isinstance(answers[3], ValueError)


async def test_what_is_not_done_at_the_stop_comes_again() -> None:
    begun = asyncio.Event()

    async def handle(envelopes: Sequence[Envelope]) -> None:
        begun.set()
        await asyncio.sleep(60)

    gathering = Gathering(handle, Pace(), SystemClock())
    handled = [gathering.join(letter(number)) for number in range(3)]
    await begun.wait()
    late = gathering.join(letter(4))
    await gathering.stop()
    for each in (*handled, late):
        with pytest.raises(Unavailable):
            await each


async def test_each_mail_belongs_to_the_request_that_led_to_it(house: TestHouse) -> None:
    """Whatever other mails are written and sent together with it."""
    host = await house.sign_up("host@example.com")
    home = await open_home(host, instant_book=False)
    guests = [await house.sign_up(f"guest{number}@example.com") for number in range(4)]
    await house.settle()

    async def ask(guest: Person, days: int) -> str:
        wish = stay(house, days=days) | {"guests": 1}
        quote = ok(await guest.post(f"/api/listings/{home['id']}/quote", wish))
        booking = wish | {"listing_id": home["id"], "quote_id": quote["id"]}
        booked = await guest.post("/api/bookings", booking, headers={"Idempotency-Key": str(uuid4())})
        ok(booked, 201)
        return booked.headers["x-request-id"]

    requests = await asyncio.gather(*(ask(guest, 30 + 7 * number) for number, guest in enumerate(guests)))
    await house.settle()
    caused: list[str] = []
    for person in (host, *guests):
        for told in ok(await person.get("/api/notifications"))["items"]:
            if told["kind"].startswith("booking_request"):
                history = await house.house.history(f"notification/{told['id']}")
                caused += [each.correlation_id for each in history if each.name == "notification.delivered"]
    assert sorted(caused) == sorted(2 * list(requests))

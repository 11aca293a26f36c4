"""A crowd for the same nights: one gets them, and the others are not kept waiting for long."""

from __future__ import annotations

import asyncio
from datetime import date
from uuid import UUID

import pytest

from hometrip.kernel.stay import Stay
from hometrip.services.booking.actions import crowd as crowds
from hometrip.services.booking.actions.crowd import Crowd

HOME, OTHER = UUID(int=1), UUID(int=2)
WEEK = Stay(date(2027, 6, 1), date(2027, 6, 8))
LAST_NIGHT = Stay(date(2027, 6, 7), date(2027, 6, 9))
DAY_AFTER = Stay(date(2027, 6, 8), date(2027, 6, 9))


async def test_who_wants_nights_that_another_is_booking_waits_until_that_has_ended() -> None:
    crowd, waited = Crowd(), []

    async def wait() -> None:
        waited.append(await crowd.wait_for_others(HOME, LAST_NIGHT))

    with crowd.booking(HOME, WEEK):
        waiting = asyncio.create_task(wait())
        for _ in range(5):
            await asyncio.sleep(0)
        assert waited == []
    await waiting
    assert waited == [True]
    assert await crowd.wait_for_others(HOME, LAST_NIGHT) is False


async def test_nobody_waits_for_other_nights_or_other_homes() -> None:
    crowd = Crowd()
    with crowd.booking(HOME, WEEK):
        assert await crowd.wait_for_others(HOME, DAY_AFTER) is False
        assert await crowd.wait_for_others(OTHER, WEEK) is False


async def test_one_who_fails_lets_the_others_go_on() -> None:
    crowd = Crowd()
    with pytest.raises(ValueError, match="broken"), crowd.booking(HOME, WEEK):
        raise ValueError("broken")
    assert await crowd.wait_for_others(HOME, WEEK) is False


async def test_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds, "LONG_SECONDS", 0.02)
    crowd = Crowd()
    with crowd.booking(HOME, WEEK):
        assert await crowd.wait_for_others(HOME, WEEK) is True
        assert await crowd.wait_for_others(HOME, WEEK) is False


async def test_it_is_known_for_a_while_that_somebody_wanted_nights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a home's first so many; longer stays are always looked at."""
    crowd = Crowd()
    assert not crowd.wants(HOME, WEEK)
    with pytest.raises(ValueError, match="refused"), crowd.booking(HOME, WEEK):
        raise ValueError("refused")
    assert crowd.wants(HOME, LAST_NIGHT)
    assert not crowd.wants(HOME, DAY_AFTER)
    assert not crowd.wants(OTHER, WEEK)
    assert crowd.wants(OTHER, Stay(date(2027, 6, 1), date(9027, 6, 1)))
    monkeypatch.setattr(crowds, "WANTED_SECONDS", -1)
    with crowd.booking(HOME, WEEK):
        pass
    assert not crowd.wants(HOME, LAST_NIGHT)
    with crowd.booking(OTHER, DAY_AFTER):
        pass
    assert len(crowd._wanted) == 1, "what is over is forgotten"


async def test_it_is_known_at_once_whether_somebody_is_booking_and_what_was_proposed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crowd, go_on = Crowd(), asyncio.Event()

    async def find() -> list[Stay]:
        await go_on.wait()
        return [DAY_AFTER]

    with crowd.booking(HOME, WEEK):
        assert crowd.is_booked_now(HOME, LAST_NIGHT)
        assert not crowd.is_booked_now(HOME, DAY_AFTER)
    assert not crowd.is_booked_now(HOME, LAST_NIGHT)
    assert crowd.proposed(HOME, WEEK) is None
    finding = asyncio.create_task(crowd.proposal(HOME, WEEK, find))
    await asyncio.sleep(0)
    assert crowd.proposed(HOME, WEEK) is None  # it is being looked for
    go_on.set()
    await finding
    assert crowd.proposed(HOME, WEEK) == [DAY_AFTER]
    assert crowd.proposed(HOME, LAST_NIGHT) is None
    with crowd.booking(HOME, WEEK):
        pass
    assert crowd.proposed(HOME, WEEK) is None
    monkeypatch.setattr(crowds, "SAME_SECONDS", -1.0)
    await crowd.proposal(HOME, WEEK, find)
    assert crowd.proposed(HOME, WEEK) is None


async def test_what_is_proposed_is_found_once_for_all_who_ask_the_same() -> None:
    crowd, asked = Crowd(), []

    async def find() -> list[Stay]:
        asked.append("asked")
        await asyncio.sleep(0)
        return [DAY_AFTER]

    found = await asyncio.gather(*(crowd.proposal(HOME, WEEK, find) for _ in range(50)))
    assert found == [[DAY_AFTER]] * 50
    assert asked == ["asked"]
    await crowd.proposal(HOME, LAST_NIGHT, find)
    assert asked == ["asked"] * 2


async def test_a_proposal_is_found_anew_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds, "SAME_SECONDS", -1.0)
    crowd, asked = Crowd(), []

    async def find() -> list[Stay]:
        asked.append("asked")
        return []

    for _ in range(2):
        await crowd.proposal(HOME, WEEK, find)
    assert asked == ["asked"] * 2


async def test_a_proposal_is_found_anew_once_the_home_was_booked() -> None:
    crowd, asked = Crowd(), []

    async def find() -> list[Stay]:
        asked.append("asked")
        return []

    for booked in (OTHER, HOME):
        await crowd.proposal(HOME, WEEK, find)
        with crowd.booking(booked, DAY_AFTER):
            pass
    assert asked == ["asked"]
    await crowd.proposal(HOME, WEEK, find)
    assert asked == ["asked"] * 2


async def test_a_guest_who_gives_up_does_not_take_the_proposal_from_others() -> None:
    crowd, go_on = Crowd(), asyncio.Event()

    async def find() -> list[Stay]:
        await go_on.wait()
        return [DAY_AFTER]

    first = asyncio.create_task(crowd.proposal(HOME, WEEK, find))
    await asyncio.sleep(0)
    second = asyncio.create_task(crowd.proposal(HOME, WEEK, find))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    go_on.set()
    assert await second == [DAY_AFTER]


async def test_a_search_for_free_nights_that_failed_is_not_remembered() -> None:
    crowd, answers = Crowd(), iter([ValueError("the calendar is away"), [DAY_AFTER]])

    async def find() -> list[Stay]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ValueError, match="away"):
        await crowd.proposal(HOME, WEEK, find)
    assert await crowd.proposal(HOME, WEEK, find) == [DAY_AFTER]

"""Pay-outs for which the provider holds too little: asked for again for a week, then owed again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from hometrip.kernel.clock import DAY, HOUR, MINUTE
from hometrip.services.booking.contract import DisputeOpened, DisputeResolved
from hometrip.services.payment import actions, rules
from services.payment_scene import ADMIN, CHECK_IN_AT, HOST, SPLIT, START, Till, eur, till_in

DUE = CHECK_IN_AT + DAY
ELSEWHERE: dict[str, Any] = {"destination": "elsewhere", "metadata": {}}


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_in(tmp_path) as opened:
        yield opened
        books = await actions.verify(opened.deps)
        assert [words for words in books if "payout is unknown" not in words] == []


async def too_little_held(till: Till) -> UUID:
    """The day of a pay-out has come, and most of what came in was taken out of the provider by hand."""
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await till.provider.transfer(eur(50_000), **ELSEWHERE, key="by hand")
    await till.advance(DUE - START)
    return paid.booking_id


def asked_at(till: Till) -> list[datetime]:
    """The moments at which a pay-out is asked for from now on."""
    moments: list[datetime] = []
    send = till.provider.transfer

    async def watched(*args: Any, key: str, **more: Any) -> Any:
        if key.startswith("payout:"):
            moments.append(till.clock.now())
        return await send(*args, key=key, **more)

    till.provider.transfer = watched  # type: ignore[method-assign]
    return moments


async def sent_to_host(till: Till) -> list[int]:
    sent = await till.provider.transfers_since(START)
    return [one.amount.amount for one in sent if "payout_id" in one.metadata]


async def test_it_is_sent_once_money_has_come_in(till: Till) -> None:
    booking_id = await too_little_held(till)
    await till.advance(2 * DAY)
    assert await till.payouts() == [("initiated", None)]
    assert (await actions.host_balance(till.deps, HOST)).in_transit == [SPLIT.payout]
    assert "host.payout.failed" not in till.names()
    await till.pay(hold_until=None)
    await till.advance(6 * HOUR)
    assert await till.payouts() == [("completed", None)]
    assert await sent_to_host(till) == [SPLIT.payout.amount]
    assert till.names().count("host.payout.completed") == 1
    assert "host_payable:host" not in await till.balances(booking_id)


async def test_it_is_asked_for_less_often_with_each_time_and_no_longer_than_a_week(till: Till) -> None:
    moments = asked_at(till)
    booking_id = await too_little_held(till)
    await till.advance(7 * DAY - HOUR)
    assert await till.payouts() == [("initiated", None)]
    await till.advance(DAY)
    waits = [later - earlier for earlier, later in pairwise(moments)]
    assert waits[:4] == [MINUTE, 10 * MINUTE, HOUR, 6 * HOUR]
    assert set(waits[4:]) == {6 * HOUR}
    assert DUE + 7 * DAY <= moments[-1] < DUE + 7 * DAY + 6 * HOUR
    assert await till.payouts() == [("failed", rules.NOT_COVERED)]
    told = [event for event in till.told if event.name == "host.payout.failed"]
    assert [(event.amount, event.why) for event in told] == [(SPLIT.payout, rules.NOT_COVERED)]
    assert (await till.balances(booking_id))["host_payable:host"] == -SPLIT.payout.amount
    [owed] = (await actions.owed_payouts(till.deps, 20, None)).items
    assert (owed.booking_id, owed.amount, owed.why) == (booking_id, SPLIT.payout, rules.NOT_COVERED)
    await till.advance(30 * DAY)
    assert moments[-1] < DUE + 8 * DAY


async def test_an_admin_has_it_sent_after_the_week(till: Till) -> None:
    booking_id = await too_little_held(till)
    await till.advance(8 * DAY)
    await till.pay(hold_until=None)
    await actions.pay_out_now(till.deps, ADMIN, booking_id)
    assert (await actions.owed_payouts(till.deps, 20, None)).items == []
    await till.settle()
    assert (await actions.owed_payouts(till.deps, 20, None)).items == []
    assert await till.payouts() == [("completed", None), ("failed", rules.NOT_COVERED)]
    assert await sent_to_host(till) == [SPLIT.payout.amount]


async def test_it_is_sent_once_where_the_answer_to_a_later_try_is_lost(till: Till) -> None:
    await too_little_held(till)
    await till.pay(hold_until=None)
    till.provider.weather = "answers_lost"
    await till.advance(HOUR)
    till.provider.weather = "fine"
    await till.advance(DAY)
    assert await till.payouts() == [("completed", None)]
    assert await sent_to_host(till) == [SPLIT.payout.amount]


async def test_during_a_dispute_it_is_taken_back(till: Till) -> None:
    booking_id = await too_little_held(till)
    dispute = {"booking_id": booking_id, "booking": till.facts(booking_id), "dispute_id": uuid4()}
    await till.hear(DisputeOpened(**dispute, by="guest", why="mould"))
    await till.pay(hold_until=None)
    await till.advance(DAY)
    assert await till.payouts() == [("held", None), ("failed", "disputed")]
    assert await sent_to_host(till) == []
    await till.hear(DisputeResolved(**dispute, refund=eur(0), kept=SPLIT))
    await till.advance(DAY)
    assert await sent_to_host(till) == [SPLIT.payout.amount]


async def test_what_nobody_is_owed_any_more_is_not_listed_for_staff(till: Till) -> None:
    booking_ids = [await too_little_held(till)]
    till.provider._move(eur(-30_000), by_bank=True)  # a bank has taken it
    second = await till.pay(hold_until=None, total=eur(1_000), split=rules.part_of(SPLIT, eur(1_000)))
    await till.confirmed(second.booking_id)
    booking_ids.append(second.booking_id)
    await till.advance(8 * DAY)
    listed, cursor = [], None
    for _ in booking_ids:
        page = await actions.owed_payouts(till.deps, 1, cursor)
        listed, cursor = [*listed, *(one.booking_id for one in page.items)], page.next_cursor
    assert (listed, cursor) == (booking_ids[::-1], None)
    await till.cancelled(booking_ids[1], eur(1_000), rules.nothing_kept("EUR"))
    [left] = (await actions.owed_payouts(till.deps, 20, None)).items
    assert left.booking_id == booking_ids[0]


async def test_what_is_missing_for_another_reason_waits_for_nothing(till: Till) -> None:
    await actions.open_account(till.deps, HOST)
    await too_little_held(till)
    await till.advance(MINUTE)
    assert [status for status, _ in await till.payouts()] == ["failed"]

"""What the provider has told and no webhook has brought: it is heard of all the same, once and in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from hometrip.kernel.clock import DAY, HOUR, MINUTE
from hometrip.ports.payments import ProviderDispute
from hometrip.services.payment import actions, rules
from services.payment_scene import CHECK_IN_AT, GUEST, HOST, START, SUPPORT, Till, eur, till_in

DISPUTES = "pm_card_createDispute"


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    """No webhook ever comes."""
    async with till_in(tmp_path) as opened:
        yield opened
        await opened.advance(rules.HEAR_EVERY + MINUTE)
        assert await actions.verify(opened.deps) == []


async def told_of(till: Till) -> list[ProviderDispute]:
    return await till.provider.disputes_since(START)


async def statuses(till: Till) -> list[str]:
    return [one.status for one in (await actions.disputes(till.deps, None, 10, None)).items]


async def test_a_dispute_that_no_webhook_tells_of_holds_the_pay_out_and_ends(till: Till) -> None:
    await actions.begin_to_hear(till.deps)
    await till.settle()
    paid = await till.pay(method=DISPUTES)
    await till.confirmed(paid.booking_id)
    await till.advance(rules.HEAR_EVERY)
    assert await statuses(till) == ["needs_response"]
    await till.advance(CHECK_IN_AT + 2 * DAY - till.clock.now())
    assert await statuses(till) == ["lost"]  # seven days without an answer
    assert "host.payout.completed" not in till.names()
    assert [one.status for one in till.told if one.name == "payment.disputed"] == ["open", "lost"]


async def test_what_else_no_webhook_tells_of_is_heard_of(till: Till) -> None:
    """A payment that went through in the browser, a refund and a pay-out that came back."""
    await actions.begin_to_hear(till.deps)
    await till.settle()
    paid = await till.pay(method="pm_card_refundFail")
    await till.confirmed(paid.booking_id)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(1_000), "late")
    other = await till.open()
    provider_id = (await till.row(other.id)).provider_id
    await till.provider.confirm_intent(provider_id, method="pm_card_visa", key="in the browser")
    await till.advance(rules.HEAR_EVERY)
    assert (await till.row(other.id)).status == "succeeded"
    [owed] = (await actions.owed_refunds(till.deps, 10, None)).items
    assert (owed.amount, owed.why) == (eur(1_000), "failed")
    await till.advance(CHECK_IN_AT + DAY + HOUR - till.clock.now())
    [sent] = await till.provider.transfers_since(START)
    await till.provider.reverse_transfer(sent.id)
    await till.advance(rules.HEAR_EVERY)
    [payout] = (await actions.payouts(till.deps, HOST, 10, None)).items
    assert (payout.status, payout.why) == ("failed", "returned")
    assert till.names().count("refund.failed") == 1
    assert [one.status for one in (await actions.refunds(till.deps, GUEST, paid.id)).items] == ["failed"]


async def test_a_look_that_the_provider_did_not_answer_is_made_up_for(till: Till) -> None:
    await actions.begin_to_hear(till.deps)
    await till.settle()
    paid = await till.pay(method=DISPUTES)
    await till.confirmed(paid.booking_id)
    till.provider.weather = "down"
    await till.advance(2 * rules.HEAR_EVERY)
    assert await statuses(till) == []
    till.provider.weather = "fine"
    await till.advance(rules.HEAR_EVERY)
    assert await statuses(till) == ["needs_response"]


@pytest.mark.parametrize("away", [DAY, 40 * DAY])
async def test_what_was_told_while_the_house_was_away_is_heard_of_when_it_is_back(
    tmp_path: Path, away: timedelta
) -> None:
    """Also of a dispute that is older than what the provider lists of its events."""
    async with till_in(tmp_path) as before:
        await actions.begin_to_hear(before.deps)
        await before.settle()
        paid = await before.pay(method=DISPUTES)
        await before.confirmed(paid.booking_id)
        clock, desk = before.clock, before.desk
    clock.move_to(clock.now() + away)
    async with till_in(tmp_path, clock, desk) as after:
        await actions.begin_to_hear(after.deps)
        await after.settle()
        assert await statuses(after) == ["needs_response" if away == DAY else "lost"]
        assert await actions.verify(after.deps) == []


async def test_the_first_look_of_all_hears_of_every_dispute(till: Till) -> None:
    paid = await till.pay(method=DISPUTES)
    await till.confirmed(paid.booking_id)
    [dispute] = await told_of(till)
    till.clock.move_to(START + 60 * DAY)
    await actions.begin_to_hear(till.deps)
    await till.settle()
    assert await statuses(till) == ["lost"]
    assert [one.id for one in await told_of(till)] == [dispute.id]


async def test_of_many_copies_that_begin_one_looks(till: Till) -> None:
    for _ in range(3):
        await actions.begin_to_hear(till.deps)
    assert await till.deps.db.fire_due(till.clock.now()) == 1
    await till.settle()
    assert await till.deps.db.next_due() == till.clock.now() + rules.HEAR_EVERY

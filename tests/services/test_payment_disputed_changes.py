"""A bank has the price of a stay when a dearer change of it is paid, of which the taxes are less."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hometrip.kernel.clock import DAY
from hometrip.kernel.split import Split
from hometrip.services.payment import actions
from services.payment_scene import (
    GUEST,
    SUPPORT,
    TOTAL,
    Till,
    change_asked,
    changed,
    eur,
    hear_all,
    till_heard_out,
)

MORE = eur(9_000)
DEARER = Split(payout=eur(8_000), platform=eur(1_042), taxes={"berlin": eur(-42)})
CHANGED = Split(payout=eur(61_350), platform=eur(9_292), taxes={"berlin": eur(6_858)})


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_heard_out(tmp_path) as opened:
        yield opened


async def disputed_and_changed(till: Till) -> actions.Intent:
    paid = await till.pay(method="pm_card_createDispute")
    await till.confirmed(paid.booking_id)
    await hear_all(till)
    change_id = await change_asked(till, paid.booking_id, MORE, DEARER)
    more = await actions.open_intent(till.deps, GUEST, paid.booking_id)
    await actions.confirm(till.deps, GUEST, more.id, method="pm_card_visa")
    await till.settle()
    await changed(till, paid.booking_id, change_id, TOTAL + MORE, CHANGED)
    return paid


async def decided(till: Till, evidence: str) -> None:
    [dispute] = (await actions.disputes(till.deps, None, 10, None)).items
    await actions.answer_dispute(till.deps, SUPPORT, dispute.id, evidence)
    await till.advance(2 * DAY)
    await hear_all(till)


async def test_while_the_bank_has_it_the_taxes_may_be_less_than_nothing(till: Till) -> None:
    paid = await disputed_and_changed(till)
    assert (await till.balances(paid.booking_id))["tax_payable:berlin"] == 42
    assert await actions.verify(till.deps) == []


async def test_what_the_bank_gives_back_makes_the_shares_those_of_the_change(till: Till) -> None:
    paid = await disputed_and_changed(till)
    await decided(till, "winning_evidence")
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 77_500,
        "host_payable:host": -61_350,
        "platform_revenue": -9_292,
        "tax_payable:berlin": -6_858,
    }


async def test_what_the_bank_keeps_is_of_each_share_as_the_change_has_made_it(till: Till) -> None:
    """As if it had been asked for after the change: of 775.00 the bank keeps 685.00."""
    paid = await disputed_and_changed(till)
    await decided(till, "losing_evidence")
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 9_000,
        "host_payable:host": -7_125,
        "platform_revenue": -1_078,
        "tax_payable:berlin": -797,
    }
    told = [event for event in till.told if event.name == "payment.disputed"][-1]
    assert told.kept == Split(payout=eur(7_125), platform=eur(1_078), taxes={"berlin": eur(797)})

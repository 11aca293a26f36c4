"""Pay-outs that are refused because the host's account cannot be paid, and can be a moment later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hometrip.adapters.payments.sandbox.words import refusal
from hometrip.kernel.clock import DAY
from hometrip.services.payment import actions, rules
from services.payment_scene import CHECK_IN_AT, HOST, SPLIT, START, Till, till_in

AFTER = CHECK_IN_AT + DAY - START


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    """The host can be paid, and everybody knows."""
    async with till_in(tmp_path) as opened:
        await actions.open_account(opened.deps, HOST)
        await actions.account_link(opened.deps, HOST, "https://example.com/back")
        assert (await actions.account(opened.deps, HOST)).can_be_paid
        yield opened
        assert await actions.verify(opened.deps) == []


def refuse(till: Till, times: int) -> list[str]:
    """So often the account cannot be paid when a pay-out is asked for, and can be when it is looked at; the
    keys under which any was asked for."""
    send, asked = till.provider.transfer, []

    async def refusing(*args: Any, key: str, **more: Any) -> Any:
        asked.append(key)
        if len(asked) <= times:
            raise refusal(rules.CANNOT_BE_PAID, "the account cannot be paid")
        return await send(*args, key=key, **more)

    till.provider.transfer = refusing  # type: ignore[method-assign]
    return asked


async def sent(till: Till) -> list[int]:
    return [one.amount.amount for one in await till.provider.transfers_since(START)]


async def test_a_payout_goes_out_where_the_account_can_be_paid_again_before_the_refusal_is_known(
    till: Till,
) -> None:
    asked = refuse(till, times=1)
    await till.confirmed((await till.pay()).booking_id)
    await till.advance(AFTER)
    assert await till.payouts() == [("completed", None), ("failed", rules.CANNOT_BE_PAID)]
    assert await sent(till) == [SPLIT.payout.amount]
    assert len(asked) == 2


async def test_what_is_refused_once_more_at_once_waits_until_the_account_is_heard_of(till: Till) -> None:
    asked = refuse(till, times=2)
    await till.confirmed((await till.pay()).booking_id)
    await till.advance(AFTER + 30 * DAY)
    assert await till.payouts() == [("failed", rules.CANNOT_BE_PAID)] * 2
    assert len(asked) == 2
    assert (await actions.account(till.deps, HOST)).can_be_paid
    await till.settle()
    assert await sent(till) == [SPLIT.payout.amount]
    assert (await actions.owed_payouts(till.deps, 20, None)).items == []


async def test_it_goes_out_where_nobody_tells_that_the_account_can_be_paid(till: Till) -> None:
    """The provider refuses for a while, and what it tells then does not arrive."""
    refuse(till, times=2)
    await till.confirmed((await till.pay()).booking_id)
    await actions.begin_to_hear(till.deps)
    await till.advance(AFTER)
    assert await sent(till) == []
    await till.advance(DAY)
    assert await sent(till) == [SPLIT.payout.amount]

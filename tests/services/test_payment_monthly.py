"""A long stay that is paid out month by month, where one of the pay-outs fails."""

from __future__ import annotations

from typing import Any

import pytest

from harness import TestHouse
from hometrip.kernel.clock import utc
from journeys.steps import ok
from services.money_back import dollars
from stories.teller import Teller, teller_in

# 70 nights from the 24th of April 2027: of 6,838.50 the host has 2,930.79 for 30 nights on the 25th of April,
# 3,028.47 for 31 on the 25th of May, and the rest on the 25th of June.
FIRST, SECOND, THIRD = 293_079, 302_847, 87_924


async def long_stay(house: TestHouse) -> tuple[Teller, str]:
    teller = await teller_in(house)
    booking = await teller.book(days=10, nights=70)
    await teller.pay(booking)
    return teller, booking


async def back_again(teller: Teller) -> Teller:
    """Host and staff sign in anew; the guest has nothing to do."""
    host = await teller.house.sign_in("host@example.com")
    admin = await teller.house.sign_in("staff@example.com")
    return Teller(teller.house, host, teller.guest, admin, teller.home)


async def payouts(teller: Teller) -> list[tuple[str, int]]:
    found = ok(await teller.host.get("/api/stripe-connect/payouts"))["items"]
    return [(one["status"], one["amount"]["amount"]) for one in reversed(found)]


async def balance(teller: Teller) -> dict[str, Any]:
    shown = ok(await teller.host.get("/api/stripe-connect/balance"))
    return {name: shown[name] for name in ("upcoming", "owed", "paid")}


async def owed(teller: Teller) -> list[int]:
    found = ok(await teller.admin.get("/api/payments/payouts/owed"))["items"]
    return [one["amount"]["amount"] for one in found]


async def test_a_month_that_failed_is_owed_until_the_host_can_be_paid_and_goes_out_then(
    house: TestHouse,
) -> None:
    teller, _ = await long_stay(house)
    ok(await teller.host.post("/api/stripe-connect/account"), 201)
    await teller.wait(days=12)
    teller = await back_again(teller)
    assert await payouts(teller) == [("failed", FIRST), ("due", SECOND), ("due", THIRD)]
    assert await balance(teller) == {
        "upcoming": [dollars(SECOND + THIRD)],
        "owed": [dollars(FIRST)],
        "paid": [],
    }
    assert await owed(teller) == [FIRST]
    ok(await teller.host.post("/api/stripe-connect/account/link", {"back_to": "https://example.com/"}), 201)
    await teller.webhooks()
    assert await payouts(teller) == [
        ("failed", FIRST),
        ("completed", FIRST),
        ("due", SECOND),
        ("due", THIRD),
    ]
    assert await balance(teller) == {
        "upcoming": [dollars(SECOND + THIRD)],
        "owed": [],
        "paid": [dollars(FIRST)],
    }
    assert await owed(teller) == []
    await teller.wait(days=70)
    teller = await back_again(teller)
    assert [one for one in await payouts(teller) if one[0] == "completed"] == [
        ("completed", FIRST),
        ("completed", SECOND),
        ("completed", THIRD),
    ]
    await teller.end()


@pytest.mark.parametrize("sent", [True, False])
async def test_an_admin_sends_the_month_that_came_back_and_not_the_next(house: TestHouse, sent: bool) -> None:
    """What is not sent goes out with the next month."""
    teller, booking = await long_stay(house)
    await teller.wait(days=12)
    provider: Any = house.deps("payment").payments
    [transfer] = await provider.transfers_since(utc(2027, 1, 1))
    await provider.reverse_transfer(transfer.id)
    await teller.webhooks()
    teller = await back_again(teller)
    assert await owed(teller) == [FIRST]
    if sent:
        answer = ok(await teller.admin.post("/api/stripe-connect/payout", {"booking_id": booking}), 201)
        assert answer["amount"] == dollars(FIRST)
        await house.settle()
        assert await owed(teller) == []
    await teller.wait(days=30)
    teller = await back_again(teller)
    paid = [FIRST, SECOND] if sent else [FIRST + SECOND]
    assert await payouts(teller) == [
        ("failed", FIRST),
        *(("completed", amount) for amount in paid),
        ("due", THIRD),
    ]
    assert await owed(teller) == []
    await teller.end()

"""What guests and hosts are told of money that is to be charged, held, released, or that did not arrive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from harness import TestHouse
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.ports.payments import Payments
from journeys.steps import PRICING, ok
from stories.teller import Teller, teller_in


async def told(teller: Teller, to: str = "guest") -> list[tuple[str, str]]:
    """Kind and text of the mails about money, the oldest first."""
    kinds = ("balance_", "deposit_", "payout_failed", "stay_dispute")
    mails = await teller.house.mails(f"{to}@example.com")
    return [(mail["kind"], mail["text"]) for mail in reversed(mails) if mail["kind"].startswith(kinds)]


def with_deposit(amount: int = 20_000) -> dict[str, Any]:
    return PRICING | {"deposit": {"amount": amount, "currency": "USD"}}


async def test_the_second_half_is_told_of_three_days_before_it_is_charged(house: TestHouse) -> None:
    """It is due 14 days before check-in, on April 30 at 3:00 PM in Albany."""
    teller = await teller_in(house)
    booking = await teller.book(plan="half")
    await teller.pay(booking)
    await teller.wait(days=13, hours=9)
    assert await told(teller) == []
    await teller.wait(hours=2)
    [(kind, text)] = await told(teller)
    assert kind == "balance_due"
    assert (
        "On April 30, 2027, 7:00\N{NARROW NO-BREAK SPACE}PM (Coordinated Universal Time) we charge $196.00"
        in text
    )
    await teller.wait(days=4)
    assert (await teller.look(booking))["payment"]["status"] == "succeeded"
    assert len(await told(teller)) == 1
    await teller.end()


async def test_a_second_half_that_was_paid_or_moved_is_not_told_of_too_soon(house: TestHouse) -> None:
    teller = await teller_in(house)
    otto = await house.sign_up("otto@example.com", "Otto")
    paid = await teller.book(plan="half")
    await teller.pay(paid)
    await teller.pay(paid)  # the rest, on the guest's own account
    moved = await teller.book(otto, days=40, plan="half")
    await teller.pay(moved, otto)
    later = {"check_in": "2027-07-01", "check_out": "2027-07-04"}
    ok(await otto.put(f"/api/bookings/{moved}", later))
    ok(await teller.host.post(f"/api/bookings/{moved}/change/accept"))
    await teller.wait(days=30)
    assert await told(teller) == []
    assert await told(teller, "otto") == []
    await teller.wait(days=32)
    assert [kind for kind, _ in await told(teller, "otto")] == ["balance_due"]
    await teller.end()


async def test_a_deposit_is_told_of_when_it_is_held_and_when_it_is_released(house: TestHouse) -> None:
    teller = await teller_in(house, with_deposit())
    booking = await teller.book(days=10)
    await teller.pay(booking)
    await teller.wait(days=9)
    [(kind, text)] = await told(teller)
    assert kind == "deposit_held"
    assert "$200.00 is held on your card as damage deposit" in text
    await teller.wait(days=20)
    assert [kind for kind, _ in await told(teller)] == ["deposit_held", "deposit_released"]
    await teller.end()


async def test_what_is_taken_of_a_deposit_is_told_to_the_guest(house: TestHouse) -> None:
    """All of it here: nothing is released that would tell of it."""
    teller = await teller_in(house, with_deposit())
    booking = await teller.book(days=10)
    await teller.pay(booking)
    await teller.wait(days=14)
    path = f"/api/payments/deposits/{booking}/claims"
    wish = {"amount": {"amount": 20_000, "currency": "USD"}, "text": "A broken window."}
    claim = ok(await teller.host.post(path, wish), 201)
    ok(await teller.guest.post(f"{path}/{claim['id']}/answer", {"accept": True}))
    await teller.wait(days=1)
    kinds = dict(await told(teller))
    assert [*kinds] == ["deposit_held", "deposit_claimed", "deposit_taken"]
    assert "we have charged $200.00 of the damage deposit" in kinds["deposit_taken"]
    hosts = dict(await told(teller, "host"))
    assert "$200.00 of the damage deposit was charged to the card of Gus" in hosts["deposit_taken_host"]
    assert "deposit_refused_host" not in hosts
    await teller.end()


async def test_staff_are_told_of_a_claim_to_decide_and_its_host_that_it_is_refused(house: TestHouse) -> None:
    teller = await teller_in(house, with_deposit())
    await house.staff("support", "sue@example.com")
    booking = await teller.book(days=10)
    await teller.pay(booking)
    await teller.wait(days=14)
    path = f"/api/payments/deposits/{booking}/claims"
    wish = {"amount": {"amount": 5_000, "currency": "USD"}, "text": "A broken window."}
    claim = ok(await teller.host.post(path, wish), 201)
    ok(await teller.guest.post(f"{path}/{claim['id']}/answer", {"accept": False}))
    await teller.house.settle()
    [(kind, text)] = await told(teller, "sue")
    assert (kind, "Gus has refused, or has not answered" in text) == ("deposit_claim_waiting", True)
    assert "claims $50.00 of the damage deposit" in text
    nothing = {"amount": {"amount": 0, "currency": "USD"}}
    ok(await teller.admin.post(f"{path}/{claim['id']}/decide", nothing))
    await teller.wait(days=1)
    assert [kind for kind, _ in await told(teller)] == ["deposit_held", "deposit_claimed", "deposit_released"]
    hosts = dict(await told(teller, "host"))
    assert "your claim of $50.00 on the damage deposit" in hosts["deposit_refused_host"]
    assert "deposit_taken_host" not in hosts
    await teller.end()


async def test_a_deposit_that_the_card_refuses_is_told_to_guest_and_host(house: TestHouse) -> None:
    teller = await teller_in(house, with_deposit())
    booking = await teller.book(days=10)
    await teller.pay(booking, card="pm_card_chargeCustomerFail")
    await teller.wait(days=12)
    [(kind, text)] = await told(teller)
    assert kind == "deposit_failed"
    assert "Your booking stays as it is." in text
    [(kind, text)] = await told(teller, "host")
    assert (kind, "on the card of Gus" in text) == ("deposit_failed_host", True)
    await teller.end()


@pytest.mark.parametrize("claims", [True, False])
async def test_a_deposit_that_cannot_be_held_anew_is_told_and_a_claim_left_to_staff(
    house: TestHouse, *, claims: bool
) -> None:
    """A week after it was held the bank lets go of it, and Gus has taken his card away meanwhile."""
    teller = await teller_in(house, with_deposit())
    await house.staff("support", "sue@example.com")
    booking = await teller.book(days=10)
    await teller.pay(booking)
    await teller.wait(days=14)
    path = f"/api/payments/deposits/{booking}"
    if claims:
        wish = {"amount": {"amount": 5_000, "currency": "USD"}, "text": "A broken window."}
        ok(await teller.host.post(f"{path}/claims", wish), 201)
    [card] = ok(await teller.guest.get("/api/payments/methods"))["items"]
    ok(await teller.guest.delete(f"/api/payments/methods/{card['id']}"), 204)
    await teller.wait(days=2)
    assert ok(await teller.host.get(path))["status"] == "renewing"
    await teller.wait(days=2)
    shown = ok(await teller.host.get(path))
    assert (shown["status"], shown.get("claim", {}).get("status")) == (
        "failed",
        "not_covered" if claims else None,
    )
    assert [kind for kind, _ in await told(teller)][-1] == "deposit_failed"
    [(kind, text)] = await told(teller, "host")
    of_staff = dict(await told(teller, "sue"))
    if claims:
        assert (kind, "Your claim of $50.00 cannot be taken from it" in text) == (
            "deposit_claim_unpaid_host",
            True,
        )
        assert "claims $50.00 from Gus" in of_staff["deposit_claim_unpaid"]
    else:
        assert kind == "deposit_lapsed_host"
        assert "When the $200.00 were to be held anew" in text
        assert of_staff == {}
    await teller.wait(days=20)
    assert "deposit_released" not in dict(await told(teller))
    await teller.end()


async def test_a_pay_out_that_did_not_arrive_is_told_to_the_host(house: TestHouse) -> None:
    teller = await teller_in(house)
    provider: SandboxPayments = house.house.shared[Payments]
    booking = await teller.book(days=10)
    await teller.pay(booking)
    await teller.wait(days=12)
    assert await told(teller, "host") == []
    [sent] = await provider.transfers_since(house.clock.now() - timedelta(days=30))
    await provider.reverse_transfer(sent.id)
    await teller.webhooks()
    [(kind, text)] = await told(teller, "host")
    assert (kind, "$339.50" in text) == ("payout_failed", True)
    await teller.end()


@pytest.mark.parametrize("by", ["guest", "host"])
async def test_a_disputed_stay_is_told_to_the_other_and_to_staff_and_to_both_once_settled(
    house: TestHouse, by: str
) -> None:
    teller = await teller_in(house)
    await house.staff("support", "sue@example.com")
    booking = await teller.book(days=10)
    await teller.pay(booking)
    await teller.wait(days=10, hours=11)
    path = f"/api/bookings/{booking}/disputes"
    opened = ok(await getattr(teller, by).post(path, {"reason": "No heating."}), 201)
    await teller.house.settle()
    other = {"guest": "host", "host": "guest"}[by]
    [(kind, text)] = await told(teller, other)
    assert kind == ("stay_disputed_host" if by == "guest" else "stay_disputed")
    assert "No heating." in text
    assert ("nothing is paid out for this stay" in text) == (other == "host")
    assert await told(teller, by) == []
    [(kind, text)] = await told(teller, "sue")
    assert (kind, f"the {by} of the stay below, disputes it" in text) == ("stay_disputed_staff", True)
    settled = {"refund": {"amount": 10_000, "currency": "USD"}, "note": "Half a night."}
    path = f"{path}/{opened['disputes'][0]['id']}/resolve"
    ok(await teller.admin.post(path, settled))
    await teller.house.settle()
    guest, host = [dict(await told(teller, to)) for to in ("guest", "host")]
    assert "$100.00 goes back to the card" in guest["stay_dispute_settled"]
    assert "Gus gets back $100.00" in host["stay_dispute_settled_host"]
    assert "You keep: $239.50" in host["stay_dispute_settled_host"]
    await teller.end()

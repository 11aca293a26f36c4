"""What guest and host are told of changes, by mail."""

from __future__ import annotations

import pytest

from harness import Person, TestHouse
from hometrip.kernel.clock import DAY, SECOND
from hometrip.ports.payments import Payments
from journeys.steps import ok
from stories.teller import Teller, teller_in

ABOUT_CHANGES = (
    "booking_change_asked",
    "booking_change_agreed",
    "booking_changed",
    "booking_changed_host",
    "booking_change_ended",
)


async def told(teller: Teller, person: Person) -> list[tuple[str, str]]:
    """Mails about changes, the oldest first: kind and text, its blanks plain."""
    mails = await teller.house.mails(person.email)
    return [
        (mail["kind"], " ".join(mail["text"].split()))
        for mail in reversed(mails)
        if mail["kind"] in ABOUT_CHANGES
    ]


async def asked(teller: Teller, booking: str, check_out: str) -> None:
    ok(await teller.guest.put(f"/api/bookings/{booking}", {"check_out": check_out}))
    await teller.house.settle()


@pytest.fixture
async def teller(house: TestHouse) -> Teller:
    return await teller_in(house, instant_book=False)


async def booked(teller: Teller) -> str:
    booking = await teller.book()
    await teller.pay(booking)
    ok(await teller.host.post(f"/api/bookings/{booking}/accept"))
    await teller.house.settle()
    return booking


async def test_host_and_guest_are_told_of_a_change_at_each_turn(teller: Teller) -> None:
    booking = await booked(teller)
    await asked(teller, booking, "2027-05-19")
    [(kind, text)] = await told(teller, teller.host)
    assert kind == "booking_change_asked"
    for words in ("5 nights", "instead of May 14 – 17, 2027", "$616.00 in all", "answer by April 15, 2027"):
        assert words in text, text
    assert await told(teller, teller.guest) == []
    ok(await teller.host.post(f"/api/bookings/{booking}/change/accept"))
    await teller.house.settle()
    [(kind, text)] = await told(teller, teller.guest)
    assert (kind, "pay $224.00 by April 15, 2027" in text) == ("booking_change_agreed", True)
    await teller.pay(booking)
    [_, (kind, text)] = await told(teller, teller.guest)
    assert kind == "booking_changed"
    assert "5 nights, 2 guests" in text
    assert "$616.00" in text
    [_, (kind, text)] = await told(teller, teller.host)
    assert (kind, "You receive: $533.50" in text) == ("booking_changed_host", True)
    await teller.end()


async def test_mails_about_the_money_of_a_changed_stay_tell_the_stay_as_it_is(teller: Teller) -> None:
    booking = await booked(teller)
    await asked(teller, booking, "2027-05-16")
    ok(await teller.host.post(f"/api/bookings/{booking}/change/accept"))
    await teller.cancel(booking, teller.guest)
    mails = [
        mail for mail in await teller.house.mails(teller.guest.email) if mail["kind"] == "payment_refunded"
    ]
    assert [mail["subject"] for mail in mails] == [
        "Refund: $280.00 for Creek cabin",
        "Refund: $112.00 for Creek cabin",
    ]
    assert all("2 nights, 2 guests" in mail["text"] for mail in mails)
    await teller.end()


async def test_a_guest_is_told_that_a_change_was_not_answered_or_declined(teller: Teller) -> None:
    booking = await booked(teller)
    await asked(teller, booking, "2027-05-19")
    await teller.house.advance((DAY + SECOND).total_seconds())
    await asked(teller, booking, "2027-05-20")
    ok(await teller.host.post(f"/api/bookings/{booking}/change/decline", {"reason": "We are away then."}))
    await teller.house.settle()
    [(kind, late), (_, declined)] = await told(teller, teller.guest)
    assert kind == "booking_change_ended"
    assert "The host did not answer in time." in late
    assert "We are away then." in declined
    assert "3 nights" in declined
    await teller.end()


async def test_a_guest_who_asks_again_or_cancels_is_not_told_of_the_change_that_this_ends(
    teller: Teller,
) -> None:
    booking = await booked(teller)
    await asked(teller, booking, "2027-05-19")
    await asked(teller, booking, "2027-05-20")
    await teller.cancel(booking, teller.guest)
    assert await told(teller, teller.guest) == []
    assert [kind for kind, _ in await told(teller, teller.host)] == ["booking_change_asked"] * 2
    await teller.end()


async def test_all_are_told_of_a_second_half_that_is_owed_after_the_stay(house: TestHouse) -> None:
    """The provider is down from before its day until after check-out, and the card declines it then."""
    teller = await teller_in(house)
    await house.staff("support", "sue@example.com")
    booking = await teller.book(plan="half")
    await teller.pay(booking, card="pm_card_chargeCustomerFail")
    house.house.shared[Payments].weather = "down"
    await teller.wait(days=35)
    house.house.shared[Payments].weather = "fine"
    shown = await teller.look(booking)
    assert (shown["status"], shown["balance"]["amount"]) == ("completed", 19_600)
    receipt = ok(await teller.guest.get(f"/api/bookings/{booking}/receipt"))
    assert receipt["balance"]["amount"] == 19_600
    await teller.wait(days=5)
    for address, kind in (
        ("guest@example.com", "balance_owed"),
        ("host@example.com", "balance_owed_host"),
        ("sue@example.com", "balance_owed_staff"),
    ):
        told = [mail for mail in await house.mails(address) if mail["kind"].startswith("balance_owed")]
        assert [(mail["kind"], "$196.00" in mail["text"]) for mail in told] == [(kind, True)]
    assert (await teller.history(booking))[-1] == "balance_owed by system"
    assert "payout" in [kind for kind, _ in await teller.journal(booking)]
    await teller.pay(booking)
    assert "balance" not in await teller.look(booking) or (await teller.look(booking))["balance"] is None
    assert (await teller.history(booking))[-1] == "balance_paid by system"
    await teller.end()

"""Booking and payment together, at the door: changes, halves, penalties and disputes, to the last cent."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from harness import Person, TestHouse
from hometrip.kernel.clock import DAY, HOUR, MINUTE, SECOND
from hometrip.services.booking.actions import verify as verify_booking
from hometrip.services.listing.actions import verify as verify_listing
from hometrip.services.payment.actions import verify as verify_payment
from journeys.steps import book, booking_of, ok, open_home, pay, problem, stay

VERIFY = {"booking": verify_booking, "listing": verify_listing, "payment": verify_payment}


@pytest.fixture
async def admin(house: TestHouse) -> Person:
    return await house.staff()


async def confirmed(
    house: TestHouse, guest: Person, home: dict[str, Any], card: str = "pm_card_visa", **more: Any
) -> dict[str, Any]:
    days, nights = more.pop("days", 30), more.pop("nights", 3)
    booking = ok(await book(guest, home["id"], stay(house, days=days, nights=nights), **more), 201)
    await pay(guest, booking["id"], card)
    await house.settle()
    found = await booking_of(guest, booking["id"])
    assert found["status"] == "confirmed"
    return found


async def captured(admin: Person, booking_id: str) -> int:
    """What the provider has of the booking's guest, less what went back."""
    entries = ok(await admin.get("/api/payments/ledger", params={"booking_id": booking_id}))
    assert set(entries["balance"].values()) <= {0}
    return sum(
        posting["amount"]["amount"]
        for entry in entries["items"]
        if entry["kind"] != "payout"
        for posting in entry["postings"]
        if posting["account"] == "provider_clearing"
    )


async def all_is_well(house: TestHouse) -> None:
    await house.settle()
    for service, verify in VERIFY.items():
        assert await verify(house.deps(service)) == [], service


def day(house: TestHouse, ahead: int) -> str:
    return str(stay(house, days=ahead)["check_in"])


async def test_a_longer_stay_is_paid_for_and_then_had(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    home = await open_home(host)
    before = await confirmed(house, guest, home)
    path = f"/api/bookings/{before['id']}"
    asked = ok(await guest.put(path, {"check_out": day(house, 35)}))
    assert asked["change"]["status"] == "awaiting_payment"
    await all_is_well(house)
    intent = await pay(guest, before["id"])
    assert intent["amount"] == asked["change"]["difference"]
    await house.settle()
    after = await booking_of(guest, before["id"])
    assert (after["change"]["status"], after["nights"]) == ("done", 5)
    assert (after["total"], after["payment"]["status"]) == (asked["change"]["total"], "succeeded")
    assert await captured(admin, before["id"]) == after["total"]["amount"]
    await all_is_well(house)
    gone = ok(await guest.post(f"{path}/cancel", {}))
    await house.settle()
    assert gone["cancellation"]["refund"] == after["total"]
    assert await captured(admin, before["id"]) == 0
    assert (await booking_of(guest, before["id"]))["payment"]["status"] == "refunded"
    await all_is_well(house)


async def test_a_shorter_stay_gives_the_difference_back(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    home = await open_home(host)
    before = await confirmed(house, guest, home)
    path = f"/api/bookings/{before['id']}"
    ok(await guest.put(path, {"check_out": day(house, 32)}))
    done = ok(await host.post(f"{path}/change/accept"))
    await house.settle()
    assert done["total"]["amount"] < before["total"]["amount"]
    assert await captured(admin, before["id"]) == done["total"]["amount"]
    assert (await booking_of(guest, before["id"]))["payment"]["status"] == "partially_refunded"
    freed = {"listing_id": home["id"], "check_in": day(house, 32), "check_out": day(house, 33)}
    assert ok(await guest.get("/api/bookings/availability", params=freed))["available"]
    await all_is_well(house)


async def test_a_change_cannot_be_paid_after_its_time(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    home = await open_home(host)
    before = await confirmed(house, guest, home)
    ok(await guest.put(f"/api/bookings/{before['id']}", {"check_out": day(house, 35)}))
    intent = ok(await guest.post("/api/payments/intent", {"booking_id": before["id"]}), 201)
    await house.advance((16 * MINUTE).total_seconds())
    other = await house.sign_up("other@example.com")
    ok(await book(other, home["id"], stay(house, days=34, nights=2)), 201)
    path = f"/api/payments/{intent['id']}/confirm"
    problem(await guest.post(path, {"payment_method": "pm_card_visa"}), 409, "not_payable")
    await house.settle()
    found = await booking_of(guest, before["id"])
    assert (found["nights"], found["change"]["status"], found["status"]) == (3, "expired", "confirmed")
    assert found["payment"]["status"] == "succeeded"
    assert await captured(admin, before["id"]) == before["total"]["amount"]
    planned = ok(await host.get("/api/stripe-connect/balance"))["upcoming"]
    assert planned == [before["host_payout"]]
    await all_is_well(house)


@pytest.mark.parametrize("end", ["its time", "a newer wish", "a check-in", "guest", "host"])
async def test_the_payment_of_a_change_is_closed_when_the_change_ends(
    house: TestHouse, host: Person, guest: Person, end: str
) -> None:
    home = await open_home(host, stay_rules={"min_nights": 1, "max_nights": 365, "notice_hours": 0})
    before = await confirmed(house, guest, home, days=2)
    path = f"/api/bookings/{before['id']}"
    if end == "a check-in":
        await house.advance((2 * DAY - 4 * HOUR - 5 * MINUTE).total_seconds())
    ok(await guest.put(path, {"check_out": day(house, 7 if end != "a check-in" else 5)}))
    intent = ok(await guest.post("/api/payments/intent", {"booking_id": before["id"]}), 201)
    if end == "a newer wish":
        ok(await guest.put(path, {"check_out": day(house, 6)}))
    elif end in ("guest", "host"):
        ok(await (guest if end == "guest" else host).post(f"{path}/cancel", {"reason": "Plans change."}))
    else:
        await house.advance((16 * MINUTE).total_seconds())
    await house.settle()
    found = ok(await guest.get(f"/api/payments/{intent['id']}"))
    assert (found["status"], found["amount"]) == ("canceled", intent["amount"])
    again = f"/api/payments/{intent['id']}/confirm"
    problem(await guest.post(again, {"payment_method": "pm_card_visa"}), 409, "not_payable")
    if end == "a newer wish":
        newer = ok(await guest.post("/api/payments/intent", {"booking_id": before["id"]}), 201)
        assert newer["id"] != intent["id"]
        ok(await guest.post(f"/api/payments/{newer['id']}/confirm", {"payment_method": "pm_card_visa"}))
        await house.settle()
        assert (await booking_of(guest, before["id"]))["nights"] == 4
    await all_is_well(house)


async def test_the_second_half_is_charged_two_weeks_before(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    home = await open_home(host)
    booking = await confirmed(house, guest, home, plan="half")
    assert booking["payment"]["status"] == "partially_paid"
    assert await captured(admin, booking["id"]) == booking["due_now"]["amount"]
    await house.advance((17 * DAY).total_seconds())
    found = await booking_of(guest, booking["id"])
    assert (found["payment"]["status"], "balance" in found) == ("succeeded", False)
    assert await captured(admin, booking["id"]) == booking["total"]["amount"]
    shown = ok(await guest.get(f"/api/bookings/{booking['id']}/receipt"))
    assert shown["paid"] == booking["total"]
    await all_is_well(house)


async def test_a_preview_of_half_a_price_stays_as_it_is_as_long_as_it_says(
    house: TestHouse, host: Person, guest: Person
) -> None:
    booking = await confirmed(
        house, guest, await open_home(host, cancellation_policy="moderate"), plan="half"
    )
    path = f"/api/bookings/{booking['id']}/cancellation"
    shown = ok(await guest.get(path))
    last = datetime.fromisoformat(shown["valid_until"])
    assert last == datetime.fromisoformat(booking["balance_due_at"]) - SECOND
    await house.advance((last - house.clock.now()).total_seconds())
    assert ok(await guest.get(path)) == shown
    await house.advance(1)
    now = ok(await guest.get(path))
    assert (shown["refund"], now["refund"]) == (booking["due_now"], booking["total"])
    assert datetime.fromisoformat(now["valid_until"]) > last + 8 * DAY


async def test_a_second_half_that_is_charged_after_the_stay_is_paid(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    """The house was down for all of it: by the time it charges the half, the stay is completed."""
    booking = await confirmed(house, guest, await open_home(host), plan="half")
    house.clock.move_to(house.clock.now() + 40 * DAY)
    await house.settle()
    found = await booking_of(guest, booking["id"])
    assert (found["status"], found["payment"]["status"], "balance" in found) == (
        "completed",
        "succeeded",
        False,
    )
    assert await captured(admin, booking["id"]) == booking["total"]["amount"]
    assert ok(await guest.get(f"/api/bookings/{booking['id']}/receipt"))["paid"] == booking["total"]
    await all_is_well(house)


async def test_a_second_half_that_no_card_pays_cancels_the_booking(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    home = await open_home(host, cancellation_policy="firm")
    card = "pm_card_chargeCustomerFail"  # good at first, declined when it is charged again
    booking = await confirmed(house, guest, home, card, plan="half")
    await house.advance((17 * DAY).total_seconds())
    assert (await booking_of(guest, booking["id"]))["status"] == "confirmed"
    await house.advance((4 * DAY).total_seconds())
    found = await booking_of(guest, booking["id"])
    assert (found["status"], found["history"][-1]["by"]) == ("cancelled", "system")
    told = found["cancellation"]
    assert told["refund"]["amount"] + told["kept"]["amount"] == booking["due_now"]["amount"]
    assert await captured(admin, booking["id"]) == told["kept"]["amount"]
    await all_is_well(house)


async def test_a_half_paid_stay_that_moves_near_has_three_days_for_its_second_half(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    home = await open_home(host, cancellation_policy="firm")
    booking = await confirmed(house, guest, home, "pm_card_chargeCustomerFail", plan="half")
    path = f"/api/bookings/{booking['id']}"
    now = house.clock.now()
    ok(await guest.put(path, {"check_in": day(house, 8), "check_out": day(house, 11)}))
    moved = ok(await host.post(f"{path}/change/accept"))
    assert moved["change"]["status"] == "done"
    assert datetime.fromisoformat(moved["balance_due_at"]) == now
    for hours in (1, 70):
        await house.advance((hours * HOUR).total_seconds())
        assert (await booking_of(guest, booking["id"]))["status"] == "confirmed"
    await house.advance((2 * HOUR).total_seconds())
    gone = await booking_of(guest, booking["id"])
    assert (gone["status"], gone["history"][-1]["by"]) == ("cancelled", "system")
    assert not {"due_now", "balance", "balance_due_at"} & gone.keys()
    told = {mail["kind"]: mail["text"] for mail in await house.mails("guest@example.com")}
    assert "The second half of the price was not paid" in told["booking_cancelled"]
    await all_is_well(house)


async def test_a_second_half_that_is_not_paid_by_check_in_ends_a_stay_that_has_begun(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    home = await open_home(host, cancellation_policy="moderate")
    booking = await confirmed(house, guest, home, "pm_card_chargeCustomerFail", plan="half")
    path = f"/api/bookings/{booking['id']}"
    ok(await guest.put(path, {"check_in": day(house, 1), "check_out": day(house, 4)}))
    ok(await host.post(f"{path}/change/accept"))
    await house.advance((24 * HOUR).total_seconds())
    assert ok(await host.post(f"{path}/check-in"))["status"] == "checked_in"
    await house.advance((11 * HOUR).total_seconds())  # past 15:00 in Albany
    gone = await booking_of(guest, booking["id"])
    assert (gone["status"], gone["history"][-1]["by"]) == ("cancelled", "system")
    assert await captured(admin, booking["id"]) == gone["cancellation"]["kept"]["amount"]
    await all_is_well(house)


async def test_a_half_paid_guest_gets_what_was_paid_and_no_more(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    home = await open_home(host)
    booking = await confirmed(house, guest, home, plan="half")
    gone = ok(await guest.post(f"/api/bookings/{booking['id']}/cancel", {}))
    assert gone["cancellation"]["refund"] == booking["due_now"]
    await house.advance((40 * DAY).total_seconds())
    assert await captured(admin, booking["id"]) == 0
    await all_is_well(house)


async def test_a_dispute_takes_its_refund_out_of_the_payout(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    home = await open_home(host)
    booking = await confirmed(house, guest, home, days=5)
    await house.advance((5 * DAY + 12 * HOUR).total_seconds())
    path = f"/api/bookings/{booking['id']}/disputes"
    opened = ok(await guest.post(path, {"reason": "not clean"}), 201)
    await house.advance((3 * DAY).total_seconds())  # past the hour of the payout
    how = {"refund": {"amount": 9_000, "currency": "USD"}, "note": "Agreed."}
    support = await house.staff("support", "support@example.com")
    ok(await support.post(f"{path}/{opened['disputes'][0]['id']}/resolve", how))
    await house.advance(DAY.total_seconds())
    assert await captured(admin, booking["id"]) == booking["total"]["amount"] - 9_000
    assert (await booking_of(guest, booking["id"]))["payment"]["status"] == "partially_refunded"
    await all_is_well(house)


async def test_a_stay_that_was_cancelled_is_disputed_only_where_it_had_begun(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home, wrong = await open_home(host), {"reason": "not clean"}
    never = await confirmed(house, guest, home, days=5)
    begun = await confirmed(house, guest, home, days=10)
    ok(await guest.post(f"/api/bookings/{never['id']}/cancel", {}))
    path = f"/api/bookings/{never['id']}/disputes"
    assert problem(await guest.post(path, wrong), 409, "wrong_state")["state"] == "cancelled"
    await house.advance((6 * DAY).total_seconds())
    problem(await host.post(path, wrong), 409, "wrong_state")
    await house.advance((5 * DAY).total_seconds())
    ok(await guest.post(f"/api/bookings/{begun['id']}/cancel", {}))
    ok(await guest.post(f"/api/bookings/{begun['id']}/disputes", wrong), 201)
    await all_is_well(house)


async def test_a_host_who_cancels_owes_the_penalty(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    home = await open_home(host)
    booking = await confirmed(house, guest, home, days=20)  # a quarter of three nights and cleaning
    ok(await host.post(f"/api/bookings/{booking['id']}/cancel", {"reason": "The roof leaks."}))
    await house.settle()
    assert await captured(admin, booking["id"]) == 0
    entries = ok(await admin.get("/api/payments/ledger", params={"booking_id": booking["id"]}))
    penalty = next(entry for entry in entries["items"] if entry["kind"] == "penalty")
    assert sorted(posting["amount"]["amount"] for posting in penalty["postings"]) == [-8_750, 8_750]
    assert UUID(penalty["booking_id"]) == UUID(booking["id"])
    problem(await guest.put(f"/api/bookings/{booking['id']}", {"guests": 3}), 409, "wrong_state")
    await all_is_well(house)


async def test_a_host_is_not_charged_where_staff_cancel_for_another_fault(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    home = await open_home(host)
    for days, fault in ((20, "guest"), (40, "platform")):
        booking = await confirmed(house, guest, home, days=days)
        path = f"/api/bookings/{booking['id']}"
        assert "penalty" in ok(await admin.get(f"{path}/cancellation"))
        for person in (host, guest):
            problem(await person.get(f"{path}/cancellation", params={"fault": fault}), 422, "invalid")
            problem(await person.post(f"{path}/cancel", {"fault": fault}), 422, "invalid")
        shown = ok(await admin.get(f"{path}/cancellation", params={"fault": fault}))
        assert (shown["refund"], "penalty" in shown) == (booking["total"], False)
        assert ok(await admin.post(f"{path}/cancel", {"fault": fault}))["cancellation"] == shown
        await house.settle()
        entries = ok(await admin.get("/api/payments/ledger", params={"booking_id": booking["id"]}))
        assert "penalty" not in {entry["kind"] for entry in entries["items"]}
    await all_is_well(house)


async def test_the_least_and_the_most_of_a_penalty_are_dollars_for_a_home_in_yen_too(
    house: TestHouse, host: Person, guest: Person, admin: Person
) -> None:
    """The 50 dollars are 7,863 yen at the bundled rate, 175.68 / 1.1172; a tenth of the stay is 4,000."""
    home = await open_home(host)
    yen = {
        "base": {"amount": 10_000, "currency": "JPY"},
        "cleaning_fee": {"amount": 10_000, "currency": "JPY"},
    }
    ok(await host.put(f"/api/listings/{home['id']}/pricing", yen))
    booking = await confirmed(house, guest, home, days=40)
    path = f"/api/bookings/{booking['id']}"
    shown = ok(await host.get(f"{path}/cancellation"))
    assert shown["penalty"] == {"amount": 7_863, "currency": "JPY"}
    gone = ok(await host.post(f"{path}/cancel", {}))
    assert gone["cancellation"] == shown
    await house.settle()
    entries = ok(await admin.get("/api/payments/ledger", params={"booking_id": booking["id"]}))
    [penalty] = [entry for entry in entries["items"] if entry["kind"] == "penalty"]
    assert sorted(posting["amount"]["amount"] for posting in penalty["postings"]) == [-7_863, 7_863]
    await all_is_well(house)


async def test_the_receipt_is_on_paper_too_and_only_for_those_of_the_booking(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host)
    booking = await confirmed(house, guest, home)
    path = f"/api/bookings/{booking['id']}/receipt.pdf"
    paper = await guest.get(path)
    both_ways = path.removesuffix(".pdf")
    by_name = await guest.get(both_ways, params={"format": "pdf"})
    by_accept = await guest.get(both_ways, headers={"Accept": "application/pdf"})
    for got in (paper, by_name, by_accept):
        assert (got.status_code, got.headers["content-type"]) == (200, "application/pdf")
        assert got.content.startswith(b"%PDF-")
    as_json = {"params": {"format": "json"}, "headers": {"Accept": "application/pdf"}}
    assert ok(await guest.get(both_ways, **as_json))["booking_id"] == booking["id"]
    stranger = await house.sign_up("eve@example.com", "Eve Else")
    problem(await stranger.get(path), 404, "not_found")


async def test_there_is_no_receipt_of_any_kind_before_the_booking_is_paid(
    house: TestHouse, host: Person, guest: Person
) -> None:
    held = ok(await book(guest, (await open_home(host))["id"], stay(house)), 201)
    for kind in ("receipt", "receipt.pdf"):
        problem(await guest.get(f"/api/bookings/{held['id']}/{kind}"), 409, "wrong_state")


async def test_how_a_payment_stands_is_for_the_guest_who_makes_it(
    house: TestHouse, host: Person, guest: Person
) -> None:
    held = ok(await book(guest, (await open_home(host))["id"], stay(house)), 201)
    path = f"/api/bookings/{held['id']}/confirm-payment"
    assert ok(await guest.post(path))["awaiting"] == "payment"
    problem(await host.post(path), 403, "forbidden")

"""Money that goes back beyond what must: by the host, by staff; and what a later cancellation then shows and
pays."""

from __future__ import annotations

from datetime import date
from uuid import UUID, uuid4

import pytest

from harness import TestHouse
from hometrip.kernel.clock import DAY
from hometrip.kernel.split import total_of
from hometrip.services.booking import store
from hometrip.services.payment.contract import RefundInitiated
from journeys.steps import ok, problem
from services.money_back import dollars, host_refund, receipt, sent_back, staff_refund
from stories.teller import Teller, balance, teller_in


@pytest.fixture
async def teller(house: TestHouse) -> Teller:
    return await teller_in(house, cancellation_policy="moderate")


@pytest.mark.parametrize("by", ["guest", "host", "admin"])
async def test_a_cancellation_shows_and_pays_what_is_left_after_a_refund_by_staff(
    teller: Teller, by: str
) -> None:
    booking = await teller.book()
    await teller.pay(booking)
    await staff_refund(teller, 30_000)
    assert await receipt(teller, booking) == {"total": 39_200, "paid": 39_200, "refunded": 30_000}
    gone = await teller.cancel(booking, getattr(teller, by))
    assert (gone["refund"]["amount"], gone["kept"]["amount"]) == (9_200, 0)
    assert await sent_back(teller, booking) == 39_200
    assert await receipt(teller, booking) == {"total": 39_200, "paid": 39_200, "refunded": 39_200}
    mail = (await teller.house.mails("guest@example.com"))[1]
    assert (mail["kind"], "$92.00" in mail["text"]) == ("booking_cancelled", True)
    assert (await teller.look(booking))["payment"]["status"] == "refunded"
    await teller.end()


@pytest.mark.parametrize("by", ["guest", "host"])
async def test_a_refund_by_staff_at_the_moment_of_a_cancellation_is_on_the_receipt(
    teller: Teller, by: str
) -> None:
    booking = await teller.book(days=25)
    await teller.pay(booking)
    await teller.wait(days=22)
    await staff_refund(teller, 7_000, wait=False)  # booking may not have heard of it when it is cancelled
    await teller.cancel(booking, getattr(teller, by))
    left = sum(entry.get("clearing", 0) for _, entry in await teller.journal(booking))
    shown = await receipt(teller, booking)
    assert shown["paid"] - shown["refunded"] == left
    await teller.end()


@pytest.mark.parametrize("given", [5_000, 30_000])
async def test_what_host_and_staff_give_back_at_once_is_no_more_there_for_a_cancellation(
    teller: Teller, given: int
) -> None:
    booking = await teller.book()
    await teller.pay(booking)
    await staff_refund(teller, 13_000, wait=False)  # booking may not have heard of it when the host gives too
    await host_refund(teller, booking, given)
    left = max(0, 39_200 - 13_000 - given)
    shown = ok(await teller.admin.get(f"/api/bookings/{booking}/cancellation"))
    assert shown["refund"]["amount"] + shown["kept"]["amount"] == left
    *_, entry = [entry for kind, entry in await teller.journal(booking) if kind == "refund_promised"]
    assert entry["host"] > entry["revenue"] * 4  # and not the platform for the host
    gone = await teller.cancel(booking, teller.admin)
    assert gone["refund"]["amount"] == left
    assert await sent_back(teller, booking) == 39_200
    await teller.end()


async def test_what_is_given_back_of_two_payments_of_a_booking_is_heard_in_its_order(teller: Teller) -> None:
    """What was told last of whose the rest is holds, of whichever payment it went back."""
    booking = await teller.book(plan="half")
    await teller.pay(booking)
    await teller.wait(days=28)
    gone = await teller.cancel(booking, teller.guest)
    assert gone["kept"]["amount"] == 24_200
    await teller.pay(await teller.book(days=50))  # so that there is money to give back
    for payment in (2, 1):  # the first half, then the second
        await staff_refund(teller, 1_000 * payment, payment, wait=False)
    await teller.house.settle()
    told = await teller.house.house.history(f"books/{booking}")
    *_, first, second = [one.open(RefundInitiated) for one in told if one.name == RefundInitiated.name]
    assert (first.amount.amount, second.amount.amount) == (2_000, 1_000)
    assert first.payment_id != second.payment_id
    assert second.kept is not None
    assert total_of(second.kept).amount == 24_200 - 3_000
    async with teller.house.deps("booking").db.read() as db:
        assert (await store.bookings.get(db, UUID(booking))).kept == second.kept
    await teller.end()


async def test_a_refund_by_staff_after_the_stay_is_on_its_receipt(teller: Teller) -> None:
    booking = await teller.book()
    await teller.pay(booking)
    await teller.pay(await teller.book(days=50))  # so that there is money to give back
    await teller.wait(days=40)
    await staff_refund(teller, 5_000, payment=1)
    assert await receipt(teller, booking) == {"total": 39_200, "paid": 39_200, "refunded": 5_000}
    assert (await teller.history(booking))[-1] == "refunded by staff"
    await teller.end()


async def test_a_host_gives_back_more_than_the_policy_until_nothing_of_the_share_is_left(
    teller: Teller,
) -> None:
    booking = await teller.book()
    await teller.pay(booking)
    await teller.wait(days=28)
    gone = await teller.cancel(booking, teller.guest)
    assert gone["refund"]["amount"] == 15_000  # 242.00 are kept: 194.00 of the host, 48.00 of the platform
    path = f"/api/bookings/{booking}/refund"
    too_much = {"amount": dollars(19_401), "reason": "Get well."}
    problem(await teller.host.post(path, too_much), 422, "invalid")
    await host_refund(teller, booking, 10_000)
    assert (await teller.history(booking))[-1] == "refunded by host"
    assert (await receipt(teller, booking))["refunded"] == 25_000
    problem(await teller.host.post(path, {"amount": dollars(9_401), "reason": "more"}), 422, "invalid")
    await host_refund(teller, booking, 9_400)
    problem(await teller.host.post(path, {"amount": dollars(1), "reason": "more"}), 422, "invalid")
    assert await sent_back(teller, booking) == 34_400
    assert await receipt(teller, booking) == {"total": 39_200, "paid": 39_200, "refunded": 34_400}
    # What was shown when it was cancelled stays as it was.
    assert (await teller.look(booking))["cancellation"]["refund"]["amount"] == 15_000
    await teller.wait(days=10)
    assert balance(await teller.journal(booking)) == {"clearing": 4_800, "revenue": -4_800}
    await teller.end()


async def test_what_a_host_gives_back_after_the_pay_out_is_taken_from_the_next(teller: Teller) -> None:
    booking = await teller.book()
    await teller.pay(booking)
    following = await teller.book(days=50)
    await teller.pay(following)
    await teller.wait(days=40)
    await host_refund(teller, booking, 10_000)
    assert await sent_back(teller, booking) == 10_000
    await teller.wait(days=15)
    assert ("payout", {"host": 23_950, "clearing": -23_950}) in await teller.journal(following)
    await teller.end()


async def test_a_host_who_was_paid_gives_back_no_more_than_staff_have_left(teller: Teller) -> None:
    """Of 392.00 the host was paid 339.50. Staff give 100.00 back, all of the marketplace's and more of its
    own: 292.00 are left to go back."""
    booking = await teller.book()
    await teller.pay(booking)
    await teller.wait(days=32)
    await staff_refund(teller, 10_000)
    path, reason = f"/api/bookings/{booking}/refund", "The pool was closed."
    more = await teller.host.post(path, {"amount": dollars(29_201), "reason": reason})
    assert problem(more, 422, "invalid")["errors"][0]["code"] == "more_than_kept"
    for amount in (0, -1):
        nothing = await teller.host.post(path, {"amount": dollars(amount), "reason": reason})
        [told] = problem(nothing, 422, "invalid")["errors"]
        assert (told["field"], told["code"]) == ("amount", "out_of_range")
    await host_refund(teller, booking, 29_200)
    assert await receipt(teller, booking) == {"total": 39_200, "paid": 39_200, "refunded": 39_200}
    await teller.end()


async def test_only_the_host_gives_back_once_a_key_and_only_of_what_was_paid(teller: Teller) -> None:
    booking = await teller.book()
    path = f"/api/bookings/{booking}/refund"
    wish, key = {"amount": dollars(1_000), "reason": "sorry"}, {"Idempotency-Key": str(uuid4())}
    problem(await teller.host.post(path, wish), 409, "wrong_state")
    await teller.pay(booking)
    problem(await teller.guest.post(path, wish), 403, "forbidden")
    problem(await teller.admin.post(path, wish), 403, "forbidden")
    other = await teller.house.sign_up("other@example.com", "Otto Other")
    problem(await other.post(path, wish), 404, "not_found")
    for cents, currency in ((0, "USD"), (-1, "USD"), (1_000, "EUR")):
        bad = {"amount": {"amount": cents, "currency": currency}, "reason": "sorry"}
        problem(await teller.host.post(path, bad), 422, "invalid")
    first = ok(await teller.host.post(path, wish, headers=key), 201)
    again = ok(await teller.host.post(path, wish, headers=key), 201)
    assert first == again
    await teller.house.settle()
    assert await sent_back(teller, booking) == 1_000
    await teller.end()


async def test_a_half_paid_stay_of_which_some_went_back_is_paid_and_cancelled_exactly(teller: Teller) -> None:
    booking = await teller.book(plan="half")
    await teller.pay(booking)
    await host_refund(teller, booking, 5_000)
    assert await receipt(teller, booking) == {"total": 39_200, "paid": 19_600, "refunded": 5_000}
    await teller.wait(days=17)
    assert await receipt(teller, booking) == {"total": 39_200, "paid": 39_200, "refunded": 5_000}
    shown = await teller.cancel(booking, teller.guest)
    assert shown["refund"]["amount"] == 34_200
    assert await sent_back(teller, booking) == 39_200
    assert balance(await teller.journal(booking)) == {}
    await teller.end()


async def test_what_a_host_gave_of_the_first_half_the_second_does_not_share_out(teller: Teller) -> None:
    """Of 339.50 for the host and 52.50 for the marketplace the host gives 50.00; the other half comes whole.
    Staff who then settle a disagreement at 0.00 move nothing."""
    booking = await teller.book(plan="half")
    await teller.pay(booking)
    await host_refund(teller, booking, 5_000)
    await teller.wait(days=31)
    async with teller.house.deps("booking").db.read() as db:
        kept = (await store.bookings.get(db, UUID(booking))).kept
    assert kept is not None
    assert (kept.payout.amount, kept.platform.amount) == (28_950, 5_250)
    before = balance(await teller.journal(booking))
    path = f"/api/bookings/{booking}/disputes"
    asked = ok(await teller.guest.post(path, {"reason": "No water."}), 201)["disputes"][0]
    ok(await teller.admin.post(f"{path}/{asked['id']}/resolve", {"refund": dollars(0)}))
    await teller.house.settle()
    assert balance(await teller.journal(booking)) == before
    await teller.end()


@pytest.mark.parametrize(("given", "left"), [(5_000, 23_000), (33_950, 0)])
async def test_a_cheaper_change_after_a_refund_leaves_what_is_left_to_a_cancellation(
    teller: Teller, given: int, left: int
) -> None:
    """Two nights instead of three save 112.00; of 392.00 no more than that can go back."""
    booking = await teller.book()
    await teller.pay(booking)
    await host_refund(teller, booking, given)
    shorter = {"check_out": (await teller.look(booking))["check_out"].replace("-17", "-16")}
    ok(await teller.guest.put(f"/api/bookings/{booking}", shorter))
    ok(await teller.host.post(f"/api/bookings/{booking}/change/accept"))
    await teller.house.settle()
    assert await sent_back(teller, booking) == min(39_200, given + 11_200)
    shown = await teller.cancel(booking, teller.guest)
    assert shown["refund"]["amount"] == left
    assert await sent_back(teller, booking) == 39_200
    assert balance(await teller.journal(booking)) == {}
    await teller.end()


async def test_the_receipt_tells_what_a_bank_took_as_the_one_on_paper_does(teller: Teller) -> None:
    """Set aside, won, and then given back by us: the guest is never told of more than was paid."""
    booking = await teller.book()
    await teller.pay(booking, card="pm_card_createDispute")
    await teller.webhooks()
    path = f"/api/bookings/{booking}/receipt"
    shown = ok(await teller.guest.get(path))
    assert [shown[name]["amount"] for name in ("paid", "refunded", "charged_back")] == [39_200, 0, 39_200]
    await teller.cancel(booking, teller.guest)  # waits for the bank
    assert await receipt(teller, booking) == {"total": 39_200, "paid": 39_200, "refunded": 0}
    [dispute] = ok(await teller.admin.get("/api/payments/disputes"))["items"]
    answer = f"/api/payments/disputes/{dispute['id']}/evidence"
    ok(await teller.admin.post(answer, {"text": "winning_evidence"}))
    await teller.webhooks()
    shown = ok(await teller.guest.get(path))
    assert [shown[name]["amount"] for name in ("paid", "refunded", "charged_back")] == [39_200, 39_200, 0]
    await teller.end()


async def test_the_receipt_of_a_cheaper_stay_tells_what_was_paid_before_and_came_back(teller: Teller) -> None:
    booking = await teller.book()
    await teller.pay(booking)
    look = await teller.look(booking)
    wish = {
        "check_in": look["check_in"],
        "check_out": (date.fromisoformat(look["check_out"]) - DAY).isoformat(),
    }
    ok(await teller.guest.put(f"/api/bookings/{booking}", wish))
    ok(await teller.host.post(f"/api/bookings/{booking}/change/accept"))
    await teller.house.settle()
    # A night of 100.00 less, and 12 % of it.
    assert await receipt(teller, booking) == {"total": 28_000, "paid": 39_200, "refunded": 11_200}
    note = ok(await teller.guest.get("/api/payments/invoices"))["items"][0]
    assert (note["kind"], note["amount"]["amount"]) == ("credit_note", 11_200)
    assert [(line["label"], line["amount"]["amount"]) for line in note["lines"]] == [
        ("1 night", 10_000),
        ("Service fee (12 %)", 1_200),
    ]
    await teller.end()


@pytest.mark.parametrize("nights", [2, 4])
async def test_what_staff_give_back_while_a_change_is_made_is_no_more_there_for_a_cancellation(
    teller: Teller, nights: int
) -> None:
    booking = await teller.book()
    await teller.pay(booking)
    path, stay = f"/api/bookings/{booking}", await teller.look(booking)
    wish = {"check_out": (date.fromisoformat(stay["check_in"]) + nights * DAY).isoformat()}
    asked = ok(await teller.guest.put(path, wish))["change"]
    if asked["status"] == "awaiting_host":
        await staff_refund(teller, 7_000, wait=False)
        ok(await teller.host.post(f"{path}/change/accept"))
    else:
        paid = ok(await teller.guest.post("/api/payments/intent", {"booking_id": booking}), 201)
        await staff_refund(teller, 7_000, payment=1, wait=False)
        ok(await teller.guest.post(f"/api/payments/{paid['id']}/confirm", {"payment_method": "pm_card_visa"}))
    await teller.house.settle()
    left = sum(entry.get("clearing", 0) for _, entry in await teller.journal(booking))
    shown = ok(await teller.admin.get(f"{path}/cancellation"))
    assert shown["refund"]["amount"] + shown["kept"]["amount"] == left
    await teller.cancel(booking, teller.admin)
    await teller.end()

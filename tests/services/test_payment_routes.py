"""The routes of payments through the door: who may, what is refused, and how it is said."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from harness import TestHouse
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.kernel.clock import HOUR
from hometrip.ports.payments import Payments
from hometrip.services.payment.api import ROUTES
from journeys.steps import book, ok, open_home, pay, problem, stay


async def paid_booking(house: TestHouse) -> tuple[Any, Any, dict[str, Any]]:
    """A host, a guest, and the payment of a booking between them."""
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(host)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    payment = await pay(guest, booking["id"])
    await house.settle()
    return host, guest, payment


async def test_a_payment_is_shown_to_its_guest_and_to_staff_and_to_nobody_else(house: TestHouse) -> None:
    host, guest, payment = await paid_booking(house)
    path = f"/api/payments/{payment['id']}"
    assert set(payment) >= {"id", "booking_id", "status", "amount", "client_secret"}
    assert ok(await guest.get(path))["client_secret"] == payment["client_secret"]
    support = await house.staff("support")
    assert "client_secret" not in ok(await support.get(path))
    for stranger in (host, await house.sign_up("eve@example.com", "Eve")):
        problem(await stranger.get(path), 404, "not_found")
        problem(await stranger.get(f"{path}/refunds"), 404, "not_found")
        problem(await stranger.post(f"{path}/confirm", {"payment_method": "pm_card_visa"}), 404, "not_found")
        # A host sees the booking, and does not pay for it.
        refusal = (403, "forbidden") if stranger is host else (404, "not_found")
        answer = await stranger.post("/api/payments/intent", {"booking_id": payment["booking_id"]})
        problem(answer, *refusal)
        assert ok(await stranger.get("/api/payments/history"))["items"] == []
    problem(await house.client.get(path), 401, "unauthenticated")
    [own] = ok(await guest.get("/api/payments/history"))["items"]
    assert (own["id"], own["status"]) == (payment["id"], "succeeded")


async def test_the_tag_of_a_payment_saves_its_body_until_something_happens_to_it(house: TestHouse) -> None:
    _, guest, payment = await paid_booking(house)
    path, support = f"/api/payments/{payment['id']}", await house.staff("support", "sue@example.com")
    known = {"If-None-Match": (await guest.get(path)).headers["etag"]}
    unchanged = await guest.get(path, headers=known)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    part = {"amount": 100, "currency": payment["amount"]["currency"]}
    wish = {"payment_id": payment["id"], "reason": "broken shower", "amount": part}
    ok(await support.post("/api/payments/refund", wish), 201)
    await house.settle()
    assert ok(await guest.get(path, headers=known))["refunded"] == part


async def test_the_journal_is_for_admins_and_refunds_are_for_staff(house: TestHouse) -> None:
    _, guest, payment = await paid_booking(house)
    support, admin = await house.staff("support", "sue@example.com"), await house.staff("admin")
    wish = {"payment_id": payment["id"], "reason": "broken shower"}
    problem(await guest.post("/api/payments/refund", wish), 403, "forbidden")
    for path in ("/api/payments/ledger", "/api/payments/reconciliation"):
        problem(await support.get(path), 403, "forbidden")
        problem(await guest.get(path), 403, "forbidden")
    part = {"amount": 100, "currency": payment["amount"]["currency"]}
    made = ok(await support.post("/api/payments/refund", wish | {"amount": part}), 201)
    assert (made["amount"], made["status"]) == (part, "initiated")
    await house.settle()
    [refund] = ok(await guest.get(f"/api/payments/{payment['id']}/refunds"))["items"]
    assert refund["status"] == "completed"
    too_much = problem(
        await support.post("/api/payments/refund", wish | {"amount": payment["amount"]}),
        409,
        "refund_too_large",
    )
    assert too_much["left"]["amount"] == payment["amount"]["amount"] - 100
    for amount, code in (
        (part | {"amount": 0}, "out_of_range"),
        (part | {"amount": -1}, "out_of_range"),
        (part | {"currency": "JPY"}, "other_currency"),
    ):
        found = problem(await support.post("/api/payments/refund", wish | {"amount": amount}), 422, "invalid")
        assert [(error["field"], error["code"]) for error in found["errors"]] == [("amount", code)]
    found = ok(await admin.get("/api/payments/reconciliation"))
    assert (found["compared"], found["in_flight"], found["differences"]) == (1, 0, [])
    ledger = ok(await admin.get("/api/payments/ledger"))
    assert ledger["balance"] == {payment["amount"]["currency"]: 0}


def test_every_write_of_money_takes_a_key() -> None:
    writes = {
        path: handler.opt.get("idempotent", False)
        for handler in ROUTES
        for path in handler.paths
        if "POST" in handler.http_methods and path.startswith(("/payments/", "/stripe-connect/payout"))
    }
    assert len(writes) > 6
    assert [path for path, takes_one in writes.items() if not takes_one] == []


async def test_wrong_requests_are_named(house: TestHouse) -> None:
    _, guest, payment = await paid_booking(house)
    confirm = f"/api/payments/{payment['id']}/confirm"
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2030, "cvc": "123"}
    for body in ({"payment_method": 7}, {"iban": "x"}, {"card": {**card, "owner": "Gus"}}):
        assert (await guest.post(confirm, body)).status_code in (400, 422)
    problem(await guest.post(confirm, {"payment_method": "pm_card_visa", "card": card}), 422, "invalid")
    problem(await guest.post("/api/payments/intent", {"booking_id": str(uuid4())}), 404, "not_found")
    assert (await guest.get("/api/payments/not-an-id")).status_code == 404
    for limit in (0, 101, "many"):
        assert (await guest.get("/api/payments/history", params={"limit": limit})).status_code == 422
    assert (await guest.get("/api/payments/history", params={"cursor": "made up"})).status_code == 422


async def test_the_same_key_answers_the_same_and_another_body_is_refused(house: TestHouse) -> None:
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(host)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    key = {"Idempotency-Key": "opening-1"}
    body = {"booking_id": booking["id"]}
    first = await guest.post("/api/payments/intent", body, headers=key)
    again = await guest.post("/api/payments/intent", body, headers=key)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    other = await guest.post("/api/payments/intent", {"booking_id": str(uuid4())}, headers=key)
    problem(other, 409, "idempotency_key_reused")
    confirm, key = f"/api/payments/{first.json()['id']}/confirm", {"Idempotency-Key": "paying-1"}
    declined = {"payment_method": "pm_card_visa_chargeDeclined"}
    answers = [await guest.post(confirm, declined, headers=key) for _ in range(3)]
    assert len({answer.content for answer in answers}) == 1
    problem(
        await guest.post(confirm, {"payment_method": "pm_card_visa"}, headers=key),
        409,
        "idempotency_key_reused",
    )
    await house.settle()
    names = await house.events(f"books/{booking['id']}")
    assert names.count("payment.failed") == 1


async def test_staff_give_nothing_back_of_a_stay_of_their_own(house: TestHouse) -> None:
    host = await house.sign_up("host@example.com", "Hanna Host")
    sue, other = await house.staff("support", "sue@example.com"), await house.staff()
    home = await open_home(host)
    booking = ok(await book(sue, home["id"], stay(house)), 201)
    payment = await pay(sue, booking["id"])
    await house.settle()
    wish = {"payment_id": payment["id"], "reason": "A cold shower."}
    problem(await sue.post("/api/payments/refund", wish), 403, "forbidden")
    assert ok(await other.post("/api/payments/refund", wish), 201)["amount"] == payment["amount"]


async def test_an_admin_pays_nobody_early_for_a_stay_of_their_own(house: TestHouse) -> None:
    ada, other = await house.staff("admin", "ada@example.com"), await house.staff()
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(ada)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    await pay(guest, booking["id"])
    await house.settle()
    wish = {"booking_id": booking["id"]}
    problem(await ada.post("/api/stripe-connect/payout", wish), 403, "forbidden")
    assert ok(await other.post("/api/stripe-connect/payout", wish), 201)["status"] == "due"


async def test_a_key_is_asked_for_before_anything_is_opened_or_kept_for_it(house: TestHouse) -> None:
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home, other = await open_home(host), await open_home(host, "Hill cabin")
    booking, unpaid = [ok(await book(guest, one["id"], stay(house)), 201) for one in (home, other)]
    path, key, body = "/api/payments/intent", {"Idempotency-Key": "1"}, {"booking_id": booking["id"]}
    first = ok(await guest.post(path, body, headers=key), 201)
    reused = await guest.post(path, {"booking_id": unpaid["id"]}, headers=key)
    problem(reused, 409, "idempotency_key_reused")
    assert [one["id"] for one in ok(await guest.get("/api/payments/history"))["items"]] == [first["id"]]
    await house.advance(2 * HOUR.total_seconds())
    problem(await guest.post(path, body), 409, "not_payable")
    assert ok(await guest.post(path, body, headers=key), 201) == first
    path, key = "/api/payments/methods", {"Idempotency-Key": "2"}
    card = ok(await guest.post(path, {"payment_method": "pm_card_visa"}, headers=key), 201)
    reused = await guest.post(path, {"payment_method": "pm_card_mastercard"}, headers=key)
    problem(reused, 409, "idempotency_key_reused")
    assert ok(await guest.get(path))["items"] == [card]


async def test_a_card_that_was_forgotten_can_be_saved_again(house: TestHouse) -> None:
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    path, token = "/api/payments/methods", {"payment_method": "pm_card_visa"}
    card = ok(await guest.post(path, token), 201)
    assert (await guest.delete(f"{path}/{card['id']}")).status_code == 204
    again = ok(await guest.post(path, token), 201)
    assert ok(await guest.get(path))["items"] == [again]


async def test_a_webhook_is_taken_at_the_door_and_a_forged_one_is_not(house: TestHouse) -> None:
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(host)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    intent = ok(await guest.post("/api/payments/intent", {"booking_id": booking["id"]}), 201)
    provider: SandboxPayments = house.house.shared[Payments]
    provider_id = intent["client_secret"].partition("_secret_")[0]
    await provider.confirm_intent(provider_id, method="pm_card_visa", key="in the browser")
    _, body, signature = (await provider.undelivered())[-1]
    headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
    forged = await house.client.post("/api/webhook/stripe", content=body + b" ", headers=headers)
    problem(forged, 400, "bad_signature")
    problem(await house.client.post("/api/webhook/stripe", content=body), 400, "bad_signature")
    for _ in range(3):
        ok(await house.client.post("/api/webhook/stripe", content=body, headers=headers))
    await house.settle()
    assert ok(await guest.get(f"/api/payments/{intent['id']}"))["status"] == "succeeded"
    assert ok(await guest.get(f"/api/bookings/{booking['id']}"))["status"] == "confirmed"


async def test_a_host_sees_what_was_paid_and_will_be_paid(house: TestHouse) -> None:
    host, guest, _ = await paid_booking(house)
    [planned] = ok(await host.get("/api/stripe-connect/payouts"))["items"]
    assert planned["status"] == "due"
    assert ok(await host.get("/api/stripe-connect/balance"))["upcoming"] == [planned["amount"]]
    assert ok(await guest.get("/api/stripe-connect/payouts"))["items"] == []
    await house.advance(45 * 86_400)
    [paid] = ok(await host.get("/api/stripe-connect/payouts"))["items"]
    assert (paid["status"], paid["amount"]) == ("completed", planned["amount"])
    assert ok(await host.get("/api/stripe-connect/balance"))["paid"] == [planned["amount"]]


async def test_webhooks_are_taken_though_the_clock_is_moved_while_they_are_brought(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await paid_booking(house)
    provider = house.house.shared[Payments]
    assert len(await provider.undelivered()) > 1
    delivered = provider.delivered

    async def delivered_in_an_hour(webhook_id: str) -> None:
        await delivered(webhook_id)
        house.clock.move_to(house.clock.now() + HOUR)

    monkeypatch.setattr(provider, "delivered", delivered_in_an_hour)
    assert await house.house.bring_webhooks() > 1
    assert await provider.undelivered() == []


async def test_a_host_sees_what_is_owed_after_a_pay_out_that_failed_until_it_is_paid(
    house: TestHouse,
) -> None:
    host, _, _ = await paid_booking(house)
    ok(await host.post("/api/stripe-connect/account"), 201)
    await house.advance(45 * 86_400)
    [failed] = ok(await host.get("/api/stripe-connect/payouts"))["items"]
    assert failed["status"] == "failed"
    balance = ok(await host.get("/api/stripe-connect/balance"))
    nothing: dict[str, Any] = {name: [] for name in ("upcoming", "held", "in_transit", "paid", "debts")}
    assert balance == {**nothing, "owed": [failed["amount"]]}
    ok(await host.post("/api/stripe-connect/account/link", {"back_to": "http://127.0.0.1/host"}), 201)
    await house.house.bring_webhooks()
    await house.settle()
    balance = ok(await host.get("/api/stripe-connect/balance"))
    assert (balance["owed"], balance["paid"]) == ([], [failed["amount"]])

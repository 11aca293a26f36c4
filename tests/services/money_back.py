"""Steps of money that goes back: given by staff or host, taken by a cardholder's bank."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hometrip.adapters.payments.sandbox.cards import BY_TOKEN
from hometrip.kernel.money import Money
from hometrip.kernel.split import total_of
from hometrip.services.booking import store
from hometrip.services.payment import store as payments
from journeys.steps import ok
from stories.teller import Teller


def dollars(cents: int) -> dict[str, Any]:
    return {"amount": cents, "currency": "USD"}


async def staff_refund(teller: Teller, cents: int, payment: int = 0, *, wait: bool = True) -> None:
    paid = ok(await teller.guest.get("/api/payments/history"))["items"][payment]
    wish = {"payment_id": paid["id"], "reason": "no heating", "amount": dollars(cents)}
    ok(await teller.admin.post("/api/payments/refund", wish), 201)
    if wait:
        await teller.house.settle()


async def host_refund(teller: Teller, booking: str, cents: int) -> dict[str, Any]:
    wish = {"amount": dollars(cents), "reason": "The pool was closed."}
    given: dict[str, Any] = ok(await teller.host.post(f"/api/bookings/{booking}/refund", wish), 201)
    await teller.house.settle()
    return given


async def sent_back(teller: Teller, booking: str) -> int:
    """What the provider has given back to the guest."""
    return sum(-entry["clearing"] for kind, entry in await teller.journal(booking) if kind == "refund")


async def receipt(teller: Teller, booking: str) -> dict[str, int]:
    shown = ok(await teller.guest.get(f"/api/bookings/{booking}/receipt"))
    return {name: shown[name]["amount"] for name in ("total", "paid", "refunded")}


async def ask_back(teller: Teller, payment: int, cents: int | None = None) -> str:
    """The bank's part: it takes all of one of the guest's payments, or so much; staff's way to answer it."""
    paid = ok(await teller.guest.get("/api/payments/history"))["items"][payment]
    deps = teller.house.deps("payment")
    async with deps.db.read() as db:
        known = await payments.payment(db, UUID(paid["id"]))
    provider: Any = deps.payments
    amount = known.captured if cents is None else Money(cents, known.captured.currency)
    intent = await provider.get_intent(known.provider_id)
    provider._dispute(intent, BY_TOKEN["pm_card_createDispute"], amount)
    await teller.webhooks()
    dispute = ok(await teller.admin.get("/api/payments/disputes"))["items"][0]
    return f"/api/payments/disputes/{dispute['id']}/evidence"


async def kept_of(teller: Teller, booking: str) -> int:
    async with teller.house.deps("booking").db.read() as db:
        kept = (await store.bookings.get(db, UUID(booking))).kept
    assert kept is not None
    return total_of(kept).amount


async def decide(teller: Teller, evidence_path: str, status: str, *, wait: bool = True) -> None:
    """Staff answer the bank, which decides: `won` or `lost`."""
    text = "winning_evidence" if status == "won" else "losing_evidence"
    ok(await teller.admin.post(evidence_path, {"text": text}))
    if wait:
        await teller.webhooks()

"""What a process of its own does that is killed between the provider's answer and our own write.

What it got to know before is in `told.json` of its folder: the booking, the payment, the time.
"""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from hometrip.kernel.clock import DAY, HOUR
from hometrip.services.booking.contract import BookingAccepted, Payable
from hometrip.services.payment import actions, rules
from services.payment_scene import CHECK_IN_AT, GUEST, HOST, START, SUPPORT, Till, eur, till_in

HALF = {"due_now": eur(34_250), "balance_due_at": CHECK_IN_AT - 14 * DAY}
DEPOSIT = {"deposit": eur(20_000)}


class Known(msgspec.Struct):
    booking_id: UUID
    payable: Payable
    now: float
    guest: UUID
    host: UUID
    payment_id: UUID | None = None


def die_after(till: Till, method: str) -> None:
    """From now on, as soon as the provider has answered that, nothing of this process is left."""
    asked = getattr(till.provider, method)

    async def ask_and_die(*args: Any, **more: Any) -> None:
        await asked(*args, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(till.provider, method, ask_and_die)


async def opening(till: Till, booking_id: UUID) -> None:
    die_after(till, "create_intent")
    await actions.open_intent(till.deps, GUEST, booking_id)


async def paying(till: Till, booking_id: UUID) -> None:
    intent = await actions.open_intent(till.deps, GUEST, booking_id)
    note(till, booking_id, intent.id)
    die_after(till, "confirm_intent")
    await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa")


async def capturing(till: Till, booking_id: UUID) -> None:
    await paid(till, booking_id)
    die_after(till, "capture_intent")
    await till.hear(BookingAccepted(booking_id=booking_id, booking=till.facts(booking_id)))


async def releasing(till: Till, booking_id: UUID) -> None:
    await paid(till, booking_id)
    die_after(till, "cancel_intent")
    await till.cancelled(booking_id, till.desk.bookings[booking_id].total, rules.nothing_kept("EUR"))


async def refunding(till: Till, booking_id: UUID) -> None:
    payment_id = await paid(till, booking_id)
    die_after(till, "refund")
    await actions.refund(till.deps, SUPPORT, payment_id, eur(1_000), "late")
    await till.settle()


async def paying_out(till: Till, booking_id: UUID) -> None:
    await paid(till, booking_id)
    await till.confirmed(booking_id)
    die_after(till, "transfer")
    await until(till, CHECK_IN_AT + DAY - START, booking_id)


async def charging(till: Till, booking_id: UUID) -> None:
    await paid(till, booking_id)
    await till.confirmed(booking_id)
    die_after(till, "charge_again")
    await until(till, CHECK_IN_AT - 14 * DAY - START, booking_id)


async def holding(till: Till, booking_id: UUID) -> None:
    await paid(till, booking_id)
    await till.confirmed(booking_id, **DEPOSIT)
    die_after(till, "charge_again")
    await until(till, CHECK_IN_AT - 2 * DAY - START, booking_id)


async def claiming(till: Till, booking_id: UUID) -> None:
    await paid(till, booking_id)
    await till.confirmed(booking_id, **DEPOSIT)
    await until(till, CHECK_IN_AT + HOUR - START, booking_id)
    claim = await actions.claim(till.deps, HOST, booking_id, eur(5_000), "a broken window")
    die_after(till, "capture_intent")
    await actions.answer_claim(till.deps, GUEST, booking_id, claim.id, accept=True)
    await till.settle()


async def letting_go(till: Till, booking_id: UUID) -> None:
    await paid(till, booking_id)
    await till.confirmed(booking_id, **DEPOSIT)
    await until(till, CHECK_IN_AT + HOUR - START, booking_id)
    claim = await actions.claim(till.deps, HOST, booking_id, eur(5_000), "a broken window")
    await actions.answer_claim(till.deps, GUEST, booking_id, claim.id, accept=False)
    die_after(till, "cancel_intent")
    await actions.decide_claim(till.deps, SUPPORT, booking_id, claim.id, eur(0))
    await till.settle()


async def lapsing(till: Till, booking_id: UUID, dies_after: str = "get_intent") -> None:
    """The card's authorisation has ended."""
    await paid(till, booking_id)
    await till.confirmed(booking_id, **DEPOSIT)
    await until(till, CHECK_IN_AT + 5 * DAY - START, booking_id)
    webhooks = await till.provider.undelivered()
    die_after(till, dies_after)
    for webhook in webhooks:
        await actions.hear(till.deps, webhook.body, webhook.signature)
    await till.settle()


async def renewing(till: Till, booking_id: UUID) -> None:
    await lapsing(till, booking_id, "charge_again")


async def disputing(till: Till, booking_id: UUID) -> None:
    await paid(till, booking_id, "pm_card_createDispute")
    for webhook in await till.provider.undelivered():
        await actions.hear(till.deps, webhook.body, webhook.signature)
    await till.settle()
    [dispute] = (await actions.disputes(till.deps, None, 10, None)).items
    die_after(till, "send_evidence")
    await actions.answer_dispute(till.deps, SUPPORT, dispute.id, "losing_evidence")


# What is under way when it dies, with what booking would tell of the booking.
DEATHS: dict[str, tuple[Any, dict[str, Any]]] = {
    "opening": (opening, {}),
    "paying": (paying, {}),
    "authorising": (paying, {"capture": "manual"}),
    "capturing": (capturing, {"capture": "manual"}),
    "releasing": (releasing, {"capture": "manual"}),
    "refunding": (refunding, {}),
    "paying_out": (paying_out, {}),
    "charging": (charging, HALF),
    "holding": (holding, {}),
    "claiming": (claiming, {}),
    "letting_go": (letting_go, {}),
    "lapsing": (lapsing, {}),
    "renewing": (renewing, {}),
    "disputing": (disputing, {}),
}


async def paid(till: Till, booking_id: UUID, method: str = "pm_card_visa") -> UUID:
    intent = await actions.open_intent(till.deps, GUEST, booking_id)
    await actions.confirm(till.deps, GUEST, intent.id, method=method)
    await till.settle()
    note(till, booking_id, intent.id)
    return intent.id


async def until(till: Till, by: timedelta, booking_id: UUID) -> None:
    """As `Till.advance`, noting each moment before it is lived."""
    end = till.clock.now() + by
    while (due := await till.deps.db.next_due()) is not None and due <= end:
        till.clock.move_to(due)
        note(till, booking_id)
        await till.settle()
    till.clock.move_to(end)
    note(till, booking_id)


def note(till: Till, booking_id: UUID, payment_id: UUID | None = None) -> None:
    file = Path("told.json")
    if payment_id is None and file.exists():
        payment_id = msgspec.json.decode(file.read_bytes(), type=Known).payment_id
    payable, now = till.desk.bookings[booking_id], till.clock.now().timestamp()
    known = Known(booking_id, payable, now, GUEST.id, HOST.id, payment_id)
    file.write_bytes(msgspec.json.encode(known))


def live_and_die(folder: Path, name: str) -> None:
    """`name` says what is asked of the provider when it dies."""
    os.chdir(folder)
    asyncio.run(_live_and_die(folder, name))
    print("nothing of it was asked of the provider")


async def _live_and_die(folder: Path, name: str) -> None:
    live, changes = DEATHS[name]
    async with till_in(folder) as till:
        booking_id = till.desk.add(**changes)
        note(till, booking_id)
        await live(till, booking_id)

"""What the actions stand on, and the timers that this service sets for itself."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hometrip.kernel.clock import Clock
from hometrip.kernel.events import Event
from hometrip.kernel.ids import NewId
from hometrip.ports.database import Database, Tx
from hometrip.ports.payments import Payments
from hometrip.services.booking.contract import BookingQuestions
from hometrip.services.payment import rules


@dataclass(frozen=True)
class Deps:
    db: Database
    payments: Payments
    booking: BookingQuestions
    clock: Clock
    new_id: NewId


class PaymentLookDue(Event):
    """Ask the provider how a payment stands, have it do what is still wanted, and settle it."""

    name = "payment.look_due"
    about = ("payment", "payment_id")

    payment_id: UUID
    tries: int = 0


class RefundDue(Event):
    """Have the provider send a refund."""

    name = "payment.refund_due"
    about = ("refund", "refund_id")

    refund_id: UUID
    tries: int = 0


class PayoutDue(Event):
    """24 hours after check-in: what the host is owed for a booking is paid out."""

    name = "payment.payout_due"
    about = ("payout", "payout_id")

    payout_id: UUID


class TransferDue(Event):
    """Have the provider send a pay-out that was decided."""

    name = "payment.transfer_due"
    about = ("payout", "payout_id")

    payout_id: UUID
    tries: int = 0


async def again(deps: Deps, tx: Tx, errand: PaymentLookDue | RefundDue | TransferDue) -> None:
    """The same errand once more, `tries` counted, after a wait that grows; the key keeps it from doubling."""
    await tx.emit_later(errand, deps.clock.now() + rules.wait(errand.tries))

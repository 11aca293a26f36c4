"""What the actions stand on, and the timers that this service sets for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from hometrip.kernel.clock import Clock
from hometrip.kernel.events import Event
from hometrip.kernel.ids import NewId
from hometrip.ports.blobs import Blobs
from hometrip.ports.database import Database, Tx
from hometrip.ports.payments import Payments
from hometrip.ports.workshop import Workshop
from hometrip.services.auth.contract import AuthQuestions
from hometrip.services.booking.contract import BookingQuestions
from hometrip.services.payment import rules, store


@dataclass(frozen=True)
class Deps:
    db: Database
    payments: Payments
    blobs: Blobs
    workshop: Workshop
    booking: BookingQuestions
    auth: AuthQuestions
    clock: Clock
    new_id: NewId


class PaymentLookDue(Event):
    """Ask the provider how a payment stands, have it do what is still wanted, and settle it; what `closes` it
    wants that nothing is paid any more."""

    name = "payment.look_due"
    about = ("payment", "payment_id")

    payment_id: UUID
    tries: int = 0
    closes: bool = False


class RefundDue(Event):
    """Have the provider send a refund; `attempt` numbers those for which it held too little."""

    name = "payment.refund_due"
    about = ("refund", "refund_id")

    refund_id: UUID
    attempt: int = 0
    tries: int = 0


class RefundLookDue(Event):
    """See whether a refund that was sent has come back."""

    name = "payment.refund_look_due"
    about = ("refund", "refund_id")

    refund_id: UUID
    tries: int = 0


class DisputeLookDue(Event):
    """Ask the provider how a dispute about a payment stands; `dispute` is its id there."""

    name = "payment.dispute_look_due"
    about = ("payment", "payment_id")

    payment_id: UUID
    dispute: str
    tries: int = 0


class AccountLookDue(Event):
    """Ask the provider whether a host's account can be paid."""

    name = "payment.account_look_due"
    about = ("host", "host_id")

    host_id: UUID
    tries: int = 0


class HearingDue(Event):
    """Look for what the provider has told and no webhook has brought; there is one such timer."""

    name = "payment.hearing_due"
    about = ("provider", "of")

    of: str = "payments"
    tries: int = 0


class BalanceDue(Event):
    """Charge the second half of a stay's price to the card that paid the first; `attempt` numbers the tries
    that were declined, `tries` those that were not answered."""

    name = "payment.balance_due"
    about = ("booking", "booking_id")

    booking_id: UUID
    attempt: int = 0
    tries: int = 0


class BalanceReminder(Event):
    """Tell the guest that the second half will be charged."""

    name = "payment.balance_reminder"
    about = ("booking", "booking_id")

    booking_id: UUID


class DepositDue(Event):
    """Hold a damage deposit on the card that paid; `attempt` and `tries` as of `BalanceDue`."""

    name = "payment.deposit_due"
    about = ("booking", "booking_id")

    booking_id: UUID
    attempt: int = 0
    tries: int = 0


class DepositEnds(Event):
    """14 days after check-out: a deposit is released unless it is claimed."""

    name = "payment.deposit_ends"
    about = ("booking", "booking_id")

    booking_id: UUID


class ClaimAnswerDue(Event):
    """24 hours after a claim: without the guest's answer staff decide."""

    name = "payment.claim_answer_due"
    about = ("booking", "booking_id")

    booking_id: UUID
    claim_id: UUID


class PayoutDue(Event):
    """Its day has come: what the host is owed for a booking by then is paid out."""

    name = "payment.payout_due"
    about = ("payout", "payout_id")

    payout_id: UUID


class TransferDue(Event):
    """Have the provider send a pay-out that was decided; `attempt` numbers those that it put off, because
    what came in had not settled or, `uncovered` times, because it held too little. One that was `put_off` is
    surely not sent, and can be taken back."""

    name = "payment.transfer_due"
    about = ("payout", "payout_id")

    payout_id: UUID
    attempt: int = 0
    tries: int = 0
    put_off: bool = False
    uncovered: int = 0


class TransferLookDue(Event):
    """See whether a pay-out that was sent has come back."""

    name = "payment.transfer_look_due"
    about = ("payout", "payout_id")

    payout_id: UUID
    tries: int = 0


Errand = (
    PaymentLookDue
    | RefundDue
    | RefundLookDue
    | DisputeLookDue
    | AccountLookDue
    | HearingDue
    | TransferDue
    | TransferLookDue
    | BalanceDue
    | DepositDue
)


async def lock_books(tx: Tx, booking_id: UUID) -> None:
    """The books of a booking are one transaction's at a time, so that what it counts in them stays true.

    Whoever needs more than one row of a booking's money begins with this, so that none waits for the other.
    """
    await tx.lock(f"books/{booking_id}")


async def again(deps: Deps, tx: Tx, errand: Errand, key: str = "") -> None:
    """The same errand once more, `tries` counted, after a wait that grows; the key keeps it from doubling."""
    await tx.emit_later(errand, deps.clock.now() + rules.wait(errand.tries), key=key)


async def later(deps: Deps, errand: Errand, key: str = "") -> None:
    """`again`, in a transaction of its own."""
    async with deps.db.transaction() as tx:
        await again(deps, tx, msgspec.structs.replace(errand, tries=errand.tries + 1), key)


def told(kind: type[Any], payment: store.Payment, **more: Any) -> Event:
    """The event of that kind about the whole of a payment."""
    change = payment.part.removeprefix(rules.CHANGE) if payment.part.startswith(rules.CHANGE) else None
    facts = {"amount": payment.amount, "change_id": None if change is None else UUID(change), **more}
    event: Event = kind(
        payment_id=payment.id, booking_id=payment.booking_id, guest_id=payment.guest_id, **facts
    )
    return event

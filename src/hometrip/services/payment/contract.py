"""What others may know of payments: events, errors, and the questions that payment answers."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from hometrip.kernel.errors import Conflict
from hometrip.kernel.events import Event
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.kernel.wire import Answer
from hometrip.ports.payments import ChargedCard
from hometrip.ports.peer import command


class PaymentEvent(Event):
    """Of all payments of a booking in one order. `change_id` names the change whose difference it is for."""

    about = ("books", "booking_id")
    payment_id: UUID
    booking_id: UUID
    guest_id: UUID
    amount: Money
    change_id: UUID | None = None


class PaymentIntentCreated(PaymentEvent):
    """The guest has begun to pay the price, its first half, or the difference of a change."""

    name = "payment.intent.created"


class PaymentActionRequired(PaymentEvent):
    """The guest's bank wants to hear from the guest (3-D Secure): the hold is extended once."""

    name = "payment.action_required"


class PaymentCreated(PaymentEvent):
    """The card is authorised for a request to book; nothing is captured yet."""

    name = "payment.created"


class PaymentSucceeded(PaymentEvent):
    """The money is captured."""

    name = "payment.succeeded"


class PaymentFailed(PaymentEvent):
    """A card was declined; `why` is the provider's code. Another may be tried."""

    name = "payment.failed"

    why: str


class PaymentCanceled(PaymentEvent):
    """Nothing was taken and nothing will be: an authorisation was released, or an unpaid intent closed."""

    name = "payment.canceled"


class PaymentRefunded(PaymentEvent):
    """`amount` went back; `all` tells whether nothing is left. Where it could not go back to the card and we
    paid it in another way, that was under the `reference`."""

    name = "payment.refunded"

    all: bool
    reference: str | None = None


class PaymentBalanceFailed(PaymentEvent):
    """The second half could not be charged in three tries over 72 hours: booking cancels under its policy.
    After the stay it is owed."""

    name = "payment.balance_failed"

    why: str


class PaymentBalanceSoon(PaymentEvent):
    """The second half of a stay's price, `amount`, will be charged at `due_at`."""

    name = "payment.balance_soon"

    due_at: datetime


class DepositHeld(PaymentEvent):
    """A damage deposit is held on the guest's card."""

    name = "payment.deposit_held"


class DepositReleased(PaymentEvent):
    """A damage deposit, or what is left of it, is released. `refused`: its host had claimed that, in vain."""

    name = "payment.deposit_released"

    refused: Money | None = None


class DepositTaken(PaymentEvent):
    """So much of a damage deposit was charged for the host's claim."""

    name = "payment.deposit_taken"


class DepositFailed(PaymentEvent):
    """Not held, or not anew once it `lapsed`: the card was declined three times. A claim is `unpaid`."""

    name = "payment.deposit_failed"

    why: str
    lapsed: bool = False
    unpaid: Money | None = None


class DepositClaimed(PaymentEvent):
    """The host claims that much of the deposit; the guest has 24 hours to answer."""

    name = "payment.deposit_claimed"

    claim_id: UUID
    why: str


class DepositContested(PaymentEvent):
    """The guest has not agreed to the host's claim of so much, or not answered in time: staff decide."""

    name = "payment.deposit_contested"


class PaymentDisputed(PaymentEvent):
    """The cardholder's bank asks for the money back (`status` is open; `why` in the card networks' word), or
    has decided: won, the money is here again, or lost. Nothing is paid out for the booking meanwhile. Once
    no bank is to decide, `kept` says whose the rest is, and `lost` by how much it is less than was known.
    `late`: it was decided long ago, and all but booking have heard."""

    name = "payment.disputed"

    dispute_id: UUID
    status: str
    why: str
    lost: Money | None = None
    kept: Split | None = None
    late: bool = False


class RefundInitiated(PaymentEvent):
    """`granted`: staff gave it back of their own accord. `kept` only then, where less went back than booking
    asked for, and of a cancelled stay: whose the rest of the money is. Without it, what was granted comes off
    each share that booking knows of."""

    name = "refund.initiated"

    refund_id: UUID
    kept: Split | None = None
    granted: bool = False


class RefundCompleted(PaymentEvent):
    """The provider has sent it, or staff have recorded that they paid it in another way."""

    name = "refund.completed"

    refund_id: UUID


class RefundFailed(PaymentEvent):
    """It could not be sent, or came back: the guest is `owed` it, unless the cardholder's bank gave it."""

    name = "refund.failed"

    refund_id: UUID
    why: str
    owed: bool = True


class SetOff(Answer):
    """What was taken from a pay-out for what its host owed for another booking. `why`: the `penalty` of a
    host who cancelled it, or it was paid out and has been `given_back` to the guest since."""

    booking_id: UUID
    amount: Money
    why: str


class PayoutEvent(Event):
    """`amount` is what is sent, after what was `set_off`."""

    about = ("payout", "payout_id")

    payout_id: UUID
    booking_id: UUID
    host_id: UUID
    amount: Money
    set_off: list[SetOff] = []


class PayoutInitiated(PayoutEvent):
    """It is booked, and on its way to the provider."""

    name = "host.payout.initiated"


class PayoutCompleted(PayoutEvent):
    """The provider has sent it to the account of the host. It may still come back."""

    name = "host.payout.completed"


class PayoutFailed(PayoutEvent):
    """Refused, not covered for a week, or sent back (`why`): the host is owed it again."""

    name = "host.payout.failed"

    why: str


class PayoutSetOff(PayoutEvent):
    """The host owed as much for other bookings: nothing is sent."""

    name = "host.payout.set_off"


class HostAccountUpdated(Event):
    """Whether the provider pays a host has changed; `missing` is what it still wants to know."""

    name = "host.account.updated"
    about = ("host", "host_id")

    host_id: UUID
    can_be_paid: bool
    missing: list[str]


class NotPayable(Conflict):
    """This booking does not await a payment; `state` is the one that it is in."""

    code = "not_payable"


class PaidPart(Answer):
    """One payment of a stay, captured `at` that moment; `card` where it was one, and is known."""

    at: datetime
    amount: Money
    card: ChargedCard | None = None


class Taken(Answer):
    """What was taken for a stay, the damage deposit apart: of `paid`, `refunded` went back or is to, and
    `charged_back` is with the cardholder's bank, for now or for good."""

    paid: Money
    refunded: Money
    charged_back: Money
    payments: list[PaidPart] = []


class PaymentQuestions(Protocol):
    @command
    async def capture(self, booking_id: UUID) -> str:
        """Capture what was authorised: "captured", "nothing_authorised" or "failed". Safe to repeat."""

    @command
    async def let_go(self, booking_id: UUID) -> tuple[UUID, str] | None:
        """Take nothing for a booking that is to make room. Its payment, if one was begun, and how that is:
        canceled, unless it was succeeded or requires_capture before; else the provider does not know yet.
        Safe to repeat."""

    async def taken(self, booking_id: UUID, currency: str) -> Taken:
        """As its receipt tells it; nothing in that currency where nothing was."""

    async def receipt_pdf(self, booking_id: UUID, with_cards: bool = False) -> bytes:
        """A confirmed booking's receipt; `NotFound` where there is none. Who may see it, and the cards on it,
        the asker decides."""

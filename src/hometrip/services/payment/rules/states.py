"""How a payment moves, how much can go back, and how long to wait before asking again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Protocol

from hometrip.kernel.clock import DAY, HOUR, MINUTE
from hometrip.kernel.errors import Conflict, Invalid
from hometrip.kernel.money import Money
from hometrip.ports.payments import IntentError, ProviderIntent

# Between asking the provider and looking whether its answer was lost, and then between one try and the next.
PATIENCE = (MINUTE, 10 * MINUTE, HOUR, 6 * HOUR)

OPEN = frozenset({"requires_payment_method", "requires_confirmation", "requires_action", "processing"})
WITH_BANK = "requires_action"
AUTHORISED = "requires_capture"
SUCCEEDED = "succeeded"
CANCELED = "canceled"

# In Stripe's words: no refund can be made of what a cardholder's bank has taken.
HELD_BY_BANK = "charge_disputed"
# In ours: the bank has decided, and the provider refunds nothing of what is left either.
LOST_TO_BANK = "dispute_lost"

# In Stripe's words: the provider holds too little of ours to send it. Money comes in, so it is asked again.
NOT_COVERED = "balance_insufficient"
COVERED_WITHIN = 7 * DAY

# In Stripe's words: the host's account cannot be paid for now.
CANNOT_BE_PAID = "insufficient_capabilities_for_transfer"

# What a payment is for. A change's payment is `CHANGE` and the change's id.
FIRST, BALANCE, CHANGE, DEPOSIT = "first", "balance", "change:", "deposit"

# A deposit whose hold is still to be made, or made anew; and a claim that it is held for beyond its time.
TO_BE_HELD = ("planned", "renewing")
CLAIMED = ("open", "with_staff", "granted")


class RefundTooLarge(Conflict):
    """More than that was never paid, or has gone back already; `left` can be refunded."""

    code = "refund_too_large"


class NotRefundable(Conflict):
    """No money was taken for this booking, so none can go back."""

    code = "not_refundable"


class RefundNotOwed(Conflict):
    """Only a refund that the provider refused for good can be paid in another way: it is on its way or done,
    or the cardholder's bank has the money; `state` is its own."""

    code = "refund_not_owed"


class NotClaimable(Conflict):
    """The deposit is not held, this is not its time, or that of the claim is over; `state` is the one that it
    is in."""

    code = "not_claimable"

    @classmethod
    def as_it_is(cls, state: str) -> NotClaimable:
        return cls(f"This claim is {state.replace('_', ' ')}.", state=state)


def claimed_in_time(state: str, since: datetime, at: datetime, until: datetime) -> None:
    """`NotClaimable`, with the time, for a claim before check-in, and for one when 14 days after check-out
    are over."""
    if at < since:
        raise NotClaimable(
            "A deposit can be claimed from check-in on.", state=state, since=since, until=until
        )
    if at >= until:
        raise NotClaimable("The time to claim this deposit is over.", state=state, since=since, until=until)


class DisputeAnswered(Conflict):
    """This dispute takes no evidence any more; `state` is the one that it is in."""

    code = "dispute_answered"


class PayoutHeld(Conflict):
    """Nothing is paid out for this booking while a dispute is open."""

    code = "payout_held"


class NothingOwed(Conflict):
    """The host is owed nothing for this booking that was not paid out yet."""

    code = "nothing_owed"


# What a bank says of these is not for the one who holds the card, which may not be its owner: Stripe's rule.
UNTOLD = frozenset({"fraudulent", "lost_card", "merchant_blacklist", "stolen_card"})


class Known(Protocol):
    """What a payment was last known to be."""

    @property
    def status(self) -> str: ...
    @property
    def last_error(self) -> IntentError | None: ...
    @property
    def next_action(self) -> dict[str, Any] | None: ...


class Claimed(Protocol):
    """A claim on a deposit."""

    @property
    def status(self) -> str: ...


def is_claimed(claim: Claimed | None) -> bool:
    """Is a deposit to be held until that is paid or refused?"""
    return claim is not None and claim.status in CLAIMED


def refund_within(asked: Money | None, left: Money) -> Money:
    """All that is left, or the part that was asked for; `RefundTooLarge` over that, `Invalid` for no amount
    that could ever go back."""
    if asked is not None and asked.currency != left.currency:
        raise Invalid.field("amount", "other_currency", f"this was paid in {left.currency}")
    if asked is not None and asked.amount <= 0:
        raise Invalid.field("amount", "out_of_range", "must be more than nothing")
    amount = left if asked is None else asked
    if not 0 < amount.amount <= left.amount:
        raise RefundTooLarge(f"{left} can be refunded", left=left)
    return amount


def wait(tries: int) -> timedelta:
    """How long before the next try."""
    return PATIENCE[min(tries, len(PATIENCE) - 1)]


def may_be_covered(attempt: int) -> bool:
    """Is a refund or a pay-out asked for again after so many tries before this one?"""
    return sum((wait(before) for before in range(attempt)), timedelta()) < COVERED_WITHIN


def moves_on(status: str, intent: ProviderIntent) -> bool:
    """Does the provider's answer change a payment in `status`? An end is never left, and what was authorised
    is only captured or released, whatever an older answer says that arrives late."""
    if status in (SUCCEEDED, CANCELED):
        return False
    if status == AUTHORISED:
        return intent.status in (SUCCEEDED, CANCELED)
    return True


def tells_more(known: Known, intent: ProviderIntent) -> bool:
    """Does the provider say something that is not known yet?"""
    said = (intent.status, intent.last_error, intent.next_action)
    return said != (known.status, known.last_error, known.next_action)


def shown_decline(error: IntentError) -> IntentError:
    """What the guest is told of a decline."""
    if UNTOLD.isdisjoint((error.code, error.decline_code)):
        return error
    return IntentError("card_declined", "Your card was declined.", "generic_decline")


def dispute_moves_on(was: str, told: str) -> bool:
    """An end is never left, and what is under review wants no answer any more, whatever comes late."""
    order = ("needs_response", "under_review", "won", "lost")
    return was not in ("won", "lost") and order.index(told) > order.index(was)

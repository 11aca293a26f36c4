"""What happened elsewhere, and who is told of it; and the timer of deliveries."""

from __future__ import annotations

from hometrip.kernel.service import unhurried
from hometrip.services.auth import contract as auth
from hometrip.services.booking import contract as booking
from hometrip.services.notification.actions import delivering
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.actions.telling import remember, tell, visit_told
from hometrip.services.notification.contract import DeliveryDue
from hometrip.services.notification.rules.facts import Facts, cancelled, visit_of
from hometrip.services.payment import contract as payment

# By what an event says of a dispute.
DISPUTES = {"open": "dispute_opened", "won": "dispute_won", "lost": "dispute_lost"}


async def deliver_when_due(deps: Deps, event: DeliveryDue) -> None:
    await delivering.deliver(deps, event)


# accounts


async def ask_to_verify_when_created(deps: Deps, event: auth.UserCreated) -> None:
    if not event.verified:
        await tell(deps, event, "verify_email", event.user_id, Facts())


async def ask_to_verify_when_requested(deps: Deps, event: auth.VerificationRequested) -> None:
    await tell(deps, event, "verify_email", event.user_id, Facts())


async def tell_owner_when_signup_repeated(deps: Deps, event: auth.SignupRepeated) -> None:
    await tell(deps, event, "signup_repeated", event.user_id, Facts())


async def send_link_when_reset_requested(deps: Deps, event: auth.PasswordResetRequested) -> None:
    await tell(deps, event, "password_reset", event.user_id, Facts(request_id=event.request_id))


async def tell_owner_when_password_changed(deps: Deps, event: auth.UserPasswordChanged) -> None:
    await tell(deps, event, "password_changed", event.user_id, Facts())


async def tell_owner_when_new_device(deps: Deps, event: auth.UserNewDevice) -> None:
    await tell(deps, event, "new_device", event.user_id, Facts(device=event.device, at=event.at))


# bookings


async def remember_visit_when_created(deps: Deps, event: booking.BookingCreated) -> None:
    await remember(deps, event)


async def tell_both_when_requested(deps: Deps, event: booking.BookingRequested) -> None:
    await remember(deps, event)
    facts = Facts(visit=visit_of(event.booking))
    await tell(deps, event, "booking_request_received", event.booking.host_id, facts)
    await tell(deps, event, "booking_request_sent", event.booking.guest_id, facts)


async def tell_both_when_confirmed(deps: Deps, event: booking.BookingConfirmed) -> None:
    facts = Facts(visit=visit_of(event.booking))
    await tell(deps, event, "booking_confirmed", event.booking.guest_id, facts)
    await tell(deps, event, "booking_confirmed_host", event.booking.host_id, facts)


async def tell_guest_when_declined(deps: Deps, event: booking.BookingDeclined) -> None:
    facts = Facts(visit=visit_of(event.booking), why=event.why)
    await tell(deps, event, "booking_declined", event.booking.guest_id, facts)


async def tell_guest_when_expired(deps: Deps, event: booking.BookingExpired) -> None:
    facts = Facts(visit=visit_of(event.booking))
    await tell(deps, event, "booking_expired", event.booking.guest_id, facts)


async def tell_both_when_cancelled(deps: Deps, event: booking.BookingCancelled) -> None:
    facts = cancelled(event)
    await tell(deps, event, "booking_cancelled", event.booking.guest_id, facts)
    await tell(deps, event, "booking_cancelled_host", event.booking.host_id, facts)


# money


async def send_receipt_when_paid(deps: Deps, event: payment.PaymentSucceeded) -> None:
    visit = await visit_told(deps, event.booking_id)
    await tell(deps, event, "payment_succeeded", event.guest_id, Facts(visit=visit, amount=event.amount))


async def tell_guest_when_payment_failed(deps: Deps, event: payment.PaymentFailed) -> None:
    visit = await visit_told(deps, event.booking_id)
    facts = Facts(visit=visit, amount=event.amount, why=event.why)
    await tell(deps, event, "payment_failed", event.guest_id, facts)


async def tell_guest_when_refunded(deps: Deps, event: payment.PaymentRefunded) -> None:
    visit = await visit_told(deps, event.booking_id)
    await tell(deps, event, "payment_refunded", event.guest_id, Facts(visit=visit, amount=event.amount))


async def tell_host_when_paid_out(deps: Deps, event: payment.PayoutCompleted) -> None:
    visit = await visit_told(deps, event.booking_id)
    await tell(deps, event, "payout_sent", event.host_id, Facts(visit=visit, amount=event.amount))


async def tell_host_when_disputed(deps: Deps, event: payment.PaymentDisputed) -> None:
    """That it is open, and how it ended. Guests are told by their bank."""
    visit = await visit_told(deps, event.booking_id)
    facts = Facts(visit=visit, amount=event.amount)
    await tell(deps, event, DISPUTES[event.status], visit.host_id, facts)


async def tell_host_when_account_updated(deps: Deps, event: payment.HostAccountUpdated) -> None:
    """What exactly is missing the provider says, where the host fills it in."""
    kind = "payouts_ready" if event.can_be_paid else "payouts_stopped"
    await tell(deps, event, kind, event.host_id, Facts())


REACTIONS = (
    deliver_when_due,
    *unhurried(
        ask_to_verify_when_created,
        ask_to_verify_when_requested,
        tell_owner_when_signup_repeated,
        send_link_when_reset_requested,
        tell_owner_when_password_changed,
        tell_owner_when_new_device,
        remember_visit_when_created,
        tell_both_when_requested,
        tell_both_when_confirmed,
        tell_guest_when_declined,
        tell_guest_when_expired,
        tell_both_when_cancelled,
        send_receipt_when_paid,
        tell_guest_when_payment_failed,
        tell_guest_when_refunded,
        tell_host_when_paid_out,
        tell_host_when_disputed,
        tell_host_when_account_updated,
    ),
)

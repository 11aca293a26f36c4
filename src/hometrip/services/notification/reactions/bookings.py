"""What happens to bookings, told to guest and host."""

from __future__ import annotations

from hometrip.services.booking import contract as booking
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.actions.telling import remember, remember_change, tell
from hometrip.services.notification.rules.facts import TIMED_OUT, Facts, asked_for, cancelled, visit_of


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


async def tell_all_when_balance_owed(deps: Deps, event: booking.BookingBalanceOwed) -> None:
    """The guest that it is still to be paid; the host, whose share waits for it; support and admins."""
    facts = Facts(visit=visit_of(event.booking), amount=event.amount, why=event.why)
    await tell(deps, event, "balance_owed", event.booking.guest_id, facts)
    await tell(deps, event, "balance_owed_host", event.booking.host_id, facts)
    await tell(deps, event, "balance_owed_staff", await deps.auth.helpers(), facts)


async def tell_when_change_pending(deps: Deps, event: booking.BookingChangePending) -> None:
    """The host, whose consent it needs, or the guest, who has it and is to pay. Who needs none is told on the
    spot."""
    facts = asked_for(event)
    if facts.visit:
        await remember_change(deps, event, facts.visit)
    if event.status == "awaiting_host":
        await tell(deps, event, "booking_change_asked", event.booking.host_id, facts)
    elif event.consented:
        await tell(deps, event, "booking_change_agreed", event.booking.guest_id, facts)


async def tell_both_when_changed(deps: Deps, event: booking.BookingChanged) -> None:
    await remember(deps, event)
    await remember_change(deps, event, visit_of(event.booking))
    facts = Facts(visit=visit_of(event.booking))
    await tell(deps, event, "booking_changed", event.booking.guest_id, facts)
    await tell(deps, event, "booking_changed_host", event.booking.host_id, facts)


async def tell_other_when_change_ended(deps: Deps, event: booking.BookingChangeEnded) -> None:
    """The guest, or, where it was the guest who has withdrawn it, the host. Nobody where another wish or the
    end of the booking has ended it: of those both are told anyway."""
    if event.status == "withdrawn":
        facts = Facts(visit=visit_of(event.booking))
        await tell(deps, event, "booking_change_withdrawn", event.booking.host_id, facts)
    if event.status == "declined" or event.why in TIMED_OUT:
        facts = Facts(visit=visit_of(event.booking), why=event.why)
        await tell(deps, event, "booking_change_ended", event.booking.guest_id, facts)

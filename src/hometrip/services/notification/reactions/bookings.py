"""What happens to bookings, told to guest, host and co-hosts."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from hometrip.services.booking import contract as booking
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.actions.telling import Told, tell, tell_all, to_hosts
from hometrip.services.notification.rules.facts import TIMED_OUT, Facts, Visit, asked_for, cancelled, visit_of


async def remember_visit_when_created(deps: Deps, event: booking.BookingCreated) -> None:
    """For the mails about its money."""
    await tell_all(deps, event, visits={event.booking_id: visit_of(event.booking)})


async def tell_both_when_requested(deps: Deps, event: booking.BookingRequested) -> None:
    visit = visit_of(event.booking)
    facts = Facts(visit=visit, beside_requests=not event.booking.holds_nights)
    received = await to_hosts(deps, "booking_request_received", visit.listing_id, visit.host_id, facts)
    sent = Told("booking_request_sent", visit.guest_id, facts)
    await tell_all(deps, event, *received, sent, visits={event.booking_id: visit})


async def tell_both_when_confirmed(deps: Deps, event: booking.BookingConfirmed) -> None:
    facts = Facts(visit=visit_of(event.booking))
    await _tell_both(deps, event, "booking_confirmed", facts, facts)


async def tell_guest_when_declined(deps: Deps, event: booking.BookingDeclined) -> None:
    facts = Facts(visit=visit_of(event.booking), why=event.why)
    await tell(deps, event, "booking_declined", event.booking.guest_id, facts)


async def tell_guest_when_expired(deps: Deps, event: booking.BookingExpired) -> None:
    """Not who has just wished for something else instead."""
    if event.why not in ("", booking.NOT_PAID):
        return
    facts = Facts(visit=visit_of(event.booking))
    await tell(deps, event, "booking_expired", event.booking.guest_id, facts)


async def tell_both_when_cancelled(deps: Deps, event: booking.BookingCancelled) -> None:
    await _tell_both(deps, event, "booking_cancelled", cancelled(event), cancelled(event, for_hosts=True))


async def tell_all_when_balance_owed(deps: Deps, event: booking.BookingBalanceOwed) -> None:
    """The guest that it is still to be paid; the host, whose share waits for it; support and admins."""
    facts = Facts(visit=visit_of(event.booking), amount=event.amount, why=event.why)
    guest = Told("balance_owed", event.booking.guest_id, facts)
    host = Told("balance_owed_host", event.booking.host_id, facts)
    staff = Told("balance_owed_staff", await deps.auth.helpers(), facts)
    await tell_all(deps, event, guest, host, staff)


async def tell_when_change_pending(deps: Deps, event: booking.BookingChangePending) -> None:
    """The host, whose consent it needs, or the guest, who has it and is to pay. Who needs none is told on the
    spot."""
    facts = asked_for(event)
    told = []
    if event.status == "awaiting_host":
        of = event.booking
        told = await to_hosts(deps, "booking_change_asked", of.listing_id, of.host_id, facts)
    elif event.consented:
        told = [Told("booking_change_agreed", event.booking.guest_id, facts)]
    # How the stay is to be is kept for the mails about what the change costs: they may be before it is so.
    kept = {event.change_id: facts.visit} if facts.visit else {}
    await tell_all(deps, event, *told, visits=kept)


async def tell_both_when_changed(deps: Deps, event: booking.BookingChanged) -> None:
    visit = visit_of(event.booking)
    kept = {event.booking_id: visit, event.change_id: visit}
    await _tell_both(deps, event, "booking_changed", Facts(visit=visit), Facts(visit=visit), visits=kept)


async def tell_other_when_change_ended(deps: Deps, event: booking.BookingChangeEnded) -> None:
    """The guest, or, where it was the guest who has withdrawn it, the host. Nobody where another wish or the
    end of the booking has ended it: of those both are told anyway."""
    if event.status == "withdrawn":
        of, facts = event.booking, Facts(visit=visit_of(event.booking))
        told = await to_hosts(deps, "booking_change_withdrawn", of.listing_id, of.host_id, facts)
        await tell_all(deps, event, *told)
    if event.status == "declined" or event.why in TIMED_OUT:
        facts = Facts(visit=visit_of(event.booking), why=event.why)
        await tell(deps, event, "booking_change_ended", event.booking.guest_id, facts)


async def tell_other_and_staff_when_stay_disputed(deps: Deps, event: booking.DisputeOpened) -> None:
    """Whoever has not opened it; support and admins, who are to settle it."""
    of, facts = event.booking, Facts(visit=visit_of(event.booking), by=event.by, why=event.why)
    if event.by == "guest":
        other = await to_hosts(deps, "stay_disputed_host", of.listing_id, of.host_id, facts)
    else:
        other = [Told("stay_disputed", of.guest_id, facts)]
    await tell_all(deps, event, *other, Told("stay_disputed_staff", await deps.auth.helpers(), facts))


async def tell_both_when_stay_dispute_settled(deps: Deps, event: booking.DisputeResolved) -> None:
    facts = Facts(visit=visit_of(event.booking), amount=event.refund, kept=event.kept.payout)
    await _tell_both(deps, event, "stay_dispute_settled", facts, facts)


async def _tell_both(
    deps: Deps,
    event: booking.BookingEvent,
    kind: str,
    to_guest: Facts,
    facts: Facts,
    visits: Mapping[UUID, Visit] = {},
) -> None:
    """The guest, and host and co-hosts in words of their own."""
    of = event.booking
    guest = Told(kind, of.guest_id, to_guest)
    hosts = await to_hosts(deps, f"{kind}_host", of.listing_id, of.host_id, facts)
    await tell_all(deps, event, guest, *hosts, visits=visits)

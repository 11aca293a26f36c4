"""How taken nights change: by blocks, by imported calendars, by what is heard of bookings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

import msgspec

from hometrip.kernel.stay import ONE_NIGHT, Stay
from hometrip.services.booking.contract import (
    BookingCancelled,
    BookingChanged,
    BookingChangeEnded,
    BookingChangePending,
    BookingConfirmed,
    BookingDeclined,
    BookingEvent,
    BookingExpired,
)
from hometrip.services.listing.rules.calendar import BLOCKED, BOOKED, IMPORTED, Calendar, Released, Span

# What ends a booking so that its nights are free again.
ENDS = (BookingDeclined, BookingExpired, BookingCancelled)
# Of so many bookings that ended it is remembered that they did: an event that comes late cannot revive them.
_ENDED_REMEMBERED = 100


def with_span(days: Calendar, span: Span) -> Calendar:
    """With the span in the place of an earlier one of the same id."""
    others = [other for other in days.spans if other.id != span.id]
    return _with(days, [*others, span])


def without_span(days: Calendar, span_id: UUID) -> Calendar:
    return _with(days, [other for other in days.spans if other.id != span_id])


def with_blocks(days: Calendar, gone: Iterable[UUID], new: Sequence[Span]) -> Calendar:
    """Without those that are gone, with the new ones in the place of earlier ones of their ids."""
    replaced = {*gone, *(span.id for span in new)}
    return _with(days, [*(span for span in days.spans if span.id not in replaced), *new])


def with_imported(days: Calendar, source_id: UUID, stays: Iterable[Stay]) -> Calendar:
    """With these as all the nights that an imported calendar takes."""
    others = [other for other in days.spans if other.id != source_id]
    new = [
        Span(id=source_id, kind=IMPORTED, check_in=stay.check_in, check_out=stay.check_out) for stay in stays
    ]
    return _with(days, [*others, *new])


def _with(days: Calendar, spans: Sequence[Span]) -> Calendar:
    ordered = sorted(spans, key=lambda span: (span.check_in, span.check_out, span.id))
    return msgspec.structs.replace(days, spans=ordered)


def with_booking(days: Calendar, event: BookingEvent) -> Calendar | None:
    """The calendar after what an event says of a booking: that it takes its nights or gives them back.

    The nights of a confirmed booking that host or staff cancelled stay blocked. None where the calendar knew
    already: ids of events rise with time, and one that is older than the last word about its booking, because
    it was kept back or comes again, changes nothing. A request beside others for its nights has none yet.
    """
    booking, told_by = event.booking, event.event_id or UUID(int=0)
    if not booking.holds_nights:
        return None
    old = next((span for span in days.spans if span.id == booking.booking_id), None)
    ended = next((each for each in days.released if each.id == booking.booking_id), None)
    if any(last is not None and last.told_by and told_by <= last.told_by for last in (old, ended)):
        return None
    released = [each for each in days.released if each.id != booking.booking_id]
    confirmed = isinstance(event, BookingConfirmed) or (old is not None and old.confirmed)
    kept = confirmed and isinstance(event, BookingCancelled) and event.by != "guest"
    if isinstance(event, ENDS) and not kept:
        released = [*released, Released(id=booking.booking_id, told_by=told_by)][-_ENDED_REMEMBERED:]
        return msgspec.structs.replace(without_span(days, booking.booking_id), released=released)
    span = Span(
        id=booking.booking_id,
        kind=BLOCKED if kept else BOOKED,
        check_in=booking.check_in,
        check_out=booking.check_out,
        confirmed=confirmed,
        told_by=told_by,
    )
    return msgspec.structs.replace(_with_change(with_span(days, span), event), released=released)


def _with_change(days: Calendar, event: BookingEvent) -> Calendar:
    """While other nights are asked for, they are held besides the booking's own."""
    match event:
        case BookingChangePending():
            held = Span(
                id=event.change_id,
                kind=BOOKED,
                check_in=event.stay.check_in,
                check_out=event.stay.check_out,
                told_by=event.event_id or UUID(int=0),
            )
            return with_span(days, held)
        case BookingChanged() | BookingChangeEnded():
            return without_span(days, event.change_id)
    return days


def nights_of(days: Calendar) -> list[tuple[str, date, date]]:
    """What is taken and by what, whoever said so last."""
    return [(span.kind, span.check_in, span.check_out) for span in days.spans]


def runs(nights: Iterable[date]) -> list[Stay]:
    """Rising nights as the fewest ranges that have them all."""
    found: list[Stay] = []
    for night in nights:
        if found and found[-1].check_out == night:
            found[-1] = Stay(found[-1].check_in, night + ONE_NIGHT)
        else:
            found.append(Stay(night, night + ONE_NIGHT))
    return found

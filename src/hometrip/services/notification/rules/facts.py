"""What a notification is about: the facts that are kept of it, and who reads it."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.money import Money, total
from hometrip.kernel.record import Frozen
from hometrip.kernel.stay import Stay, clock_at
from hometrip.services.booking.contract import (
    CHANGE_NOT_ANSWERED,
    NOT_PAID,
    BookingCancelled,
    BookingChangePending,
    BookingFacts,
)
from hometrip.services.listing.contract import HomeCard, QuoteLine


class Visit(Frozen):
    """A booking as far as mails tell of it, with the hours that were agreed on by the clock at the home; what
    is kept from earlier versions has none."""

    booking_id: UUID
    listing_id: UUID
    guest_id: UUID
    host_id: UUID
    title: str
    check_in: date
    check_out: date
    nights: int
    guests: int
    total: Money
    payout: Money
    lines: list[QuoteLine]
    hold_until: datetime | None = None
    check_in_from: str = ""
    check_out_by: str = ""


class TakenOff(Frozen):
    """What was set off against a pay-out for another stay; `why` is penalty or given_back."""

    title: str
    stay: Stay
    amount: Money
    why: str


class Named(Frozen):
    """A home that a message to its host is about."""

    listing_id: UUID
    title: str


class Facts(Frozen, omit_defaults=True):
    """Holds no address, no token and no name: those are asked for when a message is sent. `other` is the
    account that a message about a home speaks of. Who reads it `as_co_host` is told of a stay what its host
    is, but for the host's money."""

    visit: Visit | None = None
    home: Named | None = None
    feed: str = ""
    stays: list[Stay] = []
    amount: Money | None = None
    kept: Money | None = None
    penalty: Money | None = None
    before: Stay | None = None
    by: str = ""
    why: str = ""
    device: str = ""
    at: datetime | None = None
    request_id: UUID | None = None
    set_off: list[TakenOff] = []
    reference: str = ""
    beside_requests: bool = False
    other: UUID | None = None
    as_co_host: bool = False

    @property
    def of_path(self) -> dict[str, str]:
        """What the path of a kind leads to."""
        return {
            "booking_id": str(self.visit.booking_id) if self.visit else "",
            "listing_id": str(self.home.listing_id) if self.home else "",
        }

    @property
    def gross(self) -> Money | None:
        """The amount with what was set off against it."""
        if self.amount is None:
            return None
        return self.amount + total((one.amount for one in self.set_off), self.amount.currency)


class Reader(Frozen):
    """Who the message is for, and how this person reads: language (`fr`, `fr-CA`) and time zone."""

    name: str
    locale: str
    time_zone: str


class Around(Frozen):
    """What was asked for at sending time: first names (of both parties of a stay, or of the other account),
    the home, the link's target."""

    guest: str = ""
    host: str = ""
    other: str = ""
    home: HomeCard | None = None
    link: str = ""
    site: str = ""


def visit_of(booking: BookingFacts) -> Visit:
    return Visit(
        booking_id=booking.booking_id,
        listing_id=booking.listing_id,
        guest_id=booking.guest_id,
        host_id=booking.host_id,
        title=booking.title,
        check_in=booking.check_in,
        check_out=booking.check_out,
        nights=booking.nights,
        guests=booking.guests,
        total=booking.total,
        payout=booking.split.payout,
        lines=booking.lines,
        hold_until=booking.hold_until,
        check_in_from=_clock_time(booking.check_in_at, booking.time_zone),
        check_out_by=_clock_time(booking.check_out_at, booking.time_zone),
    )


def _clock_time(at: datetime, zone: str | None) -> str:
    return clock_at(at, zone) if zone else ""


# Why a change has ended that nobody has ended.
TIMED_OUT = (CHANGE_NOT_ANSWERED, NOT_PAID)


def asked_for(event: BookingChangePending) -> Facts:
    """The stay as it is to be, by the hours that the home has now, held until then; of its price the total
    alone is told. `before` are its dates as they are, where those change."""
    booking = event.booking
    before = Stay(booking.check_in, booking.check_out)
    visit = replace(
        visit_of(booking),
        check_in=event.stay.check_in,
        check_out=event.stay.check_out,
        nights=event.stay.nights,
        guests=event.guests or booking.guests,
        total=event.total,
        lines=[],
        hold_until=event.until,
        check_in_from="",
        check_out_by="",
    )
    return Facts(visit=visit, amount=event.difference, before=None if before == event.stay else before)


def cancelled(event: BookingCancelled, *, for_hosts: bool = False) -> Facts:
    """`by` is guest, host or staff, or lapse where nobody cancelled: the second half was not paid. For who
    hosts, that is told apart from a `co_host`."""
    return Facts(
        visit=visit_of(event.booking),
        by="lapse" if event.lapsed else "co_host" if for_hosts and event.by_co_host else event.by,
        why=event.why,
        amount=event.refund,
        kept=event.kept.payout,
        penalty=event.penalty,
    )

"""What a guest keeps of a booking: its receipt, and its entry in a calendar."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.money import Money
from hometrip.kernel.wire import Answer
from hometrip.services.booking.contract import WrongState
from hometrip.services.booking.rules.booking import Booking
from hometrip.services.booking.rules.parts import Cancellation
from hometrip.services.listing.contract import QuoteLine, ShownIn
from hometrip.services.payment.contract import PaidPart, Taken

# The states of an entry in a calendar (RFC 5545, section 3.8.1.11).
ICS_STATUS = {
    "pending": "TENTATIVE",
    "confirmed": "CONFIRMED",
    "checked_in": "CONFIRMED",
    "completed": "CONFIRMED",
}
LINE_OCTETS = 75


class Receipt(Answer):
    """What was agreed on, paid and given back: of `paid`, the sum of `payments`, `refunded` went back, and
    `charged_back` is with the cardholder's bank, for now or for good.

    `balance` is what is still to be paid of `total`; nothing is of a booking that was cancelled.
    `taxes` are those of `total`, by area. `valid_at` is the moment that it describes. `shown` is that of
    the quote: `total` in the guest's currency.
    """

    booking_id: UUID
    listing_id: UUID
    guest_id: UUID
    host_id: UUID
    title: str
    check_in: date
    check_out: date
    nights: int
    guests: int
    status: str
    confirmed_at: datetime
    valid_at: datetime
    lines: list[QuoteLine]
    total: Money
    taxes: dict[str, Money]
    paid: Money
    refunded: Money
    charged_back: Money
    payments: list[PaidPart]
    balance: Money | None = None
    balance_due_at: datetime | None = None
    cancellation: Cancellation | None = None
    shown: ShownIn | None = None


def receipt(booking: Booking, taken: Taken, at: datetime, *, with_cards: bool) -> Receipt:
    """`WrongState` for a booking that was never paid. What was `taken` payment knows, also what a bank has
    of it for now: of that a booking does not hear."""
    if booking.confirmed_at is None:
        raise WrongState("There is a receipt once the booking is paid.", state=booking.status)
    same = (
        "listing_id guest_id host_id title check_in check_out guests status confirmed_at lines total "
        "cancellation shown"
    )
    return Receipt(
        **{name: getattr(booking, name) for name in same.split()},
        booking_id=booking.id,
        nights=booking.stay.nights,
        valid_at=at,
        taxes=booking.split.taxes,
        balance=booking.owed,
        balance_due_at=booking.balance_due_at if booking.owed else None,
        paid=taken.paid,
        refunded=taken.refunded,
        charged_back=taken.charged_back,
        payments=taken.payments if with_cards else [replace(one, card=None) for one in taken.payments],
    )


def calendar(booking: Booking, address: str | None, at: datetime) -> str:
    """The stay as an iCalendar object (RFC 5545) of one event; `address` where it may be told.

    A later version of the booking is the same event (`UID`) with a higher `SEQUENCE`.
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//HomeTrip//Stays//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{booking.id}@hometrip",
        f"SEQUENCE:{booking.version}",
        f"DTSTAMP:{_stamp(at)}",
        f"DTSTART:{_stamp(booking.check_in_at)}",
        f"DTEND:{_stamp(booking.check_out_at)}",
        f"SUMMARY:{_escaped(booking.title)}",
        *([f"LOCATION:{_escaped(address)}"] if address else []),
        f"STATUS:{ICS_STATUS.get(booking.status, 'CANCELLED')}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%SZ")


def _escaped(text: str) -> str:
    r"""As a TEXT value: backslash, semicolon, comma and line ends are written with a backslash."""
    for plain, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\r\n", "\\n")):
        text = text.replace(plain, escaped)
    for line_end in "\r\n":
        text = text.replace(line_end, "\\n")
    return "".join(letter for letter in text if letter >= " ")


def _folded(line: str) -> str:
    """No line is over 75 octets; what goes on begins with a space. Letters are not cut in two."""
    parts, part, octets = [], "", 0
    for letter in line:
        size = len(letter.encode())
        if octets + size > LINE_OCTETS:
            parts.append(part)
            part, octets = " ", 1
        part, octets = part + letter, octets + size
    return "\r\n".join([*parts, part])

"""What others may know of bookings: events, public records, errors, and the questions that booking
answers.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from hometrip.kernel.errors import Conflict
from hometrip.kernel.events import Event
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.kernel.stay import Stay
from hometrip.kernel.wire import Answer
from hometrip.ports.peer import command
from hometrip.services.listing.contract import QuoteLine, ShownIn

# What a host can choose; what each gives back is in `rules/cancellation.py`.
CANCELLATION_POLICIES = tuple(
    "flexible moderate limited firm strict super_strict_30 super_strict_60 non_refundable long_term".split()
)

# Why a booking or its change has ended where nobody has said why: `why` in histories and events. Mails say
# it in the reader's language.
NO_ANSWER = "the host did not answer within 24 hours"
CHANGE_NOT_ANSWERED = "the host did not answer in time"
NOT_PAID = "not paid in time"
OTHER_ACCEPTED = "the host has accepted another request for these nights"
BOOKED_MEANWHILE = "these nights were booked by somebody else meanwhile"
WHY_TAKEN_DOWN = "the home was taken down"
REASONS = (NO_ANSWER, CHANGE_NOT_ANSWERED, NOT_PAID, OTHER_ACCEPTED, BOOKED_MEANWHILE, WHY_TAKEN_DOWN)


class BookingFacts(Answer):
    """A booking as its events tell it. Instants are those of the home's own check-in and check-out times, in
    its `time_zone` (events of earlier versions tell none). `due_now` is what is paid first where the plan is
    half now; the rest is due at `balance_due_at`. `deposit` is held on the card from 48 hours before check-in
    to 14 days after check-out. `shown` is the price in the guest's currency, as its quote has it. A request
    beside others for the same nights `holds_nights` only once it is accepted."""

    booking_id: UUID
    listing_id: UUID
    guest_id: UUID
    host_id: UUID
    title: str
    check_in: date
    check_out: date
    check_in_at: datetime
    check_out_at: datetime
    nights: int
    guests: int
    status: str
    total: Money
    split: Split
    lines: list[QuoteLine]
    cancellation_policy: str
    awaiting: str | None = None
    hold_until: datetime | None = None
    due_now: Money | None = None
    balance_due_at: datetime | None = None
    deposit: Money | None = None
    shown: ShownIn | None = None
    time_zone: str | None = None
    holds_nights: bool = True


class BookingEvent(Event):
    about = ("booking", "booking_id")

    booking_id: UUID
    booking: BookingFacts


class BookingRequested(BookingEvent):
    """A request to book: the host has 24 hours, and the nights are held unless other requests hold them."""

    name = "booking.requested"


class BookingCreated(BookingEvent):
    """A booking that awaits its payment: the nights are held for 15 minutes."""

    name = "booking.created"


class BookingAccepted(BookingEvent):
    """The host said yes; what was authorised is to be captured now."""

    name = "booking.accepted"


class BookingConfirmed(BookingEvent):
    """It is paid, or costs its guest nothing. Also of a hold that had ended, with its nights still free."""

    name = "booking.confirmed"


class BookingDeclined(BookingEvent):
    """`why` is the host's reason, or that the 24 hours ran out."""

    name = "booking.declined"

    why: str


class BookingExpired(BookingEvent):
    """`why` is `NOT_PAID`, "" by earlier versions, or what has replaced it. A late payment may confirm it."""

    name = "booking.expired"

    why: str = ""


class BookingCancelled(BookingEvent):
    """`refund` goes back to the guest, `lines` tell of which lines of the price; `kept` says whose the rest
    is. `by` is guest, host or staff, `at` when. `penalty` is taken from the host's coming payouts. It
    `lapsed` where it counts as the guest's, because the second half was not paid; what a co-host cancelled
    counts as the host's."""

    name = "booking.cancelled"

    by: str
    why: str
    refund: Money
    kept: Split
    penalty: Money | None = None
    lines: list[QuoteLine] = []
    lapsed: bool = False
    by_co_host: bool = False
    at: datetime | None = None


class BookingBalanceOwed(BookingEvent):
    """The second half could not be charged while the stay could still be cancelled: the guest owes it."""

    name = "booking.balance_owed"

    amount: Money
    why: str


class BookingChanged(BookingEvent):
    """Dates or guests are others now; `booking` tells the new terms, `before` what the old total was and
    whose. A dearer one was paid for before (as payment of `change_id`), of a cheaper one the rest goes back.
    """

    name = "booking.changed"

    change_id: UUID
    before_total: Money
    before: Split


class BookingChangePending(BookingEvent):
    """Another stay is asked for, and its nights are held besides those of the booking `until` then. `status`
    tells what it awaits: awaiting_host (consent), awaiting_payment (the `difference`; `consented` by the host
    or not asked)."""

    name = "booking.change_pending"

    change_id: UUID
    status: str
    stay: Stay
    total: Money
    difference: Money
    until: datetime
    guests: int = 0
    consented: bool = False


class BookingChangeEnded(BookingEvent):
    """The change is declined, withdrawn or expired (`status`): the booking stays as it was. `why` is the
    host's reason, `CHANGE_NOT_ANSWERED` or `NOT_PAID` where its time ran out, or what else ended it."""

    name = "booking.change_ended"

    change_id: UUID
    status: str
    why: str


class BookingRefunded(BookingEvent):
    """The host gave `refund` back to the guest, beyond what went back before; `kept` says whose the rest is
    then."""

    name = "booking.refunded"

    refund_id: UUID
    why: str
    refund: Money
    kept: Split


class DisputeOpened(BookingEvent):
    """Nothing is paid out for the booking until it is resolved. `by` is guest or host."""

    name = "dispute.opened"

    dispute_id: UUID
    by: str
    why: str


class DisputeResolved(BookingEvent):
    """`refund` goes back to the guest beyond what went back before; `kept` says whose the rest is then."""

    name = "dispute.resolved"

    dispute_id: UUID
    refund: Money
    kept: Split


class BookingCheckedIn(BookingEvent):
    name = "booking.checked_in"


class BookingCompleted(BookingEvent):
    """The stay is over: by itself at check-out, or because the host said so on that day."""

    name = "booking.completed"


class BookingUnpayable(BookingEvent):
    """A payment came for what can no longer be had: all of it goes back to the guest. With a `payment_id`
    that payment alone: of a change that ended, or of the second half of a booking that is over."""

    name = "booking.unpayable"

    payment_id: UUID | None = None


class DatesTaken(Conflict):
    """Some of these nights are taken already.

    Facts: `rule`, by what the first of them is (booked, blocked or imported), and `free_instead`, the nearest
    stays that can be had. Where a host wants the nights, `taken` lists those that others have, by home."""

    code = "dates_taken"


class PriceChanged(Conflict):
    """The price is not the one that was quoted; `quote` is the new one."""

    code = "price_changed"


class PolicyChanged(Conflict):
    """The cancellation policy is not the one that was quoted; `quote` is the new one."""

    code = "policy_changed"


class WrongState(Conflict):
    """The booking is in a state from which this cannot be done; `state` names it."""

    code = "wrong_state"


class CouponRefused(Conflict):
    """This coupon cannot be used here. `reason` is unknown, not_yet, over, other_home, other_currency,
    minimum, used_up, used_by_you or, for the change of a booking that was made without it, other_booking."""

    code = "coupon_refused"


class CouponTerms(Answer):
    """What a coupon takes off: `percent_bp` of the subtotal, or `fixed`."""

    code: str
    host_funded: bool
    percent_bp: int | None = None
    fixed: Money | None = None
    minimum: Money | None = None


class Payable(Answer):
    """What payment needs to know before it takes money for a booking. `capture` is automatic or manual.

    `due_now` is what is to be paid now where that is less than the total: half of it, or, with a `change_id`,
    the difference that a change costs (`split` is then whose the difference is, `hold_until` the change's).
    `lines` are those of the total, and none where a change is paid.
    """

    booking_id: UUID
    guest_id: UUID
    host_id: UUID
    status: str
    total: Money
    split: Split
    capture: str
    check_in_at: datetime
    hold_until: datetime | None = None
    due_now: Money | None = None
    balance_due_at: datetime | None = None
    change_id: UUID | None = None
    lines: list[QuoteLine] = []


class BlockEdit(Answer):
    """Of one home: blocks whose nights are given back, then those that take nights, by their ids."""

    listing_id: UUID
    release: list[UUID]
    take: dict[UUID, Stay]


class NightsTaken(Answer):
    listing_id: UUID
    nights: list[date]


class Agreed(Answer):
    """What a booking that is changed was made on: its policy, its coupon, and a stay that later rules do not
    refuse."""

    stay: Stay
    policy: str
    coupon: str | None = None


class BookingQuestions(Protocol):
    async def payable(self, booking_id: UUID) -> Payable:
        """`NotFound` where there is none."""

    async def coupon(self, code: str, home: UUID, guest: UUID | None, changing: UUID | None) -> CouponTerms:
        """`CouponRefused` where it cannot be used now; the guest's booking `changing` keeps its own."""

    async def has_confirmed(self, listing_id: UUID, guest_id: UUID) -> bool:
        """Has (or had) the guest a confirmed booking there? Then the exact address is shown."""

    async def agreed(self, booking_id: UUID, home: UUID, guest: UUID) -> Agreed | None:
        """What the guest's own confirmed booking of the home was made on; None where there is no such one."""

    async def has_open(self, listing_id: UUID) -> bool:
        """Is there a live booking whose check-out lies ahead?"""

    async def taken(self, home: UUID, besides: UUID | None, changing: UUID | None) -> list[Stay]:
        """Every taken range, bookings and blocks, in order. Left out is what the guest `besides` could have
        all the same: own unpaid holds (the next one replaces them), the own confirmed `changing`."""

    async def taken_but_for_requests(self, home: UUID, guest: UUID | None) -> list[Stay]:
        """As `taken`, without the nights that requests of other guests hold: they can be asked for too."""

    async def co_hosts(self, listing_ids: list[UUID]) -> dict[UUID, list[UUID]]:
        """Of those homes that have any, the accounts that booking knows to act for them."""

    @command
    async def forget_co_host(self, co_host_id: UUID) -> None:
        """The account acts for the home no more, from now on: its event may come later. Safe to repeat."""

    @command
    async def block(self, listing_id: UUID, block_id: UUID, stay: Stay) -> None:
        """Take the nights for a block; `DatesTaken` over a live booking or another block, with those nights.
        Safe to repeat."""

    @command
    async def unblock(self, block_id: UUID) -> None:
        """Give a block's nights back; safe to repeat."""

    @command
    async def edit_blocks(self, edits: list[BlockEdit]) -> None:
        """All or none: `DatesTaken` tells in `taken` which nights of which home others have. Repeatable."""

    @command
    async def replace_blocks(self, listing_id: UUID, source_id: UUID, stays: list[Stay]) -> list[Stay]:
        """Make these the nights that a source (an imported calendar) takes; answers those that live bookings
        or other blocks have already, which stay as they are. Safe to repeat."""

"""What a cancellation refunds: the table of policies, and the arithmetic line by line."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

from msgspec.structs import replace

from hometrip.kernel.clock import HOUR, SECOND, utc
from hometrip.kernel.errors import Invalid
from hometrip.kernel.lines import SUBTOTAL
from hometrip.kernel.money import Money, digits_of, half_up, total, zero
from hometrip.kernel.record import Frozen
from hometrip.kernel.stay import ONE_NIGHT, at_local, local_date
from hometrip.services.booking.rules.booking import Booking, before_check_in
from hometrip.services.booking.rules.lines import (
    UNTIL_CHECK_IN,
    WITH_NIGHTS,
    of_what_is_left,
    portion,
    sums,
)
from hometrip.services.booking.rules.parts import Cancellation, CancelledLine
from hometrip.services.booking.rules.states import wrong_state
from hometrip.services.listing.contract import QuoteLine

GRACE = 24 * HOUR
GRACE_NOTICE_DAYS = 7
GRACE_NIGHTS_BELOW = 28
FEE_REFUNDS = 3  # how often a guest gets the service fee back in twelve months
WHOLE_BP = 10_000

# What a host is charged for a confirmed booking that the guest did not cancel, in whole units of the
# platform's currency.
PENALTY_LEAST, PENALTY_MOST = 50, 1_000


class Part(Frozen):
    """What comes back of the nights that are not over: so many basis points of all but the first `less`."""

    rule: str
    bp: int
    less: int = 0


class Notice(Frozen):
    """So long before check-in: days by the home's calendar and check-in time, or hours by the clock."""

    days: int = 0
    hours: int = 0


class Policy(Frozen):
    """The first notice that is kept decides; none kept before check-in gives nothing."""

    before: tuple[tuple[Notice, Part], ...]
    after: Part


ALL = Part(rule="all_nights", bp=WHOLE_BP)
ALL_BUT_ONE = Part(rule="all_but_some_nights", bp=WHOLE_BP, less=1)
ALL_BUT_THIRTY = Part(rule="all_but_some_nights", bp=WHOLE_BP, less=30)
HALF = Part(rule="part_of_nights", bp=5_000)
HALF_BUT_ONE = Part(rule="part_of_nights", bp=5_000, less=1)
NOTHING = Part(rule="nothing", bp=0)
GRACE_PART = Part(rule="grace", bp=WHOLE_BP)

AT_CHECK_IN = Notice()


def _days(days: int) -> Notice:
    return Notice(days=days)


POLICIES = {
    "flexible": Policy(before=((Notice(hours=24), ALL), (AT_CHECK_IN, ALL_BUT_ONE)), after=ALL_BUT_ONE),
    "moderate": Policy(before=((_days(5), ALL), (AT_CHECK_IN, HALF_BUT_ONE)), after=HALF_BUT_ONE),
    "limited": Policy(before=((_days(14), ALL), (_days(7), HALF)), after=NOTHING),
    "firm": Policy(before=((_days(30), ALL), (_days(7), HALF)), after=NOTHING),
    "strict": Policy(before=((_days(7), HALF),), after=NOTHING),
    "super_strict_30": Policy(before=((_days(30), HALF),), after=NOTHING),
    "super_strict_60": Policy(before=((_days(60), HALF),), after=NOTHING),
    "non_refundable": Policy(before=(), after=NOTHING),
    "long_term": Policy(before=((_days(30), ALL), (AT_CHECK_IN, ALL_BUT_THIRTY)), after=ALL_BUT_THIRTY),
}

# Up to which notice, which share of the stay a host is charged; with less notice it is half.
PENALTIES = ((_days(30), 1_000), (Notice(hours=48), 2_500))
PENALTY_LATE_BP = 5_000


def cancellation(
    booking: Booking, by: str, at: datetime, fees_returned: int, fault: str = "host"
) -> Cancellation:
    """What cancelling at `at` refunds; `by` is guest, host or staff, whose `fault` it is as of `at_fault`.

    `fees_returned` is how often this guest got the service fee back within the last twelve months.
    Raises `WrongState` for a booking that is over.
    """
    if not booking.is_live:
        raise wrong_state(booking, "cancel")
    if booking.confirmed_at is None:
        return _nothing_paid(booking, by, at)
    if by != "guest":
        whole = _Back(1, 1, cleaning=True, fee=True)
        told = _told(booking, by, f"{by}_cancelled", whole, _valid_for_host(booking, at), at)
        return replace(told, penalty=penalty(booking, at) if fault == "host" else None)
    part = _part(booking, at)
    back = _back(booking, part, at, fees_returned)
    return _told(booking, by, part.rule, back, _valid_until(booking, part, at), at)


def at_fault(fault: str | None, by: str) -> str:
    """Who is charged where the guest has not cancelled: the host, unless staff say that it was the guest's or
    the platform's fault."""
    if fault is not None and by != "staff":
        raise Invalid.field("fault", "staff_only", "only staff say whose fault it is")
    return fault or "host"


def penalty(booking: Booking, at: datetime) -> Money:
    """What the host is charged when host or staff cancel a confirmed booking at `at`.

    Half of the stay within 48 hours of check-in or later, a quarter within 30 days, a tenth earlier; at least
    50 and at most 1,000 in the platform's currency, at the rate of the day of booking (in the booking's own
    where there was none). The stay is its lines before coupon, service fee and taxes.
    """
    currency = booking.total.currency
    stay = total((line.amount for line in booking.lines if line.kind in SUBTOTAL), currency)
    share = next((bp for notice, bp in PENALTIES if at < _deadline(booking, notice)), PENALTY_LATE_BP)
    least, most = (_of_platform(whole, booking) for whole in (PENALTY_LEAST, PENALTY_MOST))
    return min(max(stay.share(share), least), most)


def _of_platform(whole: int, booking: Booking) -> Money:
    """So many whole units of the platform's currency, in the booking's."""
    currency = booking.total.currency
    exact = Fraction(booking.platform_rate or 1) * whole * 10 ** digits_of(currency)
    return Money(half_up(exact.numerator, exact.denominator), currency)


def fees_count_from(at: datetime) -> datetime:
    """Twelve months before: the same moment of the year before, of all of a leap day the first of March, so
    that what counts no more on the 28th of February does not count again a day later."""
    if (at.month, at.day) == (2, 29):
        return utc(at.year - 1, 3, 1)
    return at.replace(year=at.year - 1)


def returns_fee(cancelled: Cancellation) -> bool:
    """Did the guest get the service fee back by it? That is one of `FEE_REFUNDS` in twelve months."""
    return cancelled.by == "guest" and any(
        line.kind == "service_fee" and line.refunded for line in cancelled.lines
    )


class _Back(Frozen, kw_only=False):
    """The refunded share of the nights as a fraction, and whether cleaning and service fee come back."""

    nights: int
    of: int
    cleaning: bool
    fee: bool


def _part(booking: Booking, at: datetime) -> Part:
    policy = POLICIES[booking.cancellation_policy]
    if _checked_in(booking, at):
        return policy.after
    part = next((part for notice, part in policy.before if at <= _deadline(booking, notice)), NOTHING)
    if part is not ALL and _in_grace(booking, at):
        return GRACE_PART
    return part


def _back(booking: Booking, part: Part, at: datetime, fees_returned: int) -> _Back:
    before = not _checked_in(booking, at)
    over = 0 if before else _nights_over(booking, at)
    # A home given away for nothing still has nights to count.
    worth = [night.amount for night in booking.nightly]
    worth = worth if sum(worth) else [1] * len(worth)
    nights, of = part.bp * sum(worth[over + part.less :]), WHOLE_BP * sum(worth)
    return _Back(nights, of, cleaning=before, fee=before and nights == of and fees_returned < FEE_REFUNDS)


def _told(booking: Booking, by: str, rule: str, back: _Back, until: datetime, at: datetime) -> Cancellation:
    paid = [line.amount for line in booking.lines]
    refunded = _refunds(booking.lines, back)
    if booking.left != booking.total:
        paid, refunded = of_what_is_left(booking.left, paid, refunded)
    refund = total(refunded, booking.total.currency)
    return Cancellation(
        by=by,
        policy=booking.cancellation_policy,
        rule=rule,
        refund=refund,
        kept=booking.left - refund,
        lines=[
            CancelledLine(kind=line.kind, label=line.label, paid=money, refunded=money_back)
            for line, money, money_back in zip(booking.lines, paid, refunded, strict=True)
        ],
        valid_until=_until_balance(booking, until, at),
    )


def _refunds(lines: list[QuoteLine], back: _Back) -> list[Money]:
    """The refund of each line, rounded half-up once: coupon and taxes follow what they were computed on."""
    refunds: list[Money] = []
    done: list[tuple[str, int, int]] = []  # kind, refunded, paid
    for line in lines:
        if line.kind in WITH_NIGHTS:
            money = portion(line.amount, back.nights, back.of)
        elif line.kind in UNTIL_CHECK_IN:
            money = line.amount if back.cleaning else line.amount * 0
        elif line.kind == "service_fee":
            money = line.amount if back.fee else line.amount * 0
        else:
            base = SUBTOTAL if line.kind == "coupon" else (line.on or ("nights",))
            part, of = sums(done, base)
            # What was computed on nothing (a tax per stay, of nights for nothing) goes with the nights.
            money = portion(line.amount, *((part, of) if of else (back.nights, back.of)))
        refunds.append(money)
        done.append((line.kind, money.amount, line.amount.amount))
    return refunds


def _nothing_paid(booking: Booking, by: str, at: datetime) -> Cancellation:
    none = zero(booking.total.currency)
    return Cancellation(
        by=by,
        policy=booking.cancellation_policy,
        rule="nothing_paid",
        refund=none,
        kept=none,
        lines=[
            CancelledLine(kind=line.kind, label=line.label, paid=none, refunded=none)
            for line in booking.lines
        ],
        valid_until=_last_second(booking.hold_until or at, at),
    )


def _checked_in(booking: Booking, at: datetime) -> bool:
    return at >= booking.check_in_at or booking.status == "checked_in"


def _deadline(booking: Booking, notice: Notice) -> datetime:
    """The last instant of this notice: the home's check-in time on the day that is so many days earlier."""
    return before_check_in(booking, booking.check_in, notice.days) - timedelta(hours=notice.hours)


def _in_grace(booking: Booking, at: datetime) -> bool:
    confirmed = booking.confirmed_at
    return (
        confirmed is not None
        and booking.stay.nights < GRACE_NIGHTS_BELOW
        and confirmed <= _deadline(booking, _days(GRACE_NOTICE_DAYS))
        and at <= confirmed + GRACE
    )


def _nights_over(booking: Booking, at: datetime) -> int:
    """A night is over once its date is over at the home."""
    days = (local_date(at, booking.time_zone) - booking.check_in).days
    return min(max(days, 0), booking.stay.nights)


def _valid_for_host(booking: Booking, at: datetime) -> datetime:
    """Until the penalty rises, or the end of the stay."""
    turns = [_deadline(booking, notice) for notice, _ in PENALTIES]
    return _last_second(min((turn for turn in turns if turn > at), default=booking.check_out_at), at)


def _valid_until(booking: Booking, part: Part, at: datetime) -> datetime:
    """When the answer is the same for the last time: a deadline, the end of the grace period, which hold to
    their very second; the second before check-in, or before a midnight of the stay.
    """
    if _checked_in(booking, at):
        tomorrow = max(local_date(at, booking.time_zone), booking.check_in) + ONE_NIGHT
        midnight = at_local(tomorrow, "00:00", booking.time_zone)
        return _last_second(min(midnight, booking.check_out_at), at)
    lasts = [_deadline(booking, notice) for notice, _ in POLICIES[booking.cancellation_policy].before]
    if part is GRACE_PART and booking.confirmed_at:
        lasts.append(booking.confirmed_at + GRACE)
    return min([_last_second(booking.check_in_at, at), *(last for last in lasts if last >= at)])


def _until_balance(booking: Booking, until: datetime, at: datetime) -> datetime:
    """Once the second half is charged, more is there to be given back."""
    due = booking.balance_due_at if booking.balance is not None else None
    return until if due is None else min(until, _last_second(due, at))


def _last_second(turn: datetime, at: datetime) -> datetime:
    """Of what is so before `turn`; `at` itself where it is later."""
    return max(at, turn - SECOND)

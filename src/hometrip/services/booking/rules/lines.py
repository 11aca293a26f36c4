"""The lines of a price: which of them hang together, and how money is shared out over them, exactly."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec.structs import replace

from hometrip.kernel.lines import FOR_NIGHTS, SUBTOTAL
from hometrip.kernel.money import RATE_PARTS, Money, converted, half_up, total, zero
from hometrip.kernel.split import Split, at_most, left_of, less, part_of, to_come_at, total_of
from hometrip.services.booking.rules.booking import Booking
from hometrip.services.booking.rules.parts import Cancellation
from hometrip.services.listing.contract import QuoteLine, ShownIn

# What comes back of the subtotal: with the nights, in their part; wholly, until check-in.
WITH_NIGHTS = frozenset((*FOR_NIGHTS, "pets"))
UNTIL_CHECK_IN = frozenset(("cleaning",))


def shown_again(shown: ShownIn | None, lines: list[QuoteLine]) -> ShownIn | None:
    """What was shown in the guest's currency, of other lines: at the same rate, each half-up once."""
    if shown is None:
        return None
    rate = int(Decimal(shown.rate) * RATE_PARTS)
    amounts = [converted(line.amount, rate, shown.currency) for line in lines]
    return replace(shown, lines=amounts, total=total(amounts, shown.currency))


def kept_split(booking: Booking, cancelled: Cancellation) -> Split:
    """Whose the kept rest is, exact to the minor unit.

    The host's share is that of the kept host lines in the agreed payout (so less the same host fee), taxes
    are those kept on each area, and the platform has the rest.
    """
    currency = booking.total.currency
    on_host = (*SUBTOTAL, "coupon") if booking.host_funds_coupon else SUBTOTAL
    kept = [
        (line, paid.paid - paid.refunded) for line, paid in zip(booking.lines, cancelled.lines, strict=True)
    ]
    host_paid = total((line.amount for line in booking.lines if line.kind in on_host), currency)
    host_kept = total((rest for line, rest in kept if line.kind in on_host), currency)
    payout = portion(booking.split.payout, host_kept.amount, host_paid.amount)
    taxes = {area: zero(currency) for area in booking.split.taxes}
    for line, rest in kept:
        if line.kind == "tax":
            area = line.area or line.label
            taxes[area] = taxes.get(area, zero(currency)) + rest
    if booking.confirmed_at is None:
        payout, taxes = zero(currency), dict.fromkeys(taxes, zero(currency))
    return Split(
        payout=payout, platform=cancelled.kept - payout - total(taxes.values(), currency), taxes=taxes
    )


def lines_back(booking: Booking, cancelled: Cancellation) -> list[QuoteLine]:
    """What comes back of each line of the price; lines of which nothing does are left out."""
    back = zip(booking.lines, (one.refunded for one in cancelled.lines), strict=True)
    return [
        line if money == line.amount else replace(line, amount=money, quantity=None, unit=None)
        for line, money in back
        if money
    ]


def shares_now(booking: Booking) -> Split:
    """Whose the money is that is here of a confirmed booking: paid, and not given back."""
    if booking.kept is not None:
        return booking.kept
    rest = to_come(booking)
    return booking.split if rest is None else less(booking.split, rest)


def to_come(booking: Booking) -> Split | None:
    """Whose the second half is, while it is to be paid: what the first half, shared as the price was then,
    has left of each share."""
    if booking.balance is None:
        return None
    paid = part_of(booking.split, booking.total - booking.balance)
    return booking.balance_split or less(booking.split, paid)


def at_price(booking: Booking, price: Split) -> tuple[Split | None, Split | None]:
    """What is kept of a booking of which some went back, and what is still to come, once its price is shared
    so. What it costs more was paid for before; what it saves comes off what is to come, then goes back."""
    kept, rest, saved = booking.kept, to_come(booking), less(booking.split, price)
    if rest is not None:
        left = to_come_at(rest, booking.split, price)
        saved, rest = less(saved, less(rest, left)), left
    return kept and left_of(kept, saved), rest


def kept_without(booking: Booking, amount: Money, told: Split | None) -> Split:
    """Whose the rest is once so much went back: as it is `told`, or, where that was reckoned without what was
    given back or changed at the same moment, each share's part of what is left. What the guest has twice is
    the platform's loss, and no part of it."""
    left, none = booking.left - amount, amount * 0
    if told is not None and booking.status == "cancelled":
        return told
    if told is not None and total_of(told) == left:
        return replace(told, platform=told.platform - min(left, none))
    return part_of(shares_now(booking), max(left, none))


def short_of(due: Split, has: Split, kept: Money) -> Split | None:
    """Of what is `due` to each share only so much is kept: the shares that have less than that bear what is
    short, each its part. Nothing where all of it is kept."""
    short = total_of(due) - kept
    return less(due, part_of(less(due, at_most(due, has)), short)) if short.amount > 0 else None


def of_what_is_left(left: Money, paid: list[Money], refunded: list[Money]) -> tuple[list[Money], list[Money]]:
    """What is paid and refunded of each line where not all of the total is there: half was never paid, or
    some went back before.

    What is to be kept is kept as of a whole payment, as far as there is money; the refund is the rest.
    """
    none = left * 0
    kept = [money - money_back for money, money_back in zip(paid, refunded, strict=True)]
    to_keep = total(kept, left.currency)
    if to_keep > left:
        return spread(left, kept), [none for _ in kept]
    refunded = spread(left - to_keep, refunded)
    return [rest + money_back for rest, money_back in zip(kept, refunded, strict=True)], refunded


def spread(money: Money, over: list[Money]) -> list[Money]:
    """So much in proportion to these amounts, exact in sum."""
    whole, so_far, given = total(over, money.currency), money * 0, money * 0
    parts = []
    for amount in over:
        so_far += amount
        part = portion(money, so_far.amount, whole.amount) - given
        given += part
        parts.append(part)
    return parts


def sums(done: Iterable[tuple[str, int, int]], kinds: Iterable[str]) -> tuple[int, int]:
    """What was refunded and what was paid of lines of these kinds, together."""
    of_kind = [(refunded, paid) for kind, refunded, paid in done if kind in kinds]
    return sum(refunded for refunded, _ in of_kind), sum(paid for _, paid in of_kind)


def portion(money: Money, part: int, of: int) -> Money:
    """So many of so many parts of it, half-up once; of no parts nothing."""
    return Money(half_up(money.amount * part, of), money.currency) if of > 0 else money * 0

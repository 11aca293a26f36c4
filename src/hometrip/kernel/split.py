"""Whose a sum is, share by share: the host's, the marketplace's, the tax offices'. Parts of it, and what is
left of it, for all who reckon with it, to the minor unit.
"""

from __future__ import annotations

from hometrip.kernel.money import Money, apportioned, total, zero
from hometrip.kernel.wire import Answer


class Split(Answer):
    """Whose money a total is: payout + platform + taxes = total."""

    payout: Money
    platform: Money
    taxes: dict[str, Money]


def nothing_kept(currency: str) -> Split:
    return Split(payout=zero(currency), platform=zero(currency), taxes={})


def total_of(split: Split) -> Money:
    return total((split.payout, split.platform, *split.taxes.values()), split.payout.currency)


def less(split: Split, part: Split) -> Split:
    """Share by share; a tax that one of the two does not know counts as nothing there."""
    none = zero(split.payout.currency)
    areas = sorted({*split.taxes, *part.taxes})
    taxes = {area: split.taxes.get(area, none) - part.taxes.get(area, none) for area in areas}
    return Split(
        payout=split.payout - part.payout,
        platform=split.platform - part.platform,
        taxes={area: amount for area, amount in taxes.items() if amount},
    )


def more(split: Split, part: Split) -> Split:
    return less(split, less(nothing_kept(split.payout.currency), part))


def part_of(split: Split, part: Money) -> Split:
    """Whose `part` is: all of the split, or of each share its part; of an empty one it is the platform's."""
    if total_of(split) == part:
        return split
    areas = sorted(split.taxes)
    shares = [split.payout.amount, split.platform.amount, *(split.taxes[area].amount for area in areas)]
    if not total_of(split):
        shares = [0, 1, *(0 for _ in areas)]
    payout, platform, *taxes = apportioned(part, shares)
    return Split(payout=payout, platform=platform, taxes=dict(zip(areas, taxes, strict=True)))


def within(kept: Split, most: Money) -> Split:
    """What is kept, or of it only as much as is there."""
    return kept if total_of(kept).amount <= most.amount else part_of(kept, max(most, zero(most.currency)))


def at_most(split: Split, has: Split) -> Split:
    """Of each share what it has, and no more; a tax that is not there has nothing."""
    none = zero(split.payout.currency)
    return Split(
        payout=min(split.payout, has.payout),
        platform=min(split.platform, has.platform),
        taxes={area: min(amount, has.taxes.get(area, none)) for area, amount in split.taxes.items()},
    )


def owes(split: Split) -> bool:
    """Is one of the shares below nothing?"""
    return min(share.amount for share in (split.payout, split.platform, *split.taxes.values())) < 0


def left_of(has: Split, gives: Split) -> Split:
    """What is left of each share that gives so much. A share that has less, as it gave before, gives what it
    has, and the others give the rest, each its part."""
    left = less(has, gives)
    if owes(left) and not owes(has):
        return within(less(has, at_most(gives, has)), total_of(left))
    return left


def is_nothing(split: Split) -> bool:
    """Is it nothing of each share? What shares give each other sums to nothing, and is not that."""
    return not any((split.payout, split.platform, *split.taxes.values()))


def to_come_at(to_come: Split, before: Split, price: Split) -> Split:
    """Whose what is still to be paid is once the price is shared otherwise than `before`.

    What the price saves comes off it, as far as it goes; what it costs more is paid for apart. Each share of
    it, and of what was paid, stays within that of the price: so none is below nothing at any moment.
    """
    saved = less(before, price)
    if total_of(saved).amount < 0:
        return _inside(to_come, price)
    if total_of(saved) >= total_of(to_come):
        return nothing_kept(saved.payout.currency)
    return _inside(less(to_come, saved), price)


def _inside(part: Split, whole: Split) -> Split:
    """So much of the whole, shared as `part` is where each share has that; the others have the rest."""
    nothing = nothing_kept(part.payout.currency)
    least = at_most(whole, nothing)  # of a coupon that the marketplace bears
    most = less(whole, least)
    inside = less(nothing, at_most(less(nothing, at_most(part, most)), less(nothing, least)))
    short = total_of(part) - total_of(inside)
    if short.amount >= 0:
        return more(inside, part_of(less(most, inside), short))
    return less(inside, part_of(less(inside, least), -short))

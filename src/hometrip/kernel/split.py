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


def off_what_is_to_come(to_come: Split, saved: Split) -> Split:
    """What a cheaper price takes off what is still to be paid: all that it saves, or all of that."""
    return saved if total_of(saved) < total_of(to_come) else to_come

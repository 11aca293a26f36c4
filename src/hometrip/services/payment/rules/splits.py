"""Whose a sum is, share by share: parts of it, and what is left of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import UUID

from hometrip.kernel.money import Money, apportioned, total, zero
from hometrip.services.listing.contract import Split
from hometrip.services.payment.rules.journal import REVENUE, TAX, Posting, host_payable


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


def part_of(split: Split, part: Money) -> Split:
    """The shares of `part`, in proportion of the split's; of an empty one it is all the platform's."""
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


def split_for(due: Money, split: Split) -> Split:
    """Whose `due` is: all of the split, or of each share its part."""
    return split if total_of(split) == due else part_of(split, due)


def split_after(shares: Mapping[str, int], lines: Iterable[Posting], host_id: UUID, currency: str) -> Split:
    """The shares once these lines are written."""
    after = Counter(shares)
    for line in lines:
        after[line.account] += line.amount.amount
    return split_of(after, host_id, currency)


def split_of(shares: Mapping[str, int], host_id: UUID, currency: str) -> Split:
    """The shares as the journal's accounts tell them."""

    def share(account: str) -> Money:
        return Money(-shares.get(account, 0), currency)

    taxes = {name.removeprefix(TAX): share(name) for name in sorted(shares) if name.startswith(TAX)}
    return Split(payout=share(host_payable(host_id)), platform=share(REVENUE), taxes=taxes)

"""Whose a stay's money is, as the journal's accounts tell it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import UUID

from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.services.payment.rules.journal import REVENUE, TAX, Posting, host_payable


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

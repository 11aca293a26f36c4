"""What was taken from pay-outs for other bookings' debts, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from hometrip.kernel.money import Money
from hometrip.services.payment.contract import SetOff


class Owing(NamedTuple):
    """A penalty, or what a pay-out (`reference`) has settled of a booking's debt."""

    booking_id: UUID
    kind: str
    reference: UUID
    amount: Money


def set_offs(story: Iterable[Owing]) -> dict[UUID, list[SetOff]]:
    """By pay-out. Each booking's story is in its order; of its debt the penalty is settled first."""
    penalties: Counter[UUID] = Counter()
    found: dict[UUID, list[SetOff]] = {}
    for one in story:
        if one.kind == "penalty":
            penalties[one.booking_id] += one.amount.amount
            continue
        penalty = min(one.amount.amount, penalties[one.booking_id])
        penalties[one.booking_id] -= penalty
        parts = {"penalty": penalty, "given_back": one.amount.amount - penalty}
        found.setdefault(one.reference, []).extend(
            SetOff(booking_id=one.booking_id, amount=Money(part, one.amount.currency), why=why)
            for why, part in parts.items()
            if part
        )
    return found

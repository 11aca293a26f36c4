"""What must hold of the second half of a price, and of a damage deposit and the claim on it, in words where
it does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from hometrip.kernel.money import Money, total
from hometrip.kernel.split import Split, total_of
from hometrip.services.booking.contract import BookingFacts
from hometrip.services.payment.rules.schedule import BALANCE_TRIES
from hometrip.services.payment.rules.states import AUTHORISED, CLAIMED, SUCCEEDED

# A second half that is still to be paid.
TO_COME = ("waiting", "failed")
# The deposits that a claim in that state can be on. What was granted is captured, or is about to be.
_CLAIMED_OF = {
    "open": ("held", "renewing"),
    "with_staff": ("held", "renewing"),
    "granted": ("held", "renewing", "captured"),
    "refused": ("held", "released", "failed"),
    "not_covered": ("failed", "released", "void"),
}


class Half(Protocol):
    """The plan of a second half."""

    @property
    def booking_id(self) -> UUID: ...
    @property
    def amount(self) -> Money: ...
    @property
    def split(self) -> Split: ...
    @property
    def due_at(self) -> datetime: ...
    @property
    def status(self) -> str: ...
    @property
    def tries(self) -> int: ...


class Held(Protocol):
    """A damage deposit."""

    @property
    def booking_id(self) -> UUID: ...
    @property
    def amount(self) -> Money: ...
    @property
    def status(self) -> str: ...


class Claiming(Protocol):
    """A claim on one."""

    @property
    def amount(self) -> Money: ...
    @property
    def status(self) -> str: ...
    @property
    def granted(self) -> Money | None: ...
    @property
    def decided_at(self) -> datetime | None: ...


class Paying(Protocol):
    """A payment of the half, or a hold of the deposit."""

    @property
    def status(self) -> str: ...
    @property
    def captured(self) -> Money: ...


def wrong_with_plan(plan: Half, stay: BookingFacts | None, over: bool, halves: Sequence[Paying]) -> list[str]:
    """`halves` are what guests have paid, or begun to pay, as this second half."""
    what, parts = f"the plan of booking {plan.booking_id}", total_of(plan.split)
    if stay is None:
        return [f"{what} is for no stay"]
    paid = [one for one in halves if one.status == SUCCEEDED]
    day = stay.balance_due_at if plan.status in TO_COME else None
    found = {
        f"{what} is of {plan.amount}, and its shares come to {parts}": parts != plan.amount,
        f"{what} is in {plan.amount.currency}": plan.amount.currency != stay.total.currency,
        f"{what} is {plan.status}": plan.status not in (*TO_COME, "paid", "over"),
        f"{what} is {plan.status}, and its stay is over": over and plan.status == "waiting",
        f"{what} is over, and its stay is not": not over and plan.status == "over",
        f"{what} waits, and is paid": plan.status == "waiting" and bool(paid),
        f"{what} waits for {plan.amount}": plan.status in TO_COME and plan.amount.amount <= 0,
        f"{what} is paid, and no payment of {plan.amount} is": (
            plan.status == "paid" and bool(plan.amount) and not any(one.captured for one in paid)
        ),
        f"{what} is due {plan.due_at}, not {day}": day is not None and plan.due_at != day,
        f"{what} is due {plan.due_at}, after check-in": (
            plan.status in TO_COME and plan.due_at > stay.check_in_at
        ),
        f"{what} was tried {plan.tries} times": not 0 <= plan.tries <= len(BALANCE_TRIES),
    }
    return [words for words, is_so in found.items() if is_so]


def not_the_total(stay: BookingFacts, paid: Money, plan: Half | None) -> list[str]:
    """What is `paid` and what is still to come are the price. `paid` is without what changes gave back."""
    none = paid * 0
    to_come = plan.amount if plan is not None and plan.status in TO_COME else none
    if to_come.currency != paid.currency or paid + to_come == stay.total:
        return []
    told = f"{paid} is paid and {to_come} is to come"
    return [f"booking {stay.booking_id}: {told} of a total of {stay.total}"]


def wrong_with_deposit(deposit: Held, claim: Claiming | None, holds: Sequence[Paying]) -> list[str]:
    """`holds` are its holds on the guest's card, the last one included."""
    what, state = f"the deposit of booking {deposit.booking_id}", deposit.status
    currency = deposit.amount.currency
    taken = total((one.captured for one in holds if one.captured.currency == currency), currency)
    found = {
        f"{what} is captured, and nothing is": state == "captured" and not taken,
        f"{what} is {state}, and {taken} is captured": state != "captured" and bool(taken),
        f"{what} is held, and no card holds it": (
            state == "held" and not any(one.status == AUTHORISED for one in holds)
        ),
        f"{what} is captured, and there is no claim on it": state == "captured" and claim is None,
    }
    wrong = [words for words, is_so in found.items() if is_so]
    return wrong + (_wrong_with_claim(claim, deposit, taken) if claim else [])


def _wrong_with_claim(claim: Claiming, deposit: Held, taken: Money) -> list[str]:
    what, state, granted = f"the claim of booking {deposit.booking_id}", claim.status, claim.granted
    fits = claim.amount.currency == deposit.amount.currency
    decided = state not in ("open", "with_staff")
    found = {
        f"{what} is {state}, and the deposit is {deposit.status}": (
            deposit.status not in _CLAIMED_OF.get(state, ())
        ),
        f"{what} is of {claim.amount}, the deposit of {deposit.amount}": (
            not fits or not 0 < claim.amount.amount <= deposit.amount.amount
        ),
        f"{what} is {state}, and {granted} is granted": (
            (state == "granted" and not (granted and granted.amount <= claim.amount.amount))
            or (state in ("open", "with_staff") and granted is not None)
            or (state == "refused" and bool(granted))
        ),
        f"{what} is {state}, decided {claim.decided_at}": decided != (claim.decided_at is not None),
        f"{what} is {state} with {granted}, and {taken} is captured": (
            bool(taken) and (state not in CLAIMED or granted != taken)
        ),
    }
    return [words for words, is_so in found.items() if is_so]

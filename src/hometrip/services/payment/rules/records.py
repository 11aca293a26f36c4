"""What the journal must tell of each payment, refund and pay-out, and what it must not tell besides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from hometrip.services.payment.rules.journal import CLEARING, GUEST, HOST, Entry, Posting, host_payable

# Entries of these kinds are about a payment, a refund or a pay-out, which their reference names.
_RECORDED = (
    "capture",
    "deposit_claim",
    "refund",
    "refund_returned",
    "refund_paid",
    "payout",
    "payout_returned",
)
_SET_OFF = ("offset_given", "offset_taken")

_Key = tuple[str, UUID, UUID]


class Movement(NamedTuple):
    """What a record says has moved, as an entry of that kind is to tell it."""

    kind: str
    booking_id: UUID
    reference: UUID
    lines: Sequence[Posting]


def not_as_recorded(moved: Iterable[Movement], told: Iterable[Entry]) -> list[str]:
    """In words, each movement that no entry tells as it was, and each entry that tells of none. A refund
    that has come back is known by its two entries alone."""
    entries: dict[_Key, Entry] = {
        (one.kind, one.booking_id, one.reference): one for one in told if one.kind in _RECORDED
    }
    wrong = []
    for one in moved:
        entry = entries.pop((one.kind, one.booking_id, one.reference), None)
        what = f"the {one.kind} {one.reference} of booking {one.booking_id}"
        if entry is None:
            wrong.append(f"no entry of the journal tells of {what}")
        elif _sums(entry.postings) != _sums(one.lines):
            wrong.append(f"entry {entry.id} does not tell of {what} as it was: {_words(one.lines)}")
    return wrong + [
        f"entry {one.id} ({one.kind}) tells of {one.reference}, and nothing of that kind is recorded"
        for key, one in entries.items()
        if not _has_come_back(key, entries)
    ]


def not_as_promised(promised: Mapping[tuple[UUID, str], int], told: Iterable[Entry]) -> list[str]:
    """`promised`: what refunds come to, by booking and currency. Guests are owed just that, paid or not."""
    owed: Counter[tuple[UUID, str]] = Counter()
    for one in told:
        for line in one.postings if one.kind == "refund_promised" else ():
            if line.account == GUEST:
                owed[one.booking_id, line.amount.currency] -= line.amount.amount
    return [
        f"booking {booking_id}: its refunds come to {given} {currency}, in the journal to {told_of}"
        for booking_id, currency in sorted({*promised, *owed})
        if (given := promised.get((booking_id, currency), 0)) != (told_of := owed[booking_id, currency])
    ]


def set_off_unevenly(told: Iterable[Entry]) -> list[str]:
    """Pay-outs from which something else was taken than what settled other bookings' debts."""
    left: Counter[tuple[UUID, str]] = Counter()
    for one in told:
        for line in one.postings if one.kind in _SET_OFF else ():
            if line.account == CLEARING:
                left[one.reference, line.amount.currency] += line.amount.amount
    return [
        f"pay-out {key[0]}: what was set off is uneven by {off} {key[1]}" for key, off in left.items() if off
    ]


def not_as_planned(
    planned: Mapping[UUID, int], hosts: Mapping[UUID, UUID], told: Iterable[Entry], failed: Container[UUID]
) -> list[str]:
    """`planned`: what pay-outs are still to bring the host of each of these bookings; it is what the journal
    owes them, or no more than that where one has `failed`."""
    owed: Counter[UUID] = Counter()
    for one in told:
        for line in one.postings:
            if one.booking_id in hosts and line.account == host_payable(hosts[one.booking_id]):
                owed[one.booking_id] -= line.amount.amount
    return [
        f"booking {booking_id}: its host is owed {owed[booking_id]}, and {plan} is to be paid out"
        for booking_id in sorted(hosts)
        if (plan := planned.get(booking_id, 0)) != (due := max(owed[booking_id], 0))
        if plan > due or booking_id not in failed
    ]


def of_another_host(hosts: Mapping[UUID, UUID], told: Iterable[Entry]) -> list[str]:
    """Entries that give to, or take from, another host than that of their booking."""
    return [
        f"entry {one.id} ({one.kind}) of booking {one.booking_id} is about {line.account}, another host"
        for one in told
        for line in one.postings
        if line.account.startswith(HOST)
        if one.booking_id in hosts and line.account != host_payable(hosts[one.booking_id])
    ]


def _has_come_back(key: _Key, entries: Mapping[_Key, Entry]) -> bool:
    both = [entries.get((kind, *key[1:])) for kind in ("refund", "refund_returned")]
    lines = chain.from_iterable(one.postings for one in both if one)
    return key[0].startswith("refund") and None not in both and not _sums(lines)


def _sums(lines: Iterable[Posting]) -> dict[tuple[str, str], int]:
    sums: Counter[tuple[str, str]] = Counter()
    for line in lines:
        sums[line.account, line.amount.currency] += line.amount.amount
    return {key: amount for key, amount in sums.items() if amount}


def _words(lines: Iterable[Posting]) -> str:
    return ", ".join(f"{line.account} {line.amount}" for line in lines if line.amount)

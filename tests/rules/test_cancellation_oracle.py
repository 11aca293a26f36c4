"""What a cancellation refunds is what an oracle, written from the words of the rule alone, says of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from figures import Figure
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.kernel.stay import at_local
from hometrip.services.booking.contract import WrongState
from hometrip.services.booking.rules import Booking, PaymentNote, cancellation, kept_split, returns_fee
from hometrip.services.listing.contract import QuoteLine
from rules.oracle_cancellation import OF_THE_HOST, TABLE, Cancelled, Line, Told, told
from rules.oracle_hunt import ALWAYS, hunt, whole_proof
from rules.oracle_instants import ZONES, days_of_change, instant, some_day, times

SECOND = timedelta(seconds=1)
DEADLINES = (0, 1, 5, 7, 14, 30, 60)  # days before check-in on which something changes
CLOCKS = ("14:00", "16:00", "18:30", "11:15", "00:00", "00:30", "01:45", "02:15", "03:15", "23:59")
NEAR = (0, 0, 0, 1, -1, 60, -60, 3_600, -3_600)  # seconds
BASES = (
    ("nights",),
    ("nights", "length_discount", "early_bird", "last_minute"),
    tuple(sorted(OF_THE_HOST)),
    (*sorted(OF_THE_HOST), "coupon"),
    ("cleaning",),
    ("service_fee",),
    (*sorted(OF_THE_HOST), "coupon", "service_fee"),
)
OVER = ("completed", "cancelled", "declined", "expired")


def a_case(chance: Random) -> Cancelled:
    zone, policy = chance.choice(ZONES), chance.choice(tuple(TABLE))
    check_in = some_day(chance, zone, DEADLINES)
    clock = _clock(chance, check_in, zone)
    nightly = _nightly(chance, policy)
    lines = _lines(chance, nightly)
    kind = chance.random()
    case = Cancelled(
        policy=policy,
        zone=zone,
        check_in=check_in,
        clock=clock,
        nightly=nightly,
        lines=lines,
        payout=sum(line.amount for line in lines if line.kind in OF_THE_HOST) * 97 // 100,
        currency=chance.choice(("USD", "JPY", "KWD")),
        host_funds_coupon=chance.random() < 0.5,
        status="confirmed",
        confirmed_at=instant(check_in, clock, zone) - timedelta(seconds=chance.randrange(130 * 86_400)),
        by="guest" if kind < 0.9 else "host" if kind < 0.95 else "staff",
        at=instant(check_in, clock, zone),
        fees_returned=chance.choice((0, 0, 0, 1, 2, 2, 3, 4)),
    )
    if chance.random() < 0.4:
        week_ahead = case.ahead("7 d") + timedelta(seconds=chance.choice(NEAR))
        case = replace(case, confirmed_at=week_ahead)
    case = replace(case, at=_moment(chance, case))
    if chance.random() < 0.3 and case.at >= instant(check_in, "00:00", zone):
        case = replace(case, status="checked_in")
    if chance.random() < 0.01:
        case = replace(case, status=chance.choice(OVER))
    if chance.random() < 0.01:
        case = replace(case, status="pending", confirmed_at=None)
    return case


def _clock(chance: Random, day: date, zone: str) -> str:
    """A check-in time, half of the time one that the day's change of clocks skips or doubles."""
    odd = [clock for clock in CLOCKS if times(day, clock, zone) != 1]
    if odd and chance.random() < 0.5:
        return chance.choice(odd)
    return chance.choice(CLOCKS) if chance.random() < 0.3 else "15:00"


def _nightly(chance: Random, policy: str) -> tuple[int, ...]:
    nights = chance.choice(
        ((1, 2), (1, 8), (1, 31), (26, 34), (28, 60)) if policy != "long_term" else ((28, 60), (1, 60))
    )
    count = chance.randint(*nights)
    if chance.random() < 0.3:
        return (chance.randint(1, 300_000),) * count
    most = chance.choice((9, 501, 50_001, 900_001))
    return tuple(chance.randrange(1, most) for _ in range(count))


def _lines(chance: Random, nightly: tuple[int, ...]) -> tuple[Line, ...]:
    lines, left = [Line("nights", sum(nightly))], sum(nightly)
    for kind in ("length_discount", chance.choice(("early_bird", "last_minute")), "non_refundable"):
        if left >= 3 and chance.random() < 0.4:
            lines.append(Line(kind, -chance.randint(1, left // 3)))
            left += lines[-1].amount
    lines += [
        Line(kind, chance.randint(1, 40_000))
        for kind, often in (("extra_guests", 0.3), ("pets", 0.3), ("cleaning", 0.7))
        if chance.random() < often
    ]
    subtotal = sum(line.amount for line in lines)
    if subtotal > 0 and chance.random() < 0.4:
        lines.append(Line("coupon", -chance.choice((subtotal, chance.randint(1, subtotal)))))
    if chance.random() < 0.8:
        lines.append(Line("service_fee", chance.randint(1, 60_000)))
    for _ in range(chance.choice((0, 1, 1, 2))):
        on = chance.choice(BASES)
        if any(line.kind in on for line in lines):
            lines.append(Line("tax", chance.randint(1, 30_000), on, chance.choice(("A", "B"))))
    return tuple(lines)


def _moment(chance: Random, case: Cancelled) -> datetime:
    """A moment from the confirmation to a day after check-out, mostly one near which something changes."""
    first = case.confirmed_at or case.begins
    out = instant(case.check_in + timedelta(days=len(case.nightly)), "11:00", case.zone)
    kind = chance.random()
    if kind < 0.45:
        all_until, _, then_until, _ = TABLE[case.policy]
        deadlines = (all_until, then_until) if case.by == "guest" else ("30 d", "48 h")
        at = case.ahead(chance.choice(deadlines) or f"{chance.choice(DEADLINES)} d")
    elif kind < 0.55:
        at = first + timedelta(hours=24)
    elif kind < 0.7:
        day = case.check_in + timedelta(days=chance.randint(0, len(case.nightly)))
        at = instant(day, "00:00", case.zone)
    else:
        at = first + timedelta(seconds=chance.randrange(int((out - first) / SECOND) + 86_400))
    at += chance.choice((SECOND, SECOND / 1_000_000)) * chance.choice(NEAR)
    return max(first, at)


def _booking(case: Cancelled) -> Booking:
    def money(amount: int) -> Money:
        return Money(amount, case.currency)

    total = sum(line.amount for line in case.lines)
    taxes: dict[str, Money] = {}
    for line in case.lines:
        if line.area is not None:
            taxes[line.area] = taxes.get(line.area, money(0)) + money(line.amount)
    platform = money(total - case.payout) - sum(taxes.values(), start=money(0))
    check_out = case.check_in + timedelta(days=len(case.nightly))
    return Booking(
        id=UUID(int=1),
        listing_id=UUID(int=2),
        guest_id=UUID(int=3),
        host_id=UUID(int=4),
        title="Creek cabin",
        time_zone=case.zone,
        check_in=case.check_in,
        check_out=check_out,
        check_in_at=case.begins,
        check_in_from=case.clock,
        check_out_at=instant(check_out, "11:00", case.zone),
        guests=2,
        pets=0,
        status=case.status,
        awaiting="payment" if case.status == "pending" else None,
        hold_until=None,
        hold_extended=False,
        lines=[
            QuoteLine(
                kind=line.kind,
                label=line.kind,
                amount=money(line.amount),
                area=line.area,
                on=list(line.on) if line.on is not None else None,
            )
            for line in case.lines
        ],
        total=money(total),
        split=Split(payout=money(case.payout), platform=platform, taxes=taxes),
        nightly=[money(price) for price in case.nightly],
        host_funds_coupon=case.host_funds_coupon,
        cancellation_policy=case.policy,
        coupon=None,
        message=None,
        payment=PaymentNote(status="succeeded"),
        confirmed_at=case.confirmed_at,
        cancellation=None,
        history=[],
        version=1,
        created_at=case.confirmed_at or case.at,
    )


def difference(case: Cancelled) -> str | None:
    """In what rule and oracle differ, if they do."""
    booking = _booking(case)
    try:
        made = cancellation(booking, case.by, case.at, case.fees_returned)
    except WrongState:
        return None if case.status in OVER else "a booking that goes on was refused"
    if case.status in OVER:
        return "a booking that is over was not refused"
    if case.status == "pending":
        return (
            None if (made.rule, made.refund.amount, made.kept.amount) == ("nothing_paid", 0, 0) else f"{made}"
        )
    expected, kept = told(case), kept_split(booking, made)
    total = sum(line.amount for line in case.lines)
    pairs = (
        ("by and policy", (made.by, made.policy), (case.by, case.policy)),
        ("kinds", [line.kind for line in made.lines], [line.kind for line in case.lines]),
        ("paid", [line.paid.amount for line in made.lines], [line.amount for line in case.lines]),
        ("refunded", tuple(line.refunded.amount for line in made.lines), expected.refunded),
        ("refund", made.refund, Money(sum(expected.refunded), case.currency)),
        ("kept", made.kept, Money(total - sum(expected.refunded), case.currency)),
        ("rule", made.rule if made.rule not in expected.rules else "", ""),
        ("fee", returns_fee(made), expected.fee_back),
        ("payout", kept.payout.amount, expected.payout),
        ("taxes", {area: tax.amount for area, tax in kept.taxes.items()}, expected.taxes),
        ("platform", kept.platform.amount, expected.platform),
        ("penalty", made.penalty and made.penalty.amount, expected.penalty),
    )
    for name, was, should in pairs:
        if was != should:
            return (
                f"{name}: the rule says {was}, the oracle {should} ({made.rule} / {sorted(expected.rules)})"
            )
    return _broken_promise(case, made.valid_until, expected)


def _broken_promise(case: Cancelled, valid_until: datetime, expected: Told) -> str | None:
    """A preview holds until it says: at that very second all is as it was."""
    if valid_until < case.at:
        return f"valid until {valid_until}, which is over"
    then = told(replace(case, at=valid_until))
    if (then.refunded, then.penalty) != (expected.refunded, expected.penalty):
        return f"valid until {valid_until}, but other at that second"
    return None


def simpler(case: Cancelled) -> Iterator[Cancelled]:
    """Cases with less in them, the boldest cuts first."""
    return (each for each in _cut(case) if _possible(each.lines))


def _possible(lines: tuple[Line, ...]) -> bool:
    """No coupon takes off more than there is, and of a tax's base there is something."""
    kinds = {line.kind for line in lines}
    before_fee = sum(line.amount for line in lines if line.kind in OF_THE_HOST or line.kind == "coupon")
    return before_fee >= 0 and all(kinds & set(line.on) for line in lines if line.on is not None)


def _cut(case: Cancelled) -> Iterator[Cancelled]:
    lines = case.lines
    for number in range(1, len(lines)):
        yield replace(case, lines=lines[:number] + lines[number + 1 :])
    for count in (1, len(case.nightly) // 2, len(case.nightly) - 1):
        if 0 < count < len(case.nightly):
            yield _with_nights(case, case.nightly[:count])
    if len(set(case.nightly)) > 1 or case.nightly[0] > 100:
        yield _with_nights(case, (100,) * len(case.nightly))
    for number, line in enumerate(lines[1:], 1):
        for amount in (10, 100):
            small = replace(line, amount=amount if line.amount > 0 else -amount)
            if abs(line.amount) > amount:
                yield replace(case, lines=(*lines[:number], small, *lines[number + 1 :]))
    plain: dict[str, Any] = {
        "clock": "15:00",
        "zone": "Asia/Kathmandu",
        "fees_returned": 0,
        "payout": 0,
        "currency": "USD",
    }
    for name, value in plain.items():
        if getattr(case, name) != value:
            yield replace(case, **{name: value})


def _with_nights(case: Cancelled, nightly: tuple[int, ...]) -> Cancelled:
    return replace(case, nightly=nightly, lines=(Line("nights", sum(nightly)), *case.lines[1:]))


def test_random_cancellations_refund_what_the_oracle_says() -> None:
    hunt(a_case, difference, simpler, seed=1, count=ALWAYS)


def test_the_cases_have_all_policies_zones_and_ends() -> None:
    cases = [a_case(Random(number)) for number in range(ALWAYS)]
    answers = [(case, told(case)) for case in cases if case.status in ("confirmed", "checked_in")]
    words = {(case.policy, word) for case, answer in answers for word in answer.rules}
    for policy, row in TABLE.items():
        assert {(policy, "host_cancelled"), (policy, "staff_cancelled")} <= words
        assert (policy, "grace") in words
        assert ((policy, "all_nights") in words) == (row[0] is not None)
    assert {case.zone for case in cases} == set(ZONES)
    assert {len(case.nightly) for case in cases} == set(range(1, 61))
    assert {answer.fee_back for _, answer in answers} == {True, False}
    moved = [case for case in cases if case.ahead("24 h") != case.ahead("1 d")]
    assert len(moved) > ALWAYS / 50  # a change of clocks in the last day
    assert {times(case.check_in, case.clock, case.zone) for case in cases} == {0, 1, 2}


@pytest.mark.parametrize("zone", ZONES)
def test_a_local_time_is_the_instant_that_is_found_by_looking_at_clocks(zone: str) -> None:
    chance = Random(7)
    near = [change + timedelta(days=n) for change in days_of_change(zone) for n in (-1, 0, 1)]
    days = [*near, *(some_day(chance, zone, DEADLINES) for _ in range(100))]
    for day in days:
        for clock in ("15:00", *CLOCKS):
            assert at_local(day, clock, zone) == instant(day, clock, zone), (day, clock)


@pytest.mark.full
@pytest.mark.timeout(3_600)
def test_a_million_cancellations_refund_what_the_oracle_says(figure: Figure) -> None:
    whole_proof("cancellation", a_case, difference, simpler, of=1_000_000, figure=figure)

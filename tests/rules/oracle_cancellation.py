"""What a cancellation refunds, a second time: night by night, in fractions, from the words of the rule alone.

It shares nothing with the rule but the words, and may be as slow as it likes. Where the words leave a choice,
what is read here is said beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import floor

from rules.oracle_instants import instant, shown

# All nights come back until | then | until | after check-in. What no time is given for holds until check-in.
TABLE = {
    "flexible": ("24 h", "all but the first night", None, "nights not stayed, less 1"),
    "moderate": (
        "5 d",
        "host keeps 1 night and half of the rest",
        None,
        "half of the nights not stayed, less 1",
    ),
    "limited": ("14 d", "half", "7 d", "nothing"),
    "firm": ("30 d", "half", "7 d", "nothing"),
    "strict": (None, "half", "7 d", "nothing"),
    "super_strict_30": (None, "half", "30 d", "nothing"),
    "super_strict_60": (None, "half", "60 d", "nothing"),
    "non_refundable": (None, "nothing", None, "nothing"),
    "long_term": ("30 d", "host keeps the first 30 nights", None, "host keeps 30 nights from notice"),
}
# What that is called in the answer, how many of the nights ahead stay with the host, and how many halves of
# each of the others come back.
SAYS = {
    "all": ("all_nights", 0, 2),
    "all but the first night": ("all_but_some_nights", 1, 2),
    "nights not stayed, less 1": ("all_but_some_nights", 1, 2),
    "host keeps the first 30 nights": ("all_but_some_nights", 30, 2),
    "host keeps 30 nights from notice": ("all_but_some_nights", 30, 2),
    "host keeps 1 night and half of the rest": ("part_of_nights", 1, 1),
    "half of the nights not stayed, less 1": ("part_of_nights", 1, 1),
    "half": ("part_of_nights", 0, 1),
    "nothing": ("nothing", 0, 0),
}
OF_THE_NIGHTS = {
    *("nights", "length_discount", "early_bird", "last_minute", "non_refundable"),
    *("extra_guests", "pets"),
}
OF_THE_HOST = OF_THE_NIGHTS | {"cleaning"}


@dataclass(frozen=True)
class Line:
    """`on` is what a tax is computed on."""

    kind: str
    amount: int
    on: tuple[str, ...] | None = None
    area: str | None = None


@dataclass(frozen=True)
class Cancelled:
    """A booking, and who cancels it when. `clock` is the home's check-in time."""

    policy: str
    zone: str
    check_in: date
    clock: str
    nightly: tuple[int, ...]
    lines: tuple[Line, ...]
    payout: int
    currency: str
    host_funds_coupon: bool
    status: str
    confirmed_at: datetime | None
    by: str
    at: datetime
    fees_returned: int

    @property
    def begins(self) -> datetime:
        return instant(self.check_in, self.clock, self.zone)

    def ahead(self, notice: str) -> datetime:
        """That long before check-in: hours by the clock, days by the home's calendar at check-in time."""
        count, unit = notice.split()
        if unit == "h":
            return self.begins - timedelta(hours=int(count))
        return instant(self.check_in - timedelta(days=int(count)), self.clock, self.zone)


@dataclass(frozen=True)
class Told:
    """`rules` are the words of which the answer has one; `refunded` of each line in order; `fee_back` whether
    the guest used up one of three refunds of the service fee; then whose the kept rest is, and what the host
    is charged."""

    rules: frozenset[str]
    refunded: tuple[int, ...]
    fee_back: bool
    payout: int
    taxes: dict[str, int]
    platform: int
    penalty: int | None


def told(case: Cancelled) -> Told:
    """What cancelling gives back of a booking that was paid."""
    if case.by in ("host", "staff"):
        everything = tuple(line.amount for line in case.lines)
        return _with_shares(case, frozenset({f"{case.by}_cancelled"}), everything, False)
    said, words = _policy_says(case), set()
    if said == "all":
        words.add("all_nights")
    if _in_grace(case):
        said = "all"
        words.add("grace")
    return _line_by_line(case, said, frozenset(words or {SAYS[said][0]}))


def _begun(case: Cancelled) -> bool:
    # "Before H" leaves H itself out. Reading: check-in is earlier where the host let the guest in before.
    return case.at >= case.begins or case.status == "checked_in"


def _policy_says(case: Cancelled) -> str:
    # Reading: a deadline's own instant is still in time.
    all_until, then, then_until, after = TABLE[case.policy]
    if _begun(case):
        return after
    if all_until is not None and case.at <= case.ahead(all_until):
        return "all"
    if then_until is None or case.at <= case.ahead(then_until):
        return then
    return "nothing"


def _in_grace(case: Cancelled) -> bool:
    confirmed = case.confirmed_at
    if confirmed is None or len(case.nightly) >= 28:
        return False
    return confirmed <= case.ahead("7 d") and case.at <= confirmed + timedelta(hours=24)


def _line_by_line(case: Cancelled, said: str, words: frozenset[str]) -> Told:
    exact = _of_the_nights(case, said)
    back, of_nights = [_half_up(exact)], exact / sum(case.nightly)
    back_of = {"nights": back[0]}
    # Reading: a service fee comes back with all the rest only, also within the grace period, and the fourth
    # within twelve months does not.
    fee_back = (
        said == "all" and case.fees_returned < 3 and any(each.kind == "service_fee" for each in case.lines)
    )
    share: Fraction | int
    for line in case.lines[1:]:
        if line.kind in OF_THE_NIGHTS:
            # Reading: what comes with the nights (discounts, guests, pets) comes back with them.
            share = of_nights
        elif line.kind == "cleaning":
            share = 0 if _begun(case) else 1
        elif line.kind == "coupon":
            # Reading: a coupon is spent on what stays paid of its subtotal.
            share = _share(case, back_of, OF_THE_HOST, of_nights)
        elif line.kind == "service_fee":
            share = 1 if fee_back else 0
        else:
            share = _share(case, back_of, set(line.on or ()), of_nights)
        back.append(_half_up(line.amount * share))
        back_of[line.kind] = back_of.get(line.kind, 0) + back[-1]
    return _with_shares(case, words, tuple(back), fee_back)


def _of_the_nights(case: Cancelled, said: str) -> Fraction:
    """Goes from night to night and asks of each how many halves of it come back."""
    today, begun = shown(case.at, case.zone).date(), _begun(case)
    _, stay_with_host, each = SAYS[said]
    halves = kept = 0
    for number, price in enumerate(case.nightly):
        # Reading: a night is over when its date is, at the home.
        if begun and case.check_in + timedelta(days=number) < today:
            continue
        if kept < stay_with_host:
            kept += 1
        else:
            halves += each * price
    return Fraction(halves, 2)


def _penalty(case: Cancelled) -> int | None:
    """Reading: the stay is what the guest pays the host for it before any coupon."""
    if case.by == "guest":
        return None
    percent = next(share for at, share in _charges(case) if case.at >= at)
    stay = sum(line.amount for line in case.lines if line.kind in OF_THE_HOST)
    unit = {"USD": 100, "JPY": 1, "KWD": 1_000}[case.currency]
    return sorted((50 * unit, _half_up(Fraction(stay * percent, 100)), 1_000 * unit))[1]


def _charges(case: Cancelled) -> tuple[tuple[datetime, int], ...]:
    """From when on which percent of the stay the host is charged, the latest first."""
    return (case.ahead("48 h"), 50), (case.ahead("30 d"), 25), (datetime.min.replace(tzinfo=UTC), 10)


def _share(case: Cancelled, back_of: dict[str, int], kinds: set[str], of_nights: Fraction) -> Fraction:
    """What part of these lines comes back. Reading: of lines that cancel out, the part of the nights."""
    paid = sum(line.amount for line in case.lines if line.kind in kinds)
    if not paid:
        return of_nights
    return Fraction(sum(back for kind, back in back_of.items() if kind in kinds), paid)


def _with_shares(case: Cancelled, words: frozenset[str], back: tuple[int, ...], fee_back: bool) -> Told:
    """Whose the rest is. Reading: of the payout, the host has the part that is kept of the host's lines."""
    kept = [(line, line.amount - refunded) for line, refunded in zip(case.lines, back, strict=True)]
    host = OF_THE_HOST | ({"coupon"} if case.host_funds_coupon else set())
    paid_host = sum(line.amount for line in case.lines if line.kind in host)
    kept_host = sum(rest for line, rest in kept if line.kind in host)
    payout = _half_up(Fraction(case.payout * kept_host, paid_host)) if paid_host else 0
    taxes: dict[str, int] = {}
    for line, rest in kept:
        if line.kind == "tax" and line.area is not None:
            taxes[line.area] = taxes.get(line.area, 0) + rest
    platform = sum(rest for _, rest in kept) - payout - sum(taxes.values())
    return Told(words, back, fee_back, payout, taxes, platform, _penalty(case))


def _half_up(value: Fraction | int) -> int:
    half = Fraction(1, 2)
    return floor(value + half) if value >= 0 else -floor(half - value)

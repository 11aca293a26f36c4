"""Taxes by area: which rules hold for a home, and what each takes of a stay.

A rule is one line of a bill. What it takes is reckoned exactly and rounded half-up once. Nights are taxed by
the rule that is in force on their own date; what is taken once a stay or once a guest, by the rule that is in
force on the day of check-in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from msgspec import Meta

from hometrip.kernel.countries import COUNTRIES, NO_COUNTRY
from hometrip.kernel.errors import FieldError, Invalid
from hometrip.kernel.lines import FOR_NIGHTS, WITH_FEES
from hometrip.kernel.money import CURRENCIES, Money, converted, half_up
from hometrip.kernel.record import Frozen
from hometrip.kernel.stay import Stay
from hometrip.kernel.wire import Request
from hometrip.ports.documents import Record
from hometrip.services.listing.rules.rates import NO_RATES, Rates
from hometrip.services.listing.rules.texts import folded

Kind = Literal["percent_bp", "per_stay", "per_guest", "per_night", "per_guest_night"]
PERCENT, PER_STAY, PER_GUEST = "percent_bp", "per_stay", "per_guest"
PER_NIGHT, PER_GUEST_NIGHT = "per_night", "per_guest_night"
# Of which lines of a bill a percentage is.
BASES = {"nights": FOR_NIGHTS, "nights_and_fees": WITH_FEES}

Count = Annotated[int, Meta(ge=1, le=365)]


class Area(Request):
    """A country, or a region or a city of it. Names are compared without case and accents."""

    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    region: Annotated[str, Meta(max_length=100)] = ""
    city: Annotated[str, Meta(max_length=100)] = ""

    @property
    def name(self) -> str:
        """Such as `US/New York/Albany`: what taxes are counted by, all the way to the tax report."""
        return "/".join(part for part in (self.country, self.region, self.city) if part)


class Spot(NamedTuple):
    """Where a home stands, as areas are compared with it."""

    country: str
    region: str
    city: str


class TaxTerms(Request):
    """A tax as staff write it.

    `percent_bp` rules have `bp` (of `base`), all others an `amount`: of the stay, of each guest, night or
    guest and night. Only the first `most_nights` nights of a stay are taxed. Stays of `exempt_from_nights`
    and more are not taxed at all, guests under `exempt_below_age` neither. It holds from `valid_from` to
    before `valid_to`. Nothing is taken while it is not `enabled`.
    """

    area: Area
    label: Annotated[str, Meta(max_length=100)]
    kind: Kind
    bp: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    amount: Money | None = None
    base: Literal["nights", "nights_and_fees"] = "nights"
    most_nights: Count | None = None
    exempt_from_nights: Count | None = None
    exempt_below_age: Annotated[int, Meta(ge=1, le=99)] | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    enabled: bool = False
    source: Annotated[str, Meta(max_length=500)] = ""


class TaxRule(Record):
    """A tax as it is kept."""

    terms: TaxTerms
    changed_at: datetime
    changed_by: UUID | None = None


class Party(Frozen):
    """Who stays, as far as taxes ask: `exempt` of the `guests` are under the age at which they begin."""

    guests: int
    exempt: int = 0


class TaxLine(NamedTuple):
    """A rule and what it takes, in minor units of the bill's currency: `times` its amount, if it has one."""

    rule: TaxTerms
    amount: int
    on: list[str]
    times: int | None


def checked(terms: TaxTerms) -> TaxTerms:
    """The same rule; `Invalid` names every part that cannot be as it is written."""
    wrong: list[FieldError] = []
    percent = terms.kind == PERCENT
    if not terms.label:
        wrong.append(FieldError("label", "required", "say what guests read on their bill, in plain words"))
    if (terms.bp is None) == percent:
        wrong.append(FieldError("bp", "percent_only", "belongs to the kind percent_bp and to no other"))
    if (terms.amount is None) != percent:
        wrong.append(FieldError("amount", "not_percent", "belongs to every kind but percent_bp"))
    if terms.area.country not in COUNTRIES:
        wrong.append(FieldError("area.country", "unknown_country", NO_COUNTRY))
    if terms.amount is not None and not 1 <= terms.amount.amount <= 10**9:
        wrong.append(FieldError("amount.amount", "out_of_range", "must be 1 to 1000000000"))
    if terms.amount is not None and terms.amount.currency not in CURRENCIES:
        wrong.append(FieldError("amount.currency", "unknown_currency", "is not an ISO 4217 currency"))
    if terms.valid_from and terms.valid_to and terms.valid_to <= terms.valid_from:
        wrong.append(FieldError("valid_to", "not_after_from", "must be a later day than valid_from"))
    if wrong:
        raise Invalid("The tax cannot be as it is written.", errors=wrong)
    return terms


class Taxes:
    """The rules that are switched on, ready to be asked for many homes, and the rates for their amounts."""

    def __init__(self, rules: Iterable[TaxTerms], rates: Rates = NO_RATES) -> None:
        self.rates = rates
        self._by_country: dict[str, list[tuple[Spot, TaxTerms]]] = {}
        for rule in rules:
            if rule.enabled:
                area = spot(rule.area.country, rule.area.region, rule.area.city)
                self._by_country.setdefault(area.country, []).append((area, rule))

    def at(self, home: Spot) -> list[TaxTerms]:
        """Those of every area around the home, in the order in which they were given."""
        if not self._by_country:
            return []
        return [
            rule
            for area, rule in self._by_country.get(home.country, ())
            if area.region in ("", home.region) and area.city in ("", home.city)
        ]

    def every(self) -> list[tuple[Spot, TaxTerms]]:
        """Each with the spot of its area."""
        return [rule for rules in self._by_country.values() for rule in rules]


NO_TAXES = Taxes(())


def spot(country: str, region: str, city: str) -> Spot:
    return Spot(country.upper(), folded(region), folded(city))


def tax_lines(
    taxes: Taxes,
    home: Spot,
    stay: Stay,
    nightly: Sequence[int],
    paid: Mapping[str, int],
    party: Party,
    currency: str,
) -> list[TaxLine]:
    """What every rule takes; `nightly` are the nights' prices, `paid` the amounts of the lines so far."""
    found = (_line(rule, stay, nightly, paid, party, currency, taxes.rates) for rule in taxes.at(home))
    return [line for line in found if line is not None and line.amount]


def _line(
    rule: TaxTerms,
    stay: Stay,
    nightly: Sequence[int],
    paid: Mapping[str, int],
    party: Party,
    currency: str,
    rates: Rates,
) -> TaxLine | None:
    if rule.exempt_from_nights is not None and stay.nights >= rule.exempt_from_nights:
        return None
    first_nights = list(stay.each_night())[: rule.most_nights]
    nights = [at for at, night in enumerate(first_nights) if _in_force(rule, night)]
    people = party.guests - (min(party.exempt, party.guests) if rule.exempt_below_age is not None else 0)
    if rule.amount is None:
        on = [kind for kind in BASES[rule.base] if kind in paid]
        taxed = Fraction(sum(nightly[at] for at in nights) * people, sum(nightly) * party.guests)
        exact = sum(paid[kind] for kind in on) * (rule.bp or 0) * taxed / 10_000
        return TaxLine(rule, half_up(exact.numerator, exact.denominator), on, None)
    once = int(_in_force(rule, stay.check_in) and people > 0)
    count = {
        PER_STAY: once,
        PER_GUEST: once * people,
        PER_NIGHT: len(nights) if people else 0,
        PER_GUEST_NIGHT: len(nights) * people,
    }[rule.kind]
    rate = rates.rate(rule.amount.currency, currency)
    if rate is None:
        return None  # the table knows no rate for it, so there is no telling how much it is
    return TaxLine(rule, converted(rule.amount * count, rate, currency).amount, ["nights"], count)


def _in_force(rule: TaxTerms, day: date) -> bool:
    return (rule.valid_from is None or rule.valid_from <= day) and (
        rule.valid_to is None or day < rule.valid_to
    )

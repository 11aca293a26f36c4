"""Towns for simulated lives: homes, prices, taxes and coupons by chance, and what a stay costs there, in
plain arithmetic that shares nothing with the house.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cache
from importlib.resources import files
from math import floor
from random import Random
from typing import Any

from hometrip.services.listing.rules import rates
from rules.oracle_cancellation import Line
from rules.oracle_price import Coupon, Dear, Wished, cost

POLICIES = (
    "flexible moderate limited firm strict super_strict_30 super_strict_60 non_refundable long_term"
).split()


@dataclass(frozen=True)
class Place:
    """Where a home can be; `unit` is what about a dollar is there, in minor units."""

    country: str
    region: str
    city: str
    lat: float
    lng: float
    zone: str
    currency: str
    unit: int

    @property
    def dollar(self) -> Fraction:
        """What a dollar is in minor units there, by the table of the day; where that has none, as if it were
        one of the place's own."""
        known = _rates()
        return 10 ** digits_of(self.currency) * (
            known[self.currency] / known["USD"] if self.currency in known else Fraction(1)
        )

    def rate(self, currency: str) -> Fraction | None:
        """What one unit of the place's money is in another, where the table of the day has both."""
        known = _rates()
        both = self.currency in known and currency in known
        return known[currency] / known[self.currency] if both else None

    @property
    def area(self) -> str:
        return "/".join(part for part in (self.country, self.region, self.city) if part)

    @property
    def area_body(self) -> dict[str, str]:
        return {"country": self.country, "region": self.region, "city": self.city}


PLACES = (
    Place("US", "New York", "Albany", 42.6526, -73.7562, "America/New_York", "USD", 100),
    Place("DE", "", "Berlin", 52.52, 13.405, "Europe/Berlin", "EUR", 100),
    Place("JP", "", "Kyoto", 35.0116, 135.7681, "Asia/Tokyo", "JPY", 150),
    Place("KW", "", "Kuwait City", 29.3759, 47.9774, "Asia/Kuwait", "KWD", 300),
    Place("AU", "", "Lord Howe Island", -31.55, 159.08, "Australia/Lord_Howe", "AUD", 150),
    Place("GB", "", "London", 51.5074, -0.1278, "Europe/London", "GBP", 80),
)


def digits_of(currency: str) -> int:
    return {"JPY": 0, "KWD": 3}.get(currency, 2)


@cache
def _rates() -> dict[str, Fraction]:
    names, values = (files(rates) / "eurofxref.csv").read_text().splitlines()[:2]
    known = zip(names.split(",")[1:], values.split(",")[1:], strict=True)
    return {"EUR": Fraction(1)} | {n.strip(): Fraction(v.strip()) for n, v in known if n.strip()}


# From when guests may come, and until when they go; no change of clocks leaves one of these out.
HOURS = (*[("15:00", "11:00")] * 3, ("00:00", "23:30"), ("23:30", "00:30"), ("16:45", "10:00"))

# Around changes of clocks, north and south, a leap day, and an ordinary spring.
STARTS = ((2027, 2, 20), (2027, 4, 14), (2027, 9, 15), (2028, 2, 5), (2027, 12, 10))


@dataclass(frozen=True)
class Party:
    """Who stays; `exempt` of the guests are too young for taxes that spare them."""

    guests: int
    pets: int = 0
    exempt: int = 0

    def body(self) -> dict[str, int]:
        told = {"guests": self.guests, "pets": self.pets, "exempt_guests": self.exempt}
        return {name: number for name, number in told.items() if number or name == "guests"}


@dataclass(frozen=True)
class Tax:
    """One rule of a home's town, as staff write it."""

    kind: str
    base: str
    bp: int
    amount: int
    most_nights: int | None
    exempt_from_nights: int | None
    exempt_below_age: int | None
    valid_from: date | None = None
    valid_to: date | None = None
    enabled: bool = True

    def body(self, place: Place) -> dict[str, Any]:
        rule: dict[str, Any] = {"area": place.area_body, "label": "A tax", "kind": self.kind}
        rule |= {"enabled": self.enabled}
        if self.kind == "percent_bp":
            rule |= {"bp": self.bp, "base": self.base}
        else:
            rule |= {"amount": {"amount": self.amount, "currency": place.currency}}
        names = ("most_nights", "exempt_from_nights", "exempt_below_age")
        limits = {name: getattr(self, name) for name in names}
        days = {"valid_from": self.valid_from, "valid_to": self.valid_to}
        limits |= {name: day.isoformat() for name, day in days.items() if day}
        return rule | {name: limit for name, limit in limits.items() if limit is not None}

    def holds(self, day: date) -> bool:
        return (self.valid_from or date.min) <= day < (self.valid_to or date.max)

    def takes(self, check_in: date, nightly: tuple[int, ...], party: Party, lines: dict[str, int]) -> int:
        """Reading: a percentage is of the part of those who are not exempt; where all are, nothing is. Nights
        are taxed by the rule of their own day, what is taken once by that of the check-in."""
        taxed = party.guests - (0 if self.exempt_below_age is None else party.exempt)
        spared = self.exempt_from_nights is not None and len(nightly) >= self.exempt_from_nights
        if not taxed or spared or not self.enabled:
            return 0
        first_nights = nightly[: self.most_nights]
        prices = [price for n, price in enumerate(first_nights) if self.holds(check_in + timedelta(days=n))]
        nights, once = len(prices), int(self.holds(check_in))
        count = {
            "per_stay": once,
            "per_guest": once * taxed,
            "per_night": nights,
            "per_guest_night": nights * taxed,
        }
        if self.kind != "percent_bp":
            return self.amount * count[self.kind]
        exact = Fraction(sum(prices) * taxed, sum(nightly) * party.guests) * self.bp / 10_000
        return floor(sum(lines.get(kind, 0) for kind in self.on) * exact + Fraction(1, 2))

    @property
    def on(self) -> tuple[str, ...]:
        nights = ("nights", "length_discount", "early_bird", "last_minute", "non_refundable", "extra_guests")
        if self.kind != "percent_bp":
            return ("nights",)
        return nights if self.base == "nights" else (*nights, "pets", "cleaning", "coupon", "service_fee")


@dataclass(frozen=True)
class Price:
    """What a stay comes to, by the test's own reckoning."""

    nightly: tuple[int, ...]
    lines: tuple[Line, ...]
    total: int
    payout: int

    def told(self) -> list[tuple[str, int]]:
        return [(line.kind, line.amount) for line in self.lines]


@dataclass
class Home:
    """A home as its host has made it. `blocks` and `feed` are nights kept from guests, by what keeps them;
    `down_since` is when staff have taken it down, `up_again` what it was before, and is then again. `hours`
    are those from which guests may come and until which they go; of coupons, the `most` that ever could use
    each, and those that are `gone`."""

    place: Place
    policy: str
    instant: bool
    preparation: int
    pets: bool
    pricing: dict[str, Any]
    taxes: list[Tax]
    hours: tuple[str, str] = ("15:00", "11:00")
    host: str = ""
    status: str = "published"
    down_since: datetime | None = None
    up_again: str = "published"

    id: str = ""
    blocks: dict[str, set[date]] = field(default_factory=dict)
    feed: dict[str, tuple[date, int]] = field(default_factory=dict)
    feed_id: str = ""
    coupons: dict[str, Coupon] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def taken_down(self, at: datetime) -> None:
        if self.status != "suspended":
            self.status, self.up_again, self.down_since = "suspended", self.status, at

    @property
    def path(self) -> str:
        return f"/api/listings/{self.id}"

    def money(self, amount: int) -> dict[str, Any]:
        return {"amount": amount, "currency": self.place.currency}

    def price(
        self, now: datetime, check_in: date, nights: int, party: Party, coupon: Coupon | None
    ) -> Price | None:
        """None where the coupon does not fit."""
        found = cost(self._wished(now, check_in, nights, party, coupon))
        if found is None:
            return None
        lines = [Line(kind, amount) for kind, amount in found.lines]
        known = dict(found.lines)
        for tax in self.taxes:
            if amount := tax.takes(check_in, found.nightly, party, known):
                on = tuple(kind for kind in tax.on if kind in known)
                lines.append(Line("tax", amount, on, self.place.area))
        return Price(found.nightly, tuple(lines), sum(line.amount for line in lines), found.payout)

    def _wished(
        self, now: datetime, check_in: date, nights: int, party: Party, coupon: Coupon | None
    ) -> Wished:
        told = self.pricing

        def amount(name: str) -> int | None:
            return told[name]["amount"] if name in told else None

        def lead(name: str) -> tuple[int, int] | None:
            return (told[name]["days"], told[name]["discount_bp"]) if name in told else None

        seasons = (
            Dear(date.fromisoformat(one["from"]), date.fromisoformat(one["to"]), one["price"]["amount"])
            for one in told["seasons"]
        )
        return Wished(
            currency=self.place.currency,
            zone=self.place.zone,
            base=told["base"]["amount"],
            weekend=amount("weekend"),
            weekend_nights=(4, 5),
            seasons=tuple(seasons),
            dates=tuple((date.fromisoformat(day), price["amount"]) for day, price in told["dates"].items()),
            weekly_bp=told["weekly_discount_bp"],
            monthly_bp=told["monthly_discount_bp"],
            early_bird=lead("early_bird"),
            last_minute=lead("last_minute"),
            cleaning=amount("cleaning_fee"),
            included_guests=told.get("included_guests"),
            extra_guest=amount("extra_guest"),
            pet=amount("pet_fee"),
            guest_fee_bp=1_200,
            host_fee_bp=300,
            check_in=check_in,
            nights=nights,
            guests=party.guests,
            pets=party.pets,
            coupon=coupon,
            now=now,
            refundable=self.policy != "non_refundable",
        )


def a_home(chance: Random, today: date, taxes: dict[str, list[Tax]]) -> Home:
    """`taxes` are those of towns that were drawn before; a town has the same for all its homes."""
    place = chance.choice(PLACES)
    if place.area not in taxes:
        taxes[place.area] = [a_tax(chance, place, today) for _ in range(chance.randrange(4))]
    return Home(
        place=place,
        policy=chance.choice(POLICIES),
        instant=chance.random() < 0.6,
        preparation=chance.choice((0, 0, 0, 1)),
        pets=chance.random() < 0.6,
        pricing=a_price_list(chance, place, today),
        taxes=taxes[place.area],
        hours=chance.choice(HOURS),
    )


def a_price_list(chance: Random, place: Place, today: date) -> dict[str, Any]:
    def money(low: int, high: int) -> dict[str, Any]:
        """Between so many dollars, with an odd rest."""
        amount = chance.randrange(low * place.unit, high * place.unit)
        return {"amount": max(1, amount), "currency": place.currency}

    first = today + timedelta(days=chance.randrange(5, 60))
    season = {
        "from": first.isoformat(),
        "to": (first + timedelta(days=chance.randrange(3, 30))).isoformat(),
        "price": money(60, 300),
    }
    told = {
        "base": money(30, 250),
        "seasons": [season] if chance.random() < 0.5 else [],
        "dates": {(first + timedelta(days=2)).isoformat(): money(50, 400)} if chance.random() < 0.4 else {},
        "weekly_discount_bp": chance.choice((0, 500, 1_250)),
        "monthly_discount_bp": chance.choice((0, 2_000, 3_333)),
    }
    maybe = {
        "weekend": money(50, 300),
        "cleaning_fee": money(5, 90),
        "included_guests": chance.randrange(1, 4),
        "extra_guest": money(1, 30),
        "pet_fee": money(1, 40),
        "deposit": money(50, 400),
        "early_bird": {"days": chance.randrange(20, 50), "discount_bp": 777},
        "last_minute": {"days": chance.randrange(1, 8), "discount_bp": 1_500},
    }
    return told | {name: value for name, value in maybe.items() if chance.random() < 0.5}


def a_tax(chance: Random, place: Place, today: date) -> Tax:
    first = today + timedelta(days=chance.randrange(60))
    since, until = chance.choice((None, None, None, first)), first + timedelta(days=chance.randrange(1, 40))
    return Tax(
        kind=chance.choice(
            ("percent_bp", "percent_bp", "per_stay", "per_guest", "per_night", "per_guest_night")
        ),
        base=chance.choice(("nights", "nights_and_fees")),
        bp=chance.randrange(1, 1_500),
        amount=chance.randrange(1, 6 * place.unit),
        most_nights=chance.choice((None, None, 3)),
        exempt_from_nights=chance.choice((None, None, 28)),
        exempt_below_age=chance.choice((None, 12)),
        valid_from=since,
        valid_to=chance.choice((None, None, None, until)),
    )

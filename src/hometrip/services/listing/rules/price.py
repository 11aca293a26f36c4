"""What a stay costs: the one function behind every quote, offer, calendar and booking.

Lines come in this order, each rounded half-up once: nights, length discount, early-bird or last-minute, what
is off where nothing is refunded, extra guests, pets, cleaning, coupon, service fee, taxes, total. Lines of
nothing are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

import msgspec

from hometrip.kernel.money import Money, converted, half_up, total
from hometrip.kernel.split import Split
from hometrip.kernel.stay import ONE_NIGHT, Stay, local_date
from hometrip.services.booking.contract import CouponRefused, CouponTerms
from hometrip.services.listing.contract import MONTH, WEEK, QuoteLine, ShownIn
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.home import Home, Pricing
from hometrip.services.listing.rules.rates import written
from hometrip.services.listing.rules.seasons import lay_days, lay_seasons, season_of
from hometrip.services.listing.rules.taxes import NO_TAXES, Party, Taxes, TaxTerms, spot, tax_lines

# What is off the nights of a home whose policy refunds nothing.
NON_REFUNDABLE = "non_refundable"
NON_REFUNDABLE_BP = 1_000
# From so many nights on, writing layer upon layer is faster than asking for each night.
_MANY = 40


class Fees(msgspec.Struct, frozen=True):
    """The marketplace's shares in basis points: what guests pay on top, what hosts leave of a payout."""

    guest_bp: int
    host_bp: int


class Prices:
    """What nights at a home cost, made ready once to be asked often. The home has a price."""

    def __init__(self, home: Home, calendar: Calendar) -> None:
        if home.pricing is None:
            raise ValueError("a home without a price has no prices")
        self.pricing: Pricing = home.pricing
        self.currency = home.pricing.currency
        self.included = home.pricing.included_guests
        self.policy_bp = NON_REFUNDABLE_BP if home.cancellation_policy == NON_REFUNDABLE else 0
        self.zone = home.time_zone
        self.starts = calendar.starts.toordinal() if calendar.starts else 0
        self.dated = calendar.prices
        self.spot = spot(home.address.country, home.address.region, home.address.city)

    def of_night(self, night: date) -> int:
        """Minor units: the day's own price, else the season's, else the weekend's, else the base."""
        at = night.toordinal() - self.starts
        if 0 <= at < len(self.dated) and self.dated[at]:
            return self.dated[at]
        pricing = self.pricing
        if pricing.seasons and (season := season_of(pricing.seasons, night)):
            return season.price.amount
        if pricing.weekend is not None and night.weekday() in pricing.weekend_nights:
            return pricing.weekend.amount
        return pricing.base.amount

    def of_nights(self, first: date, count: int) -> list[int]:
        """Prices of so many nights in a row: what `of_night` says of each."""
        at = first.toordinal() - self.starts
        # Where each night has a price of its own, as imported homes have, there is nothing else to look at.
        if at >= 0 and len(dated := self.dated[at : at + count]) == count and all(dated):
            return dated
        if count < _MANY:
            return [self.of_night(first + n * ONE_NIGHT) for n in range(count)]
        pricing = self.pricing
        week = [pricing.base.amount] * 7
        for day in pricing.weekend_nights if pricing.weekend else ():
            week[day] = pricing.weekend.amount if pricing.weekend else 0
        begins = first.weekday()
        prices = (week[begins:] + week * (count // 7 + 1))[:count]
        lay_seasons(prices, first, pricing.seasons, [season.price.amount for season in pricing.seasons])
        if self.dated:
            lay_days(prices, first, date.fromordinal(self.starts), self.dated)
        return prices


class Line(msgspec.Struct, frozen=True):
    """One line in minor units; `bp` is the share that made it, `tax` and `on` are those of a tax."""

    kind: str
    amount: int
    quantity: int | None = None
    unit: int | None = None
    bp: int | None = None
    tax: TaxTerms | None = None
    on: list[str] | None = None


class Bill(msgspec.Struct, frozen=True):
    """The price of a stay in minor units of `currency`: lines in order, total, and whose the money is."""

    currency: str
    nightly: list[int]
    lines: list[Line]
    total: int
    payout: int
    taxes: dict[str, int]

    @property
    def split(self) -> Split:
        """payout + platform + taxes = total: the marketplace's own coupons come out of its share."""
        taxes = {area: Money(amount, self.currency) for area, amount in self.taxes.items()}
        platform = self.total - self.payout - sum(self.taxes.values())
        payout = Money(self.payout, self.currency)
        return Split(payout=payout, platform=Money(platform, self.currency), taxes=taxes)


def bill(
    prices: Prices,
    stay: Stay,
    now: datetime,
    fees: Fees,
    *,
    guests: int,
    pets: int = 0,
    coupon: CouponTerms | None = None,
    taxes: Taxes = NO_TAXES,
    exempt: int = 0,
) -> Bill:
    """The price of a stay that is booked `now`. `CouponRefused` where the coupon does not fit it. `exempt` of
    the guests are too young for taxes that spare them."""
    nightly = prices.of_nights(stay.check_in, stay.nights)
    count, for_nights, unit = len(nightly), sum(nightly), nightly[0]
    lines = [Line("nights", for_nights, count, unit if nightly.count(unit) == count else None)]
    length, lead = length_bp(prices.pricing, count), lead_bp(prices, stay.check_in, now)
    for kind, bp in (("length_discount", length), lead, (NON_REFUNDABLE, prices.policy_bp)):
        if discount := _discount(kind, bp, for_nights):
            lines.append(discount)
            for_nights += discount.amount
    added = [(kind, many * each, many, each) for kind, many, each in extras(prices, count, guests, pets)]
    extra_lines = [Line(*line) for line in added if line[1]]
    lines += extra_lines
    for_host = subtotal = for_nights + _sum(extra_lines)
    if coupon is not None and (taken_off := _coupon(coupon, subtotal, prices.currency)):
        lines.append(Line("coupon", -taken_off, bp=coupon.percent_bp))
        for_host -= taken_off if coupon.host_funded else 0
        subtotal -= taken_off
    if fee := half_up(subtotal * fees.guest_bp, 10_000):
        lines.append(Line("service_fee", fee, bp=fees.guest_bp))
    charged: list[Line] = []
    if taxes.at(prices.spot):  # few places have any
        charged = _taxes(prices, stay, nightly, lines, taxes, Party(guests=guests, exempt=exempt))
        lines += charged
    payout = for_host - half_up(for_host * fees.host_bp, 10_000)
    return Bill(prices.currency, nightly, lines, subtotal + fee + _sum(charged), payout, _by_area(charged))


def _sum(lines: list[Line]) -> int:
    return sum([line.amount for line in lines])


def length_bp(pricing: Pricing, count: int) -> int:
    """Monthly from 28 nights, else weekly from 7."""
    if count < WEEK:
        return 0
    weekly = pricing.weekly_discount_bp
    return pricing.monthly_discount_bp if count >= MONTH and pricing.monthly_discount_bp else weekly


def lead_bp(prices: Prices, check_in: date, now: datetime) -> tuple[str, int]:
    """The larger of early-bird and last-minute; it is taken off the nights after the length discount."""
    early, late = prices.pricing.early_bird, prices.pricing.last_minute
    if early is None and late is None:
        return "early_bird", 0
    lead = (check_in - local_date(now, prices.zone)).days
    early_bp = early.discount_bp if early and lead >= early.days else 0
    late_bp = late.discount_bp if late and lead <= late.days else 0
    return ("early_bird", early_bp) if early_bp >= late_bp else ("last_minute", late_bp)


def _discount(kind: str, bp: int, on: int) -> Line | None:
    amount = half_up(on * bp, 10_000)
    return Line(kind, -amount, bp=bp) if amount else None


def extras(prices: Prices, nights: int, guests: int, pets: int) -> Iterator[tuple[str, int, int]]:
    """What is paid besides the nights, how many, and what each costs: each guest beyond those included, for
    each night; each pet, once for the stay; the cleaning."""
    pricing = prices.pricing
    if pricing.extra_guest is not None and prices.included is not None and guests > prices.included:
        yield "extra_guests", (guests - prices.included) * nights, pricing.extra_guest.amount
    if pricing.pet_fee is not None and pets:
        yield "pets", pets, pricing.pet_fee.amount
    if pricing.cleaning_fee is not None:
        yield "cleaning", 1, pricing.cleaning_fee.amount


def _taxes(
    prices: Prices, stay: Stay, nightly: list[int], lines: list[Line], taxes: Taxes, party: Party
) -> list[Line]:
    paid = {line.kind: line.amount for line in lines}
    return [
        Line(
            "tax",
            found.amount,
            found.times,
            _unit(found.rule, prices.currency),
            bp=found.rule.bp,
            tax=found.rule,
            on=found.on,
        )
        for found in tax_lines(taxes, prices.spot, stay, nightly, paid, party, prices.currency)
    ]


def _unit(rule: TaxTerms, currency: str) -> int | None:
    return rule.amount.amount if rule.amount and rule.amount.currency == currency else None


def _by_area(lines: list[Line]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for line in lines:
        if line.tax is not None:
            sums[line.tax.area.name] = sums.get(line.tax.area.name, 0) + line.amount
    return sums


def _coupon(coupon: CouponTerms, subtotal: int, currency: str) -> int:
    """What it takes off: never more than there is."""
    for amount in (coupon.fixed, coupon.minimum):
        if amount is not None and amount.currency != currency:
            detail = f"This coupon is in {amount.currency}, and this home is in {currency}."
            raise CouponRefused(detail, reason="other_currency", coupon=coupon.code)
    if coupon.minimum is not None and subtotal < coupon.minimum.amount:
        raise CouponRefused(
            f"This coupon needs a price of {coupon.minimum} before fees.",
            reason="minimum",
            minimum=coupon.minimum,
        )
    off = coupon.fixed.amount if coupon.fixed is not None else 0
    if coupon.percent_bp is not None:
        off = half_up(subtotal * coupon.percent_bp, 10_000)
    return min(off, subtotal)


def quote_lines(made: Bill, was: int | None = None) -> list[QuoteLine]:
    """The lines as people read them; `was` is what the nights usually cost, where that may be said."""
    return [
        QuoteLine(
            kind=line.kind,
            label=_label(line),
            amount=Money(line.amount, made.currency),
            quantity=line.quantity,
            unit=None if line.unit is None else Money(line.unit, made.currency),
            area=line.tax.area.name if line.tax else None,
            on=line.on,
            was=Money(was, made.currency) if was is not None and line.kind == "nights" else None,
        )
        for line in made.lines
    ]


def shown_in(lines: list[QuoteLine], currency: str, rate: int, on: date) -> ShownIn:
    """The lines in another currency, each rounded by itself, and their sum."""
    amounts = [converted(line.amount, rate, currency) for line in lines]
    return ShownIn(
        currency=currency, rate=written(rate), on=on, total=total(amounts, currency), lines=amounts
    )


_LABELS = {
    "early_bird": "Early-bird discount",
    "last_minute": "Last-minute discount",
    NON_REFUNDABLE: "Non-refundable discount",
    "cleaning": "Cleaning",
    "coupon": "Coupon",
    "service_fee": "Service fee",
}


def _label(line: Line) -> str:
    count = line.quantity or 0
    if line.kind == "nights":
        return f"{count} night" if count == 1 else f"{count} nights"
    if line.kind == "length_discount":
        return _with_share("Length-of-stay discount", line.bp)
    if line.tax is not None:
        return _with_share(line.tax.label, line.bp)
    if line.kind == "extra_guests":
        return "Extra guests"
    if line.kind == "pets":
        return "Pet" if count == 1 else "Pets"
    return _with_share(_LABELS[line.kind], line.bp)


def _with_share(label: str, bp: int | None) -> str:
    return label if bp is None else f"{label} ({bp / 100:g} %)"

"""Money: an integer of minor units with its ISO 4217 currency. No float ever holds money."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hometrip.kernel.errors import Conflict

# Digits after the point where they are not two (ISO 4217, list one).
_DIGITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
_TWO_DIGITS = frozenset(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL "
    "HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP "
    "MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD "
    "SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS "
    "VED VES WST XCD YER ZAR ZMW ZWG".split()
)
CURRENCIES = frozenset(_DIGITS) | _TWO_DIGITS


# An exchange rate is a whole number of these parts: what is shown of it is what was reckoned with.
RATE_PARTS = 10**10


class CurrencyMismatch(Conflict):
    """Amounts of two currencies cannot be added."""

    code = "currency_mismatch"


class Money(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """An amount of the currency's smallest unit: `Money(12345, "EUR")` is 123.45 euros."""

    amount: int
    currency: str

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other).amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other).amount, self.currency)

    def __mul__(self, times: int) -> Money:
        return Money(self.amount * times, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __bool__(self) -> bool:
        return self.amount != 0

    def share(self, basis_points: int) -> Money:
        """That part of it, rounded half-up (away from zero), once: 1000 basis points are 10 %."""
        return Money(half_up(self.amount * basis_points, 10_000), self.currency)

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be added")
        return other

    def __str__(self) -> str:
        digits = digits_of(self.currency)
        whole, part = divmod(abs(self.amount), 10**digits)
        sign = "-" if self.amount < 0 else ""
        return (
            f"{sign}{whole}.{part:0{digits}d} {self.currency}" if digits else f"{sign}{whole} {self.currency}"
        )


def half_up(numerator: int, denominator: int) -> int:
    """`numerator / denominator` to the nearest integer, halves away from zero; the denominator is over 0."""
    quotient = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -quotient if numerator < 0 else quotient


def apportioned(money: Money, shares: Sequence[int]) -> list[Money]:
    """So much for each share, in proportion and exact in sum: what rounding leaves goes to those that lose
    most by it, the first of equal ones. The shares are not all nothing."""
    whole = sum(shares)
    parts = [divmod(share * money.amount, whole) for share in shares]
    given = [floor for floor, _ in parts]
    losers = sorted(range(len(parts)), key=lambda at: (-parts[at][1], at))
    for at in losers[: money.amount - sum(given)]:
        given[at] += 1
    return [Money(amount, money.currency) for amount in given]


def converted(amount: Money, rate: int, currency: str) -> Money:
    """The amount in another currency at this rate (of RATE_PARTS), half-up once."""
    numerator = amount.amount * rate * 10 ** digits_of(currency)
    return Money(half_up(numerator, RATE_PARTS * 10 ** digits_of(amount.currency)), currency)


def digits_of(currency: str) -> int:
    return _DIGITS.get(currency, 2)


def zero(currency: str) -> Money:
    return Money(0, currency)


def total(amounts: Iterable[Money], currency: str) -> Money:
    return sum(amounts, start=zero(currency))

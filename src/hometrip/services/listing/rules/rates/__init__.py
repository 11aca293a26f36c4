"""Exchange rates of one day, and amounts of one currency told in another.

The bundled table, `eurofxref.csv`, is that of the euro foreign exchange reference rates which the European
Central Bank publishes each working day (the file of 30 October 2026, as published). Any later file of that
form takes its place by a setting. Rates are whole numbers all the way: no float ever touches money.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction

from hometrip.kernel.money import CURRENCIES, RATE_PARTS, half_up

EURO, DOLLAR = "EUR", "USD"
# Currencies that the bank leaves out, as they are held to one that it publishes: what one of that is in them.
# By agreement the francs of the Communauté financière africaine, of the Comoros and of the Pacific (1,000 for
# 8.38 euros), the escudo of Cape Verde and the mark of Bosnia; by decision of their central banks the Gulf's
# and Jordan's (the middle of what those buy and sell dollars for).
HELD: dict[str, dict[str, Fraction]] = {
    EURO: {
        "XAF": Fraction("655.957"),
        "XOF": Fraction("655.957"),
        "KMF": Fraction("491.96775"),
        "XPF": Fraction(100_000, 838),
        "CVE": Fraction("110.265"),
        "BAM": Fraction("1.95583"),
    },
    DOLLAR: {
        "AED": Fraction("3.6725"),
        "BHD": Fraction("0.376"),
        "JOD": Fraction("0.709"),
        "OMR": Fraction("0.3845"),
        "QAR": Fraction("3.64"),
        "SAR": Fraction("3.75"),
    },
}


class Rates:
    """What one euro was worth on a day, by currency."""

    def __init__(self, on: date, of_one_euro: dict[str, Fraction]) -> None:
        self.on = on
        self._of_one_euro = {**of_one_euro, EURO: Fraction(1)}

    def rate(self, source: str, target: str) -> int | None:
        """What one of `source` is in `target`, in RATE_PARTS, half-up; None where the table lacks one."""
        from_euro, to_euro = self._of_one_euro.get(target), self._of_one_euro.get(source)
        if source == target:
            return RATE_PARTS
        if from_euro is None or to_euro is None:
            return None
        exact = from_euro / to_euro * RATE_PARTS
        # A rate that rounds to nothing would make everything free.
        return half_up(exact.numerator, exact.denominator) or None

    def into(self, target: str) -> dict[str, int]:
        """What one of each currency is in this one; without those that have no rate."""
        found = {source: self.rate(source, target) for source in self._of_one_euro}
        return {source: rate for source, rate in found.items() if rate is not None}


NO_RATES = Rates(date.min, {})


def written(rate: int) -> str:
    """The rate as people write it."""
    whole, part = divmod(rate, RATE_PARTS)
    return f"{whole}.{part:010d}".rstrip("0").rstrip(".")


def read_rates(text: str) -> Rates:
    """A table in the form of the European Central Bank's `eurofxref.csv`: names, then the day's values.

    `ValueError` tells what cannot be read. Currencies without a value, or of another time, are left out.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise ValueError("a table of rates has a line of names and a line of values")
    names, values = ([cell.strip() for cell in line.split(",")] for line in lines[:2])
    if names[0] != "Date" or len(names) != len(values):
        raise ValueError("a table of rates begins with Date, and has a value for each name")
    on = _day(values[0])
    rates: dict[str, Fraction] = {}
    for name, value in zip(names[1:], values[1:], strict=True):
        if name in CURRENCIES and value not in ("", "N/A"):
            rates[name] = Fraction(value)
            if rates[name] <= 0:
                raise ValueError(f"the rate of {name} must be more than nothing")
    return Rates(on, _with_held(rates))


def _with_held(rates: dict[str, Fraction]) -> dict[str, Fraction]:
    """What the table says itself stands."""
    known = {**rates, EURO: Fraction(1)}
    return {
        name: known[anchor] * of_one
        for anchor, held in HELD.items()
        if anchor in known
        for name, of_one in held.items()
    } | rates


def _day(text: str) -> date:
    """`30 October 2026`, or `2026-10-30` as in the bank's longer tables."""
    form = "%Y-%m-%d" if text[:4].isdigit() else "%d %B %Y"
    return datetime.strptime(text, form).replace(tzinfo=UTC).date()

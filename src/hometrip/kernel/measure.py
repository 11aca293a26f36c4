"""In what prices of several currencies are compared: one of these, at the rates of a day."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from hometrip.kernel.money import RATE_PARTS, Money, converted, digits_of


class Measure(msgspec.Struct, frozen=True):
    """`rates` is what one of each currency is in this one, of RATE_PARTS; its own is among them."""

    currency: str
    rates: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, currency: str, known: Mapping[str, int]) -> Measure:
        """This currency, with the rates that are known for it."""
        return cls(currency, tuple(sorted({**known, currency: RATE_PARTS}.items())))

    def rate_of(self, own: str) -> int | None:
        return dict(self.rates).get(own)

    def worth(self, price: Money) -> int:
        """The price in this currency, or as it is where no rate is known; in minor units."""
        rate = self.rate_of(price.currency)
        return price.amount if rate is None else converted(price, rate, self.currency).amount

    def least(self, own: str, worth: int) -> int:
        """The smallest amount of `own`, which has a rate, that is worth so much."""
        times: int = 2 * (self.rate_of(own) or 0) * 10 ** digits_of(self.currency)
        parts: int = RATE_PARTS * 10 ** digits_of(own)
        return max(0, -((parts - 2 * parts * worth) // times))


def by_number(counts: Mapping[str, int]) -> list[str]:
    """The currencies that there are, the commonest first, equally common ones by the alphabet."""
    return sorted((each for each, count in counts.items() if count), key=lambda each: (-counts[each], each))


async def measure_for(
    currencies: Sequence[str], rates: Callable[[str], Awaitable[dict[str, int]]]
) -> Measure | None:
    """The first of these that has a rate, where there are several; none compares one with itself."""
    if len(currencies) < 2:
        return None
    for currency in currencies:
        if known := await rates(currency):
            return Measure.of(currency, known)
    return Measure.of(currencies[0], {})

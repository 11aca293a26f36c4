"""Prices of simulated lives in a guest's currency, reckoned once more: by the table of the day, or at the
rate that was promised.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

from lives.town import Home, digits_of
from lives.world import Life, World

# The rate is written with ten decimal places.
ROUNDED = Fraction(1, 10**10)


def check_shown(world: World, home: Home, quote: dict[str, Any], currency: str | None) -> None:
    """A quote is shown in the currency that was asked for, where it is another than the home's."""
    shown = quote.get("shown")
    if currency in (None, home.place.currency):
        world.expect(shown is None, f"nobody asked for it: {quote}")
        return
    assert currency is not None
    rate = home.place.rate(currency)
    world.expect(rate is not None and shown and shown["currency"] == currency, f"in {currency}: {quote}")
    assert rate is not None
    off = abs(Fraction(shown["rate"]) - rate)
    world.expect(off <= ROUNDED, f"the rate is {float(rate)}: {quote}")
    _check_lines(world, home, quote["lines"], shown)


def check_booking_shown(world: World, life: Life, receipt: dict[str, Any] | None) -> None:
    """A booking, also one that was changed, and its receipt: at the rate of the quote."""
    shown = life.view.get("shown")
    if receipt is not None:
        world.expect(receipt.get("shown") == shown, f"{life.id}: {receipt}, {life.view}")
    if shown is not None:
        _check_lines(world, life.home, life.view["lines"], shown)


def check_change_shown(world: World, life: Life, asked: dict[str, Any]) -> None:
    was, shown = life.view.get("shown"), asked.get("shown")
    world.expect((was is None) == (shown is None), f"{life.id}: {asked}, shown {was}")
    if was is None or shown is None:
        world.expect(asked.get("shown_difference") is None, f"{life.id}: {asked}")
        return
    same = [(one["currency"], one["rate"], one["on"]) for one in (was, shown)]
    world.expect(same[0] == same[1], f"{life.id}: another rate than {was}: {asked}")
    _check_lines(world, life.home, asked["lines"], shown)
    less = shown["total"]["amount"] - was["total"]["amount"]
    wanted = {"amount": less, "currency": was["currency"]}
    world.expect(asked["shown_difference"] == wanted, f"{life.id}: {asked}, not {wanted}")


def _check_lines(world: World, home: Home, lines: list[dict[str, Any]], shown: dict[str, Any]) -> None:
    currency = shown["currency"]
    exact = Fraction(shown["rate"]) * Fraction(10) ** (digits_of(currency) - digits_of(home.place.currency))
    wanted = [_half_up(line["amount"]["amount"] * exact) for line in lines]
    found = [line["amount"] for line in shown["lines"]]
    world.expect(found == wanted, f"{home.path}: {lines} are {wanted}, shown {shown}")
    world.expect(shown["total"] == {"amount": sum(wanted), "currency": currency}, f"{home.path}: {shown}")


def _half_up(amount: Fraction) -> int:
    """Halves away from nothing: what is taken off is rounded as what it is taken of."""
    found = floor(abs(amount) + Fraction(1, 2))
    return found if amount > 0 else -found

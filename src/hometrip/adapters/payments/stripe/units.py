"""Amounts as Stripe counts them. Most are in the minor unit of ISO 4217, as ours; some are not."""

from __future__ import annotations

from hometrip.kernel.money import Money, digits_of
from hometrip.ports.payments import ProviderRefused

# Digits after the point where Stripe has others than ISO 4217 (docs.stripe.com/currencies): a króna and a
# shilling are a hundred units there, an ariary is one.
_DIGITS = {"ISK": 2, "UGX": 2, "MGA": 0}
# Of currencies of three digits cards are charged no last one but 0.
_CARDS_STEP = {3: 10}


def units_of(amount: Money) -> int:
    """What is asked of Stripe for it; `ProviderRefused` for a part of one of its units."""
    own = digits_of(amount.currency)
    theirs = _DIGITS.get(amount.currency, own)
    _in_steps(amount, 10 ** max(own - theirs, 0))
    return int(amount.amount * 10**theirs // 10**own)


def card_units_of(amount: Money) -> int:
    """As `units_of`, of what a card is charged or gets back."""
    _in_steps(amount, _CARDS_STEP.get(digits_of(amount.currency), 1))
    return units_of(amount)


def money_of(units: int, currency: str) -> Money:
    """What Stripe tells, in whole minor units of ours; `currency` in small letters, as Stripe's."""
    code = currency.upper()
    own = digits_of(code)
    return Money(units * 10**own // 10 ** _DIGITS.get(code, own), code)


def _in_steps(amount: Money, step: int) -> None:
    if amount.amount % step:
        steps = Money(step, amount.currency)
        raise ProviderRefused(
            f"the provider takes {amount.currency} in steps of {steps}, and this is {amount}",
            provider_code="amount_between_steps",
        )

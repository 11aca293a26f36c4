"""What a guest agrees to by booking: the price and the policy that were shown, and no others."""

from __future__ import annotations

from hometrip.kernel.errors import Invalid
from hometrip.kernel.money import Money
from hometrip.services.booking.contract import PolicyChanged, PriceChanged
from hometrip.services.booking.rules.booking import BookingWish
from hometrip.services.listing.contract import Quote, Terms


def must_name_a_price(wish: BookingWish) -> None:
    """`Invalid` where the wish names no price, or two."""
    if (wish.quote_id is None) == (wish.expected_total is None):
        raise Invalid.field("quote_id", "one_of_two", "give either quote_id or expected_total")


def must_be_expected(quote: Quote, expected_total: Money | None) -> None:
    """`PriceChanged`, with the quote, where its total is another."""
    if quote.total != expected_total:
        raise PriceChanged(quote=quote)


def must_be_as_quoted(terms: Terms) -> None:
    """`PriceChanged` or `PolicyChanged`, with the new quote, where the price or the policy is not the one of
    the guest's quote any more. Quotes of earlier versions promised no policy."""
    if terms.quote.total != terms.quoted_total:
        raise PriceChanged(quote=terms.quote)
    if terms.quoted_policy not in (None, terms.cancellation_policy):
        raise PolicyChanged(quote=terms.quote)

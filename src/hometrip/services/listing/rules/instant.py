"""Whether a guest books at once or asks first."""

from __future__ import annotations

from collections.abc import Sequence

from hometrip.services.listing.rules.calendar import BOOKED, Calendar
from hometrip.services.listing.rules.home import Home

# So many bookings of a home are requests, where its host wants to begin like that.
FIRST_BOOKINGS = 5


def books_instantly(
    home: Home, days: Calendar, badges: Sequence[str] | None = None, rating: float | None = None
) -> bool:
    """Does the guest meet all that the host demands? Of whom no badges are known (None), none are met.

    `badges` name what of the guest was verified, `rating` is what hosts gave, of 5. The demand is that no
    rating is under a floor: a guest without one (None) passes.
    """
    demands = home.instant_demands
    if not takes_at_once(home, days):
        return False
    if not set(demands.verified) <= set(badges or ()):
        return False
    return demands.min_rating is None or rating is None or rating >= demands.min_rating


def takes_at_once(home: Home, days: Calendar) -> bool:
    """Does the home take its next booking at once, of a guest who meets the demands?"""
    first = home.instant_demands.first_bookings_ask and confirmed(days) < FIRST_BOOKINGS
    return home.instant_book and not first


def confirmed(days: Calendar) -> int:
    """Bookings of the home that were confirmed and that nobody has cancelled since."""
    return sum(1 for span in days.spans if span.kind == BOOKED and span.confirmed)

"""A home as search is told of it, for tests of how homes are put in order."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from hometrip.kernel.clock import utc
from hometrip.services.listing.contract import SearchCard, StayRules

NOW = utc(2027, 4, 14, 9)
LOFT = SearchCard(
    id=UUID(int=1),
    revision=1,
    published=True,
    host_id=UUID(int=2),
    title="Loft",
    description="",
    city="Albany",
    region="New York",
    country="US",
    neighbourhood="",
    structure="entire_home",
    type="loft",
    amenities=[],
    lat=0,
    lng=0,
    shown_lat=42.65,
    shown_lng=-73.75,
    guests=4,
    bedrooms=2,
    beds=2,
    bathrooms=1,
    pets=False,
    instant_book=True,
    review_count=40,
    currency="USD",
    nightly=10_000,
    rules=StayRules(min_nights=1, max_nights=365, notice_hours=0, preparation_nights=0, window_days=365),
    board_from=date(2027, 4, 14),
    taken=b"",
    prices=[],
    min_nights=[],
    created_at=NOW,
    rating=4.6,
)

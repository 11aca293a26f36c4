"""The demo's own copy of real homes; where they come from is in ATTRIBUTION.md."""

from __future__ import annotations

from importlib.resources import files

ATTRIBUTION = (
    "The demo's homes, calendars and reviews: Inside Airbnb (insideairbnb.com), Albany, New York, "
    "5 November 2024, CC BY 4.0, reduced and with dates moved. Places: GeoNames, CC BY 4.0."
)
FOLDER = files(__name__)

"""Reads what Inside Airbnb publishes: homes, their days and their reviews, record by record.

Nothing here keeps more than one home in memory, and nothing here fails because of what a cell holds: a row
that cannot be used becomes a `RowRefused` that says why, and the reading goes on. Only a file that is another
kind of file altogether is an error, `ColumnsMissing`.
"""

from hometrip.services.listing.rules.insideairbnb.days import SourceDays, read_days
from hometrip.services.listing.rules.insideairbnb.homes import SourceHome, read_homes
from hometrip.services.listing.rules.insideairbnb.reviews import SourceReview, read_reviews
from hometrip.services.listing.rules.insideairbnb.rows import ColumnsMissing, RowRefused, open_text

__all__ = [
    "ColumnsMissing",
    "RowRefused",
    "SourceDays",
    "SourceHome",
    "SourceReview",
    "open_text",
    "read_days",
    "read_homes",
    "read_reviews",
]

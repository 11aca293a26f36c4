"""What search does: find homes, suggest, count, and keep up with the homes."""

from hometrip.services.search.actions.checking import verify
from hometrip.services.search.actions.deps import Deps
from hometrip.services.search.actions.homes import (
    begin,
    forget,
    heard,
    reindex,
    take_in,
    take_in_page,
)
from hometrip.services.search.actions.searches import search
from hometrip.services.search.actions.similar import similar
from hometrip.services.search.actions.suggestions import autocomplete, filters, popular

__all__ = [
    "Deps",
    "autocomplete",
    "begin",
    "filters",
    "forget",
    "heard",
    "popular",
    "reindex",
    "search",
    "similar",
    "take_in",
    "take_in_page",
    "verify",
]

"""The verbs of this service; `Deps` is what they need. Also where peers' questions are answered."""

from hometrip.services.listing.actions.cards import all_ids, homes, search_cards
from hometrip.services.listing.actions.days import availability, block, blocks, unblock
from hometrip.services.listing.actions.deps import Deps, ListingSettings
from hometrip.services.listing.actions.finding import amenity_words, browse, places, structure_words
from hometrip.services.listing.actions.homes import change, create, delete, mine, publish, show, toggle
from hometrip.services.listing.actions.importing import import_homes
from hometrip.services.listing.actions.prices import price_list, set_prices
from hometrip.services.listing.actions.quoting import free_instead, offers, quote, terms
from hometrip.services.listing.rules.report import ImportReport

__all__ = [
    "Deps",
    "ImportReport",
    "ListingSettings",
    "all_ids",
    "amenity_words",
    "availability",
    "block",
    "blocks",
    "browse",
    "change",
    "create",
    "delete",
    "free_instead",
    "homes",
    "import_homes",
    "mine",
    "offers",
    "places",
    "price_list",
    "publish",
    "quote",
    "search_cards",
    "set_prices",
    "show",
    "structure_words",
    "terms",
    "toggle",
    "unblock",
]

"""The verbs of this service; `Deps` is what they need. Also where peers' questions are answered."""

from hometrip.services.listing.actions.bulk import calendars, edit_days
from hometrip.services.listing.actions.cards import all_ids, homes, search_cards, tariff
from hometrip.services.listing.actions.checking import verify, verify_co_hosts
from hometrip.services.listing.actions.co_hosts import add_co_host, co_hosts, remove_co_host
from hometrip.services.listing.actions.days import availability, block, blocks, days_at_hand, unblock
from hometrip.services.listing.actions.deps import Deps, ListingSettings
from hometrip.services.listing.actions.feeds import add_feed, list_feeds, refresh_feed, remove_feed
from hometrip.services.listing.actions.feeds_export import calendar_file, calendar_link, renew_calendar_link
from hometrip.services.listing.actions.finding import amenity_words, browse, places, structure_words
from hometrip.services.listing.actions.import_jobs import ask_import, import_state
from hometrip.services.listing.actions.importing import import_homes
from hometrip.services.listing.actions.lifecycle import change, create, delete, mine, publish, show, toggle
from hometrip.services.listing.actions.moderating import moderate, to_judge
from hometrip.services.listing.actions.photos import (
    add_drawn_photo,
    add_photos,
    change_photo,
    homes_without_photos,
    order_photos,
    remove_photo,
)
from hometrip.services.listing.actions.placing import place_homes
from hometrip.services.listing.actions.prices import price_list, set_prices
from hometrip.services.listing.actions.quoting import free_instead, offers, quote, rates, terms
from hometrip.services.listing.actions.reporting import report, reports
from hometrip.services.listing.actions.similar import similar
from hometrip.services.listing.actions.taxes import (
    add_tax,
    delete_tax,
    list_taxes,
    switch_taxes,
    write_examples,
    write_tax,
)
from hometrip.services.listing.rules.report import ImportReport

__all__ = [
    "Deps",
    "ImportReport",
    "ListingSettings",
    "add_co_host",
    "add_drawn_photo",
    "add_feed",
    "add_photos",
    "add_tax",
    "all_ids",
    "amenity_words",
    "ask_import",
    "availability",
    "block",
    "blocks",
    "browse",
    "calendar_file",
    "calendar_link",
    "calendars",
    "change",
    "change_photo",
    "co_hosts",
    "create",
    "days_at_hand",
    "delete",
    "delete_tax",
    "edit_days",
    "free_instead",
    "homes",
    "homes_without_photos",
    "import_homes",
    "import_state",
    "list_feeds",
    "list_taxes",
    "mine",
    "moderate",
    "offers",
    "order_photos",
    "place_homes",
    "places",
    "price_list",
    "publish",
    "quote",
    "rates",
    "refresh_feed",
    "remove_co_host",
    "remove_feed",
    "remove_photo",
    "renew_calendar_link",
    "report",
    "reports",
    "search_cards",
    "set_prices",
    "show",
    "similar",
    "structure_words",
    "switch_taxes",
    "tariff",
    "terms",
    "to_judge",
    "toggle",
    "unblock",
    "verify",
    "verify_co_hosts",
    "write_examples",
    "write_tax",
]

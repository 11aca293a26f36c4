"""The table of contents of `listing`: homes, their prices and their days."""

from hometrip.kernel.service import Service
from hometrip.services.listing import actions, store
from hometrip.services.listing.api import ROUTES
from hometrip.services.listing.contract import ListingQuestions
from hometrip.services.listing.reactions import REACTIONS

SERVICE = Service(
    name="listing",
    port=4003,
    deps=actions.Deps,
    routes=ROUTES,
    reactions=REACTIONS,
    answers={ListingQuestions: actions},
    storage=store.COLLECTIONS,
    starts=[actions.write_examples, actions.place_homes],
)

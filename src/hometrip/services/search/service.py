"""The search service: finds homes by words, place, dates and price."""

from hometrip.kernel.pace import SOON
from hometrip.kernel.service import Service
from hometrip.services.search import actions, api, reactions, store
from hometrip.services.search.contract import SearchQuestions

SERVICE = Service(
    name="search",
    port=4010,
    deps=actions.Deps,
    haste=SOON,
    routes=api.ROUTES,
    reactions=reactions.REACTIONS,
    answers={SearchQuestions: actions},
    storage=store.COLLECTIONS,
    starts=[actions.begin],
)

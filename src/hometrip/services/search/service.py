"""The search service: finds homes by words, place, dates and price."""

from hometrip.kernel.service import Service
from hometrip.services.search import actions, api, reactions, store

SERVICE = Service(
    name="search",
    port=4010,
    deps=actions.Deps,
    routes=api.ROUTES,
    reactions=[
        reactions.show_when_published,
        reactions.renew_when_updated,
        reactions.hide_when_unpublished,
        reactions.forget_when_deleted,
        reactions.take_in_page_by_page,
    ],
    storage=store.COLLECTIONS,
    starts=[actions.begin],
)

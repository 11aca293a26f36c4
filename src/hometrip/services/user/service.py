"""The table of contents of `user`: profiles, settings and favourites."""

from hometrip.kernel.pace import FIRST
from hometrip.kernel.service import Service, unhurried
from hometrip.services.user import actions, reactions
from hometrip.services.user.api import ROUTES
from hometrip.services.user.contract import UserQuestions
from hometrip.services.user.store import COLLECTIONS

SERVICE = Service(
    name="user",
    port=4002,
    deps=actions.Deps,
    haste=FIRST,
    routes=ROUTES,
    reactions=[reactions.make_profile_when_created, *unhurried(reactions.mark_when_verified)],
    answers={UserQuestions: actions},
    storage=COLLECTIONS,
)

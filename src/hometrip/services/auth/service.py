"""The table of contents of `auth`: accounts, sessions and the keys that sign for them."""

from hometrip.kernel.pace import FIRST
from hometrip.kernel.service import Service
from hometrip.services.auth import actions, reactions
from hometrip.services.auth.api import ROUTES
from hometrip.services.auth.contract import AuthQuestions
from hometrip.services.auth.store.tables import tables

SERVICE = Service(
    name="auth",
    port=4001,
    deps=actions.Deps,
    haste=FIRST,
    routes=ROUTES,
    reactions=[reactions.rename_when_updated],
    answers={AuthQuestions: actions},
    storage=tables,
    starts=[actions.ensure_key],
)

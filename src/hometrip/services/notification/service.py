"""The table of contents of notification."""

from hometrip.kernel.service import Service
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.api import ROUTES
from hometrip.services.notification.reactions import REACTIONS
from hometrip.services.notification.store import COLLECTIONS

SERVICE = Service(
    name="notification",
    port=4009,
    deps=Deps,
    routes=ROUTES,
    reactions=REACTIONS,
    storage=COLLECTIONS,
)

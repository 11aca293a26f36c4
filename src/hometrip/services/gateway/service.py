"""The table of contents of the gateway: it forwards (`app/gateway/`), and has no routes of its own."""

from hometrip.kernel.service import Service
from hometrip.services.gateway import actions

SERVICE = Service(name="gateway", port=3001, deps=actions.Deps)

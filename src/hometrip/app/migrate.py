"""Every service's storage is brought to what this version of the code needs, wherever it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hometrip.app.engines import storage
from hometrip.app.rooms import kept_in, service_of
from hometrip.app.settings import SERVICES, BadSettings, Settings
from hometrip.app.timekeeping import clock_of
from hometrip.kernel.ids import ids
from hometrip.ports.engine import Unfit


async def migrate_all(settings: Settings) -> list[str]:
    """The storages of all services, as the settings name their engines; what was done, a line each.

    `BadSettings` names every service whose storage cannot be made what it has to be.
    """
    clock = clock_of(settings.data, sandbox=settings.sandbox)
    done: list[str] = []
    wrong: list[str] = []
    for service in map(service_of, SERVICES):
        try:
            opened = storage(settings, kept_in(service.name), service, clock, ids(clock))
            try:
                done += await migrate([opened])
            finally:
                await opened.close()
        except Unfit as unfit:
            wrong.append(f"{service.name} storage: {unfit.detail}")
    if wrong:
        raise BadSettings(wrong)
    return done


async def migrate(storages: Iterable[Any]) -> list[str]:
    """Make databases and tables what the code needs, one storage after the other; what was done, in words.

    Nothing is said where nothing was missing, so a second run is harmless, also one beside the first. `Unfit`
    names the first that may not be done; what was done before it stays. A storage that needs no migration (it
    has no `migrate`) is left alone.
    """
    done: list[str] = []
    for one in storages:
        if step := getattr(one, "migrate", None):
            done += await step()
    return done

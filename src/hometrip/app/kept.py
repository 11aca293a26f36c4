"""Settings that the registry keeps for all processes of a house: read at start, and heeded as they change."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

from hometrip.app import engines
from hometrip.app.edge.routes import ring_settings
from hometrip.app.opening import Open
from hometrip.app.settings import BadSettings, Settings, environment, load
from hometrip.ports.registry import KeepsSettings, Registry

log = logging.getLogger("hometrip.settings")

# What a running process heeds at once; all else when it starts again.
AT_ONCE = frozenset(
    "limits anonymous_limit account_limit max_body cors_origins request_seconds log_level".split()
)
# The command line's share, which nobody else changes.
_OWN = ("data", "host", "port", "demo")


async def kept_settings(registry_url: str) -> Mapping[str, str]:
    """What is kept at the registry of this url; nothing where it keeps none. `Unavailable` where it cannot be
    read.
    """
    registry = engines.registry_at(registry_url)
    try:
        return await registry.settings() if isinstance(registry, KeepsSettings) else {}
    finally:
        await registry.close()


async def follow(opened: Open) -> None:
    """Heed what changes at the registry, within a second, for as long as the process runs."""
    registry = opened.house.shared[Registry]
    if not isinstance(registry, KeepsSettings):
        return
    follower = Follower(opened)
    await registry.watch_settings(follower.heed, known={})


class Follower:
    """What the process runs with, while settings change under it. Wrong ones change nothing: what is wrong
    is logged, all of it.
    """

    def __init__(self, opened: Open) -> None:
        self._ring, self._at_start = opened.ring, opened.house.settings
        self._now = self._at_start
        self._load = partial(load, environment(), {name: getattr(self._now, name) for name in _OWN})

    def heed(self, kept: Mapping[str, str]) -> None:
        try:
            wanted = self._load(kept=kept)
        except BadSettings as bad:
            log.error(
                "the settings in the registry are wrong, and none is heeded", extra={"wrong": bad.wrong}
            )
            return
        changed = _differing(self._now, wanted)
        self._now = wanted
        if at_once := sorted(AT_ONCE.intersection(changed)):
            self._ring.settings = ring_settings(wanted)
            logging.getLogger().setLevel(wanted.log_level.upper())
            log.warning("settings have changed", extra={"settings": at_once})
        later = sorted(changed.difference(AT_ONCE) & _differing(self._at_start, wanted))
        if later:
            log.warning("settings have changed that count from the next start", extra={"settings": later})


def _differing(one: Settings, other: Settings) -> set[str]:
    """The names of the settings that are not the same; their values may be secrets."""
    ours, theirs = one.by_name(), other.by_name()
    return {name for name in ours | theirs if ours.get(name) != theirs.get(name)}

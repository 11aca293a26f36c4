"""The registry in Consul: instances that live, and settings from its key-value store."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

from hometrip.adapters.registry.consul_agent import ASK_SECONDS, Agent, ConsulRefuses, place_of
from hometrip.adapters.registry.consul_heart import Heart
from hometrip.kernel.errors import Unavailable
from hometrip.ports.engine import Finding, Unfit
from hometrip.ports.registry import Instance

log = logging.getLogger("hometrip.registry")

OLDEST = (1, 7)
# A process that has been silent for so long is dead: unused within a second, with the word going round.
TTL_SECONDS = 0.9
# Consul's shortest: what is dead for so long, it forgets.
FORGOTTEN_AFTER = "1m"
# A blocking query is asked again after so long, so that a connection that leads nowhere is noticed.
WAIT_SECONDS = 3
# How long a registration or a leaving may take to come back to us.
SEEN_SECONDS = 2.0
# A Consul that was away may have forgotten everybody: those it lacks have so long to register again.
GRACE_SECONDS = 2.0
AGAIN_SECONDS = 0.1
AGAIN_MOST_SECONDS = 1.0


class ConsulRegistry:
    """All instances are one service of Consul's, named by the prefix and tagged by theirs, so that one
    blocking query sees every change, within milliseconds.

    - An instance is alive while its process says so (see `Heart`): one that was killed is unused after a
      second; callers notice a refused connection earlier.
    - `/ready` has no part in it: where an engine is away, every instance would go, and with them what can be
      answered without the engine.
    - While Consul is away, what was known last goes on being answered.
    """

    def __init__(self, url: str) -> None:
        """`consul://[:token@]host:port/prefix`, the prefix `hometrip` where there is none; `tls=on` with the
        authorities in the file `ca=`, `ttl=` seconds.
        """
        self._place = place = place_of(url, TTL_SECONDS)
        self._agent = Agent(place)
        self._heart = Heart(place)
        self._name = place.prefix.replace("/", "-")
        self._table: dict[str, Instance] = {}
        # Those that this process has taken away: nobody waits for them to come back.
        self._left: set[str] = set()
        self._seen = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    # living

    async def open(self) -> None:
        if wrong := [finding for finding in await self.examine() if not finding.fine]:
            raise Unfit("; ".join(f"{each.detail}: {each.advice}" for each in wrong))
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="consul")
            await self._until(lambda: False, once=True)

    async def examine(self) -> list[Finding]:
        here = self._place
        try:
            await self.ready()
        except Unavailable as reason:
            advice = f"start a Consul agent at {here}, or mend the url of the registry"
            return [Finding("reachable", fine=False, detail=reason.detail, advice=advice)]
        reachable = Finding("reachable", fine=True, detail=f"Consul answers at {here}")
        return [reachable, await self._version(), await self._rights()]

    async def _version(self) -> Finding:
        try:
            version = str((await self._agent.get("/v1/agent/self")).body["Config"]["Version"])
        except Unavailable as refusal:
            return Finding("version", fine=False, detail=refusal.detail, advice='give agent_prefix "" read')
        fine = tuple(int(part) for part in version.split(".")[:2]) >= OLDEST
        advice = "" if fine else "upgrade Consul to 1.7 or later"
        return Finding("version", fine=fine, detail=f"Consul is of version {version}", advice=advice)

    async def _rights(self) -> Finding:
        """Whether all that is asked of Consul is allowed, by asking it."""
        probe = Instance("examined", f"examined-{uuid4()}", "http://127.0.0.1:1")
        advice = (
            f'give the token service "{self._name}" write, node_prefix "" read, '
            f'key_prefix "{self._place.prefix}/settings/" read'
        )
        try:
            await self._agent.put("/v1/agent/service/register", self._registration(probe, "critical"))
            try:
                # One key: of a list that is not allowed, Consul says that it is empty.
                await self._agent.get(f"/v1/kv/{quote(self._settings_path)}examined")
                seen = await self._comes_up(probe)
            finally:
                await self._agent.put(f"/v1/agent/service/deregister/{quote(self._id(probe), safe='')}")
        except Unavailable as refusal:
            return Finding("rights", fine=False, detail=refusal.detail, advice=advice)
        if not seen:
            detail = "Consul does not show what was registered with it"
            return Finding("rights", fine=False, detail=detail, advice=advice)
        return Finding("rights", fine=True, detail=f"{self._name} can be registered, found and set")

    async def _comes_up(self, probe: Instance) -> bool:
        """Whether what the agent was told comes to its servers, and from them to us."""
        until, index = time.monotonic() + SEEN_SECONDS, 0
        while time.monotonic() < until:
            answer = await self._agent.get(f"/v1/health/service/{self._name}", index=str(index), wait="250ms")
            if any(each["Service"]["ID"] == self._id(probe) for each in answer.body or []):
                return True
            index = answer.index
        return False

    async def ready(self) -> None:
        """An agent without a leader among its servers cannot say who lives."""
        if not (await self._agent.get("/v1/status/leader")).body:
            raise ConsulRefuses(f"Consul at {self._place} has no leader")

    async def close(self) -> None:
        """Instances that have not left are dead to others after a second."""
        await asyncio.to_thread(self._heart.stop)
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
            self._watching = None
        await self._agent.close()

    # instances

    async def register(self, instance: Instance) -> None:
        """Returns when others find it."""
        registration = self._registration(instance, "passing")
        await self._agent.put(
            "/v1/agent/service/register", registration, **{"replace-existing-checks": "true"}
        )
        self._left.discard(instance.id)
        self._heart.keep(registration)
        await self._until(lambda: self._table.get(instance.id) == instance)

    async def leave(self, instance: Instance) -> None:
        """Returns when others do not find it any more; where Consul cannot be told, they soon find out."""
        id_ = self._id(instance)
        self._left.add(instance.id)
        await asyncio.to_thread(self._heart.forget, id_)
        try:
            await self._agent.put(f"/v1/agent/service/deregister/{quote(id_, safe='')}")
        except ConsulRefuses as refusal:
            log.info("consul does not know who leaves", extra={"instance": id_, "reason": refusal.detail})
        except Unavailable:
            log.warning("left without telling consul", extra={"instance": id_})
            self._table.pop(instance.id, None)
            return
        await self._until(lambda: instance.id not in self._table)

    def instances(self, service: str) -> list[Instance]:
        return [instance for instance in self._table.values() if instance.service == service]

    # settings

    async def settings(self) -> dict[str, str]:
        """What is under `<prefix>/settings/`, by name: as the environment's, without HOMETRIP_ and in small
        letters; a folder's name is part of the name (`listing/quote_minutes` is `listing_quote_minutes`).
        """
        path = f"/v1/kv/{quote(self._settings_path)}"
        return self._read((await self._agent.get(path, recurse="true")).body)

    async def watch_settings(
        self, callback: Callable[[dict[str, str]], None], known: dict[str, str] | None = None
    ) -> None:
        """Call back with all settings whenever they are others than before: at first, than those `known`
        (from now on, where there are none). Until it is cancelled.
        """
        path = f"/v1/kv/{quote(self._settings_path)}"
        index, pause = 0, AGAIN_SECONDS
        while True:
            try:
                answer = await self._block(path, index, recurse="true")
            except Unavailable:
                index, pause = 0, await _rest(pause)
                continue
            pause, found = AGAIN_SECONDS, self._read(answer.body)
            if known is not None and found != known:
                callback(found)
            index, known = answer.index, found

    @property
    def _settings_path(self) -> str:
        return f"{self._place.prefix}/settings/"

    def _read(self, pairs: Iterable[dict[str, Any]] | None) -> dict[str, str]:
        found = {}
        for pair in pairs or ():
            name = pair["Key"].removeprefix(self._settings_path)
            if name and not name.endswith("/"):
                found[name.replace("/", "_").lower()] = base64.b64decode(pair["Value"] or "").decode()
        return found

    # within

    def _id(self, instance: Instance) -> str:
        return f"{self._name}-{instance.id}"

    def _registration(self, instance: Instance, status: str) -> dict[str, Any]:
        where = urlsplit(instance.url)
        return {
            "ID": self._id(instance),
            "Name": self._name,
            "Tags": [instance.service],
            "Address": where.hostname or "",
            "Port": where.port or (443 if where.scheme == "https" else 80),
            "Meta": {"service": instance.service, "id": instance.id, "url": instance.url},
            "Check": {
                "CheckID": f"{self._id(instance)}-alive",
                "Name": "the process says that it lives",
                "TTL": f"{self._place.ttl}s",
                "Status": status,
                "DeregisterCriticalServiceAfter": FORGOTTEN_AFTER,
            },
        }

    async def _watch(self) -> None:
        path = f"/v1/health/service/{self._name}"
        index, pause, was_away, settled_at = 0, AGAIN_SECONDS, False, 0.0
        while True:
            try:
                answer = await self._block(path, index, passing="true")
            except Unavailable as reason:
                if not was_away:
                    log.warning("consul is away", extra={"reason": reason.detail})
                index, pause, was_away = 0, await _rest(pause), True
                continue
            if was_away:
                pause, was_away, settled_at = AGAIN_SECONDS, False, time.monotonic() + GRACE_SECONDS
            found = _instances(answer.body or [])
            missing = self._table.keys() - found.keys() - self._left
            if time.monotonic() < settled_at and missing:
                self._know(found | {id_: self._table[id_] for id_ in missing})
                index = 0
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self._know(found)
                index = answer.index

    async def _block(self, path: str, index: int, **query: str) -> Any:
        """The answer to a query once it is another than at that index, or after a while."""
        wait = {"index": str(index), "wait": f"{WAIT_SECONDS}s"} if index else {}
        # Consul adds up to a sixteenth to the wait, so that not all ask again at once.
        return await self._agent.get(path, seconds=WAIT_SECONDS * 17 / 16 + ASK_SECONDS, **wait, **query)

    def _know(self, found: dict[str, Instance]) -> None:
        self._table = dict(sorted(found.items()))
        seen, self._seen = self._seen, asyncio.Event()
        seen.set()

    async def _until(self, holds: Callable[[], bool], *, once: bool = False) -> None:
        """Waits for the table to be looked at again (`once`), or to be as wished."""
        if self._watching is None:
            return
        try:
            async with asyncio.timeout(SEEN_SECONDS):
                while not holds():
                    await self._seen.wait()
                    if once:
                        return
        except TimeoutError as late:
            raise Unavailable(f"Consul at {self._place} does not show what it was told") from late


def _instances(entries: Iterable[dict[str, Any]]) -> dict[str, Instance]:
    """Those that we registered, by id; somebody else's entries have no such words."""
    found = {}
    for entry in entries:
        words = entry["Service"].get("Meta") or {}
        if words.keys() >= {"service", "id", "url"}:
            found[words["id"]] = Instance(words["service"], words["id"], words["url"])
    return found


async def _rest(pause: float) -> float:
    """A pause that is not everybody's, and the one after it."""
    await asyncio.sleep(pause * random.uniform(0.5, 1))
    return min(2 * pause, AGAIN_MOST_SECONDS)

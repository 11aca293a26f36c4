"""Talking to a Consul agent over its HTTP interface."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp
import msgspec

from hometrip.kernel.errors import Unavailable

ASK_SECONDS = 2.0


class Place(msgspec.Struct, frozen=True):
    """What `consul://[:token@]host:port/prefix?tls=on&ca=file&ttl=1` says."""

    host: str
    port: int
    token: str
    prefix: str
    ssl: ssl.SSLContext | None
    ttl: float

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Consul-Token": self.token} if self.token else {}

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def place_of(url: str, usual_ttl: float) -> Place:
    parts = urlsplit(url)
    told = dict(parse_qsl(parts.query))
    secure = told.get("tls", "off") == "on"
    return Place(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 8500,
        token=unquote(parts.password or ""),
        prefix=parts.path.strip("/") or "hometrip",
        ssl=ssl.create_default_context(cafile=told.get("ca")) if secure else None,
        ttl=float(told.get("ttl", usual_ttl)),
    )


class ConsulRefuses(Unavailable):
    """The Consul agent answers, and refuses: a right is missing, or it has no leader."""

    code = "consul_refuses"


class Answer(msgspec.Struct, frozen=True):
    index: int
    body: Any


class Agent:
    """Raises `Unavailable` in bounded time where the agent does not answer."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._base = f"{'https' if place.ssl else 'http'}://{place}"
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str, seconds: float = ASK_SECONDS, **query: str) -> Answer:
        """What is there; nothing (None) where there is no such thing."""
        return await self._ask("GET", path, seconds, query, None)

    async def put(self, path: str, content: Any = None, **query: str) -> None:
        await self._ask("PUT", path, ASK_SECONDS, query, content)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(
        self, method: str, path: str, seconds: float, query: dict[str, str], content: Any
    ) -> Answer:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._place.headers, cookie_jar=aiohttp.DummyCookieJar()
            )
        try:
            async with self._session.request(
                method,
                self._base + path,
                params=query,
                json=content,
                ssl=self._place.ssl or True,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                body = await response.read()
                if response.status == 404 and method == "GET":
                    return Answer(_index(response), None)
                if response.status >= 300:
                    said = body[:200].decode(errors="replace")
                    raise ConsulRefuses(f"Consul at {self._place} answers {response.status}: {said}")
                return Answer(_index(response), msgspec.json.decode(body) if body else None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as reason:
            raise Unavailable(
                f"Consul at {self._place} does not answer ({type(reason).__name__})"
            ) from reason


def _index(response: aiohttp.ClientResponse) -> int:
    """Where a blocking query goes on from; below 1 it would not block."""
    told = response.headers.get("X-Consul-Index", "")
    return max(1, int(told)) if told.isdigit() else 0

"""Requests to the search engine: pooled connections, bounded in time; a refusal is told from silence."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp
import msgspec

from hometrip.kernel.deadline import seconds_left
from hometrip.kernel.errors import DeadlineExceeded, Unavailable

log = logging.getLogger("hometrip.search")

CONNECTIONS = 32
CONNECT_SECONDS = 1.0
IDLE_SECONDS = 20.0
# Every request of ours may be made twice: writes carry the revision of what they write.
AGAIN_AFTER = (0.05, 0.25)
BUSY = (429, 502, 503, 504)
# What an alias led to a moment ago: another index has taken its place.
REPLACED = "index_not_found_exception"
MALFORMED, CONFLICT = 400, 409
JSON, LINES = "application/json", "application/x-ndjson"

Params = Mapping[str, str]


class Refusal(Unavailable):
    """It answers, and will not do it; `status` and `kind` are its own words for why."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        self.status, self.kind = status, kind
        super().__init__(f"the search engine refuses: {kind or status}: {reason}"[:300])

    @property
    def passing(self) -> bool:
        return self.status in BUSY or self.kind == REPLACED


class Wrong(msgspec.Struct):
    """Why something was refused, as far as it is told."""

    type: str = ""
    reason: str = ""


class Answered(msgspec.Struct):
    error: Wrong | str | None = None


class Written(msgspec.Struct):
    status: int
    error: Wrong | None = None


class WrittenOnes(msgspec.Struct):
    errors: bool = False
    items: list[dict[str, Written]] = []


class Link:
    """`elasticsearch://[account:password@]host[:9200]/[prefix][?tls=on&ca=file]`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        told = dict(parse_qsl(parts.query))
        self.prefix = parts.path.strip("/") or "hometrip"
        self.where = f"{parts.hostname or 'localhost'}:{parts.port or 9200}"
        self.tls, self._authorities = told.get("tls") == "on", told.get("ca")
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or "localhost"
        self._base = f"{'https' if self.tls else 'http'}://{host}:{parts.port or 9200}"
        self._headers = {"Accept": JSON}
        if parts.username:
            account, password = unquote(parts.username), unquote(parts.password or "")
            self._headers["Authorization"] = aiohttp.encode_basic_auth(account, password, encoding="utf-8")
        self._kept: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Params | None = None,
        check: Callable[[bytes], None] = lambda _: None,
        seconds: float,
    ) -> bytes:
        """The body of a good answer; `Refusal`, or `Unavailable` where none came within the seconds.

        What is refused for a passing reason is asked again. `check` raises `Refusal` for what is refused in
        the body of a good answer.
        """

        async def once() -> bytes:
            answer = await self._send(method, path, body, params)
            check(answer)
            return answer

        left = seconds_left(seconds)
        if left <= 0:
            raise DeadlineExceeded
        try:
            async with asyncio.timeout(left):
                return await _persist(once)
        except TimeoutError as late:
            raise Unavailable("the search engine does not answer in time") from late

    async def close(self) -> None:
        if self._kept is not None:
            await self._kept.close()
            self._kept = None

    async def _send(self, method: str, path: str, body: Any, params: Params | None) -> bytes:
        lines = isinstance(body, bytes)
        try:
            async with self._session().request(
                method,
                f"{self._base}/{path}",
                params=params,
                data=body if lines or body is None else msgspec.json.encode(body),
                headers={"Content-Type": LINES if lines else JSON} if body is not None else None,
                allow_redirects=False,
            ) as response:
                answer, status = await response.read(), response.status
        except (aiohttp.ClientError, OSError) as reason:
            raise Unavailable(f"the search engine does not answer: {type(reason).__name__}") from reason
        if status < 300:
            return answer
        wrong = _wrong(answer)
        raise Refusal(status, wrong.type, wrong.reason)

    def _session(self) -> aiohttp.ClientSession:
        if self._kept is None:
            trust: ssl.SSLContext | bool = True
            if self.tls and self._authorities:
                trust = ssl.create_default_context(cafile=self._authorities)
            self._kept = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS, ttl_dns_cache=10, ssl=trust
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                headers=self._headers,
                skip_auto_headers=("Accept-Encoding", "User-Agent"),
                trust_env=False,
            )
        return self._kept


def check_written(answer: bytes) -> None:
    """Each order to write is answered by itself; `ValueError` for a record that can never be taken."""
    written = msgspec.json.decode(answer, type=WrittenOnes)
    for item in written.items if written.errors else ():
        for done in item.values():
            # A conflict: there is something newer already.
            if done.error is not None and done.status == MALFORMED:
                raise ValueError(f"the index takes no such record: {done.error.reason}"[:300])
            if done.error is not None and done.status != CONFLICT:
                raise Refusal(done.status, done.error.type, done.error.reason)


async def _persist(once: Callable[[], Awaitable[bytes]]) -> bytes:
    for pause in AGAIN_AFTER:
        try:
            return await once()
        except Refusal as refusal:
            if not refusal.passing:
                raise
            log.info("search engine asked again", extra={"reason": refusal.detail})
        except Unavailable as failure:
            log.info("search engine asked again", extra={"reason": failure.detail})
        await asyncio.sleep(pause)
    return await once()


def _wrong(answer: bytes) -> Wrong:
    try:
        wrong = msgspec.json.decode(answer, type=Answered).error
    except msgspec.DecodeError:
        wrong = answer.decode("utf-8", "replace")
    return wrong if isinstance(wrong, Wrong) else Wrong(reason=wrong or "")

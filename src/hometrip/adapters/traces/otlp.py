"""Traces to a collector that speaks OTLP over HTTP: Jaeger, the OpenTelemetry collector, and most others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp

from hometrip.adapters.traces.otlp_words import rejected, written
from hometrip.kernel.trace import Fact, Span
from hometrip.ports.engine import Finding
from hometrip.ports.traces import Trace

log = logging.getLogger("hometrip.traces")

MOST_WAITING, BATCH = 8_192, 512
GATHER_SECONDS, ASK_SECONDS, FLUSH_SECONDS = 1.0, 2.0, 2.0
FIRST_PAUSE, LAST_PAUSE = 0.25, 2.0
# What a collector says where the same would be taken later.
_LATER = frozenset({408, 429, 502, 503, 504})


class Refused(Exception):
    """The collector does not take this batch, now or ever."""


class Away(Exception):
    """It may take it later."""


class OtlpTraces:
    """`otlp://[user:password@]host:4318[/path]?tls=on&ca=file`.

    Spans are gathered for a second and sent together by a task of their own. While the collector is away
    `most` of them wait; the ones that come then are lost. `count` is told of each batch what became of it:
    "sent" or "lost", and of how many spans. `about` are facts of this process, told with every batch.
    """

    def __init__(
        self,
        url: str,
        *,
        about: Mapping[str, Fact] = {},
        count: Callable[[str, int], None] = lambda outcome, spans: None,
        most: int = MOST_WAITING,
    ) -> None:
        parts = urlsplit(url)
        told = dict(parse_qsl(parts.query))
        secure = told.get("tls", "off") == "on"
        self._place = f"{parts.hostname or '127.0.0.1'}:{parts.port or 4318}"
        self._address = f"{'https' if secure else 'http'}://{self._place}{parts.path.rstrip('/')}/v1/traces"
        self._ssl = ssl.create_default_context(cafile=told.get("ca")) if secure else True
        self._head = {"Content-Type": "application/json"}
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._head["Authorization"] = f"Basic {b64encode(login).decode()}"
        self._about, self._count, self._most = about, count, most
        self._waiting: deque[Span] = deque()
        self._some, self._none, self._hurry = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._none.set()
        self._sending: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._away = self._closed = False
        self.lost = 0

    async def open(self) -> None:
        """Begins to send. Nothing is asked of the collector: the house does without it."""
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(), name="traces")

    def keep(self, span: Span) -> None:
        if self._closed or len(self._waiting) >= self._most:
            self._lose(1)
            return
        self._waiting.append(span)
        if len(self._waiting) == 1:
            self._none.clear()
            self._some.set()

    def recent(self, limit: int) -> list[Trace]:
        return []

    def find(self, trace_id: str) -> Trace | None:
        return None

    async def examine(self) -> list[Finding]:
        try:
            await self._post([])
        except (Away, Refused) as reason:
            advice = "start it, or correct HOMETRIP_TRACES_URL; the house runs without it, and is not traced"
            return [Finding("reachable", False, str(reason), advice)]
        finally:
            if self._sending is None:
                await self._leave()
        return [Finding("reachable", True, f"the collector at {self._place} takes spans")]

    async def flush(self) -> None:
        if self._sending is None:
            return
        self._hurry.set()
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._none.wait()
        except TimeoutError:
            log.debug("not all spans were sent in time")
        finally:
            self._hurry.clear()

    async def close(self) -> None:
        await self.flush()
        self._closed = True
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None
        self._lose(len(self._waiting))
        self._waiting.clear()
        await self._leave()

    async def _leave(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self) -> None:
        pause = FIRST_PAUSE
        # Looked at as well as cancelled: a client's time-out may swallow what comes in the same moment.
        while not self._closed:
            await self._some.wait()
            if len(self._waiting) < BATCH:
                await self._pause(GATHER_SECONDS)
            try:
                await self._send_some()
                pause = FIRST_PAUSE
            except Away as reason:
                self._say_away(reason)
                await self._pause(pause)
                pause = min(pause * 2, LAST_PAUSE)

    async def _pause(self, seconds: float) -> None:
        """Not while somebody waits for the end of it."""
        if self._hurry.is_set():
            await asyncio.sleep(seconds / 10)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    async def _send_some(self) -> None:
        """A batch stays where it is until the collector has answered."""
        batch = list(islice(self._waiting, BATCH))
        refused = 0
        try:
            refused = await self._post(batch)
        except Refused as reason:
            refused = len(batch)
            log.warning("spans refused", extra={"collector": self._place, "reason": str(reason)})
        for _ in batch:
            self._waiting.popleft()
        self._count("sent", len(batch) - refused)
        self._lose(refused)
        if self._away:
            self._away = False
            log.warning("the collector is back", extra={"collector": self._place, "lost": self.lost})
        if not self._waiting:
            self._some.clear()
            self._none.set()

    async def _post(self, batch: list[Span]) -> int:
        """How many the collector rejected of them."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(ASK_SECONDS)
            )
        try:
            async with self._session.post(
                self._address,
                data=written(batch, self._about),
                headers=self._head,
                ssl=self._ssl,
                allow_redirects=False,
            ) as response:
                body, status = await response.read(), response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as reason:
            kind = type(reason).__name__
            raise Away(f"the collector at {self._place} does not answer ({kind})") from reason
        if status >= 300:
            said = f"the collector at {self._place} answers {status}"
            raise Away(said) if status in _LATER else Refused(said)
        refusal = rejected(body)
        if refusal.rejected_spans:
            log.warning("spans rejected", extra={"count": refusal.rejected_spans})
        return min(refusal.rejected_spans, len(batch))

    def _say_away(self, reason: Away) -> None:
        """Once, until it is back."""
        if not self._away:
            self._away = True
            log.warning("spans wait for the collector", extra={"reason": str(reason)})

    def _lose(self, spans: int) -> None:
        if spans:
            self.lost += spans
            self._count("lost", spans)

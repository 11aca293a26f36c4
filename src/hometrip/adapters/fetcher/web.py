"""The fetcher on aiohttp's client: it looks names up itself and connects only to what it has looked at."""

from __future__ import annotations

import asyncio
import socket
import zlib
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from hometrip.adapters.fetcher.reach import PUBLIC, Reach, admitted
from hometrip.ports.fetcher import (
    Fetched,
    FetchRefused,
    FetchStatus,
    FetchTooLarge,
    FetchTooSlow,
    FetchUnreachable,
    Limits,
    Mark,
)

REDIRECTS = (301, 302, 303, 307, 308)
CHUNK = 16_384


class NotAllowed(OSError):
    """A name led to an address that may not be reached."""


class Looker(AbstractResolver):
    """Looks a name up; one address among its addresses that may not be reached refuses the name."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self.look_up(host, port, family)
        if not all(self._reach.allows(address) for _, address in found):
            raise NotAllowed(host)
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
            )
            for kind, address in found
        ]

    async def look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[tuple[int, str]]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        return [(kind, str(address[0])) for kind, _, _, _, address in found]

    async def close(self) -> None:
        return None


class WebFetcher:
    """One connection for each address of a fetch, gone afterwards; nothing is kept from one to the next."""

    def __init__(self, reach: Reach = PUBLIC, looker: type[Looker] = Looker) -> None:
        self.reach, self._looker = reach, looker

    async def get(self, url: str, *, known: Mark = Mark(), limits: Limits = Limits()) -> Fetched:
        try:
            async with asyncio.timeout(limits.seconds):
                return await self._follow(url, known, limits)
        except TimeoutError as late:
            told = f"The answer was not whole within {limits.seconds:g} seconds."
            raise FetchTooSlow(told, seconds=limits.seconds) from late
        except NotAllowed as refused:
            raise FetchRefused from refused
        except aiohttp.ClientConnectorError as failed:
            if isinstance(failed.os_error, NotAllowed):
                raise FetchRefused from failed
            raise FetchUnreachable from failed
        except (aiohttp.ClientError, OSError, ValueError, zlib.error) as failed:
            raise FetchUnreachable from failed

    async def _follow(self, url: str, known: Mark, limits: Limits) -> Fetched:
        at = admitted(url, self.reach)
        for _ in range(limits.redirects + 1):
            found = await self._ask(at, known, limits)
            if isinstance(found, Fetched):
                return found
            at = admitted(found, self.reach)
        raise FetchUnreachable("The address leads on and on to others.")

    async def _ask(self, url: URL, known: Mark, limits: Limits) -> Fetched | str:
        """What is there, or the address that it leads to."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=limits.seconds)
        async with (
            aiohttp.ClientSession(
                connector=self._connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                timeout=timeout,
            ) as session,
            session.get(url, headers=_headers(known), allow_redirects=False) as answer,
        ):
            if answer.status in REDIRECTS and (to := answer.headers.get("Location")):
                return str(url.join(URL(to)))
            mark = Mark(answer.headers.get("ETag", "")[:500], answer.headers.get("Last-Modified", "")[:100])
            if answer.status == 304 and known != Mark():
                return Fetched(None, known)
            if answer.status != 200:
                raise FetchStatus(f"The answer is {answer.status}.", answered=answer.status)
            return Fetched(await _read(answer, limits.size), mark)

    def _connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            resolver=self._looker(self.reach),
            socket_factory=self._socket,
            use_dns_cache=False,
            force_close=True,
            limit=2,
        )

    def _socket(self, to: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """The last look, at the very address that the connection is made to."""
        family, kind, protocol, _, address = to
        if not self.reach.allows(address[0]):
            raise NotAllowed(address[0])
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


def _headers(known: Mark) -> dict[str, str]:
    headers = {
        "Accept": "text/calendar, text/plain;q=0.5, */*;q=0.1",
        "Accept-Encoding": "gzip, deflate",
        "User-Agent": "HomeTrip calendar reader",
    }
    if known.etag:
        headers["If-None-Match"] = known.etag
    if known.modified:
        headers["If-Modified-Since"] = known.modified
    return headers


async def _read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, opened piece by piece, so that a small one which swells to a huge one is never held whole."""
    if (answer.content_length or 0) > most:
        raise _too_large(most)
    unpack = _unpacking(answer.headers.get("Content-Encoding", "").strip().lower())
    body = bytearray()
    async for piece in answer.content.iter_chunked(CHUNK):
        if unpack is None:
            body += piece
        elif unpack.eof:
            raise FetchUnreachable("The answer goes on behind its end.")
        else:
            # zlib takes 0 for "without limit", so there is always room for one byte too many.
            body += unpack.decompress(piece, most - len(body) + 1)
        if len(body) > most:
            raise _too_large(most)
    if unpack is not None and not unpack.eof:
        raise FetchUnreachable("The answer ends before its end.")
    return bytes(body)


def _too_large(most: int) -> FetchTooLarge:
    return FetchTooLarge(f"The answer has more than {most:,} bytes.", bytes=most)


def _unpacking(coding: str) -> zlib._Decompress | None:
    match coding:
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        case "deflate":
            return zlib.decompressobj(zlib.MAX_WBITS)
    raise FetchUnreachable("The answer is packed in a way that was not asked for.")

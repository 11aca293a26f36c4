"""A real web server on 127.0.0.1 whose pages a test writes, and which remembers what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_address

from aiohttp import web

from hometrip.adapters.fetcher.reach import Reach

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# What a fetcher needs to be allowed to reach such a server; any other address inside stays refused.
LOOPBACK = Reach(besides=frozenset({ip_address("127.0.0.1")}), ports=None)


class WebServer:
    """`pages` maps a path to its body (with the status 200 and a tag of its content) or to a handler."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | Handler] = {}
        self.asked: list[web.Request] = []
        self.port = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        page = self.pages.get(request.path)
        if page is None:
            return web.Response(status=404)
        if not isinstance(page, bytes):
            return await page(request)
        tag = f'"{hash(page):x}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.Response(body=page, headers={"ETag": tag}, content_type="text/calendar")


async def hanging(_: web.Request) -> web.StreamResponse:
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError


@contextlib.asynccontextmanager
async def web_server() -> AsyncIterator[WebServer]:
    server = WebServer()
    runner = web.ServerRunner(web.Server(server.answer), shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()

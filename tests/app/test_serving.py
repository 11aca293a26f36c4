"""A real server: what is under way at a stop is answered, and what is left is taken up again."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from app.waiting import until
from journeys.steps import ok
from server import Server, free_port

pytestmark = pytest.mark.slow
JSON = {"Content-Type": "application/json"}


async def test_a_stop_answers_what_is_under_way_and_takes_nothing_new(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--no-demo")
    await server.start()
    going_on = asyncio.Event()
    under_way = 0

    async def slow_body() -> AsyncIterator[bytes]:
        nonlocal under_way
        yield b'{"email": "ann@example.com", '
        under_way += 1
        await going_on.wait()
        yield b'"pass": "word"}'

    try:
        async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
            slow = [
                asyncio.create_task(client.post("/api/auth/login", content=slow_body(), headers=JSON))
                for _ in range(20)
            ]
            await until(lambda: under_way == 20)
            quick = [asyncio.create_task(client.get("/api/search")) for _ in range(50)]
            ok(await client.get("/health"))
            assert server.process
            server.process.send_signal(signal.SIGTERM)

            async def refuses() -> bool:
                try:
                    async with httpx2.AsyncClient(base_url=server.url) as other:
                        return (await other.get("/ready")).status_code == 503
                except httpx2.TransportError:
                    return True

            await until(refuses)
            assert server.process.poll() is None
            going_on.set()
            assert {answer.status_code for answer in await asyncio.gather(*slow)} == {422}
            assert {answer.status_code for answer in await asyncio.gather(*quick)} == {200}
        assert await asyncio.to_thread(server.process.wait, 10) == 0
        assert "Traceback" not in server.log.read_text()
    finally:
        server.end()


async def test_a_stop_while_the_demo_is_made_ends_soon_and_the_next_start_finishes_it(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    spawned = asyncio.create_task(server.start(within=60))
    try:
        await until(lambda: (tmp_path / "data" / "demo.json").exists(), within=30)
        spawned.cancel()
        code = await asyncio.to_thread(server.stop, 30)
        assert code == 0, server.log.read_text()[-3000:]
        assert not (tmp_path / "data" / "demo-done").exists()
        assert "Traceback" not in server.log.read_text()
        server.port = free_port()
        await server.start(within=60)
        demo = tmp_path / "data" / "demo.json"
        assert json.loads(demo.read_text())["url"] == server.url
        assert demo.stat().st_mode & 0o777 == 0o600
        async with httpx2.AsyncClient(base_url=server.url) as client:
            assert ok(await client.get("/api/search"))["total"] > 400
            guest = server.accounts()["guest"]
            body = {"email": guest["email"], "password": guest["password"]}
            ok(await client.post("/api/auth/login", json=body))
        assert server.stop() == 0
    finally:
        server.end()


async def test_without_the_demo_the_house_is_empty(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--no-demo", HOMETRIP_LOG_LEVEL="info", HOMETRIP_LOG_FORMAT="json")
    try:
        await server.start()
        async with httpx2.AsyncClient(base_url=server.url) as client:
            assert ok(await client.get("/api/search"))["total"] == 0
        assert not (tmp_path / "data" / "demo.json").exists()
        assert f"HomeTrip is ready at {server.url}" in server.log.read_text()
        await until(lambda: '"route":"/api/search"' in server.log.read_text())
        assert server.stop() == 0
    finally:
        server.end()

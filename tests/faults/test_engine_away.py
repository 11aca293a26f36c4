"""An engine that goes away under a house and comes back: what people see meanwhile, and after."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from contracts.mail_server import MailServer
from contracts.road import Road
from engines import url_of
from harness import PASSWORD, house_in
from journeys.steps import book, ok, open_home, pay, problem, stay

BACK_WITHIN = 5.0


async def test_without_redis_people_look_and_book_and_only_signing_in_waits(tmp_path: Path) -> None:
    redis = urlsplit(url_of("redis"))
    assert redis.hostname
    assert redis.port
    road = Road(redis.hostname, redis.port)
    await road.open()
    netloc = redis.netloc.replace(f":{redis.port}", f":{road.port}")
    away = redis._replace(netloc=netloc, query=f"prefix=t{uuid4().hex[:8]}:&timeout=3").geturl()
    async with house_in(tmp_path, cache_url=away, limits=True, account_limit=10_000) as house:
        home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
        guest = await house.sign_up("guest@example.com", "Gus Guest")
        await house.settle()

        await road.close()
        ok(await house.client.get("/api/search", params={"city": "Albany"}))
        ok(await house.client.get(f"/api/listings/{home['id']}"))
        booking = ok(await book(guest, home["id"], stay(house)), 201)
        assert (await pay(guest, booking["id"]))["status"] == "succeeded"
        login = {"email": "guest@example.com", "password": PASSWORD}
        problem(await house.client.post("/api/auth/login", json=login), 503, "unavailable")

        await road.open()
        began = time.monotonic()
        while (await house.client.post("/api/auth/login", json=login)).status_code != 200:
            assert time.monotonic() - began < BACK_WITHIN
            await asyncio.sleep(0.05)
    await road.close()


async def test_without_a_mail_server_everything_works_and_letters_come_later(tmp_path: Path) -> None:
    async with MailServer() as server:
        url = f"smtp://127.0.0.1:{server.port}?from=stay@example.com&timeout=1"
        async with house_in(tmp_path, courier_url=url) as house:
            home = await open_home(await house.staff("host", "host@example.com"))
            guest = await house.staff("guest", "guest@example.com")
            await house.settle()
            server.close()
            booking = ok(await book(guest, home["id"], stay(house)), 201)
            assert (await pay(guest, booking["id"]))["status"] == "succeeded"
            await house.settle()
            assert ok(await guest.get(f"/api/bookings/{booking['id']}"))["status"] == "confirmed"
            assert server.letters == []
            async with server:
                await house.advance(400)
            heard = [(letter.to, letter.parsed["Subject"]) for letter in server.letters]
    assert sorted(to for to, _ in heard) == ["guest@example.com"] * 2 + ["host@example.com"]
    assert len(set(heard)) == 3

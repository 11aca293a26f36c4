"""`kill -9` at random moments of the journey: nothing answered is lost, and nothing happens twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from figures import Figure
from journeys.steps import CABIN, PRICING, ok
from server import Server

PASSWORD = "correct horse battery"
# Enough homes that the days of all stays lie within what these can be booked ahead.
HOMES, GUESTS = 8, 4
# In which order a booking's states come; after a crash it may be further on than was answered, never back.
RANK = {"pending": 0, "expired": 1, "confirmed": 1, "checked_in": 2, "completed": 3, "cancelled": 4}
KEPT = ("confirmed", "checked_in", "completed", "cancelled")
# One round in so many, it is time that goes on, and no guest does anything.
TIME_PASSES_EVERY, DAYS = 4, 3


class Town:
    """Accounts and homes on the server, and everything that it has answered."""

    def __init__(self, server: Server, chance: random.Random) -> None:
        self.server, self.chance = server, chance
        self.guests: list[dict[str, str]] = []
        self.homes: list[str] = []
        self.answers = 0
        self.answered: dict[str, str] = {}
        self.paid: set[str] = set()
        self.host: dict[str, str] = {}
        self.first = datetime.now(UTC).date() + timedelta(days=2)
        self.stays = count()

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        hooks = {"response": [self._count]}
        async with httpx2.AsyncClient(base_url=self.server.url, timeout=30, event_hooks=hooks) as client:
            yield client

    async def _count(self, answer: httpx2.Response) -> None:
        self.answers += 1

    async def some_more_answers(self, number: int, driving: asyncio.Task[None]) -> None:
        """A moment that depends on what was done, not on how fast this machine is."""
        until = self.answers + number
        while self.answers < until and not driving.done():  # noqa: ASYNC110 - requests of several tasks end here
            await asyncio.sleep(0.001)

    async def settle_in(self) -> None:
        async with self.client() as client:
            host = self.host = await self._sign_up(client, "host@example.com")
            ok(await client.post("/api/stripe-connect/account", json={}, headers=host), 201)
            for number in range(GUESTS):
                self.guests.append(await self._sign_up(client, f"guest{number}@example.com"))
            for number in range(HOMES):
                home = ok(
                    await client.post("/api/listings", json={"title": f"Cabin {number}"}, headers=host), 201
                )
                path = f"/api/listings/{home['id']}"
                long = {"stay_rules": {"window_days": 730, "min_nights": 1, "max_nights": 365}}
                rules = home["stay_rules"] | long["stay_rules"]
                ok(await client.patch(path, json=CABIN | {"stay_rules": rules}, headers=host))
                ok(await client.put(f"{path}/pricing", json=PRICING, headers=host))
                ok(await client.post(f"{path}/publish", headers=host))
                self.homes.append(home["id"])

    async def _sign_up(self, client: httpx2.AsyncClient, email: str) -> dict[str, str]:
        body = {"email": email, "password": PASSWORD, "name": "Kim Kill", "locale": "en"}
        ok(await client.post("/api/auth/signup", json=body), 202)
        for _ in range(200):
            mails = ok(await client.get("/api/sandbox/mailbox", params={"to": email}))["items"]
            if mails:
                break
            await asyncio.sleep(0.02)
        token = re.search(r"token=([^&\s]+)", mails[0]["links"][0])
        assert token
        tokens = ok(await client.post("/api/auth/verify-email", json={"token": token[1]}))
        return {"Authorization": f"Bearer {tokens['access_token']}"}

    async def journeys(self) -> None:
        """Guests book, pay and sometimes cancel, until the server dies under them."""
        async with self.client() as client:
            with contextlib.suppress(httpx2.TransportError):
                await asyncio.gather(*(self._journeys_of(client, guest) for guest in self.guests))

    async def _journeys_of(self, client: httpx2.AsyncClient, guest: dict[str, str]) -> None:
        while True:
            ahead, number = divmod(next(self.stays), len(self.homes))
            first, home = self.first + timedelta(days=3 * ahead), self.homes[number]
            when = {"check_in": first.isoformat(), "check_out": (first + timedelta(days=2)).isoformat()}
            quote = ok(
                await client.post(f"/api/listings/{home}/quote", json=when | {"guests": 1}, headers=guest)
            )
            wish = when | {"listing_id": home, "guests": 1, "quote_id": quote["id"]}
            key = {"Idempotency-Key": str(uuid4())}
            booking = ok(await client.post("/api/bookings", json=wish, headers=guest | key), 201)
            self.answered[booking["id"]] = booking["status"]
            body = {"booking_id": booking["id"]}
            intent = ok(await client.post("/api/payments/intent", json=body, headers=guest), 201)
            path = f"/api/payments/{intent['id']}/confirm"
            intent = ok(await client.post(path, json={"payment_method": "pm_card_visa"}, headers=guest))
            assert intent["status"] == "succeeded"
            self.paid.add(booking["id"])
            if self.chance.random() < 0.3:
                key = {"Idempotency-Key": str(uuid4())}
                path = f"/api/bookings/{booking['id']}/cancel"
                answer = await client.post(path, json={}, headers=guest | key)
                if answer.status_code == 200:
                    self.answered[booking["id"]] = "cancelled"

    async def days_pass(self) -> None:
        """Stays begin and end, hosts are paid, until the server dies meanwhile."""
        async with self.client() as client:
            with contextlib.suppress(httpx2.TransportError):
                seconds = timedelta(days=DAYS).total_seconds()
                await client.post("/api/sandbox/clock/advance", json={"seconds": int(seconds)})

    async def no_hold_is_left(self, admin: dict[str, str]) -> int:
        """An hour later no unpaid booking holds its nights; how many pay-outs the host has had."""
        async with self.client() as client:
            ok(await client.post("/api/sandbox/clock/advance", json={"seconds": 3600}))
            for booking_id in self.answered.keys() - self.paid:
                booking = ok(await client.get(f"/api/bookings/{booking_id}", headers=admin))
                assert booking["status"] != "pending", booking
            found = await client.get("/api/stripe-connect/payouts", params={"limit": 100}, headers=self.host)
            return len(ok(found)["items"])

    async def check(self, admin: dict[str, str]) -> None:
        async with self.client() as client:
            for booking_id, answered in self.answered.items():
                booking = await self._settled(client, admin, booking_id)
                assert RANK[booking["status"]] >= RANK[answered], (booking_id, answered, booking["status"])
                if booking_id in self.paid:
                    assert booking["status"] in KEPT, booking
                states = [step["status"] for step in booking["history"]]
                assert booking_id not in self.paid or "expired" not in states, states
                assert len(states) == len(set(states)), f"something happened twice: {states}"

    async def _settled(
        self, client: httpx2.AsyncClient, admin: dict[str, str], booking_id: str
    ) -> dict[str, Any]:
        for _ in range(300):
            booking: dict[str, Any] = ok(await client.get(f"/api/bookings/{booking_id}", headers=admin))
            if booking["status"] != "pending" or booking_id not in self.paid:
                return booking
            await asyncio.sleep(0.02)
        raise AssertionError(f"{booking_id} was paid and is still {booking['status']}: {booking['history']}")

    async def nothing_twice(self, admin: dict[str, str]) -> None:
        async with self.client() as client:
            for booking_id in self.paid:
                entries = await client.get(
                    "/api/payments/ledger", params={"booking_id": booking_id}, headers=admin
                )
                kinds = Counter(entry["kind"] for entry in ok(entries)["items"])
                assert kinds["capture"] == 1, kinds
                assert max(kinds.values()) == 1, kinds
                found = await client.get("/api/sandbox/events", params={"subject": f"booking/{booking_id}"})
                names = [envelope["name"] for envelope in ok(found)["items"]]
                assert len(names) == len(set(names)), names
            mails = ok(await client.get("/api/sandbox/mailbox"))["items"]
            texts = Counter((mail["to"], mail["kind"], mail["text"]) for mail in mails)
            assert [text for text, times in texts.items() if times > 1 and "confirmed" in text[1]] == []


def sizes() -> list[Any]:
    return [
        pytest.param(4, 1, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
        pytest.param(200, 1, marks=[pytest.mark.full, pytest.mark.timeout(3_600)]),
        pytest.param(50, 2, marks=[pytest.mark.full, pytest.mark.timeout(3_600)]),
    ]


@pytest.mark.parametrize(("kills", "processes"), sizes())
async def test_nothing_answered_is_lost_and_nothing_happens_twice(
    tmp_path: Path, kills: int, processes: int, figure: Figure
) -> None:
    """Of several processes on the folder, the first is killed, and the others end by themselves."""
    seed = int(os.environ.get("HOMETRIP_TEST_SEED", random.randrange(1_000_000)))
    chance = random.Random(seed)
    print(f"replay with HOMETRIP_TEST_SEED={seed}")
    server = Server(tmp_path / "data", "--no-demo", "--processes", str(processes))
    town = Town(server, chance)
    back: list[float] = []
    try:
        await server.start()
        await town.settle_in()
        admin = await make_admin(server)
        for number in count():
            # Few kills may all come before anybody has paid: then there are some more.
            if number >= kills and (len(town.paid) >= kills / 2 or number >= 4 * kills):
                break
            if number % TIME_PASSES_EVERY == TIME_PASSES_EVERY - 1:
                driving = asyncio.create_task(town.days_pass())
                await asyncio.sleep(chance.uniform(0, 0.5))
            else:
                driving = asyncio.create_task(town.journeys())
                await town.some_more_answers(chance.randrange(4, 40), driving)
                await asyncio.sleep(chance.uniform(0, 0.02))
            server.kill()
            await driving
            back.append(await server.start())
            await town.check(admin)
        payouts = await town.no_hold_is_left(admin)
        await town.nothing_twice(admin)
        verified = server.verify()
        assert verified.returncode == 0, verified.stdout + verified.stderr
        figure(
            f"T2: {len(back)} kills of {processes}, {len(town.answered)} bookings answered, "
            f"{len(town.paid)} paid, {payouts} pay-outs, nothing lost or twice, "
            f"back within {max(back):.2f} s",
            seed,
        )
        assert len(town.paid) >= kills / 2, "the kills came before anything was done"
    finally:
        server.end()


async def make_admin(server: Server) -> dict[str, str]:
    """Roles are given by an operator: through the house itself, while it does not run."""
    from hometrip.app.opening import open_house
    from hometrip.app.settings import load
    from hometrip.services.auth.actions import create_account

    assert server.stop() == 0
    async with open_house(load({}, {"data": server.data})) as opened:
        await create_account(
            opened.house.rooms["auth"].deps,
            email="admin@example.com",
            password=PASSWORD,
            name="Ada",
            locale="en",
            roles=["admin"],
            verified=True,
        )
        await opened.house.settle()
    await server.start()
    async with httpx2.AsyncClient(base_url=server.url) as client:
        body = {"email": "admin@example.com", "password": PASSWORD}
        tokens = ok(await client.post("/api/auth/login", json=body))
    return {"Authorization": f"Bearer {tokens['access_token']}"}

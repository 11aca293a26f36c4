"""The house that tests live in: whole, in this process, on its embedded engines, in a folder of its own."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx2
import msgspec

from doorstep import doorstep
from hometrip.adapters.bus.memory import Patience
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.app.opening import Open, open_house
from hometrip.app.serving.front import Front
from hometrip.app.settings import Settings, load
from hometrip.app.verify import Finding, verify_house
from hometrip.app.wiring import House, Runner
from hometrip.kernel.clock import utc

# A Wednesday in spring; no test depends on the day it runs on.
START = utc(2027, 4, 14, 9)
IMPATIENT = Patience(pauses=(0.01, 0.02), behind_parked=0.05)
PASSWORD = "correct horse battery"

T = TypeVar("T")


class Person:
    """An account with a session: `headers` carry its access token."""

    def __init__(self, client: httpx2.AsyncClient, account: dict[str, Any], tokens: dict[str, Any]) -> None:
        self.client, self.id, self.email, self.tokens = client, UUID(account["id"]), account["email"], tokens
        self.headers = {"Authorization": f"Bearer {tokens['access_token']}"}

    def at(self, house: TestHouse) -> Person:
        """The same at the door of a house that has the same data."""
        return Person(house.client, {"id": str(self.id), "email": self.email}, self.tokens)

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        return await self._send("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> httpx2.Response:
        return await self._send("POST", path, json=json, **options)

    async def put(self, path: str, json: Any = None, **options: Any) -> httpx2.Response:
        return await self._send("PUT", path, json=json, **options)

    async def patch(self, path: str, json: Any = None, **options: Any) -> httpx2.Response:
        return await self._send("PATCH", path, json=json, **options)

    async def delete(self, path: str, **options: Any) -> httpx2.Response:
        return await self._send("DELETE", path, **options)

    async def _send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = self.headers | options.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **options)


class TestHouse:
    """What tests see of a house: a client at its door, its clock, its services' insides."""

    __test__ = False

    def __init__(self, opened: Open, client: httpx2.AsyncClient) -> None:
        self.opened, self.client = opened, client

    @property
    def house(self) -> House:
        return self.opened.house

    @property
    def clock(self) -> MovableClock:
        clock = self.house.clock
        assert isinstance(clock, MovableClock)
        return clock

    def deps(self, service: str) -> Any:
        return self.house.rooms[service].deps

    async def settle(self) -> None:
        await self.house.settle()

    async def advance(self, seconds: float) -> None:
        await self.house.advance(seconds)

    async def bring_webhooks(self) -> None:
        """Those of the provider that wait are brought."""
        await self.house.bring_webhooks()

    async def verify(self) -> list[Finding]:
        return await verify_house(self.house)

    async def mails(self, to: str) -> list[dict[str, Any]]:
        answer = await self.client.get("/api/sandbox/mailbox", params={"to": to})
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def events(self, subject: str) -> list[str]:
        answer = await self.client.get("/api/sandbox/events", params={"subject": subject})
        return [envelope["name"] for envelope in answer.json()["items"]]

    async def sign_up(
        self, email: str = "ann@example.com", name: str = "Ann Archer", *, locale: str = "en"
    ) -> Person:
        """Through the door, as a person would: sign up, read the mail, follow its link."""
        body = {"email": email, "password": PASSWORD, "name": name, "locale": locale}
        answer = await self.client.post("/api/auth/signup", json=body)
        assert answer.status_code == 202, answer.text
        await self.settle()
        token = self.link_token((await self.mails(email))[0])
        answer = await self.client.post("/api/auth/verify-email", json={"token": token})
        assert answer.status_code == 200, answer.text
        return await self._person(answer.json())

    async def sign_in(self, email: str, password: str = PASSWORD) -> Person:
        answer = await self.client.post("/api/auth/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return await self._person(answer.json())

    async def staff(self, role: str = "admin", email: str = "staff@example.com") -> Person:
        from hometrip.services.auth.actions import create_account

        await create_account(
            self.deps("auth"),
            email=email,
            password=PASSWORD,
            name="Sam Staff",
            locale="en",
            roles=[role],
            verified=True,
        )
        return await self.sign_in(email)

    async def _person(self, tokens: dict[str, Any]) -> Person:
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        me = (await self.client.get("/api/auth/me", headers=headers)).json()
        return Person(self.client, me, tokens)

    @staticmethod
    def link_token(mail: dict[str, Any]) -> str:
        for link in mail["links"]:
            if found := re.search(r"[?&]token=([^&\s]+)", link):
                return found[1]
        raise AssertionError(f"no link with a token in {mail['kind']}")


def settings_in(folder: Path, **changes: Any) -> Settings:
    return msgspec.structs.replace(
        load({}, {"data": folder, "port": 3001, "demo": False, "sandbox": True, "limits": False}), **changes
    )


@contextlib.asynccontextmanager
async def house_in(
    folder: Path, *, loopback: bool = False, clock: MovableClock | None = None, **changes: Any
) -> AsyncIterator[TestHouse]:
    clock = clock or MovableClock(SystemClock(), frozen_at=START)
    runner = Runner(loopback=loopback, patience=IMPATIENT)
    async with open_house(settings_in(folder, **changes), clock=clock, runner=runner) as opened:
        opened.house.open_for_business()
        async with doorstep(Front(opened.app, opened.ring, opened.lane)) as client:
            yield TestHouse(opened, client)


class Begun:
    """Houses that several tests begin with: each is lived in once in this process, and every test has a copy
    of its folder.
    """

    def __init__(self, new_folder: Callable[[], Path]) -> None:
        self._new_folder = new_folder
        self._left: dict[Any, tuple[Path, Any]] = {}

    async def copy(self, living: Callable[[TestHouse], Awaitable[T]], folder: Path) -> T:
        """What `living` in a new house has given, with that house in the folder as if it were stopped."""
        if living not in self._left:
            made = self._new_folder()
            async with house_in(made) as house:
                given = await living(house)
                await house.settle()
            self._left[living] = made, given
        made, given = self._left[living]
        shutil.copytree(made, folder, dirs_exist_ok=True)
        return given

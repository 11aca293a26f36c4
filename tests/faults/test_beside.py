"""Several processes on one data folder: races between them, and what becomes of them when one is killed."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, timedelta
from os import kill
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from app.waiting import until
from engines import shared
from figures import Figure
from hometrip.app.migrate import migrate_all
from journeys.steps import book, ok, open_home, stay
from journeys.test_races import one_gets_each_night
from split_house import Several, SplitHouse, house_of

pytestmark = pytest.mark.slow

READY = "HomeTrip is ready beside"


@pytest.fixture
async def several(request: pytest.FixtureRequest) -> AsyncIterator[Several]:
    """On SQLite alone, if not said otherwise."""
    given = {"HOMETRIP_LOG_LEVEL": "info"}
    if getattr(request, "param", "sqlite") == "postgres":
        name = f"beside_{uuid4().hex[:8]}"
        given["HOMETRIP_DATABASE_URL"] = shared.url_of("postgres").rpartition("/")[0] + f"/{name}"
    processes = Several(**given)
    try:
        await migrate_all(processes.settings)
        await processes.start()
        yield processes
    finally:
        processes.end()


@pytest.fixture
async def house(several: Several) -> AsyncIterator[SplitHouse]:
    async with house_of(several) as opened:
        yield opened


def those_beside(several: Several) -> list[int]:
    """The numbers of the processes beside the first."""
    assert several.server.process
    of = several.server.process.pid
    children = Path(f"/proc/{of}/task/{of}/children").read_text().split()
    return [int(each) for each in children if b"\0beside\0" in Path(f"/proc/{each}/cmdline").read_bytes()]


async def asked_anew(
    house: SplitHouse, several: Several, path: str, headers: dict[str, str], times: int
) -> Counter[int]:
    """What is answered on so many connections, each of which goes to whichever process takes it."""

    async def ask() -> int:
        async with httpx2.AsyncClient(base_url=several.server.url, timeout=30) as client:
            return (await client.get(path, headers=headers)).status_code

    return Counter(await asyncio.gather(*(ask() for _ in range(times))))


async def first_days(several: Several, path: str, times: int) -> Counter[date]:
    """With which day a home's calendar begins, on so many connections."""

    async def ask() -> date:
        async with httpx2.AsyncClient(base_url=several.server.url, timeout=30) as client:
            return date.fromisoformat(ok(await client.get(path))["days"][0]["date"])

    return Counter(await asyncio.gather(*(ask() for _ in range(times))))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("several", ["sqlite", "postgres"], indirect=True)
@pytest.mark.parametrize(
    ("guests", "rounds"), [pytest.param(60, 2), pytest.param(1000, 50, marks=pytest.mark.full)]
)
async def test_of_many_guests_at_several_processes_one_gets_the_night(
    house: SplitHouse, several: Several, guests: int, rounds: int, figure: Figure
) -> None:
    await one_gets_each_night(house, guests, rounds)
    lines = several.server.log.read_text().splitlines()
    answered = Counter(
        line.partition(" ")[0] for line in lines if "route=/api/listings/{listing_id}/quote" in line
    )
    assert min(answered["beside.1"], answered["beside.2"]) > 0
    counted = (await house.client.get("/metrics")).text.splitlines()
    asked = [line for line in counted if line.startswith("hometrip_http_requests_total") and "/quote" in line]
    assert sum(float(line.rpartition(" ")[2]) for line in asked) == guests * rounds
    figure(f"T1: {rounds} rounds of {guests} guests at 3 processes on one folder, one winner each")


async def test_what_one_process_knows_all_of_them_know(house: SplitHouse, several: Several) -> None:
    """Who has signed out, what time it is, and what was booked, wherever it is asked."""
    home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    booked = ok(await book(guest, home["id"], stay(house)), 201)
    path = f"/api/bookings/{booked['id']}"
    assert await asked_anew(house, several, path, guest.headers, 30) == {200: 30}
    await house.advance(16 * 60)
    async with httpx2.AsyncClient(base_url=several.server.url, headers=guest.headers) as client:
        assert ok(await client.get(path))["status"] == "expired"
    again = ok(await book(guest, home["id"], stay(house)), 201)
    assert again["hold_until"] > booked["hold_until"]
    ok(await guest.post("/api/auth/logout", {}), 204)

    async def is_out() -> bool:
        return await asked_anew(house, several, path, guest.headers, 30) == {401: 30}

    await until(is_out)


async def test_one_that_is_killed_is_started_again_and_the_first_takes_the_others_with_it(
    house: SplitHouse, several: Several
) -> None:
    home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
    path, log = f"/api/listings/{home['id']}", several.server.log
    before, [today] = those_beside(several), await first_days(several, f"{path}/availability", 1)
    assert len(before) == 2
    kill(before[0], signal.SIGKILL)
    await house.advance(86_400)  # while it is away, or is being started
    await until(lambda: log.read_text().count(READY) == 3, within=30)
    assert await asked_anew(house, several, path, {}, 30) == {200: 30}
    assert "a process fell; it is started again" in log.read_text()
    assert await first_days(several, f"{path}/availability", 30) == {today + timedelta(days=1): 30}
    left = those_beside(several)
    assert len(left) == 2
    several.server.kill()
    await until(lambda: not any(Path(f"/proc/{each}").exists() for each in left), within=10)
    await several.start()
    assert await asked_anew(house, several, path, {}, 30) == {200: 30}
    assert several.server.stop() == 0
    assert "Traceback" not in log.read_text()

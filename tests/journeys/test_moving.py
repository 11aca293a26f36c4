"""From one process to many: the page's own commands, run word for word over data that people made."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from harness import PASSWORD, Person, TestHouse, house_in, settings_in
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.app.moving import side_of
from hometrip.app.settings import load
from hometrip.app.timekeeping import clock_of
from hometrip.app.wiring import House
from hometrip.services.auth.actions import create_account
from journeys.steps import DAY, book, booking_of, ok, open_home, pay, stay
from server import free_port
from split_house import engines, without_queues

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "from-one-process-to-many.md"
SERVES = "hometrip up --split"
# What the page itself adds.
DOCUMENTS = "HOMETRIP_DOCUMENTS_URL"
# The engines that all tests share are started as the page says; what is printed are name spaces in them that
# nobody else uses.
ENGINES = f"""#!/bin/sh
set -e
{ROOT}/scripts/engines "$@" > /dev/null
cat "$0.env"
"""


def blocks() -> tuple[list[str], str, list[str]]:
    """The page's commands before the house of many processes, that start it, and after it."""
    found = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    serving = next(number for number, block in enumerate(found) if SERVES in block)
    return found[:serving], found[serving], found[serving + 1 :]


class Shell:
    """A terminal in the folder, with nothing of the settings of whoever runs the test."""

    def __init__(self, folder: Path, engines: dict[str, str]) -> None:
        (folder / "scripts").mkdir()
        script = folder / "scripts" / "engines"
        script.write_text(ENGINES)
        script.chmod(0o755)
        given = "".join(f"{name}={url}\n" for name, url in engines.items() if name != DOCUMENTS)
        script.with_suffix(".env").write_text(given)
        self.folder, self.port = folder, free_port()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOMETRIP_")}
        self._environment = clean | {
            "PATH": f"{Path(sys.executable).parent}:{clean['PATH']}",
            "HOMETRIP_PORT": str(self.port),
            "HOMETRIP_LIMITS": "off",
            "HOMETRIP_LOG_LEVEL": "warning",
        }
        for name in ("HOMETRIP_ENGINES_HOME", "HOMETRIP_ENGINES_SETS", "HOMETRIP_TEST_ENGINES_SET"):
            if given := os.environ.get(name):
                self._environment[name] = given

    async def run(self, commands: str) -> str:
        started = await self.start(commands)
        said, _ = await asyncio.wait_for(started.communicate(), 150)
        assert started.returncode == 0, f"{commands}\n{said.decode()[-4000:]}"
        return said.decode()

    async def start(self, commands: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *("bash", "-c", f"set -euo pipefail\n{commands}"),
            cwd=self.folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=1 << 20,
        )


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    name = f"moved_{uuid4().hex[:12]}"
    try:
        yield Shell(tmp_path, engines(name, "postgres"))
    finally:
        without_queues(name)


async def lived_in(data: Path) -> tuple[str, str]:
    """A house of one process where one stay is over and paid out, and one is to come: the home and the stay.
    It was stopped before all had heard that there is one more account.
    """
    async with house_in(data, clock=MovableClock(SystemClock())) as house:
        host, guest = await house.sign_up("host@example.com"), await house.sign_up("guest@example.com")
        home = await open_home(host)
        for days in (2, 30):
            booking = ok(await book(guest, home["id"], stay(house, days)), 201)
            await pay(guest, booking["id"])
            await house.settle()
        await house.advance(8 * DAY)
        assert (await booking_of(guest, booking["id"]))["status"] == "confirmed"
    stopped = House(settings_in(data))
    await create_account(
        stopped.rooms["auth"].deps,
        email="late@example.com",
        password=PASSWORD,
        name="Lara Late",
        locale="en",
        roles=[],
        verified=True,
    )
    assert (await stopped.rooms["auth"].storage.unsent()).count == 1
    await stopped.stop()
    return home["id"], booking["id"]


async def until_ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    said = ""
    async with asyncio.timeout(150):
        while line := await process.stdout.readline():
            said += line.decode()
            if line.startswith(b"HomeTrip is ready"):
                return said
    raise AssertionError(said[-4000:])


async def signed_in(client: httpx2.AsyncClient, email: str) -> Person:
    house: Any = TestHouse(None, client)  # type: ignore[arg-type]  # only its door is used
    person: Person = await house.sign_in(email)
    return person


@pytest.mark.split
@pytest.mark.timeout(400)
async def test_the_page_moves_a_marketplace_word_for_word(shell: Shell) -> None:
    home, booking = await lived_in(shell.folder / "var")
    before, serving, after = blocks()
    for block in before:
        said = await shell.run(block)
    assert "ok    payment: journal_postings" in said
    assert "FAIL" not in said
    many = await shell.start(serving)
    reading: asyncio.Task[bytes] | None = None
    try:
        await until_ready(many)
        assert many.stdout
        reading = asyncio.create_task(many.stdout.read())
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{shell.port}", timeout=60) as client:
            await goes_on(client, shell.folder / "var", home, booking)
        for block in after:
            assert "FAIL" not in await shell.run(block)
        refused = await (again := await shell.start(before[-1])).communicate()
        assert again.returncode == 2
        assert b"HomeTrip is running in" in refused[0]
    finally:
        if many.returncode is None:
            os.killpg(many.pid, signal.SIGTERM)
            await asyncio.wait_for(many.wait(), 40)
        if reading:
            await reading


async def goes_on(client: httpx2.AsyncClient, data: Path, home: str, booking: str) -> None:
    """The stay is still there, the late account is known to all, and a new stay can be booked."""
    guest = await signed_in(client, "guest@example.com")
    assert (await booking_of(guest, booking))["status"] == "confirmed"
    late = await signed_in(client, "late@example.com")
    assert ok(await late.get(f"/api/users/{late.id}"))["display_name"] == "Lara Late"
    today = clock_of(data, sandbox=True).now().date()
    when = {
        "check_in": (today + timedelta(days=60)).isoformat(),
        "check_out": (today + timedelta(days=62)).isoformat(),
    }
    fresh = ok(await book(late, home, when), 201)
    await pay(late, fresh["id"])
    ok(await client.post("/api/sandbox/clock/advance", json={"seconds": 0}, timeout=120))
    assert (await booking_of(late, fresh["id"]))["status"] == "confirmed"
    assert ok(await client.get("/api/search", params={"city": "Albany"}))["total"] == 1


def test_engines_that_the_environment_names_are_of_neither_side(tmp_path: Path) -> None:
    elsewhere = {"HOMETRIP_DATABASE_URL": "postgresql://elsewhere/x", "HOMETRIP_DEMO": "off"}
    assert side_of(tmp_path, elsewhere, None) == load({"HOMETRIP_DEMO": "off"}, {"data": tmp_path})
    (tmp_path / "x.env").write_text("# engines\nexport HOMETRIP_BUS_URL='amqp://there/x'\n\n")
    side = side_of(tmp_path / "x.env", elsewhere, tmp_path)
    assert side == load({"HOMETRIP_DEMO": "off", "HOMETRIP_BUS_URL": "amqp://there/x"}, {"data": tmp_path})

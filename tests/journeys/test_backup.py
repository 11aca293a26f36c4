"""Backups of a marketplace at work, and what is restored of them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from PIL import Image

from app.command import hometrip
from app.waiting import until
from commands import HOMETRIP
from harness import Person, TestHouse, house_in, settings_in
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.app.backup import LIST, PAUSE_SECONDS, UNFINISHED, back_up, restore
from hometrip.app.settings import BadSettings
from hometrip.app.verify import verify_house
from journeys.steps import booking_of, ok, open_home, pay
from server import Server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "back-up-and-restore.md"


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a house that was stopped: one home with a picture."""

    async def live(data: Path) -> None:
        async with house_in(data) as house:
            host = await house.sign_up("host@example.com")
            await add_photo(host, (await open_home(host))["id"])
            await house.settle()

    data = tmp_path_factory.mktemp("lived-in") / "data"
    asyncio.run(live(data))
    return data


@pytest.fixture
def data(lived_in: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(lived_in, tmp_path / "data"))


async def add_photo(host: Person, home: str) -> None:
    picture = BytesIO()
    Image.new("RGB", (1200, 800), "teal").save(picture, "JPEG")
    path = f"/api/listings/{home}/photos"
    ok(await host.post(path, files={"photos": ("a.jpg", picture.getvalue(), "image/jpeg")}), 201)


def silent(_: str) -> None:
    """Says nothing."""


def taken(data: Path, folder: Path) -> Path:
    back_up(settings_in(data), folder, silent)
    return folder


def refusal(call: Any, *given: Any) -> str:
    with pytest.raises(BadSettings) as refused:
        call(*given, silent)
    return "\n".join(refused.value.wrong)


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


# one moment


@pytest.mark.timeout(180)
async def test_a_backup_of_a_house_at_work_is_the_house_as_it_was_at_one_moment(tmp_path: Path) -> None:
    """Guests book and pay as fast as they can. What was answered before a backup began is in it, and nothing
    in it contradicts the rest; whatever was on its way then is done by the house that is restored.
    """
    server = Server(tmp_path / "data", "--no-demo")
    await server.start()
    try:
        async with httpx2.AsyncClient(base_url=server.url, timeout=60) as client:
            door: Any = TestHouse(None, client)  # type: ignore[arg-type]  # only its door is used
            door.settle = functools.partial(settled, client)
            host = await door.sign_up("host@example.com")
            homes = [(await open_home(host, f"Home {number}"))["id"] for number in range(3)]
            guests = [await door.sign_up(f"guest{number}@example.com") for number in range(3)]
            answered: list[str] = []
            work = [
                asyncio.create_task(book_on_and_on(guest, home, answered))
                for guest, home in zip(guests, homes, strict=True)
            ]
            known = []
            for number in range(3):
                await until(lambda number=number: len(answered) > 3 * number + 3)
                known.append(list(answered))
                target = tmp_path / f"backup-{number}"
                await asyncio.to_thread(taken, server.data, target)
            for task in work:
                task.cancel()
            done = await asyncio.gather(*work, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in done), done
    finally:
        server.end()
    for number, before in enumerate(known):
        again = tmp_path / f"again-{number}"
        restore(tmp_path / f"backup-{number}", again, silent)
        await holds(again, before)


async def settled(client: httpx2.AsyncClient) -> None:
    ok(await client.post("/api/sandbox/clock/advance", json={"seconds": 0}))


async def book_on_and_on(guest: Person, home: str, answered: list[str]) -> None:
    today = SystemClock().now().date()
    for days in range(3, 300, 2):
        first = today + timedelta(days=days)
        when = {"check_in": first.isoformat(), "check_out": (first + timedelta(days=1)).isoformat()}
        quote = ok(await guest.post(f"/api/listings/{home}/quote", when | {"guests": 2}))
        wish = when | {"listing_id": home, "guests": 2, "quote_id": quote["id"]}
        key = {"Idempotency-Key": str(uuid4())}
        booking = ok(await guest.post("/api/bookings", wish, headers=key), 201)["id"]
        await pay(guest, booking)
        answered.append(booking)


async def holds(data: Path, bookings: list[str]) -> None:
    async with house_in(data, clock=MovableClock(SystemClock())) as house:
        await house.settle()
        assert [line for found in await verify_house(house.house) for line in found.violations] == []
        staff = await house.staff()
        for booking in bookings:
            assert (await booking_of(staff, booking))["status"] == "confirmed"
        assert ok(await house.client.get("/api/search"))["total"] == 3


def test_all_databases_are_of_the_same_moment(data: Path, tmp_path: Path) -> None:
    """Somebody writes every number into one of them, and then into the other."""
    with writing(data / "databases" / "booking.db", data / "databases" / "auth.db") as written:
        for number in range(15):
            backup = taken(data, tmp_path / f"backup-{number}")
            first, then = (last_tick(backup / "databases" / f"{name}.db") for name in ("booking", "auth"))
            assert first - then in (0, 1)
    assert last_tick(data / "databases" / "auth.db") == written[-1] > 100


@contextlib.contextmanager
def writing(*files: Path) -> Iterator[list[int]]:
    written, stopping = list[int](), threading.Event()

    def write() -> None:
        with contextlib.ExitStack() as stack:
            links = [
                stack.enter_context(contextlib.closing(sqlite3.connect(file, isolation_level=None)))
                for file in files
            ]
            for link in links:
                link.execute("CREATE TABLE IF NOT EXISTS ticks (tick INTEGER)")
            number = 0
            while not stopping.is_set():
                number += 1
                for link in links:
                    link.execute("INSERT INTO ticks VALUES (?)", (number,))
                written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    while not written:
        stopping.wait(0.01)
    try:
        yield written
    finally:
        stopping.set()
        writer.join()


def last_tick(file: Path) -> int:
    with contextlib.closing(sqlite3.connect(file)) as link:
        found: int = link.execute("SELECT max(tick) FROM ticks").fetchone()[0]
        return found


def test_while_somebody_holds_a_database_the_others_are_let_go(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again until they all are to be had; a house that writes never waits for long."""
    monkeypatch.setattr("hometrip.app.backup.HELD_SECONDS", 0.05)
    holder = sqlite3.connect(data / "databases" / "user.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")

    def write_elsewhere(seconds: float) -> None:
        if seconds != PAUSE_SECONDS:
            return
        with contextlib.closing(sqlite3.connect(data / "databases" / "auth.db", timeout=0)) as link:
            link.execute("CREATE TABLE ticks (tick INTEGER)")
        holder.execute("ROLLBACK")

    monkeypatch.setattr("hometrip.app.backup.time.sleep", write_elsewhere)
    backup = taken(data, tmp_path / "backup")
    holder.close()
    assert last_tick(backup / "databases" / "auth.db") is None


# what is in it


async def test_a_restored_house_has_its_pictures_and_accounts(data: Path, tmp_path: Path) -> None:
    (data / "files" / "listing" / ".unfinished").write_bytes(b"half a pic")
    restore(taken(data, tmp_path / "backup"), tmp_path / "again", silent)
    assert not list((tmp_path / "again").rglob(".unfinished"))
    async with house_in(tmp_path / "again") as house:
        host = await house.sign_in("host@example.com")
        [home] = ok(await host.get("/api/listings/my-listings"))["items"]
        [photo] = home["photos"]
        for size in photo["sizes"].values():
            assert (await house.client.get(size["url"])).status_code == 200
        assert ok(await house.client.get("/api/search"))["total"] == 1


def test_a_backup_is_for_its_owner_alone_and_says_when_it_was_made(data: Path, tmp_path: Path) -> None:
    backup = taken(data, tmp_path / "some" / "where" / "backup")
    assert backup.stat().st_mode & 0o077 == 0
    said: list[str] = []
    restore(backup, tmp_path / "again", said.append)
    assert re.search(r"\d+ files, as of 20\d\d-", said[0])
    assert (tmp_path / "again").stat().st_mode & 0o077 == 0


# what is refused


@pytest.mark.parametrize("name", ["databases/booking.db", "files", "secrets"])
def test_a_backup_that_is_damaged_is_named_and_nothing_is_restored(
    data: Path, tmp_path: Path, name: str
) -> None:
    backup = taken(data, tmp_path / "backup")
    file = (
        backup / name if name.endswith(".db") else next(p for p in (backup / name).rglob("*") if p.is_file())
    )
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2] ^= 1
    file.write_bytes(changed)
    assert refusal(restore, backup, tmp_path / "again") == f"{file}: is damaged"
    file.unlink()
    assert refusal(restore, backup, tmp_path / "again") == f"{file}: is missing"
    assert not (tmp_path / "again").exists()


def test_what_is_no_backup_is_not_restored(data: Path, tmp_path: Path) -> None:
    assert "this is no backup" in refusal(restore, data, tmp_path / "again")
    (data / LIST).write_text('{"version": ')
    assert refusal(restore, data, tmp_path / "again") == f"{data / LIST}: is damaged"


def test_nothing_is_overwritten_by_a_restore_but_one_that_was_broken_off(data: Path, tmp_path: Path) -> None:
    backup, again = taken(data, tmp_path / "backup"), tmp_path / "again"
    (again / UNFINISHED / "secrets").mkdir(parents=True)
    restore(backup, again, silent)
    assert set(content(again)) == set(content(backup)) - {LIST}
    before = content(again)
    assert "is not empty; nothing is overwritten" in refusal(restore, backup, again)
    assert content(again) == before


def test_a_backup_does_not_replace_another_or_lie_in_the_data(data: Path, tmp_path: Path) -> None:
    backup = taken(data, tmp_path / "backup")
    before = content(backup)
    assert "is there already" in refusal(back_up, settings_in(data), backup)
    for inside in (data / "backup", tmp_path / "backup" / ".." / "data" / "x"):
        assert "lies in the data;" in refusal(back_up, settings_in(data), inside)
    assert content(backup) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "data"]


def test_a_damaged_database_is_no_backup(data: Path, tmp_path: Path) -> None:
    file = data / "databases" / "booking.db"
    with file.open("r+b") as opened:
        opened.seek(4096 * 3)
        opened.write(b"\xff" * 4096 * 4)
    assert "booking: the database is damaged" in refusal(back_up, settings_in(data), tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("size", ["64k", "1m"])
def test_a_disk_that_is_full_is_named_and_nothing_stays_on_it(data: Path, tmp_path: Path, size: str) -> None:
    (disk := tmp_path / "disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        said = hometrip("backup", disk / "backup", "--data", data)
        assert said.returncode == 1
        assert "full" in said.stderr or "No space left" in said.stderr
        assert "Traceback" not in said.stderr
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_house_that_is_not_all_in_files_is_named(data: Path, tmp_path: Path) -> None:
    elsewhere = settings_in(data, database_url="postgresql://there/x")
    said = refusal(back_up, elsewhere, tmp_path / "backup").splitlines()
    assert said[0].startswith("auth: is kept on a server (postgresql:)")
    assert len(said) == 3
    assert "holds no marketplace" in refusal(back_up, settings_in(tmp_path / "none"), tmp_path / "backup")
    assert not (tmp_path / "none").exists()


# the page


@pytest.mark.timeout(180)
def test_the_commands_of_the_page_work_word_for_word(data: Path, tmp_path: Path) -> None:
    data.rename(tmp_path / "var")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOMETRIP_")}
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) > 2
    ran = subprocess.run(
        ["bash", "-c", "\n".join(["set -euo pipefail", *blocks])],
        cwd=tmp_path,
        env=clean | {"PATH": f"{HOMETRIP.parent}:{clean['PATH']}", "HOMETRIP_DEMO": "off"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "ok    the journal sums to zero" in ran.stdout

"""The command line: what stands in the way is said in words with exit code 2, and nothing is half-started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness import settings_in
from hometrip.app.cli import main
from hometrip.app.opening import lock_of, open_house
from hometrip.services.auth.actions import create_account, public_keys
from server import free_port


def hometrip(*words: str | Path, **environment: str) -> Result:
    clean = {name: None for name in os.environ if name.startswith("HOMETRIP_")}
    return CliRunner().invoke(main, [str(word) for word in words], env=clean | environment)


def refused(result: Result) -> str:
    """What was said, with exit code 2, in words."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert result.stdout == ""
    return result.stderr


def make_account(data: Path, email: str = "owner@example.com") -> None:
    async def make() -> None:
        async with open_house(settings_in(data)) as opened:
            await create_account(
                opened.house.rooms["auth"].deps,
                email=email,
                password="correct horse battery",
                name="Olga Owner",
                locale="en",
                roles=[],
                verified=True,
            )

    asyncio.run(make())


def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(hometrip("up", "--data", tmp_path / "data", "--port", port))
    assert f"HOMETRIP_PORT: 127.0.0.1:{port} cannot be used (Address already in use)" in said
    assert "choose another one with --port" in said
    assert not (tmp_path / "data" / "databases").exists()


def test_an_address_that_is_not_ours_is_named(tmp_path: Path) -> None:
    said = refused(hometrip("up", "--data", tmp_path, "--host", "203.0.113.9", "--port", free_port()))
    assert "HOMETRIP_PORT: 203.0.113.9:" in said


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.write_text("mine")
    for folder in (place, place / "deeper"):
        said = refused(hometrip("up", "--data", folder, "--port", free_port()))
        assert f"HOMETRIP_DATA: {folder} cannot be written to" in said
    assert place.read_text() == "mine"


def test_a_second_house_on_a_folder_is_refused(tmp_path: Path) -> None:
    with lock_of(settings_in(tmp_path)) as mine:
        assert mine
        for command in (["up", "--port", str(free_port())], ["seed"]):
            said = refused(hometrip(*command, "--data", tmp_path))
            assert f"HOMETRIP_DATA: another HomeTrip is running in {tmp_path}" in said
    assert not (tmp_path / "databases").exists()


@pytest.mark.parametrize("command", ["up", "verify", "migrate", "doctor", "seed"])
def test_data_of_a_newer_version_are_refused_and_stay_as_they_are(tmp_path: Path, command: str) -> None:
    make_account(tmp_path)
    databases = tmp_path / "databases"
    for service in ("auth", "payment"):
        with contextlib.closing(sqlite3.connect(databases / f"{service}.db", isolation_level=None)) as link:
            link.execute("UPDATE alembic_version SET version_num = '9999'")
    with contextlib.closing(sqlite3.connect(databases / "listing.db", isolation_level=None)) as link:
        link.execute("INSERT OR REPLACE INTO doc_editions VALUES ('homes', 99)")
        link.execute("INSERT INTO doc_aids VALUES ('doc_homes__newer', 'SELECT 1', '[\"SELECT 1\"]')")
    before = {file.name: file.read_bytes() for file in databases.glob("*.db")}
    # A house may be running at the usual port while its operator tests.
    port = ["--port", str(free_port())] if command == "up" else []
    said = refused(hometrip(command, "--data", tmp_path, *port))
    for service in ("auth", "payment"):
        assert f"- {service} storage: {databases / service}.db has schema 9999, and this version" in said
    assert f"- listing storage: {databases / 'listing'}.db has edition 99 of homes, and this version" in said
    assert "use the newer version that made it" in said
    assert {file.name: file.read_bytes() for file in databases.glob("*.db")} == before


def test_a_folder_that_is_moved_to_is_made(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "somewhere" / "new"
    make_account(old)
    moved = hometrip("migrate", "--from", old, "--to", new)
    assert moved.exit_code == 0, moved.output
    assert (new / "databases" / "auth.db").exists()


def test_a_file_of_settings_that_is_not_there_is_no_folder(tmp_path: Path) -> None:
    make_account(tmp_path / "old")
    said = refused(hometrip("migrate", "--from", tmp_path / "old", "--to", tmp_path / "engines.env"))
    assert "engines.env: cannot be read" in said
    assert "nowhere: cannot be read" in refused(
        hometrip("migrate", "--from", tmp_path / "nowhere", "--to", tmp_path / "new")
    )
    assert not (tmp_path / "new").exists()


def test_data_of_a_newer_version_are_not_moved(tmp_path: Path) -> None:
    make_account(tmp_path / "old")
    file = tmp_path / "old" / "databases" / "user.db"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as link:
        link.execute("INSERT INTO doc_editions VALUES ('profiles', 99)")
    said = refused(hometrip("migrate", "--from", tmp_path / "old", "--to", tmp_path / "new"))
    assert f"- user storage: {file} has edition 99 of profiles" in said


def test_all_that_stands_in_the_way_is_named_at_once(tmp_path: Path) -> None:
    place = tmp_path / "data"
    place.write_text("mine")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = refused(hometrip("up", "--data", place, "--port", taken.getsockname()[1]))
    assert "HOMETRIP_PORT: " in said
    assert "HOMETRIP_DATA: " in said


@pytest.fixture(params=["64k", "2m"])
def full_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk of a few kilobytes, of which some are left or none."""
    place = tmp_path / "disk"
    place.mkdir()
    size = f"size={request.param}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        if request.param == "64k":
            (place / "full").write_bytes(b"x" * 60_000)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named(full_disk: Path) -> None:
    said = refused(hometrip("up", "--data", full_disk, "--port", free_port()))
    assert f"HOMETRIP_DATA: {full_disk} cannot be written to (No space left on device)" in said or (
        f"HOMETRIP_DATA: the disk of {full_disk} is full: 1 MiB are free" in said
        or f"HOMETRIP_DATA: the disk of {full_disk} is full: 2 MiB are free" in said
    )
    assert not (full_disk / "databases").exists()


def test_an_unknown_command_or_option_is_a_usage_error() -> None:
    for words in (["fly"], ["up", "--fast"], ["import"], ["events", "show", "not-an-id"]):
        result = hometrip(*words)
        assert result.exit_code == 2
        assert "Usage: " in result.stderr


def test_keys_are_rotated_also_beside_a_running_house(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)

    async def rotate() -> tuple[Result, set[str]]:
        async with open_house(settings) as opened:
            result = await asyncio.to_thread(hometrip, "keys", "rotate", "--data", tmp_path)
            keys = await public_keys(opened.house.rooms["auth"].deps)
            return result, {key["kid"] for key in keys["keys"]}

    result, known = asyncio.run(rotate())
    assert result.exit_code == 0, result.output
    assert result.stdout.split()[-1].rstrip(".") in known
    assert len(known) == 2


def test_verify_says_a_line_for_each_invariant(tmp_path: Path) -> None:
    make_account(tmp_path)
    result = hometrip("verify", "--data", tmp_path)
    assert result.exit_code == 0, result.output
    assert [line[:4] for line in result.stdout.splitlines()] == ["ok  "] * 6

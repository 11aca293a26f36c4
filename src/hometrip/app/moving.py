"""`hometrip migrate --from … --to …`: a marketplace moves from one set of engines to another.

Everything of value goes: what every service stores, with its events, timers and answered keys; files; the
secrets, where the two have other folders. What can be made again does not: the search index is filled by the
new house, limits and one-time codes begin anew. The source is only read, so it is there until it is deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hometrip.app.doctor import must_be_usable
from hometrip.app.engines import blobs, bus, must_be_known, parking_of, registry_at, storage
from hometrip.app.migrate import migrate_all
from hometrip.app.moving_lots import Lot, carry, foreign, lots_of
from hometrip.app.opening import lock_of
from hometrip.app.rooms import kept_in, service_of
from hometrip.app.settings import ENGINES, SERVICES, BadSettings, Settings, folder_of, load
from hometrip.app.timekeeping import CLOCK_FILE, clock_of
from hometrip.kernel.errors import HomeTripError
from hometrip.kernel.ids import ids
from hometrip.ports.blobs import Blobs

Say = Callable[[str], None]

# What lies in the data folder itself, and is not made again.
BESIDE = ("secrets", CLOCK_FILE, "demo.json", "demo-done", "databases/sandbox-payments.db")


def side_of(
    named: Path, environment: Mapping[str, str], data: Path | None, *, may_be_made: bool = False
) -> Settings:
    """A side of a move by its name: a folder is a marketplace of one process; a file of settings has lines
    `NAME=value`, as `scripts/engines` prints them. What is not there is a folder that `may_be_made`, unless
    its name has an ending, as that of a file has. Raises `BadSettings`.

    Engines that the environment names are those of neither side; what else it says, holds for both.
    """
    rest = {name: value for name, value in environment.items() if not _names_engine(name)}
    if named.is_dir() or (may_be_made and not named.exists() and not named.suffix):
        return load(rest, {"data": named})
    try:
        lines = named.read_text("utf-8").splitlines()
    except OSError as reason:
        raise BadSettings(
            [f"{named}: cannot be read ({reason.strerror}): name a folder, or a file of settings"]
        ) from reason
    given = dict(_setting(line) for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if wrong := [name for name in given if not name.startswith("HOMETRIP_")]:
        raise BadSettings(
            [f"{named}: {name!r} is not a setting like HOMETRIP_DATA=/srv/homes" for name in wrong]
        )
    return load(rest | given, {"data": None if "HOMETRIP_DATA" in given else data})


def _setting(line: str) -> tuple[str, str]:
    name, _, value = line.strip().removeprefix("export ").partition("=")
    return name.strip(), value.strip().strip("\"'")


def _names_engine(name: str) -> bool:
    return name.startswith("HOMETRIP_") and any(name.endswith(f"_{port.upper()}_URL") for port in ENGINES)


async def move(source: Settings, target: Settings, say: Say) -> None:
    """Carry all of it over; a line for each thing. `BadSettings` names what keeps it from beginning; nothing
    was written then. One that was broken off is begun again by the same command.
    """
    with contextlib.ExitStack() as locks:
        _take(locks, source, target)
        await _must_be_complete(source)
        for side in (source, target):
            must_be_known(side, map(service_of, SERVICES))
        await _must_be_still(source, "the source", queues=True)
        await _must_be_up_to_date(source)
        _move_beside(source, target, say)
        await must_be_usable(target)
        for line in await migrate_all(target):
            say(line)
        await _must_be_still(target, "the target")
        async with _pairs(source, target) as pairs:
            await _must_be_empty(pairs)
            for service, ours, theirs in pairs:
                for one, other in zip(ours, theirs, strict=True):
                    await _carry(service, one, other, say)
        await _move_files(source, target, say)


def _take(locks: contextlib.ExitStack, source: Settings, target: Settings) -> None:
    """Nobody may run either house while it moves."""
    if not source.data.is_dir():
        raise BadSettings([f"HOMETRIP_DATA: there is no folder {source.data}"])
    for data in dict.fromkeys((source.data, target.data)):
        settings = source if data == source.data else target
        if not locks.enter_context(lock_of(settings)):
            raise BadSettings([f"HOMETRIP_DATA: HomeTrip is running in {data}: stop it first"])


async def _must_be_complete(source: Settings) -> None:
    """A storage in a file that is not there would be made, and look like an empty one."""
    missing = []
    for name in SERVICES:
        url = source.engine(kept_in(name), name)
        file = folder_of(url) / f"{name}.db"
        if urlsplit(url).scheme == "sqlite" and not file.exists():
            missing.append(f"{file}: is not there: {source.data} holds no marketplace, or not all of it")
    if missing:
        raise BadSettings(missing)


async def _must_be_still(settings: Settings, which: str, *, queues: bool = False) -> None:
    """No process of the house runs; and of a source, no event is on its way where it could not be carried."""
    wrong: list[str] = []
    found: Any = registry_at(settings.registry_url)
    line: Any = bus(settings, clock_of(settings.data, sandbox=settings.sandbox))
    try:
        if hasattr(found, "open"):
            await found.open()
            running = [one.url for name in (*SERVICES, "gateway") for one in found.instances(name)]
            wrong += [f"{which}: {url} is running: stop it first" for url in running]
        waiting, listeners = 0, 0
        if hasattr(line, "open"):
            await line.open()
            waiting, listeners = await line.left()
        if listeners and not wrong:
            wrong.append(f"{which}: {listeners} listeners are at its broker: stop the processes first")
        if queues:
            parked = await line.parked() if hasattr(line, "open") or parking_of(settings).exists() else []
            if parked:
                wrong.append(
                    f"{which}: {len(parked)} events are parked: replay or drop them (`hometrip events list`)"
                )
            if waiting:
                wrong.append(
                    f"{which}: {waiting} events wait in its broker: let its processes handle them first"
                )
    finally:
        await line.stop()
        await found.close()
    if wrong:
        raise BadSettings(wrong)


async def _must_be_up_to_date(source: Settings) -> None:
    """Every storage answers, and is of the schema of this code (one in a file is brought to it)."""
    wrong = []
    for name in SERVICES:
        opened = _storage(source, name)
        try:
            if hasattr(opened, "open"):
                await opened.open()
        except HomeTripError as error:
            wrong.append(f"{name}: {error.detail}")
        finally:
            await opened.close()
    if wrong:
        raise BadSettings([f"the source: {line}" for line in wrong])


Pairs = list[tuple[str, list[Lot], list[Lot]]]


@contextlib.asynccontextmanager
async def _pairs(source: Settings, target: Settings) -> AsyncIterator[Pairs]:
    """The content of every service's storage on both sides, where they are not the same place."""
    async with contextlib.AsyncExitStack() as stack:
        pairs: Pairs = []
        wrong: list[str] = []
        for name in SERVICES:
            if _place(source, name) == _place(target, name):
                continue
            both = []
            for settings in (source, target):
                opened = _storage(settings, name)
                stack.push_async_callback(opened.close)
                try:
                    if hasattr(opened, "open"):
                        await opened.open()
                except HomeTripError as error:
                    wrong.append(f"{name}: {error.detail}")
                both.append(lots_of(service_of(name), opened))
            pairs.append((name, both[0], both[1]))
        if wrong:
            raise BadSettings(wrong)
        yield pairs


def _storage(settings: Settings, name: str) -> Any:
    clock = clock_of(settings.data, sandbox=settings.sandbox)
    return storage(settings, kept_in(name), service_of(name), clock, ids(clock))


def _place(settings: Settings, name: str) -> str:
    port = kept_in(name)
    url = settings.engine(port, name)
    return url if urlsplit(url).scheme == "sqlite" else settings.storage_url(port, name)


async def _must_be_empty(pairs: Pairs) -> None:
    """Empty, or as an earlier move from this source left it."""
    strange = [
        f"{service}: {other.name}: the target holds other data than the source"
        for service, ours, theirs in pairs
        for one, other in zip(ours, theirs, strict=True)
        if await foreign(one, other)
    ]
    if strange:
        raise BadSettings(
            [*strange, "nothing is overwritten: name engines, or a name space in them, that hold nothing yet"]
        )


async def _carry(service: str, source: Lot, target: Lot, say: Say) -> None:
    told = 0

    def said(rows: int) -> None:
        nonlocal told
        if rows - told >= 10_000:
            told = rows
            say(f"      {service}: {target.name}: {rows} …")

    ours, theirs = await carry(source, target, said)
    if ours != theirs:
        raise BadSettings(
            [
                f"{service}: {target.name}: {ours.rows} rows (sum {ours.text}) were read, and there are "
                f"{theirs.rows} (sum {theirs.text}): does somebody else write there?"
            ]
        )
    if theirs.rows:
        say(f"ok    {service}: {target.name}: {theirs.rows} rows, sum {theirs.text}")


async def _move_files(source: Settings, target: Settings, say: Say) -> None:
    if source.blobs_url == target.blobs_url:
        say(f"ok    files stay where they are ({urlsplit(source.blobs_url).scheme})")
        return
    ours, theirs = blobs(source), blobs(target)
    try:
        for each in (ours, theirs):
            if opening := getattr(each, "open", None):
                await opening()
        count = size = 0
        async for key in ours.every_key():
            size += await _move_file(ours, theirs, key)
            count += 1
        say(f"ok    files: {count}, {size} bytes")
    finally:
        for each in (ours, theirs):
            if close := getattr(each, "close", None):
                await close()


async def _move_file(source: Blobs, target: Blobs, key: str) -> int:
    """A key never gets other content, so what is there is there."""
    blob, there = await asyncio.gather(source.get(key), target.get(key))
    assert blob is not None
    if there is None:
        await target.put(key, blob.content, blob.content_type)
        there = await target.get(key)
    if there != blob:
        raise BadSettings([f"files: {key}: the target holds another one; it was not overwritten"])
    return len(blob.content)


def _move_beside(source: Settings, target: Settings, say: Say) -> None:
    """Secrets seal what is in the storages: they go where those go, and before anybody makes others there."""
    if source.data == target.data:
        say(f"ok    secrets stay where they are, in {source.data}")
        return
    files = list(_files_in(source.data))
    if strange := [file for file in files if _differs(source.data / file, target.data / file)]:
        raise BadSettings(
            [f"{target.data / file}: is another one; nothing is overwritten" for file in strange]
        )
    for file in files:
        there = target.data / file
        there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if file.suffix == ".db":
            _copy_database(source.data / file, there)
        else:
            shutil.copy2(source.data / file, there)
    say(f"ok    secrets and what else lies in {source.data}: {len(files)} files")


def _files_in(folder: Path) -> Iterable[Path]:
    for name in BESIDE:
        there = folder / name
        for file in sorted(there.rglob("*")) if there.is_dir() else [there]:
            if file.is_file():
                yield file.relative_to(folder)


def _differs(one: Path, other: Path) -> bool:
    if not other.exists():
        return False
    if one.suffix == ".db":
        return _content(one) != _content(other)
    return one.read_bytes() != other.read_bytes()


def _content(file: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(file)) as link:
        return list(link.iterdump())


def _copy_database(file: Path, there: Path) -> None:
    """With what a process that was killed left in the log beside it."""
    with contextlib.closing(sqlite3.connect(file)) as link, contextlib.closing(sqlite3.connect(there)) as new:
        link.backup(new)

"""`hometrip backup` and `hometrip restore`: a data folder as it was at one moment, taken while it is in use.

A copy of one database after the other would not do: what one service has told another must be in both, or in
neither. So all of them are held for the moment in which each begins to be read, and no longer; files are
copied before it, and those that came since, in it. What can be made again is left out: the search index.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from hometrip.adapters.disk import sync
from hometrip.app.engines import parking_of
from hometrip.app.rooms import kept_in
from hometrip.app.settings import SERVICES, BadSettings, Settings, folder_of
from hometrip.app.timekeeping import CLOCK_FILE
from hometrip.app.version import VERSION
from hometrip.kernel.errors import Unavailable

Say = Callable[[str], None]

LIST = "backup.json"
# What lies in the data folder itself: keys that seal what is in the databases, and what the demo left.
BESIDE = ("secrets", CLOCK_FILE, "demo.json", "demo-done")
UNFINISHED = ".restoring"

# All databases must be had within so many seconds, else they are let go, so that the house goes on writing.
HELD_SECONDS, PAUSE_SECONDS, PATIENCE_SECONDS = 1.0, 0.5, 60.0
_SPIN_SECONDS = 0.0005


class Listed(msgspec.Struct, frozen=True):
    """What is in a backup: each file's SHA-256 by its path."""

    version: str
    at: datetime
    files: dict[str, str]


def back_up(settings: Settings, target: Path, say: Say) -> None:
    """Copy the folder to `target`, which is there once it is whole and on disk, and is a data folder itself.
    `BadSettings` names what is in the way; nothing is left behind then.
    """
    databases = _databases(settings)
    target = target.resolve()
    _must_be_free(target, [settings.data, *_folders(settings).values()])
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        folders = [(folder, fresh / name, set[str]()) for name, folder in _folders(settings).items()]
        for folder, there, copied in folders:
            _copy_new(folder, there, copied)
        with contextlib.ExitStack() as open_ones:
            with _held(databases.values()):
                at = datetime.now(UTC)
                readers = {name: _begin(open_ones, file) for name, file in databases.items()}
                for folder, there, copied in folders:
                    _copy_new(folder, there, copied)
                _copy_beside(settings.data, fresh)
            (fresh / "databases").mkdir(mode=0o700)
            for name, reader in readers.items():
                say(f"ok    {name}: {_copy_database(reader, fresh / 'databases' / f'{name}.db', name)} bytes")
        files = {name: _sum_of(fresh / name) for name in sorted(_names_in(fresh))}
        listed = Listed(VERSION, at, files)
        (fresh / LIST).write_bytes(msgspec.json.format(msgspec.json.encode(listed)))
        _to_disk(fresh)
        fresh.replace(target)
        sync(target.parent)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    say(f"ok    {target}: {len(files)} files, as of {at:%Y-%m-%d %H:%M:%S} UTC")
    if urlsplit(settings.blobs_url).scheme != "file":
        say(f"      files are not in it: they are kept elsewhere ({urlsplit(settings.blobs_url).scheme}:)")


def restore(source: Path, data: Path, say: Say) -> None:
    """Make `data`, which has nothing in it, what the backup holds; the backup is only read. `BadSettings`
    names every file that is not as it was written; nothing is restored then.
    """
    listed = _listed(source)
    wrong = [
        f"{source / name}: {'is damaged' if (source / name).is_file() else 'is missing'}"
        for name, known in listed.files.items()
        if not (source / name).is_file() or _sum_of(source / name) != known
    ]
    if wrong:
        raise BadSettings(wrong)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(data / UNFINISHED, ignore_errors=True)
    if any(data.iterdir()):
        raise BadSettings([f"HOMETRIP_DATA: {data} is not empty; nothing is overwritten: move it away first"])
    fresh = data / UNFINISHED
    try:
        for name in listed.files:
            there = fresh / name
            there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copy2(source / name, there)
        _to_disk(fresh)
        for part in sorted(fresh.iterdir(), key=lambda part: part.name == "databases"):
            part.replace(data / part.name)
        fresh.rmdir()
        sync(data)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    say(f"ok    {data}: {len(listed.files)} files, as of {listed.at:%Y-%m-%d %H:%M:%S} UTC")
    say(f"      made by HomeTrip {listed.version}; look at it with `hometrip verify`, or start it")


# what there is


def _databases(settings: Settings) -> dict[str, Path]:
    """Every database by name; `BadSettings` for those that are on a server, or missing."""
    found, wrong = dict[str, Path](), list[str]()
    for service in SERVICES:
        url = settings.engine(kept_in(service), service)
        file = folder_of(url) / f"{service}.db"
        if (scheme := urlsplit(url).scheme) != "sqlite":
            wrong.append(
                f"{service}: is kept on a server ({scheme}:): back it up with the server's own tools"
            )
        elif not file.is_file():
            wrong.append(f"{file}: is not there: {settings.data} holds no marketplace, or not all of it")
        found[service] = file
    if wrong:
        raise BadSettings(wrong)
    shared = (parking_of(settings), settings.data / "databases" / "sandbox-payments.db")
    return found | {file.stem: file for file in shared if file.is_file()}


def _folders(settings: Settings) -> dict[str, Path]:
    """Where files lie that are written once, by the name that their folder has in a data folder."""
    places = {"files": (settings.blobs_url, "file"), "mail": (settings.courier_url, "folder")}
    return {name: folder_of(url) for name, (url, kind) in places.items() if urlsplit(url).scheme == kind}


def _must_be_free(target: Path, data: Iterable[Path]) -> None:
    if any(target.is_relative_to(folder.resolve()) for folder in data):
        raise BadSettings([f"{target}: lies in the data; name a folder outside of it"])
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise BadSettings([f"{target}: is there already; nothing is overwritten"])


def _listed(source: Path) -> Listed:
    try:
        return msgspec.json.decode((source / LIST).read_bytes(), type=Listed)
    except OSError as reason:
        raise BadSettings([f"{source / LIST}: {reason.strerror}: this is no backup"]) from reason
    except msgspec.MsgspecError as reason:
        raise BadSettings([f"{source / LIST}: is damaged"]) from reason


# one moment of all databases


@contextlib.contextmanager
def _held(files: Iterable[Path]) -> Iterator[None]:
    """Nobody writes to any of them inside. `Unavailable` where they are not to be had."""
    paths, deadline = list(files), time.monotonic() + PATIENCE_SECONDS
    while True:
        with contextlib.ExitStack() as locks:
            ends = time.monotonic() + HELD_SECONDS
            if all(_locked(locks, path, ends) for path in paths):
                yield
                return
        if time.monotonic() > deadline:
            raise Unavailable("the databases are being written to without a pause: try again later")
        time.sleep(PAUSE_SECONDS)


def _locked(locks: contextlib.ExitStack, path: Path, ends: float) -> bool:
    """The engine's own way of waiting sleeps ever longer, and misses the pauses of a busy house."""
    link = locks.enter_context(contextlib.closing(_connect(path)))
    while True:
        try:
            link.execute("BEGIN IMMEDIATE")
            return True
        except sqlite3.OperationalError as refusal:
            if refusal.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise Unavailable(f"{path}: {refusal}") from refusal
            if time.monotonic() > ends:
                return False
        time.sleep(_SPIN_SECONDS)


def _begin(stack: contextlib.ExitStack, path: Path) -> sqlite3.Connection:
    """A connection that sees what is committed now, whatever comes later."""
    link = stack.enter_context(contextlib.closing(_connect(path)))
    link.execute("BEGIN")
    link.execute("SELECT count(*) FROM sqlite_master").fetchall()
    return link


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=0
        )
    except sqlite3.Error as reason:
        raise Unavailable(f"{path}: {reason}") from reason


# copying


def _copy_database(reader: sqlite3.Connection, there: Path, name: str) -> int:
    """`BadSettings` where it is damaged: a backup of that would replace one that is whole."""
    try:
        with contextlib.closing(sqlite3.connect(there)) as fresh:
            there.chmod(0o600)
            reader.backup(fresh)
            found = [row[0] for row in fresh.execute("PRAGMA integrity_check(3)").fetchall()]
    except sqlite3.OperationalError as reason:
        raise Unavailable(f"{there}: {reason}") from reason
    except sqlite3.DatabaseError as reason:
        found = [str(reason)]
    if found != ["ok"]:
        raise BadSettings([f"{name}: the database is damaged: {line}" for line in found])
    return there.stat().st_size


def _copy_new(folder: Path, there: Path, copied: set[str]) -> None:
    """A file is written whole under a name that begins with a dot, and never changes once it has its own."""
    for name in sorted(_names_in(folder) - copied):
        copy = there / name
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # deleted since
            shutil.copy2(folder / name, copy)
        copied.add(name)


def _names_in(folder: Path) -> set[str]:
    """Of the files that have their own name; there may be very many."""
    found, start = set[str](), len(str(folder)) + 1
    for there, _, names in os.walk(folder):
        within = f"{there}/"[start:]
        found.update(within + name for name in names if not name.startswith("."))
    return found


def _copy_beside(data: Path, there: Path) -> None:
    for name in BESIDE:
        if (data / name).is_dir():
            _copy_new(data / name, there / name, set())
        elif (data / name).exists():
            shutil.copy2(data / name, there / name)


def _sum_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _to_disk(folder: Path) -> None:
    for there, _, names in os.walk(folder):
        for name in names:
            sync(Path(there) / name)
        sync(Path(there))

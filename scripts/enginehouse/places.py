"""Where engines are kept and run: the cache of what was built, a folder for every set, locks, ports."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Below the ports that the kernel hands to clients: while an engine is down, nobody gets its port by chance,
# and a client that keeps trying it cannot end up connected to itself.
PORTS = range(20_000, 32_000)


class Trouble(Exception):
    """What went wrong, in words for whoever ran the command."""

    exit_code = 1


class NotInstalled(Trouble):
    """The engine must be got first; tests skip on this code."""

    exit_code = 3


def cache() -> Path:
    """Where built and downloaded engines are kept."""
    given = os.environ.get("HOMETRIP_ENGINES_HOME")
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(given) if given else caches / "hometrip-engines"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sets() -> Path:
    """Where running sets lie: not in a home folder, which the engines' own users may not enter. Tests may
    have them in memory, where no engine waits for its disk.
    """
    folder = Path(os.environ.get("HOMETRIP_ENGINES_SETS", "/var/tmp")) / f"hometrip-engines-{os.getuid()}"
    folder.mkdir(mode=0o711, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise Trouble(f"{folder} belongs to somebody else")
    folder.chmod(0o711)
    return folder


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """One process at a time; a process that dies lets go."""
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@dataclass
class Place:
    """One engine's place in a set: its folder, its ports by name, the set's password, and what runs there."""

    folder: Path
    secret: str
    ports: dict[str, int]
    pid: int = 0
    born: int = 0
    user: str = ""

    @property
    def port(self) -> int:
        return self.ports["main"]

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def last_lines(self, number: int = 15) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-number:])

    def running(self) -> bool:
        """Whether the very process that was started is alive; its number may be another's by now."""
        return bool(self.pid) and born(self.pid) == self.born


@dataclass(frozen=True)
class EngineSet:
    """Engines that run together, apart from every other set."""

    name: str
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        if not self.name.replace("-", "").replace("_", "").isalnum():
            raise Trouble(f"{self.name!r} is not a name for a set: letters, digits, - and _")
        folder = sets() / self.name
        folder.mkdir(mode=0o711, exist_ok=True)
        object.__setattr__(self, "folder", folder)

    def lock(self, engine: str) -> contextlib.AbstractContextManager[None]:
        return locked(self.folder / f"{engine}.lock")

    def find(self, engine: str) -> Place | None:
        """The engine's place, if it was ever started in this set."""
        try:
            kept = json.loads(self._state(engine).read_text())
        except FileNotFoundError:
            return None
        return Place(self.folder / engine, self.secret(), kept["ports"], kept["pid"], kept["born"])

    def make(self, engine: str, ports: tuple[str, ...]) -> Place:
        """The engine's place with these ports, which it has from then on; those that it has already stay."""
        with locked(sets() / "ports.lock"):
            states = [json.loads(state.read_text()) for state in sets().glob("*/*.json")]
            taken = {port for state in states for port in state["ports"].values()}
            place = self.find(engine) or Place(self.folder / engine, self.secret(), {})
            for name in ports:
                if name not in place.ports:
                    place.ports[name] = _free_port(taken | set(place.ports.values()))
            place.folder.mkdir(mode=0o700, exist_ok=True)
            self.keep(engine, place)
        return place

    def keep(self, engine: str, place: Place) -> None:
        state, new = self._state(engine), self.folder / f"{engine}.new"
        new.write_text(json.dumps({"pid": place.pid, "born": place.born, "ports": place.ports}) + "\n")
        new.replace(state)

    def forget(self, engine: str) -> None:
        """Removes the engine's data and lets its ports go."""
        shutil.rmtree(self.folder / engine, ignore_errors=True)
        self._state(engine).unlink(missing_ok=True)

    def remove(self) -> None:
        """The folder too, once all engines are forgotten."""
        shutil.rmtree(self.folder)

    def secret(self) -> str:
        """The password of every engine of the set, made when first asked for."""
        file = self.folder / "secret"
        with self.lock("secret"):
            if not file.exists():
                with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False) as new:
                    new.write(secrets.token_hex(16))
                Path(new.name).replace(file)
        return file.read_text()

    def _state(self, engine: str) -> Path:
        return self.folder / f"{engine}.json"


def born(pid: int) -> int:
    """When the process began, in the kernel's ticks; 0 where there is none, or only its remains."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    parts = stat.rpartition(")")[2].split()
    return 0 if parts[0] in "ZX" else int(parts[19])


def _free_port(taken: set[int]) -> int:
    for port in random.sample(PORTS, len(PORTS)):
        if port in taken:
            continue
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port
    raise Trouble("no port is free")

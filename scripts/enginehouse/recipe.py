"""What every engine's recipe says; the recipes themselves are in debian.py, built.py and
downloaded.py."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

from places import Place, Trouble


class Recipe:
    """How to get one engine, run it on loopback in a folder of its own, and use it."""

    name: str
    # What it is for, and whence it comes.
    purpose: str
    # None for what is a program only: whoever uses it starts it.
    ports: tuple[str, ...] = ("main",)
    # Whom it runs as where we are root; whoever runs the script otherwise.
    user: str = ""
    # Seconds until it must answer, and until it must be gone when it is asked to stop.
    patience: float = 30
    stop_patience: float = 20
    stop_signal: signal.Signals = signal.SIGTERM

    def installed(self) -> bool:
        raise NotImplementedError

    def packages(self) -> tuple[str, ...]:
        """Debian's packages that it needs and that may be missing, asked for where it is not installed."""
        return ()

    def get(self) -> None:
        """Builds or downloads it into the cache; its packages are there already."""

    def prepare(self, place: Place) -> None:
        """Makes what the engine needs before its first start: must be fit to run again after a crash."""

    def command(self, place: Place) -> list[str]:
        raise NotImplementedError

    def environment(self, place: Place) -> dict[str, str]:
        return {}

    def answers(self, place: Place) -> bool:
        """Whether it can be used. May raise OSError or ValueError, which mean no."""
        raise NotImplementedError

    def finish(self, place: Place) -> None:
        """What is left to do once it answers; runs after every start."""

    def program(self) -> Path:
        """Where the program of that name is, for engines that are one file."""
        raise Trouble(f"{self.name} is a server: scripts/engines start {self.name}")

    def settings(self, place: Place) -> dict[str, str]:
        """What uses it. The first value is its url; names that begin with HOMETRIP_TEST_ are for tests."""
        raise NotImplementedError


def account(user: str) -> dict[str, str | int | list[str]]:
    """The arguments that make `subprocess` run something as this user, where we may."""
    if not user or os.getuid():
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def surroundings(place: Place, more: dict[str, str]) -> dict[str, str]:
    """Nothing of ours but the search path: an engine does not read the settings of whoever starts it."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": str(place.folder), "LANG": "C.UTF-8"} | more


def run(recipe: Recipe, place: Place, *command: str, **more: str) -> None:
    """Runs a tool of the engine as the engine's user; its words go to the engine's log."""
    with place.log.open("ab") as log:
        subprocess.run(
            command,
            check=True,
            cwd=place.folder,
            env=surroundings(place, more),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **account(recipe.user),  # type: ignore[call-overload]
        )


def write(recipe: Recipe, file: Path, text: str) -> None:
    """A file that only the engine's user reads."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)
    if recipe.user and not os.getuid():
        os.chown(file, pwd.getpwnam(recipe.user).pw_uid, pwd.getpwnam(recipe.user).pw_gid)


def talk(port: int, said: bytes, at_least: int = 1) -> bytes:
    """The beginning of what it answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as line:
        line.sendall(said)
        heard = b""
        while len(heard) < at_least and (more := line.recv(4096)):
            heard += more
        return heard


def fetch(port: int, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> bytes:
    """Raises OSError unless the answer is a good one."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, headers=headers or {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as answer:
        return bytes(answer.read())

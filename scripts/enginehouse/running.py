"""Starting and stopping one engine of a set. Whoever comes at the same time waits for the engine's lock."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable

from places import EngineSet, NotInstalled, Place, Trouble, born
from recipe import Recipe, account, surroundings

NO = (OSError, ValueError, subprocess.CalledProcessError)
# How long an engine may take to end whose data is removed then.
FORGOTTEN_SECONDS = 1.0


def start(engines: EngineSet, recipe: Recipe) -> Place:
    """The engine answers when this returns: on the ports and with the data that it had before, if any."""
    if not recipe.ports:
        raise Trouble(f"{recipe.name} is a program, not a server: whoever uses it starts it")
    if not recipe.installed():
        raise NotInstalled(f"{recipe.name} is not installed: scripts/engines get {recipe.name}")
    with engines.lock(recipe.name):
        place = engines.make(recipe.name, recipe.ports)
        until = time.monotonic() + recipe.patience
        if not place.running():
            _launch(engines, recipe, place)
        while not _answers(recipe, place):
            if time.monotonic() > until:
                raise Trouble(
                    f"{recipe.name} does not answer after {recipe.patience:.0f} s\n{place.last_lines()}"
                )
            time.sleep(0.05)
            if not place.running():
                # PostgreSQL, for one, refuses to start while what a killed one left behind is still ending.
                time.sleep(0.5)
                _launch(engines, recipe, place)
        recipe.finish(place)
        return place


def stop(engines: EngineSet, recipe: Recipe, patience: float | None = None) -> bool:
    """Whether there was something to stop. It is given so many seconds (its own) to end by itself."""
    with engines.lock(recipe.name):
        place = engines.find(recipe.name)
        if place is None or not place.running():
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(place.pid, recipe.stop_signal)
        if not _within(patience or recipe.stop_patience, lambda: not place.running()):
            _kill(place)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(place.pid, signal.SIGKILL)  # what it left behind in its own group
        return True


def kill(engines: EngineSet, recipe: Recipe) -> None:
    """As a power cut would: no goodbye, nothing written."""
    with engines.lock(recipe.name):
        place = engines.find(recipe.name)
        if place is None or not place.running():
            raise Trouble(f"{recipe.name} does not run in the set {engines.name}")
        _kill(place)


def forget(engines: EngineSet, recipe: Recipe) -> None:
    """What it would still write is removed anyway."""
    stop(engines, recipe, FORGOTTEN_SECONDS)
    with engines.lock(recipe.name):
        engines.forget(recipe.name)


def _launch(engines: EngineSet, recipe: Recipe, place: Place) -> None:
    if recipe.user and not os.getuid():
        found = pwd.getpwnam(recipe.user)
        os.chown(place.folder, found.pw_uid, found.pw_gid)
    recipe.prepare(place)
    with place.log.open("ab") as log:
        started = subprocess.Popen(
            recipe.command(place),
            cwd=place.folder,
            env=surroundings(place, recipe.environment(place)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a ctrl-C meant for us is not meant for it
            **account(recipe.user),  # type: ignore[call-overload]
        )
    place.pid, place.born = started.pid, born(started.pid)
    engines.keep(recipe.name, place)


def _answers(recipe: Recipe, place: Place) -> bool:
    try:
        return place.running() and recipe.answers(place)
    except NO:
        return False


def _kill(place: Place) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(place.pid, signal.SIGKILL)
    if not _within(10, lambda: not place.running()):
        raise Trouble(f"process {place.pid} does not go, even when killed")


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True

"""Getting engines: Debian's packages by apt-get, everything else into the cache."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from places import Trouble, cache, locked
from recipe import Recipe


def get(recipes: list[Recipe]) -> None:
    """Those that are there already cost nothing. Raises `Trouble` that names all that could not be had."""
    with locked(cache() / "get.lock"):
        for half in cache().glob("making-*"):  # by one who was ended
            shutil.rmtree(half, ignore_errors=True)
        wanted = [recipe for recipe in recipes if not recipe.installed()]
        packages = [name for recipe in wanted for name in recipe.packages()]
        failed = []
        if packages:
            with told(", ".join(packages)):
                failed += _tried(lambda: _packages(packages), "Debian's packages")
        for recipe in wanted:
            if not recipe.installed() and not recipe.packages():
                with told(recipe.name):
                    failed += _tried(recipe.get, recipe.name)
    failed += [f"{recipe.name} could not be had" for recipe in wanted if not recipe.installed()]
    if failed:
        raise Trouble("\n".join(failed))


def call(*command: str, folder: Path | None = None, **environment: str) -> None:
    """Runs a tool; what it says is shown only where it fails."""
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=folder,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        raise Trouble(f"needs {command[0]}, which is not installed") from None
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-15:])
        raise Trouble(f"{' '.join(command)} ended with {done.returncode}:\n{last}")


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Says what is being waited for, and how long it took."""
    say(f"Getting {what}")
    began = time.monotonic()
    yield
    say(f"Getting {what} took {time.monotonic() - began:.0f} s")


def _tried(step: Callable[[], None], what: str) -> list[str]:
    try:
        step()
    except (Trouble, OSError) as reason:
        return [f"{what}: {reason}"]
    return []


def _packages(names: list[str]) -> None:
    if not shutil.which("apt-get"):
        raise Trouble(f"there is no apt-get here; install {', '.join(names)} as this system does")
    rights = () if not os.getuid() else ("sudo",)
    with _no_services(names):
        call(*rights, "apt-get", "update", "-q")
        call(
            *rights,
            "apt-get",
            "install",
            "-y",
            "-q",
            "--no-install-recommends",
            *names,
            DEBIAN_FRONTEND="noninteractive",
        )


@contextlib.contextmanager
def _no_services(names: list[str]) -> Iterator[None]:
    """The packages would start services of their own, now and at every boot, on the usual ports.
    Those of packages that were there before are somebody's, and left alone."""
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not os.getuid() and not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            policy.unlink(missing_ok=True)
        if Path("/run/systemd/system").exists():
            rights = () if not os.getuid() else ("sudo",)
            for name in names:
                with contextlib.suppress(Trouble):  # a package without a service
                    call(*rights, "systemctl", "disable", "--now", name)

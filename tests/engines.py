"""Real engines for tests, started through scripts/engines when first asked for. They stay up, and all test
processes share them: use names of your own (a database, a vhost, a prefix) in them.

Where an engine is not installed, the test is skipped and says how to get it; in CI it fails.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "engines"
NOT_INSTALLED = 3
# Engines that somebody else runs: used as they are, and never killed.
GIVEN = {"mongo": "HOMETRIP_TEST_MONGODB_URL"}

_known: dict[str, dict[str, str]] = {}


def url_of(name: str) -> str:
    """Where the engine answers, with the account to use: postgresql://…, amqp://…, redis://…"""
    return next(iter(settings_of(name).values()))


def settings_of(name: str) -> dict[str, str]:
    """The settings that use the engine (`HOMETRIP_BUS_URL`, …), and what else tests want to know of it
    (`HOMETRIP_TEST_RABBITMQ_MANAGEMENT_URL`, …)."""
    if name in _known:
        return _known[name]
    if given := os.environ.get(GIVEN.get(name, "")):
        return {"HOMETRIP_DOCUMENTS_URL": given}
    return start(name)


def start(name: str) -> dict[str, str]:
    """Starts it where it is down: on the same port and with the same data as before. Gives its settings."""
    _known[name] = dict(line.split("=", 1) for line in _script("start", name).splitlines())
    return _known[name]


def kill(name: str) -> None:
    """Ends it without a goodbye. Whoever kills an engine starts it again before the test ends."""
    _own(name)
    _script("kill", name)


def stop(name: str) -> None:
    """Ends it as its operator would; its data stays."""
    _own(name)
    _script("stop", name)


def restart(name: str) -> None:
    """Ends it as its operator would and starts it again."""
    _own(name)
    _script("restart", name)


def program_of(name: str) -> Path:
    """Where the program is, of what tests start themselves: nginx, node."""
    return Path(_script("program", name).strip())


def _own(name: str) -> None:
    if os.environ.get(GIVEN.get(name, "")):
        pytest.skip(f"{name} is not ours to end: {GIVEN[name]} names it")


def _script(command: str, name: str) -> str:
    done = subprocess.run(
        [SCRIPT, command, name],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
    )
    if done.returncode == NOT_INSTALLED and not os.environ.get("CI"):
        pytest.skip(f"{name} is not installed: scripts/engines get {name}")
    if done.returncode:
        pytest.fail(done.stderr.strip(), pytrace=False)
    return done.stdout

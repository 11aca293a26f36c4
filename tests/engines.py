"""Real engines for tests, started through scripts/engines when first asked for. They stay up, and all test
processes share them: use names of your own (a database, a vhost, a prefix) in them. A test that ends an
engine takes `engines_of_its_own`, so that others do not lose theirs.

Where an engine is not installed, the test is skipped and says how to get it; in CI it fails.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "engines"
NOT_INSTALLED = 3
# Engines that somebody else runs: used as they are, and never ended.
GIVEN = {"mongo": "HOMETRIP_TEST_MONGODB_URL"}


class Engines:
    """One set of engines. Asking for what runs already costs nothing after the first time in this process."""

    def __init__(self, name: str = "") -> None:
        self.name, self._which = name, ["--set", name] if name else []
        self._known: dict[str, dict[str, str]] = {}

    def url_of(self, name: str) -> str:
        """Where the engine answers, with the account to use: postgresql://…, amqp://…, redis://…"""
        return next(iter(self.settings_of(name).values()))

    def settings_of(self, name: str) -> dict[str, str]:
        """The settings that use the engine (`HOMETRIP_BUS_URL`, …), and what else tests want to know of it
        (`HOMETRIP_TEST_RABBITMQ_MANAGEMENT_URL`, `HOMETRIP_TEST_JAEGER_URL`).
        """
        if name in self._known:
            return self._known[name]
        if given := os.environ.get(GIVEN.get(name, "")):
            return {"HOMETRIP_DOCUMENTS_URL": given}
        return self.start(name)

    def start(self, name: str) -> dict[str, str]:
        """Starts it where it is down: on the same port and with the same data as before. Gives its
        settings.
        """
        self._known[name] = dict(line.split("=", 1) for line in self._run("start", name).splitlines())
        return self._known[name]

    def kill(self, name: str) -> None:
        """Ends it without a goodbye."""
        self._run("kill", name)

    def stop(self, name: str) -> None:
        """Ends it as its operator would; its data stays."""
        self._run("stop", name)

    def restart(self, name: str) -> None:
        """Ends it as its operator would and starts it again."""
        self._run("restart", name)

    def forget(self) -> None:
        """Ends all of the set and removes their data."""
        self._run("stop", "--forget")

    def _run(self, command: str, *names: str) -> str:
        for name in names:
            if command != "start" and os.environ.get(GIVEN.get(name, "")):
                pytest.skip(f"{name} is not ours to end: {GIVEN[name]} names it")
        return _script(command, *names, *self._which)


shared = Engines()
url_of = shared.url_of
settings_of = shared.settings_of
start = shared.start
kill = shared.kill
stop = shared.stop
restart = shared.restart


@contextmanager
def engines_of_its_own() -> Iterator[Engines]:
    """A set that nobody else uses, gone afterwards: for tests that end engines, or want them empty."""
    engines = Engines(f"test-{uuid4().hex[:12]}")
    try:
        yield engines
    finally:
        engines.forget()


def program_of(name: str) -> Path:
    """Where the program is, of what tests start themselves: nginx, node."""
    return Path(_script("program", name).strip())


def _script(*words: str) -> str:
    done = subprocess.run(
        [SCRIPT, *words], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110
    )
    if done.returncode == NOT_INSTALLED and not os.environ.get("CI"):
        pytest.skip(done.stderr.strip())
    if done.returncode:
        pytest.fail(done.stderr.strip(), pytrace=False)
    return done.stdout

"""What every test of the app may rely on."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

NAMES = ("hometrip.http", "asyncio", "PIL", "tzfpy", "aiosqlite")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands set the logging of the whole process: afterwards it is as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    known = {name: logging.getLogger(name) for name in NAMES}
    was = {name: (log.level, log.propagate, list(log.handlers)) for name, log in known.items()}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, log in known.items():
        level, log.propagate, log.handlers[:] = was[name]
        log.setLevel(level)

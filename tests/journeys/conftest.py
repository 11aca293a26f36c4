"""What several journeys start from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from server import Server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A marketplace in a process of its own, with its demo."""
    server = Server(tmp_path_factory.mktemp("served") / "data", "--no-demo")
    asyncio.run(server.start_with_demo())
    yield server
    server.end()

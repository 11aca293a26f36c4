"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from harness import TestHouse, house_in

settings.register_profile(
    "quick", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("quick")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[TestHouse]:
    async with house_in(tmp_path) as opened:
        yield opened


@pytest.fixture(params=["local", "loopback"])
async def either_house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TestHouse]:
    """The same test under both runners."""
    async with house_in(tmp_path, loopback=request.param == "loopback") as opened:
        yield opened

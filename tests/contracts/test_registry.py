"""What every registry promises."""

from __future__ import annotations

import pytest

from hometrip.adapters.registry.static import StaticRegistry
from hometrip.ports.registry import Instance, Registry

ADAPTERS = {"adapters.registry.static": StaticRegistry}
ONE = Instance("booking", "booking-1", "http://127.0.0.1:4004")
TWO = Instance("booking", "booking-2", "http://127.0.0.1:4104")


@pytest.fixture(params=ADAPTERS)
def registry(request: pytest.FixtureRequest) -> Registry:
    return ADAPTERS[request.param]()


async def test_an_instance_is_found_from_its_registration_until_it_leaves(registry: Registry) -> None:
    await registry.register(ONE)
    await registry.register(TWO)
    assert registry.instances("booking") == [ONE, TWO]
    await registry.leave(ONE)
    assert registry.instances("booking") == [TWO]


async def test_a_service_that_nobody_registered_has_no_instances(registry: Registry) -> None:
    await registry.register(ONE)
    assert registry.instances("search") == []


async def test_registering_twice_is_one_instance_and_leaving_twice_is_harmless(registry: Registry) -> None:
    await registry.register(ONE)
    await registry.register(ONE)
    assert registry.instances("booking") == [ONE]
    await registry.leave(ONE)
    await registry.leave(ONE)
    assert registry.instances("booking") == []

"""Counting for limits by a meter: most hits cost the cache nothing, and no limit is passed for it."""

from __future__ import annotations

import asyncio

import pytest

from app.waiting import until
from hometrip.adapters.cache.memory import MemoryCache
from hometrip.adapters.clock.system import SystemClock
from hometrip.app.edge import meter as edge_meter
from hometrip.app.edge.meter import PART, Meter
from hometrip.kernel.errors import Unavailable
from hometrip.ports.cache import Allowance


class Asked(MemoryCache):
    """Notes what is asked of it; `away` is how it is when it cannot be reached."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.costs: list[int] = []
        self.away = False

    async def hit(self, key: str, limit: int, seconds: float, cost: int = 1) -> Allowance:
        if self.away:
            raise Unavailable
        self.costs.append(cost)
        return await super().hit(key, limit, seconds, cost)


async def hit(meter: Meter, limit: int, key: str = "k") -> Allowance:
    return meter.hit_at_once(key, limit, 900) or await meter.hit(key, limit, 900)


@pytest.mark.parametrize("limit", [1, 3, 20, 100, 1000])
async def test_exactly_as_many_are_allowed_as_the_limit_says(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_meter, "TELL_SECONDS", 0.005)
    cache = Asked()
    meter = Meter(cache)
    allowed = 0
    while (await hit(meter, limit)).allowed:
        allowed += 1
        await asyncio.sleep(0)
        if allowed % 40 == 0:
            await until(lambda: not meter._given)
    assert allowed == limit
    await meter.close()


async def test_the_cache_is_asked_once_for_many_hits_and_told_of_all() -> None:
    cache = Asked()
    meter = Meter(cache)
    remaining = [(await hit(meter, 1_000_000)).remaining for _ in range(500)]
    assert remaining == list(range(999_999, 999_499, -1))
    assert cache.costs == [1]
    await until(lambda: sum(cache.costs) == 500)
    assert len(cache.costs) == 2
    await meter.close()


@pytest.mark.parametrize("gateways", [2, 4])
async def test_several_gateways_pass_a_limit_by_what_each_gave_out_of_it_at_most(gateways: int) -> None:
    cache = Asked()
    meters = [Meter(cache) for _ in range(gateways)]
    allowed = 0
    for _ in range(600):
        for meter in meters:
            allowed += (await hit(meter, 400)).allowed
        await asyncio.sleep(0.0005)
    for meter in meters:
        await meter.close()
    assert 400 <= allowed <= 400 + gateways * 400 // PART


async def test_a_key_of_another_limit_is_asked_for_anew() -> None:
    cache = Asked()
    meter = Meter(cache)
    await hit(meter, 1000)
    assert meter.hit_at_once("k", 1000, 900) is not None
    assert meter.hit_at_once("k", 2000, 900) is None
    assert meter.hit_at_once("other", 1000, 900) is None
    await meter.close()


async def test_while_the_cache_is_away_nothing_is_given_out_for_long() -> None:
    cache = Asked()
    meter = Meter(cache)
    await hit(meter, 1000)
    cache.away = True
    assert meter.hit_at_once("k", 1000, 900) is not None
    await until(lambda: meter.hit_at_once("k", 1000, 900) is None)
    with pytest.raises(Unavailable):
        await meter.hit("k", 1000, 900)
    await meter.close()

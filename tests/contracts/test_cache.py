"""What every cache promises, whichever technology is behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hometrip.adapters.cache.memory import PARTS, MemoryCache
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.kernel.clock import utc
from hometrip.ports.cache import Cache

MANY = 200


def memory(clock: MovableClock) -> Cache:
    return MemoryCache(clock)


ADAPTERS: dict[str, Callable[[MovableClock], Cache]] = {"memory": memory}


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(SystemClock(), frozen_at=utc(2027, 3, 1))


@pytest.fixture(params=ADAPTERS)
async def cache(request: pytest.FixtureRequest, clock: MovableClock) -> AsyncIterator[Cache]:
    opened = ADAPTERS[request.param](clock)
    yield opened
    await opened.close()


def pass_by(clock: MovableClock, seconds: float) -> None:
    clock.move_to(clock.now() + timedelta(seconds=seconds))


# values


async def test_what_was_put_is_there_until_its_end(cache: Cache, clock: MovableClock) -> None:
    await cache.put("k", b"v", 10)
    pass_by(clock, 9.9)
    assert await cache.get("k") == b"v"
    pass_by(clock, 0.1)
    assert await cache.get("k") is None
    assert await cache.take("k") is None


async def test_putting_again_replaces_the_value_and_its_end(cache: Cache, clock: MovableClock) -> None:
    await cache.put("k", b"old", 10)
    await cache.put("k", b"new", 100)
    pass_by(clock, 50)
    assert await cache.get("k") == b"new"


async def test_a_value_without_any_time_to_live_is_not_there(cache: Cache) -> None:
    await cache.put("k", b"v", 10)
    await cache.put("k", b"v", 0)
    assert await cache.get("k") is None


async def test_a_deleted_value_is_gone_and_deleting_nothing_is_fine(cache: Cache) -> None:
    await cache.put("k", b"v", 10)
    await cache.delete("k")
    await cache.delete("k")
    assert await cache.get("k") is None


async def test_keys_do_not_touch_each_other(cache: Cache) -> None:
    await cache.put("a", b"1", 10)
    await cache.put("b", b"2", 10)
    await cache.delete("a")
    assert await cache.get("b") == b"2"


async def test_values_are_copied_in(cache: Cache) -> None:
    value = bytearray(b"before")
    await cache.put("k", bytes(value), 10)
    value[:] = b"after!"
    assert await cache.get("k") == b"before"


async def test_any_bytes_come_back_as_they_were(cache: Cache) -> None:
    every = bytes(range(256)) * 40
    await cache.put("k", every, 10)
    assert await cache.get("k") == every


async def test_add_puts_only_where_there_is_nothing_alive(cache: Cache, clock: MovableClock) -> None:
    assert await cache.add("k", b"first", 10)
    assert not await cache.add("k", b"second", 10)
    assert await cache.get("k") == b"first"
    pass_by(clock, 10)
    assert await cache.add("k", b"third", 10)
    assert await cache.get("k") == b"third"


async def test_of_many_that_add_at_once_one_wins_and_its_value_stays(cache: Cache) -> None:
    won = await asyncio.gather(*(cache.add("k", str(n).encode(), 10) for n in range(MANY)))
    assert won.count(True) == 1
    assert await cache.get("k") == str(won.index(True)).encode()


async def test_of_many_that_take_at_once_one_gets_the_value(cache: Cache) -> None:
    await cache.put("k", b"the one", 10)
    taken = await asyncio.gather(*(cache.take("k") for _ in range(MANY)))
    assert [value for value in taken if value is not None] == [b"the one"]


# limits


async def test_as_many_hits_as_the_limit_are_allowed_and_no_more(cache: Cache) -> None:
    seen = [await cache.hit("k", 3, 60) for _ in range(5)]
    assert [one.allowed for one in seen] == [True, True, True, False, False]
    assert [one.remaining for one in seen] == [2, 1, 0, 0, 0]
    assert {one.limit for one in seen} == {3}


async def test_of_many_hits_at_once_exactly_the_limit_pass(cache: Cache) -> None:
    seen = await asyncio.gather(*(cache.hit("k", 50, 60) for _ in range(MANY)))
    assert sum(one.allowed for one in seen) == 50


async def test_a_window_slides(cache: Cache, clock: MovableClock) -> None:
    assert (await cache.hit("k", 2, 60)).allowed
    pass_by(clock, 40)
    assert (await cache.hit("k", 2, 60)).allowed
    pass_by(clock, 19)
    assert not (await cache.hit("k", 2, 60)).allowed
    pass_by(clock, 1)
    assert (await cache.hit("k", 2, 60)).allowed
    assert not (await cache.hit("k", 2, 60)).allowed


async def test_refused_hits_do_not_prolong_the_wait(cache: Cache, clock: MovableClock) -> None:
    await cache.hit("k", 1, 60)
    for _ in range(5):
        pass_by(clock, 11)
        assert not (await cache.hit("k", 1, 60)).allowed
    pass_by(clock, 5)
    assert (await cache.hit("k", 1, 60)).allowed


async def test_after_reset_after_all_may_pass_again(cache: Cache, clock: MovableClock) -> None:
    for _ in range(4):
        pass_by(clock, 7)
        await cache.hit("k", 3, 60)
    refused = await cache.hit("k", 3, 60)
    assert not refused.allowed
    assert 0 < refused.reset_after <= 60
    pass_by(clock, refused.reset_after)
    assert [(await cache.hit("k", 3, 60)).allowed for _ in range(4)] == [True, True, True, False]


async def test_a_hit_may_cost_more_than_one_and_passes_whole_or_not_at_all(cache: Cache) -> None:
    assert (await cache.hit("k", 10, 60, cost=7)).allowed
    assert not (await cache.hit("k", 10, 60, cost=4)).allowed
    assert (await cache.hit("k", 10, 60, cost=3)).remaining == 0


async def test_a_hit_that_costs_nothing_only_looks(cache: Cache) -> None:
    assert (await cache.hit("k", 2, 60, cost=0)).remaining == 2
    await cache.hit("k", 2, 60)
    looks = [await cache.hit("k", 2, 60, cost=0) for _ in range(5)]
    assert {one.remaining for one in looks} == {1}
    await cache.hit("k", 2, 60)
    full = await cache.hit("k", 2, 60, cost=0)
    assert full.remaining == 0
    assert full.reset_after > 0


async def test_a_forgiven_key_starts_afresh(cache: Cache) -> None:
    await cache.hit("k", 1, 60)
    await cache.hit("other", 1, 60)
    await cache.forgive("k")
    assert (await cache.hit("k", 1, 60)).allowed
    assert not (await cache.hit("other", 1, 60)).allowed


async def test_limits_and_values_of_the_same_name_are_apart(cache: Cache) -> None:
    await cache.put("k", b"v", 60)
    await cache.hit("k", 1, 60)
    await cache.delete("k")
    assert not (await cache.hit("k", 1, 60)).allowed


# announcements


async def test_every_listener_of_a_channel_hears_each_announcement_in_order(cache: Cache) -> None:
    heard: dict[str, list[bytes]] = {"a": [], "b": [], "elsewhere": []}
    all_heard = asyncio.Event()

    def last(message: bytes) -> None:
        heard["b"].append(message)
        if len(heard["b"]) == 3:
            all_heard.set()

    cache.hear("news", heard["a"].append)
    cache.hear("news", last)
    cache.hear("other", heard["elsewhere"].append)
    for message in (b"1", b"2", b"3"):
        await cache.announce("news", message)
    async with asyncio.timeout(5):
        await all_heard.wait()
    assert heard == {"a": [b"1", b"2", b"3"], "b": [b"1", b"2", b"3"], "elsewhere": []}


async def test_what_was_announced_before_listening_is_missed(cache: Cache) -> None:
    heard: list[bytes] = []
    came = asyncio.Event()
    await cache.announce("news", b"early")

    def listen(message: bytes) -> None:
        heard.append(message)
        came.set()

    cache.hear("news", listen)
    await cache.announce("news", b"late")
    async with asyncio.timeout(5):
        await came.wait()
    assert heard == [b"late"]


async def test_a_cache_says_that_it_is_ready(cache: Cache) -> None:
    await cache.ready()


# the memory cache alone


async def test_the_memory_drops_what_was_not_used_for_longest(clock: MovableClock) -> None:
    cache = MemoryCache(clock, most=3)
    for key in ("a", "b", "c"):
        await cache.put(key, b"v", 60)
    await cache.get("a")
    await cache.put("d", b"v", 60)
    kept = [key for key in ("a", "b", "c", "d") if await cache.get(key)]
    assert kept == ["a", "c", "d"]


async def test_values_never_push_out_limits(clock: MovableClock) -> None:
    cache = MemoryCache(clock, most=3)
    await cache.hit("guesses", 1, 60)
    for key in range(50):
        await cache.put(str(key), b"v", 60)
    assert not (await cache.hit("guesses", 1, 60)).allowed


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 4)), max_size=120), st.integers(1, 20))
async def test_no_window_ever_holds_more_than_its_limit_and_a_hit_is_forgotten_in_time(
    steps: list[tuple[float, int]], limit: int
) -> None:
    clock = MovableClock(SystemClock(), frozen_at=utc(2027, 3, 1))
    cache, seconds = MemoryCache(clock), 60.0
    counted: list[tuple[float, int]] = []
    for pause, cost in steps:
        pass_by(clock, pause)
        now = clock.now().timestamp()
        allowed = (await cache.hit("k", limit, seconds, cost)).allowed
        surely = sum(c for at, c in counted if at > now - seconds)
        at_most = sum(c for at, c in counted if at > now - seconds * (1 + 1 / PARTS) - 1e-3)
        assert not (allowed and surely + cost > limit)
        assert allowed or at_most + cost > limit
        if allowed:
            counted.append((now, cost))

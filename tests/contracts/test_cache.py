"""What every cache promises, whichever technology is behind it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from contracts.road import Road, road_to
from engines import url_of
from hometrip.adapters.cache.cable import CableCache, Lending
from hometrip.adapters.cache.memory import PARTS, MemoryCache
from hometrip.adapters.cache.redis import RedisCache
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.app.beside.cable import Cable
from hometrip.kernel.clock import utc
from hometrip.kernel.errors import Unavailable
from hometrip.ports.cache import Cache
from hometrip.ports.engine import Unfit

MANY = 200


def memory(clock: MovableClock) -> Cache:
    return MemoryCache(clock)


def redis(clock: MovableClock) -> Cache:
    return RedisCache(redis_url(), clock=clock)


class Borrowed(CableCache):
    """A memory cache at the other end of a cable, both ends in this process."""

    def __init__(self, clock: MovableClock) -> None:
        self._ends = [Cable(end) for end in socket.socketpair()]
        Lending(MemoryCache(clock)).to(self._ends[1])
        super().__init__(self._ends[0])

    async def open(self) -> None:
        await asyncio.gather(*(end.open() for end in self._ends))

    async def close(self) -> None:
        await super().close()
        await asyncio.gather(*(end.close() for end in self._ends))


def redis_url(prefix: str = "", timeout: float = 20) -> str:
    """The shared Redis, under a prefix of the test's own; patient, for the machine may be busy."""
    return f"{url_of('redis')}?prefix={prefix or f'test:{uuid4()}:'}&timeout={timeout}"


ADAPTERS: dict[str, Callable[[MovableClock], Cache]] = {
    "adapters.cache.memory": memory,
    "adapters.cache.redis": redis,
    "adapters.cache.cable": Borrowed,
}


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(SystemClock(), frozen_at=utc(2027, 3, 1))


@pytest.fixture(params=ADAPTERS)
async def cache(request: pytest.FixtureRequest, clock: MovableClock) -> AsyncIterator[Cache]:
    opened = ADAPTERS[request.param](clock)
    if isinstance(opened, RedisCache | Borrowed):
        await opened.open()
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


async def test_a_hit_without_waiting_counts_as_any_other_or_not_at_all(cache: Cache) -> None:
    at_once = [cache.hit_at_once("k", 3, 60) for _ in range(2)]
    counted = sum(one is not None for one in at_once)
    assert [one.remaining for one in at_once if one is not None] == [2, 1][:counted]
    seen = [await cache.hit("k", 3, 60) for _ in range(4 - counted)]
    assert [one.allowed for one in seen] == [True] * (3 - counted) + [False]
    late = cache.hit_at_once("k", 3, 60)
    assert late is None or not late.allowed


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


# Redis alone: several processes have one cache


@contextlib.asynccontextmanager
async def opened(url: str, clock: MovableClock | None = None) -> AsyncIterator[RedisCache]:
    cache = RedisCache(url, clock=clock)
    await cache.open()
    try:
        yield cache
    finally:
        await cache.close()


async def until(holds: Callable[[], Awaitable[bool]], within: float = 5) -> None:
    async with asyncio.timeout(within):
        while not await holds():  # noqa: ASYNC110 - another process's state makes no event here
            await asyncio.sleep(0.01)


async def test_processes_share_values_limits_and_one_time_codes() -> None:
    url = redis_url()
    async with opened(url) as one, opened(url) as two:
        await one.put("k", b"v", 60)
        assert await two.get("k") == b"v"
        await two.put("code", b"123456", 60)
        taken = await asyncio.gather(*(cache.take("code") for _ in range(50) for cache in (one, two)))
        assert [code for code in taken if code] == [b"123456"]
        hits = await asyncio.gather(*(cache.hit("k", 30, 60) for _ in range(50) for cache in (one, two)))
        assert sum(hit.allowed for hit in hits) == 30


async def test_an_announcement_reaches_every_process() -> None:
    url = redis_url()
    async with opened(url) as one, opened(url) as two:
        heard: list[tuple[str, bytes]] = []
        both = asyncio.Event()

        def note(where: str, message: bytes) -> None:
            heard.append((where, message))
            if len(heard) == 4:
                both.set()

        one.hear("news", lambda message: note("one", message))
        two.hear("news", lambda message: note("two", message))
        await one.announce("news", b"from one")
        await two.announce("news", b"from two")
        async with asyncio.timeout(5):
            await both.wait()
        assert {message for where, message in heard if where == "one"} == {b"from one", b"from two"}
        assert {message for where, message in heard if where == "two"} == {b"from one", b"from two"}


async def test_by_the_servers_own_time_a_value_ends_and_a_window_slides() -> None:
    async with opened(redis_url()) as cache:
        await cache.put("k", b"v", 0.1)
        assert await cache.add("other", b"v", 0.1)
        first = await cache.hit("k", 1, 0.2)
        refused = await cache.hit("k", 1, 0.2)
        assert (first.allowed, refused.allowed) == (True, False)
        assert 0 < refused.reset_after <= 0.2

        async def over() -> bool:
            values = [await cache.get("k"), await cache.get("other")]
            return values == [None, None] and (await cache.hit("k", 1, 0.2)).allowed

        await until(over)


async def test_every_key_has_its_prefix_and_an_end() -> None:
    prefix = f"test:{uuid4()}:"
    async with opened(redis_url(prefix)) as cache:
        await cache.put("put", b"v", 60)
        await cache.add("added", b"v", 60)
        await cache.hit("hit", 5, 60)
        await cache.hit("looked at", 5, 60, cost=0)
        await cache.add("over", b"v", 0)
    async with Redis.from_url(url_of("redis")) as server:
        keys = {key.decode() async for key in server.scan_iter(match=f"{prefix}*", count=1000)}
        assert keys == {f"{prefix}v:put", f"{prefix}v:added", f"{prefix}w:hit"}
        ends = [await server.pttl(key) for key in keys]
        assert all(0 < end <= 60_000 for end in ends)


async def test_houses_that_share_a_redis_do_not_touch_each_other() -> None:
    prefix = f"test:{uuid4()}:"
    other_database = redis_url(prefix).replace("/0?", "/1?")
    async with (
        opened(redis_url(prefix)) as cache,
        opened(redis_url()) as elsewhere,
        opened(other_database) as in_another_database,
    ):
        heard: list[bytes] = []
        came = asyncio.Event()
        for other in (elsewhere, in_another_database):
            other.hear("news", heard.append)
            await other.announce("news", b"not for you")
        cache.hear("news", lambda message: came.set())
        await cache.put("k", b"v", 60)
        await cache.announce("news", b"for me")
        async with asyncio.timeout(5):
            await came.wait()
        assert [await other.get("k") for other in (elsewhere, in_another_database)] == [None, None]
        assert b"for me" not in heard


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 4)), max_size=60), st.integers(1, 20))
async def test_redis_counts_as_the_memory_does(steps: list[tuple[float, int]], limit: int) -> None:
    clock = MovableClock(SystemClock(), frozen_at=utc(2027, 3, 1))
    there = MemoryCache(clock)
    async with opened(redis_url(), clock) as here:
        for pause, cost in steps:
            pass_by(clock, pause)
            assert await here.hit("k", limit, 60, cost) == await there.hit("k", limit, 60, cost)


async def test_scripts_that_the_server_forgot_are_told_again() -> None:
    async with opened(redis_url()) as cache, Redis.from_url(url_of("redis")) as server:
        await cache.put("k", b"v", 60)
        await server.script_flush()
        assert await cache.take("k") == b"v"


async def test_a_caller_that_gives_up_gets_nobody_elses_answer() -> None:
    async with opened(redis_url()) as cache:
        keys = [str(number) for number in range(100)]
        for key in keys:
            await cache.put(key, key.encode(), 60)
        for round_ in range(10):
            asked = {key: asyncio.create_task(cache.get(key)) for key in keys}
            for _ in range(round_):
                await asyncio.sleep(0)
            for key in keys[::3]:
                asked[key].cancel()
            answers = await asyncio.gather(*asked.values(), return_exceptions=True)
            for key, answer in zip(keys, answers, strict=True):
                assert answer == key.encode() or isinstance(answer, asyncio.CancelledError)


async def test_a_listener_that_fails_keeps_nothing_from_the_others() -> None:
    failed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context["exception"]))
    async with opened(redis_url()) as cache:
        heard: list[bytes] = []
        cache.hear("news", lambda message: heard.append(bytes(1 // len(message))))
        cache.hear("news", heard.append)
        await cache.announce("news", b"")
        await cache.announce("news", b"later")

        async def all_heard() -> bool:
            return heard[-1:] == [b"later"]

        await until(all_heard)
    assert b"" in heard
    assert len(failed) == 1


# Redis away


@pytest.fixture
async def road() -> AsyncIterator[Road]:
    there = urlsplit(url_of("redis"))
    async with road_to(there.hostname or "", there.port or 0) as road:
        yield road


def along(road: Road) -> str:
    there = urlsplit(url_of("redis"))
    return redis_url(timeout=0.5).replace(f":{there.port}/", f":{road.port}/")


async def close(road: Road) -> None:
    await road.close()


async def stall(road: Road) -> None:
    road.stall()


async def spoil(road: Road) -> None:
    road.spoil = lambda _: b"\x00\xff\xfeHTTP/1.1 400 Bad Request\r\n\r\n"


async def trickle(road: Road) -> None:
    road.trickles = True


@pytest.mark.parametrize("trouble", [close, stall, spoil, trickle])
async def test_while_redis_is_away_calls_fail_soon_and_most_at_once_and_all_is_well_after(
    road: Road, trouble: Callable[[Road], Awaitable[None]]
) -> None:
    async with opened(along(road)) as cache:
        await asyncio.gather(*(cache.put(str(n), b"v", 60) for n in range(20)))
        await trouble(road)
        began = time.monotonic()
        answers = await asyncio.gather(*(cache.hit("k", 5, 60) for _ in range(100)), return_exceptions=True)
        assert time.monotonic() - began < 1.2
        assert {type(answer) for answer in answers} == {Unavailable}
        slow = 0
        began = time.monotonic()
        for _ in range(500):
            at = time.monotonic()
            with pytest.raises(Unavailable):
                await cache.get("k")
            slow += time.monotonic() - at > 0.1
            if at - began > 1.5:
                break
        assert slow <= 3
        with pytest.raises(Unavailable):
            await cache.ready()
        road.flow()
        if trouble is close:
            await road.open()
        began = time.monotonic()
        await until(lambda: answers_again(cache))
        assert time.monotonic() - began < 2
        assert await cache.get("1") == b"v"
        assert (await cache.hit("afterwards", 5, 60)).allowed
        assert road.ways <= 4


async def answers_again(cache: Cache) -> bool:
    try:
        await cache.ready()
    except Unavailable:
        return False
    return True


@pytest.mark.parametrize("trouble", [close, stall, spoil])
async def test_listening_goes_on_after_a_break(
    road: Road, trouble: Callable[[Road], Awaitable[None]]
) -> None:
    async with opened(along(road)) as cache:
        heard: list[bytes] = []
        cache.hear("news", heard.append)
        await cache.announce("news", b"before")
        await trouble(road)
        with pytest.raises(Unavailable):
            await cache.announce("news", b"lost")
        road.flow()
        if trouble is close:
            await road.open()

        async def hears() -> bool:
            with contextlib.suppress(Unavailable):
                await cache.announce("news", b"after")
            return b"after" in heard

        await until(hears)
        assert heard[0] == b"before"


async def test_a_process_that_stood_still_reads_the_answer_that_came_meanwhile(road: Road) -> None:
    async with opened(along(road)) as cache:
        asked = asyncio.create_task(cache.hit("k", 3, 60))
        # Longer than a call may take: a busy machine, or work of this process's own.
        asyncio.get_running_loop().call_soon(time.sleep, 0.7)
        assert (await asked).allowed


async def test_many_callers_share_a_bounded_number_of_connections(road: Road) -> None:
    async with opened(along(road)) as cache:
        await asyncio.gather(*(cache.hit("k", 1000, 60) for _ in range(300)))
        assert road.ways <= 4


# Redis that cannot be used


async def test_a_redis_that_is_not_there_is_said_so(road: Road) -> None:
    await road.close()
    cache = RedisCache(f"redis://:secret-word@127.0.0.1:{road.port}/0")
    with pytest.raises(Unfit, match=f"127.0.0.1:{road.port} does not answer") as unfit:
        await cache.open()
    assert "secret-word" not in unfit.value.detail
    await cache.close()


async def test_a_wrong_password_is_named_and_not_told() -> None:
    there = urlsplit(url_of("redis"))
    cache = RedisCache(f"redis://:secret-word@127.0.0.1:{there.port}/0")
    with pytest.raises(Unfit, match="password is wrong") as unfit:
        await cache.open()
    assert "secret-word" not in unfit.value.detail
    await cache.close()


async def test_a_redis_that_is_too_old_is_refused(road: Road) -> None:
    road.spoil = lambda said: said.replace(b"redis_version:7.", b"redis_version:4.")
    cache = RedisCache(along(road))
    with pytest.raises(Unfit, match=r"version 4\..*upgrade Redis to 5"):
        await cache.open()
    await cache.close()


@pytest.mark.parametrize(
    ("rights", "missing"),
    [
        ("+@all -publish", "publish"),
        ("+@all -@scripting", "evalsha|script"),
        ("+@all -set", "set"),
        ("+@all -info", r"\+info"),
        ("+@read +@write +@scripting +@pubsub +@connection +info +time", ""),
    ],
)
async def test_an_account_needs_the_rights_that_are_named_and_no_more(rights: str, missing: str) -> None:
    account, prefix = f"test-{uuid4()}", f"test:{uuid4()}:"
    there = urlsplit(url_of("redis"))
    async with Redis.from_url(url_of("redis")) as server:
        what = ["on", ">words", f"~{prefix}*", f"&{prefix}*", *rights.split()]
        await server.execute_command("ACL", "SETUSER", account, *what)
        cache = RedisCache(f"redis://{account}:words@127.0.0.1:{there.port}/0?prefix={prefix}")
        try:
            if missing:
                with pytest.raises(Unfit, match=missing):
                    await cache.open()
            else:
                await cache.open()
                assert [finding.what for finding in await cache.examine()] == [
                    "reachable",
                    "version",
                    "rights",
                ]
                assert all(finding.fine for finding in await cache.examine())
        finally:
            await cache.close()
            await server.execute_command("ACL", "DELUSER", account)

"""Ids sort by the time they were made at, and no two are the same."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.kernel.ids import Chance, ids, uuid7

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_an_id_says_its_millisecond_and_that_it_is_of_version_7() -> None:
    made = ids(MovableClock(SystemClock(), frozen_at=NOON))()
    assert made.int >> 80 == int(NOON.timestamp() * 1000)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert uuid7(NOON, (1 << 74) - 1).int >> 80 == made.int >> 80


def test_ids_rise_while_time_stands_still_and_when_it_goes_back() -> None:
    clock = MovableClock(SystemClock(), frozen_at=NOON)
    new_id = ids(clock)
    made = [new_id() for _ in range(5_000)]
    clock.shift_to(timedelta(seconds=-60))
    made += [new_id() for _ in range(5_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(each.version == 7 for each in made)


def test_two_sources_of_the_same_moment_give_no_id_twice() -> None:
    clock = MovableClock(SystemClock(), frozen_at=NOON)
    one, other = ids(clock), ids(clock)
    assert not {one() for _ in range(2_000)} & {other() for _ in range(2_000)}


def test_a_forked_process_draws_chances_of_its_own() -> None:
    chance = Chance()
    chance()  # and has many more of the same draw left
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"%d" % chance())
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reading, 100)) != chance()
    os.close(reading)
    os.close(writing)

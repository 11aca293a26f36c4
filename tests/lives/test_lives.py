"""T3, a smaller relative: whole lives of stays in a town by chance, and what must hold at every moment.

A seed makes the town, its people and all that they do. By default there is one on each storage,
in `make prove` many.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from engines import url_of
from figures import Figure
from harness import settings_in
from hometrip.adapters.postgres import drop_database
from hometrip.app.migrate import migrate_all
from hometrip.app.rooms import kept_in
from hometrip.app.settings import SERVICES
from lives.acts import ACTS
from lives.around import calm_down
from lives.checks import check_end, check_town
from lives.world import EMBEDDED, World, world_of
from rules.oracle_hunt import size

pytestmark = pytest.mark.slow

SEEDS, ON_POSTGRES = (1, pytest.param(2, marks=pytest.mark.full)), (4,)
STEPS, CHECKED_EVERY, MOST_DAYS = 60, 6, 100


async def live(world: World, steps: int) -> Counter[str]:
    """So many things happen in the town; a hundred days go by at most."""
    done: Counter[str] = Counter()
    acts, weights = [act for _, act in ACTS], [weight for weight, _ in ACTS]
    while sum(done.values()) < steps and (world.now - world.began).days < MOST_DAYS:
        [act] = world.chance.choices(acts, weights)
        said = await act(world)
        if said is None:
            continue
        world.say(said)
        await world.look_at_requests()
        done[act.__name__] += 1
        if sum(done.values()) % CHECKED_EVERY == 0:
            await check_town(world)
    return done


async def one_town(
    folder: Path, seed: int, steps: int = STEPS, engines: Mapping[str, str] = EMBEDDED
) -> Counter[str]:
    async with world_of(folder, seed, engines) as world:
        try:
            done = await live(world, steps)
            world.say(await calm_down(world))
            await check_end(world)
        except BaseException as broken:
            story = "\n".join(world.told)
            broken.add_note(f"HOMETRIP_TEST_SEED={seed} HOMETRIP_TEST_EXAMPLES=1 replays it:\n{story}")
            raise
        return done


@contextlib.asynccontextmanager
async def on_postgres(folder: Path) -> AsyncIterator[dict[str, str]]:
    """What puts the relational services of one house into databases of its own on a server."""
    url = f"{url_of('postgres').rpartition('/')[0]}/lives_{uuid4().hex[:12]}"
    try:
        await migrate_all(settings_in(folder, database_url=url))
        yield {"database_url": url}
    finally:
        for service in SERVICES:
            if kept_in(service) == "database":
                await drop_database(f"{url}_{service}")


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_in_a_town_every_promise_holds(tmp_path: Path, seed: int) -> None:
    done = await one_town(tmp_path, seed)
    assert sum(done.values()) > STEPS // 2


@pytest.mark.parametrize("seed", ON_POSTGRES)
async def test_so_it_does_with_the_relational_services_on_postgres(tmp_path: Path, seed: int) -> None:
    async with on_postgres(tmp_path) as engines:
        done = await one_town(tmp_path, seed, STEPS // 2, engines)
    assert sum(done.values()) > STEPS // 4


@pytest.mark.full
@pytest.mark.timeout(7_200)
async def test_many_towns_on_postgres(tmp_path: Path, figure: Figure) -> None:
    count, first = size(40)
    done: Counter[str] = Counter()
    for seed in range(first, first + count):
        folder = tmp_path / str(seed)
        async with on_postgres(folder) as engines:
            done += await one_town(folder, seed, 2 * STEPS, engines)
    figure(f"T3, a smaller relative: {count} towns on PostgreSQL, {sum(done.values()):,} steps", first)


@pytest.mark.full
@pytest.mark.timeout(7_200)
async def test_many_towns(tmp_path: Path, figure: Figure) -> None:
    count, first = size(200)
    done: Counter[str] = Counter()
    for seed in range(first, first + count):
        done += await one_town(tmp_path / str(seed), seed, 2 * STEPS)
    figure(f"T3, a smaller relative: {count} towns, {sum(done.values()):,} steps, no promise broken", first)

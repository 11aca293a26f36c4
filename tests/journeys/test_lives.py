"""T3, a smaller relative: whole lives of stays in a town by chance, and what must hold at every moment.

A seed makes the town, its people and all that they do. The default run has a few seeds; `make prove` many.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from figures import Figure
from journeys.lives_acts import ACTS
from journeys.lives_around import calm_down
from journeys.lives_checks import check_end, check_town
from journeys.lives_world import World, world_of
from rules.oracle_hunt import size

SEEDS = (1, 2, 3, 4, 5, 6)
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
        done[act.__name__] += 1
        if sum(done.values()) % CHECKED_EVERY == 0:
            await check_town(world)
    return done


async def one_town(folder: Path, seed: int, steps: int = STEPS) -> Counter[str]:
    async with world_of(folder, seed) as world:
        try:
            done = await live(world, steps)
            world.say(await calm_down(world))
            await check_end(world)
        except BaseException as broken:
            story = "\n".join(world.told)
            broken.add_note(f"HOMETRIP_TEST_SEED={seed} HOMETRIP_TEST_EXAMPLES=1 replays it:\n{story}")
            raise
        return done


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_in_a_town_every_promise_holds(tmp_path: Path, seed: int) -> None:
    done = await one_town(tmp_path, seed)
    assert sum(done.values()) > STEPS // 2


@pytest.mark.full
@pytest.mark.timeout(7_200)
async def test_many_towns(tmp_path: Path, figure: Figure) -> None:
    count, first = size(200)
    done: Counter[str] = Counter()
    for seed in range(first, first + count):
        done += await one_town(tmp_path / str(seed), seed, 2 * STEPS)
    figure(f"T3, a smaller relative: {count} towns, {sum(done.values()):,} steps, no promise broken", first)

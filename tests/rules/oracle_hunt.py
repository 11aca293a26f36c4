"""Looks for a case on which a rule and its oracle differ, by plain chance with a seed, and makes it small."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from random import Random, SystemRandom
from typing import TypeVar

import pytest

from figures import Figure

C = TypeVar("C")

ALWAYS = 1_000  # cases in the default run, the same ones each time


def size(whole: int) -> tuple[int, int]:
    """How many cases a proof has, and its seed: HOMETRIP_TEST_EXAMPLES and HOMETRIP_TEST_SEED, else `whole`
    cases, or HOMETRIP_TEST_SHARE of them (0.1), and a seed by chance."""
    seed = os.environ.get("HOMETRIP_TEST_SEED")
    share = float(os.environ.get("HOMETRIP_TEST_SHARE", "1"))
    return (
        int(os.environ.get("HOMETRIP_TEST_EXAMPLES", str(max(1, round(whole * share))))),
        int(seed) if seed is not None else SystemRandom().randrange(1_000_000),
    )


def hunt(
    draw: Callable[[Random], C],
    difference: Callable[[C], str | None],
    simpler: Callable[[C], Iterator[C]],
    *,
    seed: int,
    count: int,
) -> None:
    """Fails with the smallest case found on which `difference` tells one, as a constructor call.

    The case of a number depends on the seed and the number alone.
    """
    for number in range(count):
        case = draw(Random(seed * 1_000_003 + number))
        told = difference(case)
        if told is not None:
            least = _shrunk(case, difference, simpler)
            pytest.fail(f"case {number} of seed {seed}: {told}\nleast found: {difference(least)}\n{least!r}")


def whole_proof(
    name: str,
    draw: Callable[[Random], C],
    difference: Callable[[C], str | None],
    simpler: Callable[[C], Iterator[C]],
    *,
    of: int,
    figure: Figure,
) -> None:
    """`hunt` at full size; its figure and seed are told."""
    count, seed = size(of)
    hunt(draw, difference, simpler, seed=seed, count=count)
    figure(f"{name}: {count:,} cases, no counter-example", seed)


def _shrunk(case: C, difference: Callable[[C], str | None], simpler: Callable[[C], Iterator[C]]) -> C:
    """Greedy: the first simpler case that still differs, again and again."""
    for _ in range(500):
        smaller = next((each for each in simpler(case) if difference(each) is not None), None)
        if smaller is None:
            return case
        case = smaller
    return case

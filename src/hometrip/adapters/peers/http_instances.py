"""Which of a service's instances is asked: the less busy of two taken at random, and none that has just
failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hometrip.ports.registry import Instance

# How long an instance is left alone after its first failure, and at most when it goes on failing.
FIRST_SECONDS, MOST_SECONDS = 1.0, 5.0


class Standing:
    """What is known of one instance."""

    __slots__ = ("busy", "failures", "until")

    def __init__(self) -> None:
        self.busy, self.failures, self.until = 0, 0, 0.0


class Instances:
    """`now` is in seconds of a clock that never goes back, `below(n)` a random number under n."""

    def __init__(self, now: Callable[[], float], below: Callable[[int], int]) -> None:
        self._now, self._below = now, below
        self._standings: dict[str, Standing] = {}

    def pick(self, listed: Sequence[Instance], *, but: Instance | None = None) -> Instance | None:
        """One of the `listed`, not the one `but`; None where there is no (other) one. When all of them have
        just failed, they are asked as if none had.
        """
        others = [instance for instance in listed if but is None or instance.id != but.id]
        at = self._now()
        fit = [instance for instance in others if self._of(instance).until <= at] or others
        if len(fit) < 2:
            return fit[0] if fit else None
        first = self._below(len(fit))
        second = (first + 1 + self._below(len(fit) - 1)) % len(fit)
        return min(fit[first], fit[second], key=lambda instance: self._of(instance).busy)

    @contextmanager
    def busy(self, instance: Instance) -> Iterator[None]:
        standing = self._standings.setdefault(instance.id, Standing())
        standing.busy += 1
        try:
            yield
        finally:
            standing.busy -= 1
            # Nothing needs to be known of an instance that is idle and well; it may never come back.
            if not standing.busy and not standing.failures:
                self._standings.pop(instance.id, None)

    def failed(self, instance: Instance) -> float:
        """It is left alone from now on; for how many seconds, twice as many with each failure in a row."""
        at = self._now()
        for known, standing in list(self._standings.items()):
            if not standing.busy and standing.until + MOST_SECONDS < at:
                del self._standings[known]
        standing = self._standings.setdefault(instance.id, Standing())
        # Calls that were under way together fail together: that is one failure.
        if standing.until <= at:
            standing.failures += 1
            standing.until = at + min(FIRST_SECONDS * 2 ** (standing.failures - 1), MOST_SECONDS)
        return standing.until - at

    def answered(self, instance: Instance) -> None:
        standing = self._standings.get(instance.id)
        if standing is not None and standing.failures:
            standing.failures, standing.until = 0, 0.0

    def _of(self, instance: Instance) -> Standing:
        return self._standings.get(instance.id, _WELL)


_WELL = Standing()

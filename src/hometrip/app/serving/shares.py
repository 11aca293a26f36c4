"""How many connections each process of a house has, in memory that all of them see."""

from __future__ import annotations

import mmap
import os
import tempfile

# Who is ahead of the others by no more than this, and this part of its own, goes on taking connections.
LEAD, LEAD_PART = 4, 8
_ABSENT, _BYTES = -1, 4


class Shares:
    """A place for each process, with the number of its connections while it takes any."""

    def __init__(self, file: int, place: int) -> None:
        """`file` is the number of one as `memory` makes it, and stays the caller's."""
        self._counts = memoryview(mmap.mmap(file, os.fstat(file).st_size)).cast("i")
        self._place = place

    def join(self) -> None:
        self._counts[self._place] = 0

    def leave(self, place: int | None = None) -> None:
        """Another `place` where a process has fallen that cannot do it itself."""
        self._counts[self._place if place is None else place] = _ABSENT

    def add(self, change: int) -> None:
        """To the number of our own; nothing where we have left."""
        if self._counts[self._place] != _ABSENT:
            self._counts[self._place] += change

    @property
    def ahead(self) -> int:
        """How many more we have than whoever has fewest; 0 where there is nobody else."""
        own = self._counts[self._place]
        there = (count for at, count in enumerate(self._counts) if at != self._place and count != _ABSENT)
        return own - min(there, default=own)

    @property
    def room(self) -> int:
        """How many connections may be taken until it is the others' turn."""
        return max(LEAD, LEAD + self._counts[self._place] // LEAD_PART - self.ahead)


def memory(processes: int) -> int:
    """The number of a file with a place for each of so many processes, none of which is there yet."""
    with tempfile.TemporaryFile() as made:
        made.write(_ABSENT.to_bytes(_BYTES, "little", signed=True) * processes)
        made.flush()
        return os.dup(made.fileno())

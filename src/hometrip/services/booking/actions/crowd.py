"""A crowd for the same nights: most of it is spared the work that only one can have the good of.

What is kept here is of this process, and may vanish at any moment: the key of the nights referees, always.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import islice
from uuid import UUID

from hometrip.kernel.stay import Stay
from hometrip.services.booking.actions.looks import Looks
from hometrip.services.booking.store.glances import TOGETHER, Glance

# What was found for one is told to others who ask the same within so long, unless the home was booked here
# meanwhile; that of so many homes at most is remembered.
SAME_SECONDS, MOST = 0.5, 256
# For one who takes longer, as where a calendar of another site is slow, nobody waits any more.
LONG_SECONDS = 0.5
# So long after somebody wanted nights, there may be a crowd for them. Longer stays are always looked at.
WANTED_SECONDS, NIGHTS = 15, 60

Proposal = asyncio.Future[list[Stay]]
_NOTHING: dict[Hashable, tuple[float, Proposal]] = {}


class Crowd:
    """Who is booking which nights just now, who looks whether they are free (`looks`: guests with their
    keys), and what was proposed instead of nights that are taken.
    """

    def __init__(self) -> None:
        self.looks: Looks[tuple[UUID, str], Glance] = Looks(TOGETHER)
        self._booking: dict[UUID, list[tuple[Stay, asyncio.Event]]] = defaultdict(list)
        self._proposed: dict[UUID, dict[Hashable, tuple[float, Proposal]]] = {}
        # Until when, by the home's id and the night; those that end first come first.
        self._wanted: OrderedDict[tuple[int, date], float] = OrderedDict()

    def wants(self, listing_id: UUID, stay: Stay) -> bool:
        """Has somebody here wanted some of these nights just now? Then they are looked at before any work is
        done for a stay; where nobody has, hardly ever would the look find anything."""
        now, wanted, home = asyncio.get_running_loop().time(), self._wanted, listing_id.int
        return stay.nights > NIGHTS or any(
            wanted.get((home, night), 0.0) > now for night in stay.each_night()
        )

    def _note_wanted(self, listing_id: UUID, stay: Stay) -> None:
        now, wanted, home = asyncio.get_running_loop().time(), self._wanted, listing_id.int
        while wanted and next(iter(wanted.values())) < now:
            wanted.popitem(last=False)
        for night in islice(stay.each_night(), NIGHTS):
            wanted[home, night] = now + WANTED_SECONDS
            wanted.move_to_end((home, night))

    async def wait_for_others(self, listing_id: UUID, stay: Stay) -> bool:
        """Is somebody here booking some of these nights? Then this returns when they have ended: look again.

        Where it is False, `booking` must follow at once.
        """
        if (ended := self._under_way(listing_id, stay)) is None:
            return False
        await ended.wait()
        return True

    def is_booked_now(self, listing_id: UUID, stay: Stay) -> bool:
        """Is somebody here booking some of these nights?"""
        return self._under_way(listing_id, stay) is not None

    def _under_way(self, listing_id: UUID, stay: Stay) -> asyncio.Event | None:
        for other, ended in self._booking.get(listing_id, ()):
            if other.check_in < stay.check_out and stay.check_in < other.check_out and not ended.is_set():
                return ended
        return None

    @contextmanager
    def booking(self, listing_id: UUID, stay: Stay) -> Iterator[None]:
        """Others here who want some of these nights wait, rather than have their price reckoned in vain and
        wait for their key in the database."""
        mine = (stay, asyncio.Event())
        self._booking[listing_id].append(mine)
        long = asyncio.get_running_loop().call_later(LONG_SECONDS, mine[1].set)
        try:
            yield
        finally:
            long.cancel()
            mine[1].set()
            self._note_wanted(listing_id, stay)
            self._proposed.pop(listing_id, None)
            self._booking[listing_id].remove(mine)
            if not self._booking[listing_id]:
                del self._booking[listing_id]

    async def proposal(
        self, listing_id: UUID, asked: Hashable, find: Callable[[], Awaitable[list[Stay]]]
    ) -> list[Stay]:
        """What `find` finds, for all who ask the same of the home at the same time."""
        now = asyncio.get_running_loop().time()
        until, finding = self._of(listing_id).get(asked, (0.0, None))
        if finding is None or until < now:
            finding = asyncio.ensure_future(find())
            self._of(listing_id)[asked] = (now + SAME_SECONDS, finding)
            finding.add_done_callback(lambda done: self._forget_failed(listing_id, asked, done))
        return finding.result() if finding.done() else await asyncio.shield(finding)

    def proposed(self, listing_id: UUID, asked: Hashable) -> list[Stay] | None:
        """What `proposal` would answer at once."""
        until, found = self._proposed.get(listing_id, _NOTHING).get(asked, (0.0, None))
        if found is None or not found.done() or until < asyncio.get_running_loop().time():
            return None
        return found.result()

    def _of(self, listing_id: UUID) -> dict[Hashable, tuple[float, Proposal]]:
        of_home = self._proposed.get(listing_id)
        if of_home is None:
            if len(self._proposed) >= MOST:
                self._proposed.clear()
            of_home = self._proposed[listing_id] = {}
        return of_home

    def _forget_failed(self, listing_id: UUID, asked: Hashable, done: Proposal) -> None:
        """Those who wait are told; who asks next finds out anew."""
        failed = done.cancelled() or done.exception() is not None
        if failed and self._of(listing_id).get(asked, (0.0, None))[1] is done:
            del self._of(listing_id)[asked]

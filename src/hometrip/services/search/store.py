"""Search's own copies of the homes' cards, so that a restart needs nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from hometrip.ports.documents import (
    EVERY,
    Collection,
    DocumentReader,
    Documents,
    DocumentTx,
    Index,
    Record,
    gt,
    le,
)
from hometrip.services.listing.contract import SearchCard
from hometrip.services.search.rules.cards import record_of

PAGE = 500


class Shown(Record):
    """A home as search last heard of it, under the home's id. Without a card it is not to be found.

    `zone` is the time zone of the place that is shown. The card's own place is the shown one too. Since the
    revision `worded` nothing has changed that the index knows: it is spared the changes of a calendar.
    """

    revision: int
    zone: str = ""
    card: SearchCard | None = None
    kept_at: datetime | None = None
    worded: int = 0

    @property
    def in_index(self) -> int:
        """The revision that the index is to have."""
        return self.worded or self.revision


BOARDS = Collection("boards", Shown, indexes=(Index("by_kept_at", ("kept_at", "id")),))
COLLECTIONS = (BOARDS,)


async def keep(tx: DocumentTx, fresh: Shown) -> Shown:
    """Put it in the place of the one that is there, unless that is newer; what is there then.

    `Duplicate` or `VersionMismatch` where another copy of this service keeps the same home in this moment.
    """
    there = await tx.get(BOARDS, fresh.id)
    if there is None:
        return await tx.insert(BOARDS, fresh)
    if there.revision > fresh.revision:
        return there
    worded = there.in_index if _same_words(there, fresh) else fresh.revision
    return await tx.replace(BOARDS, msgspec.structs.replace(fresh, version=there.version, worded=worded))


def _same_words(there: Shown, fresh: Shown) -> bool:
    if there.card is None or fresh.card is None:
        return there.card is fresh.card
    return record_of(there.card) == record_of(fresh.card)


async def some(documents: Documents, ids: Sequence[UUID]) -> list[Shown]:
    return await documents.get_many(BOARDS, ids)


async def every(documents: DocumentReader) -> AsyncIterator[list[Shown]]:
    """All of them, a page at a time."""
    cursor: str | None = None
    while True:
        page = await documents.find(BOARDS, EVERY, limit=PAGE, cursor=cursor)
        yield page.items
        if (cursor := page.next_cursor) is None:
            return


async def kept_since(documents: DocumentReader, since: datetime) -> AsyncIterator[list[Shown]]:
    """Those that were kept after that instant, a page at a time, the first kept first."""
    cursor: str | None = None
    while True:
        page = await documents.find(
            BOARDS, gt("kept_at", since), sort=("kept_at", "id"), limit=PAGE, cursor=cursor
        )
        yield page.items
        if (cursor := page.next_cursor) is None:
            return


async def between(documents: DocumentReader, after: UUID | None, last: UUID | None) -> list[Shown]:
    """Those with an id after the one and not after the other; None is open."""
    where = EVERY
    if after is not None:
        where = where & gt("id", after)
    if last is not None:
        where = where & le("id", last)
    found: list[Shown] = []
    cursor: str | None = None
    while True:
        page = await documents.find(BOARDS, where, limit=PAGE, cursor=cursor)
        found += page.items
        if (cursor := page.next_cursor) is None:
            return found

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

PAGE = 500


class Shown(Record):
    """A home as search last heard of it, under the home's id. Without a card it is not to be found.

    `zone` is the time zone of the place that is shown. The card's own place is the shown one too.
    """

    revision: int
    zone: str = ""
    card: SearchCard | None = None
    kept_at: datetime | None = None


BOARDS = Collection("boards", Shown, indexes=(Index("by_kept_at", ("kept_at", "id")),))
COLLECTIONS = (BOARDS,)


async def keep(tx: DocumentTx, fresh: Shown) -> None:
    """Put it in the place of the one that is there, unless that is newer.

    `Duplicate` or `VersionMismatch` where another copy of this service keeps the same home in this moment.
    """
    there = await tx.get(BOARDS, fresh.id)
    if there is None:
        await tx.insert(BOARDS, fresh)
    elif there.revision <= fresh.revision:
        await tx.replace(BOARDS, msgspec.structs.replace(fresh, version=there.version))


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

"""What was reported of homes, and which homes staff are to look at for that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.page import Page
from hometrip.ports.documents import (
    Change,
    Collection,
    DocumentReader,
    DocumentTx,
    Duplicate,
    Index,
    Record,
    eq,
    ne,
)
from hometrip.ports.outbox import Contended
from hometrip.services.listing.rules.reported import AlreadyReported


class Report(Record):
    """One account's. It waits while its `round` is that of the home."""

    listing_id: UUID
    account_id: UUID
    round: int
    reason: str
    text: str
    created_at: datetime


class Reported(Record):
    """What waits of a home, under the home's id: how many, for which reasons, and `since` when the first of
    them; nothing once staff have decided, and then another `round` begins."""

    round: int = 1
    count: int = 0
    reasons: dict[str, int] = {}
    since: datetime | None = None


REPORTS: Collection[Report] = Collection(
    "reports",
    Report,
    indexes=(
        Index("one_each", ("listing_id", "account_id", "round"), unique=True),
        Index("of_home", ("listing_id", "created_at")),
    ),
)
REPORTED: Collection[Reported] = Collection(
    "reported", Reported, indexes=(Index("waiting", ("since",), where=ne("since", None)),)
)
WAITS = ne("since", None)


async def add(tx: DocumentTx, report: Report) -> Report:
    """In the home's present round; `AlreadyReported` where the account's last one waits there."""
    at, more = report.created_at, {"count": 1, f"reasons.{report.reason}": 1}
    home = await tx.change(REPORTED, report.listing_id, Change(inc=more), WAITS)
    if home is None:
        home = await tx.change(REPORTED, report.listing_id, Change(inc=more, set={"since": at}))
    try:
        if home is None:
            first = Reported(id=report.listing_id, count=1, reasons={report.reason: 1}, since=at)
            home = await tx.insert(REPORTED, first)
    except Duplicate as race:
        raise Contended("This home is being reported by another at this moment.") from race
    try:
        # The round was read by the change: who closes it waits for this, or was before.
        return await tx.insert(REPORTS, replace(report, round=home.round))
    except Duplicate as again:
        raise AlreadyReported from again


async def close(tx: DocumentTx, listing_id: UUID) -> bool:
    """Nothing waits any more. Was there anything?"""
    nothing = Change(set={"count": 0, "reasons": {}, "since": None}, inc={"round": 1})
    return await tx.change(REPORTED, listing_id, nothing, WAITS) is not None


async def forget(tx: DocumentTx, listing_id: UUID) -> None:
    """The home is gone."""
    await tx.delete(REPORTED, listing_id)
    await tx.delete_where(REPORTS, eq("listing_id", listing_id))


async def waiting(reader: DocumentReader, limit: int, cursor: str | None) -> Page[Reported]:
    """Homes with reports that wait, those first that have waited longest."""
    return await reader.find(REPORTED, WAITS, sort=("since",), limit=limit, cursor=cursor)


async def waiting_of(reader: DocumentReader, listing_ids: Sequence[UUID]) -> dict[UUID, Reported]:
    """Of these homes."""
    found = await reader.get_many(REPORTED, listing_ids)
    return {each.id: each for each in found if each.since is not None}


async def round_of(reader: DocumentReader, listing_id: UUID) -> int:
    found = await reader.get(REPORTED, listing_id)
    return found.round if found is not None else 1


async def of_home(reader: DocumentReader, listing_id: UUID, limit: int, cursor: str | None) -> Page[Report]:
    """The newest first."""
    where = eq("listing_id", listing_id)
    return await reader.find(REPORTS, where, sort=("-created_at",), limit=limit, cursor=cursor)

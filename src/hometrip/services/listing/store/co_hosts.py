"""Which accounts co-host which homes: one record for each; a home also names its own."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hometrip.ports.documents import Collection, DocumentReader, DocumentTx, Index, Record, eq
from hometrip.services.listing.rules.co_hosts import MOST_HOMES


class CoHost(Record):
    """`id` names this one time that the account acts for the home, from `added_at` on."""

    listing_id: UUID
    account_id: UUID
    added_at: datetime


CO_HOSTS: Collection[CoHost] = Collection(
    "co_hosts",
    CoHost,
    indexes=(
        Index("of_home", ("listing_id", "account_id"), unique=True),
        Index("of_account", ("account_id", "listing_id")),
    ),
)


async def of_home(reader: DocumentReader, listing_id: UUID) -> list[CoHost]:
    """In the order in which they were added."""
    found = await reader.find(CO_HOSTS, eq("listing_id", listing_id), sort=("added_at",), limit=100)
    return found.items


async def homes_of(reader: DocumentReader, account_id: UUID) -> list[UUID]:
    """The homes that the account co-hosts."""
    found = await reader.find(CO_HOSTS, eq("account_id", account_id), sort=("listing_id",), limit=MOST_HOMES)
    return [each.listing_id for each in found.items]


async def remove(tx: DocumentTx, listing_id: UUID, account_id: UUID) -> CoHost | None:
    """What was removed; None where there was nothing to."""
    found = await tx.first(CO_HOSTS, eq("listing_id", listing_id) & eq("account_id", account_id))
    return found if found is not None and await tx.delete(CO_HOSTS, found.id) else None

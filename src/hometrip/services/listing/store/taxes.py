"""Where the taxes of areas are kept, and every query of them."""

from __future__ import annotations

from uuid import UUID

from hometrip.kernel.errors import NotFound
from hometrip.ports.documents import EVERY, Collection, DocumentReader, Index, eq
from hometrip.services.listing.rules.taxes import TaxRule

TAX_RULES: Collection[TaxRule] = Collection(
    "tax_rules", TaxRule, indexes=(Index("enabled", ("terms.enabled",), where=eq("terms.enabled", True)),)
)
MOST_TAXES = 1_000


async def every(reader: DocumentReader, *, enabled_only: bool = False) -> list[TaxRule]:
    """In the order in which they were written down; those of an area come so onto its bills."""
    where = eq("terms.enabled", True) if enabled_only else EVERY
    return (await reader.find(TAX_RULES, where, limit=MOST_TAXES)).items


async def tax(reader: DocumentReader, tax_id: UUID) -> TaxRule:
    found = await reader.get(TAX_RULES, tax_id)
    if found is None:
        raise NotFound("There is no such tax.")
    return found

"""Until when what the provider has told is known."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from hometrip.ports.database import Reader, Tx
from hometrip.services.payment.store.tables import heard

PROVIDER = "provider"


async def heard_until(db: Reader) -> datetime | None:
    """Nothing before the first look."""
    found: datetime | None = await db.value(select(heard.c.until).where(heard.c.of == PROVIDER))
    return found


async def note_heard(tx: Tx, until: datetime) -> None:
    first = insert(heard).values(of=PROVIDER, until=until)
    await tx.execute(first.on_conflict_do_update(index_elements=[heard.c.of], set_={"until": until}))

"""Homes that are on no map yet: those of versions that looked for the real place."""

from __future__ import annotations

from hometrip.ports.documents import Change
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, placed


async def place_homes(deps: Deps) -> None:
    """Each is found where it is shown from now on. Where all are, nothing is done."""
    while homes := await store.unplaced(deps.docs):
        async with deps.docs.transaction() as tx:
            for home in homes:
                where = placed(deps, home).seen
                await tx.change(store.HOMES, home.id, Change(set={"seen": where}))

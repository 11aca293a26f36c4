"""What auth does when something happened elsewhere."""

from __future__ import annotations

from hometrip.services.auth.actions import Deps
from hometrip.services.auth.store import accounts
from hometrip.services.user.contract import UserUpdated


async def rename_when_updated(deps: Deps, event: UserUpdated) -> None:
    """Keep the copy of name and language that greetings in mails are made of."""
    changes = {"name": event.display_name} | ({"locale": event.locale} if event.locale else {})
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "auth.rename_when_updated"):
            await accounts.change(tx, event.user_id, **changes)

"""What user does when something happened to an account."""

from __future__ import annotations

from hometrip.services.auth.contract import UserCreated, UserVerified
from hometrip.services.user import actions, store
from hometrip.services.user.actions import Deps


async def make_profile_when_created(deps: Deps, event: UserCreated) -> None:
    """Safe to run twice: a profile that is there stays as it is."""
    await actions.make_profile(deps, event.user_id, event.display_name, event.locale, verified=event.verified)


async def mark_when_verified(deps: Deps, event: UserVerified) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "user.mark_when_verified"):
            await store.mark_verified(tx, event.user_id, event.display_name, event.locale)

"""Who acts for a home besides its host: added by the host, removed by the host or by themself."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Forbidden, NotFound, Unavailable
from hometrip.kernel.wire import Answer
from hometrip.ports.documents import Change, DocumentReader, DocumentTx, eq
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, home_of_host, own_home
from hometrip.services.listing.contract import CoHostAdded, CoHostEvent, CoHostRemoved
from hometrip.services.listing.rules.co_hosts import known, must_be_admitted
from hometrip.services.listing.rules.home import Home
from hometrip.services.listing.store.co_hosts import CO_HOSTS, CoHost


class CoHostShown(Answer):
    """Who it is, as everybody may see, and since when they act for the home."""

    account_id: UUID
    first_name: str
    since: date
    added_at: datetime
    avatar: str | None = None


class CoHosts(Answer):
    items: list[CoHostShown]


async def co_hosts(deps: Deps, caller: Caller, listing_id: UUID) -> CoHosts:
    """In the order in which they were added."""
    await own_home(deps.docs, caller, listing_id)
    return CoHosts(items=await _shown(deps, await store.co_hosts.of_home(deps.docs, listing_id)))


async def _shown(deps: Deps, found: list[CoHost]) -> list[CoHostShown]:
    profiles = {each.id: each for each in await deps.user.public_profiles([one.account_id for one in found])}
    return [
        CoHostShown(
            account_id=one.account_id,
            first_name=profile.first_name,
            since=profile.since,
            added_at=one.added_at,
            avatar=profile.avatar,
        )
        for one in found
        if (profile := profiles.get(one.account_id)) is not None
    ]


async def add_co_host(deps: Deps, caller: Caller, listing_id: UUID, email: str) -> CoHostShown:
    """By the host alone, of the account whose verified address this is; both are told."""
    await _own(deps.docs, caller, listing_id)
    account_id = known(await deps.auth.account_of(email))
    added = CoHost(id=deps.new_id(), listing_id=listing_id, account_id=account_id, added_at=deps.clock.now())
    async with deps.docs.transaction() as tx:
        home = await _own(tx, caller, listing_id)
        # Two at once wait for each other here, so that none is one too many.
        after = await tx.change(store.HOMES, home.id, Change(push={"co_hosts": account_id}))
        if after is None:
            raise NotFound("There is no such listing.")
        home = replace(after, co_hosts=after.co_hosts[:-1])
        must_be_admitted(home, account_id, await tx.count(CO_HOSTS, eq("account_id", account_id)))
        await tx.insert(CO_HOSTS, added)
        await _tell(tx, CoHostAdded, caller, home, added, (await store.calendar(tx, home.id)).revision)
    [shown] = await _shown(deps, [added])
    return shown


async def _own(reader: DocumentReader, caller: Caller, listing_id: UUID) -> Home:
    """Not even staff choose who acts for another's home."""
    home = await home_of_host(reader, caller, listing_id)
    if caller.account_id != home.host_id:
        raise Forbidden
    return home


async def remove_co_host(deps: Deps, caller: Caller, listing_id: UUID, account_id: UUID) -> None:
    """By the host or staff, or by the co-host themself. From now on they are strangers to the home and its
    bookings; both are told."""
    async with deps.docs.transaction() as tx:
        home = await home_of_host(tx, caller, listing_id, account_id)
        removed = await store.co_hosts.remove(tx, listing_id, account_id)
        if removed is None:
            raise NotFound("This account does not co-host the home.")
        await tx.change(store.HOMES, home.id, Change(pull={"co_hosts": account_id}))
        revision = (await store.calendar(tx, home.id)).revision
        await _tell(tx, CoHostRemoved, caller, home, removed, revision)
    with suppress(Unavailable):  # booking hears of it by the event as well, only a little later
        await deps.booking.forget_co_host(removed.id)


async def dismiss_all(tx: DocumentTx, caller: Caller, home: Home, revision: int) -> None:
    """The home goes, and nobody acts for it any more."""
    for each in await store.co_hosts.of_home(tx, home.id):
        await tx.delete(CO_HOSTS, each.id)
        await _tell(tx, CoHostRemoved, caller, home, each, revision)


async def _tell(
    tx: DocumentTx, kind: type[CoHostEvent], caller: Caller, home: Home, of: CoHost, revision: int
) -> None:
    told = kind(
        listing_id=home.id,
        host_id=home.host_id,
        revision=revision,
        co_host_id=of.id,
        account_id=of.account_id,
        title=home.title,
        by=caller.id,
    )
    await tx.emit(told)

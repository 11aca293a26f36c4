"""Keeping up with the homes: from the listing service into the own copies, the index and the board."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from hometrip.kernel.wire import Done
from hometrip.services.listing.contract import SearchCard
from hometrip.services.search import store
from hometrip.services.search.actions.deps import Deps
from hometrip.services.search.contract import ReindexPage
from hometrip.services.search.rules.board import FRESH, Board
from hometrip.services.search.rules.cards import HOMES, record_of
from hometrip.services.search.store import Shown

PAGE = 200
CHANGED = "search.changed"
# The board begins before the earliest day that can be asked for.
BEFORE = timedelta(days=2)


async def begin(deps: Deps) -> None:
    """Make the board and the index ready; the index gets what it lacks from the own copies."""
    if not deps.memory.listening:
        deps.memory.listening = True
        deps.cache.hear(CHANGED, lambda message: heard(deps, message))
    await deps.index.declare(HOMES)
    async for page in store.every(deps.documents):
        behind = await deps.index.behind(HOMES.name, {str(home.id): home.revision for home in page})
        await _index(deps, [home for home in page if str(home.id) in set(behind)])
    await current(deps)


async def current(deps: Deps) -> Board:
    """The board as it is now: filled, looking far enough ahead, up with the other copies of this service."""
    memory = deps.memory
    if memory.changed:
        ids, memory.changed = list(memory.changed), set()
        if memory.board is not None:
            _show(memory.board, await store.some(deps.documents, ids))
    board = memory.board
    if board is not None and memory.filled and deps.clock.now().date() - board.starts < FRESH:
        return board
    async with memory.filling:
        return await _fill(deps)


async def _fill(deps: Deps) -> Board:
    memory, today = deps.memory, deps.clock.now().date()
    if memory.board is not None and memory.filled and today - memory.board.starts < FRESH:
        return memory.board  # filled by another while this one waited
    memory.filled = False
    # Changes that are heard meanwhile go to the new board as well, and the newer revision stays.
    board = memory.board = Board(today - BEFORE)
    async for page in store.every(deps.documents):
        _show(board, page)
    memory.filled = True
    return board


def heard(deps: Deps, message: bytes) -> None:
    """Another copy of this service took in a change, or this one did."""
    board = deps.memory.board
    for home, revision in msgspec.msgpack.decode(message, type=dict[UUID, int]).items():
        if board is None or board.revision(str(home)) < revision:
            deps.memory.changed.add(home)


async def take_in(deps: Deps, listing_id: UUID, revision: int) -> None:
    """Show the home as it is now; one that is not there any more, or not for all, is shown no more."""
    cards = await deps.listing.search_cards([listing_id])
    await _keep(
        deps, [await _shown(deps, card) for card in cards] or [Shown(id=listing_id, revision=revision)]
    )


async def forget(deps: Deps, listing_id: UUID, revision: int) -> None:
    """The home is gone for good."""
    await _keep(deps, [Shown(id=listing_id, revision=revision)])


async def reindex(deps: Deps) -> Done:
    """Take in all homes anew, page by page, while searches go on."""
    async with deps.documents.transaction() as tx:
        await tx.emit_later(ReindexPage(run=deps.new_id()), deps.clock.now(), key="reindex")
    return Done(status="started")


async def take_in_page(deps: Deps, page: ReindexPage) -> None:
    """The next homes by id, and away with those between them that are no more; then the page after."""
    ids = await deps.listing.all_ids(page.after, PAGE)
    last = ids[-1] if len(ids) == PAGE else None
    cards = await deps.listing.search_cards(ids)
    known = {home.id: home for home in await store.between(deps.documents, page.after, last)}
    absent = known.keys() - {card.id for card in cards}
    # A home may have been made since the ids were read.
    cards += await deps.listing.search_cards(sorted(absent))
    gone = sorted(absent - {card.id for card in cards})
    await _keep(deps, [await _shown(deps, card) for card in cards])
    await _keep(deps, [Shown(id=home, revision=known[home].revision) for home in gone])
    if last is not None:
        async with deps.documents.transaction() as tx:
            if await tx.first_time(page, "search.take_in_page"):
                await tx.emit_later(ReindexPage(run=page.run, after=last), deps.clock.now(), key="reindex")


async def _shown(deps: Deps, card: SearchCard) -> Shown:
    if not card.published:
        return Shown(id=card.id, revision=card.revision)
    zone = await deps.geocoder.time_zone(card.shown_lat, card.shown_lng)
    # Where the home really stands is nobody's business here.
    hidden = msgspec.structs.replace(card, lat=card.shown_lat, lng=card.shown_lng)
    return Shown(id=card.id, revision=card.revision, zone=zone, card=hidden)


async def _keep(deps: Deps, homes: Sequence[Shown]) -> None:
    """Each step may be done twice, and none puts an older card over a newer one; so there is nothing to mark
    as done, and after a crash in between the event comes again.
    """
    if not homes:
        return
    async with deps.documents.transaction() as tx:
        for home in homes:
            await store.keep(tx, home)
    await _index(deps, homes)
    if deps.memory.board is not None:
        _show(deps.memory.board, homes)
    revisions = {home.id: home.revision for home in homes}
    await deps.cache.announce(CHANGED, msgspec.msgpack.encode(revisions))


async def _index(deps: Deps, homes: Sequence[Shown]) -> None:
    found = [(record_of(home.card), home.revision) for home in homes if home.card is not None]
    if found:
        records, revisions = zip(*found, strict=True)
        await deps.index.put(HOMES.name, records, revisions)
    for home in homes:
        if home.card is None:
            await deps.index.remove(HOMES.name, str(home.id), home.revision)


def _show(board: Board, homes: Sequence[Shown]) -> None:
    for home in homes:
        if home.card is None:
            board.drop(str(home.id), home.revision)
        else:
            board.put(home.card, home.zone)

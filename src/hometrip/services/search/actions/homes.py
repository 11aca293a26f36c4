"""Keeping up with the homes: from the listing service into the own copies, the index and the board."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from hometrip.kernel.deadline import within
from hometrip.kernel.errors import Unavailable, VersionMismatch
from hometrip.kernel.wire import Done
from hometrip.ports.documents import Duplicate
from hometrip.services.listing.contract import SearchCard
from hometrip.services.search import store
from hometrip.services.search.actions.deps import Deps
from hometrip.services.search.contract import ReindexPage
from hometrip.services.search.rules.board import FRESH, Board
from hometrip.services.search.rules.cards import HOMES, record_of
from hometrip.services.search.store import Shown

log = logging.getLogger("hometrip.search")

PAGE = 200
TRIES = 5
CHANGED = "search.changed"
# The board begins before the earliest day that can be asked for.
BEFORE = timedelta(days=2)
# How often a copy looks for what it may have missed, and how long that may hold a search up.
PAUSE = timedelta(seconds=5)
PATIENCE_SECONDS = 1.0
# What was kept may be seen so much later: clocks differ, and transactions take a while.
LATE = timedelta(seconds=30)


async def begin(deps: Deps) -> None:
    """Make the board and the index ready; the index gets what it lacks from the own copies. Copies of before,
    of which nobody knows what stays cost or guests need, are taken in anew."""
    memory, now = deps.memory, deps.clock.now()
    if not memory.listening:
        memory.listening = True
        deps.cache.hear(CHANGED, lambda message: heard(deps, message))
    await deps.index.declare(HOMES)
    lacking = False
    async for page in store.every(deps.documents):
        await _index_missing(deps, page)
        lacking |= any(home.card is not None and _is_of_before(home.card) for home in page)
    memory.indexed_until = now
    await current(deps)
    if lacking:
        await reindex(deps)


def _is_of_before(card: SearchCard) -> bool:
    return card.charges is None or card.demands is None


async def current(deps: Deps) -> Board:
    """The board as it is now: filled, looking far enough ahead, up with the other copies of this service."""
    memory = deps.memory
    if memory.changed and memory.board is not None:
        ids, memory.changed = list(memory.changed), set()
        # What cannot be read now is caught up with.
        with contextlib.suppress(Unavailable):
            _show(memory.board, await store.some(deps.documents, ids))
    board = memory.board
    if board is None or not memory.filled or deps.clock.now().date() - board.starts >= FRESH:
        async with memory.filling:
            board = await _fill(deps)
    await catch_up(deps, board)
    return board


async def _fill(deps: Deps) -> Board:
    memory, now = deps.memory, deps.clock.now()
    if memory.board is not None and memory.filled and now.date() - memory.board.starts < FRESH:
        return memory.board  # filled by another while this one waited
    memory.filled = False
    # Changes that are heard meanwhile go to the new board as well, and the newer revision stays.
    board = memory.board = Board(now.date() - BEFORE)
    async for page in store.every(deps.documents):
        _show(board, page)
    memory.filled, memory.shown_until = True, now
    return board


async def catch_up(deps: Deps, board: Board) -> None:
    """Show and index what was kept lately, now and then: an announcement is missed while the line is down,
    and the index does not take what is put into it while its engine is away.
    """
    memory, now = deps.memory, deps.clock.now()
    if abs(now - memory.caught_up_at) < PAUSE:
        return
    memory.caught_up_at = now  # others go on with what there is
    for catch_up_with in (_show_lately, _index_lately):
        with contextlib.suppress(Unavailable):  # next time, then
            async with within(PATIENCE_SECONDS):
                await catch_up_with(deps, board, now)


async def _show_lately(deps: Deps, board: Board, now: datetime) -> None:
    memory = deps.memory
    last, memory.shown_last = memory.shown_last, set()
    async for page in store.kept_since(deps.documents, memory.shown_until - LATE):
        _show(board, [home for home in page if (home.id, home.kept_at) not in last])
        memory.shown_last.update((home.id, home.kept_at) for home in page)
    memory.shown_until = now


async def _index_lately(deps: Deps, _: Board, now: datetime) -> None:
    async for page in store.kept_since(deps.documents, deps.memory.indexed_until - LATE):
        await _index_missing(deps, page)
        if page and page[-1].kept_at:
            deps.memory.indexed_until = page[-1].kept_at
    deps.memory.indexed_until = now


def heard(deps: Deps, message: bytes) -> None:
    """Another copy of this service took in a change, or this one did."""
    board = deps.memory.board
    for home, revision in msgspec.msgpack.decode(message, type=dict[UUID, int]).items():
        if board is None or board.revision(str(home)) < revision:
            deps.memory.changed.add(home)


async def take_in(deps: Deps, heard_of: Mapping[UUID, int]) -> None:
    """Show these homes as they are now, at least of these revisions; one that is not there any more, or not
    for all, is shown no more. Those of which as much is shown have been taken in before.
    """
    board = deps.memory.board
    homes = [home for home, new in heard_of.items() if board is None or board.revision(str(home)) < new]
    if not homes:
        return
    shown = {card.id: await _shown(deps, card) for card in await deps.listing.search_cards(homes)}
    gone = (Shown(id=home, revision=heard_of[home]) for home in homes if home not in shown)
    await _keep(deps, [*shown.values(), *gone])


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
    await _keep(deps, [await _shown(deps, card) for card in cards], anew=True)
    await _keep(deps, [Shown(id=home, revision=known[home].revision) for home in gone], anew=True)
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


async def _keep(deps: Deps, homes: Sequence[Shown], *, anew: bool = False) -> None:
    """The index gets those in which something has changed that it knows of, or all of them `anew`.

    Each step may be done twice, and none puts an older card over a newer one; so there is nothing to mark as
    done, and after a crash in between the event comes again. Once the own copies are kept, the rest follows,
    if not now then when copies of this service catch up.
    """
    if not homes:
        return
    kept = await _keep_copies(deps, homes)
    if deps.memory.board is not None:
        _show(deps.memory.board, kept)
    revisions = {home.id: home.revision for home in kept}
    await _if_possible(_index(deps, [home for home in kept if anew or home.in_index == home.revision]))
    await _if_possible(deps.cache.announce(CHANGED, msgspec.msgpack.encode(revisions)))


async def _keep_copies(deps: Deps, homes: Sequence[Shown]) -> list[Shown]:
    """What is kept then; in order of their ids, so that two who keep the same ones do not wait for each
    other."""
    ordered = sorted(homes, key=lambda home: home.id)
    for tries_left in reversed(range(TRIES)):
        kept_at = deps.clock.now()
        try:
            async with deps.documents.transaction() as tx:
                return [
                    await store.keep(tx, msgspec.structs.replace(home, kept_at=kept_at)) for home in ordered
                ]
        except (Duplicate, VersionMismatch):
            # Another copy of this service was faster with one of them, maybe with a newer card.
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


async def _if_possible(step: Awaitable[None]) -> None:
    try:
        await step
    except Unavailable as reason:
        log.warning("homes are shown later than they should be", extra={"reason": reason.detail})


async def _index_missing(deps: Deps, homes: Sequence[Shown]) -> None:
    behind = set(await deps.index.behind(HOMES.name, {str(home.id): home.in_index for home in homes}))
    await _index(deps, [home for home in homes if str(home.id) in behind])


async def _index(deps: Deps, homes: Sequence[Shown]) -> None:
    found = [(record_of(home.card), home.in_index) for home in homes if home.card is not None]
    if found:
        records, revisions = zip(*found, strict=True)
        await deps.index.put(HOMES.name, records, revisions)
    for home in homes:
        if home.card is None:
            await deps.index.remove(HOMES.name, str(home.id), home.in_index)


def _show(board: Board, homes: Sequence[Shown]) -> None:
    for home in homes:
        if home.card is None:
            board.drop(str(home.id), home.revision)
        else:
            board.put(home.card, home.zone)

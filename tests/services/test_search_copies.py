"""Several copies of the search service over one storage: what one of them hears of, all of them show."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import msgspec
import pytest

from contracts.road import road_to
from engines import url_of
from harness import TestHouse
from hometrip.adapters.cache.memory import MemoryCache
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.documents.postgres import PostgresDocuments
from hometrip.adapters.postgres import drop_database
from hometrip.adapters.search.elasticsearch import ElasticsearchSearch
from hometrip.adapters.search.elasticsearch.indexes import Indexes
from hometrip.adapters.search.elasticsearch.link import Link
from hometrip.adapters.search.tantivy import TantivySearch
from hometrip.kernel.access import Caller
from hometrip.kernel.ids import ids
from hometrip.services.listing import actions as listing
from hometrip.services.search import actions, store
from hometrip.services.search.actions import Deps
from hometrip.services.search.actions.homes import _keep
from hometrip.services.search.rules.asked import Asked
from journeys.steps import ok, open_home
from services.test_search import as_read

pytestmark = pytest.mark.slow

NOBODY = Caller()


def copy_of(house: TestHouse, **other: Any) -> Deps:
    """Another copy of the service, with nothing in its memory."""
    here: Deps = house.deps("search")
    return dataclasses.replace(here, **other)


async def titles(deps: Deps, words: str = "", **more: Any) -> list[str]:
    return [hit.title for hit in as_read(await actions.search(deps, NOBODY, Asked(q=words, **more))).items]


async def test_a_copy_that_missed_what_was_announced_catches_up(house: TestHouse, tmp_path: Path) -> None:
    deaf = copy_of(house, cache=MemoryCache(house.clock), index=TantivySearch(tmp_path / "other"))
    await actions.begin(deaf)
    host = await house.sign_up("host@example.com")
    home = await open_home(host, "Creek cabin")
    await house.settle()
    assert await titles(deaf) == []
    await house.advance(6)
    assert await titles(deaf) == ["Creek cabin"]
    # An index of its own gets what another copy took in, too.
    await deaf.index.flush()
    assert await titles(deaf, "cabin") == ["Creek cabin"]
    ok(await host.patch(f"/api/listings/{home['id']}/toggle-active"))
    await house.settle()
    await house.advance(3_600)
    assert await titles(deaf) == []
    await deaf.index.close()


async def test_what_is_shown_already_is_not_shown_anew_at_every_look(house: TestHouse) -> None:
    there = copy_of(house)
    await actions.begin(there)
    await open_home(await house.sign_up("host@example.com"))
    await house.settle()
    await house.advance(6)
    await titles(there)
    board = there.memory.board
    assert board
    edition = board.edition
    for _ in range(10):
        await house.advance(6)
        assert len(await titles(there)) == 1
    assert board.edition <= edition + 1


async def test_homes_taken_in_anew_reach_the_other_copies_at_the_same_revision(house: TestHouse) -> None:
    there = copy_of(house, cache=MemoryCache(house.clock))
    await actions.begin(there)
    await open_home(await house.sign_up("host@example.com"), "Creek cabin")
    await house.settle()
    await house.advance(6)
    assert await titles(there) == ["Creek cabin"]
    async for page in store.every(there.documents):
        for home in page:
            assert home.card
            renamed = msgspec.structs.replace(home.card, title="Brook cabin")
            await _keep(house.deps("search"), [msgspec.structs.replace(home, card=renamed)])
    await house.advance(6)
    assert await titles(there) == ["Brook cabin"]


@asynccontextmanager
async def index_behind_a_road() -> AsyncIterator[Any]:
    there = urlsplit(url_of("opensearch"))
    async with road_to(there.hostname or "", there.port or 0) as road:
        url = f"elasticsearch://127.0.0.1:{road.port}/test-{uuid4().hex[:12]}"
        index = ElasticsearchSearch(url)
        try:
            yield index, road
        finally:
            link = Link(url)
            for concrete in await Indexes(link).made():
                await link.ask("DELETE", concrete, seconds=10)
            await link.close()
            await index.close()


async def test_what_the_index_could_not_take_is_found_once_it_is_back(house: TestHouse) -> None:
    async with index_behind_a_road() as (index, road):
        there = copy_of(house, index=index, cache=MemoryCache(house.clock))
        await actions.begin(there)
        await open_home(await house.sign_up("host@example.com"), "Creek cabin")
        await house.settle()
        home = (await listing.all_ids(house.deps("listing"), None, 1))[0]
        await road.close()
        # No error: the event would be parked, and the home be missing until somebody looked.
        await actions.take_in(there, {home: 1})
        await house.advance(6)
        assert await titles(there) == ["Creek cabin"]
        await road.open()
        await house.advance(6)
        assert await titles(there) == ["Creek cabin"]
        await index.flush()
        assert await titles(there, "cabin") == ["Creek cabin"]


@pytest.fixture
async def storages() -> AsyncIterator[list[PostgresDocuments]]:
    """What two copies of the service have: the same database, each with connections of its own."""
    url = f"{url_of('postgres').rpartition('/')[0]}/test_{uuid4().hex}"
    clock = MovableClock(SystemClock())
    copies = [
        PostgresDocuments(
            url, service="search", clock=clock, new_id=ids(clock), collections=store.COLLECTIONS
        )
        for _ in range(2)
    ]
    for copy in copies:
        await copy.migrate()
        await copy.open()
    yield copies
    for copy in copies:
        await copy.close()
    await drop_database(url)


async def test_of_two_copies_that_keep_one_home_the_newer_card_stays(
    house: TestHouse, tmp_path: Path, storages: list[PostgresDocuments]
) -> None:
    index = TantivySearch(tmp_path / "other")
    one, other = (copy_of(house, documents=storage, index=index) for storage in storages)
    await actions.begin(one)
    for number in range(30):
        homes = [UUID(int=number * 3 + each) for each in range(3)]
        await _keep(one, [store.Shown(id=homes[0], revision=1)])
        newer = [store.Shown(id=home, revision=9) for home in homes]
        older = [store.Shown(id=home, revision=8) for home in reversed(homes)]
        await asyncio.gather(_keep(one, newer), _keep(other, older))
        assert {home.revision for home in await store.some(one.documents, homes)} == {9}
    await index.close()


async def test_the_index_is_spared_what_it_knows_nothing_of(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no calendar: a block of nights is shown, and is no reason to write the index."""
    host = await house.sign_up("host@example.com")
    home = await open_home(host, "Creek cabin")
    await house.settle()
    deps, written = house.deps("search"), list[str]()
    put = deps.index.put

    async def noting(index: str, records: Any, revisions: Any) -> None:
        written.extend(record["title"] for record in records)
        await put(index, records, revisions)

    monkeypatch.setattr(deps.index, "put", noting)
    first = house.clock.now().date() + timedelta(days=30)
    until = first + timedelta(days=3)
    block = {"from": str(first), "to": str(until), "reason": "mine"}
    ok(await host.post(f"/api/listings/{home['id']}/block-dates", block), 201)
    await house.settle()
    assert written == []
    assert await titles(deps, "cabin", check_in=first, check_out=until) == []
    ok(await host.patch(f"/api/listings/{home['id']}", {"title": "Brook cabin"}))
    await house.settle()
    assert written == ["Brook cabin"]
    await deps.index.flush()
    assert await titles(deps, "brook") == ["Brook cabin"]
    assert await actions.verify(deps) == []

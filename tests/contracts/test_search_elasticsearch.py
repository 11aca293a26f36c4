"""What the search port promises besides its suite, on Elasticsearch and OpenSearch alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import pytest

from contracts.road import Road, road_to
from engines import url_of
from hometrip.adapters.search.elasticsearch import ElasticsearchSearch
from hometrip.adapters.search.elasticsearch.indexes import Indexes
from hometrip.adapters.search.elasticsearch.link import Link
from hometrip.kernel.errors import Unavailable
from hometrip.ports.engine import Unfit
from hometrip.ports.search import Question, Schema

HOMES = Schema(name="homes", text={"title": 1.0}, keywords=("city",), numbers=("price",))
LOFT = {"id": "loft", "title": "Luxury loft", "city": "rome", "price": 9}


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[Link]:
    link = Link(url)
    try:
        yield link
    finally:
        await link.close()


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A prefix of its own, and nothing left under it."""
    own = urlsplit(url_of("opensearch"))._replace(path=f"/test-{uuid4().hex[:12]}").geturl()
    yield own
    async with linked(own) as link:
        for index in await Indexes(link).made():
            await link.ask("DELETE", index, seconds=10)


@asynccontextmanager
async def opened(url: str, schema: Schema = HOMES) -> AsyncIterator[ElasticsearchSearch]:
    search = ElasticsearchSearch(url)
    try:
        await search.open()
        await search.declare(schema)
        yield search
    finally:
        await search.close()


@pytest.fixture
async def search(url: str) -> AsyncIterator[ElasticsearchSearch]:
    async with opened(url) as search:
        yield search


async def made(url: str) -> set[str]:
    async with linked(url) as link:
        return set(await Indexes(link).made())


async def ids(search: ElasticsearchSearch, words: str = "") -> set[str]:
    await search.flush()
    return set((await search.find("homes", Question(words=words))).ids)


# indexes


async def test_copies_that_declare_an_index_at_once_share_one(url: str) -> None:
    copies = [ElasticsearchSearch(url) for _ in range(5)]
    await asyncio.gather(*(copy.declare(HOMES) for copy in copies))
    await copies[0].put("homes", [LOFT], [1])
    assert [await ids(copy) for copy in copies] == [{"loft"}] * 5
    assert len(await made(url)) == 1
    await asyncio.gather(*(copy.close() for copy in copies))


async def test_a_new_schema_is_filled_beside_the_old_one_which_goes_on(
    url: str, search: ElasticsearchSearch
) -> None:
    await search.put("homes", [LOFT], [1])
    async with opened(url, msgspec.structs.replace(HOMES, edition=2)) as newer:
        assert await newer.behind("homes", {"loft": 1}) == ["loft"]
        await newer.put("homes", [LOFT | {"title": "Renamed"}], [1])
        await search.put("homes", [LOFT | {"id": "late"}], [1])
        assert (await ids(search, "luxury"), await ids(newer, "renamed")) == ({"loft", "late"}, {"loft"})
        assert await newer.behind("homes", {"loft": 1, "late": 1}) == ["late"]


async def test_of_the_schemas_before_one_is_kept(url: str, search: ElasticsearchSearch) -> None:
    for edition in (2, 3):
        async with opened(url, msgspec.structs.replace(HOMES, edition=edition)):
            pass
    assert len(await made(url)) == 2
    with pytest.raises(Unavailable):
        await search.find("homes", Question())


async def test_an_index_is_cleared_in_one_step_for_all_who_use_it(
    url: str, search: ElasticsearchSearch
) -> None:
    async with opened(url) as other:
        done = False

        async def use() -> int:
            times = 0
            while not done:
                times += 1
                await other.put("homes", [LOFT | {"id": f"home{times}"}], [1])
                await other.find("homes", Question(words="luxury"))
            return times

        using = asyncio.create_task(use())
        await asyncio.gather(*(search.clear("homes") for _ in range(2)))
        await search.clear("homes")
        done = True
        assert await using > 0
        await other.put("homes", [LOFT], [1])
        assert "loft" in await ids(search)
    assert len(await made(url)) == 1


async def test_a_write_to_an_index_that_was_taken_away_makes_none_by_the_way(
    url: str, search: ElasticsearchSearch
) -> None:
    async with linked(url) as link:
        for index in await made(url):
            await link.ask("DELETE", index, seconds=10)
        for call in (search.put("homes", [LOFT], [1]), search.find("homes", Question()), search.ready()):
            with pytest.raises(Unavailable):
                await call
        assert msgspec.json.decode(await link.ask("GET", f"{link.prefix}*", seconds=10)) == {}


# records


async def test_of_many_records_the_one_that_is_refused_keeps_nothing_from_the_others(
    search: ElasticsearchSearch,
) -> None:
    records = [LOFT, LOFT | {"id": "huge", "price": 2**70}, LOFT | {"id": "last"}]
    with pytest.raises(ValueError, match="takes no such record"):
        await search.put("homes", records, [1, 1, 1])
    assert await ids(search) == {"loft", "last"}


async def test_a_value_too_long_for_the_engine_is_not_found_and_harms_nothing(
    search: ElasticsearchSearch,
) -> None:
    await search.put("homes", [LOFT | {"city": "é" * 20_000}], [1])
    assert await ids(search, "loft") == {"loft"}
    assert (await search.find("homes", Question(terms={"city": ["é" * 20_000]}))).ids == []


async def test_all_that_match_are_found_however_many_answers_it_takes(
    search: ElasticsearchSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hometrip.adapters.search.elasticsearch.PAGE", 4)
    monkeypatch.setattr("hometrip.adapters.search.elasticsearch.ENOUGH_BYTES", 500)
    monkeypatch.setattr("hometrip.adapters.search.elasticsearch.ENOUGH_IDS", 5)
    names = [f"home{n}" for n in range(12)]
    await search.put("homes", [LOFT | {"id": name} for name in names], [1] * 12)
    await search.flush()
    found = await search.find("homes", Question(words="luxury"))
    assert sorted(found.ids) == sorted(names)
    assert found.scores == [1.0] * 12
    assert await search.behind("homes", dict.fromkeys(names, 1) | {"home3": 2, "home11": 2}) == [
        "home3",
        "home11",
    ]


# the engine away, or another than it should be


@pytest.fixture
async def road() -> AsyncIterator[Road]:
    there = urlsplit(url_of("opensearch"))
    async with road_to(there.hostname or "", there.port or 0) as road:
        yield road


def along(road: Road, url: str, account: str = "") -> str:
    return urlsplit(url)._replace(netloc=f"{account}127.0.0.1:{road.port}").geturl()


async def test_while_the_engine_is_away_calls_fail_in_time_and_all_is_well_after(
    road: Road, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for which in ("ASK_SECONDS", "WRITE_SECONDS", "READY_SECONDS"):
        monkeypatch.setattr(f"hometrip.adapters.search.elasticsearch.{which}", 0.8)
    async with opened(along(road, url)) as search:
        await search.put("homes", [LOFT], [1])
        await road.close()
        await all_fail(search)
        await road.open()
        await search.put("homes", [LOFT | {"id": "again"}], [1])
        road.stall()
        await all_fail(search)
        road.flow()
        assert await ids(search) == {"loft", "again"}
        await search.ready()


async def all_fail(search: ElasticsearchSearch) -> None:
    began = time.monotonic()
    calls = [search.put("homes", [LOFT], [2]), search.ready(), search.flush(), search.size("homes")]
    finds = [search.find("homes", Question(words="loft")) for _ in range(40)]
    answers = await asyncio.gather(*calls, *finds, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}
    # 0.8 s each: 35 s where one waits for the other. The machine may be busy with others.
    assert time.monotonic() - began < 5


async def test_a_connection_that_breaks_costs_no_call(road: Road, url: str) -> None:
    async with opened(along(road, url)) as search:
        await search.put("homes", [LOFT], [1])
        await road.cut()
        assert await ids(search) == {"loft"}


Spoil = Callable[[bytes], bytes]


def of_version(number: bytes, *, elastic: bool = False) -> Spoil:
    """The answer of the real engine, with another version in it."""

    def spoil(answer: bytes) -> bytes:
        answer = answer.replace(b'"2.19.1"', b'"%s"' % number)
        told = b'"distribution" : "opensearch",'
        return answer.replace(told, b" " * len(told)) if elastic else answer

    return spoil


def refusing(answers: int) -> Spoil:
    """After so many good answers, the account is refused."""
    left = iter(range(answers))

    def spoil(answer: bytes) -> bytes:
        if not answer.startswith(b"HTTP/1.1 ") or next(left, None) is not None:
            return answer
        return answer.replace(b"HTTP/1.1 200 OK", b"HTTP/1.1 403 No")

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (of_version(b"1.19.1"), "opensearch 1.19.1 is too old"),
        (of_version(b"7.17.1", elastic=True), "elasticsearch 7.17.1 is too old"),
        (refusing(0), "refuses (403)"),
        (refusing(1), "the search engine refuses"),
        (lambda _: b"SSH-2.0-OpenSSH_9.2\r\n", "no search engine answers"),
        (lambda answer: answer.replace(b'"version"', b'"nothing"'), "is no search engine"),
    ],
)
async def test_an_engine_that_cannot_be_used_is_named_with_what_to_do(
    road: Road, url: str, spoil: Spoil, said: str
) -> None:
    road.spoil = spoil
    search = ElasticsearchSearch(along(road, url, "ann:sesame@"))
    with pytest.raises(Unfit) as unfit:
        await search.open()
    wrong = [finding for finding in await search.examine() if not finding.fine]
    await search.close()
    assert said in unfit.value.detail
    assert "sesame" not in unfit.value.detail
    assert all(finding.advice for finding in wrong)


@pytest.mark.parametrize("number", [b"8.19.1", b"9.19.1"])
async def test_an_engine_that_fits_is_told_of(road: Road, url: str, number: bytes) -> None:
    road.spoil = of_version(number, elastic=True)
    async with opened(along(road, url)) as search:
        told = {finding.what: finding for finding in await search.examine()}
    assert all(finding.fine for finding in told.values())
    assert told["version"].detail == f"elasticsearch {number.decode()}"
    assert told["schema"].detail.endswith("-1")
    assert told.keys() == {"reachable", "version", "rights", "schema"}

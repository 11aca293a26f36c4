"""The search port on Elasticsearch 8 and 9 and OpenSearch 2 and 3, in the words that all of them know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hometrip.adapters.search.elasticsearch.indexes import Indexes
from hometrip.adapters.search.elasticsearch.link import Link, check_written
from hometrip.adapters.search.elasticsearch.looking import READY_SECONDS, examine
from hometrip.adapters.search.elasticsearch.questions import LIVE, Query, by_ids, query_of, suggestion_of
from hometrip.adapters.search.elasticsearch.records import PAGE, document, gone, lines_of
from hometrip.kernel.errors import Unavailable
from hometrip.ports.engine import Finding, Unfit
from hometrip.ports.search import MOST_WORDS, Circle, Found, Question, Schema, words_of

ASK_SECONDS = 5.0
WRITE_SECONDS = 15.0
MOST_VALUES = 65_000
# An order to write is sent when it has grown to so many bytes.
ENOUGH_BYTES = 4_000_000
ENOUGH_IDS = 5_000


class Hit(msgspec.Struct):
    score: float | None = msgspec.field(name="_score", default=None)
    sort: list[Any] = []
    fields: dict[str, list[float]] = {}


class Hits(msgspec.Struct):
    hits: list[Hit] = []


class Bucket(msgspec.Struct):
    key: str
    doc_count: int


class Counted(msgspec.Struct):
    buckets: list[Bucket] = []


class Searched(msgspec.Struct):
    hits: Hits = msgspec.field(default_factory=Hits)
    aggregations: dict[str, Counted] = {}


class Known(msgspec.Struct):
    """A record that was asked for by its id."""

    id: str = msgspec.field(name="_id")
    version: int | None = msgspec.field(name="_version", default=None)
    error: Any = None


class KnownOnes(msgspec.Struct):
    docs: list[Known] = []


class ElasticsearchSearch:
    """Each index behind an alias named for its schema: `<prefix>-<name>-<fingerprint>`.

    - An index of another schema is left as it is, for the copies that still run the release before; the new
      one is filled meanwhile, and what was put into it counts by revision.
    - A change is on disk when `put` or `remove` returns. A search that cannot reach all of an index is
      `Unavailable`, not a part of the answer.
    """

    def __init__(self, url: str) -> None:
        """`elasticsearch://[account:password@]host[:9200]/[prefix]`, with `?tls=on` for TLS, and `&ca=` with
        a file of the authorities to trust where they are not the system's."""
        self._link = Link(url)
        self._indexes = Indexes(self._link)

    # living

    async def open(self) -> None:
        if wrong := [finding for finding in await self.examine() if not finding.fine]:
            raise Unfit("; ".join(f"{each.detail}: {each.advice}" for each in wrong))

    async def examine(self) -> list[Finding]:
        return await examine(self._link)

    async def ready(self) -> None:
        """Every declared index answers."""
        names = ",".join(self._indexes.aliases())
        if names:
            await self._search(names, {"size": 0, "terminate_after": 1}, seconds=READY_SECONDS)
        else:
            await self._link.ask("GET", "", seconds=READY_SECONDS)

    async def close(self) -> None:
        await self._link.close()

    async def declare(self, schema: Schema) -> None:
        await self._indexes.declare(schema)

    # writing

    async def put(self, index: str, records: Sequence[Mapping[str, Any]], revisions: Sequence[int]) -> None:
        alias, schema = self._indexes.alias(index), self._indexes.schema(index)
        await self._write(
            lines_of(alias, document(record, schema), revision)
            for record, revision in zip(records, revisions, strict=True)
        )

    async def remove(self, index: str, record_id: str, revision: int) -> None:
        await self._write([lines_of(self._indexes.alias(index), gone(record_id), revision)])

    async def _write(self, orders: Iterable[bytes]) -> None:
        batch, size = [], 0
        for order in orders:
            batch.append(order)
            size += len(order)
            if size > ENOUGH_BYTES:
                await self._bulk(b"".join(batch))
                batch, size = [], 0
        if batch:
            await self._bulk(b"".join(batch))

    async def _bulk(self, body: bytes) -> None:
        # Were the alias missing, the engine would make an index of that name, with a mapping of its own.
        params = {
            "require_alias": "true",
            "timeout": "5s",
            "filter_path": "errors,items.*.status,items.*.error",
        }
        await self._link.ask("POST", "_bulk", body, params=params, check=check_written, seconds=WRITE_SECONDS)

    async def clear(self, index: str) -> None:
        await self._indexes.clear(index)

    async def flush(self) -> None:
        if names := ",".join(self._indexes.aliases()):
            await self._link.ask("POST", f"{names}/_refresh", seconds=WRITE_SECONDS)

    # asking

    async def behind(self, index: str, revisions: Mapping[str, int]) -> list[str]:
        """Sees what cannot be found yet, too."""
        ids, found = list(revisions), []
        for at in range(0, len(ids), ENOUGH_IDS):
            part = ids[at : at + ENOUGH_IDS]
            answer = await self._link.ask(
                "POST",
                f"{self._indexes.alias(index)}/_mget",
                {"ids": part},
                params={"_source": "false", "filter_path": "docs._id,docs._version,docs.error"},
                seconds=ASK_SECONDS,
            )
            known = msgspec.json.decode(answer, type=KnownOnes).docs
            if broken := next((each.error for each in known if each.error), None):
                raise Unavailable(f"the search engine cannot look: {broken}"[:300])
            found += [each.id for each in known if each.version is None or each.version < revisions[each.id]]
        return found

    async def find(self, index: str, question: Question) -> Found:
        schema = self._indexes.schema(index)
        circle, place = (question.circle, schema.place) if schema.place else (None, None)
        asked: dict[str, Any] = {
            "query": query_of(schema, question),
            "sort": [{"id": "asc"}],
            "track_scores": True,
            "size": PAGE,
        }
        if circle and place:
            asked["docvalue_fields"] = [f"p_{name}" for name in place]
        found = Found([], [])
        async for hits in self._pages(index, asked):
            if circle and place:
                hits = [hit for hit in hits if _inside(hit, circle, place)]
            found.ids.extend(hit.sort[0] for hit in hits)
            found.scores.extend(round(hit.score or 0.0, 4) for hit in hits)
        return found

    async def _pages(self, index: str, asked: dict[str, Any]) -> AsyncIterator[list[Hit]]:
        """All hits, by id."""
        alias = self._indexes.alias(index)
        while True:
            hits = (await self._search(alias, asked)).hits.hits
            yield hits
            if len(hits) < PAGE:
                return
            asked = asked | {"search_after": hits[-1].sort}

    async def counts(
        self, index: str, question: Question, fields: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        query = query_of(self._indexes.schema(index), question)
        if question.circle:
            query = by_ids((await self.find(index, question)).ids)
        asked = {name: {"terms": {"field": f"k_{name}", "size": MOST_VALUES}} for name in fields}
        answer = await self._search(
            self._indexes.alias(index), {"query": query, "size": 0, "aggregations": asked}
        )
        counted = answer.aggregations
        return {
            name: {bucket.key: bucket.doc_count for bucket in counted[name].buckets}
            if name in counted
            else {}
            for name in fields
        }

    async def suggest(self, index: str, field: str, beginning: str, limit: int = 10) -> list[str]:
        words = words_of(beginning)[:MOST_WORDS]
        if not words or limit < 1:
            return []
        order = [{"_score": "desc"}, {"id": "asc"}]
        asked = {"query": suggestion_of(field, words), "sort": order, "size": min(limit, PAGE)}
        answer = await self._search(self._indexes.alias(index), asked)
        return [hit.sort[1] for hit in answer.hits.hits]

    async def size(self, index: str) -> int:
        alias = self._indexes.alias(index)
        await self._link.ask("POST", f"{alias}/_refresh", seconds=WRITE_SECONDS)
        answer = await self._link.ask("POST", f"{alias}/_count", {"query": LIVE}, seconds=ASK_SECONDS)
        return int(msgspec.json.decode(answer)["count"])

    async def _search(self, names: str, asked: Query, seconds: float | None = None) -> Searched:
        # What is asked for is in columns: no stored record is read.
        asked = {"track_total_hits": False, "_source": False, "stored_fields": "_none_"} | asked
        params = {
            "allow_partial_search_results": "false",
            "filter_path": "hits.hits._score,hits.hits.sort,hits.hits.fields,aggregations.*.buckets",
        }
        answer = await self._link.ask(
            "POST", f"{names}/_search", asked, params=params, seconds=seconds or ASK_SECONDS
        )
        return msgspec.json.decode(answer, type=Searched)


def _inside(hit: Hit, circle: Circle, place: tuple[str, str]) -> bool:
    """A query knows only the box around the circle."""
    lat, lng = (hit.fields[f"p_{name}"][0] for name in place)
    return circle.holds(lat, lng)

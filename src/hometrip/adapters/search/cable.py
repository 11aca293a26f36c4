"""The indexes of another process of the same house, over a cable: each has one writer, which is that one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hometrip.kernel.errors import Unavailable
from hometrip.ports.cable import Cable
from hometrip.ports.search import Found, Question, Schema, Search, storable

_AS_THEY_ARE = ("put", "remove", "behind", "suggest", "size", "clear", "flush")
_question = msgspec.msgpack.Decoder(Question).decode
_ranges = msgspec.json.Decoder(dict[str, tuple[int | None, int | None]]).decode


class CableSearch:
    """This end: every call asks the other process, which has `lent` its indexes."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable

    async def declare(self, schema: Schema) -> None:
        await self._cable.call("search.declare", msgspec.json.encode(schema))

    async def put(self, index: str, records: Sequence[Mapping[str, Any]], revisions: Sequence[int]) -> None:
        await self._cable.call("search.put", index, records, revisions)

    async def remove(self, index: str, record_id: str, revision: int) -> None:
        await self._cable.call("search.remove", index, record_id, revision)

    async def behind(self, index: str, revisions: Mapping[str, int]) -> list[str]:
        behind: list[str] = await self._cable.call("search.behind", index, revisions)
        return behind

    async def find(self, index: str, question: Question) -> Found:
        return Found(*await self._cable.call("search.find", index, *_parts(question)))

    async def counts(
        self, index: str, question: Question, fields: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = await self._cable.call(
            "search.counts", index, fields, *_parts(question)
        )
        return counts

    async def suggest(self, index: str, field: str, beginning: str, limit: int = 10) -> list[str]:
        ids: list[str] = await self._cable.call("search.suggest", index, field, storable(beginning), limit)
        return ids

    async def size(self, index: str) -> int:
        size: int = await self._cable.call("search.size", index)
        return size

    async def clear(self, index: str) -> None:
        await self._cable.call("search.clear", index)

    async def flush(self) -> None:
        await self._cable.call("search.flush")

    async def ready(self) -> None:
        if self._cable.is_gone:
            raise Unavailable("the process that keeps the indexes is gone")

    async def close(self) -> None:
        return


def _parts(question: Question) -> tuple[bytes, bytes]:
    """Numbers may be of any size, which only JSON has, and degrees none at all, which it has not."""
    among = question.among
    sayable = msgspec.structs.replace(
        question,
        words=storable(question.words),
        terms=_storable(question.terms),
        all_terms=_storable(question.all_terms),
        ranges={},
        among=None if among is None else [storable(each) for each in among],
    )
    return msgspec.msgpack.encode(sayable), msgspec.json.encode(question.ranges)


def _storable(terms: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {name: [storable(value) for value in values] for name, values in terms.items()}


def _whole(question: bytes, ranges: bytes) -> Question:
    return msgspec.structs.replace(_question(question), ranges=_ranges(ranges))


def lend(search: Search, cable: Cable) -> None:
    """That end: answers with `search`. What takes long holds up nothing else that is said."""

    async def declare(schema: bytes) -> None:
        await search.declare(msgspec.json.decode(schema, type=Schema))

    async def find(index: str, *question: bytes) -> tuple[list[str], list[float]]:
        found = await search.find(index, _whole(*question))
        return found.ids, found.scores

    async def counts(index: str, fields: list[str], *question: bytes) -> dict[str, dict[str, int]]:
        return await search.counts(index, _whole(*question), fields)

    for name in _AS_THEY_ARE:
        cable.on(f"search.{name}", getattr(search, name), apart=True)
    for heed in (declare, find, counts):
        cable.on(f"search.{heed.__name__}", heed, apart=True)

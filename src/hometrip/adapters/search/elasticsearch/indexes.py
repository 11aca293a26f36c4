"""The indexes of this process: each found through an alias, made where missing, made anew when cleared."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec

from hometrip.adapters.search.elasticsearch.link import Link, Refusal
from hometrip.adapters.search.elasticsearch.records import fingerprint, index_of
from hometrip.kernel.errors import Unavailable
from hometrip.ports.search import Schema

MAKE_SECONDS = 30.0
# Another process may clear the same index in the same moment.
CLEARINGS = 5
MISSING, THERE_ALREADY = 404, "resource_already_exists_exception"


class Mapping(msgspec.Struct):
    meta: dict[str, Any] = msgspec.field(name="_meta", default_factory=dict)


class About(msgspec.Struct):
    """An index as the engine tells of it."""

    aliases: dict[str, Any] = {}
    mappings: Mapping = msgspec.field(default_factory=Mapping)
    settings: dict[str, dict[str, Any]] = {}

    @property
    def mark(self) -> dict[str, str]:
        mark: dict[str, str] = self.mappings.meta.get("hometrip", {})
        return mark

    @property
    def made_at(self) -> int:
        return int(self.settings["index"]["creation_date"])


class Indexes:
    """Names of indexes: `<alias>-1`, and after a clearing another end; the alias has one at any time."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._schemas: dict[str, Schema] = {}

    def schema(self, name: str) -> Schema:
        if name not in self._schemas:
            raise Unavailable(f"the index {name} was not declared")
        return self._schemas[name]

    def alias(self, name: str) -> str:
        return self._alias(self.schema(name))

    def aliases(self) -> list[str]:
        return [self._alias(schema) for schema in self._schemas.values()]

    def _alias(self, schema: Schema) -> str:
        return f"{self._link.prefix}-{schema.name}-{fingerprint(schema)}"

    async def declare(self, schema: Schema) -> None:
        """Make it where it is missing; of those of other schemas, keep the newest: the release before may
        still run, or be wanted again.
        """
        alias = self._alias(schema)
        if not await self._behind(alias):
            await self._make(schema, f"{alias}-1", aliased=True)
        self._schemas[schema.name] = schema
        others = [
            (bool(about.aliases), about.made_at, concrete)
            for concrete, about in (await self.made(schema.name)).items()
            if alias not in about.aliases
        ]
        for _, _, concrete in sorted(others)[:-1]:
            await self._drop(concrete)

    async def clear(self, name: str) -> None:
        """Put a fresh index in the place of the one that is there, in one step."""
        schema, alias = self.schema(name), self.alias(name)
        for turn in range(CLEARINGS):
            fresh = f"{alias}-{uuid4().hex[:8]}"
            await self._make(schema, fresh, aliased=False)
            actions: list[dict[str, Any]] = [
                {"remove_index": {"index": concrete}} for concrete in await self._behind(alias)
            ]
            actions.append({"add": {"index": fresh, "alias": alias}})
            try:
                await self._link.ask("POST", "_aliases", {"actions": actions}, seconds=MAKE_SECONDS)
            except Refusal as refusal:
                await self._drop(fresh)
                if refusal.status != MISSING or turn == CLEARINGS - 1:
                    raise
            else:
                return

    async def made(self, name: str = "*") -> dict[str, About]:
        """Every index of ours of that name, of whatever schema."""
        answer = await self._link.ask(
            "GET",
            f"{self._link.prefix}-{name}-*",
            params={"filter_path": "*.aliases,*.mappings._meta,*.settings.index.creation_date"},
            seconds=MAKE_SECONDS,
        )
        found = msgspec.json.decode(answer, type=dict[str, About])
        return {
            concrete: about
            for concrete, about in found.items()
            if about.mark.get("prefix") == self._link.prefix and name in ("*", about.mark["name"])
        }

    async def _behind(self, alias: str) -> list[str]:
        """The index that the alias leads to."""
        try:
            answer = await self._link.ask("GET", f"_alias/{alias}", seconds=MAKE_SECONDS)
        except Refusal as refusal:
            if refusal.status == MISSING:
                return []
            raise
        return list(msgspec.json.decode(answer))

    async def _make(self, schema: Schema, concrete: str, *, aliased: bool) -> None:
        """Where another process was faster, its index is as good."""
        alias = self._alias(schema)
        body = index_of(schema, {"prefix": self._link.prefix, "name": schema.name})
        if aliased:
            body["aliases"] = {alias: {}}
        try:
            await self._link.ask("PUT", concrete, body, seconds=MAKE_SECONDS)
        except Refusal as refusal:
            if refusal.kind != THERE_ALREADY:
                raise
            if aliased and not await self._behind(alias):
                await self._link.ask("PUT", f"{concrete}/_alias/{alias}", seconds=MAKE_SECONDS)

    async def _drop(self, concrete: str) -> None:
        try:
            await self._link.ask("DELETE", concrete, seconds=MAKE_SECONDS)
        except Refusal as refusal:
            if refusal.status != MISSING:
                raise

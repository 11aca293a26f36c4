"""The collections and indexes of a MongoDB database: made, made anew where they are declared otherwise, and
looked at.

What was made is written down in a collection of its own, so that it can be told from what is declared now.
Two that do this at once do the same things, each of which may be done twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec
from pymongo.errors import CollectionInvalid, DuplicateKeyError, OperationFailure

from hometrip.adapters.documents.declared import USE_NEWER, outdated, too_new
from hometrip.adapters.documents.mongo_events import INDEXES
from hometrip.adapters.documents.mongo_link import TURN, TURNS, MongoLink
from hometrip.adapters.documents.mongo_server import MIGRATE
from hometrip.adapters.documents.mongo_shelf import WORDS, Shelf, for_stand_in
from hometrip.adapters.documents.words import words_in
from hometrip.ports.engine import Finding, Unfit

MADE = "hometrip_made"
# The arrangement of all this, so that a program does not use one that is newer than itself.
LAYOUT = 1
_EDITION = "edition of "
_NOT_THERE = (26, 27)  # NamespaceNotFound, IndexNotFound
_BATCH = 500


async def migrate(link: MongoLink, shelves: Iterable[Shelf[Any]]) -> list[str]:
    """Make what is missing; says what was done. `Unfit` where the database is ahead of this code, or holds
    what an index forbids.
    """
    made, shelves = await _made(link), list(shelves)
    if ahead := _ahead(link, made, shelves):
        raise Unfit(f"{ahead.detail}: {ahead.advice}")
    there = set(await link.database.list_collection_names())
    done = []
    for name in [MADE, TURNS, *INDEXES, *(shelf.name for shelf in shelves)]:
        if name not in there:
            await _create(link, name)
            done.append(f"made the collection {name}")
    if await link[TURNS].find_one({"_id": TURN}) is None:
        await _insert_once(link, TURNS, {"_id": TURN, "number": 0})
    for name, index, told in _wanted(link, shelves):
        if made.get(f"{name}.{index}") != _text(told):
            await _make(link, name, index, told)
            done.append(f"made the index {index} of {name}")
    for shelf in shelves:
        if shelf.of.text is not None:
            await _write_words(link, shelf, made)
        for index in [one.partition(".")[2] for one in made if one.startswith(f"{shelf.name}.")]:
            if index not in shelf.indexes and index != WORDS:
                await _drop(link, shelf.name, index)
                await link[MADE].delete_one({"_id": f"{shelf.name}.{index}"})
                done.append(f"dropped the index {index} of {shelf.name}")
    await _write_down(link, "layout", str(LAYOUT))
    for one in outdated([shelf.of for shelf in shelves], _held(made)):
        await _write_down(link, f"{_EDITION}{one.name}", str(one.edition))
        done.append(f"{one.name} is at edition {one.edition}")
    return done


async def examine(link: MongoLink, shelves: Iterable[Shelf[Any]]) -> Finding:
    """Is everything there that is declared?"""
    made, shelves = await _made(link), list(shelves)
    if ahead := _ahead(link, made, shelves):
        return ahead
    missing = [
        f"{name}.{index}"
        for name, index, told in _wanted(link, shelves)
        if made.get(f"{name}.{index}") != _text(told)
    ]
    if "layout" not in made:
        return Finding("schema", False, f"{link.place} is not set up", MIGRATE)
    if behind := outdated([shelf.of for shelf in shelves], _held(made)):
        return Finding("schema", False, f"{link.place} is at an earlier edition of {behind[0].name}", MIGRATE)
    if missing:
        return Finding("schema", False, f"{link.place} lacks the index {', '.join(missing)}", MIGRATE)
    return Finding("schema", True, "every collection and index is there")


def _wanted(link: MongoLink, shelves: Iterable[Shelf[Any]]) -> list[tuple[str, str, dict[str, Any]]]:
    """Each index: its collection, its name, and what the server is told of it."""
    all_of = {**INDEXES, **{shelf.name: shelf.indexes for shelf in shelves}}
    return [
        (name, index, told if link.whole else for_stand_in(told))
        for name, indexes in all_of.items()
        for index, told in indexes.items()
    ]


async def _made(link: MongoLink) -> dict[str, str]:
    return {row["_id"]: row["made"] async for row in link[MADE].find()}


def _ahead(link: MongoLink, made: dict[str, str], shelves: Iterable[Shelf[Any]]) -> Finding | None:
    layout, told = int(made.get("layout", LAYOUT)), too_new([shelf.of for shelf in shelves], _held(made))
    if layout > LAYOUT:
        told = f"has layout {layout}, and this version of HomeTrip knows {LAYOUT}"
    return Finding("schema", False, f"{link.place} {told}", USE_NEWER) if told else None


def _held(made: dict[str, str]) -> dict[str, int]:
    """The edition of each collection."""
    return {key.removeprefix(_EDITION): int(made[key]) for key in made if key.startswith(_EDITION)}


async def _create(link: MongoLink, name: str) -> None:
    try:
        await link.database.create_collection(name)
    except (CollectionInvalid, OperationFailure) as reason:
        if isinstance(reason, OperationFailure) and reason.code != 48:  # NamespaceExists
            raise


async def _make(link: MongoLink, name: str, index: str, told: dict[str, Any]) -> None:
    await _drop(link, name, index)
    try:
        await link.database.command("createIndexes", name, indexes=[{"name": index, **told}])
    except OperationFailure as reason:
        if reason.code == 11000:
            raise Unfit(f"{link.place} holds documents that {name}.{index} forbids") from reason
        raise
    await _write_down(link, f"{name}.{index}", _text(told))


async def _drop(link: MongoLink, name: str, index: str) -> None:
    known = await (await link[name].list_indexes()).to_list()
    if not any(one["name"] == index for one in known):
        return
    try:
        await link[name].drop_index(index)
    except OperationFailure as reason:
        if reason.code not in _NOT_THERE:
            raise


async def _write_words(link: MongoLink, shelf: Shelf[Any], made: dict[str, str]) -> None:
    """The words of documents that were written when other fields, or none, were searched by text."""
    assert shelf.of.text is not None
    fields = shelf.of.text.fields
    if made.get(f"{shelf.name}.{WORDS}") == ", ".join(fields):
        return
    last = ""
    while rows := (
        await link[shelf.name].find({"_id": {"$gt": last}}, sort=[("_id", 1)], limit=_BATCH).to_list()
    ):
        last = rows[-1]["_id"]
        for row in rows:
            # Whoever has changed it since has written its words as well.
            unchanged = {"_id": row["_id"], "version": row["version"]}
            await link[shelf.name].update_one(unchanged, {"$set": {WORDS: words_in(row, fields)}})
    await _write_down(link, f"{shelf.name}.{WORDS}", ", ".join(fields))


async def _write_down(link: MongoLink, name: str, made: str) -> None:
    if await link[MADE].find_one({"_id": name}) is None:
        await _insert_once(link, MADE, {"_id": name, "made": made})
    await link[MADE].update_one({"_id": name}, {"$set": {"made": made}})


async def _insert_once(link: MongoLink, name: str, document: dict[str, Any]) -> None:
    with suppress(DuplicateKeyError):
        await link[name].insert_one(document)


def _text(told: dict[str, Any]) -> str:
    return msgspec.json.encode(told).decode()

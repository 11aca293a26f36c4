"""What the document storage relies on in a MongoDB server, real or standing in: how its transactions end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from contracts.storages import cleared, mongo_at

TRANSIENT = "TransientTransactionError"


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    url = mongo_at(tmp_path).replace("isolation=none", "")
    async with AsyncMongoClient[dict[str, Any]](url) as client:
        base = client.get_default_database()
        await base.things.insert_one({"_id": "first", "number": 1})
        yield base
    await cleared(tmp_path)


async def ids_in(base: AsyncDatabase[dict[str, Any]]) -> list[str]:
    return [row["_id"] async for row in base.things.find(sort=[("_id", 1)])]


async def test_what_comes_after_its_transaction_was_aborted_is_refused(
    base: AsyncDatabase[dict[str, Any]],
) -> None:
    """A slow network brings it then; it must not stay behind alone."""
    async with base.client.start_session() as session:
        await session.start_transaction()
        await base.things.insert_one({"_id": "mark"}, session=session)
        await base.client.admin.command("abortTransaction", session=session)
        with pytest.raises(OperationFailure) as refusal:
            await base.things.insert_one({"_id": "late"}, session=session)
        assert refusal.value.has_error_label(TRANSIENT)
    assert await ids_in(base) == ["first"]


async def test_a_commit_that_happened_may_be_asked_for_again(base: AsyncDatabase[dict[str, Any]]) -> None:
    async with base.client.start_session() as session:
        await session.start_transaction()
        await base.things.insert_one({"_id": "mark"}, session=session)
        await base.client.admin.command("commitTransaction", session=session)
        await session.commit_transaction()
    assert await ids_in(base) == ["first", "mark"]


async def test_a_commit_of_what_was_aborted_is_refused(base: AsyncDatabase[dict[str, Any]]) -> None:
    async with base.client.start_session() as session:
        await session.start_transaction()
        await base.things.insert_one({"_id": "mark"}, session=session)
        await base.client.admin.command("abortTransaction", session=session)
        with pytest.raises(OperationFailure) as refusal:
            await session.commit_transaction()
        assert refusal.value.has_error_label(TRANSIENT)
    assert await ids_in(base) == ["first"]


async def test_who_changes_what_another_transaction_has_changed_is_refused(
    base: AsyncDatabase[dict[str, Any]],
) -> None:
    more = {"$inc": {"number": 1}}
    async with base.client.start_session() as one, base.client.start_session() as other:
        await one.start_transaction()
        await base.things.update_one({"_id": "first"}, more, session=one)
        await other.start_transaction()
        with pytest.raises(OperationFailure) as refusal:
            await base.things.update_one({"_id": "first"}, more, session=other)
        assert refusal.value.has_error_label(TRANSIENT)
        await other.abort_transaction()
        await one.commit_transaction()
        await other.start_transaction()
        await base.things.update_one({"_id": "first"}, more, session=other)
        await other.commit_transaction()
    assert await base.things.find_one({"_id": "first"}) == {"_id": "first", "number": 3}


async def test_a_refused_record_ends_the_transaction(base: AsyncDatabase[dict[str, Any]]) -> None:
    """Therefore the storage looks first."""
    async with base.client.start_session() as session:
        await session.start_transaction()
        await base.things.insert_one({"_id": "mark"}, session=session)
        with pytest.raises(OperationFailure):
            await base.things.insert_one({"_id": "first"}, session=session)
        with pytest.raises(OperationFailure) as refusal:
            await base.things.insert_one({"_id": "more"}, session=session)
        assert refusal.value.has_error_label(TRANSIENT)
    assert await ids_in(base) == ["first"]

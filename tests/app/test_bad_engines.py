"""What is wrong with settings and engines is named at once, all of it, before anything is started."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from app.command import hometrip, refused
from engines import settings_of, url_of
from server import free_port

pytestmark = pytest.mark.slow

COMMANDS = (("up", "--split", "--no-demo"), ("serve", "booking"), ("migrate",))


def nowhere() -> dict[str, str]:
    """Engines that do not answer."""
    return {
        "HOMETRIP_DATABASE_URL": f"postgresql://someone:secret-word@127.0.0.1:{free_port()}/x",
        "HOMETRIP_DOCUMENTS_URL": f"mongodb://someone:secret-word@127.0.0.1:{free_port()}/x",
        "HOMETRIP_BUS_URL": f"amqp://someone:secret-word@127.0.0.1:{free_port()}/x",
        "HOMETRIP_CACHE_URL": f"redis://:secret-word@127.0.0.1:{free_port()}/0",
        "HOMETRIP_SEARCH_URL": f"elasticsearch://127.0.0.1:{free_port()}/x",
        "HOMETRIP_REGISTRY_URL": f"consul://:secret-word@127.0.0.1:{free_port()}/x",
    }


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_engine_that_is_not_there_is_named_at_once(tmp_path: Path, command: tuple[str, ...]) -> None:
    port = free_port()
    more = {} if command[0] == "migrate" else {"HOMETRIP_PORT": str(port)}
    said = refused(hometrip(*command, "--data", tmp_path / "data", **nowhere(), **more))
    there = ("bus: ", "cache: ", "registry: ", "booking storage: ")
    if command[0] != "serve":
        there += ("search: ", "auth storage: ", "payment storage: ", "user storage: ", "listing storage: ")
    for name in there:
        assert f"- {name}" in said, said
    assert "secret-word" not in said
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_what_is_missing_is_named_together_with_what_does_not_answer(tmp_path: Path) -> None:
    given = {"HOMETRIP_DATABASE_URL": nowhere()["HOMETRIP_DATABASE_URL"]}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(hometrip("up", "--split", "--data", tmp_path / "data", "--port", port, **given))
    assert "HOMETRIP_PORT" in said
    assert "HOMETRIP_BUS_URL: memory: lives in one process" in said
    assert "HOMETRIP_CACHE_URL: memory: lives in one process" in said
    assert "- auth storage: " in said


def test_both_sides_of_a_move_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "old.env").write_text(
        "HOMETRIP_BUS_URL=amqps:\nHOMETRIP_COLOUR=red\nHOMETRIP_CACHE_URL=what:"
    )
    (tmp_path / "new.env").write_text("HOMETRIP_SEARCH_URL=solr://x\n")
    said = refused(hometrip("migrate", "--from", tmp_path / "old.env", "--to", tmp_path / "new.env"))
    for wrong in ("--from", "HOMETRIP_COLOUR", "what: is not one of", "--to", "solr: is not one of"):
        assert wrong in said


def test_a_folder_without_a_marketplace_is_not_moved(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "new").mkdir()
    said = refused(hometrip("migrate", "--from", tmp_path / "var", "--to", tmp_path / "new"))
    assert said.count("holds no marketplace") == 7


@pytest.fixture
async def poor() -> AsyncIterator[dict[str, str]]:
    """Accounts that may sign in to PostgreSQL and RabbitMQ, and nothing else."""
    name = f"poor_{uuid4().hex[:8]}"
    broker = settings_of("rabbitmq")["HOMETRIP_TEST_RABBITMQ_MANAGEMENT_URL"]
    await on_server(f"CREATE ROLE {name} LOGIN PASSWORD 'word'")
    async with httpx2.AsyncClient(base_url=broker) as client:
        for path, body in (
            (f"/api/vhosts/{name}", {}),
            (f"/api/users/{name}", {"password": "word", "tags": ""}),
            (f"/api/permissions/{name}/{name}", {"configure": "^$", "write": ".*", "read": ".*"}),
        ):
            (await client.put(path, json=body)).raise_for_status()
        there = {
            engine: url_of(engine).rpartition("@")[2].partition("/")[0] for engine in ("postgres", "rabbitmq")
        }
        yield {
            "HOMETRIP_DATABASE_URL": f"postgresql://{name}:word@{there['postgres']}/{name}",
            "HOMETRIP_BUS_URL": f"amqp://{name}:word@{there['rabbitmq']}/{name}",
            "HOMETRIP_CACHE_URL": nowhere()["HOMETRIP_CACHE_URL"],
        }
        for path in (f"/api/vhosts/{name}", f"/api/users/{name}"):
            (await client.delete(path)).raise_for_status()
    await on_server(f"DROP ROLE {name}")


async def on_server(statement: str, database: str = "postgres") -> None:
    link = await asyncpg.connect(f"{url_of('postgres').rpartition('/')[0]}/{database}")
    try:
        await link.execute(statement)
    finally:
        await link.close()


def test_rights_that_are_missing_are_named_with_what_to_do(tmp_path: Path, poor: dict[str, str]) -> None:
    said = refused(hometrip("migrate", "--data", tmp_path / "data", **poor))
    assert "- bus: " in said
    assert "configure" in said
    assert "- cache: " in said
    mended = poor | {"HOMETRIP_CACHE_URL": "memory:", "HOMETRIP_BUS_URL": "memory:"}
    said = refused(hometrip("migrate", "--data", tmp_path / "data", **mended))
    for service in ("auth", "booking", "payment"):
        assert f"- {service} storage: there is no database" in said
    assert "CREATEDB" in said
    assert "word@" not in said


def test_a_schema_ahead_of_the_code_is_named_for_every_service(tmp_path: Path) -> None:
    name = f"ahead_{uuid4().hex[:8]}"
    url = url_of("postgres").rpartition("/")[0]
    given = {"HOMETRIP_DATABASE_URL": f"{url}/{name}"}
    assert hometrip("migrate", "--data", tmp_path / "data", **given).returncode == 0
    for service in ("auth", "payment"):
        asyncio.run(on_server("UPDATE alembic_version SET version_num = '9999'", f"{name}_{service}"))
    said = refused(hometrip("up", "--split", "--data", tmp_path / "data", "--port", free_port(), **given))
    for service in ("auth", "payment"):
        assert f"{name}_{service} has schema 9999" in said
    assert "use the newer version" in said
    assert "HOMETRIP_BUS_URL" in said
    for service in ("auth", "booking", "payment"):
        asyncio.run(on_server(f"DROP DATABASE {name}_{service} WITH (FORCE)"))

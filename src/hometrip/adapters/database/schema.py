"""What the tables of a service may be, and how a database gets from any of their versions to the newest.

A service's migrations are scripts of Alembic in one folder, in one line: `r0001_tables.py`, `r0002_….py`. The
number is the revision, so the newest is known without loading any of them: Alembic takes a quarter of a
second to import, and is only needed where there is something to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, DateTime, MetaData, create_mock_engine, inspect, text

from hometrip.ports.engine import Unfit

VERSIONS = "alembic_version"
# What makes the tables of a metadata on an engine: the same in every database of the process.
_WRITTEN_OUT: dict[tuple[MetaData, str], list[str]] = {}
_SCRIPT = re.compile(r"r(\d{4})_\w+\.py")


def check(metadata: MetaData, own: Iterable[str]) -> None:
    """`ValueError` for tables that cannot keep the promises of the port; `own` are the storage's own
    tables.
    """
    for table in metadata.tables.values():
        if table.name in own or table.name == VERSIONS:
            raise ValueError(f"a table of this name belongs to the storage itself: {table.name}")
        for column in table.columns:
            if isinstance(column.type, DateTime) and not column.type.timezone:
                raise ValueError(f"{column} is not DateTime(timezone=True): instants are aware")


def revisions(scripts: Path) -> list[str]:
    """Every revision, the oldest first."""
    return sorted(found[1] for file in scripts.iterdir() if (found := _SCRIPT.fullmatch(file.name)))


def head_of(scripts: Path) -> str:
    return revisions(scripts)[-1]


def must_be_known(version: str | None, scripts: Path, where: str) -> None:
    """`Unfit` where the database is ahead of this code."""
    if version is not None and version not in revisions(scripts):
        raise Unfit(
            f"{where} has schema {version}, and this version of HomeTrip knows {head_of(scripts)}: "
            f"use the newer version that made it"
        )


def version_of(core: Connection) -> str | None:
    """The revision that the database is at; None where it was never migrated."""
    if not inspect(core).has_table(VERSIONS):
        return None
    found = core.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalar()
    return None if found is None else str(found)


def create_missing(core: Connection, metadata: MetaData) -> None:
    """Tables and indexes of `metadata` that are not there; what is there stays as it is."""
    metadata.create_all(core, checkfirst=True)
    for table in metadata.tables.values():
        for index in table.indexes:
            index.create(core, checkfirst=True)


def create_all(core: Connection, metadata: MetaData) -> None:
    """All of it, with the triggers that tables bring, in a database that has nothing of it."""
    known = (metadata, core.dialect.name)
    if known not in _WRITTEN_OUT:
        said = _WRITTEN_OUT[known] = []
        writer: Any = create_mock_engine(
            f"{core.dialect.name}://", lambda step, *_: said.append(str(step.compile(dialect=core.dialect)))
        )
        metadata.create_all(writer, checkfirst=False)
    for statement in _WRITTEN_OUT[known]:
        core.exec_driver_sql(statement)


def stamp(core: Connection, revision: str) -> None:
    """The tables were made as `revision` would leave them."""
    core.execute(text(f"CREATE TABLE {VERSIONS} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    core.execute(text(f"INSERT INTO {VERSIONS} (version_num) VALUES (:revision)"), {"revision": revision})


def upgrade(core: Connection, scripts: Path) -> list[str]:
    """Apply every script after the database's version, inside the transaction that is open on `core`;
    which.
    """
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    before = version_of(core)  # also begins, as far as SQLAlchemy knows, so that Alembic will not
    missing = [revision for revision in revisions(scripts) if before is None or revision > before]
    if missing:
        line = ScriptDirectory(str(scripts), version_locations=[str(scripts)])

        def steps(revision: object, context: object) -> object:
            return line._upgrade_revs("head", revision)  # type: ignore[arg-type]

        with EnvironmentContext(Config(), line, fn=steps, destination_rev="head") as environment:
            environment.configure(connection=core, version_table=VERSIONS)
            environment.run_migrations()
    return missing

"""Which edition of each collection a SQLite file holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from hometrip.adapters.documents.declared import USE_NEWER, outdated, too_new
from hometrip.ports.documents import Collection
from hometrip.ports.engine import Unfit

_TABLE = "CREATE TABLE IF NOT EXISTS doc_editions (name TEXT PRIMARY KEY, edition INTEGER NOT NULL)"
_WRITE = "INSERT INTO doc_editions VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET edition = excluded.edition"


def look_at(path: Path, collections: Iterable[Collection[Any]]) -> None:
    """`Unfit` where the file is ahead of this code. What else is wrong with it, is told by who opens it."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as link,
    ):
        _must_be_known(path, collections, _held(link))


def hold(link: sqlite3.Connection, path: Path, collections: Sequence[Collection[Any]]) -> None:
    """From here on the file may hold these editions; `Unfit` where it is ahead of them."""
    link.execute(_TABLE)
    held = _held(link)
    _must_be_known(path, collections, held)
    for one in outdated(collections, held):
        link.execute(_WRITE, (one.name, one.edition))


def _held(link: sqlite3.Connection) -> dict[str, int]:
    return dict(link.execute("SELECT name, edition FROM doc_editions").fetchall())


def _must_be_known(path: Path, collections: Iterable[Collection[Any]], held: dict[str, int]) -> None:
    if ahead := too_new(collections, held):
        raise Unfit(f"{path} {ahead}: {USE_NEWER}")

"""The scripts that take each relational service's tables from one version to the next; Alembic runs them."""

from __future__ import annotations

from pathlib import Path


def scripts_of(service: str) -> Path | None:
    """The folder of the service's scripts: what its relational storage is given; None where it has none."""
    scripts = Path(__file__).with_name(service)
    return scripts if scripts.is_dir() else None

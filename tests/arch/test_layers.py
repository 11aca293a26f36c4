"""The layers of the house, and proof that each guard bites: a planted violation is found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--config", "pyproject.toml", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin"},
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source with nothing but its Python, to plant violations in."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copytree(
        ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.gz", "*.bin")
    )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_house_keeps_its_layers(copy: Path) -> None:
    found = lint(copy)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("file", "violation", "contract"),
    [
        ("kernel/money.py", "import litestar", "kernel"),
        ("kernel/money.py", "import hometrip.ports.bus", "kernel"),
        ("ports/bus.py", "import sqlalchemy", "ports"),
        ("ports/bus.py", "import hometrip.adapters.bus.memory", "ports"),
        ("adapters/bus/memory.py", "import hometrip.services.auth.contract", "adapters"),
        ("adapters/bus/memory.py", "import hometrip.adapters.cache.memory", "adapter"),
        ("services/booking/actions.py", "import hometrip.adapters.bus.memory", "services"),
        ("services/booking/actions.py", "import hometrip.services.listing.store", "contract"),
        ("services/booking/actions.py", "import hometrip.app.settings", "app"),
        ("services/listing/store.py", "import sqlite3", "driver"),
    ],
)
def test_a_planted_import_is_found(copy: Path, file: str, violation: str, contract: str) -> None:
    path = copy / "src" / "hometrip" / file
    if not path.exists():
        path = path.with_suffix("") / "__init__.py"
    before = path.read_text()
    try:
        path.write_text(f"{before}\n{violation}\n")
        found = lint(copy)
    finally:
        path.write_text(before)
    assert found.returncode != 0
    broken = [line for line in found.stdout.splitlines() if line.rstrip().endswith("BROKEN")]
    assert any(contract in line.lower() for line in broken), found.stdout

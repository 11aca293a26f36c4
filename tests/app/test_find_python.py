"""Which Python the virtual environment is made with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "find-python"
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


def interpreter(folder: Path, name: str, microseconds: str) -> str:
    """A Python on the PATH that says it took so long; with `none`, one that can make no environment."""
    folder.mkdir(exist_ok=True)
    told = "exit 1" if microseconds == "none" else f"echo {microseconds}; exit 0"
    program = folder / name
    program.write_text(
        f'#!/bin/sh\ncase "$2" in *perf_counter*) {told};; esac\nexec "{sys.executable}" "$@"\n'
    )
    program.chmod(0o755)
    return str(program)


def found(*path: Path, options: tuple[str, ...] = ("--quickest",)) -> str:
    run = subprocess.run(
        ["/bin/sh", str(SCRIPT), *options],
        env=os.environ | {"PATH": ":".join(map(str, path))},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


def test_of_several_with_one_version_the_quickest(tmp_path: Path) -> None:
    own, system, third = tmp_path / "own", tmp_path / "system", tmp_path / "third"
    first = interpreter(own, "python3", "6000")
    interpreter(own, VERSION, "6100")
    quick = interpreter(system, VERSION, "4000")
    interpreter(third, VERSION, "5000")
    assert found(own, system, third) == quick
    assert found(own, system, third, options=()) == first


@pytest.mark.parametrize("microseconds", ["5500", "7000", "none"])
def test_the_first_unless_another_is_much_quicker_and_whole(tmp_path: Path, microseconds: str) -> None:
    first = interpreter(tmp_path / "own", "python3", "6000")
    interpreter(tmp_path / "system", VERSION, microseconds)
    assert found(tmp_path / "own", tmp_path / "system") == first


def test_of_two_that_are_about_as_quick_the_first(tmp_path: Path) -> None:
    interpreter(tmp_path / "own", "python3", "6000")
    quick = interpreter(tmp_path / "system", VERSION, "4000")
    interpreter(tmp_path / "link", VERSION, "3990")
    assert found(tmp_path / "own", tmp_path / "system", tmp_path / "link") == quick


def test_another_version_is_never_taken_for_its_speed(tmp_path: Path) -> None:
    first = interpreter(tmp_path / "own", "python3", "6000")
    interpreter(tmp_path / "system", "python3.99", "1000")
    assert found(tmp_path / "own", tmp_path / "system") == first


def test_where_there_is_none_nothing_is_said(tmp_path: Path) -> None:
    assert found(tmp_path) == ""


def test_it_tells_real_ones_apart(tmp_path: Path) -> None:
    """No stand-in: the interpreter of these tests is measured, and found."""
    (tmp_path / "python3").symlink_to(Path(sys.executable).resolve())
    assert found(tmp_path) == str(tmp_path / "python3")

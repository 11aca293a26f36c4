"""A command as its user runs it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from commands import ran


def hometrip(*words: str | Path | int, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which has ended, as have those that it started."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOMETRIP_")}
    return ran(list(map(str, words)), clean | environment, within=60)


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """What was said, with exit code 2, in words."""
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    return result.stderr

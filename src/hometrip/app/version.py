"""Which HomeTrip this is."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

VERSION = version("hometrip")


@cache
def commit() -> str:
    """From the build's HOMETRIP_BUILD_COMMIT, else from the checkout this runs in, else unknown."""
    if built := os.environ.get("HOMETRIP_BUILD_COMMIT"):
        return built
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=2,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()

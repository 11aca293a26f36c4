"""Processes of their own for tests that kill some: forked from one that has done nothing but import what they
need, which takes longer than what most of them do.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from typing import Any

NEEDED = ["contracts.writing_process", "services.payment_process"]
_forks = multiprocessing.get_context("forkserver")


def begun(work: Callable[..., None], *told: Any) -> multiprocessing.process.BaseProcess:
    """A process that does this work and ends with 0 when it is done, at the latest with this one."""
    _forks.set_forkserver_preload(NEEDED)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    process = _forks.Process(target=work, args=told, daemon=True)
    process.start()
    return process

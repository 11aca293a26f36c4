"""What proofs have shown: what a test tells `figure` is a line at the end of the run, with its seed where it
has one; also where tests run in several processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Figure = Callable[..., None]
FIGURE = "figure"


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """`figure("4 kills, 0 lost", seed=7)`."""

    def tell(said: str, seed: int | None = None) -> None:
        replay = "" if seed is None else f"; HOMETRIP_TEST_SEED={seed}"
        request.node.user_properties.append((FIGURE, said + replay))

    return tell


def pytest_terminal_summary(terminalreporter: Any) -> None:
    lines = [
        f"{_outcome(report)} {report.nodeid.rpartition('::')[2]}: {said} ({report.duration:.0f} s)"
        for kind in ("passed", "failed")
        for report in terminalreporter.stats.get(kind, ())
        if report.when == "call"
        for name, said in report.user_properties
        if name == FIGURE
    ]
    if lines:
        terminalreporter.section("figures")
        for line in sorted(lines):
            terminalreporter.line(line)


def _outcome(report: Any) -> str:
    return "ok    " if report.passed else "FAILED"

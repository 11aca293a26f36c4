"""The tutorial's commands, run word for word against a fresh demo."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from server import Server

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial" / "book-a-stay.md"


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_every_command_of_the_tutorial_works_in_its_order(tmp_path: Path) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 10
    script = "set -euo pipefail\n" + "\n".join(blocks)
    server = Server(tmp_path / "data", "--no-demo")
    try:
        await server.start_with_demo()
        script = script.replace("http://127.0.0.1:3001", server.url)
        ran = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this test
            ["bash", "-c", script],
            cwd=ROOT,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOMETRIP_DATA": str(server.data)},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-2000:]
    finally:
        server.end()

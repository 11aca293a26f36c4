"""The documents: reference pages say what the code says, and links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
NAMED = re.compile(r"\[`([A-Za-z_]+)`\]\(([^)#\s]+\.py)\)")


def dead_links(root: Path) -> list[str]:
    """Relative links of the pages under `root` that lead to no file."""
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    return [
        f"{page.relative_to(root)}: {target}"
        for page in sorted(pages)
        for target in LINK.findall(page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]


def names_not_there(root: Path) -> list[str]:
    """Links of the pages under `root` whose text is a name that the module they lead to does not define."""
    return [
        f"{page.relative_to(root)}: {name} in {target}"
        for page in sorted((root / "docs").rglob("*.md"))
        for name, target in NAMED.findall(page.read_text())
        if not re.search(
            rf"^(?:(?:async )?def|class) {name}\b|^{name}(?: =|:)", (page.parent / target).read_text(), re.M
        )
    ]


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "build_reference.py", "--check"],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr


def test_every_link_leads_to_a_page() -> None:
    assert dead_links(ROOT) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "[gone](docs/gone.md), [there](https://example.com), [top](README.md)"
    )
    assert dead_links(tmp_path) == ["README.md: docs/gone.md"]


def test_every_name_that_a_page_links_to_is_there() -> None:
    assert names_not_there(ROOT) == []


def test_a_name_that_is_not_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "rules.py").write_text("LEAST = 1\n\n\nasync def refusal() -> None: ...\n")
    names = ("LEAST", "refusal", "refusals", "None")
    links = " ".join(f"[`{name}`](../rules.py)" for name in names)
    (tmp_path / "docs" / "rules.md").write_text(links)
    assert names_not_there(tmp_path) == [
        f"docs/rules.md: {name} in ../rules.py" for name in ("refusals", "None")
    ]

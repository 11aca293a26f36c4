"""What is built or downloaded into the cache, each in a folder named for exactly what it was made from."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from getting import call
from places import Trouble, cache

HERE = Path(__file__).parent


def kept(name: str, made_from: list[Path]) -> Path:
    """The folder in the cache, there or not; another as soon as one of the files changes."""
    digest = hashlib.sha256()
    for file in made_from:
        digest.update(file.read_bytes())
    return cache() / f"{name}-{digest.hexdigest()[:12]}"


def keep(folder: Path, make: Callable[[Path], None]) -> None:
    """Makes the folder whole or not at all. Older ones stay: another checkout may be at an older state."""
    with tempfile.TemporaryDirectory(dir=cache(), prefix="making-") as making:
        make(new := Path(making) / "new")
        new.rename(folder)


def from_go(name: str, package: str, folder: Path) -> None:
    """Builds the program `name` from the module in go/NAME, whose go.sum says which sources exactly."""
    if not shutil.which("go"):
        raise Trouble("needs Go 1.24 or newer, which is not installed")
    folder.mkdir()
    told = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(folder / name), package)
    # Somebody may be working beside this.
    call("nice", "go", "build", *told, folder=HERE / "go" / name, GOTOOLCHAIN="local", GOWORK="off")

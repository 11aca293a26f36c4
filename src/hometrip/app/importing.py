"""Importing a publication from the command line: finds its files, gives its homes to accounts, shows
progress.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import IO
from uuid import UUID

import msgspec

from hometrip.app.opening import open_house
from hometrip.app.settings import Settings
from hometrip.app.wiring import House
from hometrip.kernel.errors import NotFound
from hometrip.services.auth import actions as auth
from hometrip.services.listing import actions as listing
from hometrip.services.listing.actions import ImportReport

DEMO_HOST = "host@demo.hometrip.test"


class Publication(msgspec.Struct, frozen=True):
    """The files of one publication; only the homes are needed."""

    homes: Path
    days: Path | None
    reviews: Path | None


def find_files(paths: list[Path]) -> Publication:
    """In a folder, or among files, by what their names begin with; `ValueError` says what is missing."""
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]

    def named(beginning: str) -> Path | None:
        fits = [file for file in files if file.name.startswith(beginning) and ".csv" in file.name]
        # listings.csv.gz is the detailed file; a plain listings.csv beside it is a summary of it.
        return max(fits, key=lambda file: file.suffix == ".gz", default=None)

    homes = named("listings")
    if homes is None:
        raise ValueError("there is no listings.csv or listings.csv.gz among " + ", ".join(map(str, paths)))
    return Publication(homes, named("calendar"), named("reviews"))


async def import_publication(
    settings: Settings, publication: Publication, *, owner: str | None, shift_to_today: bool
) -> ImportReport:
    """Into the house of these settings, which may be running elsewhere: that one then hears of the homes."""
    async with open_house(settings, beside=True) as opened:
        account = await owner_account(opened.house, owner or DEMO_HOST)
        with ExitStack() as files:
            opened_files = [
                files.enter_context(path.open("rb")) if path else None
                for path in (publication.homes, publication.days, publication.reviews)
            ]
            shift_to = opened.house.clock.now().date() if shift_to_today else None
            report = await import_files(
                opened.house, opened_files, owner_of=lambda _: account, shift_to=shift_to, show=True
            )
        if opened.started:
            await opened.house.settle(within=None)
        return report


async def import_files(
    house: House,
    files: Sequence[IO[bytes] | None],
    *,
    owner_of: Callable[[str], UUID],
    shift_to: date | None,
    show: bool,
) -> ImportReport:
    """The homes, days and reviews of these files, with a progress bar where `show` is on and somebody may
    be looking.
    """
    homes, days, reviews = files
    assert homes is not None
    with progress_bars() if show and sys.stderr.isatty() else nullcontext() as progress:
        return await listing.import_homes(
            house.rooms["listing"].deps,
            homes,
            days,
            reviews,
            owners=owner_of,
            shift_to=shift_to,
            progress=progress,
        )


@contextmanager
def progress_bars() -> Iterator[Callable[[int, int | None, str], None]]:
    """What is told how many of how many are done, phase by phase."""
    # Only here: a house that nobody watches need not load it.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(done: int, total: int | None, phase: str) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(phase)
            bars.update(tasks[phase], completed=done, total=total)

        yield progress


async def owner_account(house: House, email: str) -> UUID:
    found = await auth.account_id(house.rooms["auth"].deps, email)
    if found is None:
        raise NotFound(f"there is no account with the address {email}; name one with --owner")
    return found

"""The commands `hometrip backup` and `hometrip restore`."""

from __future__ import annotations

from pathlib import Path

import click

from hometrip.app.cli_words import data_option, run, settings_of

folder = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("target", type=folder)
@data_option
def backup(target: Path, data: Path | None) -> None:
    """Copy the data folder, as it is at one moment, to TARGET: also while HomeTrip runs."""
    from hometrip.app.backup import back_up

    settings = settings_of(data=data)

    async def work() -> None:
        back_up(settings, target, click.echo)

    run(work)


@click.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@data_option
def restore(source: Path, data: Path | None) -> None:
    """Make an empty data folder what the backup in SOURCE holds."""
    from hometrip.app import backup as backups

    settings = settings_of(data=data)

    async def work() -> None:
        backups.restore(source, settings.data, click.echo)

    run(work)

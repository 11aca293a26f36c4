"""The commands about engines: `hometrip migrate` and `hometrip doctor`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from hometrip.app.cli_words import data_option, give_up, run, settings_of
from hometrip.app.settings import BadSettings, environment

side = click.Path(path_type=Path)


@click.command()
@click.option("--from", "source", type=side, help="Move what is there: a data folder, or a file of settings.")
@click.option(
    "--to", "target", type=side, help="… to there: a file of settings, or a folder, made if missing."
)
@data_option
def migrate(source: Path | None, target: Path | None, data: Path | None) -> None:
    """Bring every service's database to the schema of this version; with --from and --to, move all data to
    other engines.
    """
    from hometrip.app.doctor import must_be_usable
    from hometrip.app.logs import configure
    from hometrip.app.migrate import migrate_all

    if (source is None) != (target is None):
        raise click.UsageError("--from and --to go together")
    if source and target:
        _move(source, target, data)
        return
    settings = settings_of(examining=True, data=data)
    configure(settings)

    async def work() -> list[str]:
        await must_be_usable(settings)
        return await migrate_all(settings)

    for line in run(work):
        click.echo(line)


def _move(source: Path, target: Path, data: Path | None) -> None:
    """Both sides looked at, all carried over, and the new house verified: exit code 1 where it is bad."""
    from hometrip.app import moving
    from hometrip.app.logs import configure
    from hometrip.app.verify import verify as check

    sides, wrong = [], list[str]()
    for option, named, may_be_made in (("--from", source, False), ("--to", target, True)):
        try:
            sides.append(moving.side_of(named, environment(), data, may_be_made=may_be_made))
        except BadSettings as bad:
            wrong += [f"{option} {named}: {line}" for line in bad.wrong]
    if wrong:
        give_up(BadSettings(wrong))
    old, new = sides
    configure(msgspec.structs.replace(new, log_level="error"))
    run(lambda: moving.move(old, new, click.echo))
    findings = run(lambda: check(new))
    for finding in findings:
        click.echo(finding.line())
    sys.exit(any(finding.violations for finding in findings))


@click.command()
@data_option
def doctor(data: Path | None) -> None:
    """Look at every engine: reachable, version, rights, schema; exit code 1 where something is wrong."""
    from hometrip.app import doctor as looking
    from hometrip.app.logs import configure

    settings = settings_of(examining=True, data=data)
    configure(msgspec.structs.replace(settings, log_level="error"))
    found = run(lambda: looking.examine(settings))
    for name, finding in found:
        click.echo(looking.line(name, finding))
    sys.exit(not all(finding.fine for _, finding in found))

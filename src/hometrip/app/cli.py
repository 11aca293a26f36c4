"""The command line: `hometrip <command>`. Wrong settings are all named at once, with exit code 2."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

import click
import msgspec

from hometrip.app.settings import BadSettings, Settings, environment, load
from hometrip.app.version import VERSION
from hometrip.kernel.errors import HomeTripError, Invalid, NotFound


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION)
def main() -> None:
    """HomeTrip, a vacation-rental marketplace that anyone can run."""


def _settings(**overrides: Any) -> Settings:
    try:
        return load(environment(), overrides)
    except BadSettings as bad:
        _give_up(bad)


def _give_up(bad: BadSettings) -> NoReturn:
    click.echo("HomeTrip cannot start with these settings:", err=True)
    for line in bad.wrong:
        click.echo(f"  - {line}", err=True)
    sys.exit(2)


def _run(work: Callable[[], Awaitable[Any]]) -> Any:
    """What the work answers. What it refuses is said in words: a traceback is for what nobody foresaw."""
    from hometrip.app.run import event_loop

    try:
        with asyncio.Runner(loop_factory=event_loop) as runner:
            return runner.run(_of(work))
    except BadSettings as bad:
        _give_up(bad)
    except Invalid as refused:
        raise click.UsageError(refused.detail) from refused
    except HomeTripError as error:
        raise click.ClickException(error.detail) from error
    except OSError as error:
        raise click.ClickException(
            " ".join(map(str, filter(None, (error.filename, error.strerror))))
        ) from error


async def _of(work: Callable[[], Awaitable[Any]]) -> Any:
    return await work()


data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="Where everything is kept [./var]."
)


@main.command()
@data_option
@click.option("--host", help="Address to listen on [127.0.0.1].")
@click.option("--port", type=int, help="Port to listen on [3001].")
@click.option("--no-demo", is_flag=True, help="Do not fill an empty folder with the demo.")
def up(data: Path | None, host: str | None, port: int | None, no_demo: bool) -> None:
    """Run the whole marketplace in this process."""
    from hometrip.app.logs import configure
    from hometrip.app.run import check_place, serve

    settings = _settings(data=data, host=host, port=port, demo=False if no_demo else None)
    try:
        check_place(settings)
    except BadSettings as bad:
        _give_up(bad)
    configure(settings)
    _run(lambda: serve(settings))


@main.group()
def config() -> None:
    """Settings."""


@config.command("check")
@data_option
def config_check(data: Path | None) -> None:
    """Say what the settings are, or everything that is wrong with them."""
    settings = _settings(data=data)
    shown = {name: getattr(settings, name) for name in settings.__struct_fields__ if name != "own"}
    shown |= {
        f"{service}_{name}": value for service, own in settings.own.items() for name, value in own.items()
    }
    for name, value in shown.items():
        click.echo(f"{name:16} {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


@main.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--owner", help="E-mail address of the account that the homes are given to [the demo's host].")
@click.option("--shift-to-today", is_flag=True, help="Move all dates so that the calendar begins today.")
@data_option
def import_homes(files: tuple[Path, ...], owner: str | None, shift_to_today: bool, data: Path | None) -> None:
    """Import homes in Inside Airbnb's format: a folder, or listings, calendar and reviews files."""
    from hometrip.app.importing import find_files, import_publication
    from hometrip.app.logs import configure

    settings = _settings(data=data)
    configure(settings)
    try:
        publication = find_files(list(files))
    except ValueError as reason:
        raise click.UsageError(str(reason)) from reason
    report = _run(
        lambda: import_publication(settings, publication, owner=owner, shift_to_today=shift_to_today)
    )
    for line in report.lines():
        click.echo(line)


@main.command()
@data_option
def seed(data: Path | None) -> None:
    """Fill an empty folder with the demo's homes and accounts, without serving them."""
    from hometrip.app.logs import configure
    from hometrip.app.opening import open_house
    from hometrip.app.seed import seed as fill

    settings = _settings(data=data)
    configure(settings)

    async def work() -> bool:
        async with open_house(settings) as opened:
            made = await fill(opened.house, wait_for_pictures=True)
            await opened.house.settle()
            return made

    made = _run(work)
    demo = settings.data / "demo.json"
    click.echo(
        f"The demo is in {settings.data}; its accounts are in {demo}." if made else "The demo is there."
    )


@main.command()
@data_option
def verify(data: Path | None) -> None:
    """Check the invariants on live data: a line each; exit code 1 where one does not hold."""
    from hometrip.app.logs import configure
    from hometrip.app.verify import verify as check

    settings = _settings(data=data)
    configure(msgspec.structs.replace(settings, log_level="error"))
    findings = _run(lambda: check(settings))
    for finding in findings:
        click.echo(finding.line())
    sys.exit(any(finding.violations for finding in findings))


@main.group()
def events() -> None:
    """Events that a service could not handle."""


@events.command("list")
@click.option("--service", help="Only those of one service.")
@data_option
def events_list(service: str | None, data: Path | None) -> None:
    """List parked events."""

    async def work(bus: Any) -> None:
        parked = await bus.parked(service)
        for event in parked:
            click.echo(
                f"{event.service}  {event.envelope.id}  {event.envelope.name}  {event.at}  {event.reason}"
            )
        if not parked:
            click.echo("No event is parked.")

    _with_bus(data, work)


@events.command("show")
@click.argument("event_id", type=UUID)
@data_option
def events_show(event_id: UUID, data: Path | None) -> None:
    """Print a parked event."""

    async def work(bus: Any) -> None:
        found = [event for event in await bus.parked() if event.envelope.id == event_id]
        if not found:
            raise NotFound("no such parked event")
        for event in found:
            click.echo(msgspec.json.format(msgspec.json.encode(event), indent=2))

    _with_bus(data, work)


@events.command("replay")
@click.argument("service")
@click.argument("event_id", type=UUID)
@data_option
def events_replay(service: str, event_id: UUID, data: Path | None) -> None:
    """Deliver a parked event again: at once where HomeTrip runs, else at its next start."""
    _with_bus(data, lambda bus: bus.replay(service, event_id))
    click.echo("It will be delivered again.")


@events.command("drop")
@click.argument("service")
@click.argument("event_id", type=UUID)
@data_option
def events_drop(service: str, event_id: UUID, data: Path | None) -> None:
    """Forget a parked event."""
    _with_bus(data, lambda bus: bus.drop(service, event_id))
    click.echo("It is forgotten.")


def _with_bus(data: Path | None, work: Callable[[Any], Awaitable[None]]) -> None:
    from hometrip.adapters.bus.memory import MemoryBus
    from hometrip.adapters.clock.system import SystemClock

    settings = _settings(data=data)
    parking = settings.data / "databases" / "parked.db"
    if not parking.exists():
        raise click.ClickException(f"{settings.data} holds no marketplace")

    async def with_bus() -> None:
        bus = MemoryBus(parking, SystemClock())
        try:
            await work(bus)
        finally:
            await bus.stop()

    _run(with_bus)


@main.group()
def keys() -> None:
    """Keys that sign access tokens."""


@keys.command("rotate")
@data_option
def keys_rotate(data: Path | None) -> None:
    """Sign new tokens with a new key; tokens of the old one stay valid until they expire."""
    from hometrip.app.logs import configure
    from hometrip.app.opening import open_house
    from hometrip.services.auth.actions import rotate_keys

    settings = _settings(data=data)
    configure(msgspec.structs.replace(settings, log_level="error"))

    async def work() -> str:
        async with open_house(settings, beside=True) as opened:
            return str(await rotate_keys(opened.house.rooms["auth"].deps))

    click.echo(f"New tokens are signed with key {_run(work)}.")


logging.captureWarnings(True)

"""The command line: `hometrip <command>`. Wrong settings are all named at once, with exit code 2."""

from __future__ import annotations

import atexit
import gc
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import msgspec

from hometrip.app.cli_backup import backup, restore
from hometrip.app.cli_engines import doctor, migrate
from hometrip.app.cli_words import data_option, give_up, run, settings_of, wrong_with
from hometrip.app.settings import SERVICES, BadSettings, Settings
from hometrip.app.stripe_keys import SECRET
from hometrip.app.version import VERSION
from hometrip.kernel.errors import NotFound


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION)
def main() -> None:
    """HomeTrip, a vacation-rental marketplace that anyone can run."""
    # What is loaded stays: a start is a tenth shorter where the collector does not look for garbage in it.
    gc.set_threshold(20_000, 20, 50)
    # Nor at the end, a third of a second sooner: the system takes all of it back.
    atexit.register(gc.freeze)


@main.command()
@data_option
@click.option("--host", help="Address to listen on [127.0.0.1].")
@click.option("--port", type=int, help="Port to listen on [3001].")
@click.option("--no-demo", is_flag=True, help="Do not fill an empty folder with the demo.")
@click.option("--split", is_flag=True, help="Every service its own process, on the engines of the settings.")
@click.option("--processes", type=click.IntRange(1, 64), help="So many processes on the same folder [1].")
@click.option("--copies", multiple=True, metavar="SERVICE=N", help="With --split: so many processes of it.")
def up(
    data: Path | None,
    host: str | None,
    port: int | None,
    no_demo: bool,
    split: bool,
    processes: int | None,
    copies: tuple[str, ...],
) -> None:
    """Run the whole marketplace: in this process, or with --split in many."""
    from hometrip.app.logs import configure
    from hometrip.app.run import check_place, serve
    from hometrip.app.split import check_split

    demo = False if no_demo else None
    settings = settings_of(examining=split, data=data, host=host, port=port, demo=demo, processes=processes)
    wanted = _copies(copies)
    if copies and not split:
        raise click.UsageError("--copies goes with --split")
    if split and processes:
        raise click.UsageError("--processes goes without --split, where --copies says how many")
    wrong = wrong_with(lambda: check_place(settings))
    configure(settings)
    if split:
        _up_split(settings, wanted, wrong + wrong_with(lambda: check_split(settings, wanted)))
    elif wrong:
        give_up(BadSettings(wrong))
    else:
        run(lambda: serve(settings))


def _copies(given: tuple[str, ...]) -> dict[str, int]:
    copies, known = {}, ("gateway", *SERVICES)
    for each in given:
        service, _, number = each.partition("=")
        if service not in known or not number.isdigit() or not 1 <= int(number) <= 64:
            raise click.BadParameter(
                f"{each!r} is not like booking=2, with one of {', '.join(known)}", param_hint="--copies"
            )
        copies[service] = int(number)
    return copies


def _up_split(settings: Settings, copies: dict[str, int], wrong: list[str]) -> None:
    """The engines are looked at with what is `wrong` already; then the schemas, the demo, the processes."""
    from hometrip.app import split
    from hometrip.app.doctor import must_be_usable
    from hometrip.app.migrate import migrate_all
    from hometrip.app.opening import open_house
    from hometrip.app.seed import seed as fill

    async def prepare() -> None:
        await must_be_usable(settings, wrong)
        for line in await migrate_all(settings):
            click.echo(line)
        if settings.demo:
            async with open_house(settings) as opened:
                await fill(opened.house)

    run(prepare)
    run(lambda: split.run(settings, copies))


@main.command("beside", hidden=True)
@click.argument("files", type=int, nargs=4)
@click.option("--place", type=int)
@click.option("--host")
@click.option("--port", type=int)
@click.option("--under", type=int)
@data_option
def serve_beside(
    files: tuple[int, ...], place: int, host: str | None, port: int | None, under: int, data: Path | None
) -> None:
    """One of several processes of a house, started by the first, whose files it inherits."""
    from hometrip.app import run as running
    from hometrip.app.logs import configure

    running.end_with(under)
    settings = settings_of(data=data, host=host, port=port)
    configure(settings)
    run(lambda: running.serve_beside(settings, place, files))


@main.command("serve")
@click.argument("service", type=click.Choice(["gateway", *SERVICES]))
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="So many processes [1].")
@click.option("--host", help="Address to listen on [127.0.0.1].")
@click.option("--port", type=int, help="Port to listen on [the service's own].")
@click.option("--under", type=int, hidden=True, help="Stop when this process, which started it, is gone.")
@click.option("--socket", "shared", type=int, hidden=True)  # inherited from whoever started several
@data_option
def serve_one(
    service: str,
    workers: int,
    host: str | None,
    port: int | None,
    under: int | None,
    shared: int | None,
    data: Path | None,
) -> None:
    """Run one service in this process, on the engines of the settings."""
    from hometrip.app import split
    from hometrip.app.doctor import must_be_usable
    from hometrip.app.logs import configure
    from hometrip.app.run import end_with, serve_gateway, serve_service

    if under:
        end_with(under)
    settings = settings_of(examining=True, data=data, host=host, port=port or _port_of(service))
    configure(settings)
    if wrong := wrong_with(lambda: split.check_split(settings, {})):
        run(lambda: must_be_usable(settings, wrong))
    if workers > 1:
        run(lambda: split.run_workers(settings, service, workers))
    elif service == "gateway":
        run(lambda: serve_gateway(settings, shared))
    else:
        run(lambda: serve_service(settings, service))


def _port_of(service: str) -> int | None:
    from hometrip.app.rooms import service_of

    return None if service == "gateway" else service_of(service).port


@main.group()
def config() -> None:
    """Settings."""


@config.command("check")
@data_option
def config_check(data: Path | None) -> None:
    """Say what the settings are, or everything that is wrong with them."""
    settings = settings_of(data=data)
    for name, value in settings.by_name().items():
        click.echo(f"{name:16} {'…' if name in SECRET and value else _shown(value)}")


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

    settings = settings_of(data=data)
    configure(settings)
    try:
        publication = find_files(list(files))
    except ValueError as reason:
        raise click.UsageError(str(reason)) from reason
    report = run(
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

    settings = settings_of(data=data)
    configure(settings)

    async def work() -> bool:
        async with open_house(settings) as opened:
            made = await fill(opened.house, wait_for_pictures=True)
            await opened.house.settle()
            return made

    made = run(work)
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

    settings = settings_of(data=data)
    configure(msgspec.structs.replace(settings, log_level="error"))
    findings = run(lambda: check(settings))
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
    from hometrip.adapters.clock.system import SystemClock
    from hometrip.app.engines import bus, outside, parking_of

    settings = settings_of(data=data)
    if not outside(settings, "bus") and not parking_of(settings).exists():
        raise click.ClickException(f"{settings.data} holds no marketplace")

    async def with_bus() -> None:
        opened: Any = bus(settings, SystemClock())
        try:
            if opening := getattr(opened, "open", None):
                await opening()
            await work(opened)
        finally:
            await opened.stop()

    run(with_bus)


@main.group()
def keys() -> None:
    """Keys that sign: access tokens, and what services tell each other."""


@keys.command("services")
@data_option
def keys_services(data: Path | None) -> None:
    """Make the keys by which services know each other, where missing, and publish the public ones."""
    from hometrip.app.credentials import publish
    from hometrip.app.split import GATEWAY

    settings = settings_of(data=data)
    for path in publish(settings.data / "secrets", [*SERVICES, GATEWAY]):
        click.echo(f"wrote {path}")


@keys.command("rotate")
@data_option
def keys_rotate(data: Path | None) -> None:
    """Sign new tokens with a new key; tokens of the old one stay valid until they expire."""
    from hometrip.app.logs import configure
    from hometrip.app.opening import open_house
    from hometrip.services.auth.actions import rotate_keys

    settings = settings_of(data=data)
    configure(msgspec.structs.replace(settings, log_level="error"))

    async def work() -> str:
        async with open_house(settings, beside=True) as opened:
            return str(await rotate_keys(opened.house.rooms["auth"].deps))

    click.echo(f"New tokens are signed with key {run(work)}.")


for command in (migrate, doctor, backup, restore):
    main.add_command(command)
logging.captureWarnings(True)

"""What the commands have in common: their settings, and how they say what went wrong."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click

from hometrip.app.settings import BadSettings, Settings, environment, load, registry_in
from hometrip.kernel.errors import HomeTripError, Invalid, Unavailable

# Registries that keep settings.
KEEPING = ("consul",)


def settings_of(*, examining: bool = False, **overrides: Any) -> Settings:
    """Nothing begins without what the registry keeps. Who is `examining` the engines anyway gets the settings
    without it, and finds that the registry is away.
    """
    try:
        kept = _kept() if urlsplit(registry_in(environment())).scheme in KEEPING else {}
        if isinstance(kept, Unavailable):
            known = load(environment(), overrides)
            if not examining:
                raise BadSettings([f"HOMETRIP_REGISTRY_URL: {kept.detail}; settings are kept there"])
            return known
        return load(environment(), overrides, kept=kept)
    except BadSettings as bad:
        give_up(bad)


def _kept() -> Mapping[str, str] | Unavailable:
    from hometrip.app.kept import kept_settings

    async def read() -> Mapping[str, str] | Unavailable:
        try:
            return await kept_settings(registry_in(environment()))
        except Unavailable as away:
            return away

    found: Mapping[str, str] | Unavailable = run(read)
    return found


def give_up(bad: BadSettings) -> NoReturn:
    click.echo("HomeTrip cannot start with these settings:", err=True)
    for line in bad.wrong:
        click.echo(f"  - {line}", err=True)
    sys.exit(2)


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    """What the work answers. What it refuses is said in words: a traceback is for what nobody foresaw."""
    from hometrip.app.run import event_loop

    try:
        with asyncio.Runner(loop_factory=event_loop) as runner:
            return runner.run(_of(work))
    except BadSettings as bad:
        give_up(bad)
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


def wrong_with(check: Callable[[], None]) -> list[str]:
    """What the check finds wrong, to be told together with what others find."""
    try:
        check()
    except BadSettings as bad:
        return bad.wrong
    return []

"""`hometrip doctor`: each engine looked at: reachable, version, rights, schema; and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from hometrip.app.settings import ENGINES, BadSettings, Settings
from hometrip.app.wiring import House
from hometrip.kernel.errors import HomeTripError
from hometrip.ports.engine import Finding
from hometrip.ports.registry import Registry


async def examine(settings: Settings) -> list[tuple[str, Finding]]:
    """Every engine of the house with each thing found; nothing is started and nothing is changed."""
    house = House(settings)
    try:
        parts = _parts(house)
        looked = await asyncio.gather(*map(_look, parts.values()))  # several may have to be waited for
        return [(name, each) for name, found in zip(parts, looked, strict=True) for each in found]
    finally:
        await house.stop()


# What `hometrip migrate` makes good, adapters advise so.
_MENDED_BY_MIGRATE = "hometrip migrate"


async def must_be_usable(settings: Settings, besides: Sequence[str] = ()) -> None:
    """Before anything is started or written: `BadSettings` names all that is wrong with every engine and what
    is wrong `besides`, but not what `hometrip migrate` makes good.
    """
    wrong = list(besides)
    wrong += [
        f"{name}: {_told(finding)}"
        for name, finding in await examine(settings)
        if not finding.fine and _MENDED_BY_MIGRATE not in finding.advice
    ]
    if wrong:
        raise BadSettings(wrong)


def _told(finding: Finding) -> str:
    if finding.detail in finding.advice or not finding.advice:
        return finding.advice or finding.detail
    return f"{finding.detail}: {finding.advice}"


def _parts(house: House) -> Mapping[str, Any]:
    _ = house.shared[Registry]  # no service asks for it, and every process does
    parts = {"bus": house.bus} | house.shared.made()
    named = {name: part for name, part in parts.items() if name in ENGINES}
    return named | {f"{name} storage": room.storage for name, room in house.rooms.items() if room.storage}


async def _look(part: Any) -> list[Finding]:
    try:
        if look := getattr(part, "examine", None):
            found: list[Finding] = await look()
            return found
        if ready := getattr(part, "ready", None):
            await ready()
    except HomeTripError as error:
        return [Finding("answers", False, error.detail)]
    return [Finding("embedded", True, type(part).__name__)]


def line(name: str, finding: Finding) -> str:
    mark = "ok  " if finding.fine else "FAIL"
    advice = f" — {finding.advice}" if finding.advice and not finding.fine else ""
    return f"{mark}  {name:20} {finding.what:10} {finding.detail}{advice}"

"""`hometrip doctor`: each engine looked at: reachable, version, rights, schema; and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hometrip.app.settings import ENGINES, Settings
from hometrip.app.wiring import House
from hometrip.kernel.errors import HomeTripError
from hometrip.ports.engine import Finding


async def examine(settings: Settings) -> list[tuple[str, Finding]]:
    """Every engine of the house with each thing found; nothing is started and nothing is changed."""
    house = House(settings)
    try:
        return [(name, finding) for name, part in _parts(house).items() for finding in await _look(part)]
    finally:
        await house.stop()


def _parts(house: House) -> Mapping[str, Any]:
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

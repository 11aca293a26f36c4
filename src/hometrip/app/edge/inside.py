"""Routes between the processes of one house: is this one still, move its clock, tell its events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from hometrip.app.edge.sandbox import Events
from hometrip.app.wiring import House
from hometrip.kernel.access import SERVICE
from hometrip.kernel.errors import NotFound
from hometrip.kernel.wire import Answer, Request

HISTORY, STILL, NEXT_DUE, CLOCK = "/inside/history", "/inside/still", "/inside/next-due", "/inside/clock"


class Still(Answer):
    """Where it is still: `done`, how many events it has published and taken up since it began."""

    still: bool
    done: int = 0


class NextDue(Answer):
    at: datetime | None = None


class Shift(Request):
    seconds: float


@post(STILL, access=SERVICE, status_code=200, include_in_schema=False)
async def still(house: NamedDependency[House]) -> Still:
    """Fires what is due; true where there was nothing, and nothing is under way."""
    done = await house.here.still()
    return Still(still=done is not None, done=done or 0)


@get(NEXT_DUE, access=SERVICE, include_in_schema=False)
async def next_due(house: NamedDependency[House]) -> NextDue:
    return NextDue(at=await house.here.next_due())


@post(CLOCK, access=SERVICE, status_code=204, include_in_schema=False)
async def move_clock(data: JSONBody[Shift], house: NamedDependency[House]) -> None:
    """Only in the sandbox: time that is real cannot be moved."""
    if not house.settings.sandbox:
        raise NotFound
    await house.here.shift_to(timedelta(seconds=data.seconds))


@get(HISTORY, access=SERVICE, include_in_schema=False)
async def history(subject: FromQuery[str], house: NamedDependency[House]) -> Events:
    return Events.of(await house.history(subject))


INSIDE: list[Any] = [still, next_due, move_clock, history]

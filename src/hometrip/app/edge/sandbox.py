"""Routes that exist only in the sandbox: read the mail, move the clock, see the events of a subject."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from hometrip.app.wiring import House
from hometrip.kernel.access import PUBLIC
from hometrip.kernel.events import Envelope
from hometrip.kernel.wire import Answer, Request
from hometrip.ports.courier import Courier


class Mailbox(Answer):
    items: list[dict[str, Any]]


class ClockFace(Answer):
    now: datetime


class Advance(Request):
    seconds: Annotated[int, msgspec.Meta(ge=0, le=10 * 366 * 86_400)]


class Events(Answer):
    """Envelopes: id, name, subject, sequence, data and the rest."""

    items: list[dict[str, Any]]

    @classmethod
    def of(cls, envelopes: list[Envelope]) -> Events:
        return cls(items=[msgspec.json.decode(msgspec.json.encode(envelope)) for envelope in envelopes])


@get("/mailbox", access=PUBLIC, summary="What was sent to an address, newest first")
async def mailbox(house: NamedDependency[House], to: FromQuery[str] = "") -> Mailbox:
    return Mailbox(items=house.shared[Courier].mailbox(to))


@get("/clock", access=PUBLIC, summary="What time it is in the sandbox")
async def clock(house: NamedDependency[House]) -> ClockFace:
    return ClockFace(now=house.clock.now())


@post("/clock/advance", access=PUBLIC, status_code=200, summary="Move time forward and do all that is due")
async def advance(data: JSONBody[Advance], house: NamedDependency[House]) -> ClockFace:
    return ClockFace(now=await house.advance(data.seconds))


@get("/events", access=PUBLIC, summary="The events of a subject, in order")
async def events(subject: FromQuery[str], house: NamedDependency[House]) -> Events:
    return Events.of(await house.history(subject))


SANDBOX: list[Any] = [mailbox, clock, advance, events]

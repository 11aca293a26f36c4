"""`hometrip verify`: the invariants, recomputed from live data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from hometrip.app.opening import open_house
from hometrip.app.settings import Settings
from hometrip.app.wiring import House
from hometrip.services.booking import actions as booking
from hometrip.services.listing import actions as listing
from hometrip.services.payment import actions as payment
from hometrip.services.search import actions as search


class Finding(msgspec.Struct, frozen=True):
    """One invariant: how it was found. `violations` is empty where it holds."""

    invariant: str
    violations: list[str]

    def line(self) -> str:
        if not self.violations:
            return f"ok    {self.invariant}"
        return "\n".join([f"FAIL  {self.invariant}", *(f"        {found}" for found in self.violations)])


async def verify(settings: Settings) -> list[Finding]:
    """Opens the data as `up` does; may run beside a running marketplace."""
    async with open_house(settings, beside=True) as opened:
        if opened.started:
            await opened.house.settle()
        return await verify_house(opened.house)


async def verify_house(house: House) -> list[Finding]:
    checks: tuple[tuple[str, Callable[[House], Awaitable[list[str]]]], ...] = (
        ("no night of a home has two live bookings", _bookings),
        ("the journal sums to zero, and payments equal the provider's records", _payments),
        ("every committed event has reached every listener", _events),
        ("the calendars equal what is recomputed from the bookings", _calendars),
        ("the search index equals what is recomputed from the homes", _index),
    )
    return [Finding(name, await check(house)) for name, check in checks]


async def _bookings(house: House) -> list[str]:
    return await booking.verify(house.rooms["booking"].deps)


async def _payments(house: House) -> list[str]:
    return await payment.verify(house.rooms["payment"].deps)


async def _calendars(house: House) -> list[str]:
    return await listing.verify(house.rooms["listing"].deps)


async def _index(house: House) -> list[str]:
    return await search.verify(house.rooms["search"].deps)


async def _events(house: House) -> list[str]:
    found = [
        f"{parked.service} could not handle {parked.envelope.name} {parked.envelope.id}: {parked.reason}"
        for parked in await house.bus.parked()
    ]
    for name, room in house.rooms.items():
        unsent = (await room.storage.unsent()).count if room.storage else 0
        if unsent:
            found.append(f"{name} has {unsent} unsent events")
    return found

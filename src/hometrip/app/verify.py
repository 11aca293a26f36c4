"""`hometrip verify`: the invariants, recomputed from live data."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from hometrip.app.logs import looks_personal
from hometrip.app.opening import open_house
from hometrip.app.settings import Settings
from hometrip.app.wiring import House
from hometrip.services.booking import actions as booking
from hometrip.services.listing import actions as listing
from hometrip.services.payment import actions as payment
from hometrip.services.search import actions as search

# Beside a running marketplace: how often to look again, and how long to wait in between.
TRIES, TRY_SECONDS = 10, 0.5
# How many events of each service are looked through for what must not be in them.
LATEST = 5_000


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
        return await _verify_living(opened.house)


async def _verify_living(house: House) -> list[Finding]:
    """Beside a marketplace at work, events are always under way: a contradiction counts when it lasts."""
    findings = await verify_house(house)
    for _ in range(TRIES):
        if not any(finding.violations for finding in findings):
            break
        await asyncio.sleep(TRY_SECONDS)
        findings = await verify_house(house)
    return findings


async def verify_house(house: House) -> list[Finding]:
    checks: tuple[tuple[str, Callable[[House], Awaitable[list[str]]]], ...] = (
        ("no night of a home has two live bookings", _bookings),
        ("the journal sums to zero, and payments equal the provider's records", _payments),
        ("every committed event has reached every listener", _events),
        ("the calendars equal what is recomputed from the bookings", _calendars),
        ("the search index equals what is recomputed from the homes", _index),
        ("no secret and nothing personal is in the events", _privacy),
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


async def _privacy(house: House) -> list[str]:
    """Looks at the latest events for what looks like an e-mail address, a token or a card."""
    found = []
    for name, room in house.rooms.items():
        for envelope in await room.storage.recent(LATEST) if room.storage else ():
            text = bytes(envelope.data).decode()
            if words := looks_personal(text):
                found.append(f"{name}: {envelope.name} {envelope.id} holds {words}")
    return found


async def _events(house: House) -> list[str]:
    found = [
        f"{parked.service} could not handle {parked.envelope.name} {parked.envelope.id}: {parked.reason}"
        for parked in await house.bus.parked()
    ]
    for name, room in house.rooms.items():
        unsent = (await room.storage.unsent()).count if room.storage else 0
        if unsent:
            found.append(f"{name} has {unsent} unsent events")
    # What booking knows of co-hosts is what it has heard of them, and so is what payment knows of stays.
    found += await listing.verify_co_hosts(house.rooms["listing"].deps)
    confirmed = await booking.ever_confirmed(house.rooms["booking"].deps)
    return found + await payment.verify_stays(house.rooms["payment"].deps, confirmed)

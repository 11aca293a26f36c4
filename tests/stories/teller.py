"""What stories are told with: people at the door, and what journal and history tell of their booking."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from harness import Person, TestHouse
from journeys.steps import book, booking_of, ok, open_home, pay, stay

Entry = tuple[str, dict[str, int]]
ALBANY = ZoneInfo("America/New_York")


class Teller:
    """A host with a home, a guest, an admin, and the sandbox clock at 5:00 in Albany on the first day of the
    story; that is the 14th of April 2027, 9:00 UTC, in a house whose time stands still.

    Unless a story says otherwise, three nights 30 days later cost, in dollars: nights 300.00, cleaning
    50.00, service fee (12 % of 350.00) 42.00, together 392.00. The host receives 350.00 less 3 %, which is
    339.50; the marketplace has the rest, 52.50. Check-in is at 15:00 in Albany.
    """

    def __init__(self, house: TestHouse, host: Person, guest: Person, admin: Person, home: str) -> None:
        self.house, self.host, self.guest, self.admin, self.home = house, host, guest, admin, home
        self._first = house.clock.now().date()

    def day(self, number: int) -> str:
        """That many days after the first of the story."""
        return (self._first + timedelta(days=number)).isoformat()

    async def book(self, by: Person | None = None, days: int = 30, nights: int = 3, **more: Any) -> str:
        when = stay(self.house, days, nights)
        return str(ok(await book(by or self.guest, self.home, when, **more), 201)["id"])

    async def pay(self, booking_id: str, by: Person | None = None, card: str = "pm_card_visa") -> None:
        await pay(by or self.guest, booking_id, card)
        await self.house.settle()

    async def look(self, booking_id: str) -> dict[str, Any]:
        return await booking_of(self.admin, booking_id)

    async def cancel(self, booking_id: str, by: Person) -> dict[str, Any]:
        """Exactly what the preview has shown."""
        shown = ok(await by.get(f"/api/bookings/{booking_id}/cancellation"))
        gone = ok(await by.post(f"/api/bookings/{booking_id}/cancel", {"reason": "Plans have changed."}))
        assert gone["cancellation"] == shown
        await self.house.settle()
        return dict(shown)

    async def wait(self, *, days: float = 0, hours: float = 0, minutes: float = 0) -> None:
        await self.house.advance(((days * 24 + hours) * 60 + minutes) * 60)

    async def webhooks(self) -> None:
        """Those of the provider that are on their way arrive."""
        await self.house.bring_webhooks()
        await self.house.settle()

    async def history(self, booking_id: str) -> list[str]:
        return [f"{step['status']} by {step['by']}" for step in (await self.look(booking_id))["history"]]

    async def journal(self, booking_id: str) -> list[Entry]:
        """Each entry with what it writes to each account, in minor units: debits over zero, credits under."""
        asked = {"booking_id": booking_id, "limit": 100}
        found = ok(await self.admin.get("/api/payments/ledger", params=asked))
        assert set(found["balance"].values()) <= {0}
        told: list[Entry] = []
        for entry in found["items"]:
            accounts: dict[str, int] = {}
            for posting in entry["postings"]:
                name = posting["account"].replace(f"host_payable:{self.host.id}", "host")
                name = name.replace("provider_clearing", "clearing").replace("platform_revenue", "revenue")
                accounts[name] = accounts.get(name, 0) + posting["amount"]["amount"]
            told.append((entry["kind"], accounts))
        return told

    async def end(self) -> None:
        """Everything is done, and `hometrip verify` finds nothing."""
        await self.house.settle()
        assert [finding.line() for finding in await self.house.verify() if finding.violations] == []


async def teller_in(house: TestHouse, pricing: dict[str, Any] | None = None, **home: Any) -> Teller:
    await house.advance(_till_five(house.clock.now()))
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    opened = await open_home(host, **home)
    if pricing:
        ok(await host.put(f"/api/listings/{opened['id']}/pricing", pricing))
    await house.settle()
    return Teller(house, host, guest, await house.staff(), opened["id"])


def _till_five(now: datetime) -> float:
    """Seconds until it is 5:00 in Albany the next time."""
    there = now.astimezone(ALBANY)
    five = there.replace(hour=5, minute=0, second=0, microsecond=0)
    if five < there:
        five += timedelta(days=1)
    return five.timestamp() - now.timestamp()


def balance(journal: list[Entry]) -> dict[str, int]:
    """What each account comes to at the end of a story; those that come to nothing are left out."""
    sums: dict[str, int] = {}
    for _, accounts in journal:
        for name, amount in accounts.items():
            sums[name] = sums.get(name, 0) + amount
    return {name: left for name, left in sums.items() if left}

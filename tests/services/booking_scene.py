"""A home with its host, and guests of it, for the tests of booking: at the door and behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from harness import Person, TestHouse
from hometrip.kernel.access import Caller
from hometrip.kernel.once import NO_KEY, Once
from hometrip.kernel.stay import Stay
from hometrip.services.booking import actions, store
from hometrip.services.booking.actions import Deps
from hometrip.services.booking.rules import Booking, BookingView, BookingWish, ChangeWish
from hometrip.services.listing.contract import Wish
from hometrip.services.payment.contract import PaymentSucceeded
from journeys.steps import open_home


def somebody() -> Caller:
    return Caller(account_id=uuid4())


@dataclass
class Scene:
    """One home; guests without a password, as the services see them."""

    house: TestHouse
    host: Person
    home_id: UUID

    @property
    def deps(self) -> Deps:
        deps: Deps = self.house.deps("booking")
        return deps

    @property
    def today(self) -> date:
        return self.house.clock.now().date()

    def day(self, ahead: int) -> date:
        return self.today + timedelta(days=ahead)

    def stay(self, first: int, end: int) -> Stay:
        return Stay(self.day(first), self.day(end))

    async def wish(self, guest: Caller, ahead: int = 30, nights: int = 3, **more: Any) -> BookingWish:
        """A wish with its quote."""
        coupon = more.get("coupon")
        asked = Wish(check_in=self.day(ahead), check_out=self.day(ahead + nights), guests=2, coupon=coupon)
        quote = await self.deps.listing.quote(guest, self.home_id, asked)
        return BookingWish(
            listing_id=self.home_id,
            check_in=asked.check_in,
            check_out=asked.check_out,
            guests=2,
            quote_id=quote.id,
            **more,
        )

    async def book(
        self, guest: Caller, ahead: int = 30, nights: int = 3, once: Once = NO_KEY, **more: Any
    ) -> BookingView:
        return await actions.book(self.deps, guest, await self.wish(guest, ahead, nights, **more), once)

    async def paid(self, guest: Caller, ahead: int = 30, nights: int = 3, **more: Any) -> BookingView:
        """A confirmed booking whose money was taken, as far as booking is told."""
        booking = await self.book(guest, ahead, nights, **more)
        async with self.deps.db.transaction() as tx:
            await actions.settle(self.deps, tx, await store.bookings.get(tx, booking.id), uuid4())
        return await self.look(booking.id)

    async def stored(self, booking_id: UUID) -> Booking:
        async with self.deps.db.read() as db:
            return await store.bookings.get(db, booking_id)

    async def look(self, booking_id: UUID) -> BookingView:
        found = await self.stored(booking_id)
        return await actions.booking(self.deps, Caller(account_id=found.guest_id), booking_id)

    async def told(self, booking_id: UUID) -> list[str]:
        """The events of a booking so far."""
        return [envelope.name for envelope in await self.deps.db.history(f"booking/{booking_id}")]

    def change_paid(self, booking: BookingView, event_id: UUID | None = None) -> PaymentSucceeded:
        """The news that the difference of the booking's change was taken."""
        assert booking.change is not None
        return PaymentSucceeded(
            event_id=event_id or uuid4(),
            payment_id=uuid4(),
            booking_id=booking.id,
            guest_id=booking.guest_id,
            amount=booking.change.difference,
            change_id=booking.change.id,
        )

    async def change(self, booking: BookingView, if_match: int | None = None, **wish: Any) -> BookingView:
        """What the guest asks for: days ahead as `first` and `end`, `guests`."""
        days = {"first": "check_in", "end": "check_out"}
        asked = {days.get(name, name): self.day(n) if name in days else n for name, n in wish.items()}
        guest = Caller(account_id=booking.guest_id)
        return await actions.ask_change(self.deps, guest, booking.id, ChangeWish(**asked), if_match)

    async def nights(self, booking_id: UUID) -> set[date]:
        """The nights that the booking holds, by the table."""
        async with self.deps.db.read() as db:
            return await store.nights.of_owner(db, booking_id)

    def succeeded(self, booking: BookingView, event_id: UUID | None = None) -> PaymentSucceeded:
        """The news that the booking's money was taken."""
        return PaymentSucceeded(
            event_id=event_id or uuid4(),
            payment_id=uuid4(),
            booking_id=booking.id,
            guest_id=booking.guest_id,
            amount=booking.total,
        )


async def scene_in(house: TestHouse, email: str = "host@example.com", **changes: Any) -> Scene:
    host = await house.sign_up(email, "Hanna Host")
    home = await open_home(host, **changes)
    await house.settle()
    return Scene(house, host, UUID(home["id"]))

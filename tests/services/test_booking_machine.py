"""Any sequence of moves, by anybody, at any time, against the real database: what must hold after each."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import TestHouse
from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, HOUR, MINUTE
from hometrip.kernel.errors import Conflict, Forbidden, Invalid
from hometrip.kernel.events import Event
from hometrip.kernel.once import NO_KEY
from hometrip.services.booking import actions, reactions, store
from hometrip.services.booking.actions import ChangeEnded, HoldEnded, StayEnded, questions
from hometrip.services.booking.rules import Booking, BookingView, ChangeWish, state_of
from services.booking_scene import Scene, scene_in

pytestmark = pytest.mark.slow

# Which state may follow which, written out apart from the table that the service moves by.
FOLLOWS = {
    "pending/host": {"pending/payment", "declined", "expired", "cancelled"},
    "pending/payment": {"confirmed", "expired", "cancelled"},
    "expired": {"confirmed"},
    "confirmed": {"checked_in", "completed", "cancelled"},
    "checked_in": {"completed", "cancelled"},
    "completed": set(),
    "declined": set(),
    "cancelled": set(),
}
WORDS = "pending confirmed checked_in completed declined expired cancelled".split()
HOLDING = {"pending", "confirmed", "checked_in", "completed"}
GUESTS = [Caller(account_id=UUID(int=number)) for number in (1, 2, 3)]
moves = st.one_of(
    st.tuples(st.just("book"), st.integers(0, 2), st.integers(2, 12), st.integers(1, 4)),
    st.tuples(
        st.sampled_from(
            "accept decline cancel host_cancels check_in complete pay hold_ended stay_ended "
            "accept_change decline_change pay_change change_ended".split()
        ),
        st.integers(0, 9),
    ),
    st.tuples(st.just("change"), st.integers(0, 9), st.integers(2, 12), st.integers(1, 4), st.integers(1, 3)),
    st.tuples(st.just("wait"), st.sampled_from([10 * MINUTE, HOUR, DAY, 4 * DAY])),
    st.tuples(st.just("block"), st.integers(2, 12), st.integers(1, 3)),
)


class Machine:
    """The moves, and what was seen of each booking before the last one."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.deps = scene, scene.deps
        self.host = Caller(account_id=scene.host.id)
        self.bookings: list[BookingView] = []
        self.states: dict[UUID, str] = {}
        self.blocks: list[UUID] = []

    async def make(self, verb: str, *args: Any) -> None:
        """A refusal by name is fine: then nothing may have changed, which `check` sees."""
        with suppress(Conflict, Forbidden):
            await getattr(self, verb)(*args)

    async def book(self, guest: int, ahead: int, nights: int) -> None:
        self.bookings.append(await self.scene.book(GUESTS[guest], ahead, nights))

    async def accept(self, which: int) -> None:
        if self.bookings:
            await actions.accept(self.deps, self.host, self.one(which).id)

    async def decline(self, which: int) -> None:
        if self.bookings:
            await actions.decline(self.deps, self.host, self.one(which).id, "no")

    async def cancel(self, which: int) -> None:
        if self.bookings:
            booking = self.one(which)
            guest = Caller(account_id=booking.guest_id)
            await actions.cancel(self.deps, guest, booking.id, "", NO_KEY)

    async def host_cancels(self, which: int) -> None:
        if self.bookings:
            booking = self.one(which)
            await actions.cancel(self.deps, self.host, booking.id, "", NO_KEY)
            if (await self.scene.stored(booking.id)).confirmed_at:
                self.blocks.append(booking.id)

    async def check_in(self, which: int) -> None:
        if self.bookings:
            await actions.check_in(self.deps, self.host, self.one(which).id)

    async def complete(self, which: int) -> None:
        if self.bookings:
            await actions.complete(self.deps, self.host, self.one(which).id)

    async def pay(self, which: int) -> None:
        """The news comes twice, as news does."""
        if self.bookings:
            paid = self.scene.succeeded(self.one(which))
            await reactions.confirm_when_paid(self.deps, paid)
            await reactions.confirm_when_paid(self.deps, paid)

    async def hold_ended(self, which: int) -> None:
        """A timer that was replaced may still be on its way."""
        if self.bookings:
            timer: Event = HoldEnded(event_id=uuid4(), booking_id=self.one(which).id)
            await reactions.end_hold_when_due(self.deps, timer)  # type: ignore[arg-type]

    async def stay_ended(self, which: int) -> None:
        booking = self.one(which) if self.bookings else None
        if booking and self.scene.house.clock.now() >= booking.check_out_at:
            timer = StayEnded(event_id=uuid4(), booking_id=booking.id)
            await reactions.end_stay_when_due(self.deps, timer)

    async def wait(self, time: Any) -> None:
        await self.scene.house.advance(time.total_seconds())

    async def change(self, which: int, ahead: int, nights: int, guests: int) -> None:
        if self.bookings:
            booking = self.one(which)
            stay = self.scene.stay(ahead, ahead + nights)
            wish = ChangeWish(check_in=stay.check_in, check_out=stay.check_out, guests=guests)
            with suppress(Invalid):  # this is what it is already
                await actions.ask_change(
                    self.deps, Caller(account_id=booking.guest_id), booking.id, wish, None
                )

    async def accept_change(self, which: int) -> None:
        if self.bookings:
            await actions.accept_change(self.deps, self.host, self.one(which).id)

    async def decline_change(self, which: int) -> None:
        if self.bookings:
            await actions.decline_change(self.deps, self.host, self.one(which).id, "no")

    async def pay_change(self, which: int) -> None:
        """Of any change that was ever to be paid, also one that ended; the news comes twice."""
        booking = await self.scene.look(self.one(which).id) if self.bookings else None
        if booking and booking.change and booking.change.difference.amount > 0:
            paid = self.scene.change_paid(booking)
            await reactions.confirm_when_paid(self.deps, paid)
            await reactions.confirm_when_paid(self.deps, paid)

    async def change_ended(self, which: int) -> None:
        """A timer that was replaced may still be on its way."""
        if self.bookings:
            timer = ChangeEnded(event_id=uuid4(), booking_id=self.one(which).id)
            await reactions.end_change_when_due(self.deps, timer)

    async def block(self, ahead: int, nights: int) -> None:
        block = uuid4()
        stay = self.scene.stay(ahead, ahead + nights)
        await questions.block(self.deps, self.scene.home_id, block, stay)
        self.blocks.append(block)

    def one(self, which: int) -> BookingView:
        return self.bookings[which % len(self.bookings)]

    async def check(self) -> None:
        now = self.scene.house.clock.now()
        for opened in self.bookings:
            booking = await self.scene.stored(opened.id)
            state, before = state_of(booking), self.states.get(booking.id)
            assert before in (None, state) or state in FOLLOWS[before]
            self.states[booking.id] = state
            moves = [step.status for step in booking.history if step.status in (*WORDS, "accepted")]
            assert moves[-1] in ("accepted", booking.status)
            await self.check_change(booking, now)
            # What befalls a change may be written with the next move: it is asked for and done at once.
            written = [step for step in booking.history if not step.status.startswith("change_")]
            assert len(written) <= booking.version
            assert (booking.hold_until is not None) == (booking.status == "pending")
            assert (booking.cancellation is not None) == (booking.status == "cancelled")
            assert booking.confirmed_at is None or booking.payment.status == "succeeded"
            assert booking.hold_until is None or booking.hold_until > now - MINUTE
            assert booking.total == sum((line.amount for line in booking.lines), booking.total * 0)
        contradictions = await actions.verify(self.deps)
        assert contradictions == []
        # Each night that is taken has an owner that may have it.
        live = {booking for booking, state in self.states.items() if state.partition("/")[0] in HOLDING}
        span = self.scene.stay(-999, 999)
        async with self.deps.db.read() as db:
            owners = await store.nights.owners(db, self.scene.home_id, span)
        assert set(owners.values()) <= live | set(self.blocks)
        assert live <= set(owners.values())

    async def check_change(self, booking: Booking, now: datetime) -> None:
        """An open change waits its time, for a booking that is confirmed; its nights are held besides.

        Any other leaves the booking the nights of its stay, and no more.
        """
        change = booking.change
        is_open = change is not None and change.status in ("awaiting_host", "awaiting_payment")
        wanted = set(booking.stay.each_night())
        if change is not None and is_open:
            assert booking.status == "confirmed"
            assert change.until is not None
            assert change.until > now - MINUTE
            wanted |= set(change.stay.each_night())
        elif change is not None:
            assert change.until is None
        if booking.status in HOLDING:
            async with self.deps.db.read() as db:
                assert await store.nights.of_owner(db, booking.id) == wanted


sequences = st.lists(moves, min_size=3, max_size=25)
MEANT = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=10, deadline=None, suppress_health_check=MEANT)
@given(instant=st.booleans(), sequence=sequences)
async def test_whatever_is_done_in_whatever_order_every_promise_holds(
    house: TestHouse, instant: bool, sequence: list[Any]
) -> None:
    await hold(house, instant, sequence)


@pytest.mark.full
@pytest.mark.timeout(1_800)
@settings(max_examples=400, deadline=None, suppress_health_check=MEANT)
@given(instant=st.booleans(), sequence=sequences)
async def test_whatever_is_done_often_in_whatever_order_every_promise_holds(
    house: TestHouse, instant: bool, sequence: list[Any]
) -> None:
    await hold(house, instant, sequence)


async def hold(house: TestHouse, instant: bool, sequence: list[Any]) -> None:
    """Each example has a home and a host of its own, and time goes on from where the last one left it."""
    machine = Machine(await scene_in(house, f"{uuid4()}@example.com", instant_book=instant))
    for verb, *args in sequence:
        await machine.make(verb, *args)
        await machine.check()

"""What tests of payments stand on: the service on its engines, and a desk that plays booking.

Booking, the peer, is played by `Desk`: it answers what booking's contract says, and the test says what
booking would say.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, cast, get_type_hints
from uuid import UUID, uuid4

import msgspec
import pytest

from hometrip.adapters.blobs.files import FileBlobs
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.database.sqlite import SqliteDatabase
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.adapters.payments.sandbox.cards import BY_TOKEN
from hometrip.adapters.workshop.processes import ProcessWorkshop
from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, HOUR, MINUTE, utc
from hometrip.kernel.errors import NotFound
from hometrip.kernel.events import Event
from hometrip.kernel.ids import ids
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.ports.payments import ProviderDown
from hometrip.services.auth.contract import Address, AuthQuestions
from hometrip.services.booking.contract import (
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingFacts,
    Payable,
)
from hometrip.services.payment import actions, store
from hometrip.services.payment.actions import Deps
from hometrip.services.payment.service import SERVICE

START = utc(2027, 4, 14, 9)
CHECK_IN_AT = utc(2027, 5, 10, 13)
GUEST = Caller(account_id=uuid4())
HOST = Caller(account_id=uuid4())
STRANGER = Caller(account_id=uuid4())
ADMIN = Caller(account_id=uuid4(), roles=frozenset({"admin"}))
SUPPORT = Caller(account_id=uuid4(), roles=frozenset({"support"}))
TOTAL = Money(68_500, "EUR")


def eur(amount: int) -> Money:
    return Money(amount, "EUR")


SPLIT = Split(payout=eur(53_350), platform=eur(8_250), taxes={"berlin": eur(6_900)})
# Half now, the rest two weeks before.
DUE_AT = CHECK_IN_AT - 14 * DAY
HALF = eur(34_250)
HALF_PLAN: dict[str, Any] = {"due_now": HALF, "balance_due_at": DUE_AT}
PAYS_ONCE = "pm_card_chargeCustomerFail"


class Desk:
    """Booking's side of the contract, for as many bookings as a test needs."""

    def __init__(self) -> None:
        self.bookings: dict[UUID, Payable] = {}

    def add(self, capture: str = "automatic", **changes: Any) -> UUID:
        booking_id = uuid4()
        asked = Payable(
            booking_id=booking_id,
            guest_id=GUEST.id,
            host_id=HOST.id,
            status="pending",
            total=TOTAL,
            split=SPLIT,
            capture=capture,
            check_in_at=CHECK_IN_AT,
            hold_until=START + 15 * MINUTE,
        )
        self.bookings[booking_id] = msgspec.structs.replace(asked, **changes)
        return booking_id

    def set_status(self, booking_id: UUID, status: str) -> None:
        self.bookings[booking_id] = msgspec.structs.replace(self.bookings[booking_id], status=status)

    async def payable(self, booking_id: UUID) -> Payable:
        if booking_id not in self.bookings:
            raise NotFound
        return self.bookings[booking_id]


class People:
    """Auth's side of the contract: what everybody is called."""

    async def addresses(self, user_ids: list[UUID]) -> list[Address]:
        names = {GUEST.id: "Zoë Łukasiewicz", HOST.id: "Søren Åström-Ñandú"}
        return [
            Address(user_id=one, email="", display_name=names[one], locale="en", verified=True)
            for one in user_ids
            if one in names
        ]


class Till:
    """The payment service on its engines, and its post: events go out, timers come back."""

    def __init__(self, deps: Deps, clock: MovableClock, desk: Desk, provider: SandboxPayments) -> None:
        self.deps, self.clock, self.desk, self.provider = deps, clock, desk, provider
        self.told: list[Any] = []
        self._hear: dict[str, list[tuple[type[Event], Any]]] = {}
        for reaction in SERVICE.reactions:
            kind = get_type_hints(reaction)["event"]
            self._hear.setdefault(kind.name, []).append((kind, reaction))

    def names(self) -> list[str]:
        return [event.name for event in self.told]

    async def settle(self) -> None:
        """Everything due is done; each event is handled twice, as it may be anywhere."""
        while await self.deps.db.fire_due(self.clock.now()) or (await self.deps.db.unsent()).count:
            for envelope in await self.deps.db.claim(100):
                for kind, reaction in self._hear.get(envelope.name, []):
                    await reaction(self.deps, envelope.open(kind))
                    await reaction(self.deps, envelope.open(kind))
                if envelope.name not in self._hear:
                    self.told.append(envelope.open(Event.by_name[envelope.name]))
                await self.deps.db.sent([envelope.id])

    async def advance(self, by: timedelta) -> None:
        until = self.clock.now() + by
        await self.settle()
        while (due := await self.deps.db.next_due()) is not None and due <= until:
            self.clock.move_to(due)
            await self.settle()
        self.clock.move_to(until)

    async def hear(self, event: Event) -> None:
        """Booking says something, and says it twice."""
        msgspec.structs.force_setattr(event, "event_id", uuid4())
        for _ in range(2):
            for _, reaction in self._hear[event.name]:
                await reaction(self.deps, event)
        await self.settle()

    async def open(self, capture: str = "automatic", **changes: Any) -> actions.Intent:
        return await actions.open_intent(self.deps, GUEST, self.desk.add(capture, **changes))

    async def pay(
        self, capture: str = "automatic", method: str = "pm_card_visa", **changes: Any
    ) -> actions.Intent:
        intent = await self.open(capture, **changes)
        paid = await actions.confirm(self.deps, GUEST, intent.id, method=method)
        await self.settle()
        return paid

    async def payouts(self) -> list[tuple[str, str | None]]:
        """Status and reason of each of the host's, the newest first."""
        found = await actions.payouts(self.deps, HOST, 20, None)
        return [(one.status, one.why) for one in found.items]

    async def row(self, payment_id: UUID) -> store.Payment:
        async with self.deps.db.read() as db:
            return await store.payment(db, payment_id)

    async def balances(self, booking_id: UUID) -> dict[str, int]:
        async with self.deps.db.read() as db:
            found = await store.balances(db, booking_id)
        return {account.replace(str(HOST.id), "host"): left for account, left in found.items() if left}

    def facts(self, booking_id: UUID, nights: int = 5, **changes: Any) -> BookingFacts:
        payable = self.desk.bookings[booking_id]
        facts = BookingFacts(
            booking_id=booking_id,
            listing_id=uuid4(),
            guest_id=payable.guest_id,
            host_id=payable.host_id,
            title="A quiet flat",
            check_in=date(2027, 5, 10),
            check_out=date(2027, 5, 10) + nights * DAY,
            check_in_at=payable.check_in_at,
            check_out_at=payable.check_in_at + nights * DAY - 4 * HOUR,
            nights=nights,
            guests=2,
            status="confirmed",
            total=payable.total,
            split=payable.split,
            lines=[],
            cancellation_policy="flexible",
            due_now=payable.due_now,
            balance_due_at=payable.balance_due_at,
        )
        return msgspec.structs.replace(facts, **changes)

    async def confirmed(self, booking_id: UUID, nights: int = 5, **changes: Any) -> None:
        self.desk.set_status(booking_id, "confirmed")
        facts = self.facts(booking_id, nights, **changes)
        await self.hear(BookingConfirmed(booking_id=booking_id, booking=facts))

    async def cancelled(
        self,
        booking_id: UUID,
        refund: Money,
        kept: Split,
        penalty: Money | None = None,
        by: str = "guest",
        at: datetime | None = None,
    ) -> None:
        await self.hear(
            BookingCancelled(
                booking_id=booking_id,
                booking=self.facts(booking_id),
                by=by,
                why="plans changed",
                refund=refund,
                kept=kept,
                penalty=penalty,
                at=at,
            )
        )


@asynccontextmanager
async def till_in(
    folder: Path, clock: MovableClock | None = None, desk: Desk | None = None
) -> AsyncIterator[Till]:
    """The service in a folder; opened there again, it goes on from what was on disk."""
    clock, desk = clock or MovableClock(SystemClock(), frozen_at=START), desk or Desk()
    new_id = ids(clock)
    path = folder / "payment.db"
    db = SqliteDatabase(path, service="payment", clock=clock, new_id=new_id, metadata=store.tables)
    provider = SandboxPayments(folder / "provider.db", clock, new_id, b"s" * 32)
    auth = cast(AuthQuestions, People())
    blobs, workshop = FileBlobs(folder / "files"), ProcessWorkshop()
    deps = Deps(
        db=db,
        payments=provider,
        blobs=blobs,
        workshop=workshop,
        booking=desk,
        auth=auth,
        clock=clock,
        new_id=new_id,
    )
    try:
        yield Till(deps, clock, desk, provider)
    finally:
        await workshop.close()
        await db.close()
        await provider.close()


async def half_paid(till: Till, method: str = "pm_card_visa") -> actions.Intent:
    paid = await till.pay(method=method, **HALF_PLAN)
    await till.confirmed(paid.booking_id)
    return paid


async def half_paid_and_the_rest_unheard(till: Till) -> actions.Intent:
    """The guest has paid the second half as well, and the provider's answer was lost."""
    paid = await half_paid(till)
    rest = await actions.open_intent(till.deps, GUEST, paid.booking_id)
    till.provider.weather = "answers_lost"
    with pytest.raises(ProviderDown):
        await actions.confirm(till.deps, GUEST, rest.id, method="pm_card_visa")
    till.provider.weather = "fine"
    return paid


async def change_asked(till: Till, booking_id: UUID, more: Money, split: Split) -> UUID:
    """The guest wishes for a dearer stay: so much more, shared like this, is to be paid."""
    change_id = uuid4()
    asked = till.desk.bookings[booking_id]
    till.desk.bookings[booking_id] = msgspec.structs.replace(
        asked,
        change_id=change_id,
        due_now=more,
        split=split,
        total=TOTAL + more,
        hold_until=till.clock.now() + DAY,
    )
    return change_id


async def changed(till: Till, booking_id: UUID, change_id: UUID, total: Money, split: Split) -> None:
    facts = till.facts(booking_id, total=total, split=split, due_now=None)
    await till.hear(
        BookingChanged(
            booking_id=booking_id, booking=facts, change_id=change_id, before_total=TOTAL, before=SPLIT
        )
    )


async def hear_all(till: Till) -> None:
    """Every webhook that the provider has, and what follows."""
    for webhook in await till.provider.undelivered():
        await actions.hear(till.deps, webhook.body, webhook.signature)
        await till.provider.delivered(webhook.id)
    await till.settle()


async def ask(till: Till, paid: actions.Intent, amount: Money) -> str:
    """The cardholder's bank asks so much of a payment back; the provider's name of the dispute."""
    known = {one.id for one in await till.provider.disputes_since(START)}
    intent = await till.provider.get_intent((await till.row(paid.id)).provider_id)
    till.provider._dispute(intent, BY_TOKEN["pm_card_createDispute"], amount)
    await hear_all(till)
    [made] = [one.id for one in await till.provider.disputes_since(START) if one.id not in known]
    return made


async def decide(till: Till, dispute: str, status: str) -> None:
    """The bank decides: `won` or `lost`."""
    await till.provider.decide_dispute(dispute, status)
    await hear_all(till)


@asynccontextmanager
async def till_heard_out(folder: Path) -> AsyncIterator[Till]:
    """In the end all that the provider has told is heard, and its records are the books'."""
    async with till_in(folder) as opened:
        yield opened
        await hear_all(opened)
        assert await actions.verify(opened.deps) == []

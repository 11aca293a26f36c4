"""One hold per guest and home: an earlier one makes room for what its guest wants now, unless it is paid."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar
from uuid import UUID

from hometrip.kernel.again import again
from hometrip.kernel.once import NO_KEY, Once
from hometrip.kernel.stay import Stay
from hometrip.ports.database import Tx
from hometrip.ports.outbox import Contended
from hometrip.services.booking import store
from hometrip.services.booking.actions.deps import Deps
from hometrip.services.booking.actions.ending import end
from hometrip.services.booking.actions.settling import note, settle
from hometrip.services.booking.rules import SYSTEM, PaymentUnderWay, moved

T = TypeVar("T")
# Of holds that payments have let go of: nothing can be taken for them any more.
LetGo = frozenset[UUID]


class _Payable(Exception):
    """Ends a transaction that has met holds for which something may be taken, or was just now."""

    def __init__(self, holds: LetGo) -> None:
        super().__init__(holds)
        self.holds = holds


async def with_room(deps: Deps, attempt: Callable[[LetGo], Awaitable[T]]) -> T:
    """What `attempt` gives, begun again where it met a hold (in `replace_holds`) that may be paid for.

    Payments are asked between: a hold that is paid is confirmed before, and all others cannot be any more.
    That has happened then: where the news of a payment writes the same hold, whoever began this does not
    begin it anew, so this does. `PaymentUnderWay` where the provider does not know yet.
    """
    let_go: LetGo = frozenset()
    while True:
        try:
            if not let_go:
                return await attempt(let_go)
            return await again(partial(attempt, let_go), Contended)
        except _Payable as met:
            for booking_id in met.holds:
                await _let_go(deps, booking_id)
            let_go |= met.holds


async def expect_none(tx: Tx, guest_id: UUID, listing_id: UUID) -> None:
    """`Unexpected`, at the latest at the end of the block, where there is an earlier hold to replace."""
    await _one_at_a_time(tx, guest_id, listing_id)
    await store.bookings.expect_no_hold(tx, guest_id, listing_id)


async def replace_holds(
    deps: Deps,
    tx: Tx,
    guest_id: UUID,
    listing_id: UUID,
    why: str,
    let_go: LetGo,
    *,
    within: Stay | None = None,
    once: Once = NO_KEY,
) -> None:
    """Earlier holds that nobody paid make room; of those `within`, if that is given, only they. Nothing
    happens where the request of `once` was answered before (`AlreadyAnswered`).
    """
    await _one_at_a_time(tx, guest_id, listing_id)
    await tx.once(once)
    earlier = await store.bookings.unpaid_holds(tx, guest_id, listing_id)
    in_the_way = [hold for hold in earlier if within is None or within.overlaps(hold.stay)]
    if unasked := frozenset(hold.id for hold in in_the_way) - let_go:
        raise _Payable(unasked)
    for hold in in_the_way:
        await end(tx, hold, moved(hold, "expire", SYSTEM, deps.clock.now(), why))


async def _one_at_a_time(tx: Tx, guest_id: UUID, listing_id: UUID) -> None:
    await tx.lock(f"hold/{guest_id}/{listing_id}")


async def _let_go(deps: Deps, booking_id: UUID) -> None:
    """Nothing is taken for it from here on; what was, counts as it does once the news of it comes."""
    found = await deps.payment.let_go(booking_id)
    if found is None:
        return
    payment_id, status = found
    if status not in ("canceled", "succeeded", "requires_capture"):
        raise PaymentUnderWay(booking_id=booking_id)
    async with deps.db.transaction() as tx:
        if status == "succeeded":
            await settle(deps, tx, await store.bookings.get(tx, booking_id), payment_id)
        else:
            await note(tx, booking_id, payment_id, status)

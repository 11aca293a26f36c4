"""What payment does when booking speaks; each may run twice."""

from __future__ import annotations

from uuid import UUID

from hometrip.services.booking.contract import (
    BookingAccepted,
    BookingCancelled,
    BookingChanged,
    BookingChangeEnded,
    BookingConfirmed,
    BookingDeclined,
    BookingEvent,
    BookingExpired,
    BookingRefunded,
    BookingUnpayable,
    DisputeOpened,
    DisputeResolved,
)
from hometrip.services.payment import actions
from hometrip.services.payment.actions import Deps


async def capture_when_accepted(deps: Deps, event: BookingAccepted) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.capture_when_accepted"):
            await actions.accepted(deps, tx, event)


async def release_when_declined(deps: Deps, event: BookingDeclined) -> None:
    await _let_go(deps, event, "payment.release_when_declined")


async def release_when_expired(deps: Deps, event: BookingExpired) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.release_when_expired"):
            await actions.expired(deps, tx, event.booking_id)


async def release_when_change_ended(deps: Deps, event: BookingChangeEnded) -> None:
    await _let_go(deps, event, "payment.release_when_change_ended", event.change_id)


async def refund_when_unpayable(deps: Deps, event: BookingUnpayable) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.refund_when_unpayable"):
            await actions.unpayable(deps, tx, event)


async def refund_when_cancelled(deps: Deps, event: BookingCancelled) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.refund_when_cancelled"):
            await actions.cancelled(deps, tx, event)


async def settle_when_changed(deps: Deps, event: BookingChanged) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.settle_when_changed"):
            await actions.changed(deps, tx, event)


async def settle_when_refunded(deps: Deps, event: BookingRefunded) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.settle_when_refunded"):
            await actions.refunded(deps, tx, event)


async def hold_payouts_when_disputed(deps: Deps, event: DisputeOpened) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.hold_payouts_when_disputed"):
            await actions.disputed(deps, tx, event)


async def settle_when_resolved(deps: Deps, event: DisputeResolved) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.settle_when_resolved"):
            await actions.resolved(deps, tx, event)


async def plan_when_confirmed(deps: Deps, event: BookingConfirmed) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.plan_when_confirmed"):
            await actions.confirmed(deps, tx, event.booking)


async def _let_go(deps: Deps, event: BookingEvent, effect: str, change_id: UUID | None = None) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, effect):
            await actions.not_to_be(deps, tx, event.booking_id, change_id)

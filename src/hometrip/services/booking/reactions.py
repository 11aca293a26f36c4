"""What booking does when payments speak, and when its own timers come; each may run twice."""

from __future__ import annotations

from hometrip.services.booking import actions, store
from hometrip.services.booking.actions import ChangeEnded, Deps, HoldEnded, HomeTakenDown, StayEnded
from hometrip.services.listing.contract import CoHostAdded, CoHostRemoved, ListingModerated
from hometrip.services.payment.contract import (
    PaymentActionRequired,
    PaymentBalanceFailed,
    PaymentCanceled,
    PaymentCreated,
    PaymentDisputed,
    PaymentFailed,
    PaymentIntentCreated,
    PaymentRefunded,
    PaymentSucceeded,
    RefundFailed,
    RefundInitiated,
)


async def confirm_when_paid(deps: Deps, event: PaymentSucceeded) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "booking.confirm_when_paid"):
            booking = await store.bookings.get(tx, event.booking_id)
            await actions.hear_of_payment(deps, tx, booking, event)


async def note_when_intent_created(deps: Deps, event: PaymentIntentCreated) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "booking.note_when_intent_created"):
            await actions.note(tx, event.booking_id, event.payment_id, "requires_payment_method")


async def hold_longer_when_action_required(deps: Deps, event: PaymentActionRequired) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "booking.hold_longer_when_action_required"):
            await actions.note(tx, event.booking_id, event.payment_id, "requires_action")
            await actions.hold_longer(tx, event.booking_id)


async def capture_when_authorised_late(deps: Deps, event: PaymentCreated) -> None:
    """The card of a request was authorised: the host may have said yes before, or the request be over."""
    async with deps.db.transaction() as tx:
        booking = await store.bookings.get(tx, event.booking_id)
        if await tx.first_time(event, "booking.capture_when_authorised_late"):
            booking = await actions.note(tx, event.booking_id, event.payment_id, "requires_capture")
            await actions.refuse_payment(tx, booking)
    if booking.awaiting == "payment":
        await deps.payment.capture(event.booking_id)  # `payment.succeeded` confirms the booking


async def note_when_payment_failed(deps: Deps, event: PaymentFailed) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "booking.note_when_payment_failed"):
            await actions.note(tx, event.booking_id, event.payment_id, "failed")


async def note_when_refunded(deps: Deps, event: PaymentRefunded) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "booking.note_when_refunded"):
            await actions.note_refund(deps, tx, event)


async def note_when_refund_failed(deps: Deps, event: RefundFailed) -> None:
    async with deps.db.transaction() as tx:
        if event.owed and await tx.first_time(event, "booking.note_when_refund_failed"):
            await actions.note_failed_refund(deps, tx, event.booking_id)


async def reckon_when_refund_initiated(deps: Deps, event: RefundInitiated) -> None:
    await actions.reckon_with_refund(deps, event)


async def reckon_when_bank_has_decided(deps: Deps, event: PaymentDisputed) -> None:
    await actions.reckon_with_bank(deps, event)


async def note_when_payment_canceled(deps: Deps, event: PaymentCanceled) -> None:
    """An authorisation was released, or an unpaid intent closed; another payment may be under way by now."""
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "booking.note_when_payment_canceled"):
            booking = await store.bookings.get(tx, event.booking_id)
            if booking.payment.intent_id == event.payment_id:
                await actions.note(tx, event.booking_id, event.payment_id, "canceled")


async def cancel_when_balance_failed(deps: Deps, event: PaymentBalanceFailed) -> None:
    await actions.lapse(deps, event, event.booking_id, event.why)


async def admit_when_co_host_added(deps: Deps, event: CoHostAdded) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "booking.admit_when_co_host_added"):
            await store.co_hosts.add(tx, event.co_host_id, event.listing_id, event.account_id)


async def forget_when_co_host_removed(deps: Deps, event: CoHostRemoved) -> None:
    """It may be forgotten already; to forget is safe to repeat, so no mark is kept."""
    async with deps.db.transaction() as tx:
        await store.co_hosts.remove(tx, event.co_host_id)


async def cancel_when_taken_down(deps: Deps, event: ListingModerated) -> None:
    if event.action == actions.TAKEN_DOWN:
        down = HomeTakenDown(listing_id=event.listing_id, staff_id=event.staff_id, looks=0, at=event.at)
        await actions.take_down(deps, event, down)


async def cancel_again_when_due(deps: Deps, event: HomeTakenDown) -> None:
    await actions.take_down(deps, event, event)


async def end_hold_when_due(deps: Deps, event: HoldEnded) -> None:
    await actions.end_hold(deps, event)


async def end_change_when_due(deps: Deps, event: ChangeEnded) -> None:
    await actions.end_change_in_time(deps, event)


async def end_stay_when_due(deps: Deps, event: StayEnded) -> None:
    await actions.end_stay(deps, event)

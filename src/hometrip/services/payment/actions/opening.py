"""Opening what is to be paid: a booking's price or its first half, the second half, a change's difference.

The provider is asked outside of every transaction, with a key made of our own ids: everyone who asks at once,
and one who asks again after a crash, gets the same payment.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.money import Money, zero
from hometrip.kernel.once import NO_KEY, Once
from hometrip.kernel.split import Split
from hometrip.ports.payments import ProviderIntent
from hometrip.services.booking.contract import Payable
from hometrip.services.listing.contract import QuoteLine
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import Intent, intent_of
from hometrip.services.payment.actions.asking import want
from hometrip.services.payment.actions.deps import Deps, told
from hometrip.services.payment.contract import NotPayable, PaymentIntentCreated


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be paid, for which part of a booking, and whose it will be. `lines` where it is all of the
    price."""

    booking_id: UUID
    guest_id: UUID
    host_id: UUID
    part: str
    amount: Money
    split: Split
    capture: str = "automatic"
    lines: list[QuoteLine] | None = None


async def open_intent(deps: Deps, caller: Caller, booking_id: UUID, once: Once = NO_KEY) -> Intent:
    """What the booking awaits now as one open payment, made if there is none; `NotPayable` where nothing is
    awaited. Nothing is opened for a key that was used before."""
    if once:
        async with deps.db.transaction() as tx:
            await tx.once(once)
    payable = await deps.booking.payable(booking_id)
    caller.must_be(payable.guest_id, payable.host_id)
    async with deps.db.read() as db:
        plan = await store.plan_of(db, booking_id)
        wanted = _wanted(payable, plan)
        known = await store.live_payment(db, booking_id, wanted.part)
    if known is None:
        _must_be_awaited(deps, payable, wanted)
        known = await opened(deps, wanted)
        await _must_still_be_awaited(deps, known, plan)
    answer = intent_of(known, secret=True)
    if once:
        async with deps.db.transaction() as tx:
            await tx.once(once)
            await tx.answer(once, answer)
    return answer


def _wanted(payable: Payable, plan: store.Plan | None) -> Wanted:
    waits = plan is not None and plan.status == "waiting" and payable.change_id is None
    if plan is not None and waits and payable.status != "pending":
        return balance_of(payable, plan)
    due = payable.total if payable.due_now is None else payable.due_now
    return Wanted(
        booking_id=payable.booking_id,
        guest_id=payable.guest_id,
        host_id=payable.host_id,
        part=rules.FIRST if payable.change_id is None else f"{rules.CHANGE}{payable.change_id}",
        amount=due,
        split=rules.part_of(payable.split, due),
        capture=payable.capture if payable.change_id is None else "automatic",
        lines=payable.lines if payable.lines and due == payable.total else None,
    )


async def _must_still_be_awaited(deps: Deps, made: store.Payment, plan: store.Plan | None) -> None:
    """What has ended while the provider was asked has said so when there was nothing to close yet."""
    payable = await deps.booking.payable(made.booking_id)
    wanted = _wanted(payable, plan)
    try:
        if wanted.part != made.part:
            raise NotPayable("what was to be paid is over", state=payable.status)
        _must_be_awaited(deps, payable, wanted)
    except NotPayable:
        async with deps.db.transaction() as tx:
            payment = await store.payment(tx, made.id)
            if payment.status not in (rules.SUCCEEDED, rules.CANCELED):
                await want(deps, tx, made.id, "cancel")
        raise


def balance_of(payable: Payable | store.Payment, plan: store.Plan) -> Wanted:
    """The second half, of the booking that a first payment or booking itself tells of."""
    return Wanted(
        booking_id=plan.booking_id,
        guest_id=payable.guest_id,
        host_id=payable.host_id,
        part=rules.BALANCE,
        amount=plan.amount,
        split=plan.split,
    )


def _must_be_awaited(deps: Deps, payable: Payable, wanted: Wanted) -> None:
    late = payable.hold_until is not None and deps.clock.now() >= payable.hold_until
    status = payable.status
    if status == "pending" and not wanted.amount:  # the host's yes is all that it awaits
        raise NotPayable("this booking costs nothing", state=status)
    if wanted.part == rules.BALANCE:
        awaited, late = status in ("confirmed", "checked_in", "completed"), False
    elif payable.change_id is not None:
        awaited = status in ("confirmed", "checked_in") and wanted.amount.amount > 0
    else:
        awaited = status == "pending"
    if not awaited or late:
        told_as = "expired" if late and awaited else status
        raise NotPayable(f"the booking is {told_as}", state=told_as)


async def opened(deps: Deps, wanted: Wanted) -> store.Payment:
    """The one payment of that part, at the provider and here."""
    async with deps.db.read() as db:
        earlier = [one for one in await store.payments_of(db, wanted.booking_id) if one.part == wanted.part]
    live = [one for one in earlier if one.status != rules.CANCELED]
    if live:
        return live[0]
    made = await deps.payments.create_intent(
        wanted.amount,
        capture=wanted.capture,
        metadata={"booking_id": str(wanted.booking_id), "part": wanted.part},
        key=_key_of(wanted, len(earlier)),
        customer=str(wanted.guest_id),
        # These are charged to the card that the first one has kept.
        keep=wanted.part not in (rules.BALANCE, rules.DEPOSIT),
    )
    payment = _payment(deps, wanted, made)
    try:
        async with deps.db.transaction() as tx:
            await store.add_payment(tx, payment)
            if wanted.part not in (rules.BALANCE, rules.DEPOSIT):
                await tx.emit(told(PaymentIntentCreated, payment))
    except store.AlreadyOpen:
        return await opened(deps, wanted)
    return payment


def _key_of(wanted: Wanted, earlier: int) -> str:
    """All that the provider is asked for: where its answer is lost, the host may say yes before it is asked
    again, and the money is to be captured at once then, no longer by hand."""
    asked = f"{wanted.part}:{wanted.amount.amount}:{wanted.capture}"
    return f"intent:{wanted.booking_id}:{asked}:{earlier}"


def _payment(deps: Deps, wanted: Wanted, made: ProviderIntent) -> store.Payment:
    nothing = zero(made.amount.currency)
    return store.Payment(
        id=deps.new_id(),
        booking_id=wanted.booking_id,
        guest_id=wanted.guest_id,
        host_id=wanted.host_id,
        provider_id=made.id,
        client_secret=made.client_secret,
        status=made.status,
        amount=made.amount,
        split=wanted.split,
        captured=nothing,
        promised_back=nothing,
        disputed=nothing,
        created_at=deps.clock.now(),
        part=wanted.part,
        lines=wanted.lines,
    )

"""Kept cards, hosts' accounts at the provider, and a look at one's payments in figures."""

from __future__ import annotations

import hashlib
from uuid import UUID

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import NotFound
from hometrip.kernel.money import Money
from hometrip.kernel.once import NO_KEY, Once
from hometrip.ports.payments import ProviderAccount, ProviderDown, SavedMethod
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import (
    AccountLink,
    HostAccount,
    Method,
    Methods,
    PaymentStats,
    PaymentSum,
)
from hometrip.services.payment.actions.deps import AccountLookDue, Deps, later, lock_books
from hometrip.services.payment.actions.paying_out import replan
from hometrip.services.payment.contract import HostAccountUpdated


async def methods(deps: Deps, caller: Caller) -> Methods:
    """The cards that the provider keeps for the caller."""
    kept = await deps.payments.methods(str(caller.id))
    return Methods(items=[_method(one) for one in kept])


async def keep_method(deps: Deps, caller: Caller, token: str, once: Once = NO_KEY) -> Method:
    """A card is kept by the token that the provider's own form gave for it; its number is never seen here.
    One that was forgotten meanwhile is kept again, unless this is the request of before."""
    if once:
        async with deps.db.transaction() as tx:
            await tx.once(once)
    asked = hashlib.sha256(f"{once.key or deps.new_id()} {token}".encode()).hexdigest()[:32]
    kept = await deps.payments.keep_method(str(caller.id), token, key=f"method:{caller.id}:{asked}")
    answer = _method(kept)
    if once:
        async with deps.db.transaction() as tx:
            await tx.once(once)
            await tx.answer(once, answer)
    return answer


async def forget_method(deps: Deps, caller: Caller, method_id: str) -> None:
    """Whatever is still to be charged to it will have to be paid in another way."""
    if not await deps.payments.forget_method(str(caller.id), method_id):
        raise NotFound


async def open_account(deps: Deps, caller: Caller) -> HostAccount:
    """The caller's account at the provider, opened if there is none; pay-outs go there from now on."""
    made = await deps.payments.open_account(str(caller.id), key=f"account:{caller.id}")
    async with deps.db.transaction() as tx:
        await store.keep_account(tx, caller.id, made.id)
    await _note(deps, caller.id, made)
    return _shown(made)


async def account(deps: Deps, caller: Caller) -> HostAccount:
    found = await deps.payments.get_account(await _own(deps, caller))
    await _note(deps, caller.id, found)
    return _shown(found)


async def look_at_account(deps: Deps, due: AccountLookDue) -> None:
    """What the timer does, after the provider has told that something has changed."""
    async with deps.db.read() as db:
        account_id = await store.account_of(db, due.host_id)
    if account_id is None:
        return
    try:
        found = await deps.payments.get_account(account_id)
    except ProviderDown:
        await later(deps, due)
    else:
        await _note(deps, due.host_id, found)


async def _note(deps: Deps, host_id: UUID, found: ProviderAccount) -> None:
    """Others are told what is new; what could not be paid out before goes out now. So does what was refused
    in between, where the account could not be paid for so short a time that nobody has heard of it."""
    failed, refused = await _waiting(deps, host_id) if found.can_be_paid else ([], [])
    async with deps.db.transaction() as tx:
        for booking_id in failed:
            await lock_books(tx, booking_id)
        is_new = await store.note_account(tx, host_id, can_be_paid=found.can_be_paid)
        if is_new:
            await tx.emit(
                HostAccountUpdated(host_id=host_id, can_be_paid=found.can_be_paid, missing=found.missing)
            )
        for booking_id in failed if is_new else refused:
            await replan(deps, tx, booking_id)


async def _waiting(deps: Deps, host_id: UUID) -> tuple[list[UUID], list[UUID]]:
    """Bookings for which a pay-out failed, and of these the ones that are owed because the account could not
    be paid."""
    async with deps.db.read() as db:
        failed = await store.failed_bookings(db, host_id)
        return failed, await store.owed_bookings(db, host_id, rules.CANNOT_BE_PAID) if failed else []


async def account_link(deps: Deps, caller: Caller, back_to: str) -> AccountLink:
    """Where the caller tells the provider what is missing."""
    url = await deps.payments.account_link(await _own(deps, caller), back_to=back_to)
    return AccountLink(url=url)


async def stats(deps: Deps, caller: Caller) -> PaymentStats:
    """The caller's own payments in figures; everybody's for an admin."""
    async with deps.db.read() as db:
        rows = await store.sums_of_guest(db, None if caller.is_admin else caller.id)
    return PaymentStats(
        payments=[
            PaymentSum(
                currency=currency,
                status=status,
                count=count,
                captured=Money(captured, currency),
                refunded=Money(refunded, currency),
            )
            for currency, status, count, captured, refunded in rows
        ]
    )


async def _own(deps: Deps, caller: Caller) -> str:
    async with deps.db.read() as db:
        found = await store.account_of(db, caller.id)
    if found is None:
        raise NotFound
    return found


def _method(kept: SavedMethod) -> Method:
    return Method(**msgspec.structs.asdict(kept))


def _shown(told: ProviderAccount) -> HostAccount:
    return HostAccount(id=told.id, can_be_paid=told.can_be_paid, missing=told.missing)

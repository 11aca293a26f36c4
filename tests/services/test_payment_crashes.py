"""A process that is killed between the provider's answer and our own write: what was done is found, once."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from forked import begun
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, MINUTE
from hometrip.services.payment import actions, store
from services.payment_process import DEATHS, HALF, Known, live_and_die
from services.payment_scene import START, SUPPORT, TOTAL, Desk, Till, eur, till_in

Then = Callable[[Till, Known], Awaitable[None]]


async def asked_again(till: Till, known: Known) -> None:
    again = await actions.open_intent(till.deps, Caller(account_id=known.guest), known.booking_id)
    [at_provider] = await till.provider.intents_since(START)
    assert again.client_secret == at_provider.client_secret


def has_become(status: str, captured: int) -> Then:
    async def then(till: Till, known: Known) -> None:
        assert known.payment_id
        found = await till.row(known.payment_id)
        [at_provider] = await till.provider.intents_since(START)
        assert (found.status, found.captured, at_provider.status) == (status, eur(captured), status)

    return then


async def is_refunded_once(till: Till, known: Known) -> None:
    assert known.payment_id
    [made] = (await actions.refunds(till.deps, SUPPORT, known.payment_id)).items
    [at_provider] = await till.provider.intents_since(START)
    assert (made.status, at_provider.refunded) == ("completed", eur(1_000))
    assert till.names().count("refund.completed") == 1


async def is_paid_out_once(till: Till, known: Known) -> None:
    [sent] = await till.provider.transfers_since(START)
    [payout] = (await actions.payouts(till.deps, Caller(account_id=known.host), 10, None)).items
    assert (payout.status, payout.amount, sent.amount) == ("completed", eur(53_350), eur(53_350))
    assert till.names().count("host.payout.completed") == 1


async def is_charged_once(till: Till, known: Known) -> None:
    async with till.deps.db.read() as db:
        parts = await store.payments_of(db, known.booking_id)
    assert [(one.part, one.status) for one in parts] == [("first", "succeeded"), ("balance", "succeeded")]
    at_provider = await till.provider.intents_since(START)
    assert sum(one.captured.amount for one in at_provider) == TOTAL.amount
    assert HALF["due_now"] == parts[0].captured
    assert till.names().count("payment.succeeded") == 1


def has_deposit(status: str, captured: int, *, holds: int = 1) -> Then:
    async def then(till: Till, known: Known) -> None:
        found = await actions.deposit(till.deps, SUPPORT, known.booking_id)
        first, *held = await till.provider.intents_since(START)
        assert (first.captured, found.status, held[-1].captured) == (TOTAL, status, eur(captured))
        assert [one.status for one in held[:-1]] == ["canceled"] * (holds - 1)
        assert (held[-1].status == "requires_capture") == (status == "held")

    return then


async def is_lost_once(till: Till, known: Known) -> None:
    for webhook in await till.provider.undelivered():
        await actions.hear(till.deps, webhook.body, webhook.signature)
    await till.settle()
    [dispute] = (await actions.disputes(till.deps, None, 10, None)).items
    assert dispute.status == "lost"
    assert await till.balances(known.booking_id) == {}


AFTERWARDS: dict[str, Then] = {
    "opening": asked_again,
    "paying": has_become("succeeded", TOTAL.amount),
    "authorising": has_become("requires_capture", 0),
    "capturing": has_become("succeeded", TOTAL.amount),
    "releasing": has_become("canceled", 0),
    "refunding": is_refunded_once,
    "paying_out": is_paid_out_once,
    "charging": is_charged_once,
    "holding": has_deposit("held", 0),
    "claiming": has_deposit("captured", 5_000),
    "letting_go": has_deposit("released", 0),
    "lapsing": has_deposit("held", 0, holds=2),
    "renewing": has_deposit("held", 0, holds=2),
    "disputing": is_lost_once,
}


def killed(folder: Path, name: str) -> Known:
    process = begun(live_and_die, folder, name)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    return msgspec.json.decode((folder / "told.json").read_bytes(), type=Known)


@pytest.mark.parametrize("name", sorted(DEATHS))
async def test_what_the_provider_did_before_the_process_died_is_found_and_done_once(
    tmp_path: Path, name: str
) -> None:
    known = killed(tmp_path, name)
    restarted = datetime.fromtimestamp(known.now + 1, UTC)
    clock = MovableClock(SystemClock(), frozen_at=restarted)
    desk = Desk()
    desk.bookings[known.booking_id] = known.payable
    async with till_in(tmp_path, clock, desk) as till:
        await till.advance(10 * MINUTE)
        await AFTERWARDS[name](till, known)
        found = await actions.reconciliation(till.deps)
        assert (found.in_flight, found.differences) == (0, [])
        assert await actions.verify(till.deps) == []
        await till.advance(DAY)
        assert await actions.verify(till.deps) == []

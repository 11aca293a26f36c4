"""Second halves, deposits and claims that were damaged: what `verify` says of each row that cannot be."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hometrip.kernel.clock import DAY, HOUR
from hometrip.services.payment import actions
from services.payment_scene import (
    CHECK_IN_AT,
    GUEST,
    HALF,
    HALF_PLAN,
    HOST,
    START,
    Till,
    eur,
    till_in,
)

DEPOSIT = eur(20_000)


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    """A stay whose deposit was claimed and taken, one whose claim is open, one that is paid in two and one
    that is half paid."""
    async with till_in(tmp_path) as opened:
        claimed = [await opened.pay(), await opened.pay()]
        for paid in claimed:
            await opened.confirmed(paid.booking_id, deposit=DEPOSIT)
        half = await opened.pay(**HALF_PLAN)
        await opened.confirmed(half.booking_id)
        await opened.advance(CHECK_IN_AT + DAY - START)
        for paid in claimed:
            made = await actions.claim(opened.deps, HOST, paid.booking_id, eur(7_500), "a broken lamp")
            if paid is claimed[0]:
                await actions.answer_claim(opened.deps, GUEST, paid.booking_id, made.id, accept=True)
        now = opened.clock.now()
        later = {"check_in_at": now + 30 * DAY, "balance_due_at": now + 16 * DAY, "due_now": HALF}
        waits = await opened.pay(hold_until=None, **later)
        await opened.confirmed(waits.booking_id)
        await opened.advance(HOUR)
        assert await actions.verify(opened.deps) == []
        yield opened


DAMAGES = {
    "a half of more": ("UPDATE plans SET amount = amount + 7", "and its shares come to 342.50 EUR"),
    "a half in dollars": ("UPDATE plans SET currency = 'USD'", "is in USD"),
    "a half that is due later": (
        "UPDATE plans SET due_at = datetime(due_at, '+1 day') WHERE status = 'waiting'",
        "is due 2027-05-28",
    ),
    "a half that is due after check-in": (
        "UPDATE plans SET due_at = datetime(due_at, '+40 days') WHERE status = 'waiting'",
        "after check-in",
    ),
    "a half that is paid, and was not": (
        "UPDATE plans SET status = 'paid' WHERE status = 'waiting'",
        "and no payment of 342.50 EUR is",
    ),
    "a half that waits, and is paid": (
        "UPDATE plans SET status = 'waiting' WHERE status = 'paid'",
        "waits, and is paid",
    ),
    "a half in no state": ("UPDATE plans SET status = 'lost'", "is lost"),
    "a half that is over": ("UPDATE plans SET status = 'over'", "is over, and its stay is not"),
    "a half that was tried too often": ("UPDATE plans SET tries = 9", "was tried 9 times"),
    "no half": (
        "DELETE FROM plans WHERE status = 'waiting'",
        "342.50 EUR is paid and 0.00 EUR is to come of a total of 685.00 EUR",
    ),
    "a half for no stay": ("DELETE FROM stays", "is for no stay"),
    "no deposit": ("DELETE FROM deposits WHERE status = 'held'", "is not kept in mind"),
    "a deposit that is held, and was taken": (
        "UPDATE deposits SET status = 'held' WHERE status = 'captured'",
        "is held, and 75.00 EUR is captured",
    ),
    "a deposit that is taken, and is held": (
        "UPDATE deposits SET status = 'captured'",
        "is captured, and nothing is",
    ),
    "a deposit without its claim": (
        "DELETE FROM deposit_claims WHERE status = 'granted'",
        "is captured, and there is no claim on it",
    ),
    "a claim on what was let go": (
        "UPDATE deposits SET status = 'released' WHERE status = 'held'",
        "is open, and the deposit is released",
    ),
    "a claim that is refused, and was paid": (
        "UPDATE deposit_claims SET status = 'refused', granted = 0",
        "is refused, and the deposit is captured",
    ),
    "a claim that is paid with less": (
        "UPDATE deposit_claims SET granted = 7000 WHERE status = 'granted'",
        "is granted with 70.00 EUR, and 75.00 EUR is captured",
    ),
    "a claim of more than the deposit": (
        "UPDATE deposit_claims SET amount = 20001",
        "is of 200.01 EUR, the deposit of 200.00 EUR",
    ),
    "a claim that is open, and decided": (
        "UPDATE deposit_claims SET status = 'open' WHERE status = 'granted'",
        "is open, decided 2027-",
    ),
    "a claim in no state": ("UPDATE deposit_claims SET status = 'lost'", "is lost, and the deposit is"),
}


@pytest.mark.parametrize("what", sorted(DAMAGES))
async def test_a_due_that_cannot_be_is_named(till: Till, tmp_path: Path, what: str) -> None:
    statement, words = DAMAGES[what]
    with sqlite3.connect(tmp_path / "payment.db") as db:
        assert db.execute(statement).rowcount, statement
    assert words in "\n".join(await actions.verify(till.deps))

"""Books that were damaged behind the service's back: what `verify` says of each row that is not as it was."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hometrip.kernel.clock import DAY
from hometrip.services.payment import actions
from services.payment_scene import CHECK_IN_AT, START, SUPPORT, Till, eur, till_in

THE_ENTRY = "(SELECT id FROM journal_entries WHERE kind = '{}')"
OTHER = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    """A stay that was paid out, with a part given back before, and one that is still to be paid out."""
    async with till_in(tmp_path) as opened:
        first = await opened.pay()
        await opened.confirmed(first.booking_id)
        await actions.refund(opened.deps, SUPPORT, first.id, eur(500), "a cold shower")
        await opened.advance(CHECK_IN_AT + 2 * DAY - START)
        second = await opened.pay(hold_until=None)
        await opened.confirmed(second.booking_id, check_in_at=opened.clock.now() + 30 * DAY)
        assert await actions.verify(opened.deps) == []
        yield opened


def damage(folder: Path, *statements: str) -> None:
    """As somebody would who has the file."""
    with sqlite3.connect(folder / "payment.db") as db:
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            assert db.execute(statement).rowcount, statement


def without(kind: str) -> tuple[str, str]:
    entry = THE_ENTRY.format(kind)
    return (
        f"DELETE FROM journal_postings WHERE entry_id IN {entry}",
        f"DELETE FROM journal_entries WHERE kind = '{kind}'",
    )


def twice(kind: str) -> tuple[str, str]:
    entry = f"(SELECT min(id) FROM journal_entries WHERE kind = '{kind}')"
    again = "'ffffffffffff7000800000000000000f'"
    return (
        f"INSERT INTO journal_entries SELECT {again}, at, kind, booking_id, {again}, step + 100 "
        f"FROM journal_entries WHERE id = {entry}",
        f"INSERT INTO journal_postings SELECT {again}, line, account, amount, currency "
        f"FROM journal_postings WHERE entry_id = {entry}",
    )


def other(kind: str, change: str, where: str = "true") -> tuple[str]:
    return (f"UPDATE journal_postings SET {change} WHERE entry_id IN {THE_ENTRY.format(kind)} AND {where}",)


DAMAGES = {
    "a capture is missing": (without("capture"), "no entry of the journal tells of the capture"),
    "a refund is missing": (without("refund"), "no entry of the journal tells of the refund"),
    "a promise is missing": (without("refund_promised"), "its refunds come to 500 EUR, in the journal to 0"),
    "a pay-out is missing": (without("payout"), "no entry of the journal tells of the payout"),
    "a capture is there twice": (twice("capture"), "and nothing of that kind is recorded"),
    "a refund is there twice": (twice("refund"), "and nothing of that kind is recorded"),
    "a promise is there twice": (twice("refund_promised"), "come to 500 EUR, in the journal to 1000"),
    "a pay-out is there twice": (twice("payout"), "and nothing of that kind is recorded"),
    "a capture of twice as much": (other("capture", "amount = amount * 2"), "does not tell of the capture"),
    "a pay-out of twice as much": (other("payout", "amount = amount * 2"), "does not tell of the payout"),
    "a capture in dollars": (other("capture", "currency = 'USD'"), "does not tell of the capture"),
    "a pay-out in dollars": (other("payout", "currency = 'USD'"), "does not tell of the payout"),
    "another tax office": (
        other("capture", "account = 'tax_payable:paris'", "account = 'tax_payable:berlin'"),
        "tax_payable:berlin -69.00 EUR",
    ),
    "another host": (
        other("payout", f"account = 'host_payable:{OTHER}'", "account LIKE 'host_payable:%'"),
        f"is about host_payable:{OTHER}, another host",
    ),
    "another host's credit note": (
        other("refund_promised", f"account = 'host_payable:{OTHER}'", "account LIKE 'host_payable:%'"),
        f"is about host_payable:{OTHER}, another host",
    ),
    "a payment of more": (
        ("UPDATE payments SET amount = amount + 1",),
        "amount is 685.01 EUR here and 685.00 EUR at the provider",
    ),
    "a refund of more": (
        ("UPDATE refunds SET amount = 501",),
        "refunds come to 501 EUR, in the journal to 500",
    ),
    "a refund that nobody knows": (("DELETE FROM refunds",), "and nothing of that kind is recorded"),
    "a refund that is to be sent again": (
        ("UPDATE refunds SET status = 'initiated'",),
        "and nothing of that kind is recorded",
    ),
    "a pay-out that is due again": (
        ("UPDATE payouts SET status = 'due' WHERE status = 'completed'",),
        "its host is owed 0, and",
    ),
    "a pay-out that will not be": (
        ("DELETE FROM payouts WHERE status = 'due'",),
        "its host is owed 53350, and 0 is to be paid out",
    ),
    "a pay-out that will be more": (
        ("UPDATE payouts SET amount = amount + 7 WHERE status = 'due'",),
        "its host is owed 53350, and 53357 is to be paid out",
    ),
}


@pytest.mark.parametrize("what", sorted(DAMAGES))
async def test_a_row_that_is_not_as_it_was_is_named(till: Till, tmp_path: Path, what: str) -> None:
    statements, words = DAMAGES[what]
    damage(tmp_path, *statements)
    assert words in "\n".join(await actions.verify(till.deps))

"""What a host owes is taken from the next pay-outs: their records, what is told of them, the statement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from hometrip.kernel.clock import DAY, MINUTE
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.services.booking.contract import BookingRefunded
from hometrip.services.payment import actions, rules
from hometrip.services.payment.actions.answers import PayoutRecord
from hometrip.services.payment.contract import SetOff
from services.payment_scene import CHECK_IN_AT, GUEST, HOST, SPLIT, START, SUPPORT, TOTAL, Till, eur, till_in

AFTER = CHECK_IN_AT + DAY - START


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_in(tmp_path) as opened:
        yield opened
        assert await actions.verify(opened.deps) == []


async def cancelled_by_host(till: Till, penalty: Money) -> UUID:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await till.cancelled(paid.booking_id, TOTAL, rules.nothing_kept("EUR"), penalty, by="host")
    return paid.booking_id


async def payouts(till: Till) -> dict[UUID, PayoutRecord]:
    """By their bookings; one each."""
    found = (await actions.payouts(till.deps, HOST, 20, None)).items
    assert len({one.booking_id for one in found}) == len(found)
    return {one.booking_id: one for one in found}


async def test_a_host_who_cancels_after_all_was_given_back_keeps_nothing_and_owes_the_penalty(
    till: Till,
) -> None:
    """A coupon of the marketplace had made the host's part larger than what the guest paid."""
    split = Split(payout=eur(12_000), platform=eur(-3_000), taxes={"berlin": eur(1_000)})
    paid = await till.pay(total=eur(10_000), split=split)
    await till.confirmed(paid.booking_id)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(10_000), "a broken tap")
    await till.settle()
    await till.cancelled(paid.booking_id, eur(0), rules.nothing_kept("EUR"), eur(5_000), by="host")
    assert (await till.balances(paid.booking_id))["host_payable:host"] == 5_000
    planned = await actions.payouts(till.deps, HOST, limit=10, cursor=None)
    assert [one for one in planned.items if one.status in ("due", "held")] == []


async def test_a_payout_tells_what_was_taken_of_it_for_which_booking_and_why(till: Till) -> None:
    gone = await cancelled_by_host(till, eur(6_850))
    stayed = await till.pay()
    await till.confirmed(stayed.booking_id)
    planned = (await payouts(till))[stayed.booking_id]
    assert (planned.gross, planned.set_off, planned.amount) == (eur(53_350), [], eur(53_350))
    balance = await actions.host_balance(till.deps, HOST)
    assert (balance.upcoming, balance.debts) == ([eur(53_350)], [eur(6_850)])
    await till.advance(AFTER)
    assert (await actions.host_balance(till.deps, HOST)).debts == []
    off = [SetOff(booking_id=gone, amount=eur(6_850), why="penalty")]
    sent = (await payouts(till))[stayed.booking_id]
    assert (sent.gross, sent.set_off, sent.amount) == (eur(53_350), off, eur(46_500))
    told = [event for event in till.told if event.name.startswith("host.payout")]
    assert [(event.name, event.amount, event.set_off) for event in told] == [
        ("host.payout.initiated", eur(46_500), off),
        ("host.payout.completed", eur(46_500), off),
    ]
    [section] = (await actions.statement(till.deps, HOST, 2027)).sections
    [line] = [one for one in section.lines if one.booking_id == stayed.booking_id]
    assert (line.earned, line.set_off, line.paid_out) == (sent.gross, sent.set_off[0].amount, sent.amount)


async def test_what_was_given_back_after_it_was_paid_out_is_told_as_that(till: Till) -> None:
    first, second = await till.pay(), await till.pay(check_in_at=CHECK_IN_AT + 10 * DAY)
    await till.confirmed(first.booking_id)
    later = (CHECK_IN_AT + 10 * DAY).date()
    await till.confirmed(second.booking_id, check_in=later, check_out=later + 5 * DAY)
    await till.advance(AFTER)
    given = BookingRefunded(
        booking_id=first.booking_id,
        booking=till.facts(first.booking_id),
        refund_id=uuid4(),
        refund=eur(10_000),
        kept=msgspec.structs.replace(SPLIT, payout=SPLIT.payout - eur(10_000)),
        why="no heating",
    )
    await till.hear(given)
    await till.advance(10 * DAY)
    sent = (await payouts(till))[second.booking_id]
    assert sent.set_off == [SetOff(booking_id=first.booking_id, amount=eur(10_000), why="given_back")]
    assert (sent.gross, sent.amount) == (eur(53_350), eur(43_350))


async def test_a_payout_that_is_wholly_set_off_is_told_and_more_that_is_earned_is_paid(till: Till) -> None:
    """600.00 are owed: 533.50 are taken of the stay, and 66.50 of the 75.00 that the deposit gives later."""
    gone = await cancelled_by_host(till, eur(60_000))
    stayed = await till.pay()
    await till.confirmed(stayed.booking_id, deposit=eur(20_000))
    await till.advance(AFTER)
    sent = (await payouts(till))[stayed.booking_id]
    off = [SetOff(booking_id=gone, amount=eur(53_350), why="penalty")]
    assert (sent.status, sent.gross, sent.amount, sent.set_off) == ("set_off", eur(53_350), eur(0), off)
    told = [event for event in till.told if event.name.startswith("host.payout")]
    assert [(event.name, event.amount, event.set_off) for event in told] == [
        ("host.payout.set_off", eur(0), off)
    ]
    await till.advance(5 * DAY)
    made = await actions.claim(till.deps, HOST, stayed.booking_id, eur(7_500), "a broken lamp")
    await actions.answer_claim(till.deps, GUEST, stayed.booking_id, made.id, accept=True)
    await till.advance(MINUTE)
    newest = (await actions.payouts(till.deps, HOST, 20, None)).items[0]
    assert (newest.status, newest.gross, newest.amount) == ("completed", eur(7_500), eur(850))
    assert [one.amount for one in newest.set_off] == [eur(6_650)]


def test_of_a_debt_the_penalty_is_settled_first() -> None:
    booking, first, second = uuid4(), uuid4(), uuid4()
    story = [
        rules.Owing(booking, "penalty", booking, eur(300)),
        rules.Owing(booking, "offset_taken", first, eur(200)),
        rules.Owing(booking, "offset_taken", second, eur(250)),
    ]
    assert rules.set_offs(story) == {
        first: [SetOff(booking_id=booking, amount=eur(200), why="penalty")],
        second: [
            SetOff(booking_id=booking, amount=eur(100), why="penalty"),
            SetOff(booking_id=booking, amount=eur(150), why="given_back"),
        ],
    }

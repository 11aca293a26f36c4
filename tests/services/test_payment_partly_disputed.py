"""A cardholder's bank takes part of a payment that was to go back: what is left of that goes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hometrip.adapters.payments.sandbox.cards import BY_TOKEN
from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY
from hometrip.kernel.money import Money
from hometrip.services.payment import actions, rules, store
from services.payment_scene import GUEST, START, SUPPORT, TOTAL, Till, eur, hear_all, till_heard_out

ADMIN = Caller(account_id=uuid4(), roles=frozenset({"admin"}))


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_heard_out(tmp_path) as opened:
        yield opened


async def partly_disputed(till: Till, amount: Money, *refunds: int) -> actions.Intent:
    """685.00 were paid; the bank takes part, of which nothing is heard before refunds are promised."""
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    intent = await till.provider.get_intent((await till.row(paid.id)).provider_id)
    till.provider._dispute(intent, BY_TOKEN["pm_card_createDispute"], amount)
    for back in refunds:
        await actions.refund(till.deps, SUPPORT, paid.id, eur(back), "noise")
    await till.settle()
    return paid


async def decide(till: Till, evidence: str = "losing_evidence") -> None:
    await hear_all(till)
    [dispute] = (await actions.disputes(till.deps, None, 10, None)).items
    await actions.answer_dispute(till.deps, SUPPORT, dispute.id, evidence)
    await till.advance(2 * DAY)
    await hear_all(till)


async def refunds_of(till: Till, paid: actions.Intent) -> list[tuple[str, int, str | None]]:
    found = (await actions.refunds(till.deps, GUEST, paid.id)).items
    return sorted((one.status, one.amount.amount, one.why) for one in found)


async def taken(till: Till, paid: actions.Intent) -> tuple[int, int, int]:
    told = await actions.taken(till.deps, paid.booking_id, "EUR")
    return told.paid.amount, told.refunded.amount, told.charged_back.amount


async def test_a_refund_that_is_sent_before_the_books_hear_of_the_banks_decision_waits_for_it(
    till: Till,
) -> None:
    """The bank has all of it and then decides for us, unheard: the provider sends what it refused before."""
    paid = await partly_disputed(till, TOTAL, 68_500)
    await hear_all(till)
    assert await refunds_of(till, paid) == [("initiated", 68_500, None)]
    [dispute] = await till.provider.disputes_since(START)
    await till.provider.send_evidence(dispute.id, {"uncategorized_text": "winning_evidence"}, key="by hand")
    await till.advance(3 * DAY)
    [unheard] = await actions.verify(till.deps)
    assert "needs_response here and won at the provider" in unheard
    await hear_all(till)
    await till.advance(DAY)
    assert await refunds_of(till, paid) == [("completed", 68_500, None)]


async def test_what_the_bank_has_not_taken_of_a_refund_is_sent_once_it_is_lost(till: Till) -> None:
    """Of 685.00 the bank takes 300.00: 185.00 that were not to go back, 115.00 of the 500.00 that were."""
    paid = await partly_disputed(till, eur(30_000), 50_000)
    await decide(till)
    assert await refunds_of(till, paid) == [
        ("completed", 38_500, None),
        ("failed", 11_500, rules.HELD_BY_BANK),
    ]
    assert await till.balances(paid.booking_id) == {}
    assert await taken(till, paid) == (68_500, 38_500, 30_000)
    sent = await till.provider.get_intent((await till.row(paid.id)).provider_id)
    assert sent.refunded == eur(38_500)
    told: list[Any] = [one for one in till.told if one.name in ("refund.failed", "payment.refunded")]
    assert [(one.name, one.amount) for one in told] == [
        ("refund.failed", eur(11_500)),
        ("payment.refunded", eur(38_500)),
    ]
    assert not told[0].owed  # the bank has given it
    assert told[1].all  # nothing is left of it
    with pytest.raises(rules.RefundTooLarge):
        await actions.refund(till.deps, SUPPORT, paid.id, eur(1), "once more")


async def refunded(till: Till, paid: actions.Intent) -> set[int]:
    """As the payment tells it, by itself and in the list, and the statistics."""
    [in_list] = (await actions.history(till.deps, GUEST, 10, None)).items
    [own] = (await actions.stats(till.deps, GUEST)).payments
    [all_of_them] = (await actions.stats(till.deps, ADMIN)).payments
    alone = await actions.payment(till.deps, GUEST, paid.id)
    return {one.refunded.amount for one in (in_list, own, all_of_them, alone)}


async def test_what_the_bank_has_of_a_refund_is_not_told_as_refunded_before_it_has_decided_either(
    till: Till,
) -> None:
    paid = await partly_disputed(till, eur(30_000), 50_000)
    assert await refunded(till, paid) == {50_000}
    await hear_all(till)
    assert await taken(till, paid) == (68_500, 38_500, 30_000)
    assert await refunded(till, paid) == {38_500}
    await decide(till)
    assert await taken(till, paid) == (68_500, 38_500, 30_000)
    assert await refunded(till, paid) == {38_500}


@pytest.mark.parametrize(
    ("ends", "sent", "owed"),
    [
        # 300.00 were sent, 200.00 not yet: the first dispute has those and 185.00 that were to stay here.
        (("lost", "lost"), [30_000], []),
        (("lost", "won"), [30_000], []),
        # Of the second 185.00 were to stay here and 115.00 to go back, as if the first had never been.
        (("won", "lost"), [8_500, 30_000], []),
        (("won", "won"), [20_000, 30_000], []),
    ],
)
async def test_two_disputes_at_once_take_an_unsent_refund_once(
    till: Till, ends: tuple[str, str], sent: list[int], owed: list[int]
) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(30_000), "noise")
    await till.settle()
    intent = await till.provider.get_intent((await till.row(paid.id)).provider_id)
    for amount in (38_500, 30_000):
        till.provider._dispute(intent, BY_TOKEN["pm_card_createDispute"], eur(amount))
    await actions.refund(till.deps, SUPPORT, paid.id, eur(20_000), "noise")
    await hear_all(till)
    assert (await till.balances(paid.booking_id)).get("guest", 0) == 0
    assert await taken(till, paid) == (68_500, 30_000, 38_500)
    disputes = {one.amount.amount: one.id for one in await till.provider.disputes_since(START)}
    for amount, status in zip((38_500, 30_000), ends, strict=True):
        await till.provider.decide_dispute(disputes[amount], status)
        await hear_all(till)
    await till.advance(2 * DAY)
    assert (await till.balances(paid.booking_id)).get("guest", 0) == -sum(owed)
    assert sent == [amount for status, amount, _ in await refunds_of(till, paid) if status == "completed"]
    listed = (await actions.owed_refunds(till.deps, 10, None)).items
    assert [one.amount.amount for one in listed] == owed


async def test_all_of_a_refund_is_sent_once_it_is_won(till: Till) -> None:
    paid = await partly_disputed(till, eur(30_000), 50_000)
    await decide(till, "winning_evidence")
    assert await refunds_of(till, paid) == [("completed", 50_000, None)]
    assert await taken(till, paid) == (68_500, 50_000, 0)


async def test_what_the_bank_gives_is_taken_from_the_earliest_refund_first(till: Till) -> None:
    paid = await partly_disputed(till, eur(30_000), 10_000, 40_000)
    await decide(till)
    assert await refunds_of(till, paid) == [
        ("completed", 38_500, None),
        ("failed", 1_500, rules.HELD_BY_BANK),
        ("failed", 10_000, rules.HELD_BY_BANK),
    ]
    assert await taken(till, paid) == (68_500, 38_500, 30_000)


async def test_a_refund_of_what_the_bank_never_touched_is_sent_whole(till: Till) -> None:
    """Promised before it was heard of or while it was open."""
    paid = await partly_disputed(till, eur(30_000), 10_000)
    await hear_all(till)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(20_000), "noise")
    await decide(till)
    assert await refunds_of(till, paid) == [("completed", 10_000, None), ("completed", 20_000, None)]
    assert await taken(till, paid) == (68_500, 30_000, 30_000)
    assert "guest" not in await till.balances(paid.booking_id)


async def test_what_is_left_of_a_refused_refund_is_owed_and_paid_in_another_way(till: Till) -> None:
    paid = await partly_disputed(till, eur(30_000), 50_000)
    [made] = (await actions.refunds(till.deps, GUEST, paid.id)).items
    async with till.deps.db.transaction() as tx:
        assert await store.end_refund(tx, made.id, status="failed", why="expired_card")
    await decide(till)
    [owed] = (await actions.owed_refunds(till.deps, 20, None)).items
    assert (owed.amount, owed.why) == (eur(38_500), "expired_card")
    await actions.pay_otherwise(till.deps, SUPPORT, owed.id, "SEPA 1")
    assert "guest" not in await till.balances(paid.booking_id)
    assert await taken(till, paid) == (68_500, 38_500, 30_000)


async def test_a_provider_that_sends_nothing_after_a_lost_dispute_leaves_it_to_staff(till: Till) -> None:
    paid = await partly_disputed(till, eur(30_000), 50_000)
    till.provider._left_by_bank = lambda intent: 0  # type: ignore[method-assign]
    await decide(till)
    [owed] = (await actions.owed_refunds(till.deps, 20, None)).items
    assert (owed.amount, owed.why) == (eur(38_500), rules.LOST_TO_BANK)
    await actions.pay_otherwise(till.deps, SUPPORT, owed.id, "SEPA 1")
    assert "guest" not in await till.balances(paid.booking_id)


async def test_the_receipt_tells_what_the_bank_gave_in_the_place_of_a_refund(till: Till) -> None:
    paid = await partly_disputed(till, eur(68_500), 68_500)
    await decide(till)
    assert await taken(till, paid) == (68_500, 0, 68_500)

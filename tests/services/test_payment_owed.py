"""Refunds that the provider refuses for good: staff see them, and record how they were paid."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, HOUR, MINUTE
from hometrip.kernel.errors import NotFound
from hometrip.services.payment import actions, rules
from hometrip.services.payment.actions.answers import RefundRecord
from hometrip.services.payment.contract import RefundFailed
from journeys.steps import ok, problem
from services.payment_scene import GUEST, HOST, SUPPORT, TOTAL, Till, eur, hear_all, till_heard_out, till_in
from stories.teller import Teller, teller_in

REFERENCE = "SEPA 2027-04-16 / RF18 5390"


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_heard_out(tmp_path) as opened:
        yield opened


@pytest.fixture
async def teller(house: Any) -> Teller:
    return await teller_in(house)


async def refused(till: Till, method: str = "pm_card_refundFail") -> RefundRecord:
    """10.00 of a payment were sent back, and have come back again."""
    paid = await till.pay(method=method)
    await till.confirmed(paid.booking_id)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(1_000), "late")
    await till.advance(2 * MINUTE)
    await hear_all(till)
    [owed] = (await actions.owed_refunds(till.deps, 20, None)).items
    assert (owed.payment_id, owed.booking_id, owed.amount) == (paid.id, paid.booking_id, eur(1_000))
    return owed


async def too_little_held(till: Till) -> actions.Intent:
    """All that came in was taken out of the provider in another way."""
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    somewhere = {"destination": "elsewhere", "metadata": {}, "key": "by hand"}
    await till.provider.transfer(paid.amount, **somewhere)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(1_000), "late")
    await till.settle()
    return paid


async def statuses(till: Till, paid: actions.Intent) -> list[tuple[str, str | None]]:
    return [(one.status, one.why) for one in (await actions.refunds(till.deps, GUEST, paid.id)).items]


async def test_a_refund_that_the_provider_holds_too_little_for_is_sent_once_money_has_come_in(
    tmp_path: Path,
) -> None:
    async with till_in(tmp_path) as till:
        paid = await too_little_held(till)
        await till.advance(2 * DAY)
        assert await statuses(till, paid) == [("initiated", None)]
        assert "refund.failed" not in till.names()
        await till.pay(hold_until=None)
        await till.advance(DAY)
        assert await statuses(till, paid) == [("completed", None)]
        assert till.names().count("payment.refunded") == 1
        at_provider = await till.provider.get_intent((await till.row(paid.id)).provider_id)
        assert at_provider.refunded == eur(1_000)


async def test_a_refund_that_the_provider_holds_too_little_for_for_a_week_is_owed(tmp_path: Path) -> None:
    async with till_in(tmp_path) as till:
        paid = await too_little_held(till)
        await till.advance(7 * DAY - HOUR)
        assert await statuses(till, paid) == [("initiated", None)]
        await till.advance(DAY)
        assert await statuses(till, paid) == [("failed", rules.NOT_COVERED)]
        [owed] = (await actions.owed_refunds(till.deps, 20, None)).items
        await actions.pay_otherwise(till.deps, SUPPORT, owed.id, "SEPA 1")
        assert till.names().count("refund.failed") == 1


async def test_a_refund_that_is_put_off_has_no_effect_twice(tmp_path: Path) -> None:
    """The answer to a later try is lost."""
    async with till_in(tmp_path) as till:
        paid = await too_little_held(till)
        await till.pay()
        till.provider.weather = "answers_lost"
        await till.advance(HOUR)
        till.provider.weather = "fine"
        await till.advance(DAY)
        assert await statuses(till, paid) == [("completed", None)]
        at_provider = await till.provider.get_intent((await till.row(paid.id)).provider_id)
        assert at_provider.refunded == eur(1_000)


async def test_a_refund_that_was_refused_is_paid_in_another_way(till: Till) -> None:
    owed = await refused(till)
    assert (await till.balances(owed.booking_id))["guest"] == -1_000
    paid = await actions.pay_otherwise(till.deps, SUPPORT, owed.id, REFERENCE)
    assert (paid.status, paid.reference, paid.amount) == ("paid", REFERENCE, eur(1_000))
    assert paid.completed_at == till.clock.now()
    assert (await actions.refunds(till.deps, GUEST, owed.payment_id)).items == [paid]
    assert (await actions.owed_refunds(till.deps, 20, None)).items == []
    money = await till.balances(owed.booking_id)
    assert (money["own_bank"], "guest" in money, money["provider_clearing"]) == (-1_000, False, 68_500)
    entries = (await actions.ledger(till.deps, owed.booking_id, 100, None)).items
    assert [one.kind for one in entries][-3:] == ["refund", "refund_returned", "refund_paid"]
    await till.settle()
    told = [event for event in till.told if event.name == "payment.refunded"]
    assert [(event.amount, event.reference, event.all) for event in told] == [
        (eur(1_000), None, False),
        (eur(1_000), REFERENCE, False),
    ]
    assert (await actions.reconciliation(till.deps)).differences == []


async def test_it_is_paid_once_and_by_staff_who_have_no_part_in_the_stay(till: Till) -> None:
    owed = await refused(till)
    for party in (GUEST, HOST):
        with pytest.raises(NotFound):
            one = Caller(account_id=party.id, roles=frozenset({"support"}))
            await actions.pay_otherwise(till.deps, one, owed.id, REFERENCE)
    with pytest.raises(NotFound):
        await actions.pay_otherwise(till.deps, SUPPORT, uuid4(), REFERENCE)
    await actions.pay_otherwise(till.deps, SUPPORT, owed.id, REFERENCE)
    with pytest.raises(rules.RefundNotOwed) as again:
        await actions.pay_otherwise(till.deps, SUPPORT, owed.id, REFERENCE)
    assert again.value.facts["state"] == "paid"


async def test_what_is_on_its_way_or_done_is_not_paid_once_more(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    sent = await actions.refund(till.deps, SUPPORT, paid.id, eur(1_000), "late")
    for status in ("initiated", "completed"):
        with pytest.raises(rules.RefundNotOwed) as no:
            await actions.pay_otherwise(till.deps, SUPPORT, sent.id, REFERENCE)
        assert no.value.facts["state"] == status
        await till.settle()


async def test_all_of_a_payment_has_gone_back_once_the_rest_was_paid_in_another_way(till: Till) -> None:
    owed = await refused(till)
    await actions.pay_otherwise(till.deps, SUPPORT, owed.id, REFERENCE)
    rest = await actions.refund(till.deps, SUPPORT, owed.payment_id, None, "all of it")
    assert rest.amount == TOTAL - eur(1_000)
    await till.settle()
    [last] = [one for one in till.told if one.name == "payment.refunded" and one.amount == rest.amount]
    assert last.all
    # That one comes back as well.
    await till.advance(2 * MINUTE)
    await hear_all(till)
    await actions.pay_otherwise(till.deps, SUPPORT, rest.id, REFERENCE)
    assert (await till.balances(owed.booking_id)) == {"provider_clearing": 68_500, "own_bank": -68_500}


async def refused_and_disputed(till: Till) -> tuple[actions.Intent, RefundRecord]:
    """All of a payment was to go back and was refused; its dispute is not heard of yet."""
    paid = await till.pay(method="pm_card_createDispute")
    await till.confirmed(paid.booking_id)
    await till.cancelled(paid.booking_id, TOTAL, rules.nothing_kept("EUR"))
    [made] = (await actions.refunds(till.deps, GUEST, paid.id)).items
    async with till.deps.db.transaction() as tx:
        assert await actions.refunding.store.end_refund(tx, made.id, status="failed", why="expired_card")
    return paid, made


@pytest.mark.parametrize("evidence", ["winning_evidence", "losing_evidence"])
async def test_what_the_bank_has_is_not_paid_and_owed_only_if_it_is_won(till: Till, evidence: str) -> None:
    """All of it was to go back and was refused; then the bank takes it."""
    _, made = await refused_and_disputed(till)
    await hear_all(till)
    with pytest.raises(rules.RefundNotOwed):
        await actions.pay_otherwise(till.deps, SUPPORT, made.id, REFERENCE)
    [dispute] = (await actions.disputes(till.deps, None, 10, None)).items
    await actions.answer_dispute(till.deps, SUPPORT, dispute.id, evidence)
    await till.settle()
    owed = (await actions.owed_refunds(till.deps, 20, None)).items
    if evidence == "winning_evidence":
        assert [one.id for one in owed] == [made.id]
        assert (await actions.pay_otherwise(till.deps, SUPPORT, made.id, REFERENCE)).status == "paid"
        return
    assert owed == []
    with pytest.raises(rules.RefundNotOwed):
        await actions.pay_otherwise(till.deps, SUPPORT, made.id, REFERENCE)


async def test_a_later_dispute_does_not_take_for_owed_what_was_paid(till: Till) -> None:
    paid, made = await refused_and_disputed(till)
    await actions.pay_otherwise(till.deps, SUPPORT, made.id, REFERENCE)
    await hear_all(till)
    money = await till.balances(paid.booking_id)
    # The guest has it twice: the platform bears it.
    assert (money["disputed"], money["platform_revenue"], "guest" in money) == (-68_500, 68_500, False)


async def test_nobody_is_told_to_wait_for_what_the_bank_has_given(teller: Teller) -> None:
    support = await teller.house.staff("support", "sue@example.com")
    booking = await teller.book()
    await teller.pay(booking)
    known = await teller.look(booking)
    ended = RefundFailed(
        payment_id=UUID(known["payment"]["intent_id"]),
        booking_id=UUID(booking),
        guest_id=UUID(known["guest_id"]),
        amount=eur(100),
        refund_id=uuid4(),
        why=rules.HELD_BY_BANK,
        owed=False,
    )
    async with teller.house.deps("payment").db.transaction() as tx:
        await tx.emit(ended)
    await teller.house.settle()
    for address in ("guest@example.com", "sue@example.com"):
        kinds = [mail["kind"] for mail in await teller.house.mails(address)]
        assert not [kind for kind in kinds if kind.startswith("refund_")]
    assert ok(await support.get("/api/payments/refunds/owed"))["items"] == []
    assert "refund_failed by system" not in await teller.history(booking)


async def test_staff_find_what_is_owed_and_the_guest_is_told_how_it_was_paid(teller: Teller) -> None:
    support = await teller.house.staff("support", "sue@example.com")
    await teller.house.staff("admin", "ada@example.com")
    await teller.house.staff("moderator", "moe@example.com")
    booking = await teller.book()
    await teller.pay(booking, card="pm_card_refundFail")
    await teller.cancel(booking, teller.guest)
    await teller.wait(minutes=3)
    await teller.webhooks()
    await teller.house.settle()
    for address, kind in (
        ("guest@example.com", "refund_delayed"),
        ("sue@example.com", "refund_owed"),
        ("ada@example.com", "refund_owed"),
    ):
        [told] = [mail for mail in await teller.house.mails(address) if mail["kind"].startswith("refund_")]
        assert (told["kind"], "$392.00" in told["text"]) == (kind, True)
    for nobody in ("moe@example.com", "host@example.com"):
        assert "refund_owed" not in [mail["kind"] for mail in await teller.house.mails(nobody)]
    assert (await teller.history(booking))[-1] == "refund_failed by system"
    list_of_them = "/api/payments/refunds/owed"
    for person in (teller.guest, teller.host):
        problem(await person.get(list_of_them), 403, "forbidden")
    [owed] = ok(await support.get(list_of_them))["items"]
    assert (owed["booking_id"], owed["status"], owed["amount"]["amount"]) == (booking, "failed", 39_200)
    path = f"/api/payments/refunds/{owed['id']}/paid"
    problem(await teller.guest.post(path, {"reference": "mine"}), 403, "forbidden")
    for wrong in ({}, {"reference": ""}, {"reference": "  "}, {"reference": "x", "amount": owed["amount"]}):
        problem(await support.post(path, wrong), 422, "invalid")
    refused = problem(await support.post(path, {"reference": "to gus@example.com"}), 422, "invalid")
    assert [(one["field"], one["code"]) for one in refused["errors"]] == [("reference", "contact")]
    key = {"Idempotency-Key": "paid-1"}
    answers = [await support.post(path, {"reference": REFERENCE}, headers=key) for _ in range(3)]
    assert len({one.content for one in answers}) == 1
    assert ok(answers[0])["status"] == "paid"
    problem(await support.post(path, {"reference": REFERENCE}), 409, "refund_not_owed")
    await teller.house.settle()
    mails = {mail["kind"]: mail["text"] for mail in await teller.house.mails("guest@example.com")}
    assert REFERENCE in mails["payment_refunded_otherwise"]
    assert "$392.00" in mails["payment_refunded_otherwise"]
    assert (await teller.history(booking))[-1] == "refund_paid by staff"
    assert (await teller.look(booking))["payment"]["status"] == "refunded"
    assert ok(await support.get(list_of_them))["items"] == []
    await teller.wait(days=1)
    await teller.end()

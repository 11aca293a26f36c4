"""Payments on real embedded engines: the database, the sandbox provider, the events in between.

Booking, the peer, is played by `Desk`: it answers what booking's contract says, and the test says what
booking would say.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DBAPIError

from hometrip.adapters.payments.sandbox import Webhook
from hometrip.adapters.payments.sandbox.signature import sign
from hometrip.kernel.clock import DAY, MINUTE, SECOND
from hometrip.kernel.errors import AlreadyAnswered, Forbidden, Invalid, KeyReused, NotFound
from hometrip.kernel.events import Event
from hometrip.kernel.once import Once
from hometrip.kernel.split import Split
from hometrip.ports.payments import BadSignature, Card, ProviderDown, ProviderRefused
from hometrip.services.booking.contract import (
    BookingAccepted,
    BookingDeclined,
    BookingExpired,
    BookingUnpayable,
)
from hometrip.services.payment import actions, rules, store
from hometrip.services.payment.contract import NotPayable
from hometrip.services.payment.store.books import entries, postings
from services.payment_scene import (
    CHECK_IN_AT,
    GUEST,
    HOST,
    START,
    STRANGER,
    SUPPORT,
    TOTAL,
    Till,
    eur,
    till_in,
)


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_in(tmp_path) as opened:
        yield opened
        assert await actions.verify(opened.deps) == []


# Opening


async def test_asking_again_answers_the_same_payment(till: Till) -> None:
    booking_id = till.desk.add()
    asked = [actions.open_intent(till.deps, GUEST, booking_id) for _ in range(20)]
    answers = await asyncio.gather(*asked)
    assert len({(intent.id, intent.client_secret) for intent in answers}) == 1
    await till.settle()
    assert till.names() == ["payment.intent.created"]
    assert len(await till.provider.intents_since(START)) == 1


async def test_a_stranger_does_not_learn_of_a_booking_or_its_payment(till: Till) -> None:
    intent = await till.open()
    for refused in (
        actions.open_intent(till.deps, STRANGER, intent.booking_id),
        actions.open_intent(till.deps, GUEST, uuid4()),
        actions.confirm(till.deps, STRANGER, intent.id, method="pm_card_visa"),
        actions.payment(till.deps, STRANGER, intent.id),
        actions.refunds(till.deps, HOST, intent.id),
    ):
        with pytest.raises(NotFound):
            await refused


async def test_who_sees_a_booking_and_is_not_its_guest_does_not_pay_for_it(till: Till) -> None:
    intent = await till.open()
    for refused in (
        actions.open_intent(till.deps, HOST, intent.booking_id),
        actions.open_intent(till.deps, SUPPORT, intent.booking_id),
        actions.confirm(till.deps, SUPPORT, intent.id, method="pm_card_visa"),
    ):
        with pytest.raises(Forbidden):
            await refused


async def test_staff_see_a_payment_without_its_secret(till: Till) -> None:
    intent = await till.open()
    assert (await actions.payment(till.deps, GUEST, intent.id)).client_secret == intent.client_secret
    assert (await actions.payment(till.deps, SUPPORT, intent.id)).client_secret is None


@pytest.mark.parametrize("status", ["confirmed", "expired", "declined", "cancelled", "completed"])
async def test_a_booking_that_awaits_nothing_is_not_payable(till: Till, status: str) -> None:
    with pytest.raises(NotPayable) as refusal:
        await actions.open_intent(till.deps, GUEST, till.desk.add(status=status))
    assert refusal.value.facts == {"state": status}


async def test_a_request_that_costs_nothing_is_not_payable(till: Till) -> None:
    nothing = Split(payout=eur(0), platform=eur(0), taxes={})
    free = till.desk.add("manual", total=eur(0), split=nothing)
    with pytest.raises(NotPayable, match="costs nothing") as refusal:
        await actions.open_intent(till.deps, GUEST, free)
    assert refusal.value.facts == {"state": "pending"}


async def test_a_hold_that_has_ended_is_not_payable(till: Till) -> None:
    booking_id = till.desk.add()
    till.clock.move_to(START + 15 * MINUTE)
    with pytest.raises(NotPayable):
        await actions.open_intent(till.deps, GUEST, booking_id)


# Confirming


async def test_a_paid_booking_has_its_money_in_the_journal_and_is_told_once(till: Till) -> None:
    paid = await till.pay()
    assert (paid.status, paid.amount) == ("succeeded", TOTAL)
    assert till.names() == ["payment.intent.created", "payment.succeeded"]
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 68_500,
        "host_payable:host": -53_350,
        "platform_revenue": -8_250,
        "tax_payable:berlin": -6_900,
    }


async def test_confirming_a_hundred_times_at_once_takes_the_money_once(till: Till) -> None:
    intent = await till.open()
    tries = [actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa") for _ in range(100)]
    assert {answer.status for answer in await asyncio.gather(*tries)} == {"succeeded"}
    await till.settle()
    assert till.names().count("payment.succeeded") == 1
    [at_provider] = await till.provider.intents_since(START)
    assert at_provider.captured == TOTAL


async def test_a_decline_says_why_and_another_card_may_be_tried(till: Till) -> None:
    declined = await till.pay(method="pm_card_visa_chargeDeclinedInsufficientFunds")
    assert declined.status == "requires_payment_method"
    assert declined.last_error
    assert (declined.last_error.code, declined.last_error.decline_code) == (
        "card_declined",
        "insufficient_funds",
    )
    assert till.told[-1].why == "insufficient_funds"
    paid = await actions.confirm(till.deps, GUEST, declined.id, method="pm_card_mastercard")
    assert (paid.status, paid.last_error) == ("succeeded", None)


async def test_the_same_declined_card_tried_twice_is_told_twice_and_at_once_only_once(till: Till) -> None:
    intent = await till.pay(method="pm_card_visa_chargeDeclined")
    again = [
        actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa_chargeDeclined") for _ in range(9)
    ]
    await asyncio.gather(*again)
    await till.settle()
    assert till.names().count("payment.failed") == 2


async def test_two_cards_at_once_take_the_money_once(till: Till) -> None:
    intent = await till.open()
    cards = ("pm_card_visa", "pm_card_mastercard", "pm_card_visa_debit", "pm_card_amex")
    tries = [actions.confirm(till.deps, GUEST, intent.id, method=method) for method in cards]
    assert {answer.status for answer in await asyncio.gather(*tries)} == {"succeeded"}
    await till.settle()
    assert till.names().count("payment.succeeded") == 1


async def test_3d_secure_asks_first_and_goes_on_without_a_card(till: Till) -> None:
    asked = await till.pay(method="pm_card_threeDSecure2Required")
    assert asked.status == "requires_action"
    assert asked.next_action
    assert till.names()[-1] == "payment.action_required"
    paid = await actions.confirm(till.deps, GUEST, asked.id)
    assert (paid.status, paid.next_action) == ("succeeded", None)


async def test_a_typed_card_pays_and_a_mistyped_one_is_named(till: Till) -> None:
    intent = await till.open()
    mistyped = Card("4242 4242 4242 4241", 12, 2030, "123")
    answer = await actions.confirm(till.deps, GUEST, intent.id, card=mistyped)
    assert answer.last_error
    assert answer.last_error.code == "incorrect_number"
    right = Card("4242 4242 4242 4242", 12, 2030, "123")
    assert (await actions.confirm(till.deps, GUEST, intent.id, card=right)).status == "succeeded"
    with pytest.raises(Invalid):
        await actions.confirm(till.deps, GUEST, intent.id, card=right, method="pm_card_visa")


async def test_an_unknown_payment_method_is_refused_and_costs_nothing(till: Till) -> None:
    intent = await till.open()
    with pytest.raises(ProviderRefused):
        await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_of_nobody")
    assert (await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa")).status == "succeeded"


# Idempotency keys


async def test_a_key_used_again_gets_the_first_answer_and_no_second_charge(till: Till) -> None:
    intent = await till.open()
    key = Once(key="k1", scope="confirm", fingerprint="a")
    method = "pm_card_visa_chargeDeclined"
    first = await actions.confirm(till.deps, GUEST, intent.id, method=method, once=key)
    for _ in range(3):
        with pytest.raises(AlreadyAnswered) as again:
            await actions.confirm(till.deps, GUEST, intent.id, method=method, once=key)
        assert again.value.answer == msgspec.json.encode(first)
    other = msgspec.structs.replace(key, fingerprint="b")
    with pytest.raises(KeyReused):
        await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa", once=other)
    await till.settle()
    assert till.names().count("payment.failed") == 1


async def test_a_key_used_a_hundred_times_at_once_makes_one_refund(till: Till) -> None:
    paid = await till.pay()
    key = Once(key="k1", scope="refund", fingerprint="a")
    asked = [actions.refund(till.deps, SUPPORT, paid.id, eur(1_000), "late", key) for _ in range(100)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    made = [one for one in answers if not isinstance(one, BaseException)]
    assert len(made) == 1
    assert {one.answer for one in answers if isinstance(one, AlreadyAnswered)} == {
        msgspec.json.encode(made[0])
    }
    await till.advance(DAY + MINUTE)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(1_000), "late", key)
    assert len((await actions.refunds(till.deps, GUEST, paid.id)).items) == 2
    await till.settle()


async def test_a_key_whose_answer_was_lost_may_be_used_again_and_charges_once(till: Till) -> None:
    intent = await till.open()
    key = Once(key="k1", scope="confirm", fingerprint="a")
    till.provider.weather = "answers_lost"
    for _ in range(2):
        with pytest.raises(ProviderDown):
            await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa", once=key)
    till.provider.weather = "fine"
    paid = await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa", once=key)
    assert paid.status == "succeeded"
    with pytest.raises(AlreadyAnswered):
        await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa", once=key)
    await till.settle()
    assert till.names().count("payment.succeeded") == 1


async def test_a_payment_that_is_settled_leaves_no_timer(till: Till) -> None:
    await till.pay()
    await till.pay("manual")
    await till.pay(method="pm_card_visa_chargeDeclined")
    assert await till.deps.db.next_due() is None


# Authorising, capturing, letting go


async def test_a_request_is_authorised_and_captured_when_the_host_accepts(till: Till) -> None:
    authorised = await till.pay("manual")
    assert authorised.status == "requires_capture"
    assert till.names()[-1] == "payment.created"
    assert await till.balances(authorised.booking_id) == {}
    outcomes = [await actions.capture(till.deps, authorised.booking_id) for _ in range(2)]
    assert outcomes == ["captured", "captured"]
    facts = till.facts(authorised.booking_id)
    await till.hear(BookingAccepted(booking_id=authorised.booking_id, booking=facts))
    assert till.names().count("payment.succeeded") == 1


async def test_the_acceptance_alone_captures_too(till: Till) -> None:
    authorised = await till.pay("manual")
    facts = till.facts(authorised.booking_id)
    await till.hear(BookingAccepted(booking_id=authorised.booking_id, booking=facts))
    assert (await till.row(authorised.id)).status == "succeeded"


async def test_nothing_is_captured_where_nothing_was_authorised(till: Till) -> None:
    open_one = await till.open("manual")
    assert await actions.capture(till.deps, open_one.booking_id) == "nothing_authorised"
    assert await actions.capture(till.deps, uuid4()) == "nothing_authorised"


@pytest.mark.parametrize("method", ["", "pm_card_visa", "pm_card_threeDSecure2Required"])
@pytest.mark.parametrize("ending", ["declined", "expired", "cancelled", "unpayable"])
async def test_a_booking_that_is_not_to_be_takes_no_money(till: Till, ending: str, method: str) -> None:
    intent = await (till.pay("manual", method) if method else till.open("manual"))
    booking_id, facts = intent.booking_id, till.facts(intent.booking_id)
    if ending == "cancelled":
        await till.cancelled(booking_id, TOTAL, rules.nothing_kept("EUR"))
    else:
        endings: dict[str, Event] = {
            "declined": BookingDeclined(booking_id=booking_id, booking=facts, why="no"),
            "expired": BookingExpired(booking_id=booking_id, booking=facts),
            "unpayable": BookingUnpayable(booking_id=booking_id, booking=facts),
        }
        await till.hear(endings[ending])
    if ending == "expired" and method != "pm_card_visa":  # a late payment has an hour
        await till.advance(rules.PAID_LATE_WITHIN - SECOND)
        assert (await till.row(intent.id)).status == intent.status
        await till.advance(SECOND)
    assert (await till.row(intent.id)).status == "canceled"
    assert till.names().count("payment.canceled") == 1
    [at_provider] = await till.provider.intents_since(START)
    assert (at_provider.status, at_provider.captured) == ("canceled", eur(0))
    with pytest.raises(NotPayable):
        await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa")


# Losing answers


async def test_an_answer_that_is_lost_is_found_a_minute_later(till: Till) -> None:
    intent = await till.open()
    till.provider.weather = "answers_lost"
    with pytest.raises(ProviderDown):
        await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa")
    till.provider.weather = "fine"
    assert (await till.row(intent.id)).status == "requires_payment_method"
    await till.advance(MINUTE)
    assert (await till.row(intent.id)).status == "succeeded"
    assert till.names().count("payment.succeeded") == 1


async def test_the_answer_is_found_after_the_process_has_died(tmp_path: Path) -> None:
    async with till_in(tmp_path) as before:
        intent = await before.open()
        before.provider.weather = "answers_lost"
        with pytest.raises(ProviderDown):
            await actions.confirm(before.deps, GUEST, intent.id, method="pm_card_visa")
    async with till_in(tmp_path, before.clock, before.desk) as after:
        await after.advance(MINUTE)
        assert after.names().count("payment.succeeded") == 1
        assert await actions.verify(after.deps) == []


async def test_confirming_again_after_a_lost_answer_does_not_charge_twice(till: Till) -> None:
    intent = await till.open()
    till.provider.weather = "answers_lost"
    with pytest.raises(ProviderDown):
        await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa")
    till.provider.weather = "fine"
    assert (await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa")).status == "succeeded"
    await till.advance(DAY)
    assert till.names().count("payment.succeeded") == 1


async def test_another_card_after_a_lost_decline_is_charged(till: Till) -> None:
    intent = await till.open()
    till.provider.weather = "answers_lost"
    with pytest.raises(ProviderDown):
        await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa_chargeDeclined")
    till.provider.weather = "fine"
    assert (await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa")).status == "succeeded"
    await till.advance(DAY)
    assert till.names().count("payment.succeeded") == 1


async def test_a_provider_that_is_down_for_hours_is_asked_until_it_answers(till: Till) -> None:
    authorised = await till.pay("manual")
    till.provider.weather = "down"
    facts = till.facts(authorised.booking_id)
    await till.hear(BookingAccepted(booking_id=authorised.booking_id, booking=facts))
    await till.advance(timedelta(hours=5))
    assert (await till.row(authorised.id)).status == "requires_capture"
    till.provider.weather = "fine"
    await till.advance(timedelta(hours=6))
    assert (await till.row(authorised.id)).status == "succeeded"


async def test_a_payment_that_succeeds_after_its_hold_goes_back_in_full_when_the_nights_are_gone(
    till: Till,
) -> None:
    intent = await till.open()
    facts = till.facts(intent.booking_id)
    till.provider.weather = "answers_lost"
    with pytest.raises(ProviderDown):
        await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa")
    till.provider.weather = "fine"
    await till.hear(BookingExpired(booking_id=intent.booking_id, booking=facts))
    assert till.names()[-1] == "payment.succeeded"
    await till.hear(BookingUnpayable(booking_id=intent.booking_id, booking=facts))
    assert await till.balances(intent.booking_id) == {}
    [at_provider] = await till.provider.intents_since(START)
    assert at_provider.refunded == TOTAL
    assert till.told[-1].all


# Refunds


async def test_a_cancellation_refunds_exactly_and_leaves_each_share_what_it_keeps(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    kept = Split(payout=eur(26_000), platform=eur(8_250), taxes={"berlin": eur(3_400)})
    await till.cancelled(paid.booking_id, eur(30_850), kept)
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 37_650,
        "host_payable:host": -26_000,
        "platform_revenue": -8_250,
        "tax_payable:berlin": -3_400,
    }
    [refund] = (await actions.refunds(till.deps, GUEST, paid.id)).items
    assert (refund.amount, refund.status) == (eur(30_850), "completed")
    assert till.names()[-3:] == ["refund.initiated", "refund.completed", "payment.refunded"]
    assert (await actions.host_balance(till.deps, HOST)).upcoming == [eur(26_000)]


async def test_a_refund_waits_for_a_provider_that_is_down_and_is_made_once(till: Till) -> None:
    paid = await till.pay()
    till.provider.weather = "down"
    await till.cancelled(paid.booking_id, TOTAL, rules.nothing_kept("EUR"))
    assert await till.balances(paid.booking_id) == {"provider_clearing": 68_500, "guest": -68_500}
    await till.advance(timedelta(hours=1))
    till.provider.weather = "answers_lost"
    await till.advance(timedelta(hours=8))
    till.provider.weather = "fine"
    await till.advance(timedelta(hours=8))
    assert await till.balances(paid.booking_id) == {}
    [at_provider] = await till.provider.intents_since(START)
    assert at_provider.refunded == TOTAL
    assert till.names().count("refund.completed") == 1


async def test_staff_may_refund_what_is_left_and_no_more(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(10_000), "broken shower")
    with pytest.raises(rules.RefundTooLarge) as refusal:
        await actions.refund(till.deps, SUPPORT, paid.id, eur(58_501), "too much")
    assert refusal.value.facts == {"left": {"amount": 58_500, "currency": "EUR"}}
    await till.settle()
    assert (await actions.host_balance(till.deps, HOST)).upcoming == [eur(45_562)]
    await actions.refund(till.deps, SUPPORT, paid.id, None, "everything")
    await till.settle()
    assert await till.balances(paid.booking_id) == {}
    assert [event.all for event in till.told if event.name == "payment.refunded"] == [False, True]
    with pytest.raises(rules.RefundTooLarge):
        await actions.refund(till.deps, SUPPORT, paid.id, None, "once more")


async def test_refunds_at_once_never_exceed_what_was_paid(till: Till) -> None:
    paid = await till.pay()
    asked = [actions.refund(till.deps, SUPPORT, paid.id, eur(20_000), "again") for _ in range(10)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, rules.RefundTooLarge) for answer in answers) == 7
    await till.settle()


async def test_what_was_never_paid_cannot_be_refunded(till: Till) -> None:
    intent = await till.open()
    with pytest.raises(rules.NotRefundable):
        await actions.refund(till.deps, SUPPORT, intent.id, None, "nothing there")


async def test_a_refund_that_the_provider_refuses_is_told_and_stays_owed(tmp_path: Path) -> None:
    async with till_in(tmp_path) as till:
        paid = await till.pay()
        at_provider = (await till.row(paid.id)).provider_id
        await till.provider.refund(at_provider, TOTAL, key="made by hand at the provider")
        await till.cancelled(paid.booking_id, TOTAL, rules.nothing_kept("EUR"))
        assert (till.names()[-1], till.told[-1].why) == ("refund.failed", "charge_already_refunded")
        assert await till.balances(paid.booking_id) == {"provider_clearing": 68_500, "guest": -68_500}
        [difference] = (await actions.reconciliation(till.deps)).differences
        assert (difference.what, difference.ours, difference.theirs) == ("refunded", "0", "68500")


# Pay-outs


async def test_the_host_is_paid_a_day_after_check_in(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    [planned] = (await actions.payouts(till.deps, HOST, 20, None)).items
    assert (planned.amount, planned.status, planned.due_at) == (eur(53_350), "due", CHECK_IN_AT + DAY)
    await till.advance(CHECK_IN_AT + DAY - START - MINUTE)
    assert "host.payout.initiated" not in till.names()
    await till.advance(MINUTE)
    assert till.names()[-2:] == ["host.payout.initiated", "host.payout.completed"]
    balance = await actions.host_balance(till.deps, HOST)
    assert (balance.upcoming, balance.in_transit, balance.paid) == ([], [], [eur(53_350)])
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 15_150,
        "platform_revenue": -8_250,
        "tax_payable:berlin": -6_900,
    }


async def test_a_payout_whose_answers_are_lost_is_sent_once(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    till.provider.weather = "answers_lost"
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    till.provider.weather = "fine"
    await till.advance(DAY)
    assert till.names().count("host.payout.completed") == 1
    sent = [
        webhook.body for webhook in await till.provider.undelivered() if b"transfer.created" in webhook.body
    ]
    assert len(sent) == 1


async def test_a_cancelled_booking_pays_out_what_the_host_keeps_and_nothing_where_that_is_nothing(
    till: Till,
) -> None:
    half, none = await till.pay(), await till.pay()
    for paid in (half, none):
        await till.confirmed(paid.booking_id)
    kept = Split(payout=eur(20_000), platform=eur(0), taxes={})
    await till.cancelled(half.booking_id, TOTAL - eur(20_000), kept)
    await till.cancelled(none.booking_id, TOTAL, rules.nothing_kept("EUR"))
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    paid_out = [event.amount for event in till.told if event.name == "host.payout.completed"]
    assert paid_out == [eur(20_000)]


async def test_what_a_host_was_paid_too_much_is_taken_from_the_next_payout(till: Till) -> None:
    first, second = await till.pay(), await till.pay()
    await till.confirmed(first.booking_id)
    await till.advance(CHECK_IN_AT + DAY - START)
    kept = Split(payout=eur(13_350), platform=eur(8_250), taxes={"berlin": eur(6_900)})
    await till.cancelled(first.booking_id, eur(40_000), kept)
    assert (await till.balances(first.booking_id))["host_payable:host"] == 40_000
    await till.confirmed(second.booking_id)
    await till.advance(DAY)
    amounts = [event.amount for event in till.told if event.name == "host.payout.completed"]
    assert amounts == [eur(53_350), eur(13_350)]
    for paid in (first, second):
        assert "host_payable:host" not in await till.balances(paid.booking_id)


# The journal


@pytest.mark.parametrize(
    "change",
    [
        update(entries).values(kind="something else"),
        delete(entries),
        update(postings).values(amount=0),
        delete(postings),
    ],
)
async def test_the_database_refuses_to_change_the_journal(till: Till, change: Any) -> None:
    await till.pay()
    with pytest.raises(DBAPIError, match="append-only"):
        async with till.deps.db.transaction() as tx:
            await tx.execute(change)


async def test_an_entry_that_does_not_sum_to_zero_is_refused_by_the_store_as_well(till: Till) -> None:
    paid = await till.pay()
    lines = [rules.Posting(rules.CLEARING, eur(1))]
    crooked = rules.Entry(
        id=uuid4(), at=START, kind="gift", booking_id=paid.booking_id, reference=paid.id, postings=lines
    )
    with pytest.raises(rules.Unbalanced):
        async with till.deps.db.transaction() as tx:
            await store.write(tx, crooked)
    assert (await till.balances(paid.booking_id))["provider_clearing"] == 68_500


async def test_the_ledger_shows_a_booking_and_its_balance(till: Till) -> None:
    paid, other = await till.pay(), await till.pay()
    await actions.refund(till.deps, SUPPORT, paid.id, eur(500), "broken shower")
    await till.settle()
    ledger = await actions.ledger(till.deps, paid.booking_id, 20, None)
    assert [entry.kind for entry in ledger.items] == ["capture", "refund_promised", "refund"]
    assert ledger.balance == {"EUR": 0}
    seen, cursor = [], None
    while True:
        page = await actions.ledger(till.deps, None, 2, cursor)
        seen += [entry.booking_id for entry in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == [paid.booking_id, other.booking_id, paid.booking_id, paid.booking_id]


async def test_a_story_is_told_in_the_order_of_its_writing_whatever_the_ids_of_other_processes_say(
    till: Till,
) -> None:
    paid = await till.pay()
    ahead = till.deps.new_id().int
    falling = (UUID(int=ahead - step * 2**80) for step in count(60_000))
    till.deps = dataclasses.replace(till.deps, new_id=lambda: next(falling))
    for amount in (500, 700):
        await actions.refund(till.deps, SUPPORT, paid.id, eur(amount), "broken shower")
        await till.settle()
    told, cursor = [], None
    while True:
        page = await actions.ledger(till.deps, paid.booking_id, 2, cursor)
        told += [entry.kind for entry in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert told == ["capture", "refund_promised", "refund", "refund_promised", "refund"]
    assert await actions.verify(till.deps) == []


async def test_verify_finds_what_was_planted(tmp_path: Path) -> None:
    async with till_in(tmp_path) as till:
        paid = await till.pay()
        assert await actions.verify(till.deps) == []
        unknown = await till.provider.create_intent(eur(700), capture="automatic", metadata={}, key="x")
        await till.provider.confirm_intent(unknown.id, method="pm_card_visa", key="y")
        crooked = {"entry_id": uuid4(), "line": 0, "account": "guest", "amount": 5, "currency": "EUR"}
        entry = {"id": crooked["entry_id"], "at": START, "kind": "gift", "reference": uuid4()}
        async with till.deps.db.transaction() as tx:
            await tx.execute(insert(entries).values(booking_id=paid.booking_id, **entry))
            await tx.execute(insert(postings).values(**crooked))
            await store.change_payment(tx, paid.id, promised_back=68_501)
        found = "\n".join(await actions.verify(till.deps))
        assert "does not sum to zero" in found
        assert "off by 5" in found
        assert "is promised back" in found
        assert f"{unknown.id}: captured" in found


async def test_history_is_the_callers_own_and_comes_in_pages(till: Till) -> None:
    paid = [await till.pay() for _ in range(3)]
    first = await actions.history(till.deps, GUEST, 2, None)
    rest = await actions.history(till.deps, GUEST, 2, first.next_cursor)
    assert [intent.id for intent in first.items + rest.items] == [intent.id for intent in reversed(paid)]
    assert rest.next_cursor is None
    assert (await actions.history(till.deps, STRANGER, 20, None)).items == []


# Webhooks


async def drain(till: Till, webhooks: list[Webhook]) -> None:
    for webhook in webhooks:
        await actions.hear(till.deps, webhook.body, webhook.signature)
    await till.settle()


async def test_a_webhook_alone_settles_what_was_paid_elsewhere(till: Till) -> None:
    intent = await till.open()
    provider_id = (await till.row(intent.id)).provider_id
    await till.provider.confirm_intent(provider_id, method="pm_card_visa", key="in the browser")
    await drain(till, await till.provider.undelivered())
    assert (await till.row(intent.id)).status == "succeeded"
    assert till.names().count("payment.succeeded") == 1


@pytest.mark.parametrize("seed", range(12))
async def test_webhooks_repeated_and_in_any_order_have_their_effect_once(till: Till, seed: int) -> None:
    intent = await till.open()
    provider_id = (await till.row(intent.id)).provider_id
    steps: tuple[str | None, ...] = ("pm_card_visa_chargeDeclined", "pm_card_threeDSecure2Required", None)
    heard: list[Webhook] = []
    for number, method in enumerate(steps):
        await till.provider.confirm_intent(provider_id, method=method, key=f"in the browser {number}")
        heard = await till.provider.undelivered() * 3
        Random(seed).shuffle(heard)
        await drain(till, heard[: len(heard) // 2])
    await drain(till, heard)
    assert (await till.row(intent.id)).status == "succeeded"
    told = [name for name in till.names() if name != "payment.intent.created"]
    assert told == ["payment.failed", "payment.action_required", "payment.succeeded"]
    assert (await till.balances(intent.booking_id))["provider_clearing"] == 68_500


async def test_every_forgery_is_refused_before_it_is_read(till: Till) -> None:
    intent = await till.open()
    provider_id = (await till.row(intent.id)).provider_id
    await till.provider.confirm_intent(provider_id, method="pm_card_visa", key="in the browser")
    _, body, signature = (await till.provider.undelivered())[-1]
    moment, digest = signature.split(",")
    flipped = [body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] for at in range(0, len(body), 7)]
    reserialised = msgspec.json.format(msgspec.json.encode(msgspec.json.decode(body)), indent=1)
    other_hand = sign(body, b"another secret", till.clock.now())
    forgeries = [
        *((changed, signature) for changed in flipped),
        (reserialised, signature),
        (body, other_hand),
        (body, ""),
        (body, moment),
        (body, digest),
        (body, f"{moment}1,{digest}"),
        (body, f"{moment},{moment},{digest}"),
        (body, f"{moment},v1=" + "0" * 64),
        (body, f"{moment},v0={digest[3:]}"),
        (body, f"{moment},v1=é"),
        (b"not even JSON", signature),
    ]
    for changed, header in forgeries:
        with pytest.raises(BadSignature):
            await actions.hear(till.deps, changed, header)
    await till.settle()
    assert (await till.row(intent.id)).status == "requires_payment_method"
    await actions.hear(till.deps, body, f"{moment},v1={'0' * 64},v0=x,{digest}")
    await till.settle()
    assert (await till.row(intent.id)).status == "succeeded"


async def test_an_old_webhook_is_refused(till: Till) -> None:
    await till.open()
    [webhook] = await till.provider.undelivered()
    till.clock.move_to(START + 5 * MINUTE)
    await actions.hear(till.deps, webhook.body, webhook.signature)
    till.clock.move_to(START + 5 * MINUTE + timedelta(seconds=1))
    with pytest.raises(BadSignature):
        await actions.hear(till.deps, webhook.body, webhook.signature)
    await drain(till, await till.provider.undelivered())


async def test_a_webhook_about_something_else_is_taken_and_forgotten(till: Till) -> None:
    await till.provider.create_intent(eur(100), capture="automatic", metadata={}, key="not ours")
    await drain(till, await till.provider.undelivered())
    assert till.told == []


async def test_a_request_whose_payment_the_provider_has_begun_unheard_is_paid_after_the_hosts_yes(
    till: Till,
) -> None:
    """The answer was lost; then the host says yes, and the same money is to be captured at once."""
    booking_id = till.desk.add("manual")
    till.provider.weather = "answers_lost"
    with pytest.raises(ProviderDown):
        await actions.open_intent(till.deps, GUEST, booking_id)
    till.provider.weather = "fine"
    asked = till.desk.bookings[booking_id]
    till.desk.bookings[booking_id] = msgspec.structs.replace(asked, capture="automatic")
    intent = await actions.open_intent(till.deps, GUEST, booking_id)
    paid = await actions.confirm(till.deps, GUEST, intent.id, method="pm_card_visa")
    assert paid.status == "succeeded"

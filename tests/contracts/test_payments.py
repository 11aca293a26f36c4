"""What every payment provider promises, on each adapter."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.kernel.clock import DAY, MINUTE, utc
from hometrip.kernel.ids import ids
from hometrip.kernel.money import Money
from hometrip.ports.payments import (
    BadSignature,
    Card,
    Payments,
    ProviderDown,
    ProviderIntent,
    ProviderRefused,
)

START = utc(2027, 4, 14, 9)
SECRET = b"whsec" * 6
EUR = Money(10_000, "EUR")


def sandbox_in(folder: Path) -> SandboxPayments:
    clock = MovableClock(SystemClock(), frozen_at=START)
    return SandboxPayments(folder / "provider.db", clock, ids(clock), SECRET)


ADAPTERS: dict[str, Callable[[Path], Any]] = {"sandbox": sandbox_in}


@pytest.fixture(params=sorted(ADAPTERS))
async def payments(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Payments]:
    adapter = ADAPTERS[request.param](tmp_path)
    yield adapter
    await adapter.close()


async def opened(payments: Payments, capture: str = "automatic", key: str = "intent") -> ProviderIntent:
    return await payments.create_intent(EUR, capture=capture, metadata={"booking_id": "b1"}, key=key)


async def paid(payments: Payments, method: str = "pm_card_visa") -> ProviderIntent:
    intent = await opened(payments)
    return await payments.confirm_intent(intent.id, method=method, key="confirm")


async def test_an_intent_waits_for_a_card_and_is_remembered(payments: Payments) -> None:
    intent = await opened(payments)
    assert (intent.status, intent.amount, intent.captured.amount) == ("requires_payment_method", EUR, 0)
    assert intent.client_secret.startswith(intent.id)
    assert intent.metadata == {"booking_id": "b1"}
    assert await payments.get_intent(intent.id) == intent


async def test_an_automatic_intent_takes_the_money_at_once(payments: Payments) -> None:
    intent = await paid(payments)
    assert (intent.status, intent.captured) == ("succeeded", EUR)


async def test_a_manual_intent_holds_the_money_until_it_is_captured(payments: Payments) -> None:
    intent = await opened(payments, "manual")
    held = await payments.confirm_intent(intent.id, method="pm_card_visa", key="confirm")
    assert (held.status, held.captured.amount) == ("requires_capture", 0)
    taken = await payments.capture_intent(intent.id, key="capture")
    assert (taken.status, taken.captured) == ("succeeded", EUR)
    with pytest.raises(ProviderRefused):
        await payments.capture_intent(intent.id, key="capture again")


@pytest.mark.parametrize("method", [None, "pm_card_visa"])
async def test_what_is_cancelled_cannot_be_paid_or_captured(payments: Payments, method: str | None) -> None:
    intent = await opened(payments, "manual")
    if method:
        await payments.confirm_intent(intent.id, method=method, key="confirm")
    assert (await payments.cancel_intent(intent.id, key="cancel")).status == "canceled"
    with pytest.raises(ProviderRefused):
        await payments.confirm_intent(intent.id, method="pm_card_visa", key="confirm again")
    with pytest.raises(ProviderRefused):
        await payments.capture_intent(intent.id, key="capture")


async def test_what_is_paid_cannot_be_cancelled_or_paid_again(payments: Payments) -> None:
    intent = await paid(payments)
    with pytest.raises(ProviderRefused):
        await payments.cancel_intent(intent.id, key="cancel")
    with pytest.raises(ProviderRefused):
        await payments.confirm_intent(intent.id, method="pm_card_visa", key="confirm again")


async def test_what_does_not_exist_is_refused(payments: Payments) -> None:
    for asked in (
        payments.get_intent("pi_nobody"),
        payments.confirm_intent("pi_nobody", method="pm_card_visa", key="1"),
        payments.capture_intent("pi_nobody", key="2"),
        payments.cancel_intent("pi_nobody", key="3"),
        payments.refund("pi_nobody", EUR, key="4"),
    ):
        with pytest.raises(ProviderRefused):
            await asked


@pytest.mark.parametrize(
    "method", ["pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_card_visa_debit"]
)
async def test_good_cards_pay(payments: Payments, method: str) -> None:
    assert (await paid(payments, method)).status == "succeeded"


DECLINES = [
    ("pm_card_visa_chargeDeclined", "4000000000000002", "card_declined", "generic_decline"),
    (
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "4000000000009995",
        "card_declined",
        "insufficient_funds",
    ),
    ("pm_card_visa_chargeDeclinedLostCard", "4000000000009987", "card_declined", "lost_card"),
    ("pm_card_visa_chargeDeclinedStolenCard", "4000000000009979", "card_declined", "stolen_card"),
    ("pm_card_chargeDeclinedExpiredCard", "4000000000000069", "expired_card", "expired_card"),
    ("pm_card_chargeDeclinedIncorrectCvc", "4000000000000127", "incorrect_cvc", "incorrect_cvc"),
    ("pm_card_chargeDeclinedProcessingError", "4000000000000119", "processing_error", "processing_error"),
]


@pytest.mark.parametrize(("method", "number", "code", "decline_code"), DECLINES)
async def test_a_decline_is_an_answer_and_another_card_may_pay(
    payments: Payments, method: str, number: str, code: str, decline_code: str
) -> None:
    intent = await opened(payments)
    declined = await payments.confirm_intent(intent.id, method=method, key="token")
    assert declined.status == "requires_payment_method"
    assert declined.last_error
    assert (declined.last_error.code, declined.last_error.decline_code) == (code, decline_code)
    assert declined.last_error.detail
    card = Card(number, 12, 2030, "123")
    assert (
        await payments.confirm_intent(intent.id, card=card, key="number")
    ).last_error == declined.last_error
    good = await payments.confirm_intent(intent.id, method="pm_card_visa", key="good")
    assert (good.status, good.last_error) == ("succeeded", None)


ASKING = [
    ("pm_card_threeDSecure2Required", "4000000000003220"),
    ("pm_card_threeDSecureRequired", "4000000000003063"),
    ("pm_card_authenticationRequired", "4000002760003184"),
    ("pm_card_authenticationRequiredOnSetup", "4000002500003155"),
]


@pytest.mark.parametrize("capture", ["automatic", "manual"])
@pytest.mark.parametrize(("method", "number"), ASKING)
async def test_3d_secure_asks_and_is_completed_without_a_card(
    payments: Payments, method: str, number: str, capture: str
) -> None:
    intent = await opened(payments, capture)
    asked = await payments.confirm_intent(intent.id, card=Card(number, 12, 2030, "123"), key="number")
    assert (asked.status, asked.captured.amount) == ("requires_action", 0)
    assert asked.next_action
    asked = await payments.confirm_intent(intent.id, method=method, key="token")
    assert asked.status == "requires_action"
    done = await payments.confirm_intent(intent.id, key="done")
    assert done.status == ("succeeded" if capture == "automatic" else "requires_capture")
    assert done.next_action is None


async def test_3d_secure_may_end_in_a_decline(payments: Payments) -> None:
    asked = await paid(payments, "pm_card_threeDSecureRequiredChargeDeclined")
    assert asked.status == "requires_action"
    declined = await payments.confirm_intent(asked.id, key="done")
    assert declined.status == "requires_payment_method"
    assert declined.last_error
    with pytest.raises(ProviderRefused):
        await payments.confirm_intent(asked.id, key="done again")


async def test_without_a_card_there_is_nothing_to_confirm(payments: Payments) -> None:
    intent = await opened(payments)
    with pytest.raises(ProviderRefused):
        await payments.confirm_intent(intent.id, key="confirm")


@pytest.mark.parametrize(
    "number",
    ["4242424242424242", "4242 4242 4242 4242", "5555555555554444", "378282246310005", "6011111111111117"],
)
async def test_test_card_numbers_pay(payments: Payments, number: str) -> None:
    intent = await opened(payments)
    card = Card(number, 4, 2027, "1234" if number.startswith("3") else "123")
    assert (await payments.confirm_intent(intent.id, card=card, key="confirm")).status == "succeeded"


@pytest.mark.parametrize(
    ("card", "code"),
    [
        (Card("4242424242424241", 12, 2030, "123"), "incorrect_number"),
        (Card("4242", 12, 2030, "123"), "incorrect_number"),
        (Card("４２４２424242424242", 12, 2030, "123"), "incorrect_number"),
        (Card("", 12, 2030, "123"), "incorrect_number"),
        (Card("4242424242424242", 13, 2030, "123"), "invalid_expiry_month"),
        (Card("4242424242424242", 0, 2030, "123"), "invalid_expiry_month"),
        (Card("4242424242424242", 3, 2027, "123"), "invalid_expiry_month"),
        (Card("4242424242424242", 12, 2026, "123"), "invalid_expiry_year"),
        (Card("4242424242424242", 12, 1970, "123"), "invalid_expiry_year"),
        (Card("4242424242424242", 12, 2030, "99"), "invalid_cvc"),
        (Card("4242424242424242", 12, 2030, "abc"), "invalid_cvc"),
        # Passes the check digit, but it is no test card: a real one must never work here.
        (Card("4539578763621486", 12, 2030, "123"), "card_declined"),
    ],
)
async def test_a_card_that_cannot_be_one_is_declined_with_what_is_wrong(
    payments: Payments, card: Card, code: str
) -> None:
    intent = await opened(payments)
    declined = await payments.confirm_intent(intent.id, card=card, key="confirm")
    assert declined.status == "requires_payment_method"
    assert declined.last_error
    assert declined.last_error.code == code


async def test_the_same_key_has_its_effect_once_and_answers_the_same(payments: Payments) -> None:
    first, second = await opened(payments), await opened(payments)
    assert first == second
    confirmed = [
        await payments.confirm_intent(first.id, method="pm_card_visa_chargeDeclined", key="c")
        for _ in range(3)
    ]
    assert len({one.status for one in confirmed}) == 1
    await payments.confirm_intent(first.id, method="pm_card_visa", key="good")
    declined = await payments.confirm_intent(first.id, method="pm_card_visa_chargeDeclined", key="c")
    assert declined == confirmed[0]
    refunds = await asyncio.gather(
        *(payments.refund(first.id, Money(100, "EUR"), key="r") for _ in range(20))
    )
    assert len({refund.id for refund in refunds}) == 1
    assert (await payments.get_intent(first.id)).refunded == Money(100, "EUR")


async def test_the_same_key_for_something_else_is_refused(payments: Payments) -> None:
    intent = await opened(payments)
    with pytest.raises(ProviderRefused):
        await payments.create_intent(Money(1, "EUR"), capture="automatic", metadata={}, key="intent")
    with pytest.raises(ProviderRefused):
        await payments.confirm_intent(intent.id, method="pm_card_visa", key="intent")
    assert (await payments.get_intent(intent.id)).status == "requires_payment_method"


async def test_refunds_never_exceed_what_was_captured(payments: Payments) -> None:
    intent = await paid(payments)
    first = await payments.refund(intent.id, Money(4_000, "EUR"), key="r1")
    assert (first.intent_id, first.amount, first.status) == (intent.id, Money(4_000, "EUR"), "succeeded")
    for wrong in (Money(6_001, "EUR"), Money(0, "EUR"), Money(-1, "EUR"), Money(1, "USD")):
        with pytest.raises(ProviderRefused):
            await payments.refund(intent.id, wrong, key=f"wrong {wrong}")
    await payments.refund(intent.id, Money(6_000, "EUR"), key="r2")
    with pytest.raises(ProviderRefused):
        await payments.refund(intent.id, Money(1, "EUR"), key="r3")
    assert (await payments.get_intent(intent.id)).refunded == EUR


async def test_what_is_not_captured_cannot_be_refunded(payments: Payments) -> None:
    intent = await opened(payments, "manual")
    await payments.confirm_intent(intent.id, method="pm_card_visa", key="confirm")
    with pytest.raises(ProviderRefused):
        await payments.refund(intent.id, Money(1, "EUR"), key="refund")


async def test_no_more_is_paid_out_than_came_in(payments: Payments) -> None:
    await paid(payments)
    sent = await payments.transfer(Money(9_000, "EUR"), destination="host", metadata={}, key="t1")
    assert (sent.amount, sent.status) == (Money(9_000, "EUR"), "paid")
    assert await payments.transfer(Money(9_000, "EUR"), destination="host", metadata={}, key="t1") == sent
    for wrong in (Money(1_001, "EUR"), Money(1, "USD"), Money(0, "EUR"), Money(-5, "EUR")):
        with pytest.raises(ProviderRefused):
            await payments.transfer(wrong, destination="host", metadata={}, key=f"wrong {wrong}")


async def test_what_has_changed_since_is_listed(payments: Payments) -> None:
    intent = await paid(payments)
    assert await payments.intents_since(START) == [intent]
    assert await payments.intents_since(START + timedelta(seconds=1)) == []


async def test_nothing_is_opened_for_no_money(payments: Payments) -> None:
    for wrong in (Money(0, "EUR"), Money(-1, "EUR")):
        with pytest.raises(ProviderRefused):
            await payments.create_intent(wrong, capture="automatic", metadata={}, key=str(wrong))


# Webhooks, as Stripe documents their signature.


def signed(body: bytes, moment: int, secret: bytes = SECRET) -> str:
    digest = hmac.new(secret, f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


BODY = msgspec.json.encode(
    {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": int(START.timestamp()),
        "data": {"object": {"id": "pi_1", "object": "payment_intent", "status": "succeeded"}},
        "livemode": False,
        "something_new": {"that": "nobody knows"},
    }
)
NOW = int(START.timestamp())


async def test_a_signed_webhook_is_opened(payments: Payments) -> None:
    event = payments.webhook(BODY, signed(BODY, NOW), START)
    assert (event.id, event.type, event.created) == ("evt_1", "payment_intent.succeeded", START)
    assert event.object["id"] == "pi_1"


async def test_one_right_signature_of_several_is_enough(payments: Payments) -> None:
    moment, digest = signed(BODY, NOW).split(",")
    event = payments.webhook(BODY, f"{moment},v1={'0' * 64},v0={'1' * 64},{digest}", START)
    assert event.id == "evt_1"


async def test_a_signature_is_good_for_five_minutes(payments: Payments) -> None:
    payments.webhook(BODY, signed(BODY, NOW), START + 5 * MINUTE)
    for late in (START + 5 * MINUTE + timedelta(seconds=1), START - 6 * MINUTE):
        with pytest.raises(BadSignature):
            payments.webhook(BODY, signed(BODY, NOW), late)


async def test_a_forged_webhook_is_refused(payments: Payments) -> None:
    right = signed(BODY, NOW)
    moment, digest = right.split(",")
    forgeries = ["", "garbage", ",,,", moment, digest, "t=,v1=", "t=x," + digest, signed(BODY, NOW, b"other")]
    forgeries += [
        f"{moment},v1={digest[3:][:-1]}",
        f"{moment},v0={digest[3:]}",
        f"{moment}0,{digest}",
        right.upper(),
    ]
    forgeries += [f"t={'9' * 400},{digest}", f"{moment},v1=\udcff"]
    for forged in forgeries:
        with pytest.raises(BadSignature):
            payments.webhook(BODY, forged, START)
    for at in range(len(BODY)):
        changed = BODY[:at] + bytes([BODY[at] ^ (1 << at % 8)]) + BODY[at + 1 :]
        with pytest.raises(BadSignature):
            payments.webhook(changed, right, START)


async def test_a_signed_body_that_is_no_event_is_refused(payments: Payments) -> None:
    for body in (b"", b"[]", b"{}", b"\xff\xfe"):
        with pytest.raises(BadSignature):
            payments.webhook(body, signed(body, NOW), START)


# The sandbox's own promises.


async def test_the_sandbox_remembers_when_it_is_opened_again(tmp_path: Path) -> None:
    first = sandbox_in(tmp_path)
    intent = await paid(first)
    await first.close()
    again = sandbox_in(tmp_path)
    assert await again.get_intent(intent.id) == intent
    assert await paid(again) == intent
    with pytest.raises(ProviderRefused):
        await again.transfer(EUR + Money(1, "EUR"), destination="host", metadata={}, key="too much")
    await again.close()


async def test_two_processes_share_a_sandbox(tmp_path: Path) -> None:
    one, other = sandbox_in(tmp_path), sandbox_in(tmp_path)
    intent = await opened(one)
    assert (await other.confirm_intent(intent.id, method="pm_card_visa", key="c")).status == "succeeded"
    assert (await one.get_intent(intent.id)).status == "succeeded"
    await one.close()
    await other.close()


async def test_the_sandbox_keeps_no_card_number(tmp_path: Path) -> None:
    sandbox = sandbox_in(tmp_path)
    intent = await opened(sandbox)
    await sandbox.confirm_intent(intent.id, card=Card("4000000000009995", 12, 2030, "123"), key="c")
    await sandbox.close()
    kept = (tmp_path / "provider.db").read_bytes()
    assert b"requires_payment_method" in kept
    assert b"4000000000009995" not in kept


async def test_every_change_queues_one_signed_webhook_until_it_is_taken(tmp_path: Path) -> None:
    sandbox = sandbox_in(tmp_path)
    intent = await opened(sandbox)
    await sandbox.confirm_intent(intent.id, method="pm_card_visa_chargeDeclined", key="1")
    await sandbox.confirm_intent(intent.id, method="pm_card_threeDSecure2Required", key="2")
    await sandbox.confirm_intent(intent.id, key="3")
    await sandbox.confirm_intent(intent.id, key="3")
    await sandbox.refund(intent.id, EUR, key="4")
    waiting = await sandbox.undelivered()
    assert [sandbox.webhook(body, signature, START).type for _, body, signature in waiting] == [
        "payment_intent.created",
        "payment_intent.payment_failed",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
        "refund.created",
    ]
    await sandbox.delivered(waiting[0].id)
    assert [webhook.id for webhook in await sandbox.undelivered()] == [webhook.id for webhook in waiting[1:]]
    await sandbox.close()


async def test_a_webhook_that_nobody_takes_is_given_up_after_three_days(tmp_path: Path) -> None:
    clock = MovableClock(SystemClock(), frozen_at=START)
    sandbox = SandboxPayments(tmp_path / "provider.db", clock, ids(clock), SECRET)
    await opened(sandbox, key="first")
    clock.move_to(START + 3 * DAY)
    await opened(sandbox, key="second")
    assert len(await sandbox.undelivered()) == 2
    clock.move_to(START + 3 * DAY + MINUTE)
    await opened(sandbox, key="third")
    assert len(await sandbox.undelivered()) == 2
    await sandbox.close()


async def test_the_weather_decides_whether_anything_is_done_and_answered(tmp_path: Path) -> None:
    sandbox = sandbox_in(tmp_path)
    intent = await opened(sandbox)
    sandbox.weather = "down"
    for asked in (sandbox.confirm_intent(intent.id, method="pm_card_visa", key="1"), sandbox.ready()):
        with pytest.raises(ProviderDown):
            await asked
    sandbox.weather = "fine"
    assert (await sandbox.get_intent(intent.id)).status == "requires_payment_method"
    sandbox.weather = "answers_lost"
    with pytest.raises(ProviderDown):
        await sandbox.confirm_intent(intent.id, method="pm_card_visa", key="1")
    sandbox.weather = "fine"
    assert (await sandbox.get_intent(intent.id)).status == "succeeded"
    await sandbox.close()


# Cards that are kept, and hosts' accounts


async def kept(payments: Payments, method: str = "pm_card_visa") -> ProviderIntent:
    made = await payments.create_intent(EUR, capture="automatic", metadata={}, key="keep", customer="ann")
    paid = await payments.confirm_intent(made.id, method=method, key="keep it")
    return paid if paid.status == "succeeded" else await payments.confirm_intent(made.id, key="3ds")


async def another(payments: Payments, capture: str = "automatic", customer: str = "ann") -> ProviderIntent:
    return await payments.create_intent(
        EUR, capture=capture, metadata={}, key=f"again {capture} {customer}", customer=customer
    )


async def test_a_kept_card_is_charged_again_without_its_owner_and_once_per_key(payments: Payments) -> None:
    first = await kept(payments)
    assert first.method
    second = await another(payments)
    charged = [await payments.charge_again(second.id, method=first.method, key="c") for _ in range(3)]
    assert {one.status for one in charged} == {"succeeded"}
    assert (await payments.get_intent(second.id)).captured == EUR
    [card] = await payments.methods("ann")
    assert (card.id, card.brand, card.last4) == (first.method, "visa", "4242")


@pytest.mark.parametrize(
    ("method", "why"),
    [
        ("pm_card_chargeCustomerFail", "generic_decline"),
        ("pm_card_threeDSecure2Required", "authentication_required"),
    ],
)
async def test_a_card_that_wants_its_owner_or_fails_later_is_a_decline(
    payments: Payments, method: str, why: str
) -> None:
    first = await kept(payments, method)
    second = await another(payments)
    declined = await payments.charge_again(second.id, method=first.method or "", key="c")
    assert declined.status == "requires_payment_method"
    assert declined.last_error
    assert declined.last_error.decline_code == why
    assert (await payments.confirm_intent(second.id, method="pm_card_visa", key="d")).status == "succeeded"


async def test_a_card_is_kept_for_its_customer_alone_and_until_it_is_forgotten(payments: Payments) -> None:
    first = await kept(payments)
    assert first.method
    stranger = await another(payments, customer="bob")
    with pytest.raises(ProviderRefused):
        await payments.charge_again(stranger.id, method=first.method, key="c")
    assert await payments.methods("bob") == []
    assert not await payments.forget_method("bob", first.method)
    assert [await payments.forget_method("ann", first.method) for _ in range(2)] == [True, False]
    second = await another(payments)
    with pytest.raises(ProviderRefused):
        await payments.charge_again(second.id, method=first.method, key="d")
    assert (await paid(payments)).method is None


async def test_of_a_hold_a_part_may_be_captured_once_and_the_rest_is_released(payments: Payments) -> None:
    intent = await another(payments, "manual")
    await payments.confirm_intent(intent.id, method="pm_card_visa", key="hold")
    with pytest.raises(ProviderRefused):
        await payments.capture_intent(intent.id, amount=EUR + Money(1, "EUR"), key="too much")
    part = Money(2_500, "EUR")
    taken = await payments.capture_intent(intent.id, amount=part, key="part")
    assert (taken.status, taken.captured) == ("succeeded", part)
    with pytest.raises(ProviderRefused):
        await payments.capture_intent(intent.id, amount=part, key="again")
    with pytest.raises(ProviderRefused):
        await payments.refund(intent.id, part + Money(1, "EUR"), key="back")


async def test_a_host_has_one_account_which_is_paid_once_its_owner_is_known(payments: Payments) -> None:
    made = await payments.open_account("hanna", key="a")
    assert await payments.open_account("hanna", key="b") == made
    assert (made.can_be_paid, bool(made.missing)) == (False, True)
    assert (await payments.account_link(made.id, back_to="https://example.com/back")).startswith("http")
    assert (await payments.get_account(made.id)).id == made.id
    with pytest.raises(ProviderRefused):
        await payments.get_account("acct_nobody")

"""What every payment provider promises, on each adapter.

Two kinds of promises: what is asked is a request that the provider takes (`provider`: all adapters, Stripe's
judged by Stripe's own published interface), and what becomes of it (`payments`: where the other side keeps
what it is told, which stripe-mock does not). What Stripe's adapter makes of Stripe's errors is shown at the
end, on a stand-in that answers as Stripe documents it.
"""

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

from contracts.stripe_stand_in import INTENT, StandIn, declined, error, stand_in
from engines import url_of
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.adapters.payments.stripe import StripePayments
from hometrip.adapters.payments.stripe.link import API_VERSION
from hometrip.kernel.clock import DAY, HOUR, MINUTE, utc
from hometrip.kernel.ids import ids
from hometrip.kernel.money import Money
from hometrip.ports.engine import Unfit
from hometrip.ports.payments import (
    EVIDENCE_BYTES,
    MOVES,
    BadSignature,
    Card,
    ChargedCard,
    Payments,
    ProviderDown,
    ProviderIntent,
    ProviderRefused,
)

START = utc(2027, 4, 14, 9)
SECRET = b"whsec" * 6
EUR = Money(10_000, "EUR")
FILES_OF_STRIPE = "https://files.stripe.com"


def sandbox_in(folder: Path) -> SandboxPayments:
    clock = MovableClock(SystemClock(), frozen_at=START)
    return SandboxPayments(folder / "provider.db", clock, ids(clock), SECRET)


def stripe_by(url: str) -> StripePayments:
    where = f"stripe:?api={url}"
    return StripePayments(where, secret_key="sk_test_123", webhook_secrets=("whsec_other", SECRET.decode()))


ADAPTERS: dict[str, Callable[[Path], Any]] = {
    "sandbox": sandbox_in,
    "stripe": lambda _: stripe_by(url_of("stripe")),
}
# Whose other side keeps what it is told.
REMEMBERING = ["sandbox"]


@pytest.fixture(params=sorted(ADAPTERS))
async def provider(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Payments]:
    adapter = ADAPTERS[request.param](tmp_path)
    yield adapter
    await adapter.close()


@pytest.fixture(params=REMEMBERING)
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


async def test_what_was_told_of_money_that_moved_is_listed_and_taken_webhooks_too(tmp_path: Path) -> None:
    clock = MovableClock(SystemClock(), frozen_at=START)
    sandbox = SandboxPayments(tmp_path / "provider.db", clock, ids(clock), SECRET)
    intent = await paid(sandbox, "pm_card_refundFail")
    for webhook in await sandbox.undelivered():
        await sandbox.delivered(webhook.id)
    clock.move_to(START + HOUR)
    back = await sandbox.refund(intent.id, Money(400, "EUR"), key="r")
    clock.move_to(START + 2 * HOUR)
    told = await sandbox.events_since(START)
    assert [(one.type, one.object["id"]) for one in told] == [
        ("payment_intent.succeeded", intent.id),
        ("refund.failed", back.id),
    ]
    assert [one.type for one in await sandbox.events_since(START + HOUR)] == ["refund.failed"]
    clock.move_to(START + 40 * DAY)
    await opened(sandbox, key="another")
    await sandbox.cancel_intent((await opened(sandbox, key="another")).id, key="c")
    assert [one.type for one in await sandbox.events_since(START)] == ["payment_intent.canceled"]
    await sandbox.close()


async def test_what_has_changed_since_is_listed(payments: Payments) -> None:
    intent = await paid(payments)
    assert await payments.intents_since(START) == [intent]
    assert await payments.intents_since(START + timedelta(seconds=1)) == []


async def test_nothing_is_opened_for_no_money(provider: Payments) -> None:
    for wrong in (Money(0, "EUR"), Money(-1, "EUR")):
        with pytest.raises(ProviderRefused):
            await provider.create_intent(wrong, capture="automatic", metadata={}, key=str(wrong))


# Every request that there is, as one that the provider takes.


async def test_every_request_about_money_that_comes_in_is_taken(provider: Payments) -> None:
    made = await provider.create_intent(
        EUR, capture="manual", metadata={"booking_id": "b", "part": "first"}, key="i1", customer="o'ann"
    )
    assert (made.amount, made.captured.amount, bool(made.client_secret)) == (EUR, 0, True)
    assert (await provider.confirm_intent(made.id, method="pm_card_visa", key="c1")).id == made.id
    assert (await provider.get_intent(made.id)).id == made.id
    assert (await provider.capture_intent(made.id, key="c2")).id == made.id
    part = await provider.create_intent(EUR, capture="manual", metadata={}, key="i2")
    await provider.confirm_intent(part.id, method="pm_card_visa", key="c3")
    currency = (await provider.get_intent(part.id)).amount.currency
    assert (await provider.capture_intent(part.id, amount=Money(100, currency), key="c4")).id == part.id
    again = await provider.create_intent(
        EUR, capture="automatic", metadata={}, key="i3", customer="o'ann", keep=False
    )
    [card, *_] = await provider.methods("o'ann")
    assert (await provider.charge_again(again.id, method=card.id, key="c5")).id == again.id
    over = await provider.create_intent(EUR, capture="automatic", metadata={}, key="i4")
    assert (await provider.cancel_intent(over.id, key="c6")).id == over.id
    assert await provider.intents_since(START - 900 * DAY)
    await provider.events_since(START - 900 * DAY)
    await provider.ready()


async def test_every_request_about_money_that_goes_back_is_taken(provider: Payments) -> None:
    made = await provider.create_intent(EUR, capture="automatic", metadata={}, key="i1")
    await provider.confirm_intent(made.id, method="pm_card_visa", key="c1")
    currency = (await provider.get_intent(made.id)).amount.currency
    back = await provider.refund(made.id, Money(100, currency), key="r1")
    assert (back.intent_id, back.amount.amount, back.status) == (made.id, 100, "succeeded")
    assert (await provider.get_refund(back.id)).id == back.id
    for wrong in (Money(1, "XOF"), Money(0, currency), Money(-1, currency)):
        with pytest.raises(ProviderRefused):
            await provider.refund(made.id, wrong, key=f"wrong {wrong}")
    asked = await provider.create_intent(EUR, capture="automatic", metadata={}, key="i2")
    await provider.confirm_intent(asked.id, method="pm_card_createDispute", key="c2")
    [dispute, *_] = await provider.disputes_since(START - 900 * DAY)
    assert (await provider.get_dispute(dispute.id)).id == dispute.id
    evidence = {
        "uncategorized_text": "They came, stayed and left.",
        "product_description": "5 nights",
        "service_date": "2027-05-10",
        "cancellation_policy_disclosure": "flexible",
        "uncategorized_file": await provider.keep_evidence(b"%PDF-1.7 a letter", "letter.pdf", key="f1"),
    }
    assert (await provider.send_evidence(dispute.id, evidence, key="e1")).id == dispute.id


async def test_every_request_about_money_that_goes_out_is_taken(provider: Payments) -> None:
    made = await provider.create_intent(EUR, capture="automatic", metadata={}, key="i1")
    await provider.confirm_intent(made.id, method="pm_card_visa", key="c1")
    account = await provider.open_account("hanna", key="a1")
    assert (await provider.get_account(account.id)).id == account.id
    assert (await provider.account_link(account.id, back_to="https://example.com/b")).startswith("http")
    facts = {"booking_id": "b", "payout_id": "p"}
    sent = await provider.transfer(EUR, destination=account.id, metadata=facts, key="t1")
    assert (sent.amount, sent.status) == (EUR, "paid")
    assert (await provider.get_transfer(sent.id)).id == sent.id
    assert await provider.transfers_since(START - 900 * DAY)
    for wrong in (Money(0, "EUR"), Money(-5, "EUR")):
        with pytest.raises(ProviderRefused):
            await provider.transfer(wrong, destination=account.id, metadata={}, key=f"wrong {wrong}")


async def test_every_request_about_kept_cards_is_taken(provider: Payments) -> None:
    kept = await provider.keep_method("o'bob", "pm_card_visa", key="k1")
    assert (kept.brand, kept.last4) == ("visa", "4242")
    [card, *_] = await provider.methods("o'bob")
    assert await provider.forget_method("o'bob", card.id) in (True, False)


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


async def test_a_signed_webhook_is_opened(provider: Payments) -> None:
    event = provider.webhook(BODY, signed(BODY, NOW), START)
    assert (event.id, event.type, event.created) == ("evt_1", "payment_intent.succeeded", START)
    assert event.object["id"] == "pi_1"


async def test_one_right_signature_of_several_is_enough(provider: Payments) -> None:
    moment, digest = signed(BODY, NOW).split(",")
    event = provider.webhook(BODY, f"{moment},v1={'0' * 64},v0={'1' * 64},{digest}", START)
    assert event.id == "evt_1"


async def test_a_signature_is_good_for_five_minutes(provider: Payments) -> None:
    provider.webhook(BODY, signed(BODY, NOW), START + 5 * MINUTE)
    for late in (START + 5 * MINUTE + timedelta(seconds=1), START - 6 * MINUTE):
        with pytest.raises(BadSignature):
            provider.webhook(BODY, signed(BODY, NOW), late)


async def test_a_forged_webhook_is_refused(provider: Payments) -> None:
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
            provider.webhook(BODY, forged, START)
    for at in range(len(BODY)):
        changed = BODY[:at] + bytes([BODY[at] ^ (1 << at % 8)]) + BODY[at + 1 :]
        with pytest.raises(BadSignature):
            provider.webhook(changed, right, START)


async def test_a_signed_body_that_is_no_event_is_refused(provider: Payments) -> None:
    for body in (b"", b"[]", b"{}", b"\xff\xfe"):
        with pytest.raises(BadSignature):
            provider.webhook(body, signed(body, NOW), START)


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


async def test_money_comes_in_also_where_a_bank_has_taken_more_than_there_was(tmp_path: Path) -> None:
    sandbox = sandbox_in(tmp_path)
    disputed = await sandbox.confirm_intent(
        (await opened(sandbox, key="disputed")).id, method="pm_card_createDispute", key="pay"
    )
    sandbox._move(-EUR * 3, by_bank=True)
    assert disputed.status == "succeeded"
    assert (await paid(sandbox)).status == "succeeded"
    await sandbox.close()


async def test_a_sandbox_whose_disk_is_full_is_down_until_there_is_room(tmp_path: Path) -> None:
    sandbox = sandbox_in(tmp_path)
    first = await opened(sandbox)
    [[pages]] = sandbox._db.execute("PRAGMA page_count").fetchall()
    sandbox._db.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    with pytest.raises(ProviderDown):
        for at in range(500):
            await opened(sandbox, key=f"more {at}")
    assert await sandbox.get_intent(first.id) == first
    sandbox._db.execute("PRAGMA max_page_count = 1000000").fetchall()
    assert (await opened(sandbox, key=f"more {at}")).status == "requires_payment_method"
    await sandbox.close()


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
        EUR, capture=capture, metadata={}, key=f"again {capture} {customer}", customer=customer, keep=False
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


async def test_a_card_may_be_kept_by_its_token_and_charged_later(payments: Payments) -> None:
    card = await payments.keep_method("ann", "pm_card_mastercard", key="k")
    assert await payments.keep_method("ann", "pm_card_mastercard", key="k") == card
    assert await payments.methods("ann") == [card]
    later = await another(payments)
    assert (await payments.charge_again(later.id, method=card.id, key="c")).status == "succeeded"
    with pytest.raises(ProviderRefused):
        await payments.keep_method("ann", "pm_of_nobody", key="n")


async def test_an_intent_that_keeps_its_card_is_not_charged_in_its_owners_absence(payments: Payments) -> None:
    first = await kept(payments)
    keeping = await payments.create_intent(EUR, capture="automatic", metadata={}, key="keeps", customer="ann")
    with pytest.raises(ProviderRefused):
        await payments.charge_again(keeping.id, method=first.method or "", key="c")


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


async def test_a_hold_that_is_neither_captured_nor_cancelled_within_a_week_is_over(tmp_path: Path) -> None:
    clock = MovableClock(SystemClock(), frozen_at=START)
    sandbox = SandboxPayments(tmp_path / "provider.db", clock, ids(clock), SECRET)
    for name in ("left", "taken", "gone"):
        made = await sandbox.create_intent(EUR, capture="manual", metadata={"name": name}, key=name)
        await sandbox.confirm_intent(made.id, method="pm_card_visa", key=f"hold {name}")
    left, taken, gone = await sandbox.intents_since(START)
    await sandbox.capture_intent(taken.id, key="take")
    await sandbox.cancel_intent(gone.id, key="let go")
    clock.move_to(START + 7 * DAY - MINUTE)
    assert (await sandbox.get_intent(left.id)).status == "requires_capture"
    clock.move_to(START + 7 * DAY)
    with pytest.raises(ProviderRefused):
        await sandbox.capture_intent(left.id, key="too late")
    [told] = [sandbox.webhook(*one[1:], clock.now()) for one in await sandbox.undelivered()]
    assert (told.type, told.object["cancellation_reason"]) == ("payment_intent.canceled", "automatic")
    assert [event.type for event in await sandbox.events_since(clock.now())] == [told.type]
    found = {one.metadata["name"]: (one.status, one.lapsed) for one in await sandbox.intents_since(START)}
    assert found == {
        "left": ("canceled", True),
        "taken": ("succeeded", False),
        "gone": ("canceled", False),
    }
    await sandbox.close()


@pytest.mark.parametrize(
    ("reason", "lapsed"),
    [("automatic", True), ("expired", True), ("requested_by_customer", False), (None, False)],
)
async def test_a_hold_that_stripe_has_let_run_out_is_not_taken_for_one_that_was_let_go(
    stripe: StandIn, reason: str | None, *, lapsed: bool
) -> None:
    ended = INTENT | {"status": "canceled", "amount_received": 0, "cancellation_reason": reason}
    stripe.answers["GET /v1/payment_intents/pi_1"] = (200, ended)
    intent = await stripe.payments.get_intent("pi_1")
    assert (intent.status, intent.lapsed) == ("canceled", lapsed)


async def test_a_host_has_one_account_which_is_paid_once_its_owner_is_known(payments: Payments) -> None:
    made = await payments.open_account("hanna", key="a")
    assert await payments.open_account("hanna", key="b") == made
    assert (made.can_be_paid, bool(made.missing)) == (False, True)
    assert (await payments.account_link(made.id, back_to="https://example.com/back")).startswith("http")
    assert (await payments.get_account(made.id)).id == made.id
    with pytest.raises(ProviderRefused):
        await payments.get_account("acct_nobody")


async def test_hosts_who_open_an_account_in_the_same_moment_have_one_each(tmp_path: Path) -> None:
    payments, _ = waiting(tmp_path)
    owners = [f"host {number}" for number in range(20)]
    made = [await payments.open_account(owner, key=owner) for owner in owners]
    assert len({account.id for account in made}) == len(owners)
    await payments.close()


async def test_to_an_account_whose_owner_is_not_known_nothing_is_sent(tmp_path: Path) -> None:
    payments, _ = waiting(tmp_path)
    intent = await payments.create_intent(Money(5_000, "EUR"), capture="automatic", metadata={}, key="i")
    await payments.confirm_intent(intent.id, method="pm_card_visa", key="c")
    account = await payments.open_account("hanna", key="a")
    sent = {"destination": account.id, "metadata": {"payout_id": "1"}}
    with pytest.raises(ProviderRefused) as refusal:
        await payments.transfer(Money(5_000, "EUR"), key="early", **sent)  # type: ignore[arg-type]
    assert refusal.value.facts["provider_code"] == "insufficient_capabilities_for_transfer"
    await payments.account_link(account.id, back_to="https://example.com/back")
    paid = await payments.transfer(Money(5_000, "EUR"), key="late", **sent)  # type: ignore[arg-type]
    assert paid.status == "paid"
    await payments.close()


# What comes after a payment: refunds that take their time, disputes, money that comes back


def waiting(folder: Path) -> tuple[SandboxPayments, MovableClock]:
    clock = MovableClock(SystemClock(), frozen_at=START)
    return SandboxPayments(folder / "provider.db", clock, ids(clock), SECRET), clock


@pytest.mark.parametrize(
    ("method", "at_first", "after", "back"),
    [
        ("pm_card_pendingRefund", "pending", "succeeded", 400),
        ("pm_card_refundFail", "succeeded", "failed", 0),
    ],
)
async def test_a_refund_may_take_its_time_or_come_back(
    tmp_path: Path, method: str, at_first: str, after: str, back: int
) -> None:
    sandbox, clock = waiting(tmp_path)
    intent = await paid(sandbox, method)
    refund = await sandbox.refund(intent.id, Money(400, "EUR"), key="r")
    assert (refund.status, (await sandbox.get_refund(refund.id)).status) == (at_first, at_first)
    clock.move_to(START + MINUTE)
    assert (await sandbox.get_refund(refund.id)).status == after
    assert (await sandbox.get_intent(intent.id)).refunded == Money(back, "EUR")
    told = [sandbox.webhook(body, by, clock.now()).type for _, body, by in await sandbox.undelivered()]
    assert told[-1] == ("refund.failed" if after == "failed" else "refund.updated")
    await sandbox.close()


async def test_a_dispute_takes_the_money_and_evidence_decides(payments: Payments) -> None:
    for words, ends in (
        ("winning_evidence", "won"),
        ("losing_evidence", "lost"),
        ("see photos", "under_review"),
    ):
        intent = await opened(payments, key=words)
        await payments.confirm_intent(intent.id, method="pm_card_createDispute", key=f"pay {words}")
        [dispute] = [one for one in await payments.disputes_since(START) if one.intent_id == intent.id]
        assert (dispute.amount, dispute.status, dispute.withdrawn) == (EUR, "needs_response", True)
        assert (dispute.reason, bool(dispute.due_by)) == ("fraudulent", True)
        with pytest.raises(ProviderRefused):
            await payments.refund(intent.id, EUR, key=f"back {words}")
        for _ in range(2):
            told = await payments.send_evidence(dispute.id, {"uncategorized_text": words}, key=f"e {words}")
        assert (told.status, (await payments.get_dispute(dispute.id)).status) == (ends, ends)
        with pytest.raises(ProviderRefused):
            await payments.send_evidence(dispute.id, {"uncategorized_text": "more"}, key=f"more {words}")
    with pytest.raises(ProviderRefused):
        await payments.get_dispute("dp_nobody")


async def test_a_file_is_kept_once_for_a_dispute_and_no_other_is_taken(payments: Payments) -> None:
    intent = await paid(payments, "pm_card_createDispute")
    [dispute] = await payments.disputes_since(START)
    assert dispute.intent_id == intent.id
    letter = b"%PDF-1.7 a letter"
    first, again = [await payments.keep_evidence(letter, "letter.pdf", key="f") for _ in range(2)]
    assert first == again
    with pytest.raises(ProviderRefused):
        await payments.keep_evidence(b"%PDF-1.7 another", "letter.pdf", key="f")
    for wrong in (b"<html>", b"%PDF-" + bytes(EVIDENCE_BYTES)):
        with pytest.raises(ProviderRefused):
            await payments.keep_evidence(wrong, "letter.pdf", key=f"wrong {len(wrong)}")
    words = {"uncategorized_text": "They came."}
    with pytest.raises(ProviderRefused):
        await payments.send_evidence(dispute.id, words | {"uncategorized_file": "file_nobody"}, key="e1")
    told = await payments.send_evidence(dispute.id, words | {"uncategorized_file": first}, key="e2")
    assert told.status == "under_review"


async def test_a_file_goes_to_stripe_as_evidence_under_its_key(stripe: StandIn) -> None:
    stripe.answers["POST /v1/files"] = (200, {"id": "file_1", "object": "file"})
    assert await stripe.payments.keep_evidence(b"%PDF-1.7 a letter", "letter.pdf", key="f") == "file_1"
    [asked] = stripe.posts()
    assert asked.headers["Idempotency-Key"] == "f"
    assert asked.headers["Content-Type"].startswith("multipart/form-data")
    for part in ('name="purpose"', "dispute_evidence", 'filename="letter.pdf"', "%PDF-1.7 a letter"):
        assert part in asked.body
    stripe.answers["POST /v1/files"] = (400, error("file_upload_invalid"))
    with pytest.raises(ProviderRefused):
        await stripe.payments.keep_evidence(b"%PDF-1.7 a letter", "letter.pdf", key="g")
    where = StripePayments("stripe:", secret_key="sk_test_1", webhook_secrets=["whsec_1"])
    assert where._link._services().files._requestor._options.base_addresses["files"] == FILES_OF_STRIPE
    await where.close()


async def test_an_inquiry_takes_nothing_and_what_nobody_answers_is_lost(tmp_path: Path) -> None:
    sandbox, clock = waiting(tmp_path)
    for method, withdrawn, ends in (
        ("pm_card_createDisputeInquiry", False, "won"),
        ("pm_card_createDisputeProductNotReceived", True, "lost"),
    ):
        intent = await opened(sandbox, key=method)
        await sandbox.confirm_intent(intent.id, method=method, key=f"pay {method}")
        [dispute] = [one for one in await sandbox.disputes_since(START) if one.intent_id == intent.id]
        assert dispute.withdrawn == withdrawn
        clock.move_to(clock.now() + 7 * DAY)
        assert (await sandbox.get_dispute(dispute.id)).status == ends
    await sandbox.close()


async def test_a_transfer_that_came_back_has_failed(tmp_path: Path) -> None:
    sandbox = sandbox_in(tmp_path)
    await paid(sandbox)
    sent = await sandbox.transfer(EUR, destination="host", metadata={"payout_id": "p"}, key="t")
    assert [await sandbox.get_transfer(sent.id), *await sandbox.transfers_since(START)] == [sent, sent]
    for _ in range(2):
        assert (await sandbox.reverse_transfer(sent.id)).status == "failed"
    assert (await sandbox.get_transfer(sent.id)).status == "failed"
    again = await sandbox.transfer(EUR, destination="host", metadata={}, key="t2")
    assert again.status == "paid"
    await sandbox.close()


# Stripe's answers, in our words


@pytest.fixture
async def stripe() -> AsyncIterator[StandIn]:
    async with stand_in(SECRET.decode()) as started:
        yield started


async def test_each_request_names_its_key_and_the_version_that_it_is_written_for(stripe: StandIn) -> None:
    paying = stripe.payments
    stripe.answers["POST /v1/customers"] = (200, {"id": "cus_1", "object": "customer"})
    await paying.create_intent(
        EUR, capture="manual", metadata={"part": "first"}, key="intent:1", customer="ann"
    )
    await paying.confirm_intent("pi_1", method="pm_1", key="confirm:1")
    await paying.charge_again("pi_1", method="pm_1", key="charge:1")
    await paying.capture_intent("pi_1", amount=Money(50, "EUR"), key="capture:1")
    await paying.cancel_intent("pi_1", key="cancel:1")
    keys = [one.headers["Idempotency-Key"] for one in stripe.posts()]
    assert keys == ["customer:ann", "intent:1", "confirm:1", "charge:1", "capture:1", "cancel:1"]
    assert {one.headers["Stripe-Version"] for one in stripe.asked} == {API_VERSION}
    assert {one.headers["Authorization"] for one in stripe.asked} == {"Bearer sk_test_123"}
    sent = [one.fields for one in stripe.posts()]
    assert (sent[1]["customer"], sent[1]["setup_future_usage"]) == ("cus_1", "off_session")
    assert (sent[1]["capture_method"], sent[1]["allowed_payment_method_types[0]"]) == ("manual", "card")
    assert (sent[3]["off_session"], sent[4]["amount_to_capture"]) == ("true", "50")
    assert "setup_future_usage" not in sent[3]


async def test_an_intent_that_keeps_no_card_may_be_charged_in_its_owners_absence(stripe: StandIn) -> None:
    stripe.answers["POST /v1/customers"] = (200, {"id": "cus_1", "object": "customer"})
    for number in range(2):
        await stripe.payments.create_intent(
            EUR, capture="automatic", metadata={}, key=f"i{number}", customer="ann", keep=False
        )
    sent = [one.fields for one in stripe.posts() if one.path == "/v1/payment_intents"]
    assert [("setup_future_usage" in one, one["customer"]) for one in sent] == [(False, "cus_1")] * 2
    assert [one.path for one in stripe.posts()].count("/v1/customers") == 1


async def test_a_deposit_is_held_for_longer_only_where_the_account_is_said_to_be_allowed_to(
    stripe: StandIn,
) -> None:
    """Stripe refuses such a request of an account without those terms, whatever `if_available` says."""
    allowed = StripePayments(
        f"stripe:?api={stripe.payments._link.base}&holds=extended", secret_key="sk_test_1", webhook_secrets=[]
    )
    held: dict[str, Any] = {"capture": "manual", "metadata": {}, "keep": False}
    await stripe.payments.create_intent(EUR, key="i0", **held)
    await allowed.create_intent(EUR, key="i1", **held)
    await allowed.create_intent(EUR, key="i2", **held | {"keep": True})
    await allowed.create_intent(EUR, key="i3", **held | {"capture": "automatic"})
    await allowed.close()
    name = "payment_method_options[card][request_extended_authorization]"
    assert [one.fields.get(name) for one in stripe.posts()] == [None, "if_available", None, None]


async def test_stripe_knows_holds_that_last_longer() -> None:
    mock = f"stripe:?api={url_of('stripe')}&holds=extended"
    paying = StripePayments(mock, secret_key="sk_test_123", webhook_secrets=["whsec_1"])
    made = await paying.create_intent(EUR, capture="manual", metadata={}, key="i", customer="ann", keep=False)
    assert made.id
    await paying.close()


async def test_a_declined_card_is_an_answer_with_the_words_for_its_owner(stripe: StandIn) -> None:
    stripe.answers["POST /v1/payment_intents/pi_1/confirm"] = (402, declined("insufficient_funds"))
    told = await stripe.payments.confirm_intent("pi_1", method="pm_1", key="c")
    assert (told.status, told.captured) == ("requires_payment_method", Money(0, "EUR"))
    assert told.last_error
    assert (told.last_error.code, told.last_error.decline_code) == ("card_declined", "insufficient_funds")
    assert told.last_error.detail == "Your card has insufficient funds."


async def test_a_bank_that_wants_the_absent_owner_is_a_decline(stripe: StandIn) -> None:
    answer = declined("authentication_required", "authentication_required")
    stripe.answers["POST /v1/payment_intents/pi_1/confirm"] = (402, answer)
    told = await stripe.payments.charge_again("pi_1", method="pm_1", key="c")
    assert told.status == "requires_payment_method"
    assert told.last_error
    assert told.last_error.decline_code == "authentication_required"


async def test_a_bank_that_asks_first_says_what_the_browser_needs_and_nothing_else(stripe: StandIn) -> None:
    asks = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}, "inside": 1}
    waits = {**INTENT, "status": "requires_action", "amount_received": 0, "next_action": asks}
    stripe.answers["POST /v1/payment_intents/pi_1/confirm"] = (200, waits)
    told = await stripe.payments.confirm_intent("pi_1", method="pm_1", key="c")
    assert told.status == "requires_action"
    assert told.next_action == {key: asks[key] for key in ("type", "use_stripe_sdk")}
    stripe.answers["GET /v1/payment_intents/pi_1"] = (200, waits)
    assert (await stripe.payments.confirm_intent("pi_1", key="d")).status == "requires_action"
    stripe.answers["GET /v1/payment_intents/pi_1"] = (200, INTENT)
    assert (await stripe.payments.confirm_intent("pi_1", key="e")).status == "succeeded"


REFUSED = [
    (400, error("payment_intent_unexpected_state"), "payment_intent_unexpected_state"),
    (404, error("resource_missing"), "resource_missing"),
    (402, error("amount_too_large", "card_error"), "amount_too_large"),
    (400, error("", "idempotency_error"), "idempotency_key_in_use"),
    (400, {"error": {"type": "invalid_request_error"}}, "refused"),
]
DOWN = [
    (429, error("rate_limit")),
    (400, error("rate_limit")),
    (409, error("lock_timeout")),
    (409, error("idempotency_key_in_use", "idempotency_error")),
    (500, error("", "api_error")),
    (503, b"<html>busy</html>"),
    (200, b"not even JSON"),
    (401, error("")),
    (403, error("")),
    (402, {"error": "none of that shape"}),
    (200, {"id": 7}),
    (200, ["a list"]),
]


@pytest.mark.parametrize(("status", "body", "code"), REFUSED)
async def test_what_stripe_refuses_is_told_by_its_code_and_not_in_its_words(
    stripe: StandIn, status: int, body: Any, code: str
) -> None:
    stripe.answers["POST /v1/payment_intents/pi_1/capture"] = (status, body)
    with pytest.raises(ProviderRefused) as refusal:
        await stripe.payments.capture_intent("pi_1", key="c")
    assert refusal.value.facts == {"provider_code": code}
    assert "Raw words" not in refusal.value.detail


@pytest.mark.parametrize(("status", "body"), DOWN)
async def test_whatever_may_have_happened_is_no_refusal(stripe: StandIn, status: int, body: Any) -> None:
    stripe.answers["POST /v1/payment_intents/pi_1/capture"] = (status, body)
    with pytest.raises(ProviderDown) as down:
        await stripe.payments.capture_intent("pi_1", key="c")
    assert "Raw words" not in down.value.detail


async def test_nobody_there_is_told_in_time_and_forgotten_when_somebody_is(stripe: StandIn) -> None:
    nobody = StripePayments("stripe:?api=http://127.0.0.1:9", secret_key="sk_test_1", webhook_secrets=["w"])
    for asked in (nobody.ready(), nobody.get_intent("pi_1")):
        with pytest.raises(ProviderDown):
            await asked
    await nobody.close()
    stripe.slow = True
    began = asyncio.get_running_loop().time()
    with pytest.raises(ProviderDown):
        await stripe.payments.ready()
    assert asyncio.get_running_loop().time() - began < 5
    stripe.slow = False
    await stripe.payments.ready()
    assert (await stripe.payments.get_intent("pi_1")).id == "pi_1"


async def test_a_refund_that_is_not_covered_is_refused_and_sent_under_another_key(payments: Payments) -> None:
    intent = await paid(payments)
    await payments.transfer(EUR, destination="host", metadata={"payout_id": "p"}, key="t")
    with pytest.raises(ProviderRefused) as refusal:
        await payments.refund(intent.id, Money(100, "EUR"), key="r")
    assert refusal.value.facts["provider_code"] == "balance_insufficient"
    other = await opened(payments, key="other")
    await payments.confirm_intent(other.id, method="pm_card_visa", key="pay other")
    back = await payments.refund(intent.id, Money(100, "EUR"), key="r:1")
    assert (back.status, (await payments.get_intent(intent.id)).refunded) == ("succeeded", Money(100, "EUR"))


async def test_stripe_says_that_a_refund_is_not_covered_and_is_asked_under_the_next_key(
    stripe: StandIn,
) -> None:
    """For a day it would answer the same key the same."""
    stripe.answers["POST /v1/refunds"] = (400, error("balance_insufficient"))
    for key in ("refund:7", "refund:7:1"):
        with pytest.raises(ProviderRefused) as refusal:
            await stripe.payments.refund("pi_1", Money(500, "EUR"), key=key)
        assert refusal.value.facts["provider_code"] == "balance_insufficient"
    asked = [one for one in stripe.posts() if one.path == "/v1/refunds"]
    assert [one.headers["Idempotency-Key"] for one in asked] == ["refund:7", "refund:7:1"]


@pytest.mark.parametrize("capture", ["automatic", "manual"])
async def test_the_card_that_paid_is_told_and_no_other(payments: Payments, capture: str) -> None:
    intent = await opened(payments, capture)
    declined = await payments.confirm_intent(intent.id, method="pm_card_chargeDeclined", key="declined")
    asks = await payments.confirm_intent(intent.id, method="pm_card_threeDSecure2Required", key="asks")
    assert (intent.card, declined.card, asks.card) == (None, None, None)
    paid = await payments.confirm_intent(intent.id, method="pm_card_mastercard", key="pays")
    assert paid.card == ChargedCard("mastercard", "4444")
    if capture == "manual":
        assert (await payments.capture_intent(intent.id, key="capture")).card == paid.card
    assert (await payments.get_intent(intent.id)).card == paid.card


@pytest.mark.parametrize(
    ("details", "told"),
    [
        ({"type": "card", "card": {"brand": "amex", "last4": "0005"}}, ChargedCard("amex", "0005")),
        ({"type": "card", "card": {"brand": None, "last4": "0005"}}, ChargedCard("unknown", "0005")),
        ({"type": "card", "card": {"brand": "amex", "last4": None}}, None),
        ({"type": "sepa_debit", "sepa_debit": {"last4": "3000"}}, None),
        (None, None),
    ],
)
async def test_stripe_tells_the_card_of_a_charge_where_it_was_one(
    stripe: StandIn, details: dict[str, Any] | None, told: ChargedCard | None
) -> None:
    charge = {**INTENT["latest_charge"], "payment_method_details": details}
    for status, card in (("succeeded", told), ("requires_capture", told), ("requires_payment_method", None)):
        answer = {**INTENT, "status": status, "latest_charge": charge}
        stripe.answers["GET /v1/payment_intents/pi_1"] = (200, answer)
        assert (await stripe.payments.get_intent("pi_1")).card == card


# What Stripe counts as ISO 4217 does, and what it does not (docs.stripe.com/currencies).
COUNTED = [
    (Money(12_345, "EUR"), 12_345),
    (Money(5_000, "JPY"), 5_000),
    (Money(27_650, "KWD"), 27_650),
    (Money(5_000, "ISK"), 500_000),
    (Money(5_000, "UGX"), 500_000),
    (Money(500_000, "MGA"), 5_000),
]


@pytest.mark.parametrize(("amount", "units"), COUNTED)
async def test_amounts_go_to_stripe_and_come_back_as_it_counts_them(
    stripe: StandIn, amount: Money, units: int
) -> None:
    small = amount.currency.lower()
    intent = {**INTENT, "amount": units, "amount_received": units, "currency": small}
    intent["latest_charge"] = {"id": "ch_1", "object": "charge", "amount_refunded": units}
    moved = {"id": "x_1", "amount": units, "currency": small, "status": "succeeded", "reason": "general"}
    stripe.answers["POST /v1/payment_intents"] = 200, intent
    stripe.answers["GET /v1/payment_intents/pi_1"] = 200, intent
    stripe.answers["POST /v1/payment_intents/pi_1/capture"] = 200, intent
    stripe.answers["POST /v1/refunds"] = stripe.answers["POST /v1/transfers"] = 200, moved
    stripe.answers["GET /v1/disputes/dp_1"] = 200, moved | {"status": "lost"}
    payments = stripe.payments
    made = await payments.create_intent(amount, capture="manual", metadata={}, key="i")
    assert (made.amount, made.captured, made.refunded) == (amount, amount, amount)
    await payments.capture_intent("pi_1", amount=amount, key="c")
    assert (await payments.refund("pi_1", amount, key="r")).amount == amount
    sent = await payments.transfer(amount, destination="acct_1", metadata={}, key="t")
    assert sent.amount == amount
    assert (await payments.get_dispute("dp_1")).amount == amount
    asked = [one.fields.get("amount") or one.fields["amount_to_capture"] for one in stripe.posts()]
    assert asked == [str(units)] * 4


@pytest.mark.parametrize("amount", [Money(27_657, "KWD"), Money(500_050, "MGA")])
async def test_of_an_amount_that_no_card_can_be_charged_the_steps_are_told(
    stripe: StandIn, amount: Money
) -> None:
    with pytest.raises(ProviderRefused) as refusal:
        await stripe.payments.create_intent(amount, capture="automatic", metadata={}, key="i")
    assert refusal.value.facts == {"provider_code": "amount_between_steps"}
    assert str(amount) in refusal.value.detail
    assert not stripe.posts()


async def test_no_card_number_goes_to_stripe(stripe: StandIn) -> None:
    with pytest.raises(ProviderRefused):
        await stripe.payments.confirm_intent("pi_1", card=Card("4242424242424242", 12, 2030, "123"), key="c")
    assert stripe.asked == []


async def test_what_moved_money_out_is_found_by_its_key_when_stripe_has_forgotten_it(stripe: StandIn) -> None:
    def sent(name: str, **fields: Any) -> dict[str, Any]:
        record = {"id": f"{name}_1", "object": name, "amount": 500, "currency": "eur", **fields}
        return {"object": "list", "has_more": False, "data": [record]}

    stripe.answers["GET /v1/refunds"] = (
        200,
        sent("refund", payment_intent="pi_1", status="succeeded", metadata={"hometrip_key": "refund:7"}),
    )
    stripe.answers["GET /v1/transfers"] = (200, sent("transfer", metadata={"hometrip_key": "payout:7"}))
    assert (await stripe.payments.refund("pi_1", Money(500, "EUR"), key="refund:7")).id == "refund_1"
    found = await stripe.payments.transfer(
        Money(500, "EUR"), destination="acct_1", metadata={}, key="payout:7"
    )
    assert (found.id, found.metadata) == ("transfer_1", {})
    assert stripe.posts() == []


async def test_a_transfer_waits_until_what_came_in_has_settled(stripe: StandIn) -> None:
    stripe.answers["POST /v1/transfers"] = (400, error("balance_insufficient"))
    balance = {"object": "balance", "available": [], "pending": [{"amount": 500, "currency": "eur"}]}
    stripe.answers["GET /v1/balance"] = (200, balance)
    sending = {"destination": "acct_1", "metadata": {}}
    waits = await stripe.payments.transfer(Money(500, "EUR"), **sending, key="p:1")  # type: ignore[arg-type]
    assert (waits.id, waits.status) == ("", "waits")
    with pytest.raises(ProviderRefused) as refusal:
        await stripe.payments.transfer(Money(501, "EUR"), **sending, key="p:2")  # type: ignore[arg-type]
    assert refusal.value.facts["provider_code"] == "balance_insufficient"
    with pytest.raises(ProviderRefused) as refusal:
        await stripe.payments.transfer(Money(1, "EUR"), destination="a host", metadata={}, key="p:3")
    assert refusal.value.facts["provider_code"] == "account_missing"


@pytest.mark.parametrize(
    ("status", "moved", "told", "withdrawn"),
    [
        ("needs_response", [-10_000], "needs_response", True),
        ("warning_needs_response", [], "needs_response", False),
        ("warning_closed", [], "won", False),
        ("under_review", [-10_000], "under_review", True),
        ("won", [-10_000, 10_000], "won", True),
        ("lost", [], "lost", True),
        ("a state of tomorrow", [-1], "needs_response", True),
    ],
)
async def test_a_dispute_is_told_by_what_it_took(
    stripe: StandIn, status: str, moved: list[int], told: str, withdrawn: bool
) -> None:
    stripe.answers["GET /v1/disputes/dp_1"] = (
        200,
        {
            "id": "dp_1",
            "object": "dispute",
            "amount": 10_000,
            "currency": "eur",
            "status": status,
            "reason": "fraudulent",
            "payment_intent": "pi_1",
            "balance_transactions": [{"amount": amount} for amount in moved],
            "evidence_details": {"due_by": None},
        },
    )
    dispute = await stripe.payments.get_dispute("dp_1")
    assert (dispute.status, dispute.withdrawn) == (told, withdrawn)


async def test_a_host_is_paid_once_stripe_knows_enough(stripe: StandIn) -> None:
    account = {"id": "acct_1", "object": "account", "payouts_enabled": True}
    for capability, due, can in (("active", [], True), ("inactive", ["individual.dob"], False)):
        stripe.answers["GET /v1/accounts/acct_1"] = (
            200,
            account | {"capabilities": {"transfers": capability}, "requirements": {"currently_due": due}},
        )
        told = await stripe.payments.get_account("acct_1")
        assert (told.can_be_paid, told.missing) == (can, due)


async def test_a_long_list_is_read_to_its_end(stripe: StandIn) -> None:
    stripe.answers["GET /v1/payment_intents"] = [
        (200, {"object": "list", "has_more": True, "data": [INTENT | {"id": "pi_2"}]}),
        (200, {"object": "list", "has_more": False, "data": [INTENT]}),
    ]
    assert [one.id for one in await stripe.payments.intents_since(START - 900 * DAY)] == ["pi_2", "pi_1"]
    assert stripe.asked[-1].fields["starting_after"] == "pi_2"


async def test_what_stripe_has_told_is_asked_for_and_comes_in_its_order(stripe: StandIn) -> None:
    def event(number: int, kind: str) -> dict[str, Any]:
        about = {"id": f"dp_{number}", "object": "dispute", "payment_intent": "pi_1"}
        created = int((START + number * MINUTE).timestamp())
        return {"id": f"evt_{number}", "type": kind, "created": created, "data": {"object": about}}

    newest_first = [
        event(3, "charge.dispute.closed"),
        event(2, "charge.updated"),
        event(1, "charge.dispute.created"),
    ]
    stripe.answers["GET /v1/events"] = (200, {"object": "list", "has_more": False, "data": newest_first})
    told = await stripe.payments.events_since(START)
    assert [(one.id, one.created, one.object["payment_intent"]) for one in told] == [
        ("evt_1", START + MINUTE, "pi_1"),
        ("evt_3", START + 3 * MINUTE, "pi_1"),
    ]
    asked = stripe.asked[-1].fields
    assert asked["created[gte]"] == str(int(START.timestamp()))
    assert sorted(value for name, value in asked.items() if name.startswith("types")) == sorted(MOVES)


@pytest.mark.parametrize(
    ("where", "key", "said"),
    [
        ("stripe:", "pk_test_1", "no secret key"),
        ("stripe:?api=ftp://127.0.0.1", "sk_test_1", "no address"),
        ("stripe:?api=https://example.com", "sk_live_1", "a live key is for Stripe alone"),
        ("stripe:?api=http://example.com", "sk_test_1", "in the open"),
        ("stripe:?holds=longer", "sk_test_1", "holds=longer is not known"),
        ("stripe:?api=http://127.0.0.1:9", "sk_test_1", "did not answer"),
    ],
)
async def test_keys_and_addresses_that_do_not_go_together_are_found_before_they_are_used(
    where: str, key: str, said: str
) -> None:
    adapter = StripePayments(where, secret_key=key, webhook_secrets=["whsec_1"])
    with pytest.raises(Unfit, match=said) as unfit:
        await adapter.open()
    assert key not in unfit.value.detail
    await adapter.close()


async def test_an_account_that_may_not_take_real_money_is_found(stripe: StandIn) -> None:
    account = {"id": "acct_1", "object": "account", "charges_enabled": False}
    stripe.answers["GET /v1/account"] = (200, account)
    await stripe.payments.open()  # in test mode nobody needs to be activated
    assert all(finding.fine for finding in await stripe.payments.examine())


async def test_the_library_is_of_the_version_that_is_pinned() -> None:
    from stripe._api_version import _ApiVersion

    assert _ApiVersion.CURRENT == API_VERSION

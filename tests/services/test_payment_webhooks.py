"""Webhooks (T5): repeated, in all orders, late, forged, one bit changed, too old, written anew.

What is compared is the end: the states, and the journal line by line. A tenth runs always; the whole of it by
`make prove`, with its figure and seed.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest

from figures import Figure
from harness import TestHouse
from hometrip.adapters.payments.sandbox import Webhook
from hometrip.adapters.payments.sandbox.signature import sign
from hometrip.adapters.payments.stripe import StripePayments
from hometrip.kernel.clock import DAY, MINUTE
from hometrip.kernel.page import MOST
from hometrip.ports.payments import BadSignature, Payments
from hometrip.services.payment import actions, store
from journeys.steps import problem
from rules.oracle_hunt import size
from services.payment_scene import CHECK_IN_AT, HOST, START, SUPPORT, Till, eur, till_in

SECRET = b"s" * 32  # of the scene's sandbox
WHOLE = 200
PAYS = (
    "pm_card_visa",
    "pm_card_mastercard",
    "pm_card_createDispute",
    "pm_card_createDisputeInquiry",
    "pm_card_pendingRefund",
    "pm_card_refundFail",
)
# What may come before a card pays.
BEFORE: tuple[tuple[str | None, ...], ...] = (
    (),
    ("pm_card_visa_chargeDeclined",),
    ("pm_card_threeDSecureRequiredChargeDeclined", None),
)


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_in(tmp_path) as opened:
        yield opened


# Orders: the same story, told in order and once, or in any order and many times


class Post:
    """Carries webhooks: in order and once, or by chance: shuffled, repeated, some long after, at once."""

    def __init__(self, till: Till, chance: Random | None) -> None:
        self.till, self.chance = till, chance
        self._old: list[bytes] = []

    async def bring(self) -> None:
        """Everything that waits arrives, however often; what came long ago may come again."""
        waiting = await self.till.provider.undelivered()
        bodies = [webhook.body for webhook in waiting]
        if self.chance is None:
            for body in bodies:
                await self._hear(body)
                await self.till.settle()
        else:
            some = self.chance.sample(self._old, min(3, len(self._old)))
            sent = (bodies + some) * self.chance.choice((1, 2, 3))
            self.chance.shuffle(sent)
            cut = self.chance.randrange(len(sent) + 1)
            for body in sent[:cut]:
                await self._hear(body)
                if self.chance.random() < 0.3:
                    await self.till.settle()
            await asyncio.gather(*(self._hear(body) for body in sent[cut:]))
        await self.till.settle()
        self._old += bodies
        for webhook in waiting:
            await self.till.provider.delivered(webhook.id)

    async def _hear(self, body: bytes) -> None:
        await actions.hear(self.till.deps, body, sign(body, SECRET, self.till.clock.now()))


class Plot(msgspec.Struct, frozen=True):
    """What happens at the provider and here, whatever the post does: for each payment how it is paid, what
    staff give back of it, and how a bank decides; and whether the first pay-out comes back."""

    payments: list[tuple[tuple[str | None, ...], str, int, str]]
    returned: bool


def plot_of(chance: Random) -> Plot:
    return Plot(
        payments=[
            (
                chance.choice(BEFORE),
                chance.choice(PAYS),
                chance.choice((0, 0, 1, 999, 20_000, 68_500)),
                chance.choice(("won", "lost", "nobody answers")),
            )
            for _ in range(chance.randint(1, 3))
        ],
        returned=chance.random() < 0.5,
    )


async def told(folder: Path, plot: Plot, chance: Random | None) -> list[Any]:
    """The plot, lived; how everything stands in the end."""
    async with till_in(folder) as till:
        post = Post(till, chance)
        paid = [
            await _pay(till, before, pays, number)
            for number, (before, pays, _, _) in enumerate(plot.payments)
        ]
        await post.bring()
        for intent in paid:
            await till.confirmed(intent.booking_id)
        await _give_back(till, plot, paid)
        await post.bring()
        await till.advance(2 * MINUTE)
        await _decide(till, plot, paid)
        await post.bring()
        await till.advance(CHECK_IN_AT + DAY - till.clock.now())
        await post.bring()
        if plot.returned:
            await _return_one(till, paid)
        await post.bring()
        await till.advance(3 * DAY)
        await post.bring()
        assert await actions.verify(till.deps) == []
        return [await _stands(till, intent.booking_id) for intent in paid]


async def _pay(till: Till, before: tuple[str | None, ...], pays: str, number: int) -> actions.Intent:
    """In the browser, at the provider: nothing of it is known here before a webhook comes."""
    intent = await till.open()
    provider_id = (await till.row(intent.id)).provider_id
    for step, method in enumerate((*before, pays)):
        await till.provider.confirm_intent(provider_id, method=method, key=f"browser {number} {step}")
    return intent


async def _give_back(till: Till, plot: Plot, paid: list[actions.Intent]) -> None:
    for intent, (_, _, amount, _) in zip(paid, plot.payments, strict=True):
        left = (await till.row(intent.id)).left
        if part := min(amount, left.amount):
            await actions.refund(till.deps, SUPPORT, intent.id, eur(part), "as the plot has it")
    await till.settle()


async def _decide(till: Till, plot: Plot, paid: list[actions.Intent]) -> None:
    disputes = {one.intent_id: one for one in await till.provider.disputes_since(START)}
    for intent, (_, _, _, decision) in zip(paid, plot.payments, strict=True):
        dispute = disputes.get((await till.row(intent.id)).provider_id)
        if dispute is not None and decision != "nobody answers":
            await till.provider.decide_dispute(dispute.id, decision)


async def _return_one(till: Till, paid: list[actions.Intent]) -> None:
    """The least transfer comes back; of equal ones, that of the booking that was paid first."""
    async with till.deps.db.read() as db:
        payouts = [one for intent in paid for one in await store.payouts_of(db, intent.booking_id)]
    places = {payout.provider_id: place for place, payout in enumerate(payouts)}
    sent = await till.provider.transfers_since(START)
    if sent:
        least = min(sent, key=lambda one: (one.amount, places.get(one.id, len(places))))
        await till.provider.reverse_transfer(least.id)


async def _stands(till: Till, booking_id: UUID) -> Any:
    """A booking's money, without what is by chance: ids and moments."""
    async with till.deps.db.read() as db:
        payments = await store.payments_of(db, booking_id)
        payouts = await store.payouts_of(db, booking_id)
        refunds = [one for each in payments for one in await store.refunds_of(db, each.id)]
        disputes = [one for one in await store.every_chargeback(db) if one.booking_id == booking_id]
    ledger = (await actions.ledger(till.deps, booking_id, MOST, None)).items
    told = Counter(event.name for event in till.told if getattr(event, "booking_id", None) == booking_id)
    return {
        "payments": [(one.status, one.captured, one.promised_back, one.disputed) for one in payments],
        "refunds": [(one.status, one.amount) for one in refunds],
        "payouts": [(one.status, one.amount) for one in payouts],
        "disputes": [(one.status, one.amount, one.withdrawn) for one in disputes],
        "journal": sorted(
            (
                entry.kind,
                [(line.account.replace(str(HOST.id), "host"), line.amount) for line in entry.postings],
            )
            for entry in ledger
        ),
        # Whether a decline was ever heard of depends on when one looked.
        "told": {name: many for name, many in told.items() if name not in HEARD_BY_CHANCE},
    }


HEARD_BY_CHANCE = ("payment.failed", "payment.action_required")


async def any_order_ends_alike(folder: Path, seed: int) -> None:
    plot = plot_of(Random(seed))
    in_order = await told(folder / f"{seed} in order", plot, None)
    by_chance = await told(folder / f"{seed} by chance", plot, Random(seed + 1))
    sent = [_sent(stands) for stands in (in_order, by_chance)]
    assert by_chance == in_order, f"HOMETRIP_TEST_SEED={seed} {plot}"
    assert sent[0] == sent[1], f"HOMETRIP_TEST_SEED={seed} {plot}"


def _sent(stands: list[Any]) -> Counter[Any]:
    """What became of all pay-outs. Where the provider has not the money for each, it is by chance which have
    it and which wait: that is no longer told of each booking then."""
    payouts = [each["payouts"] for each in stands]
    if any(status == "initiated" for some in payouts for status, _ in some):
        for each in stands:
            each["payouts"] = [amount for _, amount in each["payouts"]]
            each["told"].pop("host.payout.completed", None)
    return Counter(payout for some in payouts for payout in some)


@pytest.mark.parametrize("seed", range(WHOLE // 20))
async def test_whatever_the_order_and_however_often_the_end_is_the_same(tmp_path: Path, seed: int) -> None:
    await any_order_ends_alike(tmp_path, seed)


@pytest.mark.full
@pytest.mark.timeout(3600)
async def test_whatever_the_order_and_however_often_the_whole(tmp_path: Path, figure: Figure) -> None:
    count, seed = size(WHOLE)
    for number in range(count):
        await any_order_ends_alike(tmp_path, seed + number)
    figure(f"T5: webhooks in any order: {count:,} plots, one end each", seed)


async def test_a_hundred_at_once_have_their_effect_once(till: Till) -> None:
    intent = await till.open()
    provider_id = (await till.row(intent.id)).provider_id
    await till.provider.confirm_intent(provider_id, method="pm_card_createDispute", key="in the browser")
    waiting = await till.provider.undelivered()
    heard = [webhook for webhook in waiting for _ in range(100)]
    Random(5).shuffle(heard)
    await asyncio.gather(*(actions.hear(till.deps, one.body, one.signature) for one in heard))
    await till.settle()
    assert Counter(till.names()) == {
        "payment.intent.created": 1,
        "payment.succeeded": 1,
        "payment.disputed": 1,
    }
    ledger = (await actions.ledger(till.deps, intent.booking_id, MOST, None)).items
    assert [entry.kind for entry in ledger] == ["capture", "disputed"]


# Forgeries, as both providers sign


def stripe_with(secret: bytes) -> StripePayments:
    return StripePayments("stripe:", secret_key="sk_test_1", webhook_secrets=[secret.decode()])


@pytest.fixture(params=["sandbox", "stripe"])
async def heard(request: pytest.FixtureRequest, till: Till) -> AsyncIterator[tuple[Till, Webhook, Payments]]:
    """A till that hears as the sandbox or as Stripe does, and a webhook that is right."""
    intent = await till.open()
    provider_id = (await till.row(intent.id)).provider_id
    await till.provider.confirm_intent(provider_id, method="pm_card_visa", key="in the browser")
    webhook = (await till.provider.undelivered())[-1]
    hearing: Payments = till.provider if request.param == "sandbox" else stripe_with(SECRET)
    real = till.deps
    till.deps = dataclasses.replace(real, payments=hearing)
    yield till, webhook, hearing
    if isinstance(hearing, StripePayments):
        await hearing.close()
    till.deps = real


def forgeries(webhook: Webhook, chance: Random, now: Any) -> list[tuple[bytes, str]]:
    _, body, signature = webhook
    moment, digest = signature.split(",")
    read = msgspec.json.decode(body)
    changed = [
        msgspec.json.format(body, indent=1),
        msgspec.json.encode(dict(reversed(read.items()))),
        msgspec.json.encode(read | {"livemode": True}),
        body + b"\n",
        b" " + body,
        body[:-1],
        b"",
        b"not even JSON",
        b"\xff" * 10,
        body * 2,
    ]
    headers = [
        "",
        " ",
        moment,
        digest,
        f"{moment}1,{digest}",
        f"t=0{moment[2:]},{digest}",
        f"t={int(moment[2:]) - 1},{digest}",
        f"{moment},{moment},{digest}",
        f"{moment},v1={'0' * 64}",
        f"{moment},v0={digest[3:]}",
        f"{moment},v1={digest[3:].upper()}",
        f"{moment},v1={digest[3:-1]}",
        f"{moment},v1=é",
        f"{moment},v1={digest[3:]}=",
        f"t=１２３,{digest}",
        f"t=-1,{digest}",
        f"t={'9' * 5_000},{digest}",
        f"{moment};{digest}",
        sign(body, b"another secret", now),
    ]
    headers += [f"{moment},v1={_one_bit(digest[3:], at, chance)}" for at in range(64)]
    return [(each, signature) for each in changed] + [(body, each) for each in headers]


def _one_bit(text: str, at: int, chance: Random) -> str:
    other = chr(ord(text[at]) ^ (1 << chance.randrange(4)))
    return text[:at] + other + text[at + 1 :]


async def test_every_forgery_is_refused_and_what_is_right_is_not(
    heard: tuple[Till, Webhook, Payments],
) -> None:
    till, webhook, _ = heard
    for body, header in forgeries(webhook, Random(1), till.clock.now()):
        with pytest.raises(BadSignature):
            await actions.hear(till.deps, body, header)
    assert await till.deps.db.next_due() is None  # nothing was so much as planned
    await actions.hear(till.deps, webhook.body, webhook.signature)
    assert await till.deps.db.next_due() is not None


async def _every_bit(heard: tuple[Till, Webhook, Payments], step: int, first: int = 0) -> int:
    till, webhook, hearing = heard
    bits = range(first, len(webhook.body) * 8, step)
    for bit in bits:
        at, mask = bit // 8, 1 << bit % 8
        body = webhook.body[:at] + bytes([webhook.body[at] ^ mask]) + webhook.body[at + 1 :]
        with pytest.raises(BadSignature):
            hearing.webhook(body, webhook.signature, till.clock.now())
    return len(bits)


async def test_no_bit_of_the_body_may_change(heard: tuple[Till, Webhook, Payments]) -> None:
    assert await _every_bit(heard, 10) > 100


@pytest.mark.full
async def test_no_bit_of_the_body_may_change_the_whole(
    heard: tuple[Till, Webhook, Payments], figure: Figure
) -> None:
    count = await _every_bit(heard, 1)
    figure(f"T5: one bit changed: {count:,} bodies, all refused by {type(heard[2]).__name__}")


async def test_a_signature_is_good_for_five_minutes_to_either_side(
    heard: tuple[Till, Webhook, Payments],
) -> None:
    till, webhook, hearing = heard
    second = MINUTE / 60
    for seconds in (-86_400, -301, 301, 86_400):
        with pytest.raises(BadSignature):
            hearing.webhook(webhook.body, webhook.signature, till.clock.now() + seconds * second)
    for seconds in (-300, 0, 300):
        hearing.webhook(webhook.body, webhook.signature, till.clock.now() + seconds * second)


async def test_a_secret_that_is_being_replaced_is_good_beside_the_new_one(till: Till) -> None:
    both = StripePayments("stripe:", secret_key="sk_test_1", webhook_secrets=["whsec_new", SECRET.decode()])
    await till.open()
    [webhook] = await till.provider.undelivered()
    assert both.webhook(webhook.body, webhook.signature, till.clock.now()).type == "payment_intent.created"
    with pytest.raises(BadSignature):
        stripe_with(b"whsec_new").webhook(webhook.body, webhook.signature, till.clock.now())
    await both.close()


async def test_at_the_door_nothing_is_read_before_it_is_known_to_be_signed(house: TestHouse) -> None:
    path = "/api/webhook/stripe"
    for body, kind in (
        (b"{not json", "application/json"),
        (b"<xml/>", "application/xml"),
        (b"\xff\xfe", "text/plain"),
        (b"", "application/json"),
    ):
        for header in ({}, {"Stripe-Signature": "t=1,v1=0"}):
            headers = {"Content-Type": kind, **header}
            problem(await house.client.post(path, content=body, headers=headers), 400, "bad_signature")

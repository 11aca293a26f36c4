"""Whatever befalls the money of stays, in whatever order, against the real database: what must hold after
each step, and what once all is decided and sent."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hometrip.adapters.payments.sandbox.cards import BY_TOKEN
from hometrip.kernel.clock import DAY
from hometrip.kernel.money import Money, total, zero
from hometrip.services.booking import rules as booking
from hometrip.services.booking.contract import BookingRefunded, DisputeOpened, DisputeResolved
from hometrip.services.listing.contract import Split
from hometrip.services.payment import actions, rules, store
from services.payment_scene import (
    GUEST,
    HALF_PLAN,
    HOST,
    SPLIT,
    START,
    SUPPORT,
    TOTAL,
    Till,
    eur,
    hear_all,
    till_in,
)

pytestmark = pytest.mark.slow

ACCOUNT = rules.host_payable(HOST.id)

CUSHION = Split(payout=eur(0), platform=eur(5_000_000), taxes={})

stays, parts = st.integers(0, 1), st.integers(1, 1_000)
moves = st.one_of(
    st.tuples(st.sampled_from("refund host_gives dispute".split()), stays, st.integers(0, 1), parts),
    st.tuples(st.sampled_from("cancel host_cancels resolve".split()), stays, parts),
    st.tuples(st.just("quarrel"), stays),
    st.tuples(st.just("decide"), st.integers(0, 5), st.sampled_from(["won", "lost"])),
    st.tuples(st.just("wait"), st.sampled_from([1, 15, 30, 300])),
)


class Stay:
    """A stay as booking knows it: whose its money is, and whether it was cancelled or is disputed."""

    def __init__(self, booking_id: UUID, balance: Money | None = None) -> None:
        self.id, self.balance, self.status = booking_id, balance, "confirmed"
        self.total, self.split, self.kept = TOTAL, SPLIT, cast("Split | None", None)
        self.quarrel: UUID | None = None

    @property
    def left(self) -> Money:
        if self.kept is not None:
            return rules.total_of(self.kept)
        return self.total if self.balance is None else self.total - self.balance

    @property
    def shares(self) -> Split:
        return booking.lines.shares_now(cast(Any, self))


class Machine:
    """The moves: a stay that was paid at once and one in two halves."""

    def __init__(self, till: Till, paid: list[Stay]) -> None:
        self.till, self.stays, self.heard = till, paid, 0

    async def refund(self, which: int, half: int, part: int) -> None:
        """By staff, of one of its payments."""
        one = await self.payment(which, half)
        if one.left:
            back = Money(max(1, one.left.amount * part // 1_000), "EUR")
            await actions.refund(self.till.deps, SUPPORT, one.id, back, "noise")
            await self.till.settle()

    async def host_gives(self, which: int, _: int, part: int) -> None:
        stay = self.stays[which]
        most = min(stay.shares.payout, stay.left).amount
        if most <= 0:
            return
        gives = eur(max(1, most * part // 1_000))
        stay.kept = booking.disputes.less(stay.shares, gives, from_platform=False)
        facts = {"booking_id": stay.id, "booking": self.till.facts(stay.id), "why": "The pool was closed."}
        await self.till.hear(BookingRefunded(**facts, refund_id=uuid4(), refund=gives, kept=stay.kept))

    async def dispute(self, which: int, half: int, part: int) -> None:
        """A bank asks for a payment, or a part of it, once."""
        one = await self.payment(which, half)
        asked = {one.intent_id for one in await self.till.provider.disputes_since(START)}
        if one.provider_id in asked:
            return
        amount = one.captured if part > 500 else eur(one.captured.amount * part // 500)
        intent = await self.till.provider.get_intent(one.provider_id)
        self.till.provider._dispute(intent, BY_TOKEN["pm_card_createDispute"], amount)
        await hear_all(self.till)

    async def decide(self, which: int, status: str) -> None:
        open_ones = [
            one for one in await self.till.provider.disputes_since(START) if one.status not in ("won", "lost")
        ]
        if open_ones:
            await self.till.provider.decide_dispute(open_ones[which % len(open_ones)].id, status)
            await hear_all(self.till)

    async def cancel(self, which: int, part: int) -> None:
        await self._cancel(self.stays[which], part, by="guest")

    async def host_cancels(self, which: int, part: int) -> None:
        await self._cancel(self.stays[which], 1_000, penalty=eur(part * 20), by="host")

    async def _cancel(self, stay: Stay, part: int, **more: Any) -> None:
        if stay.status == "cancelled":
            return
        refund = Money(stay.left.amount * part // 1_000, "EUR")
        kept = booking.lines.part_of(stay.shares, stay.left - refund)
        stay.kept, stay.status, stay.balance = kept, "cancelled", None
        await self.till.cancelled(stay.id, refund, kept, **more)

    async def quarrel(self, which: int) -> None:
        stay = self.stays[which]
        if stay.quarrel is None:
            stay.quarrel = uuid4()
            facts = {"booking_id": stay.id, "booking": self.till.facts(stay.id)}
            await self.till.hear(DisputeOpened(**facts, dispute_id=stay.quarrel, by="guest", why="Cold."))

    async def resolve(self, which: int, part: int) -> None:
        """Staff settle what guest and host disagree about."""
        stay = self.stays[which]
        if stay.quarrel is None:
            return
        refund = eur(max(0, stay.left.amount) * (part - 1) // 999)
        stay.kept = booking.disputes.less(stay.shares, refund, from_platform=part % 2 == 0)
        facts = {"booking_id": stay.id, "booking": self.till.facts(stay.id)}
        told = DisputeResolved(**facts, dispute_id=stay.quarrel, refund=refund, kept=stay.kept)
        stay.quarrel = None
        await self.till.hear(told)

    async def wait(self, days: int) -> None:
        await self.till.advance(days * DAY)
        await hear_all(self.till)

    async def payment(self, which: int, half: int) -> store.Payment:
        async with self.till.deps.db.read() as db:
            found = await store.payments_of(db, self.stays[which].id)
        taken = [one for one in found if one.captured]
        return taken[half % len(taken)]

    def hear(self) -> None:
        """What booking hears of payment."""
        for event in self.till.told[self.heard :]:
            stay = next((one for one in self.stays if one.id == getattr(event, "booking_id", None)), None)
            if stay is None:
                continue
            if event.name == "payment.succeeded" and stay.balance is not None:
                before = booking.lines.part_of(SPLIT, TOTAL - stay.balance)
                stay.balance, stay.kept = None, booking.lines.kept_with(cast(Any, stay), before, SPLIT)
            elif event.name == "refund.initiated" and event.granted:
                stay.kept = booking.kept_without(cast(Any, stay), event.amount, event.kept)
            elif event.name == "refund.initiated" and event.kept is not None:
                stay.kept = stay.kept if rules.total_of(event.kept) == stay.left else event.kept
        self.heard = len(self.till.told)

    # What must hold.

    async def check(self) -> None:
        self.hear()
        async with self.till.deps.db.read() as db:
            entries, payments = await store.stories(db), await store.every_payment(db)
        for _, told in groupby(entries, key=lambda one: one.booking_id):
            assert rules.story_holds(list(told)) == []
        for one in payments:
            assert zero("EUR") <= one.left <= one.captured
        for stay in self.stays:
            await self.check_shares(stay)
        await self.check_years(entries)

    async def check_shares(self, stay: Stay) -> None:
        """No tax on what is not there."""
        async with self.till.deps.db.read() as db:
            shares = await store.shares(db, stay.id)
            paid = await store.payments_of(db, stay.id)
        left = sum(one.left.amount for one in paid)
        tax = -shares.get("tax_payable:berlin", 0)
        assert 0 <= tax <= left

    async def check_years(self, entries: list[rules.Entry]) -> None:
        """The lines of the statements lead from one to the next, and to what the books say is the host's."""
        owed, held = eur(0), eur(0)
        for year in range(START.year, self.till.clock.now().year + 1):
            for section in (await actions.statement(self.till.deps, HOST, year)).sections:
                assert (section.owed_before, section.held_before) == (owed, held)
                for name in ("earned", "penalties", "set_off", "paid_out"):
                    assert getattr(section, name) == total(
                        (getattr(one, name) for one in section.lines), "EUR"
                    )
                moved = section.earned - section.penalties - section.set_off - section.paid_out
                owed, held = section.owed_after, section.held_after
                assert owed == section.owed_before + section.held_before + moved - held
        lines = [line for one in entries for line in one.postings if line.account == ACCOUNT]
        assert owed == -total((line.amount for line in lines), "EUR")

    async def end(self, decided: str) -> None:
        """Banks and staff decide, and all that is to be sent is sent."""
        for which in (0, 1):
            await self.resolve(which, 1)
        for _ in range(6):
            await self.decide(0, decided)
        for _ in range(4):
            await self.wait(40)
        await self.check()
        assert await actions.verify(self.till.deps) == []
        papers = (await actions.invoices(self.till.deps, GUEST, 100, None)).items
        for stay in self.stays:
            books = await self.till.balances(stay.id)
            assert "guest" not in books
            assert "disputed" not in books
            assert books.get("host_payable:host", 0) >= 0
            told = await actions.taken(self.till.deps, stay.id, "EUR")
            left = told.paid - told.refunded - told.charged_back
            signs = [(1 if one.kind == "invoice" else -1, one) for one in papers if one.booking_id == stay.id]
            assert total((one.amount * sign for sign, one in signs), "EUR") == left
            taxes = sum(tax.amount * sign for sign, one in signs for tax in one.taxes.values())
            async with self.till.deps.db.read() as db:
                # What is shared anew while nothing goes back is on no paper.
                told_of = await store.balances(db, stay.id, without=("shared_anew",))
            assert taxes == -told_of.get("tax_payable:berlin", 0)
            # Of what a bank keeps for good booking does not hear.
            assert told.charged_back or stay.left == left
            assert left or not books.get("tax_payable:berlin", 0)
        assert not await self.unsettled()

    async def unsettled(self) -> list[Any]:
        """Pay-outs and refunds that wait for something."""
        payouts = (await actions.payouts(self.till.deps, HOST, 100, None)).items
        owed = (await actions.owed_refunds(self.till.deps, 100, None)).items
        return [*(one for one in payouts if one.status in ("due", "held", "initiated")), *owed]


async def opened(till: Till) -> Machine:
    await till.pay(
        hold_until=None, total=rules.total_of(CUSHION), split=CUSHION
    )  # there is money to give back
    whole, half = await till.pay(), await till.pay(**HALF_PLAN)
    for paid in (whole, half):
        await till.confirmed(paid.booking_id)
    machine = Machine(till, [Stay(whole.booking_id), Stay(half.booking_id, HALF_PLAN["due_now"])])
    machine.heard = len(till.told)
    return machine


# What is found is short already: it is not worth minutes to make it shorter.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]


sequences, decisions = st.lists(moves, min_size=3, max_size=14), st.sampled_from(["won", "lost"])


@settings(max_examples=15, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
@given(sequence=sequences, decided=decisions)
async def test_whatever_befalls_the_money_of_stays_the_books_and_papers_hold(
    sequence: list[Any], decided: str
) -> None:
    await hold(sequence, decided)


@pytest.mark.full
@pytest.mark.timeout(1_800)
@settings(max_examples=1_000, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
@given(sequence=sequences, decided=decisions)
async def test_whatever_befalls_the_money_of_many_stays_the_books_and_papers_hold(
    sequence: list[Any], decided: str
) -> None:
    await hold(sequence, decided)


async def hold(sequence: list[Any], decided: str) -> None:
    with TemporaryDirectory() as folder:
        async with till_in(Path(folder)) as till:
            machine = await opened(till)
            for verb, *args in sequence:
                await getattr(machine, verb)(*args)
                await machine.check()
            await machine.end(decided)

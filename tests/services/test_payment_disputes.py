"""Chargebacks, refunds and pay-outs that come back, accounts that change: in the journal and at the door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from harness import TestHouse
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.kernel.clock import DAY, MINUTE
from hometrip.kernel.errors import AlreadyAnswered, Forbidden, NotFound
from hometrip.kernel.once import Once
from hometrip.ports.payments import Payments, ProviderDown
from hometrip.services.booking.contract import BookingChanged, BookingRefunded, BookingUnpayable
from hometrip.services.payment import actions, rules, store
from journeys.steps import book, ok, open_home, pay, problem, stay
from services.payment_scene import (
    ADMIN,
    CHECK_IN_AT,
    DUE_AT,
    GUEST,
    HOST,
    SPLIT,
    START,
    SUPPORT,
    TOTAL,
    Till,
    eur,
    half_paid,
    hear_all,
    till_heard_out,
)

SHARES = {
    "provider_clearing": 68_500,
    "host_payable:host": -53_350,
    "platform_revenue": -8_250,
    "tax_payable:berlin": -6_900,
}
ASIDE = {"provider_clearing": 68_500, "disputed": -68_500}


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_heard_out(tmp_path) as opened:
        yield opened


async def disputed(till: Till, method: str = "pm_card_createDispute") -> tuple[actions.Intent, Any]:
    paid = await till.pay(method=method)
    await till.confirmed(paid.booking_id)
    await hear_all(till)
    [dispute] = (await actions.disputes(till.deps, None, 10, None)).items
    return paid, dispute


async def kinds(till: Till, booking_id: UUID) -> list[str]:
    return [one.kind for one in (await actions.ledger(till.deps, booking_id, 100, None)).items]


async def test_a_chargeback_sets_the_money_aside_and_holds_the_payout(till: Till) -> None:
    paid, dispute = await disputed(till)
    assert (dispute.amount, dispute.status, dispute.reason) == (TOTAL, "needs_response", "fraudulent")
    assert await till.balances(paid.booking_id) == ASIDE
    told = [event for event in till.told if event.name == "payment.disputed"]
    assert [(event.status, event.amount, event.booking_id) for event in told] == [
        ("open", TOTAL, paid.booking_id)
    ]
    with pytest.raises(rules.PayoutHeld):
        await actions.pay_out_now(till.deps, ADMIN, paid.booking_id)
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    assert "host.payout.initiated" not in till.names()


async def test_a_dispute_that_is_won_gives_each_share_back_and_the_host_is_paid(till: Till) -> None:
    paid, dispute = await disputed(till)
    answer = await actions.answer_dispute(till.deps, SUPPORT, dispute.id, "winning_evidence")
    assert (answer.status, answer.evidence) == ("won", "winning_evidence")
    assert await till.balances(paid.booking_id) == SHARES
    assert await kinds(till, paid.booking_id) == ["capture", "disputed", "dispute_won"]
    await hear_all(till)
    assert [event.status for event in till.told if event.name == "payment.disputed"] == ["open", "won"]
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    assert till.names().count("host.payout.completed") == 1
    assert (await actions.refund(till.deps, SUPPORT, paid.id, eur(100), "late")).status == "initiated"


async def test_a_dispute_that_is_lost_is_the_guests_and_nothing_is_left_to_pay_out(till: Till) -> None:
    paid, dispute = await disputed(till)
    await actions.answer_dispute(till.deps, SUPPORT, dispute.id, "losing_evidence")
    assert await till.balances(paid.booking_id) == {}
    assert await kinds(till, paid.booking_id) == ["capture", "disputed", "chargeback"]
    with pytest.raises(rules.RefundTooLarge):
        await actions.refund(till.deps, SUPPORT, paid.id, None, "once more")
    with pytest.raises(rules.NothingOwed):
        await actions.pay_out_now(till.deps, ADMIN, paid.booking_id)
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    assert "host.payout.initiated" not in till.names()


async def test_an_inquiry_moves_nothing_and_holds_the_payout_until_it_is_closed(till: Till) -> None:
    paid, dispute = await disputed(till, "pm_card_createDisputeInquiry")
    assert await till.balances(paid.booking_id) == SHARES
    with pytest.raises(rules.PayoutHeld):
        await actions.pay_out_now(till.deps, ADMIN, paid.booking_id)
    await till.advance(8 * DAY)
    await hear_all(till)
    [closed] = (await actions.disputes(till.deps, "won", 10, None)).items
    assert (closed.id, await kinds(till, paid.booking_id)) == (dispute.id, ["capture"])
    assert (await actions.pay_out_now(till.deps, ADMIN, paid.booking_id)).amount == eur(53_350)
    await till.settle()
    assert till.names()[-1] == "host.payout.completed"


async def test_what_nobody_answers_is_lost(till: Till) -> None:
    paid, _ = await disputed(till)
    await till.advance(7 * DAY)
    await hear_all(till)
    assert await till.balances(paid.booking_id) == {}


@pytest.mark.parametrize("evidence", ["winning_evidence", "losing_evidence"])
async def test_what_a_cancellation_gives_back_waits_for_the_bank(till: Till, evidence: str) -> None:
    """685.00 are with the bank when the guest cancels, with 500.00 to come back. Won, it goes back, and the
    host is paid of what is kept; lost, the guest has all of it from the bank, and nothing can be kept."""
    paid, dispute = await disputed(till)
    kept = rules.part_of(SPLIT, eur(18_500))
    await till.cancelled(paid.booking_id, eur(50_000), kept)
    assert await till.balances(paid.booking_id) == ASIDE
    await actions.answer_dispute(till.deps, SUPPORT, dispute.id, evidence)
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    names, money = till.names(), await till.balances(paid.booking_id)
    if evidence == "losing_evidence":
        assert money == {}
        assert not {"refund.initiated", "host.payout.initiated"} & {*names}
        return
    taxes, fees = kept.taxes["berlin"].amount, kept.platform.amount
    assert money == {
        "provider_clearing": taxes + fees,
        "platform_revenue": -fees,
        "tax_payable:berlin": -taxes,
    }
    assert (names.count("refund.completed"), names.count("host.payout.completed")) == (1, 1)
    [invoice, note] = (await actions.invoices(till.deps, GUEST, 20, None)).items[::-1]
    assert (note.amount, note.corrects) == (eur(50_000), [invoice.number])


async def test_what_the_bank_took_of_one_half_counts_as_given_back(till: Till) -> None:
    """Of two halves of 342.50 the bank takes the first. Of 500.00 that come back the guest has that already,
    so 157.50 go back of the second, and what is kept is what the cancellation has said."""
    method, due_now = "pm_card_createDispute", eur(34_250)
    paid = await till.pay(method=method, due_now=due_now, balance_due_at=CHECK_IN_AT - 14 * DAY)
    await till.confirmed(paid.booking_id)
    await hear_all(till)
    rest = await actions.open_intent(till.deps, GUEST, paid.booking_id)
    await actions.confirm(till.deps, GUEST, rest.id, method="pm_card_visa")
    kept = rules.part_of(SPLIT, eur(18_500))
    await till.cancelled(paid.booking_id, eur(50_000), kept)
    assert (await till.row(rest.id)).left == eur(34_250)
    [dispute] = (await actions.disputes(till.deps, None, 10, None)).items
    await actions.answer_dispute(till.deps, SUPPORT, dispute.id, "losing_evidence")
    await till.settle()
    assert (await till.row(rest.id)).left == eur(18_500)
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 18_500,
        "host_payable:host": -kept.payout.amount,
        "platform_revenue": -kept.platform.amount,
        "tax_payable:berlin": -kept.taxes["berlin"].amount,
    }


@pytest.mark.parametrize("evidence", ["winning_evidence", "losing_evidence"])
async def test_a_refund_that_meets_a_dispute_not_heard_of_waits_for_the_bank(
    till: Till, evidence: str
) -> None:
    """All of it is to go back, and the provider refuses: a bank has it, of which no webhook has told yet."""
    paid = await till.pay(method="pm_card_createDispute")
    await till.confirmed(paid.booking_id)
    await till.cancelled(paid.booking_id, TOTAL, rules.nothing_kept("EUR"))
    assert await till.balances(paid.booking_id) == {"provider_clearing": 68_500, "guest": -68_500}
    await hear_all(till)
    assert await till.balances(paid.booking_id) == ASIDE
    [dispute] = (await actions.disputes(till.deps, None, 10, None)).items
    await actions.answer_dispute(till.deps, SUPPORT, dispute.id, evidence)
    await till.advance(DAY)
    assert await till.balances(paid.booking_id) == {}
    won = evidence == "winning_evidence"
    assert till.names().count("refund.completed" if won else "refund.failed") == 1
    assert till.names().count("refund.failed" if won else "refund.completed") == 0
    await till.advance(30 * DAY)
    assert await till.balances(paid.booking_id) == {}


async def test_a_cancellation_after_a_lost_dispute_gives_and_keeps_nothing(till: Till) -> None:
    paid, dispute = await disputed(till)
    await actions.answer_dispute(till.deps, SUPPORT, dispute.id, "losing_evidence")
    await till.cancelled(paid.booking_id, eur(50_000), rules.part_of(SPLIT, eur(18_500)))
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    assert await till.balances(paid.booking_id) == {}
    assert not {"refund.initiated", "host.payout.initiated"} & {*till.names()}


async def test_what_a_cheaper_change_saves_waits_for_the_bank(till: Till) -> None:
    paid, dispute = await disputed(till)
    left = rules.part_of(SPLIT, eur(58_500))
    cheaper = till.facts(paid.booking_id, total=eur(58_500), split=left)
    change = BookingChanged(
        booking_id=paid.booking_id, booking=cheaper, change_id=uuid4(), before_total=TOTAL, before=SPLIT
    )
    await till.hear(change)
    assert await till.balances(paid.booking_id) == ASIDE
    await actions.answer_dispute(till.deps, SUPPORT, dispute.id, "winning_evidence")
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    money = await till.balances(paid.booking_id)
    assert (money["platform_revenue"], money["tax_payable:berlin"]) == (
        -left.platform.amount,
        -left.taxes["berlin"].amount,
    )
    assert "host_payable:host" not in money
    assert money["provider_clearing"] == 58_500 - left.payout.amount


async def test_what_could_not_be_had_goes_back_once_the_bank_has_decided(till: Till) -> None:
    paid = await till.pay(method="pm_card_createDispute")
    await hear_all(till)
    [dispute] = (await actions.disputes(till.deps, None, 10, None)).items
    await till.hear(BookingUnpayable(booking_id=paid.booking_id, booking=till.facts(paid.booking_id)))
    await actions.answer_dispute(till.deps, SUPPORT, dispute.id, "winning_evidence")
    await till.settle()
    assert await till.balances(paid.booking_id) == {}
    assert till.names().count("refund.completed") == 1


async def test_after_the_payout_the_platform_bears_what_the_bank_takes(till: Till) -> None:
    await till.pay()  # so that there is something to pay out of
    paid = await till.pay(method="pm_card_createDispute")
    await till.confirmed(paid.booking_id)
    await till.advance(CHECK_IN_AT + DAY - START)  # and nobody has brought the webhook yet
    assert till.names()[-1] == "host.payout.completed"
    await hear_all(till)
    # Nobody answered it: it is lost, and what the host had of it is the platform's loss.
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": -53_350,
        "platform_revenue": 53_350,
    }


async def test_what_was_refunded_before_is_not_taken_from_the_shares_again(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(8_500), "noise")
    await till.settle()
    provider_id = (await till.row(paid.id)).provider_id
    till.provider._dispute(  # the bank's part, long after the payment
        await till.provider.get_intent(provider_id), _card("pm_card_createDispute")
    )
    await hear_all(till)
    left = await till.balances(paid.booking_id)
    assert (left["disputed"], left["platform_revenue"]) == (-68_500, 8_500)
    assert (await till.row(paid.id)).left == eur(0)


@pytest.mark.parametrize("decided", ["won", "lost"])
@pytest.mark.parametrize("back", [34_250, 30_000])
async def test_what_a_guest_has_twice_of_one_half_is_not_taken_from_the_other(
    till: Till, back: int, decided: str
) -> None:
    """Staff give the first half back, or most of it, and then the bank takes it all: the marketplace bears
    that, and what goes back of the second half is shared as if nothing had happened."""
    await till.pay(hold_until=None)  # so that there is money to give back
    paid = await half_paid(till)
    await till.advance(DUE_AT - START + DAY)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(back), "noise")
    await till.settle()
    before = await till.balances(paid.booking_id)
    intent = await till.provider.get_intent((await till.row(paid.id)).provider_id)
    till.provider._dispute(intent, _card("pm_card_createDispute"))
    await hear_all(till)
    [dispute] = await till.provider.disputes_since(START)
    await till.provider.decide_dispute(dispute.id, decided)
    await hear_all(till)
    left = await till.balances(paid.booking_id)
    lost = 34_250 - back if decided == "lost" else 0  # of this the guest has nothing twice
    shares = {"host_payable:host": 53_350, "tax_payable:berlin": 6_900}
    for name, share in shares.items():
        assert abs(-left[name] - share * (68_500 - back - lost) / 68_500) <= 2
    if decided == "won":
        assert left == before
    notes = (await actions.invoices(till.deps, GUEST, 20, None)).items
    assert all(min(one.host_share, one.platform_share, *one.taxes.values()) > eur(0) for one in notes)
    async with till.deps.db.read() as db:
        second = await store.live_payment(db, paid.booking_id, rules.BALANCE)
    assert second is not None
    await actions.refund(till.deps, SUPPORT, second.id, eur(10_000), "more noise")
    after = await till.balances(paid.booking_id)
    for name, share in shares.items():
        assert abs(after[name] - left[name] - share * 10_000 / 68_500) <= 2
    await till.settle()
    [*_, told] = [one for one in till.told if one.name == "refund.initiated"]
    assert rules.total_of(told.kept) == eur(68_500 - back - lost - 10_000)


@pytest.mark.parametrize("decided", ["won", "lost"])
async def test_what_a_host_gives_waits_for_the_bank_and_leaves_no_tax_on_what_staff_gave_meanwhile(
    till: Till, decided: str
) -> None:
    """Of 685.00 a bank has 1.00, the host gives all of 533.50, and staff give 459.00 before that is done."""
    await till.pay(hold_until=None)  # so that there is money to give back
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    intent = await till.provider.get_intent((await till.row(paid.id)).provider_id)
    till.provider._dispute(intent, _card("pm_card_createDispute"), eur(100))
    await hear_all(till)
    told = {"booking_id": paid.booking_id, "booking": till.facts(paid.booking_id), "why": "No water."}
    given = {"refund_id": uuid4(), "refund": SPLIT.payout, "kept": replace(SPLIT, payout=eur(0))}
    await till.hear(BookingRefunded(**told, **given))
    await actions.refund(till.deps, SUPPORT, paid.id, eur(45_900), "noise")
    [dispute] = await till.provider.disputes_since(START)
    await till.provider.decide_dispute(dispute.id, decided)
    await hear_all(till)
    await till.advance(DAY)
    assert (await till.row(paid.id)).left == eur(0)
    assert await till.balances(paid.booking_id) == {}


@pytest.mark.parametrize("days", [0, 3])
@pytest.mark.parametrize("method", ["pm_card_visa", "pm_card_pendingRefund"])
@pytest.mark.parametrize("evidence", ["winning_evidence", "losing_evidence"])
async def test_a_refund_that_was_sent_before_the_bank_took_the_whole_is_never_owed_again(
    till: Till, method: str, evidence: str, days: int
) -> None:
    """Its answer was lost, or it is still on its way, when the webhook of the dispute comes; the bank decides
    before it is there or after."""
    paid = await till.pay(method=method)
    await till.confirmed(paid.booking_id)
    till.provider.weather = "answers_lost" if method == "pm_card_visa" else "fine"
    await actions.refund(till.deps, SUPPORT, paid.id, eur(8_500), "noise")
    await till.settle()
    till.provider.weather = "fine"
    provider_id = (await till.row(paid.id)).provider_id
    till.provider._dispute(await till.provider.get_intent(provider_id), _card("pm_card_createDispute"))
    await hear_all(till)
    await till.advance(days * DAY)
    assert (await till.balances(paid.booking_id))["platform_revenue"] == 8_500
    [dispute] = (await actions.disputes(till.deps, None, 10, None)).items
    await actions.answer_dispute(till.deps, SUPPORT, dispute.id, evidence)
    await till.advance(3 * DAY)
    await hear_all(till)
    assert "guest" not in await till.balances(paid.booking_id)
    assert till.names().count("refund.completed") == 1


def _card(token: str) -> Any:
    from hometrip.adapters.payments.sandbox.cards import BY_TOKEN

    return BY_TOKEN[token]


async def test_evidence_tells_of_the_stay_in_plain_english(till: Till) -> None:
    paid = await till.pay()
    facts = till.facts(paid.booking_id, nights=1, guests=1)
    await till.confirmed(paid.booking_id, nights=1, guests=1)
    async with till.deps.db.read() as db:
        stay = await store.stay_of(db, paid.booking_id)
    told = actions.answering._evidence("They came.", stay)["product_description"]
    assert told == f"{facts.title}: a stay of 1 night for 1 guest, 2027-05-10 to 2027-05-11"


async def test_evidence_is_sent_once_by_staff_who_have_no_part_in_the_stay(till: Till) -> None:
    paid, dispute = await disputed(till)
    for party in (GUEST, HOST):
        with pytest.raises(Forbidden):
            await actions.answer_dispute(till.deps, party, dispute.id, "winning_evidence")
    with pytest.raises(NotFound):
        await actions.answer_dispute(till.deps, SUPPORT, uuid4(), "winning_evidence")
    key = Once(key="k", scope="evidence", fingerprint="a")
    till.provider.weather = "answers_lost"
    with pytest.raises(ProviderDown):
        await actions.answer_dispute(till.deps, SUPPORT, dispute.id, "They were there.", key)
    till.provider.weather = "fine"
    answer = await actions.answer_dispute(till.deps, SUPPORT, dispute.id, "They were there.", key)
    assert (answer.status, answer.evidence) == ("under_review", "They were there.")
    with pytest.raises(AlreadyAnswered):
        await actions.answer_dispute(till.deps, SUPPORT, dispute.id, "They were there.", key)
    with pytest.raises(rules.DisputeAnswered):
        await actions.answer_dispute(till.deps, SUPPORT, dispute.id, "And once more.")
    await till.provider.decide_dispute(await _at_provider(till), "won")
    await hear_all(till)
    assert await till.balances(paid.booking_id) == SHARES


async def _at_provider(till: Till) -> str:
    [dispute] = await till.provider.disputes_since(START)
    return dispute.id


# Refunds and pay-outs that take their time or come back


async def test_a_pending_refund_is_completed_once_the_bank_has_it(till: Till) -> None:
    paid = await till.pay(method="pm_card_pendingRefund")
    await till.confirmed(paid.booking_id)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(1_000), "late")
    await till.settle()
    assert "refund.completed" not in till.names()
    await till.advance(2 * MINUTE)
    await hear_all(till)
    assert till.names().count("refund.completed") == 1
    assert "guest" not in await till.balances(paid.booking_id)


async def test_a_refund_that_comes_back_is_owed_again_and_told(till: Till) -> None:
    paid = await till.pay(method="pm_card_refundFail")
    await till.confirmed(paid.booking_id)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(1_000), "late")
    await till.settle()
    assert till.names().count("refund.completed") == 1
    await till.advance(2 * MINUTE)
    await hear_all(till)
    [made] = (await actions.refunds(till.deps, GUEST, paid.id)).items
    assert (made.status, made.why) == ("failed", "failed")
    assert (await till.balances(paid.booking_id))["guest"] == -1_000
    assert till.names().count("refund.failed") == 1


async def test_a_refund_that_came_back_before_its_answer_was_known_is_owed(till: Till) -> None:
    """What the provider tells of a refund that we do not know is nothing to us; asked again, it repeats its
    first answer, that it was sent."""
    paid = await till.pay(method="pm_card_refundFail")
    await till.confirmed(paid.booking_id)
    till.provider.weather = "answers_lost"
    await actions.refund(till.deps, SUPPORT, paid.id, eur(1_000), "late")
    await till.settle()
    till.clock.move_to(till.clock.now() + 2 * MINUTE)
    await hear_all(till)
    till.provider.weather = "fine"
    await till.advance(DAY)
    [owed] = (await actions.owed_refunds(till.deps, 20, None)).items
    assert (owed.payment_id, owed.status, owed.amount) == (paid.id, "failed", eur(1_000))
    assert (await till.balances(paid.booking_id))["guest"] == -1_000


async def test_a_payout_that_came_back_before_its_answer_was_known_is_owed_again(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    till.clock.move_to(CHECK_IN_AT + DAY)
    till.provider.weather = "answers_lost"
    await till.settle()
    till.provider.weather = "fine"
    [sent] = await till.provider.transfers_since(START)
    await till.provider.reverse_transfer(sent.id)
    await hear_all(till)
    await till.advance(DAY)
    assert till.names()[-1] == "host.payout.failed"
    assert (await till.balances(paid.booking_id))["host_payable:host"] == -53_350


async def test_a_payout_that_comes_back_is_owed_again_and_paid_when_an_admin_says_so(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await till.advance(CHECK_IN_AT + DAY - START)
    [sent] = await till.provider.transfers_since(START)
    await till.provider.reverse_transfer(sent.id)
    await hear_all(till)
    assert (till.names()[-1], till.told[-1].why) == ("host.payout.failed", "returned")
    assert (await till.balances(paid.booking_id))["host_payable:host"] == -53_350
    key = Once(key="k", scope="payout", fingerprint="a")
    assert (await actions.pay_out_now(till.deps, ADMIN, paid.booking_id, key)).amount == eur(53_350)
    with pytest.raises(AlreadyAnswered):
        await actions.pay_out_now(till.deps, ADMIN, paid.booking_id, key)
    await till.settle()
    assert till.names()[-1] == "host.payout.completed"
    assert "host_payable:host" not in await till.balances(paid.booking_id)


async def test_what_could_not_be_paid_out_goes_out_once_the_host_can_be_paid(till: Till) -> None:
    await actions.open_account(till.deps, HOST)
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    # The provider has something against it on that day.
    somewhere = {"destination": "elsewhere", "metadata": {"payout_id": "by hand"}}
    moved = await till.provider.transfer(eur(50_000), key="by hand", **somewhere)  # type: ignore[arg-type]
    await till.advance(CHECK_IN_AT + DAY - START)
    assert till.names()[-1] == "host.payout.failed"
    await till.provider.reverse_transfer(moved.id)
    await actions.account_link(till.deps, HOST, "https://example.com/back")
    await hear_all(till)
    changes = [event for event in till.told if event.name == "host.account.updated"]
    assert [(event.can_be_paid, event.host_id) for event in changes] == [(False, HOST.id), (True, HOST.id)]
    assert till.names().count("host.payout.completed") == 1
    assert "host_payable:host" not in await till.balances(paid.booking_id)
    assert (await actions.account(till.deps, HOST)).can_be_paid


async def test_what_waits_for_the_money_to_settle_is_sent_with_another_key(till: Till) -> None:
    asked: list[str] = []
    send = till.provider.transfer

    async def slowly(*args: Any, key: str, **more: Any) -> Any:
        asked.append(key)
        if len(asked) < 3:
            return await _put_off(*args)
        return await send(*args, key=key, **more)

    till.provider.transfer = slowly  # type: ignore[method-assign]
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    assert till.names().count("host.payout.completed") == 1
    first = asked[0]
    assert [key.removeprefix(first) for key in asked] == ["", ":1", ":2"]


async def _put_off(amount: Any) -> Any:
    from hometrip.ports.payments import ProviderTransfer

    return ProviderTransfer(id="", amount=amount, status="waits")


async def test_a_guest_is_not_told_that_a_card_was_stolen(till: Till) -> None:
    declined = await till.pay(method="pm_card_visa_chargeDeclinedStolenCard")
    assert declined.last_error
    assert declined.last_error.decline_code == "generic_decline"
    assert till.told[-1].why == "generic_decline"
    kept = await till.row(declined.id)
    assert kept.last_error
    assert kept.last_error.decline_code == "stolen_card"


# At the door


async def test_disputes_are_for_staff_and_payouts_for_admins(house: TestHouse) -> None:
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(host)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    await pay(guest, booking["id"], "pm_card_createDispute")
    await house.settle()
    await house.house.bring_webhooks()
    await house.settle()
    support, admin = await house.staff("support", "sue@example.com"), await house.staff("admin")
    for person in (guest, host):
        problem(await person.get("/api/payments/disputes"), 403, "forbidden")
        problem(await person.get("/api/payments/payouts/owed"), 403, "forbidden")
    assert ok(await support.get("/api/payments/payouts/owed"))["items"] == []
    [dispute] = ok(await support.get("/api/payments/disputes"))["items"]
    assert (dispute["booking_id"], dispute["status"]) == (booking["id"], "needs_response")
    assert ok(await support.get("/api/payments/disputes", params={"status": "won"}))["items"] == []
    assert (await support.get("/api/payments/disputes", params={"status": "odd"})).status_code == 422
    pay_out = "/api/stripe-connect/payout"
    problem(await support.post(pay_out, {"booking_id": booking["id"]}), 403, "forbidden")
    problem(await admin.post(pay_out, {"booking_id": booking["id"]}), 409, "payout_held")
    problem(await admin.post(pay_out, {"booking_id": str(uuid4())}), 404, "not_found")
    answer = f"/api/payments/disputes/{dispute['id']}/evidence"
    problem(await guest.post(answer, {"text": "me"}), 403, "forbidden")
    assert (await support.post(answer, {"text": ""})).status_code == 422
    key = {"Idempotency-Key": "evidence-1"}
    answers = [await support.post(answer, {"text": "winning_evidence"}, headers=key) for _ in range(3)]
    assert len({one.content for one in answers}) == 1
    assert ok(answers[0])["status"] == "won"
    problem(await support.post(answer, {"text": "more"}), 409, "dispute_answered")
    await house.settle()
    made = ok(await admin.post(pay_out, {"booking_id": booking["id"]}), 201)
    await house.settle()
    [paid] = ok(await host.get("/api/stripe-connect/payouts"))["items"]
    assert (paid["id"], paid["status"]) == (made["id"], "completed")
    problem(await admin.post(pay_out, {"booking_id": booking["id"]}), 409, "nothing_owed")
    found = ok(await admin.get("/api/payments/reconciliation"))
    assert (found["in_flight"], found["differences"]) == (0, [])


async def test_a_card_is_saved_by_its_token_and_never_by_its_number(house: TestHouse) -> None:
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    path = "/api/payments/methods"
    key = {"Idempotency-Key": "save-1"}
    saved = [await guest.post(path, {"payment_method": "pm_card_visa"}, headers=key) for _ in range(2)]
    assert saved[0].content == saved[1].content
    card = ok(saved[0], 201)
    assert (card["brand"], card["last4"]) == ("visa", "4242")
    assert ok(await guest.get(path))["items"] == [card]
    for wrong in ("4242424242424242", "pm_card 4242", "tok_visa", "", 7):
        assert (await guest.post(path, {"payment_method": wrong})).status_code == 422
    problem(await guest.post(path, {"payment_method": "pm_of_nobody"}), 409, "payment_refused")
    provider: SandboxPayments = house.house.shared[Payments]
    assert [one.id for one in await provider.methods(str(guest.id))] == [card["id"]]
    assert (await guest.delete(f"{path}/{card['id']}")).status_code == 204
    problem(await guest.delete(f"{path}/{card['id']}"), 404, "not_found")

"""Damage deposits: held around the stay, claimed, decided, released; no money in the journal before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from harness import TestHouse
from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, HOUR, MINUTE, SECOND, utc
from hometrip.kernel.errors import AlreadyAnswered, Forbidden, Invalid, KeyReused, NotFound
from hometrip.kernel.once import Once, answer_of
from hometrip.services.payment import actions, rules, store
from hometrip.services.payment.rules import NotClaimable
from journeys.steps import ok, problem
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
    hear_all,
    till_in,
)

DEPOSIT = eur(20_000)
HOLD_AT = CHECK_IN_AT - 48 * HOUR
CHECK_OUT_AT = CHECK_IN_AT + 5 * DAY - 4 * HOUR
RELEASE_AT = CHECK_OUT_AT + 14 * DAY


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_in(tmp_path) as opened:
        yield opened
        assert await actions.verify(opened.deps) == []


async def booked(till: Till, method: str = "pm_card_visa") -> UUID:
    paid = await till.pay(method=method)
    await till.confirmed(paid.booking_id, deposit=DEPOSIT)
    return paid.booking_id


async def left(till: Till) -> UUID:
    """A stay that is over, its deposit still held."""
    booking_id = await booked(till)
    await till.advance(CHECK_OUT_AT + HOUR - START)
    return booking_id


async def at_provider(till: Till, booking_id: UUID) -> Any:
    async with till.deps.db.read() as db:
        payments = await store.payments_of(db, booking_id)
    last = [one for one in payments if one.part == rules.DEPOSIT][-1]
    return await till.provider.get_intent(last.provider_id)


async def test_a_deposit_is_held_48_hours_before_check_in_and_released_14_days_after_check_out(
    till: Till,
) -> None:
    booking_id = await booked(till)
    before = await till.balances(booking_id)
    await till.advance(HOLD_AT - START - MINUTE)
    assert "payment.deposit_held" not in till.names()
    await till.advance(MINUTE)
    assert (await actions.deposit(till.deps, GUEST, booking_id)).status == "held"
    assert await till.balances(booking_id) == before
    await till.advance(RELEASE_AT - HOLD_AT - MINUTE)
    await hear_all(till)  # the card's authorisation has ended meanwhile, and it is made anew
    assert (await at_provider(till, booking_id)).status == "requires_capture"
    await till.advance(MINUTE)
    held, released = [event for event in till.told if event.name.startswith("payment.deposit")]
    assert (held.amount, released.name, released.amount) == (DEPOSIT, "payment.deposit_released", DEPOSIT)
    assert (await at_provider(till, booking_id)).captured == eur(0)
    assert till.names().count("payment.succeeded") == 1


async def test_a_stay_that_costs_nothing_has_no_card_to_hold_a_deposit_on(till: Till) -> None:
    booking_id = till.desk.add(total=eur(0), split=rules.nothing_kept("EUR"))
    await till.confirmed(booking_id, deposit=DEPOSIT)
    await till.advance(HOLD_AT - START)
    assert (await actions.deposit(till.deps, HOST, booking_id)).status == "failed"


async def test_a_claim_that_the_guest_accepts_is_captured_and_paid_to_the_host(till: Till) -> None:
    booking_id = await left(till)
    made = await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
    assert made.status == "open"
    answered = await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=True)
    assert (answered.status, answered.granted) == ("granted", eur(7_500))
    await till.advance(MINUTE)
    intent = await at_provider(till, booking_id)
    assert (intent.status, intent.captured) == ("succeeded", eur(7_500))
    mine = (await actions.history(till.deps, GUEST, 10, None)).items
    shown = [(one.amount, one.captured) for one in mine if one.status == "succeeded"]
    assert shown == [(DEPOSIT, eur(7_500)), (TOTAL, TOTAL)]
    paid_out = [event.amount for event in till.told if event.name == "host.payout.completed"]
    assert paid_out == [eur(53_350), eur(7_500)]
    [released] = [event for event in till.told if event.name == "payment.deposit_released"]
    assert released.amount == eur(12_500)
    [told] = [event for event in till.told if event.name == "payment.deposit_taken"]
    assert (told.amount, told.guest_id) == (eur(7_500), GUEST.account_id)
    assert await till.balances(booking_id) == {
        "provider_clearing": 15_150,
        "platform_revenue": -8_250,
        "tax_payable:berlin": -6_900,
    }
    await till.advance(30 * DAY)


@pytest.mark.parametrize("answers", [True, False])
async def test_a_claim_that_is_not_accepted_within_a_day_is_decided_by_staff(
    till: Till, answers: bool
) -> None:
    booking_id = await left(till)
    made = await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
    with pytest.raises(NotClaimable):
        await actions.decide_claim(till.deps, SUPPORT, booking_id, made.id, eur(5_000))
    if answers:
        await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=False)
    else:
        await till.advance(24 * HOUR)
    await till.settle()
    [contested] = [one for one in till.told if one.name == "payment.deposit_contested"]
    assert (contested.booking_id, contested.amount) == (booking_id, eur(7_500))
    waiting = await actions.claims(till.deps, "with_staff", 20, None)
    assert [(one.id, one.booking_id, one.amount) for one in waiting.items] == [
        (made.id, booking_id, eur(7_500))
    ]
    assert (await actions.claims(till.deps, "open", 20, None)).items == []
    with pytest.raises(NotClaimable, match=r"^This claim is with staff\.$"):
        await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=True)
    with pytest.raises(Invalid):
        await actions.decide_claim(till.deps, SUPPORT, booking_id, made.id, eur(7_501))
    await actions.decide_claim(till.deps, SUPPORT, booking_id, made.id, eur(5_000))
    await till.settle()
    assert (await at_provider(till, booking_id)).captured == eur(5_000)
    with pytest.raises(NotClaimable):
        await actions.decide_claim(till.deps, SUPPORT, booking_id, made.id, eur(7_500))


async def test_a_claim_before_check_in_or_too_late_is_told_its_time(till: Till) -> None:
    booking_id = await booked(till)
    with pytest.raises(NotClaimable, match="from check-in on") as early:  # nothing is held yet
        await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
    assert early.value.facts["state"] == "planned"
    for until, at, words in (
        (CHECK_IN_AT - HOUR, CHECK_IN_AT - SECOND, r"^A deposit can be claimed from check-in on\.$"),
        (RELEASE_AT - HOUR, RELEASE_AT, r"^The time to claim this deposit is over\.$"),
    ):
        await till.advance(until - till.clock.now())
        await hear_all(till)
        till.clock.move_to(at)  # no timer has come yet
        with pytest.raises(NotClaimable, match=words) as refusal:
            await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
        facts = {"state": "held", "since": "2027-05-10T13:00:00Z", "until": "2027-05-29T09:00:00Z"}
        assert refusal.value.facts == facts


@pytest.mark.parametrize("accept", [True, False])
async def test_no_answer_to_a_claim_is_in_time_after_a_day_though_its_timer_has_not_come(
    till: Till, *, accept: bool
) -> None:
    booking_id = await left(till)
    made = await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
    till.clock.move_to(made.answer_until)
    with pytest.raises(NotClaimable, match=r"^The time to answer this claim is over\.$") as late:
        await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=accept)
    assert late.value.facts == {"state": "with_staff"}
    await till.settle()
    decided = await actions.decide_claim(till.deps, SUPPORT, booking_id, made.id, eur(5_000))
    assert (decided.status, decided.granted) == ("granted", eur(5_000))
    await till.settle()


async def test_a_claim_that_is_refused_releases_the_hold(till: Till) -> None:
    booking_id = await left(till)
    made = await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
    await till.advance(24 * HOUR)
    refused = await actions.decide_claim(till.deps, SUPPORT, booking_id, made.id, eur(0))
    await till.settle()
    assert refused.status == "refused"
    assert (await at_provider(till, booking_id)).status == "canceled"
    assert till.names()[-1] == "payment.deposit_released"


async def test_an_open_claim_keeps_the_hold_beyond_its_time(till: Till) -> None:
    booking_id = await left(till)
    await till.advance(RELEASE_AT - till.clock.now() - HOUR)
    made = await actions.claim(till.deps, HOST, booking_id, DEPOSIT, "everything")
    await till.advance(3 * DAY)
    await hear_all(till)
    assert (await at_provider(till, booking_id)).status == "requires_capture"
    await actions.decide_claim(till.deps, SUPPORT, booking_id, made.id, DEPOSIT)
    await till.advance(MINUTE)
    assert (await at_provider(till, booking_id)).captured == DEPOSIT
    assert "payment.deposit_released" not in till.names()


async def test_only_the_host_claims_once_in_time_and_within_the_deposit(till: Till) -> None:
    booking_id = await booked(till)
    with pytest.raises(NotClaimable):
        await actions.claim(till.deps, HOST, booking_id, eur(1), "too early")
    await till.advance(CHECK_OUT_AT - START)
    for caller, refusal in ((GUEST, Forbidden), (SUPPORT, Forbidden), (STRANGER, NotFound)):
        with pytest.raises(refusal):
            await actions.claim(till.deps, caller, booking_id, eur(1), "not the host")
    limits, dollars = r"must be from 0\.01 EUR to 200\.00 EUR", DEPOSIT.__class__(1, "USD")
    wrong = {eur(0): limits, eur(-1): limits, eur(20_001): limits, dollars: "this deposit is in EUR"}
    for amount, told in wrong.items():
        with pytest.raises(Invalid, match=told):
            await actions.claim(till.deps, HOST, booking_id, amount, "wrong")
    made = await actions.claim(till.deps, HOST, booking_id, eur(100), "a cup")
    with pytest.raises(store.AlreadyClaimed):
        await actions.claim(till.deps, HOST, booking_id, eur(100), "another cup")
    for caller, refusal in ((HOST, Forbidden), (SUPPORT, Forbidden), (STRANGER, NotFound)):
        with pytest.raises(refusal):
            await actions.answer_claim(till.deps, caller, booking_id, made.id, accept=True)
    host_of_staff = Caller(account_id=HOST.account_id, roles=frozenset({"support"}))
    await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=False)
    with pytest.raises(Forbidden):
        await actions.decide_claim(till.deps, host_of_staff, booking_id, made.id, eur(100))
    with pytest.raises(NotFound):
        await actions.deposit(till.deps, STRANGER, booking_id)


async def test_whom_a_claim_tells_how_to_reach_stays_out_of_the_events(till: Till) -> None:
    booking_id = await left(till)
    text = "The repair was 100 euros: ask fix@example.com"
    made = await actions.claim(till.deps, HOST, booking_id, eur(100), text)
    await till.settle()
    assert made.text == text
    [told] = [event.why for event in till.told if event.name == "payment.deposit_claimed"]
    assert told == "The repair was 100 euros: ask [e-mail address hidden]"


async def test_a_claim_is_answered_and_decided_once_a_key(till: Till) -> None:
    booking_id = await left(till)
    made = await actions.claim(till.deps, HOST, booking_id, eur(100), "a cup")
    for scope, ask in (
        ("answer", partial(actions.answer_claim, till.deps, GUEST, booking_id, made.id, accept=False)),
        ("decide", partial(actions.decide_claim, till.deps, SUPPORT, booking_id, made.id, eur(60))),
    ):
        once = Once(key="k", scope=scope, fingerprint="one")
        first = await ask(once=once)
        with pytest.raises(AlreadyAnswered) as again:
            await ask(once=once)
        assert again.value.answer == answer_of(first)
        with pytest.raises(KeyReused):
            await ask(once=Once(key="k", scope=scope, fingerprint="other"))
    assert (first.status, first.granted) == ("granted", eur(60))


async def test_after_14_days_nothing_can_be_claimed(till: Till) -> None:
    booking_id = await left(till)
    await till.advance(RELEASE_AT - till.clock.now())
    with pytest.raises(NotClaimable):
        await actions.claim(till.deps, HOST, booking_id, eur(100), "late")


async def test_a_change_of_clocks_after_check_out_moves_no_deadline(till: Till) -> None:
    """In New York the clocks go back in those days: 11:00 is an hour later there."""
    in_zone: dict[str, Any] = {"check_out": date(2027, 10, 30), "time_zone": "America/New_York"}
    paid = await till.pay(check_in_at=utc(2027, 10, 25, 19))
    await till.confirmed(paid.booking_id, deposit=DEPOSIT, check_out_at=utc(2027, 10, 30, 15), **in_zone)
    assert (await actions.deposit(till.deps, HOST, paid.booking_id)).release_at == utc(2027, 11, 13, 16)


async def test_a_card_that_declines_is_tried_again_and_then_told(till: Till) -> None:
    booking_id = await booked(till, "pm_card_chargeCustomerFail")
    await till.advance(CHECK_IN_AT - START)
    [failed] = [event for event in till.told if event.name == "payment.deposit_failed"]
    assert (failed.amount, failed.why) == (DEPOSIT, "generic_decline")
    assert (await actions.deposit(till.deps, HOST, booking_id)).status == "failed"
    assert "payment.failed" not in till.names()


async def test_a_deposit_whose_whole_time_the_house_was_down_is_not_held(till: Till) -> None:
    booking_id = await booked(till)
    till.clock.move_to(RELEASE_AT)
    await till.settle()
    await till.advance(DAY)
    assert (await actions.deposit(till.deps, HOST, booking_id)).status == "void"
    assert "payment.deposit_held" not in till.names()
    assert len(await till.provider.intents_since(START)) == 1


@pytest.mark.parametrize("days", [10, 25])
async def test_a_cancellation_before_check_in_holds_nothing_any_more(till: Till, days: int) -> None:
    booking_id = await booked(till)
    await till.advance((CHECK_IN_AT - HOUR if days == 25 else START + days * DAY) - START)
    await till.cancelled(booking_id, TOTAL, rules.nothing_kept("EUR"))
    await till.advance(60 * DAY)
    assert (await actions.deposit(till.deps, GUEST, booking_id)).status == (
        "released" if days == 25 else "void"
    )
    assert await till.deps.db.next_due() is None


async def test_a_cancellation_before_check_in_that_is_heard_of_after_it_releases_what_is_held(
    till: Till,
) -> None:
    booking_id = await booked(till)
    await till.advance(CHECK_IN_AT + MINUTE - START)
    before = CHECK_IN_AT - MINUTE
    await till.cancelled(booking_id, TOTAL, rules.nothing_kept("EUR"), at=before)
    await till.advance(MINUTE)
    assert (await actions.deposit(till.deps, GUEST, booking_id)).status == "released"


@pytest.mark.parametrize("weather", ["down", "answers_lost"])
async def test_a_provider_that_does_not_answer_holds_it_once_and_captures_once(
    till: Till, weather: Any
) -> None:
    booking_id = await booked(till)
    await till.advance(HOLD_AT - START - MINUTE)
    till.provider.weather = weather
    await till.advance(HOUR)
    till.provider.weather = "fine"
    await till.advance(CHECK_OUT_AT - till.clock.now())
    assert till.names().count("payment.deposit_held") == 1
    made = await actions.claim(till.deps, HOST, booking_id, eur(900), "a cup")
    till.provider.weather = weather
    await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=True)
    await till.advance(HOUR)
    till.provider.weather = "fine"
    await till.advance(8 * HOUR)
    assert (await at_provider(till, booking_id)).captured == eur(900)
    assert (await actions.deposit(till.deps, HOST, booking_id)).status == "captured"


async def test_a_deposit_that_is_not_there_is_not_found_at_the_door(house: TestHouse) -> None:
    guest, support = await house.sign_up("guest@example.com", "Gus"), await house.staff("support")
    path = f"/api/payments/deposits/{uuid4()}"
    money = {"amount": 100, "currency": "EUR"}
    problem(await guest.get(path), 404, "not_found")
    problem(await guest.post(f"{path}/claims", {"amount": money, "text": "a cup"}), 404, "not_found")
    claim = f"{path}/claims/{uuid4()}"
    problem(await guest.post(f"{claim}/answer", {"accept": True}), 404, "not_found")
    problem(await guest.post(f"{claim}/decide", {"amount": money}), 403, "forbidden")
    problem(await support.post(f"{claim}/decide", {"amount": money}), 404, "not_found")
    problem(await guest.get("/api/payments/deposits/claims"), 403, "forbidden")
    assert ok(await support.get("/api/payments/deposits/claims"))["items"] == []
    problem(await support.get("/api/payments/deposits/claims?status=odd"), 422, "invalid")

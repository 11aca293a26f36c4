"""A card's authorisation ends after a week, a deposit is held for longer: it is authorised anew, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, HOUR, MINUTE
from hometrip.ports.payments import ProviderIntent
from hometrip.services.booking.contract import BookingChanged
from hometrip.services.payment import actions, rules, store
from hometrip.services.payment.rules import NotClaimable
from services.payment_scene import (
    CHECK_IN_AT,
    GUEST,
    HOST,
    SPLIT,
    START,
    SUPPORT,
    TOTAL,
    Till,
    eur,
    hear_all,
    till_heard_out,
)

DEPOSIT = eur(20_000)
HOLD_AT = CHECK_IN_AT - 48 * HOUR
LAPSES_AT = HOLD_AT + 7 * DAY
RELEASE_AT = CHECK_IN_AT + 5 * DAY - 4 * HOUR + 14 * DAY


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_heard_out(tmp_path) as opened:
        yield opened
        await opened.advance(HOUR)
        found = await actions.reconciliation(opened.deps)
        assert (found.in_flight, found.differences) == (0, [])


async def lived(till: Till, by: timedelta) -> None:
    """The provider's webhooks arrive within six hours."""
    until = till.clock.now() + by
    while till.clock.now() < until:
        await till.advance(min(6 * HOUR, until - till.clock.now()))
        await hear_all(till)


async def booked(till: Till) -> UUID:
    paid = await till.pay()
    await till.confirmed(paid.booking_id, deposit=DEPOSIT)
    return paid.booking_id


async def held(till: Till) -> UUID:
    """Until a moment before the card's authorisation ends."""
    booking_id = await booked(till)
    await till.advance(LAPSES_AT - MINUTE - START)
    await hear_all(till)
    return booking_id


async def renewing(till: Till) -> UUID:
    """The authorisation has ended, and just then there is no card to authorise it anew."""
    booking_id = await held(till)
    await forgotten(till)
    await till.advance(MINUTE)
    await hear_all(till)
    assert await status(till, booking_id) == "renewing"
    return booking_id


async def forgotten(till: Till) -> None:
    for kept in await till.provider.methods(str(GUEST.id)):
        assert await till.provider.forget_method(str(GUEST.id), kept.id)


async def remembered(till: Till) -> None:
    await till.provider.keep_method(str(GUEST.id), "pm_card_visa", key="again")


async def status(till: Till, booking_id: UUID) -> str:
    return (await actions.deposit(till.deps, HOST, booking_id)).status


async def holds(till: Till, booking_id: UUID) -> list[ProviderIntent]:
    """Every intent of the deposit at the provider, the oldest first; never are two of them on the card."""
    async with till.deps.db.read() as db:
        payments = await store.payments_of(db, booking_id)
    ids = [one.provider_id for one in payments if one.part == rules.DEPOSIT]
    found = [await till.provider.get_intent(one) for one in ids]
    assert [one.status for one in found].count("requires_capture") <= 1
    return found


def told(till: Till) -> list[Any]:
    return [event for event in till.told if event.name.startswith("payment.deposit")]


def names(till: Till) -> list[str]:
    return [event.name.removeprefix("payment.deposit_") for event in told(till)]


async def test_a_hold_that_runs_out_is_made_anew_until_the_deposit_ends_and_nobody_is_told(
    till: Till,
) -> None:
    booking_id = await booked(till)
    for days, count in ((6, 1), (8, 2), (13, 2), (15, 3), (20, 3)):
        await lived(till, HOLD_AT + days * DAY - till.clock.now())
        found = await holds(till, booking_id)
        assert [one.status for one in found] == ["canceled"] * (count - 1) + ["requires_capture"]
        assert await status(till, booking_id) == "held"
        assert names(till) == ["held"]
    await lived(till, RELEASE_AT + HOUR - till.clock.now())
    assert (await status(till, booking_id), names(till)) == ("released", ["held", "released"])
    await lived(till, 10 * DAY)
    assert {one.status for one in await holds(till, booking_id)} == {"canceled"}
    assert (len(await holds(till, booking_id)), names(till)) == (3, ["held", "released"])
    assert await till.deps.db.next_due() is None


async def test_a_webhook_that_comes_again_and_late_makes_no_second_hold(till: Till) -> None:
    booking_id = await held(till)
    await till.advance(HOUR)
    webhooks = await till.provider.undelivered()
    for _ in range(2):
        for webhook in reversed(webhooks):
            await actions.hear(till.deps, webhook.body, till.provider.signature(webhook.body))
        await till.settle()
    await till.advance(DAY)
    for webhook in webhooks:
        await actions.hear(till.deps, webhook.body, till.provider.signature(webhook.body))
    await till.settle()
    assert [one.status for one in await holds(till, booking_id)] == ["canceled", "requires_capture"]
    assert await status(till, booking_id) == "held"


@pytest.mark.parametrize("weather", ["down", "answers_lost"])
async def test_a_provider_that_does_not_answer_holds_it_anew_once(till: Till, weather: Any) -> None:
    booking_id = await held(till)
    till.provider.weather = weather
    await till.advance(3 * HOUR)
    await hear_all(till)
    await till.advance(3 * HOUR)
    till.provider.weather = "fine"
    await till.advance(7 * HOUR)
    assert [one.status for one in await holds(till, booking_id)] == ["canceled", "requires_capture"]
    assert await status(till, booking_id) == "held"


@pytest.mark.parametrize("by", ["guest", "staff"])
async def test_what_is_granted_between_two_holds_is_taken_from_the_second(till: Till, by: str) -> None:
    booking_id = await renewing(till)
    made = await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
    if by == "guest":
        await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=True)
    else:
        await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=False)
        await actions.decide_claim(till.deps, SUPPORT, booking_id, made.id, eur(7_500))
    await till.settle()
    before = ["held", "claimed", *(["contested"] if by == "staff" else [])]
    assert (await status(till, booking_id), names(till)) == ("renewing", before)
    await remembered(till)
    await till.advance(12 * HOUR)
    assert await status(till, booking_id) == "captured"
    assert [(one.status, one.captured) for one in await holds(till, booking_id)] == [
        ("canceled", eur(0)),
        ("succeeded", eur(7_500)),
    ]
    assert names(till) == [*before, "taken", "released"]
    paid_out = [event.amount for event in till.told if event.name == "host.payout.completed"]
    assert paid_out == [eur(53_350), eur(7_500)]


async def test_what_is_granted_before_the_provider_has_told_that_the_hold_ran_out_is_taken(
    till: Till,
) -> None:
    booking_id = await held(till)
    made = await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
    await till.advance(HOUR)
    await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=True)
    await till.settle()
    assert [one.captured for one in await holds(till, booking_id)] == [eur(0), eur(7_500)]
    assert await status(till, booking_id) == "captured"
    await hear_all(till)
    assert names(till) == ["held", "claimed", "taken", "released"]


async def test_an_answer_of_the_renewal_that_was_lost_is_found_and_what_was_granted_taken(till: Till) -> None:
    """It is a look that finds the second hold, and that look is not to forget what is wanted of it."""
    booking_id = await renewing(till)
    await remembered(till)
    made = await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
    await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=True)
    _, second = await holds(till, booking_id)
    async with till.deps.db.read() as db:
        first = await store.live_payment(db, booking_id)
        payment = await store.live_payment(db, booking_id, rules.DEPOSIT)
    assert first
    assert first.method
    assert payment
    await till.provider.charge_again(second.id, method=first.method, key=f"hold:{payment.id}:1")
    await actions.look(till.deps, payment.id)
    await till.settle()
    assert [one.captured for one in await holds(till, booking_id)] == [eur(0), eur(7_500)]


async def test_a_claim_that_is_refused_between_two_holds_ends_the_deposit(till: Till) -> None:
    booking_id = await renewing(till)
    made = await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
    await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=False)
    await actions.decide_claim(till.deps, SUPPORT, booking_id, made.id, eur(0))
    await remembered(till)
    await lived(till, 3 * DAY)
    ends = ["held", "claimed", "contested", "released"]
    assert (await status(till, booking_id), names(till)) == ("released", ends)
    assert told(till)[-1].refused == eur(7_500)
    assert {one.status for one in await holds(till, booking_id)} == {"canceled"}


async def test_a_claim_keeps_it_renewed_beyond_its_time(till: Till) -> None:
    booking_id = await held(till)
    await lived(till, RELEASE_AT - HOUR - till.clock.now())
    made = await actions.claim(till.deps, HOST, booking_id, DEPOSIT, "everything")
    await lived(till, 30 * DAY)
    assert await status(till, booking_id) == "held"
    await actions.decide_claim(till.deps, SUPPORT, booking_id, made.id, DEPOSIT)
    await till.settle()
    assert (await holds(till, booking_id))[-1].captured == DEPOSIT
    assert names(till) == ["held", "claimed", "contested", "taken"]


async def test_a_deposit_whose_time_ends_between_two_holds_is_released(till: Till) -> None:
    booking_id = await held(till)
    await lived(till, HOLD_AT + 14 * DAY - MINUTE - till.clock.now())
    await till.confirmed(booking_id, deposit=DEPOSIT, check_out_at=HOLD_AT + 12 * HOUR)
    await forgotten(till)
    await lived(till, 11 * HOUR)
    assert await status(till, booking_id) == "renewing"
    await lived(till, 2 * HOUR)
    assert await status(till, booking_id) == "released"
    await remembered(till)
    await lived(till, 3 * DAY)
    assert names(till) == ["held", "released"]
    assert {one.status for one in await holds(till, booking_id)} == {"canceled"}


async def test_a_hold_that_ran_out_while_the_house_was_down_until_the_end_is_not_made_anew(
    till: Till,
) -> None:
    booking_id = await held(till)
    till.clock.move_to(RELEASE_AT)
    await hear_all(till)
    await till.advance(DAY)
    assert (await status(till, booking_id), names(till)) == ("released", ["held", "released"])
    assert len(await holds(till, booking_id)) == 1


@pytest.mark.parametrize(
    ("claim", "granted"), [("none", None), ("open", None), ("with_staff", None), ("granted", eur(7_500))]
)
async def test_a_card_that_cannot_be_held_again_is_told_and_no_claim_waits_for_ever(
    till: Till, claim: str, granted: Any
) -> None:
    booking_id = await renewing(till)
    await till.advance(12 * HOUR + MINUTE)
    if claim != "none":
        made = await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
    if claim in ("with_staff", "granted"):
        accept = claim == "granted"
        await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=accept)
    await lived(till, 5 * DAY)
    [failed] = [event for event in told(till) if event.name == "payment.deposit_failed"]
    assert (failed.amount, failed.why, failed.lapsed) == (DEPOSIT, "no_saved_card", True)
    assert failed.unpaid == (None if claim == "none" else eur(7_500))
    found = await actions.deposit(till.deps, GUEST, booking_id)
    assert (found.status, "released" in names(till)) == ("failed", False)
    assert {one.status for one in await holds(till, booking_id)} == {"canceled"}
    if claim == "none":
        with pytest.raises(NotClaimable):
            await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
        return
    assert found.claim
    assert (found.claim.status, found.claim.granted) == ("not_covered", granted)
    assert found.claim.decided_at
    with pytest.raises(NotClaimable, match=r"^This claim is not covered\.$"):
        await actions.decide_claim(till.deps, SUPPORT, booking_id, made.id, eur(7_500))


async def test_a_claim_on_what_is_held_no_longer_is_never_granted(till: Till) -> None:
    """As it was left by a house that took the end of an authorisation for a release."""
    booking_id = await held(till)
    made = await actions.claim(till.deps, HOST, booking_id, eur(7_500), "a broken lamp")
    async with till.deps.db.transaction() as tx:
        await store.move_deposit(tx, booking_id, "held", status="released")
    answered = await actions.answer_claim(till.deps, GUEST, booking_id, made.id, accept=True)
    assert (answered.status, answered.granted) == ("not_covered", eur(7_500))


async def test_what_is_let_go_by_hand_at_the_provider_is_released_unless_it_is_claimed(till: Till) -> None:
    booking_id, other = await booked(till), await booked(till)
    await till.advance(CHECK_IN_AT - START)
    await actions.claim(till.deps, HOST, other, eur(7_500), "a broken lamp")
    for one in (booking_id, other):
        [hold] = await holds(till, one)
        await till.provider.cancel_intent(hold.id, key=f"by hand:{one}")
    await hear_all(till)
    assert (await status(till, booking_id), await status(till, other)) == ("released", "held")
    assert [one.status for one in await holds(till, booking_id)] == ["canceled"]
    assert [one.status for one in await holds(till, other)] == ["canceled", "requires_capture"]


async def test_a_stay_that_is_moved_to_later_between_two_holds_is_held_for_its_new_days(till: Till) -> None:
    booking_id = await renewing(till)
    await remembered(till)
    days = {"check_in_at": CHECK_IN_AT + 60 * DAY, "check_out_at": CHECK_IN_AT + 65 * DAY}
    facts = till.facts(booking_id, deposit=DEPOSIT, **days)
    ends = {"change_id": uuid4(), "before": facts.split, "before_total": TOTAL}
    await till.hear(BookingChanged(booking_id=booking_id, booking=facts, **ends))
    await lived(till, 30 * DAY)
    assert (await status(till, booking_id), names(till)) == ("planned", ["held", "released"])
    assert {one.status for one in await holds(till, booking_id)} == {"canceled"}
    await lived(till, CHECK_IN_AT + 60 * DAY - till.clock.now())
    assert (await status(till, booking_id), names(till)) == ("held", ["held", "released", "held"])


async def test_a_cancellation_before_check_in_that_is_heard_of_between_two_holds_releases_it(
    till: Till,
) -> None:
    booking_id = await renewing(till)
    await remembered(till)
    await till.cancelled(booking_id, eur(0), SPLIT, at=CHECK_IN_AT - MINUTE)
    await lived(till, 3 * DAY)
    assert (await status(till, booking_id), names(till)) == ("released", ["held", "released"])
    assert {one.status for one in await holds(till, booking_id)} == {"canceled"}


async def test_what_is_held_for_a_request_and_runs_out_is_not_authorised_anew(till: Till) -> None:
    asked = await till.pay(capture="manual")
    await lived(till, 8 * DAY)
    assert (await till.row(asked.id)).status == "canceled"
    assert len(await till.provider.intents_since(START)) == 1
    guest = Caller(account_id=GUEST.id)
    assert [one.status for one in (await actions.history(till.deps, guest, 10, None)).items] == ["canceled"]

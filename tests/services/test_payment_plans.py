"""Money over a stay's life: two instalments, changes, penalties, monthly pay-outs, disputes, invoices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from hometrip.kernel.clock import DAY, HOUR, MINUTE
from hometrip.kernel.money import Money, total
from hometrip.kernel.split import Split
from hometrip.ports.payments import ProviderDown
from hometrip.services.booking.contract import (
    BookingChanged,
    BookingChangeEnded,
    BookingUnpayable,
    DisputeOpened,
    DisputeResolved,
)
from hometrip.services.payment import actions, rules, store
from hometrip.services.payment.contract import NotPayable
from services.payment_scene import (
    CHECK_IN_AT,
    DUE_AT,
    GUEST,
    HALF,
    HALF_PLAN,
    HOST,
    PAYS_ONCE,
    SPLIT,
    START,
    TOTAL,
    Till,
    change_asked,
    changed,
    eur,
    half_paid,
    half_paid_and_the_rest_unheard,
    till_in,
)

REST = eur(34_250)


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_in(tmp_path) as opened:
        yield opened
        assert await actions.verify(opened.deps) == []


async def plan_of(till: Till, booking_id: UUID) -> store.Plan:
    async with till.deps.db.read() as db:
        plan = await store.plan_of(db, booking_id)
    assert plan is not None
    return plan


# Half now, the rest later


async def test_half_is_taken_now_and_shared_in_proportion(till: Till) -> None:
    paid = await half_paid(till)
    assert (paid.status, paid.amount) == ("succeeded", HALF)
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 34_250,
        "host_payable:host": -26_675,
        "platform_revenue": -4_125,
        "tax_payable:berlin": -3_450,
    }


async def test_the_rest_is_charged_to_the_same_card_on_its_day_and_the_shares_are_exact(till: Till) -> None:
    paid = await half_paid(till)
    await till.advance(DUE_AT - START - MINUTE)
    assert till.names().count("payment.succeeded") == 1
    await till.advance(MINUTE)
    succeeded = [event for event in till.told if event.name == "payment.succeeded"]
    assert [event.amount for event in succeeded] == [HALF, REST]
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 68_500,
        "host_payable:host": -53_350,
        "platform_revenue": -8_250,
        "tax_payable:berlin": -6_900,
    }
    [planned] = (await actions.payouts(till.deps, HOST, 20, None)).items
    assert planned.amount == eur(53_350)
    await till.advance(60 * DAY)
    assert till.names().count("payment.succeeded") == 2


async def test_a_declined_rest_is_tried_three_times_over_72_hours_and_then_told(till: Till) -> None:
    paid = await half_paid(till, PAYS_ONCE)
    tried: list[timedelta] = []
    await till.advance(DUE_AT - START - HOUR)
    for hour in range(76):
        before = till.names().count("payment.failed")
        await till.advance(HOUR)
        if till.names().count("payment.failed") > before:
            tried.append(hour * HOUR)
    assert tried == [0 * HOUR, 24 * HOUR, 72 * HOUR]
    [failed] = [event for event in till.told if event.name == "payment.balance_failed"]
    assert (failed.amount, failed.why) == (REST, "generic_decline")
    kept = Split(payout=eur(20_000), platform=eur(0), taxes={})
    await till.cancelled(paid.booking_id, HALF - eur(20_000), kept)
    await till.advance(60 * DAY)
    assert [event.amount for event in till.told if event.name == "payment.refunded"] == [eur(14_250)]
    assert [event.amount for event in till.told if event.name == "host.payout.completed"] == [eur(20_000)]


async def test_a_rest_that_is_tried_late_is_tried_for_72_hours_all_the_same(till: Till) -> None:
    """The house was down for five days from its day on; its guest has time for another card."""
    await half_paid(till, PAYS_ONCE)
    till.clock.move_to(DUE_AT + 5 * DAY)
    await till.settle()
    assert till.names().count("payment.failed") == 1
    await till.advance(71 * HOUR)
    assert till.names().count("payment.failed") == 2
    assert "payment.balance_failed" not in till.names()
    await till.advance(HOUR)
    assert till.names().count("payment.balance_failed") == 1


async def away_until(till: Till, at: datetime) -> None:
    """The provider is down from before the day on which the rest is due."""
    await till.advance(DUE_AT - DAY - till.clock.now())
    till.provider.weather = "down"
    await till.advance(at - till.clock.now())
    till.provider.weather = "fine"


async def paid_out(till: Till) -> list[Money]:
    return [event.amount for event in till.told if event.name == "host.payout.completed"]


async def test_a_rest_that_could_not_be_charged_until_the_stay_was_over_is_charged_then(till: Till) -> None:
    paid = await half_paid(till)
    await away_until(till, CHECK_IN_AT + 8 * DAY)
    till.desk.set_status(paid.booking_id, "completed")
    await till.advance(DAY)
    assert till.names().count("payment.succeeded") == 2
    assert (await plan_of(till, paid.booking_id)).status == "paid"
    assert total(await paid_out(till), "EUR") == eur(53_350)


@pytest.mark.parametrize("back", [2 * DAY, 8 * DAY])
async def test_a_rest_that_is_declined_late_is_tried_for_72_hours_and_can_still_be_paid_after_the_stay(
    till: Till, back: timedelta
) -> None:
    """Nothing goes to the host that is not here."""
    paid = await half_paid(till, PAYS_ONCE)
    await away_until(till, CHECK_IN_AT + back)
    await till.advance(7 * HOUR)  # until it is asked again
    assert till.names().count("payment.failed") == 1
    await till.advance(64 * HOUR)
    assert "payment.balance_failed" not in till.names()
    await till.advance(8 * HOUR)
    assert till.names().count("payment.failed") == 3
    assert till.names().count("payment.balance_failed") == 1
    till.desk.set_status(paid.booking_id, "completed")
    await till.advance(30 * DAY)
    assert till.names().count("payment.failed") == 3
    assert await paid_out(till) == [eur(26_675)]
    rest = await actions.open_intent(till.deps, GUEST, paid.booking_id)
    await actions.confirm(till.deps, GUEST, rest.id, method="pm_card_mastercard")
    await till.advance(DAY)
    assert await paid_out(till) == [eur(26_675), eur(26_675)]


async def test_what_is_cancelled_because_its_rest_was_declined_can_be_paid_no_more(till: Till) -> None:
    paid = await half_paid(till, PAYS_ONCE)
    await till.advance(DUE_AT - START + 73 * HOUR)
    rest = await actions.open_intent(till.deps, GUEST, paid.booking_id)
    await till.cancelled(paid.booking_id, HALF, rules.nothing_kept("EUR"))
    assert (await till.row(rest.id)).status == "canceled"
    with pytest.raises(NotPayable):
        await actions.confirm(till.deps, GUEST, rest.id, method="pm_card_mastercard")


async def test_a_guest_may_pay_the_rest_with_another_card_after_a_decline(till: Till) -> None:
    paid = await half_paid(till, PAYS_ONCE)
    await till.advance(DUE_AT - START + HOUR)
    rest = await actions.open_intent(till.deps, GUEST, paid.booking_id)
    assert (rest.amount, rest.status) == (REST, "requires_payment_method")
    done = await actions.confirm(till.deps, GUEST, rest.id, method="pm_card_mastercard")
    assert done.status == "succeeded"
    await till.advance(4 * DAY)
    assert "payment.balance_failed" not in till.names()
    assert (await plan_of(till, paid.booking_id)).status == "paid"


async def test_the_rest_is_charged_to_the_card_that_took_the_place_of_the_one_that_paid(till: Till) -> None:
    paid = await half_paid(till)
    owner = str(GUEST.id)
    [old] = await till.provider.methods(owner)
    new = await till.provider.keep_method(owner, "pm_card_mastercard", key="new")
    await till.provider.forget_method(owner, old.id)
    await till.advance(DUE_AT - START)
    assert [event.amount for event in till.told if event.name == "payment.succeeded"] == [HALF, REST]
    async with till.deps.db.read() as db:
        both = [one.card for one in await store.every_payment(db) if one.booking_id == paid.booking_id]
    assert [card and card.last4 for card in both] == [old.last4, new.last4]


@pytest.mark.parametrize("after", [9 * MINUTE, None])
async def test_a_guest_who_is_with_their_bank_for_the_rest_is_left_ten_minutes(
    till: Till, after: timedelta | None
) -> None:
    paid = await half_paid(till)
    await till.advance(DUE_AT - START - MINUTE)
    rest = await actions.open_intent(till.deps, GUEST, paid.booking_id)
    asked = await actions.confirm(till.deps, GUEST, rest.id, method="pm_card_threeDSecure2Required")
    assert asked.status == "requires_action"
    if after is not None:
        await till.advance(after)
        assert till.names().count("payment.succeeded") == 1
        assert (await actions.confirm(till.deps, GUEST, rest.id)).status == "succeeded"
        await till.advance(DAY)
    else:  # nobody comes back from there: the card that is kept is charged
        await till.advance(10 * MINUTE)
        assert till.names().count("payment.succeeded") == 1
        await till.advance(2 * MINUTE)
    assert till.names().count("payment.succeeded") == 2
    assert "payment.failed" not in till.names()


async def test_the_rest_may_be_paid_before_its_day_and_is_not_charged_again(till: Till) -> None:
    paid = await half_paid(till)
    rest = await actions.open_intent(till.deps, GUEST, paid.booking_id)
    await actions.confirm(till.deps, GUEST, rest.id, method="pm_card_visa")
    await till.advance(60 * DAY)
    assert till.names().count("payment.succeeded") == 2
    with pytest.raises(NotPayable):
        till.desk.bookings[paid.booking_id] = msgspec.structs.replace(
            till.desk.bookings[paid.booking_id], change_id=uuid4()
        )
        till.desk.set_status(paid.booking_id, "cancelled")
        await actions.open_intent(till.deps, GUEST, paid.booking_id)


@pytest.mark.parametrize("weather", ["down", "answers_lost"])
async def test_a_provider_that_does_not_answer_on_the_day_is_asked_again_and_charges_once(
    till: Till, weather: Any
) -> None:
    paid = await half_paid(till)
    await till.advance(DUE_AT - START - MINUTE)
    till.provider.weather = weather
    await till.advance(8 * HOUR)
    till.provider.weather = "fine"
    await till.advance(12 * HOUR)
    assert (await till.balances(paid.booking_id))["provider_clearing"] == 68_500
    assert till.names().count("payment.succeeded") == 2
    assert "payment.failed" not in till.names()


async def test_a_card_whose_bank_asks_for_its_owner_is_declined_in_their_absence(till: Till) -> None:
    opened = await till.open(**HALF_PLAN)
    await actions.confirm(till.deps, GUEST, opened.id, method="pm_card_threeDSecure2Required")
    await actions.confirm(till.deps, GUEST, opened.id)
    await till.settle()
    await till.confirmed(opened.booking_id)
    await till.advance(DUE_AT - START)
    [failed] = [event for event in till.told if event.name == "payment.failed"]
    assert failed.why == "authentication_required"
    await till.advance(3 * DAY)


async def test_a_cancellation_before_the_rest_is_charged_charges_nothing_more(till: Till) -> None:
    paid = await half_paid(till)
    await till.cancelled(paid.booking_id, HALF, rules.nothing_kept("EUR"))
    await till.advance(60 * DAY)
    assert till.names().count("payment.succeeded") == 1
    assert await till.balances(paid.booking_id) == {}
    assert await till.deps.db.next_due() is None


async def test_no_more_is_kept_of_a_half_paid_stay_than_was_paid(till: Till) -> None:
    paid = await half_paid(till)
    await till.cancelled(paid.booking_id, eur(0), SPLIT)
    left = await till.balances(paid.booking_id)
    assert left == {
        "provider_clearing": 34_250,
        "host_payable:host": -26_675,
        "platform_revenue": -4_125,
        "tax_payable:berlin": -3_450,
    }


async def test_a_rest_that_is_paid_after_the_cancellation_goes_back_at_once(till: Till) -> None:
    paid = await half_paid_and_the_rest_unheard(till)
    kept = Split(payout=eur(10_000), platform=eur(0), taxes={})
    await till.cancelled(paid.booking_id, HALF - eur(10_000), kept)
    await till.advance(60 * DAY)
    refunded = [event.amount for event in till.told if event.name == "payment.refunded"]
    assert sorted(refunded) == [eur(24_250), REST]
    assert till.names().count("payment.succeeded") == 1
    assert [event.amount for event in till.told if event.name == "host.payout.completed"] == [eur(10_000)]


# A change and its difference

DEARER = Split(payout=eur(7_000), platform=eur(1_000), taxes={"berlin": eur(800), "munich": eur(200)})
MORE = eur(9_000)
NEW_SPLIT = Split(payout=eur(60_350), platform=eur(9_250), taxes={"berlin": eur(7_700), "munich": eur(200)})


async def test_the_difference_of_a_dearer_change_is_a_payment_of_its_own(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    change_id = await change_asked(till, paid.booking_id, MORE, DEARER)
    more = await actions.open_intent(till.deps, GUEST, paid.booking_id)
    assert (more.amount, more.id == paid.id) == (MORE, False)
    await actions.confirm(till.deps, GUEST, more.id, method="pm_card_visa")
    await till.settle()
    succeeded = [event for event in till.told if event.name == "payment.succeeded"]
    assert [event.change_id for event in succeeded] == [None, change_id]
    await changed(till, paid.booking_id, change_id, TOTAL + MORE, NEW_SPLIT)
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 77_500,
        "host_payable:host": -60_350,
        "platform_revenue": -9_250,
        "tax_payable:berlin": -7_700,
        "tax_payable:munich": -200,
    }
    await till.cancelled(paid.booking_id, TOTAL + MORE, rules.nothing_kept("EUR"))
    assert await till.balances(paid.booking_id) == {}
    refunded = [event for event in till.told if event.name == "payment.refunded"]
    assert [(event.amount, event.all) for event in refunded] == [(MORE, True), (TOTAL, True)]


async def test_a_difference_that_is_paid_too_late_goes_back_and_the_booking_stays(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    before = await till.balances(paid.booking_id)
    await change_asked(till, paid.booking_id, MORE, DEARER)
    more = await actions.open_intent(till.deps, GUEST, paid.booking_id)
    await actions.confirm(till.deps, GUEST, more.id, method="pm_card_visa")
    facts = till.facts(paid.booking_id)
    await till.hear(BookingUnpayable(booking_id=paid.booking_id, booking=facts, payment_id=more.id))
    assert await till.balances(paid.booking_id) == before
    assert (await till.row(more.id)).promised_back == MORE


async def change_ended(till: Till, booking_id: UUID, change_id: UUID) -> None:
    asked = till.desk.bookings[booking_id]
    over = {"change_id": None, "due_now": None, "split": SPLIT, "total": TOTAL, "hold_until": None}
    till.desk.bookings[booking_id] = msgspec.structs.replace(asked, **over)
    facts = till.facts(booking_id)
    await till.hear(
        BookingChangeEnded(
            booking_id=booking_id,
            booking=facts,
            change_id=change_id,
            status="expired",
            why="not paid in time",
        )
    )


@pytest.mark.parametrize("method", [None, "pm_card_visa_chargeDeclined", "pm_card_threeDSecure2Required"])
async def test_the_payment_of_a_change_that_ends_is_closed_at_the_provider(
    till: Till, method: str | None
) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    change_id = await change_asked(till, paid.booking_id, MORE, DEARER)
    more = await actions.open_intent(till.deps, GUEST, paid.booking_id)
    if method:
        await actions.confirm(till.deps, GUEST, more.id, method=method)
    till.provider.weather = "down"
    await change_ended(till, paid.booking_id, change_id)
    with pytest.raises(NotPayable):
        await actions.confirm(till.deps, GUEST, more.id, method="pm_card_visa")
    till.provider.weather = "fine"
    await till.advance(HOUR)
    provider_id = (await till.row(more.id)).provider_id
    assert (await till.provider.get_intent(provider_id)).status == "canceled"
    [told] = [event for event in till.told if event.name == "payment.canceled"]
    assert (told.payment_id, told.change_id) == (more.id, change_id)
    assert (await till.row(paid.id)).status == "succeeded"


@pytest.mark.parametrize("nights", ["are still free", "are taken"])
async def test_of_a_change_that_was_paid_before_it_ended_booking_decides(till: Till, nights: str) -> None:
    """The provider's answer was lost, and is found when the payment is to be closed."""
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    before = await till.balances(paid.booking_id)
    change_id = await change_asked(till, paid.booking_id, MORE, DEARER)
    more = await actions.open_intent(till.deps, GUEST, paid.booking_id)
    till.provider.weather = "answers_lost"
    with pytest.raises(ProviderDown):
        await actions.confirm(till.deps, GUEST, more.id, method="pm_card_visa")
    till.provider.weather = "fine"
    await change_ended(till, paid.booking_id, change_id)
    told = [event.change_id for event in till.told if event.name == "payment.succeeded"]
    assert told == [None, change_id]
    if nights == "are still free":
        await changed(till, paid.booking_id, change_id, TOTAL + MORE, NEW_SPLIT)
        assert (await till.balances(paid.booking_id))["host_payable:host"] == -60_350
    else:
        facts = till.facts(paid.booking_id)
        await till.hear(BookingUnpayable(booking_id=paid.booking_id, booking=facts, payment_id=more.id))
        assert await till.balances(paid.booking_id) == before


async def test_a_change_that_ends_while_its_payment_is_opened_leaves_none_open(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    change_id = await change_asked(till, paid.booking_id, MORE, DEARER)
    make = till.provider.create_intent

    async def slowly(*args: Any, **more: Any) -> Any:
        made = await make(*args, **more)
        await change_ended(till, paid.booking_id, change_id)
        return made

    till.provider.create_intent = slowly  # type: ignore[method-assign]
    with pytest.raises(NotPayable):
        await actions.open_intent(till.deps, GUEST, paid.booking_id)
    await till.settle()
    statuses = [one.status for one in await till.provider.intents_since(START)]
    assert sorted(statuses) == ["canceled", "succeeded"]


async def test_a_change_whose_time_is_over_cannot_be_paid(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await change_asked(till, paid.booking_id, MORE, DEARER)
    till.clock.move_to(till.clock.now() + DAY)
    with pytest.raises(NotPayable):
        await actions.open_intent(till.deps, GUEST, paid.booking_id)


async def test_of_a_cheaper_change_the_difference_goes_back_and_each_share_falls_to_the_new_one(
    till: Till,
) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    smaller = Split(payout=eur(40_000), platform=eur(6_000), taxes={"berlin": eur(5_000)})
    await changed(till, paid.booking_id, uuid4(), eur(51_000), smaller)
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 51_000,
        "host_payable:host": -40_000,
        "platform_revenue": -6_000,
        "tax_payable:berlin": -5_000,
    }
    assert till.told[-1].amount == eur(17_500)
    [planned] = (await actions.payouts(till.deps, HOST, 20, None)).items
    assert planned.amount == eur(40_000)


async def test_of_a_half_paid_stay_a_cheaper_change_comes_off_the_rest_first(till: Till) -> None:
    paid = await half_paid(till)
    smaller = Split(payout=eur(40_000), platform=eur(6_000), taxes={"berlin": eur(5_000)})
    facts = till.facts(paid.booking_id, total=eur(51_000), split=smaller)
    told = BookingChanged(
        booking_id=paid.booking_id, booking=facts, change_id=uuid4(), before_total=TOTAL, before=SPLIT
    )
    await till.hear(told)
    assert "payment.refunded" not in till.names()
    assert (await plan_of(till, paid.booking_id)).amount == eur(16_750)
    await till.advance(DUE_AT - START)
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 51_000,
        "host_payable:host": -40_000,
        "platform_revenue": -6_000,
        "tax_payable:berlin": -5_000,
    }


# A host's penalty


async def test_a_penalty_is_owed_by_the_host_and_taken_from_the_next_payout(till: Till) -> None:
    first, second = await till.pay(), await till.pay()
    await till.confirmed(first.booking_id)
    await till.confirmed(second.booking_id)
    await till.cancelled(first.booking_id, TOTAL, rules.nothing_kept("EUR"), eur(6_850), by="host")
    assert await till.balances(first.booking_id) == {
        "host_payable:host": 6_850,
        "platform_revenue": -6_850,
    }
    await till.advance(CHECK_IN_AT + DAY - START)
    amounts = [event.amount for event in till.told if event.name == "host.payout.completed"]
    assert amounts == [eur(53_350 - 6_850)]
    async with till.deps.db.read() as db:
        kinds = [one.kind for one in await store.entries_of(db, first.booking_id)]
    assert kinds == ["capture", "penalty", "refund_promised", "refund", "offset_taken"]


# Pay-outs by the month


async def test_a_long_stay_is_paid_out_monthly_by_its_nights_and_exactly(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id, nights=75)
    planned = (await actions.payouts(till.deps, HOST, 20, None)).items[::-1]
    assert [one.due_at for one in planned] == [
        CHECK_IN_AT + DAY,
        CHECK_IN_AT + 32 * DAY,
        CHECK_IN_AT + 62 * DAY,
    ]
    assert [one.amount.amount for one in planned] == [22_051, 21_340, 9_959]
    await till.advance(CHECK_IN_AT + 40 * DAY - START)
    assert (await actions.host_balance(till.deps, HOST)).paid == [eur(22_051 + 21_340)]
    await till.advance(60 * DAY)
    assert (await actions.host_balance(till.deps, HOST)).paid == [eur(53_350)]


async def test_a_long_stay_that_ends_early_pays_what_is_kept_beyond_what_was_paid_at_once(
    till: Till,
) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id, nights=75)
    await till.advance(CHECK_IN_AT + 10 * DAY - START)
    kept = Split(payout=eur(30_000), platform=eur(8_250), taxes={"berlin": eur(4_000)})
    await till.cancelled(paid.booking_id, TOTAL - eur(42_250), kept)
    await till.advance(DAY)
    amounts = [event.amount.amount for event in till.told if event.name == "host.payout.completed"]
    assert amounts == [22_051, 7_949]
    await till.advance(90 * DAY)
    assert sum(amounts) == 30_000


# Disputes


async def test_nothing_is_paid_out_while_a_dispute_is_open_and_what_is_kept_afterwards(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    facts, dispute_id = till.facts(paid.booking_id), uuid4()
    await till.advance(CHECK_IN_AT + HOUR - START)
    opened = DisputeOpened(
        booking_id=paid.booking_id, booking=facts, dispute_id=dispute_id, by="guest", why="cold"
    )
    await till.hear(opened)
    [planned] = (await actions.payouts(till.deps, HOST, 20, None)).items
    assert planned.status == "held"
    balance = await actions.host_balance(till.deps, HOST)
    assert (balance.upcoming, balance.held) == ([], [planned.amount])
    await till.advance(10 * DAY)
    assert "host.payout.initiated" not in till.names()
    kept = Split(payout=eur(43_350), platform=eur(8_250), taxes={"berlin": eur(6_900)})
    resolved = DisputeResolved(
        booking_id=paid.booking_id, booking=facts, dispute_id=dispute_id, refund=eur(10_000), kept=kept
    )
    await till.hear(resolved)
    await till.advance(MINUTE)
    assert [event.amount for event in till.told if event.name == "host.payout.completed"] == [eur(43_350)]
    assert [event.amount for event in till.told if event.name == "payment.refunded"] == [eur(10_000)]


async def test_a_dispute_that_is_resolved_at_the_platforms_cost_leaves_the_host_what_was_earned(
    till: Till,
) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    facts, dispute_id = till.facts(paid.booking_id), uuid4()
    for told in (
        DisputeOpened(
            booking_id=paid.booking_id, booking=facts, dispute_id=dispute_id, by="guest", why="noise"
        ),
        DisputeResolved(
            booking_id=paid.booking_id,
            booking=facts,
            dispute_id=dispute_id,
            refund=eur(5_000),
            kept=Split(payout=eur(53_350), platform=eur(3_250), taxes={"berlin": eur(6_900)}),
        ),
    ):
        await till.hear(told)
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 10_150,
        "platform_revenue": -3_250,
        "tax_payable:berlin": -6_900,
    }

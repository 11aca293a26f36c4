"""Two things about one booking's money at the same time, made to meet at the moment at which it matters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from hometrip.kernel.clock import DAY, HOUR, MINUTE, SECOND
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.ports.payments import ProviderTransfer
from hometrip.services.booking.contract import BookingChanged, DisputeOpened, DisputeResolved
from hometrip.services.payment import actions, rules
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
    eur,
    half_paid,
    half_paid_and_the_rest_unheard,
    till_in,
)

SMALLER = Split(payout=eur(40_000), platform=eur(6_000), taxes={"berlin": eur(5_000)})
HALF_OF_IT = Split(payout=eur(26_675), platform=eur(4_125), taxes={"berlin": eur(3_450)})


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_in(tmp_path) as opened:
        yield opened
        assert await actions.verify(opened.deps) == []


async def changed(till: Till, booking_id: UUID, total: Money, split: Split) -> None:
    facts = till.facts(booking_id, total=total, split=split)
    await till.hear(
        BookingChanged(
            booking_id=booking_id, booking=facts, change_id=uuid4(), before_total=TOTAL, before=SPLIT
        )
    )


def shares(split: Split) -> dict[str, int]:
    return {
        "provider_clearing": rules.total_of(split).amount,
        "host_payable:host": -split.payout.amount,
        "platform_revenue": -split.platform.amount,
        "tax_payable:berlin": -split.taxes["berlin"].amount,
    }


# The second half and a cheaper change


async def test_a_rest_that_the_guest_was_paying_while_a_change_made_it_less_gives_back_the_difference(
    till: Till,
) -> None:
    paid = await half_paid_and_the_rest_unheard(till)
    await changed(till, paid.booking_id, eur(51_000), SMALLER)
    await till.advance(20 * DAY)
    assert await till.balances(paid.booking_id) == shares(SMALLER)
    assert [event.amount for event in till.told if event.name == "payment.refunded"] == [eur(17_500)]


async def test_a_rest_that_was_being_charged_while_a_change_made_it_less_gives_back_the_difference(
    till: Till,
) -> None:
    paid, charge = await half_paid(till), till.provider.charge_again

    async def slowly(*args: Any, **more: Any) -> Any:
        done = await charge(*args, **more)
        facts = till.facts(paid.booking_id, total=eur(51_000), split=SMALLER)
        event = BookingChanged(
            booking_id=paid.booking_id, booking=facts, change_id=uuid4(), before_total=TOTAL, before=SPLIT
        )
        async with till.deps.db.transaction() as tx:
            await actions.changed(till.deps, tx, event)
        return done

    till.provider.charge_again = slowly  # type: ignore[method-assign]
    await till.advance(DUE_AT - START)
    till.provider.charge_again = charge  # type: ignore[method-assign]
    await till.advance(4 * DAY)
    assert await till.balances(paid.booking_id) == shares(SMALLER)
    assert [event.amount for event in till.told if event.name == "payment.refunded"] == [eur(17_500)]


async def test_the_rest_is_not_charged_by_the_payment_of_an_old_one_that_is_still_to_be_closed(
    till: Till,
) -> None:
    paid = await half_paid(till)
    await actions.open_intent(till.deps, GUEST, paid.booking_id)
    await till.advance(DUE_AT - START - MINUTE)
    till.provider.weather = "down"
    await changed(till, paid.booking_id, eur(51_000), SMALLER)
    till.provider.weather = "fine"
    await till.advance(DAY)
    assert await till.balances(paid.booking_id) == shares(SMALLER)
    assert "payment.refunded" not in till.names()


async def test_what_a_change_saves_of_a_rest_that_no_card_paid_is_not_paid_back(till: Till) -> None:
    """Its last try was declined just before a change made the stay as cheap as what was paid."""
    paid = await half_paid(till, PAYS_ONCE)
    await till.advance(DUE_AT - START + 73 * HOUR)
    assert "payment.balance_failed" in till.names()
    await changed(till, paid.booking_id, HALF, HALF_OF_IT)
    await till.advance(DAY)
    assert "payment.refunded" not in till.names()
    assert await till.balances(paid.booking_id) == shares(HALF_OF_IT)


# A stay that is moved to later


MONTHS_LATER = 60 * DAY


def moved_event(till: Till, booking_id: UUID, **more: Any) -> BookingChanged:
    """To two months later, at the same price."""
    facts = till.facts(booking_id, **more)
    later = msgspec.structs.replace(
        facts,
        check_in_at=facts.check_in_at + MONTHS_LATER,
        check_out_at=facts.check_out_at + MONTHS_LATER,
        balance_due_at=DUE_AT + MONTHS_LATER if facts.balance_due_at else None,
    )
    return BookingChanged(
        booking_id=booking_id, booking=later, change_id=uuid4(), before_total=TOTAL, before=SPLIT
    )


async def moved(till: Till, booking_id: UUID, **more: Any) -> None:
    await till.hear(moved_event(till, booking_id, **more))


@pytest.mark.parametrize("of", ["rest", "deposit"])
async def test_a_timer_of_the_old_day_that_is_on_its_way_when_the_stay_is_moved_does_nothing(
    till: Till, of: str
) -> None:
    paid, more = await till.pay(**HALF_PLAN), {} if of == "rest" else {"deposit": eur(20_000)}
    await till.confirmed(paid.booking_id, **more)
    day = DUE_AT if of == "rest" else CHECK_IN_AT - 2 * DAY
    await till.advance(day - MINUTE - START)
    till.clock.move_to(day)
    await till.deps.db.fire_due(day)
    before = till.names()
    async with till.deps.db.transaction() as tx:
        await actions.changed(till.deps, tx, moved_event(till, paid.booking_id, **more))
    await till.settle()
    assert till.names() == before
    await till.advance(MONTHS_LATER)
    news = ["payment.balance_soon", "payment.succeeded"] if of == "rest" else ["payment.deposit_held"]
    assert till.names() == [*before, *news]


async def test_a_rest_that_was_declined_before_its_day_was_moved_is_tried_on_the_new_one(till: Till) -> None:
    paid = await half_paid(till, PAYS_ONCE)
    await till.advance(DUE_AT - START + HOUR)
    assert till.names().count("payment.failed") == 1
    await moved(till, paid.booking_id)
    await till.advance(MONTHS_LATER - 2 * HOUR)
    assert till.names().count("payment.failed") == 1
    await till.advance(3 * HOUR)
    assert till.names().count("payment.failed") == 2
    await till.advance(72 * HOUR)
    assert till.names().count("payment.failed") == 4
    assert till.names().count("payment.balance_failed") == 1


@pytest.mark.parametrize("method", ["pm_card_visa", PAYS_ONCE])
@pytest.mark.parametrize("before", [40 * HOUR, HOUR])
async def test_a_deposit_is_held_for_the_days_to_which_the_stay_was_moved(
    till: Till, method: str, before: timedelta
) -> None:
    """It is held already, or was declined once or three times, when the stay is moved."""
    paid, good = await till.pay(method=method), method == "pm_card_visa"
    await till.confirmed(paid.booking_id, deposit=eur(20_000))
    await till.advance(CHECK_IN_AT - before - START)
    await moved(till, paid.booking_id, deposit=eur(20_000))
    await till.advance(before + DAY)
    assert (await actions.deposit(till.deps, HOST, paid.booking_id)).status == "planned"
    assert till.names().count("payment.deposit_released") == (1 if good else 0)
    failed = till.names().count("payment.deposit_failed")
    await till.advance(MONTHS_LATER - 2 * DAY)
    deposit = await actions.deposit(till.deps, HOST, paid.booking_id)
    assert (deposit.status, till.names().count("payment.deposit_failed") - failed) == (
        ("held", 0) if good else ("planned", 0)
    )
    await till.advance(20 * DAY)
    ends = till.names().count("payment.deposit_released" if good else "payment.deposit_failed")
    assert ends == (2 if good else failed + 1)


# What is let go is not taken


async def test_a_card_that_is_to_be_released_is_not_charged_for_a_yes_before_the_cancellation(
    till: Till,
) -> None:
    """The guest cancels at the moment at which the host says yes; the provider does not answer just then."""
    asked = await till.pay(capture="manual")
    till.provider.weather = "down"
    await till.cancelled(asked.booking_id, eur(0), rules.nothing_kept("EUR"))
    till.provider.weather = "fine"
    assert await actions.capture(till.deps, asked.booking_id) == "nothing_authorised"
    await till.advance(DAY)
    assert (await till.row(asked.id)).status == "canceled"
    assert await till.balances(asked.booking_id) == {}


async def test_a_deposit_that_is_to_be_released_cannot_be_claimed(till: Till) -> None:
    """The stay was cancelled before it began; the provider does not answer until after the check-in."""
    paid = await till.pay()
    await till.confirmed(paid.booking_id, deposit=eur(20_000))
    await till.advance(CHECK_IN_AT - HOUR - START)
    till.provider.weather = "down"
    await till.cancelled(paid.booking_id, TOTAL, rules.nothing_kept("EUR"))
    await till.advance(2 * HOUR)
    with pytest.raises(rules.NotClaimable):
        await actions.claim(till.deps, HOST, paid.booking_id, eur(5_000), "a chair")
    till.provider.weather = "fine"
    await till.advance(2 * DAY)
    assert (await actions.deposit(till.deps, HOST, paid.booking_id)).status == "released"


# Pay-outs and disputes


@pytest.mark.parametrize(
    ("back", "kept"), [(TOTAL, rules.nothing_kept("EUR")), (eur(0), SPLIT)], ids=["guest", "host"]
)
async def test_a_payout_that_was_put_off_is_taken_back_and_waits_for_the_end_of_a_dispute(
    till: Till, back: Money, kept: Split
) -> None:
    send, has_settled = till.provider.transfer, False

    async def once_settled(amount: Money, **more: Any) -> ProviderTransfer:
        if has_settled:
            return await send(amount, **more)
        return ProviderTransfer(id="", amount=amount, status="waits")

    till.provider.transfer = once_settled  # type: ignore[method-assign]
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await till.advance(CHECK_IN_AT + DAY + HOUR - START)
    assert "host.payout.initiated" in till.names()
    has_settled, dispute_id, facts = True, uuid4(), till.facts(paid.booking_id)
    about = {"booking_id": paid.booking_id, "booking": facts, "dispute_id": dispute_id}
    await till.hear(DisputeOpened(**about, by="guest", why="mould"))
    await till.advance(5 * DAY)
    assert "host.payout.completed" not in till.names()
    await till.hear(DisputeResolved(**about, refund=back, kept=kept))
    await till.advance(5 * DAY)
    out = [event.amount for event in till.told if event.name == "host.payout.completed"]
    assert out == ([] if back else [SPLIT.payout])
    assert (await till.balances(paid.booking_id)).get("host_payable:host", 0) == 0


async def test_a_payout_whose_timer_was_fired_by_a_clock_that_is_ahead_is_made(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    due_at = CHECK_IN_AT + DAY
    till.clock.move_to(due_at - 2 * SECOND)
    await till.deps.db.fire_due(due_at)
    await till.settle()
    assert "host.payout.initiated" not in till.names()
    await till.advance(MINUTE)
    assert till.names().count("host.payout.completed") == 1

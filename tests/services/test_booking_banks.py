"""What cardholders' banks take of a stay's money: what is shown, paid and kept then is what is there."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from harness import TestHouse
from hometrip.kernel.clock import DAY
from hometrip.kernel.money import Money
from hometrip.services.booking.store.tables import bookings
from hometrip.services.payment import actions
from hometrip.services.payment.contract import PaymentDisputed
from hometrip.services.payment.store.tables import chargebacks
from journeys.steps import ok, problem
from services.money_back import (
    ask_back,
    decide,
    dollars,
    host_refund,
    kept_of,
    receipt,
    sent_back,
    staff_refund,
)
from stories.teller import Teller, balance, teller_in


@pytest.fixture
async def teller(house: TestHouse) -> Teller:
    return await teller_in(house, cancellation_policy="moderate")


async def paid_stay(teller: Teller, plan: str | None = None, days: int = 30) -> str:
    """Paid at once or in two halves, which are the payments 2 and 1; there is other money to give back."""
    booking = await teller.book(plan=plan, days=days)
    await teller.pay(booking)
    if plan:
        await teller.wait(days=days - 13)
    await teller.pay(await teller.book(days=days + 30))
    return booking


async def there(teller: Teller, booking: str) -> int:
    """What the provider holds of the stay's price."""
    return balance(await teller.journal(booking)).get("clearing", 0)


async def shown(teller: Teller, booking: str, by: str = "guest") -> tuple[int, int]:
    """The preview of a cancellation: the refund, and what is kept."""
    told = ok(await getattr(teller, by).get(f"/api/bookings/{booking}/cancellation"))
    return told["refund"]["amount"], told["kept"]["amount"]


TAKEN = [(None, 1, 39_200), (None, 1, 10_000), ("half", 2, None), ("half", 1, None), ("half", 1, 5_000)]
WAYS = [("guest", False), ("guest", True), ("host", False), ("host", True)]
# A guest who is late meets every loss; of the others, each meets a part of one.
SHOWN = {*product(TAKEN, [("guest", True)]), (TAKEN[1], ("guest", False)), (TAKEN[4], ("host", True))}


@pytest.mark.parametrize(
    ("plan", "payment", "taken", "by", "late"),
    [
        pytest.param(*taken, *way, marks=() if (taken, way) in SHOWN else pytest.mark.full)
        for taken, way in product(TAKEN, WAYS)
    ],
)
async def test_a_cancellation_after_a_lost_dispute_shows_and_pays_what_is_there(
    teller: Teller, plan: str | None, payment: int, taken: int | None, by: str, late: bool
) -> None:
    """Long before check-in all that is left goes back; two days before it the guest gives up half."""
    booking = await paid_stay(teller, plan)
    await decide(teller, await ask_back(teller, payment, taken), "lost")
    assert (await teller.history(booking))[-1] == "charged_back by system"
    if late:
        await teller.wait(days=11 if plan else 28)
    left = await there(teller, booking)
    refund, kept = await shown(teller, booking, by)
    assert refund + kept == left
    await teller.cancel(booking, getattr(teller, by))
    assert await sent_back(teller, booking) == refund
    assert await kept_of(teller, booking) == kept
    told = await receipt(teller, booking)
    assert told["refunded"] == refund
    await teller.end()


@pytest.mark.parametrize("cents", [5_000, 20_000, 39_200])
async def test_a_cancellation_at_the_moment_of_a_lost_dispute_counts_what_the_bank_keeps(
    teller: Teller, cents: int
) -> None:
    """150.00 are to come back, in all: booking may not have heard of the bank when it says so."""
    booking = await paid_stay(teller)
    await teller.wait(days=28)
    await decide(teller, await ask_back(teller, 1, cents), "lost", wait=False)
    # Without a preview: booking may hear of the bank between the two.
    ok(await teller.guest.post(f"/api/bookings/{booking}/cancel", {"reason": "Plans have changed."}))
    await teller.house.settle()
    assert await sent_back(teller, booking) == max(0, 15_000 - cents)
    left = min(24_200, 39_200 - cents)
    assert await kept_of(teller, booking) == await there(teller, booking) == left
    await teller.end()


async def test_a_host_gives_at_the_moment_of_a_lost_dispute_what_was_said(teller: Teller) -> None:
    booking = await paid_stay(teller)
    await decide(teller, await ask_back(teller, 1, 20_000), "lost", wait=False)
    await host_refund(teller, booking, 5_000)
    assert await sent_back(teller, booking) == 5_000
    assert await kept_of(teller, booking) == await there(teller, booking) == 14_200
    await teller.end()


async def test_what_comes_after_a_bank_has_kept_the_first_half_is_there(teller: Teller) -> None:
    """The second half is charged all the same, and is what a cancellation gives back."""
    booking = await teller.book(plan="half")
    await teller.pay(booking)
    await decide(teller, await ask_back(teller, 0), "lost")
    assert await shown(teller, booking) == (0, 0)
    await teller.wait(days=17)
    assert await there(teller, booking) == 19_600
    assert await shown(teller, booking) == (19_600, 0)
    await teller.cancel(booking, teller.guest)
    assert await sent_back(teller, booking) == 19_600
    await teller.end()


@pytest.mark.parametrize("decided", ["won", "lost"])
@pytest.mark.parametrize("given", [5_000, 39_200])
async def test_a_bank_that_keeps_what_staff_gave_back_takes_no_more_than_was_left(
    teller: Teller, given: int, decided: str
) -> None:
    booking = await paid_stay(teller)
    await staff_refund(teller, given, payment=1)
    await decide(teller, await ask_back(teller, 1), decided)
    left = 39_200 - given if decided == "won" else 0
    assert await shown(teller, booking, "admin") == (left, 0)
    gone = await teller.cancel(booking, teller.admin)
    assert gone["refund"]["amount"] == left
    assert await sent_back(teller, booking) == given + left
    await teller.end()


async def test_a_dispute_that_is_won_leaves_the_booking_as_it_was(teller: Teller) -> None:
    booking = await paid_stay(teller)
    before = await teller.look(booking)
    await decide(teller, await ask_back(teller, 1), "won")
    assert await teller.look(booking) == before


@pytest.mark.parametrize("cents", [10_000, 30_000])
async def test_what_a_bank_keeps_after_a_cancellation_is_kept_no_more(teller: Teller, cents: int) -> None:
    """Of 392.00 the guest had 150.00 back; of the 242.00 that are kept a bank takes some, or all."""
    booking = await paid_stay(teller)
    await teller.wait(days=28)
    await teller.cancel(booking, teller.guest)
    await decide(teller, await ask_back(teller, 1, cents), "lost")
    assert await kept_of(teller, booking) == max(0, 24_200 - cents)
    assert (await teller.look(booking))["cancellation"]["kept"]["amount"] == 24_200  # as it was shown
    await teller.end()


async def test_two_banks_have_decided_before_what_they_keep_is_told(either_house: TestHouse) -> None:
    """The second finds 192.00 of the 250.00 that it wants; once the first is won it has them all."""
    teller = await teller_in(either_house, cancellation_policy="moderate")
    booking = await paid_stay(teller)
    first = await ask_back(teller, 1, 20_000)
    second = await ask_back(teller, 1, 25_000)
    await decide(teller, second, "lost")
    assert sum(await shown(teller, booking)) == 39_200
    await decide(teller, first, "won")
    assert await shown(teller, booking) == (14_200, 0)
    await teller.cancel(booking, teller.guest)
    assert await sent_back(teller, booking) == 14_200
    await teller.end()


async def test_a_host_gives_back_of_what_a_bank_has_left_and_no_more(teller: Teller) -> None:
    """Of 392.00 a bank keeps 200.00; of the 192.00 that are left 166.29 are the host's."""
    booking = await paid_stay(teller)
    await decide(teller, await ask_back(teller, 1, 20_000), "lost")
    path, reason = f"/api/bookings/{booking}/refund", "The pool was closed."
    more = await teller.host.post(path, {"amount": dollars(16_630), "reason": reason})
    assert problem(more, 422, "invalid")["errors"][0]["code"] == "more_than_kept"
    await host_refund(teller, booking, 16_629)
    assert await sent_back(teller, booking) == 16_629
    assert await kept_of(teller, booking) == await there(teller, booking) == 19_200 - 16_629
    await teller.end()


async def test_a_cheaper_change_after_a_lost_dispute_gives_back_what_it_shows(teller: Teller) -> None:
    """Two nights instead of three save 112.00, of the 192.00 that a bank has left."""
    booking = await paid_stay(teller)
    await decide(teller, await ask_back(teller, 1, 20_000), "lost")
    check_out = date.fromisoformat((await teller.look(booking))["check_out"]) - DAY
    ok(await teller.guest.put(f"/api/bookings/{booking}", {"check_out": check_out.isoformat()}))
    ok(await teller.host.post(f"/api/bookings/{booking}/change/accept"))
    await teller.house.settle()
    assert await sent_back(teller, booking) == 11_200
    assert await shown(teller, booking) == (8_000, 0)
    await teller.cancel(booking, teller.guest)
    assert await sent_back(teller, booking) == 19_200
    await teller.end()


@pytest.mark.parametrize("decided", ["won", "lost"])
async def test_what_a_host_gives_while_a_bank_has_the_money_counts_with_what_that_keeps(
    teller: Teller, decided: str
) -> None:
    """A bank has 200.00 of 392.00 when the host gives 50.00: lost, the guest has more than that already."""
    booking = await paid_stay(teller)
    answer = await ask_back(teller, 1, 20_000)
    await host_refund(teller, booking, 5_000)
    assert sum(await shown(teller, booking)) == 34_200
    await decide(teller, answer, decided)
    left = 34_200 if decided == "won" else 19_200
    assert sum(await shown(teller, booking)) == await there(teller, booking) == left
    await teller.end()


async def test_staff_settle_a_disagreement_with_what_a_bank_has_left(teller: Teller) -> None:
    booking = await paid_stay(teller)
    await teller.wait(days=30, hours=12)
    await decide(teller, await ask_back(teller, 1, 20_000), "lost")
    path = f"/api/bookings/{booking}/disputes"
    asked: dict[str, Any] = ok(await teller.guest.post(path, {"reason": "No water."}), 201)["disputes"][0]
    settle = f"{path}/{asked['id']}/resolve"
    problem(await teller.admin.post(settle, {"refund": dollars(19_201)}), 422, "invalid")
    ok(await teller.admin.post(settle, {"refund": dollars(19_200)}))
    await teller.house.settle()
    assert await sent_back(teller, booking) == 19_200
    assert await kept_of(teller, booking) == await there(teller, booking) == 0
    await teller.end()


async def test_what_a_bank_has_for_now_is_kept_when_staff_give_some_of_a_cancelled_stay_back(
    teller: Teller,
) -> None:
    """Of two halves 242.00 are kept: all of the first, which the bank takes, and 46.00 of the second, of
    which staff give 10.00 back. Once the bank has decided for us 232.00 are there, of which the host gives
    180.00."""
    booking = await teller.book(plan="half")
    await teller.pay(booking)
    await teller.wait(days=28)
    await teller.cancel(booking, teller.guest)
    await teller.pay(await teller.book(days=50))  # so that there is money to give back
    evidence = await ask_back(teller, 2)
    await staff_refund(teller, 1_000, payment=1)
    assert await kept_of(teller, booking) == 23_200
    await decide(teller, evidence, "won")
    assert -balance(await teller.journal(booking))["clearing"] == -23_200
    assert await kept_of(teller, booking) == 23_200
    await host_refund(teller, booking, 18_000)
    assert await sent_back(teller, booking) == 15_000 + 1_000 + 18_000
    await teller.end()


@pytest.mark.parametrize("decided", ["won", "lost"])
async def test_what_staff_give_while_a_cancellation_waits_for_a_bank_comes_off_what_that_keeps(
    teller: Teller, decided: str
) -> None:
    """A bank has the first half when the guest cancels: 150.00 are to go back, 242.00 are kept, and staff
    give 10.00 more before the bank has decided."""
    booking = await teller.book(plan="half")
    await teller.pay(booking)
    await teller.wait(days=28)
    await teller.pay(await teller.book(days=50))  # so that there is money to give back
    answer = await ask_back(teller, 2)
    gone = await teller.cancel(booking, teller.guest)
    assert (gone["refund"]["amount"], gone["kept"]["amount"]) == (15_000, 24_200)
    await staff_refund(teller, 1_000, payment=1)
    assert await kept_of(teller, booking) == 23_200
    await decide(teller, answer, decided)
    books = balance(await teller.journal(booking))
    # The 196.00 that a bank keeps are more than what was to go back.
    left = 23_200 if decided == "won" else 39_200 - 19_600 - 1_000
    assert (books["clearing"], await kept_of(teller, booking)) == (left, left)
    await teller.end()


async def as_before_bookings_were_told(teller: Teller, booking: str) -> None:
    """What an earlier version has left: booking has not heard what the bank keeps."""
    async with teller.house.deps("booking").db.transaction() as tx:
        await tx.execute(update(bookings).where(bookings.c.id == UUID(booking)).values(kept=None))
    deps = teller.house.deps("payment")
    async with deps.db.transaction() as tx:
        await tx.execute(update(chargebacks).values(told=False))
    await deps.db.forget(teller.house.clock.now() + DAY, timedelta(0))


async def begin_again(teller: Teller) -> list[PaymentDisputed]:
    """The next version begins; what it tells of banks."""
    deps = teller.house.deps("payment")
    known = {event.id for event in await deps.db.recent(1_000)}
    await actions.tell_of_lost(deps)
    await teller.house.settle()
    new = [event for event in await deps.db.recent(1_000) if event.id not in known]
    return [event.open(PaymentDisputed) for event in new if event.name == PaymentDisputed.name]


@pytest.mark.parametrize("taken", [39_200, 10_000])
async def test_a_booking_hears_once_of_what_a_bank_kept_before_bookings_were_told(
    teller: Teller, taken: int
) -> None:
    booking = await paid_stay(teller)
    await decide(teller, await ask_back(teller, 1, taken), "lost")
    mails = len(await teller.house.mails("host@example.com"))
    await as_before_bookings_were_told(teller, booking)
    assert sum(await shown(teller, booking)) == 39_200
    violations = await actions.verify(teller.house.deps("payment"))
    assert violations == [f"booking {booking} was not told that a bank keeps {Money(taken, 'USD')} of it"]
    [told] = await begin_again(teller)
    assert (told.lost, told.late) == (Money(taken, "USD"), True)
    assert sum(await shown(teller, booking)) == await there(teller, booking) == 39_200 - taken
    assert await begin_again(teller) == []
    assert len(await teller.house.mails("host@example.com")) == mails
    await teller.cancel(booking, teller.guest)
    await teller.end()


async def test_who_was_told_of_what_a_bank_keeps_is_not_told_again(teller: Teller) -> None:
    """Also where the version that told it kept no note of that."""
    booking = await paid_stay(teller)
    await decide(teller, await ask_back(teller, 1, 10_000), "lost")
    async with teller.house.deps("payment").db.transaction() as tx:
        await tx.execute(update(chargebacks).values(told=False))
    assert await begin_again(teller) == []
    assert sum(await shown(teller, booking)) == await there(teller, booking)
    await teller.end()


async def test_while_another_bank_is_to_decide_what_was_kept_before_waits_for_that(teller: Teller) -> None:
    booking = await paid_stay(teller, "half")
    await decide(teller, await ask_back(teller, 2, 5_000), "lost")
    await as_before_bookings_were_told(teller, booking)
    second = await ask_back(teller, 1, 7_000)
    assert await begin_again(teller) == []
    await decide(teller, second, "lost")
    assert sum(await shown(teller, booking)) == await there(teller, booking) == 39_200 - 12_000
    assert await begin_again(teller) == []
    await teller.end()

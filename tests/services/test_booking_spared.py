"""Stays that are paid in two and cross the nights from which a tax spares them, at the door: at no moment
has a tax office less than nothing, and once all is paid each share is that of the price."""

from __future__ import annotations

from typing import Any

import pytest

from harness import TestHouse
from hometrip.services.booking.contract import CANCELLATION_POLICIES
from journeys.steps import ok, pay
from services.money_back import ask_back, decide, host_refund, staff_refund
from stories.teller import Teller, teller_in

AHEAD = 60
CARD = {"payment_method": "pm_card_visa"}
# At 1 % the 28th night, which ends the tax, makes the stay dearer; at 10 % it makes it cheaper.
DEARER, CHEAPER = 100, 1_000
OTHER_POLICIES = sorted({*CANCELLATION_POLICIES} - {"firm", "flexible"})


def proven(*values: Any) -> list[Any]:
    """Cases that are shown where proofs are made."""
    return [pytest.param(value, marks=pytest.mark.full) for value in values]


both_ways = pytest.mark.parametrize("bp", [DEARER, CHEAPER])
mostly_dearer = pytest.mark.parametrize("bp", [DEARER, *proven(CHEAPER)])


async def town(house: TestHouse, bp: int, **home: Any) -> Teller:
    """Where long stays are spared the tax, and there is other money to give back."""
    teller = await teller_in(house, **home)
    tax = {"area": {"country": "US"}, "label": "A tax", "kind": "percent_bp", "bp": bp, "base": "nights"}
    ok(await teller.admin.post("/api/listings/taxes", tax | {"exempt_from_nights": 28, "enabled": True}), 201)
    await teller.pay(await teller.book(days=200, nights=20))
    return teller


async def half_paid(teller: Teller, nights: int) -> str:
    booking = await teller.book(days=AHEAD, nights=nights, plan="half")
    await teller.pay(booking)
    await teller.end()
    return booking


async def ask(teller: Teller, booking: str, nights: int) -> str:
    wish = {"check_out": teller.day(AHEAD + nights)}
    asked = ok(await teller.guest.put(f"/api/bookings/{booking}", wish))["change"]
    return str(asked["status"])


async def change(teller: Teller, booking: str, nights: int) -> None:
    """Ask for it, and have it accepted or pay it."""
    if await ask(teller, booking, nights) == "awaiting_host":
        ok(await teller.host.post(f"/api/bookings/{booking}/change/accept"))
        await teller.house.settle()
    if (await teller.look(booking))["change"]["status"] == "awaiting_payment":
        await pay(teller.guest, booking)
    await teller.end()
    assert (await teller.look(booking))["nights"] == nights


async def second_half_and_cancellation(teller: Teller, booking: str) -> None:
    """The second half is taken, then the host cancels."""
    await teller.wait(days=AHEAD - 13)
    await teller.end()
    await teller.cancel(booking, teller.host)
    await teller.end()


async def taxes_are_those_of_the_price(teller: Teller, booking: str) -> None:
    await teller.end()
    found = ok(await teller.admin.get("/api/payments/ledger", params={"booking_id": booking}))["items"]
    lines = [line for entry in found for line in entry["postings"]]
    taken = sum(line["amount"]["amount"] for line in lines if line["account"].startswith("tax_payable:"))
    price = (await teller.look(booking))["lines"]
    assert -taken == sum(line["amount"]["amount"] for line in price if line["kind"] == "tax")


@both_ways
@pytest.mark.parametrize(
    "nights",
    [
        (27, 28, 27),
        (28, 26, 29),
        *proven((27, 28), (27, 29, 26), (28, 27, 28), (40, 27, 28), (27, 3)),
    ],
)
async def test_however_a_stay_crosses_it_each_share_is_that_of_its_price_in_the_end(
    house: TestHouse, bp: int, nights: tuple[int, ...]
) -> None:
    teller = await town(house, bp)
    booking = await half_paid(teller, nights[0])
    for wanted in nights[1:]:
        await change(teller, booking, wanted)
    await teller.wait(days=AHEAD - 13)
    assert "balance" not in await teller.look(booking)
    await taxes_are_those_of_the_price(teller, booking)


@mostly_dearer
@pytest.mark.parametrize("nights", [(27, 28), *proven((28, 27))])
@pytest.mark.parametrize("policy", ["firm", "flexible", *proven(*OTHER_POLICIES)])
async def test_it_is_cancelled_between_the_halves(
    house: TestHouse, bp: int, nights: tuple[int, int], policy: str
) -> None:
    teller = await town(house, bp, cancellation_policy=policy)
    booking = await half_paid(teller, nights[0])
    await change(teller, booking, nights[1])
    await teller.wait(days=2)
    await teller.cancel(booking, teller.guest)
    await teller.end()


@mostly_dearer
@pytest.mark.parametrize("nights", [(27, 28, 27), *proven((28, 27, 28))])
@pytest.mark.parametrize("by", ["host", "staff"])
@pytest.mark.parametrize("cents", [120_000, *proven(5_000)])
async def test_some_goes_back_between_the_halves(
    house: TestHouse, bp: int, nights: tuple[int, ...], by: str, cents: int
) -> None:
    teller = await town(house, bp)
    booking = await half_paid(teller, nights[0])
    if by == "host":
        await host_refund(teller, booking, cents)
    else:
        await staff_refund(teller, cents)
    for wanted in nights[1:]:
        await change(teller, booking, wanted)
    await second_half_and_cancellation(teller, booking)


@mostly_dearer
@pytest.mark.parametrize("nights", [(27, 28, 27), *proven((28, 27, 28))])
@pytest.mark.parametrize("cents", [None, *proven(120_000)])
@pytest.mark.parametrize("late", [False, True])
async def test_a_bank_keeps_the_first_half(
    house: TestHouse, bp: int, nights: tuple[int, ...], cents: int | None, *, late: bool
) -> None:
    """Before the stay is changed, or after."""
    teller = await town(house, bp)
    booking = await half_paid(teller, nights[0])
    if late:
        await change(teller, booking, nights[1])
    paid = ok(await teller.guest.get("/api/payments/history"))["items"]
    first = max(at for at, one in enumerate(paid) if one["booking_id"] == booking)
    await decide(teller, await ask_back(teller, first, cents), "lost")
    await teller.end()
    for wanted in nights[2:] if late else nights[1:]:
        await change(teller, booking, wanted)
    await second_half_and_cancellation(teller, booking)


@both_ways
@pytest.mark.parametrize("nights", [(27, 28), (28, 27)])
async def test_the_second_half_is_paid_while_the_change_is_open(
    house: TestHouse, bp: int, nights: tuple[int, int]
) -> None:
    teller = await town(house, bp)
    booking = await half_paid(teller, nights[0])
    rest = ok(await teller.guest.post("/api/payments/intent", {"booking_id": booking}), 201)
    status = await ask(teller, booking, nights[1])
    if status == "awaiting_payment":
        more = ok(await teller.guest.post("/api/payments/intent", {"booking_id": booking}), 201)
    ok(await teller.guest.post(f"/api/payments/{rest['id']}/confirm", CARD))
    await teller.end()
    if status == "awaiting_payment":
        ok(await teller.guest.post(f"/api/payments/{more['id']}/confirm", CARD))
    else:
        ok(await teller.host.post(f"/api/bookings/{booking}/change/accept"))
    await taxes_are_those_of_the_price(teller, booking)
    await teller.cancel(booking, teller.guest)
    await teller.end()


async def test_a_second_half_that_was_opened_before_the_change_is_paid_after_it(house: TestHouse) -> None:
    teller = await town(house, DEARER)
    booking = await half_paid(teller, 27)
    rest = ok(await teller.guest.post("/api/payments/intent", {"booking_id": booking}), 201)
    await change(teller, booking, 28)
    ok(await teller.guest.post(f"/api/payments/{rest['id']}/confirm", CARD))
    await taxes_are_those_of_the_price(teller, booking)
    await teller.end()


@pytest.mark.parametrize("by", ["staff", "bank", "won"])
async def test_some_of_the_first_half_goes_back_while_the_difference_is_to_be_paid(
    house: TestHouse, by: str
) -> None:
    teller = await town(house, DEARER)
    booking = await half_paid(teller, 27)
    await ask(teller, booking, 28)
    more = ok(await teller.guest.post("/api/payments/intent", {"booking_id": booking}), 201)
    if by == "staff":
        await staff_refund(teller, 120_000, 1)
    else:
        evidence = await ask_back(teller, 1)
        if by == "bank":
            await decide(teller, evidence, "lost")
    ok(await teller.guest.post(f"/api/payments/{more['id']}/confirm", CARD))
    await teller.end()
    if by == "won":
        await decide(teller, evidence, "won")
        await teller.end()
    await teller.wait(days=AHEAD - 13)
    await teller.end()
    if by == "won":
        await taxes_are_those_of_the_price(teller, booking)
    await teller.cancel(booking, teller.host)
    await teller.end()

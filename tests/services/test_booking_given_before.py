"""Money that went back before a guest cancels, more than the policy then gives back: who bears it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from harness import TestHouse
from services.money_back import ask_back, decide, host_refund, staff_refund
from stories.teller import Teller, balance, teller_in

Given = Callable[[Teller, str], Awaitable[None]]


async def by_host(teller: Teller, booking: str) -> None:
    await host_refund(teller, booking, 20_000)


async def by_staff(teller: Teller, booking: str) -> None:
    await staff_refund(teller, 20_000, payment=1)


async def by_bank(teller: Teller, booking: str) -> None:
    await decide(teller, await ask_back(teller, 1), "lost")


async def by_staff_and_bank(teller: Teller, booking: str) -> None:
    await staff_refund(teller, 5_000, payment=1)
    await decide(teller, await ask_back(teller, 1), "lost")


async def paid_stay(house: TestHouse, policy: str, hours: int) -> tuple[Teller, str]:
    """So many hours after check-in, which is 30 days and 10 hours from now. The provider has money of another
    stay as well."""
    teller = await teller_in(house, cancellation_policy=policy)
    booking = await teller.book()
    await teller.pay(booking)
    other = await teller.book(days=200, nights=10)
    await teller.pay(other)
    await teller.wait(days=30, hours=10 + hours)
    return await signed_in(teller), booking


async def signed_in(teller: Teller) -> Teller:
    """Their sessions have ended meanwhile."""
    host, guest = [await teller.house.sign_in(email) for email in ("host@example.com", "guest@example.com")]
    admin = await teller.house.sign_in("staff@example.com")
    return Teller(teller.house, host, guest, admin, teller.home)


@pytest.mark.parametrize("hours", [1, 25])
@pytest.mark.parametrize("gives", [by_host, by_staff, by_bank, by_staff_and_bank])
async def test_a_cancellation_that_gives_nothing_back_moves_nobodys_share(
    house: TestHouse, gives: Given, hours: int
) -> None:
    """Before the pay-out, and after it, when the marketplace bears what the host has no more."""
    teller, booking = await paid_stay(house, "strict", hours)
    await gives(teller, booking)
    before = balance(await teller.journal(booking))
    told = await teller.cancel(booking, teller.guest)
    assert told["refund"]["amount"] == 0
    assert balance(await teller.journal(booking)) == before
    await teller.end()


@pytest.mark.parametrize(
    ("gives", "host"),
    [
        (by_host, 4_850 + 15_000),  # the gift, less the 50.00 that the policy would have given back
        (by_staff, 4_850),
        (by_bank, 4_850),
        (by_staff_and_bank, 4_850),
    ],
)
async def test_a_host_who_was_paid_owes_what_the_policy_gives_back_and_what_was_a_gift(
    house: TestHouse, gives: Given, host: int
) -> None:
    """Of 300.00 for three nights 50.00 would come back on the second day, 48.50 of it the host's."""
    teller, booking = await paid_stay(house, "moderate", 25)
    await gives(teller, booking)
    told = await teller.cancel(booking, teller.guest)
    assert told["refund"]["amount"] == 0
    assert balance(await teller.journal(booking))["host"] == host
    await teller.end()

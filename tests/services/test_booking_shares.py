"""Whose the money of a stay is that is paid in halves and changed: booking and payment say the same of each
share, to the minor unit."""

from __future__ import annotations

from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness import TestHouse
from hometrip.kernel.money import Money, digits_of
from hometrip.kernel.split import Split
from hometrip.services.booking import store as bookings
from hometrip.services.booking.rules import lines
from hometrip.services.payment import rules
from hometrip.services.payment import store as payments
from journeys.steps import ok, open_home, stay
from stories.teller import Teller, teller_in

pytestmark = pytest.mark.slow

AREA = {"country": "US", "region": "New York", "city": ""}
TAXES = [
    {"area": AREA, "label": "State tax", "kind": "percent_bp", "bp": 463, "base": "nights_and_fees"},
    {"area": AREA | {"city": "Albany"}, "label": "City tax", "kind": "percent_bp", "bp": 1_337},
    *(
        {
            "area": AREA | {"city": "Albany"},
            "label": f"Levy {currency}",
            "kind": "per_stay",
            "amount": {"amount": 7 * 10 ** digits_of(currency) + 1, "currency": currency},
        }
        for currency in ("EUR", "JPY", "KWD")
    ),
]

prices = st.fixed_dictionaries(
    {
        "currency": st.sampled_from(["EUR", "JPY", "KWD"]),
        "odd": st.integers(0, 999),
        "cleaning": st.integers(0, 90_001),
        "coupon": st.none() | st.tuples(st.sampled_from(["host", "admin"]), st.integers(1, 4_000)),
    }
)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("nights"), st.integers(3, 9)),
        st.tuples(st.just("host_gives"), st.integers(1, 1_000)),
        st.tuples(st.just("rest"), st.just(0)),
    ),
    min_size=1,
    max_size=4,
)


class Shared:
    """One house, in which stay after stay is booked, each of a home of its own."""

    def __init__(self, teller: Teller) -> None:
        self.teller, self.numbers = teller, count(1)

    async def half_paid(self, price: dict[str, Any]) -> str:
        number, currency = next(self.numbers), price["currency"]
        home = await open_home(self.teller.host, f"Cabin {number}")

        def money(amount: int) -> dict[str, Any]:
            return {"amount": amount, "currency": currency}

        unit = 10 ** digits_of(currency)
        pricing = {"base": money(90 * unit + price["odd"]), "cleaning_fee": money(price["cleaning"])}
        ok(await self.teller.host.put(f"/api/listings/{home['id']}/pricing", pricing))
        coupon = {}
        if price["coupon"]:
            by, bp = price["coupon"]
            coupon = {"coupon": f"CODE{number}"}
            wish = {"code": coupon["coupon"], "percent_bp": bp, "listing_ids": [home["id"]]}
            wish["host_funded"] = by == "host"
            ok(await getattr(self.teller, by).post("/api/coupons", wish), 201)
        when = stay(self.teller.house, 40, 6)
        quote = ok(
            await self.teller.guest.post(f"/api/listings/{home['id']}/quote", when | {"guests": 2} | coupon)
        )
        wish = when | {"listing_id": home["id"], "guests": 2, "quote_id": quote["id"], "plan": "half"}
        booking = ok(await self.teller.guest.post("/api/bookings", wish | coupon), 201)
        await self.teller.pay(booking["id"])
        return str(booking["id"])

    async def nights(self, booking: str, nights: int) -> None:
        """Fewer, with the host's consent, or more, which the guest pays."""
        path = f"/api/bookings/{booking}"
        wish = {"check_out": stay(self.teller.house, 40, nights)["check_out"]}
        asked = await self.teller.guest.put(path, wish)
        if asked.status_code == 422:  # that many it has already
            return
        change = ok(asked)["change"]
        if change["status"] == "awaiting_host":
            ok(await self.teller.host.post(f"{path}/change/accept"))
        elif change["status"] == "awaiting_payment":
            await self.teller.pay(booking)
        await self.teller.house.settle()

    async def host_gives(self, booking: str, part: int) -> None:
        known = await self.booking(booking)
        most = min(lines.shares_now(known).payout, known.left).amount
        if most > 0:
            amount = {"amount": max(1, most * part // 1_000), "currency": known.total.currency}
            wish = {"amount": amount, "reason": "The pool was closed."}
            ok(await self.teller.host.post(f"/api/bookings/{booking}/refund", wish), 201)
            await self.teller.house.settle()

    async def rest(self, booking: str, _: int) -> None:
        if (await self.booking(booking)).balance is not None:
            await self.teller.pay(booking)

    async def booking(self, booking: str) -> Any:
        async with self.teller.house.deps("booking").db.read() as db:
            return await bookings.bookings.get(db, UUID(booking))

    async def check(self, booking: str) -> None:
        known = await self.booking(booking)
        async with self.teller.house.deps("payment").db.read() as db:
            shares = await payments.shares(db, known.id)
            plan = await payments.plan_of(db, known.id)
        told = rules.split_of(shares, known.host_id, known.total.currency)
        assert accounts(lines.shares_now(known)) == accounts(told)
        rest = lines.to_come(known)
        waits = plan is not None and plan.status == "waiting"
        assert (rest and accounts(rest)) == (accounts(plan.split) if plan and waits else None)


def accounts(split: Split) -> dict[str, Money]:
    shares = {"payout": split.payout, "platform": split.platform, **split.taxes}
    return {name: share for name, share in shares.items() if share}


# The first half of one price, and a host who has given all of the own share back before it falls.
HALVES = {"currency": "JPY", "odd": 1, "cleaning": 5_001, "coupon": ("host", 1_111)}
GAVE_ALL = [("rest", 0), ("host_gives", 1_000), ("nights", 4)]


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(price=HALVES, sequence=[("nights", 5), ("host_gives", 333), ("nights", 8), ("rest", 0)])
@example(price=HALVES, sequence=GAVE_ALL)
@given(price=prices, sequence=moves)
async def test_booking_and_payment_say_the_same_of_each_share_of_a_stay_that_is_paid_in_halves(
    house: TestHouse, price: dict[str, Any], sequence: list[tuple[str, int]]
) -> None:
    shared = await shared_in(house)
    booking = await shared.half_paid(price)
    await shared.check(booking)
    for verb, number in sequence:
        await getattr(shared, verb)(booking, number)
        await shared.check(booking)


async def shared_in(house: TestHouse) -> Shared:
    """The same people and taxes for every example."""
    shared = getattr(house, "shared", None)
    if shared is None:
        shared = Shared(await teller_in(house))
        for tax in TAXES:
            ok(await shared.teller.admin.post("/api/listings/taxes", tax | {"enabled": True}), 201)
        await house.settle()
        house.shared = shared  # type: ignore[attr-defined]
    return shared

"""Stories whose guests came, and what they or their banks did then; and the ways that money is counted."""

from __future__ import annotations

from typing import Any

import pytest

from harness import TestHouse
from journeys.steps import CABIN, PRICING, ok
from stories.teller import Teller, balance, teller_in

CAPTURE = ("capture", {"clearing": 39_200, "host": -33_950, "revenue": -5_250})
PAYOUT = ("payout", {"host": 33_950, "clearing": -33_950})
STAYED = ["pending by guest", "confirmed by system", "completed by system"]


def usd(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


async def test_a_host_claims_part_of_the_deposit(told_house: TestHouse) -> None:
    """200.00 are held on Gus's card two days before check-in, which is no movement of money. Hanna claims
    80.00 for a lamp; Gus does not agree; staff grant 60.00. These are captured and are Hanna's, without any
    fee; the other 140.00 are released."""
    teller = await teller_in(told_house, PRICING | {"deposit": usd(20_000)})
    booking = await teller.book()
    await teller.pay(booking)
    await teller.wait(days=34)
    assert await teller.journal(booking) == [CAPTURE, PAYOUT]
    path = f"/api/payments/deposits/{booking}"
    assert ok(await teller.host.get(path))["status"] == "held"
    wish = {"amount": usd(8_000), "text": "The lamp is broken."}
    claim = ok(await teller.host.post(f"{path}/claims", wish), 201)
    ok(await teller.guest.post(f"{path}/claims/{claim['id']}/answer", {"accept": False}))
    decided = ok(await teller.admin.post(f"{path}/claims/{claim['id']}/decide", {"amount": usd(6_000)}))
    assert (decided["status"], decided["granted"]["amount"]) == ("granted", 6_000)
    await teller.wait(hours=1)
    assert await teller.journal(booking) == [
        CAPTURE,
        PAYOUT,
        ("capture", {"clearing": 6_000, "deposit_held": -6_000}),
        ("deposit_claim", {"deposit_held": 6_000, "host": -6_000}),
        ("payout", {"host": 6_000, "clearing": -6_000}),
    ]
    assert balance(await teller.journal(booking)) == {"clearing": 5_250, "revenue": -5_250}
    assert await teller.history(booking) == STAYED
    await teller.end()


async def test_a_host_claims_in_the_last_hour_in_which_that_is_possible(told_house: TestHouse) -> None:
    """No bank holds 200.00 for the three weeks from two days before check-in to 14 days after check-out: the
    hold has run out and was made anew twice when Hanna claims, and once more when staff decide. Gus, who has
    said nothing, hears nothing of that but that 60.00 are taken."""
    teller = await teller_in(told_house, PRICING | {"deposit": usd(20_000)})
    booking = await teller.book()
    await teller.pay(booking)
    await teller.wait(days=46)
    path = f"/api/payments/deposits/{booking}"
    payments = [one for one in await holds(teller, booking) if one == "requires_capture"]
    assert (ok(await teller.host.get(path))["status"], len(payments)) == ("held", 1)
    claim = ok(await teller.host.post(f"{path}/claims", {"amount": usd(8_000), "text": "The sofa."}), 201)
    await teller.wait(days=9)
    ok(await teller.admin.post(f"{path}/claims/{claim['id']}/decide", {"amount": usd(6_000)}))
    await teller.wait(hours=1)
    assert (await teller.journal(booking))[2:] == [
        ("capture", {"clearing": 6_000, "deposit_held": -6_000}),
        ("deposit_claim", {"deposit_held": 6_000, "host": -6_000}),
        ("payout", {"host": 6_000, "clearing": -6_000}),
    ]
    assert await holds(teller, booking) == ["canceled", "canceled", "canceled", "succeeded"]
    told = [one["kind"] for one in reversed(await told_house.mails("guest@example.com"))]
    assert [kind for kind in told if kind.startswith("deposit_")] == [
        "deposit_held",
        "deposit_claimed",
        "deposit_taken",
        "deposit_released",
    ]
    await teller.end()


async def holds(teller: Teller, booking: str) -> list[str]:
    """How the authorisations of the deposit stand, the oldest first."""
    payments = ok(await teller.guest.get("/api/payments/history", params={"limit": 100}))["items"]
    return [one["status"] for one in reversed(payments) if one["amount"] == usd(20_000)]


async def test_a_bank_takes_the_money_back(told_house: TestHouse) -> None:
    """Gus's bank disputes all 392.00 as soon as they were paid: 339.50 are set aside from what is the host's,
    52.50 from the marketplace's. Staff answer the bank, which decides against us: the money is gone. The stay
    comes and goes, and nothing is paid out. Hanna is told twice, the guest by nobody but his bank."""
    teller = await teller_in(told_house)
    booking = await teller.book()
    await teller.pay(booking, card="pm_card_createDispute")
    await teller.webhooks()
    aside = ("disputed", {"host": 33_950, "revenue": 5_250, "disputed": -39_200})
    assert await teller.journal(booking) == [CAPTURE, aside]
    await teller.wait(days=5)
    assert await teller.journal(booking) == [CAPTURE, aside]
    [dispute] = ok(await teller.admin.get("/api/payments/disputes"))["items"]
    path = f"/api/payments/disputes/{dispute['id']}/evidence"
    ok(await teller.admin.post(path, {"text": "losing_evidence"}))
    await teller.wait(days=29)
    assert await teller.journal(booking) == [
        CAPTURE,
        aside,
        ("chargeback", {"disputed": 39_200, "clearing": -39_200}),
    ]
    assert balance(await teller.journal(booking)) == {}
    assert await teller.history(booking) == [*STAYED[:2], "charged_back by system", *STAYED[2:]]
    mails = [mail["kind"] for mail in await teller.house.mails("host@example.com")]
    assert [kind for kind in mails if kind.startswith("dispute")] == ["dispute_lost", "dispute_opened"]
    assert "payout_sent" not in mails
    await teller.end()


async def test_a_coupon_and_a_tax(told_house: TestHouse) -> None:
    """The marketplace gives 10 % off: of nights and cleaning, 350.00, that is 35.00. The service fee is 12 %
    of the 315.00 left, 37.80. Troy takes 2.50 a guest and night: 2 guests, 3 nights, 15.00. That is 367.80.

    The coupon is the marketplace's own, so Hanna receives 339.50 as ever, and the marketplace has what is
    left: 367.80 less 339.50 less 15.00 is 13.30, its fees of 10.50 and 37.80 less its 35.00.
    """
    teller = await teller_in(told_house, address=CABIN["address"] | {"city": "Troy", "postcode": "12180"})
    levy = {
        "area": {"country": "US", "region": "New York", "city": "Troy"},
        "label": "City levy",
        "kind": "per_guest_night",
        "amount": usd(250),
        "enabled": True,
    }
    ok(await teller.admin.post("/api/listings/taxes", levy), 201)
    ok(await teller.admin.post("/api/coupons", {"code": "SPRING", "percent_bp": 1_000}), 201)
    when = {"check_in": teller.day(30), "check_out": teller.day(33), "guests": 2, "coupon": "SPRING"}
    quote = ok(await teller.guest.post(f"/api/listings/{teller.home}/quote", when))
    assert [(line["kind"], line["amount"]["amount"]) for line in quote["lines"]] == [
        ("nights", 30_000),
        ("cleaning", 5_000),
        ("coupon", -3_500),
        ("service_fee", 3_780),
        ("tax", 1_500),
    ]
    wish = when | {"listing_id": teller.home, "quote_id": quote["id"]}
    booking = ok(await teller.guest.post("/api/bookings", wish), 201)["id"]
    await teller.pay(booking)
    await teller.wait(days=34)
    area = "tax_payable:US/New York/Troy"
    assert await teller.journal(booking) == [
        ("capture", {"clearing": 36_780, "host": -33_950, "revenue": -1_330, area: -1_500}),
        PAYOUT,
    ]
    assert balance(await teller.journal(booking)) == {"clearing": 2_830, "revenue": -1_330, area: -1_500}
    assert await teller.history(booking) == STAYED
    await teller.end()


async def test_a_coupon_gives_all_of_it_away(told_house: TestHouse) -> None:
    """The marketplace gives all of the 350.00 off, and there is no fee on nothing: Gus pays nothing, and is
    confirmed at once, twice. What Hanna receives is the marketplace's expense: 339.50 for the stay that comes
    about. The other one Gus cancels three days before, under moderate: Hanna keeps one night and half of the
    other two, 200.00, of which she receives 97 %, 194.00.

    Otto pays for ten nights in summer, so that there is money to pay her out of.
    """
    teller = await teller_in(told_house, cancellation_policy="moderate")
    ok(await teller.admin.post("/api/coupons", {"code": "FREE", "percent_bp": 10_000}), 201)
    otto = await teller.house.sign_up("otto@example.com", "Otto")
    await teller.pay(await teller.book(otto, days=60, nights=10), otto)

    async def free(day: int) -> str:
        when = {"check_in": teller.day(day), "check_out": teller.day(day + 3), "guests": 2, "coupon": "FREE"}
        quote = ok(await teller.guest.post(f"/api/listings/{teller.home}/quote", when))
        assert (quote["total"]["amount"], quote["host_payout"]["amount"]) == (0, 33_950)
        wish = when | {"listing_id": teller.home, "quote_id": quote["id"]}
        booking = ok(await teller.guest.post("/api/bookings", wish), 201)
        assert (booking["status"], booking["payment"]["status"]) == ("confirmed", "succeeded")
        await teller.house.settle()
        return str(booking["id"])

    stayed, left = await free(30), await free(36)
    granted = ("granted", {"host": -33_950, "revenue": 33_950})
    assert await teller.journal(stayed) == [granted]
    await teller.wait(days=33)
    assert await teller.journal(stayed) == [granted, PAYOUT]
    shown = await teller.cancel(left, teller.guest)
    assert (shown["refund"]["amount"], shown["kept"]["amount"]) == (0, 0)
    await teller.wait(days=6)
    assert await teller.journal(left) == [
        granted,
        ("shared_anew", {"host": 14_550, "revenue": -14_550}),
        ("payout", {"host": 19_400, "clearing": -19_400}),
    ]
    assert await teller.history(stayed) == STAYED
    receipt = ok(await teller.guest.get(f"/api/bookings/{stayed}/receipt"))
    assert (receipt["total"]["amount"], receipt["paid"]["amount"]) == (0, 0)
    assert (await teller.guest.get(f"/api/bookings/{stayed}/receipt.pdf")).status_code == 200
    await teller.end()


async def test_a_request_for_nothing_is_confirmed_by_the_hosts_yes(told_house: TestHouse) -> None:
    """Hanna gives her own money away, all 350.00: nobody owes anybody anything."""
    teller = await teller_in(told_house, instant_book=False)
    booking = await _asked_for_nothing(teller)
    accepted = ok(await teller.host.post(f"/api/bookings/{booking}/accept"))
    assert accepted["status"] == "confirmed"
    await teller.wait(days=35)
    assert await teller.journal(booking) == []
    assert (await teller.look(booking))["status"] == "completed"
    await teller.end()


async def _asked_for_nothing(teller: Teller) -> str:
    gift = {"code": "FRIENDS", "percent_bp": 10_000, "host_funded": True, "listing_ids": [teller.home]}
    ok(await teller.host.post("/api/coupons", gift), 201)
    when = {"check_in": teller.day(30), "check_out": teller.day(33), "guests": 2, "coupon": "FRIENDS"}
    quote = ok(await teller.guest.post(f"/api/listings/{teller.home}/quote", when))
    wish = when | {"listing_id": teller.home, "quote_id": quote["id"]}
    booking = ok(await teller.guest.post("/api/bookings", wish), 201)
    assert (booking["status"], booking["awaiting"]) == ("pending", "host")
    return str(booking["id"])


@pytest.mark.parametrize("by", ["guest", "host", "admin"])
async def test_a_request_for_nothing_is_cancelled(house: TestHouse, by: str) -> None:
    """Nobody was to pay for it, and no stay is kept in mind."""
    teller = await teller_in(house, instant_book=False)
    booking = await _asked_for_nothing(teller)
    gone = await teller.cancel(booking, getattr(teller, by))
    assert (gone["refund"]["amount"], gone["kept"]["amount"]) == (0, 0)
    assert await teller.journal(booking) == []
    await teller.end()


async def test_a_stay_in_yen_which_have_no_cents(told_house: TestHouse) -> None:
    """Three nights of ¥12,345 are 37,035, cleaning 3,333, fee 12 % of 40,368 = 4,844.16, so 4,844: ¥45,212.
    The host's 3 % of 40,368 are 1,211.04, so 1,211: 39,157 are hers, 6,055 the marketplace's.

    After the first night Gus leaves. Flexible gives back the nights not stayed less one: one, ¥12,345. Kept
    are 32,867. Of the host's 24,690 and 3,333, together 28,023, she receives what she would have of the same
    part of her payout: 39,157 × 28,023 / 40,368 = 27,182.3, so 27,182; the marketplace has 5,685.
    """
    yen = "JPY"
    pricing = {
        "base": {"amount": 12_345, "currency": yen},
        "cleaning_fee": {"amount": 3_333, "currency": yen},
    }
    teller = await teller_in(told_house, pricing)
    booking = await teller.book()
    await teller.pay(booking)
    assert (await teller.look(booking))["total"] == {"amount": 45_212, "currency": yen}
    await teller.wait(days=31, hours=3)  # 8:00 in Albany after the first night
    gone = await teller.cancel(booking, teller.guest)
    assert (gone["refund"]["amount"], gone["kept"]["amount"]) == (12_345, 32_867)
    await teller.wait(days=2)
    assert await teller.journal(booking) == [
        ("capture", {"clearing": 45_212, "host": -39_157, "revenue": -6_055}),
        ("refund_promised", {"host": 11_975, "revenue": 370, "guest": -12_345}),
        ("refund", {"guest": 12_345, "clearing": -12_345}),
        ("payout", {"host": 27_182, "clearing": -27_182}),
    ]
    assert balance(await teller.journal(booking)) == {"clearing": 5_685, "revenue": -5_685}
    assert await teller.history(booking) == ["pending by guest", "confirmed by system", "cancelled by guest"]
    await teller.end()


async def test_a_stay_in_dinars_which_have_a_thousand_parts(told_house: TestHouse) -> None:
    """Three nights of 25.125 are 75.375, cleaning 7.500, fee 12 % of 82.875 = 9.945: 92.820 dinars. The
    host's 3 % are 2.48625, so 2.486: 80.389 are hers, 12.431 the marketplace's.

    The heating fails, and staff give 10.001 back. Each side bears its share: of 92.820 the host has 80.389,
    so 8.6616… of 10.001, of which whole thousandths are 8.661; the marketplace bears the other 1.340. So
    71.728 are paid out and 11.091 are left.
    """
    dinar = "KWD"
    pricing = {
        "base": {"amount": 25_125, "currency": dinar},
        "cleaning_fee": {"amount": 7_500, "currency": dinar},
    }
    teller = await teller_in(told_house, pricing)
    booking = await teller.book()
    await teller.pay(booking)
    [payment] = ok(await teller.guest.get("/api/payments/history"))["items"]
    assert payment["amount"] == {"amount": 92_820, "currency": dinar}
    wish = {"payment_id": payment["id"], "reason": "no heating"}
    back = {"amount": {"amount": 10_001, "currency": dinar}}
    ok(await teller.admin.post("/api/payments/refund", wish | back), 201)
    await teller.wait(days=34)
    assert await teller.journal(booking) == [
        ("capture", {"clearing": 92_820, "host": -80_389, "revenue": -12_431}),
        ("refund_promised", {"host": 8_661, "revenue": 1_340, "guest": -10_001}),
        ("refund", {"guest": 10_001, "clearing": -10_001}),
        ("payout", {"host": 71_728, "clearing": -71_728}),
    ]
    assert balance(await teller.journal(booking)) == {"clearing": 11_091, "revenue": -11_091}
    assert await teller.history(booking) == [*STAYED[:2], "refunded by staff", STAYED[2]]
    await teller.end()

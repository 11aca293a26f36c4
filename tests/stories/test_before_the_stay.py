"""Stories that end before anybody has slept there, or almost did."""

from __future__ import annotations

from harness import TestHouse
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.ports.payments import Payments
from journeys.steps import ok
from stories.teller import balance, teller_in


async def test_a_request_is_declined(told_house: TestHouse) -> None:
    """Gus asks, and 392.00 are authorised on his card. Hanna declines: the authorisation is released, and as
    nothing was ever captured, the journal has nothing to tell."""
    teller = await teller_in(told_house, instant_book=False)
    booking = await teller.book()
    assert (await teller.look(booking))["awaiting"] == "host"
    await teller.pay(booking)
    [payment] = ok(await teller.guest.get("/api/payments/history"))["items"]
    assert (payment["status"], payment["amount"]["amount"]) == ("requires_capture", 39_200)
    ok(await teller.host.post(f"/api/bookings/{booking}/decline", {"reason": "We repaint that week."}))
    await teller.house.settle()
    [payment] = ok(await teller.guest.get("/api/payments/history"))["items"]
    assert payment["status"] == "canceled"
    assert await teller.history(booking) == ["pending by guest", "declined by host"]
    assert (await teller.look(booking))["history"][-1]["why"] == "We repaint that week."
    assert await teller.journal(booking) == []
    await teller.end()


async def test_a_payment_comes_after_its_hold_has_ended(either_house: TestHouse) -> None:
    """Twice the provider takes 392.00 in the guest's browser, and we hear it after the 15 minutes.

    The first time the nights are still free, and the booking is confirmed out of its end. The second time
    Otto has the nights: all of the 392.00 go back at once, to the cent that was the host's (339.50) and the
    marketplace's (52.50).
    """
    teller = await teller_in(either_house)
    otto = await teller.house.sign_up("otto@example.com", "Otto")
    provider: SandboxPayments = teller.house.house.shared[Payments]

    async def paid_unheard(booking: str) -> None:
        intent = ok(await teller.guest.post("/api/payments/intent", {"booking_id": booking}), 201)
        at_provider = intent["client_secret"].partition("_secret_")[0]
        await teller.house.settle()
        provider.weather = "down"  # for us; the browser has another way there
        await teller.wait(minutes=16)
        assert (await teller.look(booking))["status"] == "expired"
        provider.weather = "fine"
        await provider.confirm_intent(at_provider, method="pm_card_visa", key=booking)

    first = await teller.book()
    await paid_unheard(first)
    await teller.webhooks()
    taken = ("capture", {"clearing": 39_200, "host": -33_950, "revenue": -5_250})
    assert await teller.history(first) == ["pending by guest", "expired by system", "confirmed by system"]
    assert await teller.journal(first) == [taken]

    second = await teller.book(days=40)
    await paid_unheard(second)
    theirs = await teller.book(otto, days=41)
    await teller.webhooks()
    await teller.wait(hours=1)
    assert await teller.history(second) == ["pending by guest", "expired by system"]
    assert await teller.journal(second) == [
        taken,
        ("refund_promised", {"host": 33_950, "revenue": 5_250, "guest": -39_200}),
        ("refund", {"guest": 39_200, "clearing": -39_200}),
    ]
    assert balance(await teller.journal(second)) == {}
    assert (await teller.look(theirs))["status"] == "expired"  # Otto never paid
    await teller.end()


async def test_a_stay_is_changed_and_then_cancelled(told_house: TestHouse) -> None:
    """Gus makes three nights five: nights 500.00, cleaning 50.00, fee 66.00, together 616.00, so 224.00 more.
    The host's part grows by 97 % of 200.00, which is 194.00, the marketplace's by 30.00.

    Three days before check-in he cancels. The policy is moderate: the host keeps one night and half of the
    other four, 300.00; 200.00 of the nights and the cleaning come back, 250.00, and the fee of 66.00 is kept
    because the refund is not a full one. Of the 300.00 Hanna receives 97 %, 291.00; the marketplace has 9.00
    and 66.00, 75.00. The refund goes to the latest payment first: 224.00 to it, 26.00 to the one before.
    """
    teller = await teller_in(told_house, cancellation_policy="moderate")
    booking = await teller.book()
    await teller.pay(booking)
    longer = {"check_out": teller.day(35)}
    asked = ok(await teller.guest.put(f"/api/bookings/{booking}", longer))
    assert asked["change"]["difference"]["amount"] == 22_400
    await teller.pay(booking)
    assert (await teller.look(booking))["total"]["amount"] == 61_600
    await teller.wait(days=27)
    shown = await teller.cancel(booking, teller.guest)
    assert (shown["rule"], shown["refund"]["amount"], shown["kept"]["amount"]) == (
        "part_of_nights",
        25_000,
        36_600,
    )
    assert [(line["kind"], line["refunded"]["amount"]) for line in shown["lines"]] == [
        ("nights", 20_000),
        ("cleaning", 5_000),
        ("service_fee", 0),
    ]
    await teller.wait(days=5)  # past 24 hours after what would have been the check-in
    assert await teller.journal(booking) == [
        ("capture", {"clearing": 39_200, "host": -33_950, "revenue": -5_250}),
        ("capture", {"clearing": 22_400, "host": -19_400, "revenue": -3_000}),
        ("refund_promised", {"host": 24_250, "revenue": 750, "guest": -25_000}),
        ("refund", {"guest": 22_400, "clearing": -22_400}),
        ("refund", {"guest": 2_600, "clearing": -2_600}),
        ("payout", {"host": 29_100, "clearing": -29_100}),
    ]
    assert balance(await teller.journal(booking)) == {"clearing": 7_500, "revenue": -7_500}
    assert await teller.history(booking) == [
        "pending by guest",
        "confirmed by system",
        "change_asked by guest",
        "changed by system",
        "cancelled by guest",
    ]
    await teller.end()


async def test_the_host_cancels_twenty_hours_before_check_in(told_house: TestHouse) -> None:
    """All 392.00 go back to Gus. With less than 48 hours to check-in the host owes half of the stay without
    fees and taxes, 175.00 of 350.00. The nights stay blocked.

    Her next guest's stay is worth 339.50 to her: 175.00 of it settle the debt, 164.50 are paid out.
    """
    teller = await teller_in(told_house)
    booking = await teller.book()
    await teller.pay(booking)
    await teller.wait(days=30, hours=10 - 20)
    gone = await teller.cancel(booking, teller.host)
    assert (gone["rule"], gone["refund"]["amount"], gone["penalty"]["amount"]) == (
        "host_cancelled",
        39_200,
        17_500,
    )
    told = [
        ("capture", {"clearing": 39_200, "host": -33_950, "revenue": -5_250}),
        ("penalty", {"host": 17_500, "revenue": -17_500}),
        ("refund_promised", {"host": 33_950, "revenue": 5_250, "guest": -39_200}),
        ("refund", {"guest": 39_200, "clearing": -39_200}),
    ]
    assert await teller.journal(booking) == told
    assert await teller.history(booking) == ["pending by guest", "confirmed by system", "cancelled by host"]
    path = f"/api/listings/{teller.home}/availability"
    days = ok(await teller.guest.get(path, params={"from": teller.day(30), "to": teller.day(33)}))["days"]
    assert [day["reason"] for day in days] == ["blocked"] * 3

    otto = await teller.house.sign_up("otto@example.com", "Otto")
    following = await teller.book(otto, days=7)
    await teller.pay(following, otto)
    await teller.wait(days=9)
    assert await teller.journal(following) == [
        ("capture", {"clearing": 39_200, "host": -33_950, "revenue": -5_250}),
        ("offset_given", {"host": 17_500, "clearing": -17_500}),
        ("payout", {"host": 16_450, "clearing": -16_450}),
    ]
    assert await teller.journal(booking) == [*told, ("offset_taken", {"clearing": 17_500, "host": -17_500})]
    assert balance(await teller.journal(booking)) == {"clearing": 17_500, "revenue": -17_500}
    paid = ok(await teller.host.get("/api/stripe-connect/payouts"))["items"][0]
    assert (paid["gross"]["amount"], paid["amount"]["amount"]) == (33_950, 16_450)
    assert paid["set_off"] == [
        {"booking_id": booking, "amount": {"amount": 17_500, "currency": "USD"}, "why": "penalty"}
    ]
    mails = {mail["kind"]: mail["text"] for mail in await teller.house.mails("host@example.com")}
    for words in ("For this stay: $339.50", "Penalty for", "-$175.00", "Paid out: $164.50"):
        assert words in mails["payout_sent"]
    await teller.end()


async def test_the_second_instalment_fails_three_times(told_house: TestHouse) -> None:
    """Of 392.00 Gus pays half now: 196.00, of which 169.75 are the host's and 26.25 the marketplace's. The
    rest is due 14 days before check-in; his card declines it then, a day later and three days later.

    So the booking ends under its policy, firm, eleven days before check-in. Of a whole payment half of the
    nights and the cleaning would come back, and 150.00 of the nights and the fee of 42.00 would be kept,
    192.00. There are 196.00: 4.00 go back. Hanna receives 97 % of 150.00, 145.50; the marketplace has 46.50.
    """
    teller = await teller_in(told_house, cancellation_policy="firm")
    booking = await teller.book(plan="half")
    await teller.pay(booking, card="pm_card_chargeCustomerFail")
    assert (await teller.look(booking))["balance"]["amount"] == 19_600
    await teller.wait(days=16, hours=11)
    tries = []
    for _ in range(4):
        failed = [
            mail for mail in await teller.house.mails("guest@example.com") if mail["kind"] == "payment_failed"
        ]
        tries.append(len(failed))
        await teller.wait(hours=24)
    assert tries == [1, 2, 2, 3]
    gone = await teller.look(booking)
    assert await teller.history(booking) == [
        "pending by guest",
        "confirmed by system",
        "cancelled by system",
    ]
    cancelled = gone["cancellation"]
    assert (cancelled["refund"]["amount"], cancelled["kept"]["amount"]) == (400, 19_200)
    await teller.wait(days=12)
    assert await teller.journal(booking) == [
        ("capture", {"clearing": 19_600, "host": -16_975, "revenue": -2_625}),
        ("refund_promised", {"host": 2_425, "revenue": -2_025, "guest": -400}),
        ("refund", {"guest": 400, "clearing": -400}),
        ("payout", {"host": 14_550, "clearing": -14_550}),
    ]
    assert balance(await teller.journal(booking)) == {"clearing": 4_650, "revenue": -4_650}
    await teller.end()


async def test_a_home_is_taken_down(told_house: TestHouse) -> None:
    """Staff suspend the home while Gus has paid for a stay in 10 days, Otto has asked for one and Pia holds
    one unpaid. All three end at once: Gus has 392.00 back, Otto's card is released, Pia was never charged.

    Hanna is charged 25 % of Gus's 350.00, 87.50, as if she had cancelled with less than 30 days' notice; the
    nights that were Gus's stay hers.
    """
    teller = await teller_in(told_house, instant_book=True)
    house = teller.house
    otto = await house.sign_up("otto@example.com", "Otto")
    pia = await house.sign_up("pia@example.com", "Pia")
    paid = await teller.book(days=10)
    await teller.pay(paid)
    held = await teller.book(pia, days=20)
    ok(await teller.host.patch(f"/api/listings/{teller.home}", {"instant_book": False}))
    asked = await teller.book(otto, days=30)
    await teller.pay(asked, otto)

    verdict = {"action": "suspend", "reason": "The flat is not hers to let."}
    ok(await teller.admin.post(f"/api/listings/{teller.home}/moderate", verdict))
    await house.settle()
    for booking, before in ((paid, "confirmed by system"), (held, None), (asked, None)):
        told = ["pending by guest", *([before] if before else []), "cancelled by staff"]
        assert await teller.history(booking) == told
        assert (await teller.look(booking))["history"][-1]["why"] == "the home was taken down"
    gone = (await teller.look(paid))["cancellation"]
    assert (gone["refund"]["amount"], gone["penalty"]["amount"]) == (39_200, 8_750)
    assert await teller.journal(paid) == [
        ("capture", {"clearing": 39_200, "host": -33_950, "revenue": -5_250}),
        ("penalty", {"host": 8_750, "revenue": -8_750}),
        ("refund_promised", {"host": 33_950, "revenue": 5_250, "guest": -39_200}),
        ("refund", {"guest": 39_200, "clearing": -39_200}),
    ]
    [released] = ok(await otto.get("/api/payments/history"))["items"]
    assert released["status"] == "canceled"
    days = ok(await teller.host.get(f"/api/listings/{teller.home}/availability"))["days"]
    assert [n for n, day in enumerate(days) if not day["free"] and "reason" in day] == [10, 11, 12]
    [mail] = [mail for mail in await house.mails("guest@example.com") if mail["kind"] == "booking_cancelled"]
    assert "The reason given: The home is no longer on HomeTrip." in mail["text"]
    await teller.end()

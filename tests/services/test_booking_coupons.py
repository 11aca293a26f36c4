"""Coupons at the door: who may make which, and where they are refused."""

from __future__ import annotations

from typing import Any

from harness import Person, TestHouse
from journeys.steps import DAY, book, ok, open_home, pay, problem, stay

TEN_PERCENT: dict[str, Any] = {"code": "Spring-10", "percent_bp": 1_000}


async def quoted(guest: Person, home: dict[str, Any], when: dict[str, Any], coupon: str | None = None) -> Any:
    wish = when | {"guests": 2} | ({"coupon": coupon} if coupon else {})
    return await guest.post(f"/api/listings/{home['id']}/quote", wish)


async def refused(house: TestHouse, guest: Person, home: dict[str, Any], code: str, **when: int) -> str:
    reason: str = problem(await quoted(guest, home, stay(house, **when), code), 409, "coupon_refused")[
        "reason"
    ]
    return reason


async def test_an_admins_coupon_is_taken_off_and_booked(house: TestHouse) -> None:
    home = await open_home(await house.sign_up("host@example.com"))
    guest, admin = await house.sign_up("guest@example.com"), await house.staff("admin")
    made = ok(await admin.post("/api/coupons", TEN_PERCENT), 201)
    assert (made["code"], made["host_funded"], made["version"]) == ("SPRING-10", False, 1)
    problem(await admin.post("/api/coupons", TEN_PERCENT), 409, "coupon_taken")
    when = stay(house)
    full = ok(await quoted(guest, home, when))
    less = ok(await quoted(guest, home, when, "spring-10"))
    (line,) = (line for line in less["lines"] if line["kind"] == "coupon")
    assert line["amount"]["amount"] == -3_500  # of 300 for nights and 50 for cleaning
    assert less["total"]["amount"] < full["total"]["amount"]
    wish = when | {"listing_id": home["id"], "guests": 2, "quote_id": less["id"], "coupon": "Spring-10"}
    booking = ok(await guest.post("/api/bookings", wish), 201)
    assert (booking["coupon"], booking["total"]) == ("SPRING-10", less["total"])


async def test_a_coupon_is_refused_with_its_reason(house: TestHouse) -> None:
    host = await house.sign_up("host@example.com")
    home, other_home = await open_home(host), await open_home(host, "Other cabin")
    guest, admin = await house.sign_up("guest@example.com"), await house.staff("admin")
    window = {"starts_at": "2027-05-01T00:00:00Z", "ends_at": "2027-05-02T00:00:00Z"}
    ok(await admin.post("/api/coupons", TEN_PERCENT | window | {"code": "MAYDAY"}), 201)
    once = TEN_PERCENT | {"code": "ONCE", "account_limit": 1}
    ok(await admin.post("/api/coupons", once), 201)
    there = TEN_PERCENT | {"code": "THERE", "listing_ids": [other_home["id"]]}
    ok(await admin.post("/api/coupons", there), 201)
    euros = {"code": "EUROS", "fixed": {"amount": 500, "currency": "EUR"}}
    ok(await admin.post("/api/coupons", euros), 201)
    rich = TEN_PERCENT | {"code": "RICH", "minimum": {"amount": 100_000, "currency": "USD"}}
    ok(await admin.post("/api/coupons", rich), 201)

    assert await refused(house, guest, home, "NOSUCH") == "unknown"
    assert await refused(house, guest, home, "THERE") == "other_home"
    assert await refused(house, guest, home, "EUROS") == "other_currency"
    assert await refused(house, guest, home, "RICH") == "minimum"
    assert await refused(house, guest, home, "MAYDAY") == "not_yet"
    ok(await book_with(guest, home, stay(house), "ONCE"), 201)
    assert await refused(house, guest, other_home, "ONCE", days=50) == "used_by_you"
    await house.advance(17.5 * DAY)
    ok(await quoted(guest, home, stay(house), "MAYDAY"))
    # The hold was never paid: what it used is the guest's again.
    ok(await quoted(guest, other_home, stay(house, days=50), "ONCE"))
    await house.advance(DAY)
    assert await refused(house, guest, home, "MAYDAY") == "over"


async def test_a_quote_and_a_booking_agree_on_who_has_used_a_coupon(house: TestHouse) -> None:
    home = await open_home(await house.sign_up("host@example.com"))
    guest, admin = await house.sign_up("guest@example.com"), await house.staff("admin")
    ok(await admin.post("/api/coupons", TEN_PERCENT | {"code": "ONCE", "account_limit": 1}), 201)
    booked = ok(await book_with(guest, home, stay(house), "ONCE"), 201)
    await pay(guest, booked["id"])
    await house.settle()
    assert await refused(house, guest, home, "ONCE", days=50) == "used_by_you"
    # Who changes the stay that it was used for keeps it.
    wish = stay(house, nights=5) | {"guests": 2, "coupon": "ONCE", "changing": booked["id"]}
    quote = ok(await guest.post(f"/api/listings/{home['id']}/quote", wish))
    asked = ok(await guest.put(f"/api/bookings/{booked['id']}", {"check_out": wish["check_out"]}))
    assert asked["change"]["total"] == quote["total"]


async def book_with(guest: Person, home: dict[str, Any], when: dict[str, Any], coupon: str) -> Any:
    quote = ok(await quoted(guest, home, when, coupon))
    wish = when | {"listing_id": home["id"], "guests": 2, "quote_id": quote["id"], "coupon": coupon}
    return await guest.post("/api/bookings", wish)


async def test_a_host_gives_away_only_the_own_money_for_the_own_homes(house: TestHouse) -> None:
    host, other = await house.sign_up("host@example.com"), await house.sign_up("other@example.com")
    home, foreign = await open_home(host), await open_home(other)
    mine = TEN_PERCENT | {"host_funded": True, "listing_ids": [home["id"]]}
    problem(await host.post("/api/coupons", mine | {"host_funded": False}), 422, "invalid")
    problem(await host.post("/api/coupons", TEN_PERCENT | {"host_funded": True}), 422, "invalid")
    theirs = mine | {"listing_ids": [home["id"], foreign["id"]]}
    assert problem(await host.post("/api/coupons", theirs), 403, "forbidden")["listing_ids"] == [
        foreign["id"]
    ]
    ok(await host.post("/api/coupons", mine), 201)

    path = "/api/coupons/spring-10"
    for verb in (other.get(path), other.delete(path)):
        problem(await verb, 404, "not_found")
    support = await house.staff("support", "support@example.com")
    ok(await support.get(path))
    problem(await support.delete(path), 403, "forbidden")
    changed = {key: value for key, value in mine.items() if key != "code"} | {"percent_bp": 2_000}
    stale = {"If-Match": '"7"'}
    problem(await host.put(path, changed, headers=stale), 412, "version_mismatch")
    assert ok(await host.put(path, changed, headers={"If-Match": '"1"'}))["percent_bp"] == 2_000
    assert [found["code"] for found in ok(await host.get("/api/coupons"))["items"]] == ["SPRING-10"]
    assert ok(await other.get("/api/coupons"))["items"] == []
    guest = await house.sign_up("guest@example.com")
    booking = ok(await book_with(guest, home, stay(house), "SPRING-10"), 201)
    # A fifth of 350 less, then the fee of 3 %: out of the host's share.
    assert booking["host_payout"]["amount"] == 27_160
    ok(await host.delete(path), 204)
    problem(await host.get(path), 404, "not_found")
    assert (await book(guest, home["id"], stay(house, days=50))).status_code == 201


async def test_a_coupon_that_makes_no_sense_is_refused(house: TestHouse) -> None:
    admin = await house.staff("admin")
    dollars = {"amount": 1_000, "currency": "USD"}
    for wrong in (
        {},
        {"percent_bp": 1_000, "fixed": dollars},
        {"fixed": {"amount": 0, "currency": "USD"}},
        {"fixed": {"amount": 5, "currency": "XXX"}},
        {"fixed": dollars, "minimum": {"amount": 5, "currency": "EUR"}},
        {"percent_bp": 10_001},
        {"fixed": dollars | {"amount": 10**19}},
        {"percent_bp": 1, "minimum": dollars | {"amount": 10**19}},
        {"percent_bp": 1, "starts_at": "2027-05-02T00:00:00Z", "ends_at": "2027-05-02T00:00:00Z"},
        {"percent_bp": 1, "starts_at": "2027-05-02T00:00:00"},
        {"percent_bp": 1, "starts_at": "0001-01-01T00:00:00+14:00"},
        {"percent_bp": 1, "ends_at": "9999-12-31T23:59:59-14:00"},
        {"percent_bp": 1, "total_limit": 0},
    ):
        problem(await admin.post("/api/coupons", {"code": "WRONG"} | wrong), 422, "invalid")
    problem(await admin.post("/api/coupons", {"code": "a b", "percent_bp": 1}), 422, "invalid")

"""Taxes at the door: staff write them, every price has them, and money is counted by area."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from harness import Person, TestHouse, house_in
from hometrip.services.payment.store import stay_of
from journeys.steps import PRICING, book, booking_of, ok, open_home, pay, problem, stay

ALBANY = {"country": "US", "region": "New York", "city": "Albany"}
LEVY = {
    "area": ALBANY,
    "label": "City levy",
    "kind": "per_guest_night",
    "amount": {"amount": 250, "currency": "USD"},
    "enabled": True,
}


@pytest.fixture
async def staff(house: TestHouse) -> Person:
    return await house.staff("support")


@pytest.fixture
async def home(house: TestHouse) -> str:
    return str((await open_home(await house.sign_up("host@example.com", "Hanna Host")))["id"])


async def quote(house: TestHouse, home: str, **more: Any) -> Any:
    wish = stay(house) | {"guests": 2} | more
    return ok(await house.client.post(f"/api/listings/{home}/quote", json=wish))


def taxes_of(quoted: dict[str, Any]) -> list[tuple[str, int]]:
    return [(line["area"], line["amount"]["amount"]) for line in quoted["lines"] if line["kind"] == "tax"]


async def test_five_real_cities_come_as_examples_that_are_switched_off(
    house: TestHouse, staff: Person, home: str
) -> None:
    items = ok(await staff.get("/api/listings/taxes"))["items"]
    assert {item["area"]["city"] for item in items} == {
        "Albany", "Paris", "Berlin", "Amsterdam", "Barcelona"
    }  # fmt: skip
    assert not any(item["enabled"] for item in items)
    assert all("To be checked" in item["source"] for item in items)
    assert taxes_of(await quote(house, home)) == []


async def test_one_call_switches_an_areas_taxes_on_and_off(
    house: TestHouse, staff: Person, home: str
) -> None:
    plain = await quote(house, home)
    switch = {"area": ALBANY, "enabled": True}
    switched = ok(await staff.post("/api/listings/taxes/switch", switch))["items"]
    assert [item["enabled"] for item in switched] == [True, True]
    quoted = await quote(house, home)
    # 300.00 of nights, 50.00 of cleaning, 42.00 of service fee: 8 % of all, 6 % of the nights.
    assert taxes_of(quoted) == [("US/New York/Albany", 3_136), ("US/New York/Albany", 1_800)]
    assert quoted["total"]["amount"] == plain["total"]["amount"] + 3_136 + 1_800
    assert quoted["host_payout"] == plain["host_payout"]
    ok(await staff.post("/api/listings/taxes/switch", {"area": {"country": "US"}, "enabled": False}))
    assert taxes_of(await quote(house, home)) == []


async def test_staff_write_change_and_delete_a_tax(house: TestHouse, staff: Person, home: str) -> None:
    added = ok(await staff.post("/api/listings/taxes", LEVY), 201)
    assert taxes_of(await quote(house, home)) == [("US/New York/Albany", 1_500)]
    path = f"/api/listings/taxes/{added['id']}"
    dearer = LEVY | {"amount": {"amount": 300, "currency": "USD"}, "exempt_below_age": 12}
    changed = ok(await staff.put(path, dearer, headers={"If-Match": '"1"'}))
    assert (changed["version"], changed["amount"]["amount"]) == (2, 300)
    problem(await staff.put(path, LEVY, headers={"If-Match": '"1"'}), 412, "version_mismatch")
    assert taxes_of(await quote(house, home, exempt_guests=1)) == [("US/New York/Albany", 900)]
    ok(await staff.delete(path), 204)
    problem(await staff.delete(path), 404, "not_found")
    assert taxes_of(await quote(house, home)) == []


async def test_a_tax_that_cannot_be_is_refused_and_guests_do_not_see_the_table(
    house: TestHouse, staff: Person
) -> None:
    found = problem(await staff.post("/api/listings/taxes", LEVY | {"bp": 100}), 422, "invalid")
    assert [error["field"] for error in found["errors"]] == ["bp"]
    problem(await staff.post("/api/listings/taxes", LEVY | {"kind": "per_moon"}), 422, "invalid")
    nowhere = LEVY | {"area": {"country": "ZZ"}}
    found = problem(await staff.post("/api/listings/taxes", nowhere), 422, "invalid")
    assert [error["field"] for error in found["errors"]] == ["area.country"]
    guest = await house.sign_up()
    problem(await guest.get("/api/listings/taxes"), 403, "forbidden")
    problem(await guest.post("/api/listings/taxes", LEVY), 403, "forbidden")


@pytest.mark.parametrize("label", ["", " \u2028 ", "<b></b>", "\u0001"])
async def test_a_tax_without_a_word_on_the_bill_is_refused_and_stays_stay_priced(
    house: TestHouse, staff: Person, home: str, label: str
) -> None:
    found = problem(await staff.post("/api/listings/taxes", LEVY | {"label": label}), 422, "invalid")
    assert [error["field"] for error in found["errors"]] == ["label"]
    ok(await staff.get("/api/listings/taxes"))
    await quote(house, home)


async def test_a_tax_changed_between_quote_and_booking_is_a_changed_price(
    house: TestHouse, staff: Person, home: str
) -> None:
    guest, when = await house.sign_up(), stay(house)
    quoted = ok(await guest.post(f"/api/listings/{home}/quote", when | {"guests": 2}))
    ok(await staff.post("/api/listings/taxes", LEVY), 201)
    wish = when | {"listing_id": home, "guests": 2, "quote_id": quoted["id"]}
    answer = await guest.post("/api/bookings", wish, headers={"Idempotency-Key": str(uuid4())})
    found = problem(answer, 409, "price_changed")
    assert found["quote"]["total"]["amount"] == quoted["total"]["amount"] + 1_500


async def test_guests_whom_a_tax_spares_are_spared_when_the_stay_is_changed(
    house: TestHouse, staff: Person, home: str
) -> None:
    ok(await staff.post("/api/listings/taxes", LEVY | {"exempt_below_age": 12}), 201)
    guest, when = await house.sign_up(), stay(house)
    quoted = ok(await guest.post(f"/api/listings/{home}/quote", when | {"guests": 3, "exempt_guests": 1}))
    assert taxes_of(quoted) == [("US/New York/Albany", 1_500)]
    wish = when | {"listing_id": home, "guests": 3, "quote_id": quoted["id"]}
    booked = ok(await guest.post("/api/bookings", wish, headers={"Idempotency-Key": str(uuid4())}), 201)
    await pay(guest, booked["id"])
    await house.settle()
    path = f"/api/bookings/{booked['id']}"
    ok(await guest.put(path, stay(house, days=31)))
    moved = ok(await staff.post(f"{path}/change/accept"))
    assert (moved["change"]["status"], taxes_of(moved)) == ("done", [("US/New York/Albany", 1_500)])
    for party, tax in (
        ({"guests": 4}, 2_250),
        ({"guests": 4, "exempt_guests": 0}, 3_000),
        ({"exempt_guests": 0}, 2_250),
    ):
        assert taxes_of(ok(await guest.put(path, party))["change"]) == [("US/New York/Albany", tax)]
    problem(await guest.put(path, {"guests": 1, "exempt_guests": 2}), 422, "invalid")


async def test_taxes_are_paid_held_for_their_area_and_come_back_with_the_nights(
    house: TestHouse, staff: Person, home: str
) -> None:
    ok(await staff.post("/api/listings/taxes", LEVY), 201)
    guest = await house.sign_up()
    booked = ok(await book(guest, home, stay(house)), 201)
    assert booked["total"]["amount"] == 39_200 + 1_500
    await pay(guest, booked["id"])
    await house.settle()
    admin = await house.staff("admin", "admin@example.com")
    ledger = ok(await admin.get("/api/payments/ledger", params={"booking_id": booked["id"]}))
    held = [
        posting["amount"]["amount"]
        for entry in ledger["items"]
        for posting in entry["postings"]
        if posting["account"] == "tax_payable:US/New York/Albany"
    ]
    assert [abs(amount) for amount in held] == [1_500]
    ok(await guest.post(f"/api/bookings/{booked['id']}/cancel", {}, headers={"Idempotency-Key": "c1"}))
    await house.settle()
    refund = (await booking_of(guest, booked["id"]))["cancellation"]["refund"]["amount"]
    assert refund == 39_200 + 1_500


async def test_the_quote_shows_the_guests_currency_at_a_rate_that_stays(house: TestHouse, home: str) -> None:
    quoted = await quote(house, home, currency="EUR")
    assert (quoted["total"], quoted["shown"]["currency"]) == ({"amount": 39_200, "currency": "USD"}, "EUR")
    assert quoted["shown"]["rate"] == "0.8950948801"
    assert [money["amount"] for money in quoted["shown"]["lines"]] == [26_853, 4_475, 3_759]
    assert quoted["shown"]["total"] == {"amount": 26_853 + 4_475 + 3_759, "currency": "EUR"}
    assert "shown" not in await quote(house, home, currency="USD")
    wish = stay(house) | {"guests": 2, "currency": "XXX"}
    answer = await house.client.post(f"/api/listings/{home}/quote", json=wish)
    assert problem(answer, 422, "invalid")["errors"][0]["code"] == "no_rate"


async def test_a_booking_and_its_receipt_keep_what_the_quote_showed(tmp_path: Path) -> None:
    """A changed stay is shown as a quote of that day would have shown it, whatever the rates are by then."""
    table = tmp_path / "rates.csv"
    table.write_text("Date, USD, JPY\n30 October 2026, 1.1172, 171.93\n")
    async with house_in(tmp_path / "house", own={"listing": {"exchange_rates": str(table)}}) as house:
        home = str((await open_home(await house.sign_up("host@example.com")))["id"])
        guest, when, longer = await house.sign_up(), stay(house), stay(house, nights=5)
        quoted = await quote(house, home, currency="JPY")
        of_longer = await quote(house, home, currency="JPY", **longer)
        wish = when | {"listing_id": home, "guests": 2, "quote_id": quoted["id"]}
        made = ok(await guest.post("/api/bookings", wish, headers={"Idempotency-Key": "b1"}), 201)
        assert made["shown"] == quoted["shown"]
        await pay(guest, made["id"])
        table.write_text("Date, USD, JPY\n2 November 2026, 1.5, 999\n")
        assert (await quote(house, home, currency="JPY", **stay(house, 40)))["shown"]["rate"] == "666"
        await house.settle()
        path = f"/api/bookings/{made['id']}"
        for told in (ok(await guest.get(path)), ok(await guest.get(f"{path}/receipt"))):
            assert (told["shown"], told["total"]) == (quoted["shown"], quoted["total"])
        change = ok(await guest.put(path, {"check_out": longer["check_out"]}))["change"]
        assert (change["status"], change["shown"]) == ("awaiting_payment", of_longer["shown"])
        more = of_longer["shown"]["total"]["amount"] - quoted["shown"]["total"]["amount"]
        assert change["shown_difference"] == {"amount": more, "currency": "JPY"}
        await pay(guest, made["id"])
        await house.settle()
        for told in (ok(await guest.get(path)), ok(await guest.get(f"{path}/receipt"))):
            assert (told["shown"], told["lines"]) == (of_longer["shown"], of_longer["lines"])
        assert (await booking_of(guest, made["id"]))["change"]["shown_difference"]["amount"] == more
        async with house.deps("payment").db.read() as db:
            printed = await stay_of(db, UUID(made["id"]))  # of what the receipt on paper is made
        assert printed is not None
        assert msgspec.to_builtins(printed.facts.shown) == of_longer["shown"]


async def test_without_a_currency_a_booking_shows_none(house: TestHouse, home: str) -> None:
    guest = await house.sign_up()
    booked = ok(await book(guest, home, stay(house)), 201)
    await pay(guest, booked["id"])
    await house.settle()
    assert "shown" not in await booking_of(guest, booked["id"])
    assert "shown" not in ok(await guest.get(f"/api/bookings/{booked['id']}/receipt"))


async def test_a_homes_deposit_is_held_under_its_bookings_terms(house: TestHouse, home: str) -> None:
    host = await house.sign_in("host@example.com")
    deposit = {"amount": 20_000, "currency": "USD"}
    ok(await host.put(f"/api/listings/{home}/pricing", PRICING | {"deposit": deposit}))
    guest = await house.sign_up()
    booked = ok(await book(guest, home, stay(house)), 201)
    assert booked["deposit"] == deposit
    assert booked["total"]["amount"] == 39_200


async def test_guests_who_are_spared_without_a_quote_are_spared_in_changes_too(
    house: TestHouse, staff: Person, home: str
) -> None:
    ok(await staff.post("/api/listings/taxes", LEVY | {"exempt_below_age": 12}), 201)
    guest, when = await house.sign_up("guest@example.com"), stay(house)
    told = await quote(house, home, exempt_guests=1)
    price = {"listing_id": home, "guests": 2, "exempt_guests": 1}
    assert ok(await guest.post("/api/bookings/calculate-price", when | price))["total"] == told["total"]
    wish = when | price
    problem(
        await guest.post("/api/bookings", wish | {"quote_id": told["id"], "exempt_guests": 2}),
        409,
        "quote_mismatch",
    )
    made = ok(await guest.post("/api/bookings", wish | {"expected_total": told["total"]}), 201)
    await pay(guest, made["id"])
    await house.settle()
    path = f"/api/bookings/{made['id']}"
    later = ok(await guest.put(path, {"check_out": stay(house, nights=4)["check_out"]}))
    assert taxes_of(later["change"]) == [("US/New York/Albany", 4 * 250)]
    grown_up = ok(await guest.put(path, {"exempt_guests": 0}))
    assert taxes_of(grown_up["change"]) == [("US/New York/Albany", 2 * 3 * 250)]
    alone = ok(await guest.put(path, {"guests": 1}))
    assert taxes_of(alone["change"]) == []

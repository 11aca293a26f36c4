"""Many homes at once: edits of their days, whole or not at all, and their calendars in one look."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from harness import Person, TestHouse
from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.once import Once
from hometrip.kernel.stay import Stay
from hometrip.services.booking import actions as booking
from hometrip.services.booking.actions import questions
from hometrip.services.booking.contract import BlockEdit, DatesTaken, NightsTaken
from hometrip.services.booking.store import nights
from hometrip.services.listing import actions, store
from hometrip.services.listing.actions.days import SETTLE_AFTER
from hometrip.services.listing.rules.bulk import DaysEdit
from hometrip.services.listing.rules.spans import without_span
from journeys.steps import HOUR, PRICING, book, ok, open_home, problem, stay
from services.test_listing_days import cut_off

PATH = "/api/listings/calendars"


def usd(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


class Street:
    """A host with three homes of the same kind, and a guest."""

    def __init__(self, house: TestHouse, host: Person, guest: Person, homes: list[str]) -> None:
        self.house, self.host, self.guest, self.homes = house, host, guest, homes

    @property
    def deps(self) -> actions.Deps:
        deps: actions.Deps = self.house.deps("listing")
        return deps

    def day(self, ahead: int) -> str:
        return (self.house.clock.now().date() + timedelta(days=ahead)).isoformat()

    async def edit(self, first: int, until: int, key: str = "", **changes: Any) -> Any:
        body = {"listing_ids": self.homes, "from": self.day(first), "to": self.day(until)} | changes
        return await self.host.post(PATH, body, headers={"Idempotency-Key": key} if key else {})

    async def days(self, first: int, until: int, of: str = "") -> list[dict[str, Any]]:
        path = f"/api/listings/{of or self.homes[0]}/availability"
        range_ = {"from": self.day(first), "to": self.day(until)}
        found: list[dict[str, Any]] = ok(await self.host.get(path, params=range_))["days"]
        return found

    async def blocked(self, first: int, until: int, of: str = "") -> list[int]:
        days = await self.days(first, until, of)
        return [first + n for n, day in enumerate(days) if day.get("reason") == "blocked"]

    async def updates(self, home: str) -> int:
        await self.house.settle()
        return (await self.house.events(f"listing/{home}")).count("listing.updated")


@pytest.fixture
async def street(house: TestHouse) -> Street:
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    homes = [(await open_home(host, f"Cabin {n}"))["id"] for n in range(3)]
    return Street(house, host, guest, homes)


async def test_one_request_changes_prices_and_least_stays_of_many_homes(street: Street) -> None:
    """The 14th of April 2027 is a Wednesday: the tenth day from then is a Saturday."""
    before = [await street.updates(home) for home in street.homes]
    answer = ok(await street.edit(10, 20, weekdays=[5, 6], price=usd(15_000), min_nights=2))
    assert answer["items"] == [
        {"listing_id": home, "nights": 4, "blocked": 0, "given_back": 0} for home in street.homes
    ]
    for home in street.homes:
        days = await street.days(9, 21, home)
        changed = [
            9 + n for n, day in enumerate(days) if (day["price"], day["min_nights"]) == (usd(15_000), 2)
        ]
        assert changed == [10, 11, 17, 18]
        assert {day["price"]["amount"] for n, day in enumerate(days) if 9 + n not in changed} == {10_000}
    assert [await street.updates(home) for home in street.homes] == [n + 1 for n in before]
    ok(await street.edit(10, 12, price=None))
    days = await street.days(10, 12)
    assert [(day["price"]["amount"], day["min_nights"]) for day in days] == [(10_000, 2)] * 2
    assert (await street.days(17, 18))[0]["price"] == usd(15_000)


async def test_a_price_list_of_before_an_edit_is_not_written_over_its_prices(street: Street) -> None:
    path = f"/api/listings/{street.homes[0]}/pricing"
    seen = await street.host.get(path)
    ok(await street.edit(10, 12, price=usd(15_000)))
    based_on = {"If-Match": seen.headers["ETag"]}
    problem(await street.host.put(path, ok(seen), headers=based_on), 412, "version_mismatch")
    assert (await street.days(10, 11))[0]["price"] == usd(15_000)
    now = await street.host.get(path)
    assert list(ok(now)["dates"]) == [street.day(10), street.day(11)]
    written = await street.host.put(path, ok(now) | {"dates": {}}, headers={"If-Match": now.headers["ETag"]})
    assert ok(written)["dates"] == {}
    unchanged = await street.host.get(path, headers={"If-None-Match": written.headers["ETag"]})
    assert unchanged.status_code == 304


async def test_an_edit_of_blocks_and_least_stays_leaves_the_price_list_as_it_is(street: Street) -> None:
    path = f"/api/listings/{street.homes[0]}/pricing"
    tag = (await street.host.get(path)).headers["ETag"]
    ok(await street.edit(10, 12, block=True, min_nights=3))
    assert (await street.host.get(path)).headers["ETag"] == tag


async def test_an_edit_that_one_home_stands_in_the_way_of_changes_nothing(street: Street) -> None:
    ok(await book(street.guest, street.homes[1], stay(street.house, 12, 2)), 201)
    stranger = await open_home(street.guest, "Not yours")
    yen = {"base": {"amount": 9_000, "currency": "JPY"}}
    ok(await street.host.put(f"/api/listings/{street.homes[2]}/pricing", yen))
    await street.house.settle()
    ids = [*street.homes, stranger["id"], str(uuid4())]
    refused = problem(
        await street.edit(10, 20, listing_ids=ids, block=True, price=usd(1)), 409, "edit_refused"
    )
    found = {one["listing_id"]: (one["code"], one.get("nights")) for one in refused["problems"]}
    assert found == {
        street.homes[1]: ("booked", [street.day(12), street.day(13)]),
        street.homes[2]: ("other_currency", None),
        ids[3]: ("not_found", None),
        ids[4]: ("not_found", None),
    }
    assert await street.blocked(9, 21) == []
    assert (await street.days(10, 11))[0]["price"] == usd(10_000)
    again = problem(await street.edit(-9, 0, block=True), 409, "edit_refused")
    assert {one["code"] for one in again["problems"]} == {"past"}


async def test_a_least_stay_above_the_longest_that_a_home_takes_is_refused(street: Street) -> None:
    """From the 14th of April 2027, a Wednesday, on."""
    rules = {"max_nights": 7, "max_nights_by_day": [None, None, 14, None, None, None, None]}
    ok(await street.host.patch(f"/api/listings/{street.homes[0]}", {"stay_rules": rules}))
    refused = problem(await street.edit(6, 9, min_nights=8), 409, "edit_refused")
    [found] = refused["problems"]
    assert (found["listing_id"], found["code"]) == (street.homes[0], "more_than_max")
    assert (found["nights"], "8 nights" in found["detail"], "most 7" in found["detail"]) == (
        [street.day(6), street.day(8)],
        True,
        True,
    )
    ok(await street.edit(7, 8, min_nights=8))
    ok(await street.edit(6, 9, min_nights=None))


async def test_nights_are_blocked_and_given_back_in_parts(street: Street) -> None:
    first = ok(await street.edit(10, 24, weekdays=[0, 1], block=True, reason="cleaning"))
    assert [one["blocked"] for one in first["items"]] == [4, 4, 4]
    second = ok(await street.edit(11, 18, block=True, reason="painting"))
    assert [one["blocked"] for one in second["items"]] == [5, 5, 5]
    assert await street.blocked(9, 25) == [11, 12, 13, 14, 15, 16, 17, 19, 20]
    back = ok(await street.edit(13, 15, block=False, price=usd(7_000)))
    assert [(one["blocked"], one["given_back"]) for one in back["items"]] == [(0, 2)] * 3
    for home in street.homes:
        assert await street.blocked(9, 25, home) == [11, 12, 15, 16, 17, 19, 20]
    blocks = ok(await street.host.get(f"/api/listings/{street.homes[0]}/block-dates"))["items"]
    reasons = {one["from"]: one["reason"] for one in blocks}
    assert {reasons[street.day(12 + n)] for n in (0, 3)} <= {"cleaning", "painting"}
    ok(await book(street.guest, street.homes[0], stay(street.house, 13, 2)), 201)
    await street.house.settle()
    for block in blocks:
        path = f"/api/listings/{street.homes[0]}/block-dates/{block['id']}"
        ok(await street.host.delete(path), 204)
    assert await street.blocked(9, 25) == []
    assert await actions.verify(street.deps) == []


async def test_an_edit_is_made_once_a_key(street: Street) -> None:
    first = await street.edit(10, 13, "once", block=True)
    before = [await street.updates(home) for home in street.homes]
    again = await street.edit(10, 13, "once", block=True)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    problem(await street.edit(10, 14, "once", block=True), 409, "idempotency_key_reused")
    assert [await street.updates(home) for home in street.homes] == before
    assert len(ok(await street.host.get(f"/api/listings/{street.homes[0]}/block-dates"))["items"]) == 1


async def test_an_edit_that_was_broken_off_half_way_is_settled_and_answers_its_key(street: Street) -> None:
    host = Caller(account_id=street.host.id)
    asked = DaysEdit(
        listing_ids=[UUID(home) for home in street.homes],
        first=date.fromisoformat(street.day(10)),
        until=date.fromisoformat(street.day(13)),
        block=True,
    )
    once = Once(key="k", scope="test", fingerprint="f")
    with pytest.raises(Unavailable):
        await actions.edit_days(cut_off(street.deps), host, asked, once)
    assert await street.blocked(9, 14) == []
    with pytest.raises(Unavailable):
        await actions.edit_days(cut_off(street.deps), host, asked, once)
    assert await street.deps.docs.count(store.EDITS) == 1
    await street.house.advance(SETTLE_AFTER.total_seconds() + 1)
    for home in street.homes:
        assert await street.blocked(9, 14, home) == [10, 11, 12]
    assert await street.deps.docs.count(store.EDITS) == 0
    assert await actions.verify(street.deps) == []


async def test_booking_has_the_last_word_and_names_the_nights(street: Street) -> None:
    ok(await book(street.guest, street.homes[1], stay(street.house, 12, 2)), 201)
    await street.house.settle()
    home = UUID(street.homes[1])
    days = await store.calendar(street.deps.docs, home)
    async with street.deps.docs.transaction() as tx:  # as if the booking had not been heard of
        await tx.replace(store.CALENDARS, without_span(days, days.spans[0].id))
    refused = problem(await street.edit(10, 20, block=True), 409, "edit_refused")
    assert [(one["listing_id"], one["nights"]) for one in refused["problems"]] == [
        (street.homes[1], [street.day(12), street.day(13)])
    ]
    assert await street.blocked(9, 21) == []
    ok(await street.edit(10, 20, listing_ids=[street.homes[0], street.homes[2]], block=True))


def an_edit(number: int, nights: int = 3) -> BlockEdit:
    """Of a home that has this number: one block."""
    first = date(2027, 6, 1)
    return BlockEdit(
        listing_id=UUID(int=number),
        release=[],
        take={UUID(int=100 + number): Stay(first, first + timedelta(days=nights))},
    )


async def taken_at(deps: booking.Deps, *numbers: int) -> list[list[Stay]]:
    async with deps.db.read() as db:
        return [await nights.taken(db, UUID(int=number)) for number in numbers]


async def test_a_guest_who_is_faster_between_two_lots_undoes_the_whole_edit(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lots of a home each. The guest takes nights of the last home once the first ones are blocked."""
    monkeypatch.setattr(questions, "NIGHTS_AT_ONCE", 1)
    deps, homes = house.deps("booking"), range(1, 21)
    edit = asyncio.create_task(questions.edit_blocks(deps, [an_edit(number) for number in homes]))
    for _ in range(1_000):
        if any(await taken_at(deps, 1)):
            break
        await asyncio.sleep(0)
    async with deps.db.transaction() as tx:
        await nights.take_nights(tx, UUID(int=20), UUID(int=7), "booking", [date(2027, 6, 2)])
    with pytest.raises(DatesTaken) as refused:
        await edit
    taken = msgspec.convert(refused.value.facts["taken"], list[NightsTaken])
    assert taken == [NightsTaken(listing_id=UUID(int=20), nights=[date(2027, 6, 2)])]
    assert await taken_at(deps, *homes) == [[]] * 19 + [[Stay(date(2027, 6, 2), date(2027, 6, 3))]]


async def test_what_a_broken_off_edit_has_taken_is_given_back_when_it_cannot_be_made(
    house: TestHouse,
) -> None:
    deps = house.deps("booking")
    await questions.edit_blocks(deps, [an_edit(1)])
    await questions.edit_blocks(deps, [an_edit(1), an_edit(3)])  # repeated, and going on
    assert [len(stays) for stays in await taken_at(deps, 1, 2, 3)] == [1, 0, 1]
    async with deps.db.transaction() as tx:
        await nights.take_nights(tx, UUID(int=2), UUID(int=7), "booking", [date(2027, 6, 2)])
    with pytest.raises(DatesTaken):
        await questions.edit_blocks(deps, [an_edit(1), an_edit(2), an_edit(3)])
    assert [len(stays) for stays in await taken_at(deps, 1, 2, 3)] == [0, 1, 0]


async def test_a_host_sees_all_calendars_in_one_look(street: Street) -> None:
    ok(await book(street.guest, street.homes[1], stay(street.house, 12, 2)), 201)
    ok(await street.host.put(f"/api/listings/{street.homes[0]}/pricing", PRICING | {"weekend": usd(20_000)}))
    await street.house.settle()
    look = {"from": street.day(0), "to": street.day(90)}
    page = ok(await street.host.get(PATH, params=look))
    assert [one["listing_id"] for one in page["items"]] == street.homes[::-1]
    for one in page["items"]:
        assert one["days"] == await street.days(0, 90, one["listing_id"])
    assert ok(await street.guest.get(PATH, params=look)) == {"items": [], "next_cursor": None}
    first = ok(await street.host.get(PATH, params={"limit": 2}))
    rest = ok(await street.host.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]}))
    assert [len(first["items"]), len(rest["items"])] == [2, 1]
    problem(await street.host.get(PATH, params=look | {"to": street.day(91)}), 422, "invalid")


async def test_the_look_at_all_calendars_begins_with_tonight_where_the_homes_are(street: Street) -> None:
    tonight = street.day(0)
    await street.house.advance(17 * HOUR)  # ten in the evening there, the next day in UTC
    assert street.day(0) > tonight
    shown = ok(await street.host.get(f"/api/listings/{street.homes[0]}/availability"))["days"]
    looked_at = ok(await street.host.get(PATH))["items"]
    assert [one["days"][0] for one in looked_at] == [shown[0]] * 3
    assert shown[0]["date"] == tonight


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "price"),
        ({"price": {"amount": 0, "currency": "USD"}}, "price"),
        ({"block": True, "to": "2027-04-01"}, "to"),
        ({"block": True, "to": "2032-04-01"}, "to"),
        ({"block": True, "weekdays": [7]}, "weekdays[0]"),
        ({"block": True, "weekdays": [2]}, "weekdays"),  # from a Saturday to a Monday
        ({"min_nights": 0}, "min_nights"),
        ({"block": True, "listing_ids": []}, "listing_ids"),
        ({"block": True, "listing_ids": [str(UUID(int=n)) for n in range(51)]}, "listing_ids"),
        ({"block": True, "listing_ids": [str(UUID(int=1))] * 2}, "listing_ids"),
    ],
)
async def test_what_is_no_edit_is_refused_by_field(
    street: Street, changes: dict[str, Any], field: str
) -> None:
    found = problem(await street.edit(10, 12, **changes), 422, "invalid")
    assert [error["field"] for error in found["errors"]] == [field]


async def test_nights_of_long_ago_are_no_hindrance(street: Street) -> None:
    path = f"/api/listings/{street.homes[0]}/pricing"
    ok(await street.host.put(path, PRICING | {"dates": {street.day(-1_000): usd(5), street.day(1): usd(6)}}))
    ok(await street.edit(600, 601, price=usd(7)))
    prices = ok(await street.host.get(path))
    assert prices["dates"] == {street.day(1): usd(6), street.day(600): usd(7)}
    prices["dates"][street.day(-1_000)] = usd(5)
    assert ok(await street.host.put(path, prices))["dates"].keys() == {street.day(1), street.day(600)}
    refused = problem(await street.edit(1_501, 1_502, price=usd(7)), 409, "edit_refused")
    assert [one["code"] for one in refused["problems"]] == ["too_far_apart"]


async def test_prices_far_from_least_stays_are_refused(street: Street) -> None:
    ok(await street.edit(1, 2, min_nights=2))
    path = f"/api/listings/{street.homes[0]}/pricing"
    found = problem(await street.host.put(path, PRICING | {"dates": {"9999-12-31": usd(5)}}), 422, "invalid")
    assert [(error["field"], error["code"]) for error in found["errors"]] == [("dates", "too_far_apart")]

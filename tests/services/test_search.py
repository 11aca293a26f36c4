"""Searching a town: through the door, beside the listing service that knows the truth."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from harness import Begun, Person, TestHouse, house_in
from hometrip.kernel.access import Caller
from hometrip.kernel.errors import HomeTripError
from hometrip.services.listing import actions as listing
from hometrip.services.listing.contract import Wish
from hometrip.services.search import actions, store
from hometrip.services.search.actions import Deps
from hometrip.services.search.contract import Results
from hometrip.services.search.rules.asked import Asked
from journeys.steps import HOUR, PRICING, book, ok, open_home, pay, problem, stay

HOMES = 45
NOBODY = Caller()


def demo(name: str, homes: set[str] | None = None) -> tuple[io.BytesIO, set[str]]:
    """The part of a file of the demo that is about some of its homes."""
    packed = (files("hometrip.app.demo") / f"{name}.csv.gz").read_bytes()
    rows = csv.DictReader(io.StringIO(gzip.decompress(packed).decode()))
    kept = [row for at, row in enumerate(rows) if (row["listing_id"] in homes if homes else at < HOMES)]
    out = io.StringIO()
    written = csv.DictWriter(out, rows.fieldnames or [])
    written.writeheader()
    written.writerows(kept)
    return io.BytesIO(out.getvalue().encode()), homes if homes else {row["id"] for row in kept}


@pytest.fixture
async def town(begun: Begun, tmp_path: Path) -> AsyncIterator[TestHouse]:
    await begun.copy(take_in, tmp_path)
    async with house_in(tmp_path) as house:
        yield house


async def take_in(house: TestHouse) -> None:
    """Some real homes with their calendars."""
    homes, ids = demo("listings")
    days, _ = demo("calendar", ids)
    await listing.import_homes(
        house.deps("listing"), homes, days, owners=lambda _: uuid4(), shift_to=house.clock.now().date()
    )
    await house.settle()
    await deps_of(house).index.flush()


def deps_of(house: TestHouse) -> Deps:
    deps: Deps = house.deps("search")
    return deps


async def search(house: TestHouse, **asked: Any) -> Results:
    return as_read(await actions.search(deps_of(house), NOBODY, Asked(**{"per_page": 100, **asked})))


def as_read(found: Results) -> Results:
    """What was found, as whoever asked reads it: its hits are written already."""
    return msgspec.json.decode(msgspec.json.encode(found), type=Results)


async def at_door(house: TestHouse, **asked: Any) -> dict[str, Any]:
    found: dict[str, Any] = ok(await house.client.get("/api/search", params=asked))
    return found


def ids(found: Results) -> set[UUID]:
    return {hit.id for hit in found.items}


async def all_ids(house: TestHouse) -> list[UUID]:
    return await listing.all_ids(house.deps("listing"), None, 1_000)


async def quoted(house: TestHouse, home: UUID, wish: Wish) -> int | None:
    """The total of a quote, or None where it is refused."""
    try:
        quote = await listing.quote(house.deps("listing"), NOBODY, home, wish)
    except HomeTripError:
        return None
    return quote.total.amount


async def test_dates_find_exactly_the_homes_that_have_a_quote_at_its_total(town: TestHouse) -> None:
    chance, homes = random.Random(4), await all_ids(town)
    assert len(homes) == HOMES
    some = 0
    for _ in range(12):
        first = town.clock.now().date() + timedelta(days=chance.randrange(300))
        wish = Wish(
            check_in=first,
            check_out=first + timedelta(days=chance.choice((1, 2, 3, 7, 28))),
            guests=chance.randrange(1, 5),
            pets=chance.randrange(2),
        )
        totals = {home: await quoted(town, home, wish) for home in homes}
        found = await search(
            town,
            check_in=wish.check_in,
            check_out=wish.check_out,
            guests=wish.guests,
            pets=bool(wish.pets),
        )
        shown = {hit.id: hit.total.amount for hit in found.items if hit.total}
        assert shown == {home: total for home, total in totals.items() if total is not None}
        assert found.total == len(shown)
        some += len(shown)
    assert some > 100


async def test_by_price_stays_are_found_and_ordered_by_their_totals(town: TestHouse) -> None:
    first = town.clock.now().date() + timedelta(days=20)
    dates = {"check_in": first, "check_out": first + timedelta(days=4)}
    every = await search(town, **dates)
    totals = sorted(hit.total.amount for hit in every.items if hit.total)
    assert len(totals) > 10
    up, down = await search(town, **dates, sort="price"), await search(town, **dates, sort="-price")
    assert [hit.total.amount for hit in up.items if hit.total] == totals
    assert [hit.total.amount for hit in down.items if hit.total] == totals[::-1]
    low, high = totals[3], totals[-3]
    between = await search(town, **dates, min_price=low, max_price=high)
    assert sorted(hit.total.amount for hit in between.items if hit.total) == [
        total for total in totals if low <= total <= high
    ]
    assert between.total == len(between.items)
    third = await search(town, **dates, sort="price", per_page=3, page=2)
    assert [hit.total.amount for hit in third.items if hit.total] == totals[3:6]


async def test_flexible_dates_show_a_stay_that_its_quote_allows(town: TestHouse) -> None:
    first = town.clock.now().date() + timedelta(days=20)
    dates = {"check_in": first, "check_out": first + timedelta(days=3)}
    exact, flexible = await search(town, **dates), await search(town, **dates, flexible_days=3)
    assert ids(exact) < ids(flexible)
    for hit in flexible.items:
        assert hit.check_in
        assert hit.check_out
        assert hit.total
        assert abs((hit.check_in - first).days) <= 3
        wish = Wish(check_in=hit.check_in, check_out=hit.check_out, guests=1)
        assert await quoted(town, hit.id, wish) == hit.total.amount


async def test_pages_hold_every_home_once_and_none_beyond_the_last(town: TestHouse) -> None:
    pages = [await search(town, per_page=20, page=page) for page in (1, 2, 3, 4)]
    assert [len(page.items) for page in pages] == [20, 20, 5, 0]
    assert {page.total for page in pages} == {HOMES}
    assert {page.pages for page in pages} == {3}
    assert set.union(*map(ids, pages)) == set(await all_ids(town))
    assert pages[0] == await search(town, per_page=20)


async def test_words_with_slips_and_filters_find_the_same_as_the_board(town: TestHouse) -> None:
    every = (await search(town)).items
    assert ids(await search(town, q="apartmnt")) >= {
        hit.id for hit in every if "apartment" in hit.title.lower()
    }
    assert (await search(town, q="qqqqzzzz")).total == 0
    for asked in (
        {"guests": 3, "structure": "entire_home"},
        {"amenities": "wifi,kitchen", "min_rating": 4.5},
        {"min_price": 5_000, "max_price": 12_000, "bedrooms": 1},
        {"bbox": "42.6,-73.8,42.66,-73.75"},
        {"near": "42.65,-73.76", "radius_km": 2.0},
        {"city": "ALBÁNY", "country": "us"},
    ):
        plain = await search(town, **asked)
        # All homes are in New York: with its name, the index is asked.
        assert ids(await search(town, q="new york", **asked)) == ids(plain)
        assert 0 < plain.total <= HOMES


async def test_facets_at_the_door_count_all_that_was_found(town: TestHouse) -> None:
    found = await at_door(town, per_page=5, guests=2)
    every = (await search(town, guests=2)).items
    facets = {
        name: {each["value"]: each["count"] for each in counts} for name, counts in found["facets"].items()
    }
    assert facets["structure"] == Counter(hit.structure for hit in every)
    assert facets["type"] == Counter(hit.type for hit in every)
    assert facets["city"] == Counter(hit.city for hit in every)
    assert found["total"] == len(every)
    assert (found["page"], found["per_page"], found["pages"]) == (1, 5, -(-len(every) // 5))


async def test_a_hit_shows_the_place_that_everyone_sees(town: TestHouse) -> None:
    hit = (await at_door(town, per_page=1))["items"][0]
    home = ok(await town.client.get(f"/api/listings/{hit['id']}"))
    for field in ("title", "location", "structure", "type", "guests", "bedrooms", "beds", "review_count"):
        assert hit[field] == home[field], field
    for copied in await store.some(deps_of(town).documents, [UUID(hit["id"])]):
        assert copied.card
        assert (copied.card.lat, copied.card.lng) == (hit["location"]["lat"], hit["location"]["lng"])


WRONG: list[tuple[dict[str, str], set[str]]] = [
    ({"check_in": "2027-05-01"}, {"check_out"}),
    ({"check_out": "2027-05-01"}, {"check_in"}),
    ({"check_in": "2027-05-02", "check_out": "2027-05-02"}, {"check_out"}),
    ({"check_in": "2027-04-01", "check_out": "2027-05-02"}, {"check_in"}),
    ({"check_in": "2027-05-01", "check_out": "2029-05-02"}, {"check_out"}),
    ({"check_in": "soon", "guests": "0"}, {"check_in", "guests"}),
    ({"page": "0"}, {"page"}),
    ({"page": "10001", "per_page": "101"}, {"page", "per_page"}),
    ({"sort": "best"}, {"sort"}),
    ({"bbox": "1,2,3"}, {"bbox"}),
    ({"bbox": "50,0,40,0", "near": "91,0"}, {"bbox", "near"}),
    ({"bbox": "nan,0,40,0"}, {"bbox"}),
    ({"near": "here"}, {"near"}),
    ({"radius_km": "5"}, {"radius_km"}),
    ({"min_price": "9", "max_price": "8"}, {"max_price"}),
    ({"amenities": "wifi;drop"}, {"amenities"}),
    ({"min_rating": "nan"}, {"min_rating"}),
    ({"flexible_days": "2"}, {"flexible_days"}),
    ({"currency": "XTS"}, {"currency"}),
    ({"currency": "dollars"}, {"currency"}),
    ({"q": "a" * 201}, {"q"}),
]


async def test_what_cannot_be_asked_is_named(house: TestHouse) -> None:
    for query, fields in WRONG:
        found = problem(await house.client.get("/api/search", params=query), 422, "invalid")
        assert {error["field"] for error in found["errors"]} == fields, query


async def test_a_house_without_homes_finds_none(house: TestHouse) -> None:
    dates = stay(house)
    found = await at_door(house, q="loft", **dates, flexible_days=3, sort="price", bbox="0,170,1,-170")
    assert (found["items"], found["total"], found["pages"]) == ([], 0, 0)
    assert ok(await house.client.get("/api/search/popular")) == {"items": []}
    assert ok(await house.client.get("/api/search/filters"))["total"] == 0


async def host_of(house: TestHouse) -> Person:
    return await house.sign_up("host@example.com", "Hanna Host")


async def test_a_home_comes_and_goes_with_its_state(house: TestHouse) -> None:
    host = await host_of(house)
    home = await open_home(host, "Creek cabin")
    await house.settle()
    assert [hit["title"] for hit in (await at_door(house))["items"]] == ["Creek cabin"]
    ok(await host.patch(f"/api/listings/{home['id']}", {"title": "Brook cabin"}))
    await house.settle()
    await deps_of(house).index.flush()
    assert (await at_door(house, q="creek"))["total"] == 1  # its street and description tell of a creek
    assert [hit["title"] for hit in (await at_door(house, q="brook"))["items"]] == ["Brook cabin"]
    ok(await host.patch(f"/api/listings/{home['id']}/toggle-active"))
    await house.settle()
    assert (await at_door(house))["total"] == 0
    ok(await host.patch(f"/api/listings/{home['id']}/toggle-active"))
    await house.settle()
    assert (await at_door(house))["total"] == 1
    assert (await host.delete(f"/api/listings/{home['id']}")).status_code in (200, 204)
    await house.settle()
    await deps_of(house).index.flush()
    assert (await at_door(house))["total"] == 0
    assert (await at_door(house, q="brook"))["total"] == 0


async def test_the_same_search_again_shows_what_has_changed_meanwhile(house: TestHouse) -> None:
    host = await host_of(house)
    home = (await open_home(host))["id"]
    await house.settle()
    before = await at_door(house)
    assert await at_door(house) == before
    ok(await host.patch(f"/api/listings/{home}", {"title": "A loft with another name"}))
    await house.settle()
    [hit] = (await at_door(house))["items"]
    assert hit == before["items"][0] | {"title": "A loft with another name"}
    ok(await host.patch(f"/api/listings/{home}/toggle-active"))
    await house.settle()
    assert (await at_door(house))["items"] == []


async def test_booked_nights_are_not_found(house: TestHouse) -> None:
    host, guest = await host_of(house), await house.sign_up()
    home = await open_home(host)
    await house.settle()
    dates = stay(house, 30, 3)
    assert (await at_door(house, **dates))["total"] == 1
    booking = ok(await book(guest, home["id"], dates), 201)
    await pay(guest, booking["id"])
    await house.settle()
    assert (await at_door(house, **dates))["total"] == 0
    assert (await at_door(house, **stay(house, 32, 3)))["total"] == 0
    assert (await at_door(house, **stay(house, 33, 3)))["total"] == 1
    assert (await at_door(house, **stay(house, 27, 3)))["total"] == 1
    moved = (await at_door(house, **stay(house, 31, 3), flexible_days=2))["items"]
    assert [hit["check_in"] for hit in moved] == [stay(house, 33)["check_in"]]


async def test_a_home_taken_a_moment_ago_is_refused_by_the_check(town: TestHouse) -> None:
    first = town.clock.now().date() + timedelta(days=20)
    dates = {"check_in": first, "check_out": first + timedelta(days=2)}
    before = await search(town, **dates, per_page=5)
    board = deps_of(town).memory.board
    assert board
    # The board has not heard of it: every home is free on it.
    board.taken[:] = 0
    unaware = await search(town, **dates)
    every = await search(town, **dates)
    offered = {hit.id for hit in every.items}
    assert {hit.id for hit in before.items} <= offered
    for hit in unaware.items:
        assert hit.total
        wish = Wish(check_in=dates["check_in"], check_out=dates["check_out"], guests=1)
        assert await quoted(town, hit.id, wish) == hit.total.amount
    full = await search(town, **dates, per_page=5)
    assert len(full.items) == 5  # refilled from the homes after it


async def test_after_a_restart_everything_is_found_again(tmp_path: Path) -> None:
    async with house_in(tmp_path) as house:
        await open_home(await host_of(house), "Creek cabin")
        await house.settle()
    async with house_in(tmp_path) as house:
        await deps_of(house).index.flush()
        assert (await at_door(house, q="cabin", **stay(house)))["total"] == 1


async def test_a_lost_index_is_filled_from_the_own_copies(tmp_path: Path) -> None:
    async with house_in(tmp_path) as house:
        await open_home(await host_of(house), "Creek cabin")
        await house.settle()
        await deps_of(house).index.clear("homes")
    async with house_in(tmp_path) as house:
        await deps_of(house).index.flush()
        assert (await at_door(house, q="cabin"))["total"] == 1


async def test_reindexing_takes_in_all_homes_and_drops_those_that_are_no_more(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hometrip.services.search.actions.homes.PAGE", 2)
    host, staff = await host_of(house), await house.staff()
    homes = [(await open_home(host, f"Cabin {n}"))["id"] for n in range(5)]
    await house.settle()
    deps = deps_of(house)
    assert (await host.post("/api/search/reindex")).status_code == 403
    ghost = (await store.some(deps.documents, [UUID(homes[0])]))[0]
    async with deps.documents.transaction() as tx:
        await tx.delete_where(store.BOARDS, store.EVERY)
        strange = store.Shown(id=uuid4(), revision=1, zone=ghost.zone, card=ghost.card)
        await tx.insert(store.BOARDS, strange)
    await deps.index.clear("homes")
    deps.memory.board = None
    assert (await at_door(house))["total"] == 1
    assert ok(await staff.post("/api/search/reindex"), 202) == {"status": "started"}
    await house.settle()
    await deps.index.flush()
    assert {hit["id"] for hit in (await at_door(house))["items"]} == set(homes)
    assert (await at_door(house, q="cabin"))["total"] == 5
    assert [home.card for home in await store.some(deps.documents, [strange.id])] == [None]


async def test_another_copy_of_the_service_hears_of_a_change(house: TestHouse) -> None:
    host = await host_of(house)
    here = deps_of(house)
    there = Deps(**{name: getattr(here, name) for name in Deps.__dataclass_fields__})
    await actions.begin(there)
    assert (await actions.search(there, NOBODY, Asked())).total == 0
    await open_home(host)
    await house.settle()
    assert (await actions.search(there, NOBODY, Asked())).total == 1


async def test_only_staff_sees_why_a_home_comes_where_it_comes(town: TestHouse) -> None:
    staff = await town.staff("support")
    explained = ok(await staff.get("/api/search", params={"explain": "1", "q": "apartment"}))["items"]
    scores = [hit["explain"]["score"] for hit in explained]
    assert scores == sorted(scores, reverse=True)
    assert explained[0]["explain"].keys() == {
        "score",
        "text",
        "quality",
        "price",
        "distance",
        "freshness",
    }
    assert (await town.client.get("/api/search", params={"explain": "1"})).status_code == 401
    assert "explain" not in (await at_door(town, q="apartment"))["items"][0]


async def test_suggestions_begin_with_the_cities_of_our_homes(town: TestHouse) -> None:
    async def suggest(text: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = ok(
            await town.client.get("/api/search/autocomplete", params={"q": text})
        )["items"]
        return items

    first = (await suggest("alb"))[0]
    count = next(each.count for each in (await search(town)).facets["city"] if each.value == "Albany")
    assert (first["kind"], first["city"], first["country"], first["count"]) == (
        "place",
        "Albany",
        "US",
        count,
    )
    assert (await suggest("albny"))[0]["city"] == "Albany"
    assert (await suggest("ÁLBANY"))[0]["city"] == "Albany"
    assert any(each.get("city") == "Barcelona" for each in await suggest("barcel"))
    title = (await search(town)).items[0].title
    assert any(each["label"] == title for each in await suggest(title[:100]) if each["kind"] == "listing")
    assert await suggest("?!") == []
    problem(await town.client.get("/api/search/autocomplete", params={"q": "a"}), 422, "invalid")
    problem(await town.client.get("/api/search/autocomplete"), 422, "invalid")


async def test_popular_places_and_filters_tell_of_all_homes(town: TestHouse) -> None:
    every = (await search(town)).items
    popular = ok(await town.client.get("/api/search/popular"))["items"]
    assert {place["city"]: place["count"] for place in popular} == Counter(hit.city for hit in every)
    told = ok(await town.client.get("/api/search/filters"))
    assert told["total"] == HOMES
    assert told["nightly"] == [
        {
            "min": min(hit.nightly.amount for hit in every),
            "max": max(hit.nightly.amount for hit in every),
            "currency": "USD",
        }
    ]
    assert {each["value"]: each["count"] for each in told["values"]["type"]} == Counter(
        hit.type for hit in every
    )


async def test_searching_looks_ahead_however_long_the_house_has_been_open(house: TestHouse) -> None:
    await open_home(await host_of(house))
    await house.settle()
    await house.advance(200 * 86_400)
    assert (await at_door(house, **stay(house, 200, 3)))["total"] == 1


async def test_a_booking_window_moves_on_with_the_days(house: TestHouse) -> None:
    host = await host_of(house)
    home = await open_home(host)
    rules = home["stay_rules"] | {"window_days": 90}
    ok(await host.patch(f"/api/listings/{home['id']}", {"stay_rules": rules}))
    await house.settle()
    assert (await at_door(house, **stay(house, 87, 3)))["total"] == 1
    assert (await at_door(house, **stay(house, 92, 3)))["total"] == 0
    await house.advance(30 * 86_400)
    assert (await at_door(house, **stay(house, 87, 3)))["total"] == 1


async def test_the_day_of_a_home_is_that_of_its_own_zone_wherever_it_stands(
    house: TestHouse, host: Person
) -> None:
    """It is tomorrow there already, and not where the map shows it."""
    home = await open_home(host, time_zone="Pacific/Kiritimati", stay_rules={"window_days": 30})
    await house.advance(HOUR)
    await house.settle()
    last = stay(house, 31, 1)
    quote = ok(await house.client.post(f"/api/listings/{home['id']}/quote", json=last | {"guests": 2}))
    [hit] = ok(await house.client.get("/api/search", params=last))["items"]
    assert hit["total"] == quote["total"]


async def test_notice_is_counted_from_the_moment_of_the_search(
    house: TestHouse,
) -> None:
    host = await host_of(house)
    home = await open_home(host)
    rules = home["stay_rules"] | {"notice_hours": 72}
    ok(await host.patch(f"/api/listings/{home['id']}", {"stay_rules": rules}))
    await house.settle()
    when = stay(house, 5, 2)
    assert (await at_door(house, **stay(house, 2, 2)))["total"] == 0
    assert (await at_door(house, **when))["total"] == 1
    await house.advance(3 * 86_400)
    assert (await at_door(house, **when))["total"] == 0


async def test_the_bounds_of_weekdays_and_seasons_hold_in_search_quote_and_calendar(
    house: TestHouse,
) -> None:
    """Day 30 is Friday, 14 May 2027."""
    host = await host_of(house)
    home = await open_home(host)
    path = f"/api/listings/{home['id']}"
    by_day = {
        "min_nights_by_day": [None] * 4 + [3, None, None],
        "max_nights_by_day": [None] * 4 + [9, None, None],
    }
    told = ok(await host.patch(path, {"stay_rules": by_day | {"min_nights": 4, "max_nights": 5}}))
    assert told["stay_rules"]["min_nights_by_day"] == by_day["min_nights_by_day"]
    season = {
        "from": stay(house, 40)["check_in"],
        "to": stay(house, 60)["check_in"],
        "price": PRICING["base"],
    }
    prices = PRICING | {"seasons": [season | {"min_nights": 2, "max_nights": 20}]}
    assert ok(await host.put(f"{path}/pricing", prices))["seasons"][0]["max_nights"] == 20
    await house.settle()
    days = ok(await host.get(f"{path}/availability", params={"from": stay(house, 28)["check_in"]}))["days"]
    assert [day["min_nights"] for day in days[:4]] == [4, 4, 3, 4]
    for (first, nights), refused in {
        (30, 2): ("min_nights", 3), (30, 3): None, (30, 9): None, (30, 10): ("max_nights", 9),
        (31, 3): ("min_nights", 4), (31, 6): ("max_nights", 5), (45, 2): None, (45, 20): None,
        (45, 21): ("max_nights", 20),
    }.items():  # fmt: skip
        when = stay(house, first, nights)
        answer = await house.client.post(f"{path}/quote", json=when | {"guests": 1})
        found = (await at_door(house, **when))["items"]
        if refused is None:
            assert [hit["total"] for hit in found] == [ok(answer)["total"]], (first, nights)
        else:
            told = problem(answer, 409, "stay_refused")
            assert (told["rule"], told["value"], found) == (*refused, []), (first, nights)


async def test_prices_are_told_and_compared_in_the_currency_that_is_asked_for(house: TestHouse) -> None:
    """A yen has no minor unit: nothing may be compared before it is exchanged."""
    host, staff = await host_of(house), await house.staff("support")
    tax = {"label": "Levy", "kind": "percent_bp", "bp": 333, "area": {"country": "US"}, "enabled": True}
    ok(await staff.post("/api/listings/taxes", tax), 201)
    dollars, yen, roubles = [(await open_home(host, title))["id"] for title in ("One", "Two", "Three")]
    for home, amount, currency in ((yen, 30_000, "JPY"), (roubles, 1, "RUB")):  # no rate is known for roubles
        money = {"base": {"amount": amount, "currency": currency}, "weekly_discount_bp": 777}
        ok(await host.put(f"/api/listings/{home}/pricing", money))
    await house.settle()
    await deps_of(house).index.flush()
    when = stay(house, 30, 8)

    async def quoted(home: str) -> Any:
        wish = when | {"guests": 1, "currency": "EUR"}
        return ok(await house.client.post(f"/api/listings/{home}/quote", json=wish))["shown"]

    found = await at_door(house, currency="EUR", **when)
    totals = {hit["id"]: hit["total"] for hit in found["items"]}
    assert totals[dollars] == (await quoted(dollars))["total"]
    assert totals[yen] == (await quoted(yen))["total"]
    assert totals[roubles]["currency"] == "RUB"
    nightly = {hit["id"]: hit["nightly"] for hit in (await at_door(house, currency="EUR"))["items"]}
    assert {money["currency"] for money in nightly.values()} == {"EUR", "RUB"}
    # About 86 and 165 euros a night.
    assert 8_000 < nightly[dollars]["amount"] < 10_000 < nightly[yen]["amount"] < 20_000

    async def ids(**query: Any) -> list[str]:
        return [hit["id"] for hit in (await at_door(house, currency="EUR", **query))["items"]]

    for dates in ({}, when):
        assert await ids(sort="price", **dates) == [dollars, yen, roubles]  # an order leaves nobody out
        assert await ids(sort="-price", **dates) == [yen, dollars, roubles]
        assert await ids(sort="-price", per_page="1", page="3", **dates) == [roubles]
        limit = (totals if dates else nightly)[yen]["amount"]
        assert await ids(min_price=str(limit), **dates) == [yen]
        assert await ids(max_price=str(limit - 1), **dates) == [dollars]
        assert await ids(q="two", min_price=str(limit), **dates) == [yen]
        limited = await at_door(house, currency="EUR", min_price="0", **dates)
        assert (limited["total"], limited["uncompared"]) == (2, 1)  # is it within? nobody knows
        free = await at_door(house, currency="EUR", sort="price", **dates)
        assert (free["total"], "uncompared" in free) == (3, False)
        assert sum(band["count"] for band in free["facets"]["price"]) == 2
    assert len((await at_door(house, currency="RUB"))["items"]) == 3


async def test_without_a_currency_prices_are_compared_by_their_worth_and_told_as_they_are(
    house: TestHouse,
) -> None:
    """One night is 100.00 dollars, 12,000 yen, which is less, or 30,000 yen, which is more."""
    host = await host_of(house)
    dear, dollars, cheap, roubles = [(await open_home(host, f"Home {n}"))["id"] for n in range(4)]
    for home, amount, currency in ((dear, 30_000, "JPY"), (cheap, 12_000, "JPY"), (roubles, 1, "RUB")):
        ok(
            await host.put(
                f"/api/listings/{home}/pricing", {"base": {"amount": amount, "currency": currency}}
            )
        )
    await house.settle()
    await deps_of(house).index.flush()

    for dates in ({}, stay(house, 30, 3)):

        async def ids(dates: Any = dates, **query: Any) -> list[str]:
            found = await at_door(house, **dates, **query)
            assert found["currency"] == "JPY"  # most of the homes have it
            return [hit["id"] for hit in found["items"]]

        every = (await at_door(house, **dates))["items"]
        told = {hit["id"]: hit.get("total", hit["nightly"]) for hit in every}
        assert {home: told[home]["currency"] for home in (dear, dollars, cheap, roubles)} == {
            dear: "JPY", dollars: "USD", cheap: "JPY", roubles: "RUB"
        }  # fmt: skip
        assert await ids(sort="price") == [cheap, dollars, dear, roubles]
        assert await ids(sort="-price") == [dear, dollars, cheap, roubles]
        low, high = str(told[cheap]["amount"] + 1), str(told[dear]["amount"] - 1)
        assert await ids(min_price=low, max_price=high) == [dollars]
        assert await ids(min_price=low, max_price=high, q="home") == [dollars]
        assert await ids(min_price=low, sort="price", per_page="1", page="2") == [dear]
    # Homes of one currency need no other.
    ok(await host.put(f"/api/listings/{dollars}/pricing", {"base": {"amount": 10_000, "currency": "JPY"}}))
    ok(await host.put(f"/api/listings/{roubles}/pricing", {"base": {"amount": 9_000, "currency": "JPY"}}))
    await house.settle()
    found = await at_door(house, sort="price")
    assert "currency" not in found
    assert [hit["id"] for hit in found["items"]] == [roubles, dollars, cheap, dear]

"""Homes through the door: drafts, edits, prices, publishing, and who sees what."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from harness import Person, TestHouse
from hometrip.ports.documents import Change
from hometrip.services.listing import actions, store
from hometrip.services.listing.actions.lifecycle import place_in_words
from hometrip.services.listing.rules.edits import WholeHome
from hometrip.services.listing.rules.home import Place
from hometrip.services.listing.rules.shown import Listing
from hometrip.services.listing.rules.texts import folded, plain
from journeys.steps import CABIN, PRICING, book, ok, open_home, pay, problem, stay


async def draft(host: Person, **more: Any) -> str:
    return str(ok(await host.post("/api/listings", {"title": "Creek cabin"} | more), 201)["id"])


def fields(found: dict[str, Any]) -> set[str]:
    return {error["field"] for error in found["errors"]}


# Drafts and publishing


async def test_a_title_is_enough_to_begin(host: Person) -> None:
    listing = ok(await host.post("/api/listings", {"title": "Creek cabin"}), 201)
    assert (listing["status"], listing["host_id"], listing["version"]) == ("draft", str(host.id), 1)
    assert listing["stay_rules"] == {
        "min_nights": 1, "max_nights": 365, "notice_hours": 0, "preparation_nights": 0, "window_days": 730
    }  # fmt: skip


async def test_publishing_names_everything_that_is_missing_at_once(house: TestHouse, host: Person) -> None:
    path = f"/api/listings/{await draft(host)}"
    missing = fields(problem(await host.post(f"{path}/publish"), 422, "listing_incomplete"))
    assert missing == {
        "description", "structure", "type", "guests", "address.city", "address.country", "location",
        "pricing.base",
    }  # fmt: skip
    ok(await host.patch(path, CABIN))
    missing = fields(problem(await host.post(f"{path}/publish"), 422, "listing_incomplete"))
    assert missing == {"pricing.base"}
    ok(await host.put(f"{path}/pricing", PRICING))
    assert ok(await host.post(f"{path}/publish"))["status"] == "published"
    await house.settle()
    names = await house.events(f"listing/{path.split('/')[-1]}")
    assert names == [
        "listing.created",
        "listing.updated",
        "listing.updated",
        "listing.published",
        "listing.updated",
    ]


async def test_a_home_without_a_point_gets_that_of_its_city_and_its_time_zone(host: Person) -> None:
    listing_id = await draft(host, **{name: value for name, value in CABIN.items() if name != "location"})
    path = f"/api/listings/{listing_id}"
    ok(await host.put(f"{path}/pricing", PRICING))
    published = ok(await host.post(f"{path}/publish"))
    assert published["location"]["lat"] == pytest.approx(42.65, abs=0.1)
    assert published["location"]["lng"] == pytest.approx(-73.76, abs=0.1)
    assert published["time_zone"] == "America/New_York"


async def test_a_published_home_cannot_be_made_incomplete(host: Person) -> None:
    home = await open_home(host)
    found = problem(
        await host.patch(f"/api/listings/{home['id']}", {"description": " "}), 422, "listing_incomplete"
    )
    assert fields(found) == {"description"}


async def test_revisions_rise_with_every_change_of_home_price_and_days(
    house: TestHouse, host: Person
) -> None:
    home = await open_home(host)
    path = f"/api/listings/{home['id']}"
    ok(await host.patch(path, {"beds": 9}))
    ok(await host.put(f"{path}/pricing", PRICING | {"dates": {"2027-07-01": PRICING["base"]}}))
    when = stay(house, 40, 2)
    ok(await host.post(f"{path}/block-dates", {"from": when["check_in"], "to": when["check_out"]}), 201)
    await house.settle()
    answer = await house.client.get("/api/sandbox/events", params={"subject": f"listing/{home['id']}"})
    events = [event for event in answer.json()["items"] if event["name"] == "listing.updated"]
    revisions = [event["data"]["revision"] for event in events]
    assert revisions == sorted(set(revisions))
    assert len(revisions) == 6
    [card] = await house.deps("search").listing.search_cards([UUID(home["id"])])
    assert card.revision == revisions[-1]


# Edits


async def test_an_edit_that_changes_nothing_says_nothing(host: Person) -> None:
    path = f"/api/listings/{await draft(host)}"
    first = ok(await host.patch(path, CABIN))
    again = ok(await host.patch(path, CABIN))
    assert again["version"] == first["version"] == 2


async def test_if_match_guards_every_write(host: Person) -> None:
    path = f"/api/listings/{await draft(host)}"
    stale = {"If-Match": '"1"'}
    ok(await host.patch(path, {"beds": 2}, headers=stale))
    problem(await host.patch(path, {"beds": 3}, headers=stale), 412, "version_mismatch")
    problem(await host.put(path, {"title": "Other"}, headers=stale), 412, "version_mismatch")
    problem(await host.put(f"{path}/pricing", PRICING, headers=stale), 412, "version_mismatch")
    problem(await host.delete(path, headers=stale), 412, "version_mismatch")
    assert ok(await host.get(path))["beds"] == 2


async def test_parts_of_an_address_and_of_rules_change_by_themselves(host: Person) -> None:
    path = f"/api/listings/{await draft(host, **CABIN)}"
    changed = ok(
        await host.patch(
            path,
            {"address": {"line1": "2 Hill Lane"}, "rules": {"pets": True}, "stay_rules": {"min_nights": 2}},
        )
    )
    assert changed["address"] == CABIN["address"] | {"line1": "2 Hill Lane"}
    assert changed["rules"] == {"pets": True, "smoking": False, "parties": False}
    assert (changed["stay_rules"]["min_nights"], changed["stay_rules"]["max_nights"]) == (2, 365)


async def test_put_writes_the_whole_home_and_takes_its_own_answer_back(host: Person) -> None:
    home = await open_home(host)
    path = f"/api/listings/{home['id']}"
    again = ok(await host.put(path, home | {"title": "Creek house"}))
    assert again["title"] == "Creek house"
    assert again["amenities"] == home["amenities"]
    assert again["status"] == "published"
    other = await draft(host, **CABIN)
    bare = ok(await host.put(f"/api/listings/{other}", {"title": "Bare"}))
    assert (bare["amenities"], bare["guests"], bare["address"]["city"]) == ([], None, "")


async def test_a_home_that_is_moved_with_its_whole_answer_has_the_time_zone_of_its_new_place(
    host: Person,
) -> None:
    begun = ok(await host.post("/api/listings", {"title": "Cabin"}), 201)
    path, albany = f"/api/listings/{begun['id']}", CABIN["location"]
    here = ok(await host.put(path, begun | {"location": albany}))
    assert (begun["time_zone"], here["time_zone"]) == ("UTC", "America/New_York")
    moved = ok(await host.put(path, here | {"location": {"lat": -31.55, "lng": 159.08}}))
    assert moved["time_zone"] == "Australia/Lord_Howe"
    # What a host has said of the clocks there stays as it was said.
    own = ok(await host.put(path, moved | {"location": albany, "time_zone": "America/Toronto"}))
    assert own["time_zone"] == "America/Toronto"
    nearby = ok(await host.put(path, own | {"location": albany | {"lat": 42.7}}))
    assert nearby["time_zone"] == "America/Toronto"


def test_every_field_of_an_answer_may_be_given_back() -> None:
    assert set(Listing.__struct_fields__) <= set(WholeHome.__struct_fields__)


async def test_a_countrys_name_becomes_its_code_and_a_word_for_a_type_its_key(host: Person) -> None:
    listing_id = await draft(host, type="apartment", address={"city": "Lyon", "country": "France"})
    seen = ok(await host.get(f"/api/listings/{listing_id}"))
    assert (seen["address"]["country"], seen["type"]) == ("FR", "rental_unit")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"amenities": ["wifi", "helipad"]}, "amenities"),
    ({"structure": "castle"}, "structure"),
    ({"type": "spaceship"}, "type"),
    ({"cancellation_policy": "whimsical"}, "cancellation_policy"),
    ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ({"address": {"country": "Atlantis"}}, "address.country"),
    ({"address": {"country": "1!"}}, "address.country"),
    ({"address": {"country": "ZZ"}}, "address.country"),
    ({"address": {"country": "U"}}, "address.country"),
    ({"stay_rules": {"min_nights": 9, "max_nights": 8}}, "stay_rules.max_nights"),
    ({"stay_rules": {"min_nights_by_day": [2] * 6}}, "stay_rules.min_nights_by_day"),
    (
        {"stay_rules": {"max_nights": 5, "min_nights_by_day": [None] * 6 + [6]}},
        "stay_rules.max_nights_by_day",
    ),
    ({"title": "<b></b>"}, "title"),
    ({"title": "Cabin, hanna@example.com"}, "title"),
    ({"title": "Cabin: +1 518 555 0100"}, "title"),
    ({"title": "Cabin at www.example.com"}, "title"),
    ({"description": "x" * 10_001}, "description"),
    ({"guests": 0}, "guests"),
    ({"guests": 51}, "guests"),
    ({"location": {"lat": 91, "lng": 0}}, "location.lat"),
    ({"location": {"lat": 0, "lng": -181}}, "location.lng"),
    ({"check_in_from": "25:00"}, "check_in_from"),
    ({"check_out_by": "9am"}, "check_out_by"),
    ({"stay_rules": {"check_in_days": [7]}}, "stay_rules.check_in_days[0]"),
    ({"stay_rules": {"window_days": 2, "notice_hours": 72}}, "stay_rules.window_days"),
    ({"stay_rules": {"window_days": 6, "min_nights": 8}}, "stay_rules.window_days"),
    (
        {"stay_rules": {"check_in_days": [0], "check_out_days": [1], "min_nights": 2, "max_nights": 6}},
        "stay_rules.check_out_days",
    ),
    ({"status": "published"}, "status"),
]


async def test_what_cannot_be_is_refused_by_field_and_nothing_is_written(host: Person) -> None:
    path = f"/api/listings/{await draft(host)}"
    for edit, field in WRONG:
        answer = await host.patch(path, {"beds": 5} | edit)
        assert answer.status_code == 422, answer.text
        assert fields(answer.json()) == {field}
    seen = ok(await host.get(path))
    assert (seen["beds"], seen["version"]) == (0, 1)


async def test_markup_in_texts_is_taken_out(host: Person) -> None:
    edit = {
        "title": "Tom & Jerry's <b>cabin</b>",
        "description": "Quiet<script>alert(1)</script>\n2 < 3 &amp; 5",
    }
    path = f"/api/listings/{await draft(host)}"
    changed = ok(await host.patch(path, edit))
    assert (changed["title"], changed["description"]) == ("Tom & Jerry's cabin", "Quiet\n2 < 3 & 5")


@pytest.mark.parametrize(
    "text",
    [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&amp;lt;img src=x onerror=alert(1)&amp;gt;",
        "<scr<script>ipt>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "&#60;svg onload=alert(1)&#62;",
    ],
)
def test_no_disguise_of_markup_gets_through(text: str) -> None:
    assert "<" not in plain(text)
    assert plain(plain(text)) == plain(text)


def test_texts_are_compared_without_case_and_accents() -> None:
    assert folded(" São  PAULO ") == folded("sao paulo") == "sao paulo"


def test_a_place_in_words_leaves_out_what_is_not_known() -> None:
    whole = Place(line1="1 Creek Road", city="Albany", region="New York", postcode="12207", country="US")
    assert place_in_words(whole) == "1 Creek Road, 12207 Albany, New York, US"
    assert place_in_words(Place(city="Lyon", country="FR")) == "Lyon, FR"


# Who sees what


async def test_strangers_learn_nothing_of_a_draft(house: TestHouse, host: Person) -> None:
    path = f"/api/listings/{await draft(host)}"
    stranger = await house.sign_up("eve@example.com", "Eve")
    for answer in (
        await house.client.get(path),
        await stranger.get(path),
        await stranger.patch(path, {"beds": 1}),
        await stranger.get(f"{path}/pricing"),
        await stranger.put(f"{path}/pricing", PRICING),
        await stranger.post(f"{path}/publish"),
        await stranger.patch(f"{path}/toggle-active"),
        await stranger.delete(path),
        await stranger.get(f"{path}/availability"),
        await stranger.post(f"{path}/quote", stay(house) | {"guests": 1}),
        await stranger.post(f"{path}/block-dates", {"from": "2027-05-01", "to": "2027-05-02"}),
    ):
        problem(answer, 404, "not_found")
    assert ok(await (await house.staff("support")).get(path))["status"] == "draft"


async def test_a_stranger_sees_a_published_home_and_may_not_change_it(house: TestHouse, host: Person) -> None:
    path = f"/api/listings/{(await open_home(host))['id']}"
    stranger = await house.sign_up("eve@example.com", "Eve")
    before = ok(await stranger.get(path))
    for answer in (
        await stranger.patch(path, {"beds": 1}),
        await stranger.put(path, {"title": "Mine"}),
        await stranger.post(f"{path}/publish"),
        await stranger.patch(f"{path}/toggle-active"),
        await stranger.delete(path),
    ):
        problem(answer, 403, "forbidden")
    # What is its host's alone is nothing that a stranger sees.
    for answer in (
        await stranger.get(f"{path}/pricing"),
        await stranger.put(f"{path}/pricing", PRICING),
        await stranger.get(f"{path}/block-dates"),
        await stranger.post(f"{path}/block-dates", {"from": "2027-05-01", "to": "2027-05-02"}),
    ):
        problem(answer, 404, "not_found")
    assert ok(await stranger.get(path)) == before


async def test_strangers_see_a_point_within_500_m_and_no_street(house: TestHouse, host: Person) -> None:
    home = await open_home(host)
    path = f"/api/listings/{home['id']}"
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    seen = ok(await guest.get(path))
    assert seen["address"] == {"city": "Albany", "region": "New York", "country": "US"}
    [listed] = ok(await guest.get("/api/listings"))["items"]
    assert (listed["address"], listed["exact"]) == (seen["address"], False)
    assert seen["exact"] is False
    assert 100 <= metres(seen["location"], CABIN["location"]) <= 500
    assert ok(await house.client.get(path))["location"] == seen["location"]
    assert ok(await host.get(path))["location"] == CABIN["location"]
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    assert ok(await guest.get(path))["exact"] is False
    await pay(guest, booking["id"])
    await house.settle()
    told = ok(await guest.get(path))
    assert (told["address"], told["location"]) == (CABIN["address"], CABIN["location"])
    assert ok(await (await house.staff("support")).get(path))["exact"] is True


async def test_no_box_tells_where_a_home_really_is(house: TestHouse, host: Person) -> None:
    home = await open_home(host)

    async def found(at: dict[str, float]) -> list[str]:
        """The homes in a box of two metres, by either way to ask for it."""
        lat, lng, low = at["lat"], at["lng"], 1e-5
        box = ",".join(str(side) for side in (lat - low, lng - low, lat + low, lng + low))
        ways = {"bbox": box}, {"near": f"{lat},{lng}", "radius_km": "0.001"}
        pages = [ok(await house.client.get("/api/listings", params=way)) for way in ways]
        assert [page.get("next_cursor") for page in pages] == [None, None]
        both = [[item["id"] for item in page["items"]] for page in pages]
        assert both[0] == both[1]
        return both[0]

    shown = ok(await house.client.get(f"/api/listings/{home['id']}"))["location"]
    assert (await found(CABIN["location"]), await found(shown)) == ([], [home["id"]])
    moved = {"lat": 45.76, "lng": 4.84}
    ok(await host.patch(f"/api/listings/{home['id']}", {"location": moved}))
    there = ok(await house.client.get(f"/api/listings/{home['id']}"))["location"]
    assert (await found(moved), await found(shown), await found(there)) == ([], [], [home["id"]])


async def test_a_home_of_before_is_found_where_it_is_shown(house: TestHouse, host: Person) -> None:
    home, deps = await open_home(host), house.deps("listing")
    async with deps.docs.transaction() as tx:
        await tx.change(store.HOMES, UUID(home["id"]), Change(set={"seen": None}))
    query = {"bbox": "40,-80,44,-70"}
    assert ok(await house.client.get("/api/listings", params=query))["items"] == []
    await actions.place_homes(deps)
    [found] = ok(await house.client.get("/api/listings", params=query))["items"]
    assert found["id"] == home["id"]


async def test_moving_a_home_a_little_tells_nothing_more(house: TestHouse, host: Person) -> None:
    home = await open_home(host)
    path = f"/api/listings/{home['id']}"
    north, east = [], []
    for n in range(4):
        real = {"lat": 42.65 + n / 10_000, "lng": -73.75}
        ok(await host.patch(path, {"location": real}))
        seen = ok(await house.client.get(path))["location"]
        north.append(seen["lat"] - real["lat"])
        east.append(seen["lng"] - real["lng"])
    assert max(north) - min(north) < 0.00001
    assert max(east) - min(east) < 0.0001


def metres(one: dict[str, float], other: dict[str, float]) -> float:
    north = (one["lat"] - other["lat"]) * 111_320
    east = (one["lng"] - other["lng"]) * 111_320 * math.cos(math.radians(one["lat"]))
    return math.hypot(north, east)


# Lists


async def test_the_host_finds_drafts_and_all_among_their_own(house: TestHouse, host: Person) -> None:
    ids = [await draft(host), (await open_home(host))["id"], await draft(host)]
    await open_home(await house.sign_up("other@example.com", "Otto"))
    first = ok(await host.get("/api/listings/my-listings", params={"limit": 2}))
    rest = ok(await host.get("/api/listings/my-listings", params={"cursor": first["next_cursor"]}))
    assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert rest.get("next_cursor") is None


async def test_the_public_list_filters_and_sorts(house: TestHouse, host: Person) -> None:
    cheap = await open_home(host, "Cheap", guests=2, structure="private_room")
    lyon = {"city": "Lyon", "country": "FR", "line1": "", "region": "", "postcode": ""}
    dear = await open_home(
        host, "Dear", amenities=["wifi", "pool"], address=lyon, location={"lat": 45.76, "lng": 4.84}
    )
    ok(await host.put(f"/api/listings/{dear['id']}/pricing", {"base": {"amount": 50_000, "currency": "USD"}}))
    await draft(host)

    async def found(**query: Any) -> list[str]:
        page = ok(await house.client.get("/api/listings", params=query))
        return [item["title"] for item in page["items"]]

    assert await found() == ["Dear", "Cheap"]
    assert await found(sort="price") == ["Cheap", "Dear"]
    assert await found(city="LYÓN") == ["Dear"]
    assert await found(country="us") == ["Cheap"]
    assert await found(max_price=20_000) == ["Cheap"]
    assert await found(min_price=20_000) == ["Dear"]
    assert await found(guests=3) == ["Dear"]
    assert await found(structure="private_room") == ["Cheap"]
    assert await found(amenities="pool,wifi") == ["Dear"]
    assert await found(bbox="40,-80,44,-70") == ["Cheap"]
    assert await found(near="45.7,4.8", radius_km=30) == ["Dear"]
    when = stay(house)
    ok(
        await host.post(
            f"/api/listings/{cheap['id']}/block-dates", {"from": when["check_in"], "to": when["check_out"]}
        ),
        201,
    )
    assert await found(**when) == ["Dear"]
    assert "line1" not in ok(await house.client.get("/api/listings"))["items"][0]["address"]
    problem(await house.client.get("/api/listings", params={"sort": "worst"}), 422, "invalid")
    problem(await house.client.get("/api/listings", params={"check_in": "2027-05-01"}), 422, "invalid")
    for wrong in (
        {"bbox": "1,2,x,4"},
        {"bbox": "1,2,nan,4"},
        {"near": "1"},
        {"min_rating": "nan"},
        {"near": "1,1", "radius_km": "inf"},
        {"max_price": 10**30},
        {"limit": 101},
        {"cursor": "xx"},
    ):
        answer = await house.client.get("/api/listings", params=wrong)
        assert answer.status_code == 422, (wrong, answer.text)


async def test_a_radius_finds_no_home_in_the_corners_of_the_box_around_it(
    house: TestHouse, host: Person
) -> None:
    for title, place in {
        "Here": (0.0, 179.9),
        "Across": (0.0, -179.9),
        "Corner": (0.19, 179.71),
        "Near": (0.1, 179.9),
    }.items():
        await open_home(host, title, location={"lat": place[0], "lng": place[1]})
    near = {"near": "0,179.9", "radius_km": 25}
    await house.settle()

    async def found(path: str, **more: Any) -> list[str]:
        items = ok(await house.client.get(path, params=near | more))["items"]
        return sorted(item["title"] for item in items)

    assert await found("/api/listings") == ["Across", "Here", "Near"]
    assert await found("/api/search") == await found("/api/listings", **stay(house))
    assert await found("/api/listings", radius_km=0) == []
    for beyond in ("91,0", "0,181"):
        answer = await house.client.get("/api/listings", params={"near": beyond})
        assert [error["code"] for error in problem(answer, 422, "invalid")["errors"]] == ["bad_point"]


async def test_a_paused_home_is_not_offered_until_it_is_taken_up_again(
    house: TestHouse, host: Person
) -> None:
    home = await open_home(host)
    path = f"/api/listings/{home['id']}"
    assert ok(await host.patch(f"{path}/toggle-active"))["status"] == "paused"
    problem(await house.client.get(path), 404, "not_found")
    problem(await house.client.post(f"{path}/quote", json=stay(house) | {"guests": 1}), 404, "not_found")
    assert ok(await host.patch(f"{path}/toggle-active"))["status"] == "published"
    ok(await house.client.get(path))
    await house.settle()
    names = await house.events(f"listing/{home['id']}")
    assert names[-4:] == ["listing.unpublished", "listing.updated", "listing.published", "listing.updated"]
    other = await draft(host)
    problem(await host.patch(f"/api/listings/{other}/toggle-active"), 409, "listing_not_published")


async def test_a_home_with_bookings_ahead_is_not_deleted(house: TestHouse, host: Person) -> None:
    home = await open_home(host)
    path = f"/api/listings/{home['id']}"
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    ok(await book(guest, home["id"], stay(house)), 201)
    problem(await host.delete(path), 409, "bookings_ahead")
    await house.advance(3_600)  # nobody pays
    ok(await host.delete(path), 204)
    problem(await host.get(path), 404, "not_found")
    await house.settle()
    assert (await house.events(f"listing/{home['id']}"))[-1] == "listing.deleted"


# Prices


async def test_a_price_list_comes_back_with_every_amount_written_out(host: Person) -> None:
    path = f"/api/listings/{await draft(host, guests=4)}/pricing"
    problem(await host.get(path), 404, "not_found")
    usd = {"amount": 12_000, "currency": "USD"}
    nothing = {"amount": 0, "currency": "USD"}
    season = {"from": "2027-07-01", "to": "2027-09-01", "price": usd, "min_nights": 3}
    written = {
        "base": usd,
        "seasons": [season],
        "dates": {"2027-12-31": usd},
        "last_minute": {"days": 3, "discount_bp": 500},
    }
    stored = ok(await host.put(path, written))
    assert stored == written | {
        "weekend_nights": [4, 5], "weekly_discount_bp": 0, "monthly_discount_bp": 0, "cleaning_fee": nothing,
        "included_guests": 4, "extra_guest": nothing, "pet_fee": nothing, "deposit": nothing,
    }  # fmt: skip
    assert ok(await host.get(path)) == stored
    assert ok(await host.put(path, stored)) == stored


async def test_a_price_list_in_two_currencies_is_refused(host: Person) -> None:
    path = f"/api/listings/{await draft(host)}/pricing"
    wrong = PRICING | {"pet_fee": {"amount": 1, "currency": "EUR"}, "weekly_discount_bp": 20_000}
    found = problem(await host.put(path, wrong), 422, "invalid")
    assert fields(found) == {"pet_fee", "weekly_discount_bp"}


async def test_an_amount_that_cannot_be_is_told_what_it_may_be(host: Person) -> None:
    path, less = f"/api/listings/{await draft(host)}/pricing", {"amount": -1, "currency": "USD"}
    more = {"amount": 10**10 + 1, "currency": "USD"}
    prices = {"base": less, "pet_fee": less, "extra_guest": more}
    found = problem(await host.put(path, prices), 422, "invalid")
    assert {error["field"]: error["detail"] for error in found["errors"]} == {
        "base": "must be 1 to 100000000000 minor units",
        "pet_fee": "must be 0 to 100000000000 minor units",
        "extra_guest": "must be 0 to 10000000000 minor units",
    }


# Words and places


def in_summer(**bounds: int) -> dict[str, Any]:
    price = {"amount": 12_000, "currency": "USD"}
    return {"from": "2027-07-01", "to": "2027-09-01", "price": price, **bounds}


def priced(*seasons: dict[str, Any], base: int = 10_000) -> dict[str, Any]:
    return {"base": {"amount": base, "currency": "USD"}, "seasons": list(seasons)}


async def test_a_season_in_which_no_stay_could_begin_is_refused_with_both_values(host: Person) -> None:
    home = await draft(host, stay_rules={"min_nights": 3, "max_nights": 7})
    path = f"/api/listings/{home}"
    refused = problem(await host.put(f"{path}/pricing", priced(in_summer(min_nights=10))), 422, "invalid")
    [error] = refused["errors"]
    assert (error["field"], error["code"]) == ("seasons[0].min_nights", "more_than_max")
    assert "10 nights at least and 7 at most" in error["detail"]
    refused = problem(await host.put(f"{path}/pricing", priced(in_summer(max_nights=2))), 422, "invalid")
    assert refused["errors"][0]["field"] == "seasons[0].max_nights"
    ok(await host.put(f"{path}/pricing", priced(in_summer(min_nights=10, max_nights=14))))
    ok(await host.put(f"{path}/pricing", priced(in_summer(min_nights=7))))
    refused = problem(await host.patch(path, {"stay_rules": {"max_nights": 6}}), 422, "invalid")
    [error] = refused["errors"]
    assert (error["field"], error["code"]) == ("stay_rules.max_nights", "less_than_min")
    assert "7 nights at least and 6 at most" in error["detail"]
    ok(await host.patch(path, {"stay_rules": {"max_nights": 8}}))


async def test_what_contradicts_itself_already_hinders_no_other_change(
    house: TestHouse, host: Person
) -> None:
    """As homes of earlier versions may."""
    home = await draft(host)
    path = f"/api/listings/{home}"
    season = in_summer(min_nights=10)
    ok(await host.put(f"{path}/pricing", priced(season)))
    docs = house.deps("listing").docs
    async with docs.transaction() as tx:
        known = await tx.get(store.HOMES, UUID(home))
        assert known is not None
        limits = replace(known.stay_rules, max_nights=5, window_days=2, notice_hours=72)
        await store.keep_home(tx, replace(known, stay_rules=limits))
    ok(await host.put(f"{path}/pricing", priced(in_summer(), season, base=11_000)))
    ok(await host.patch(path, {"stay_rules": {"preparation_nights": 1}, "title": "Mill"}))
    whole = ok(await host.get(path))
    ok(await host.put(path, whole | {"title": "Old mill"}))
    problem(await host.put(f"{path}/pricing", priced(in_summer(min_nights=9))), 422, "invalid")
    refused = problem(await host.patch(path, {"stay_rules": {"notice_hours": 96}}), 422, "invalid")
    assert [one["field"] for one in refused["errors"]] == ["stay_rules.window_days"]
    assert "is 2, too few for notice_hours 96" in refused["errors"][0]["detail"]


async def test_the_vocabularies_speak_the_callers_language(house: TestHouse) -> None:
    french = ok(await house.client.get("/api/listings/amenities", params={"lang": "fr"}))
    words = {item["key"]: item["label"] for group in french["groups"] for item in group["items"]}
    assert words["kitchen"] == "Cuisine"
    german = ok(await house.client.get("/api/listings/structures", headers={"Accept-Language": "de"}))
    assert {word["key"] for word in german["structures"]} == {
        "entire_home",
        "private_room",
        "shared_room",
        "hotel_room",
    }
    assert len(german["types"]) > 20


async def test_places_are_found_by_name_for_those_who_are_signed_in(house: TestHouse, host: Person) -> None:
    problem(await house.client.get("/api/listings/geocode", params={"q": "Albany"}), 401, "unauthenticated")
    found = ok(await host.get("/api/listings/geocode", params={"q": "albany, ny"}))
    assert (found["items"][0]["name"], found["items"][0]["country"]) == ("Albany", "US")


# What other services ask


async def test_cards_and_ids_of_homes_for_other_services(house: TestHouse, host: Person) -> None:
    first, second = UUID((await open_home(host))["id"]), UUID(await draft(host))
    questions = house.deps("search").listing
    assert await questions.all_ids(None, 1) == [first]
    assert await questions.all_ids(first, 10) == [second]
    [card] = await questions.homes([first, UUID(int=1)])
    assert (card.address, card.time_zone) == ("1 Creek Road, 12207 Albany, New York, US", "America/New_York")
    [seen, hidden] = await questions.search_cards([first, second])
    assert (seen.published, hidden.published) == (True, False)
    assert len(seen.taken) == len(seen.prices) == len(seen.min_nights) == 540
    assert (seen.nightly, set(seen.prices), sum(seen.taken)) == (10_000, {10_000}, 0)
    assert seen.board_from == house.clock.now().date()
    assert 100 <= metres({"lat": seen.shown_lat, "lng": seen.shown_lng}, CABIN["location"]) <= 500

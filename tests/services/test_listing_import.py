"""Imports of publications in Inside Airbnb's format, by the action and by the route."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from harness import Person, TestHouse
from hometrip.app.demo import FOLDER
from hometrip.services.listing import actions, store
from hometrip.services.listing.actions import ImportReport
from hometrip.services.listing.actions.deps import Deps
from hometrip.services.listing.rules.home import Judged
from hometrip.services.listing.rules.insideairbnb import ColumnsMissing
from journeys.steps import book, ok, problem

HOST = UUID(int=77)
FIRST = date(2024, 11, 5)


def table(rows: Sequence[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def row(source_id: str = "100", **more: Any) -> dict[str, Any]:
    return {
        "id": source_id, "name": "Brick house", "description": "Near<br />the park.", "host_id": "5",
        "latitude": "42.65", "longitude": "-73.76", "room_type": "Entire home/apt",
        "property_type": "Entire home", "accommodates": "4", "amenities": '["Wifi", "Pets allowed"]',
        "price": "$120.00", "minimum_nights": "2", "maximum_nights": "1125", "number_of_reviews": "3",
        "review_scores_rating": "4.77", "instant_bookable": "t",
    } | more  # fmt: skip


def days(source_id: str = "100", taken: Sequence[int] = (), **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "listing_id": source_id, "date": (FIRST + timedelta(days=n)).isoformat(),
            "available": "f" if n in taken else "t", "price": "$150.00" if n == 3 else "$120.00",
            "minimum_nights": "5" if n == 4 else "2", "maximum_nights": "30",
        } | more
        for n in range(60)
    ]  # fmt: skip


def review(number: int, source_id: str = "100") -> dict[str, Any]:
    return {
        "listing_id": source_id, "id": str(number), "date": "2024-10-01", "reviewer_id": "9",
        "reviewer_name": "Ann", "comments": f"Lovely stay {number}.",
    }  # fmt: skip


class Scene:
    def __init__(self, house: TestHouse) -> None:
        self.house = house
        self.today = house.clock.now().date()
        self.told: list[tuple[int, int | None, str]] = []

    @property
    def deps(self) -> Deps:
        deps = self.house.deps("listing")
        assert isinstance(deps, Deps)
        return deps

    async def run(
        self,
        homes: Sequence[dict[str, Any]],
        calendar: Any = None,
        reviews: Any = None,
        shift: int | None = 0,
    ) -> ImportReport:
        report = await actions.import_homes(
            self.deps,
            io.BytesIO(table(homes)),
            io.BytesIO(table(calendar)) if calendar else None,
            io.BytesIO(gzip.compress(table(reviews))) if reviews else None,
            owners=lambda _: HOST,
            shift_to=None if shift is None else self.today + timedelta(days=shift),
            progress=lambda done, total, phase: self.told.append((done, total, phase)),
        )
        await self.house.settle()
        return report

    async def homes(self) -> list[Any]:
        return await self.deps.docs.get_many(store.HOMES, await actions.all_ids(self.deps, None, 1_000))

    async def days(self, listing_id: UUID) -> list[dict[str, Any]]:
        answer = await self.house.client.get(
            f"/api/listings/{listing_id}/availability",
            params={"from": str(self.today), "to": str(self.today + timedelta(days=60))},
        )
        found: list[dict[str, Any]] = ok(answer)["days"]
        return found


@pytest.fixture
def scene(house: TestHouse) -> Scene:
    return Scene(house)


async def test_a_home_arrives_with_its_place_its_days_and_its_reviews(scene: Scene) -> None:
    report = await scene.run([row()], days(taken=(1, 2, 40)), [review(1), review(2)])
    assert (report.homes_new, report.days, report.reviews_new, report.rows_left_out) == (1, 60, 2, 0)
    [home] = await scene.homes()
    assert (home.status, home.host_id, home.title, home.description) == (
        "published",
        HOST,
        "Brick house",
        "Near\nthe park.",
    )
    assert (home.address.city, home.address.country, home.time_zone) == ("Albany", "US", "America/New_York")
    assert (home.rating, home.review_count, home.instant_book, home.rules.pets) == (477, 3, True, True)
    assert (home.stay_rules.min_nights, home.stay_rules.max_nights) == (2, 365)
    told = await scene.days(home.id)
    assert [n for n, day in enumerate(told) if day.get("reason") == "imported"] == [1, 2, 40]
    assert [n for n, day in enumerate(told) if day["price"]["amount"] == 15_000] == [3]
    assert [n for n, day in enumerate(told) if day["min_nights"] == 5] == [4]
    assert await actions.verify(scene.deps) == []
    assert [phase for _, _, phase in scene.told] == ["homes", "calendar", "publish", "reviews"]


async def test_the_same_files_again_change_nothing_and_say_so(scene: Scene) -> None:
    files = [row(), row("101", price="")], [*days(taken=(1,)), *days("101")], [review(1), review(2, "101")]
    await scene.run(*files)
    homes = await scene.homes()
    calendars = [await store.calendar(scene.deps.docs, home.id) for home in homes]
    report = await scene.run(*files)
    assert (report.homes_new, report.homes_changed, report.homes_unchanged) == (0, 0, 2)
    assert (report.calendars_changed, report.calendars_unchanged) == (0, 2)
    assert (report.reviews_new, report.reviews_unchanged) == (0, 2)
    assert await scene.homes() == homes
    assert [await store.calendar(scene.deps.docs, home.id) for home in homes] == calendars


async def test_a_home_that_differs_at_its_source_is_brought_up_to_date(scene: Scene) -> None:
    await scene.run([row(), row("101")])
    report = await scene.run(
        [row(name="Brick mansion", last_scraped="2025-01-01"), row("101", last_scraped="2025-01-01")]
    )
    assert (report.homes_changed, report.homes_unchanged) == (1, 1)
    assert {(home.title, home.version) for home in await scene.homes()} == {
        ("Brick mansion", 3),
        ("Brick house", 2),
    }


async def test_new_days_move_what_is_taken_and_give_back_what_is_not(scene: Scene) -> None:
    await scene.run([row()], days(taken=(1, 2, 40)))
    report = await scene.run([row()], days(taken=(2, 3)))
    assert report.calendars_changed == 1
    [home] = await scene.homes()
    told = await scene.days(home.id)
    assert [n for n, day in enumerate(told) if not day["free"]] == [2, 3]
    assert await actions.verify(scene.deps) == []


async def test_days_without_a_shift_stay_where_they_are(scene: Scene) -> None:
    await scene.run([row()], days(taken=(1,)), shift=None)
    [home] = await scene.homes()
    calendar = await store.calendar(scene.deps.docs, home.id)
    assert [span.check_in for span in calendar.spans] == [FIRST + timedelta(days=1)]
    assert all(day["free"] for day in await scene.days(home.id))


async def test_a_home_without_a_price_gets_the_middle_one_of_its_days_or_stays_a_draft(scene: Scene) -> None:
    report = await scene.run([row(price=""), row("101", price="")], days())
    assert report.drafts == 1
    assert {(home.source, home.status) for home in await scene.homes()} == {
        ("insideairbnb:100", "published"),
        ("insideairbnb:101", "draft"),
    }
    priced = next(home for home in await scene.homes() if home.pricing)
    assert (priced.pricing.base.amount, priced.pricing.currency) == (12_000, "USD")
    assert (await scene.run([row(price=""), row("101", price="$90.00")])).drafts == 0


async def test_a_home_that_staff_have_rejected_is_not_published_by_the_next_import(scene: Scene) -> None:
    await scene.run([row(price="")])
    (home,) = await scene.homes()
    rejected = Judged(action="rejected", reason="Other pictures.", at=scene.house.clock.now())
    async with scene.deps.docs.transaction() as tx:
        await store.keep_home(tx, replace(home, judged=rejected))
    for price, calendar in (("", days()), ("$90.00", None), ("$90.00", days(price="$95.00"))):
        await scene.run([row(price=price)], calendar)
        (home,) = await scene.homes()
        assert (home.status, home.judged) == ("draft", rejected)


async def test_what_cannot_be_used_is_left_out_with_row_and_reason(scene: Scene) -> None:
    report = await scene.run(
        [row(), row("101", room_type="Cave"), row("100", name="Again"), row("102", latitude="")],
        [*days(), *days("999")[:1], {**days()[0], "available": "maybe"}],
        [review(1), review(2, "999"), {**review(3), "comments": ""}],
    )
    assert [(left.file, left.row) for left in report.left_out] == [
        ("homes", 3), ("homes", 5), ("homes", None), ("calendar", 63), ("calendar", None),
        ("reviews", 4), ("reviews", None),
    ]  # fmt: skip
    assert report.rows_left_out == 7
    assert "unknown room type" in report.left_out[0].reason
    assert any("7 rows left out" in line for line in report.lines())


async def test_a_file_of_another_kind_is_refused_whole(scene: Scene) -> None:
    with pytest.raises(ColumnsMissing):
        await scene.run([{"a": "1", "b": "2"}])
    assert await scene.homes() == []


async def test_imported_days_leave_bookings_alone_and_are_reported_as_clashes(scene: Scene) -> None:
    house = scene.house
    await scene.run([row(minimum_nights="1")])
    [home] = await scene.homes()
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    when = {
        "check_in": str(scene.today + timedelta(days=10)),
        "check_out": str(scene.today + timedelta(days=12)),
    }
    ok(await book(guest, str(home.id), when), 201)
    await house.settle()
    report = await scene.run([row(minimum_nights="1")], days(taken=(9, 10, 11, 12)))
    assert report.clashes == 1
    reasons = [day.get("reason") for day in await scene.days(home.id)][9:13]
    assert reasons[0] == reasons[3] == "imported"
    assert await actions.verify(scene.deps) == []


# By the route


async def uploaded(staff: Person, files: dict[str, bytes], **query: Any) -> Any:
    parts = {name: (f"{name}.csv", content, "text/csv") for name, content in files.items()}
    return await staff._send("POST", "/api/listings/import", params=query, files=parts)


async def test_staff_import_by_the_route_and_follow_it_to_its_report(house: TestHouse) -> None:
    staff = await house.staff("support")
    files = {
        "listings": gzip.compress(table([row(), row("101", room_type="Cave")])),
        "calendar": table(days()),
    }
    asked = ok(await uploaded(staff, files, source="insideairbnb", shift_to="2027-04-14"), 202)
    path = f"/api/listings/import/{asked['id']}"
    await house.settle()
    state = ok(await staff.get(path))
    assert (state["state"], state["report"]["homes_new"], state["report"]["days"]) == ("done", 1, 60)
    [left] = state["report"]["left_out"]
    assert (left["file"], left["row"]) == ("homes", 3)
    page = ok(await house.client.get("/api/listings"))
    assert [home["host_id"] for home in page["items"]] == [str(staff.id)]
    assert not list((house.house.settings.data / "files").rglob("import/**/*~")), (
        "the files are kept no longer"
    )


async def test_an_import_that_cannot_be_done_says_why(house: TestHouse) -> None:
    staff = await house.staff("support")
    asked = ok(await uploaded(staff, {"listings": b"a,b\n1,2\n"}), 202)
    await house.settle()
    state = ok(await staff.get(f"/api/listings/import/{asked['id']}"))
    assert state["state"] == "failed"
    assert "room_type" in state["why"]
    problem(await uploaded(staff, {"calendar": b"x"}), 422, "invalid")
    problem(await uploaded(staff, {"listings": b"x"}, source="elsewhere"), 422, "invalid")
    problem(await staff.get(f"/api/listings/import/{uuid4()}"), 404, "not_found")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    problem(await uploaded(guest, {"listings": b"x"}), 403, "forbidden")


async def test_the_demo_town_comes_in_whole_and_its_offers_are_its_quotes(scene: Scene) -> None:
    parts = [FOLDER.joinpath(f"{name}.csv.gz").open("rb") for name in ("listings", "calendar", "reviews")]
    homes, calendar, reviews = parts
    report = await actions.import_homes(
        scene.deps, homes, calendar, reviews, owners=lambda _: HOST, shift_to=scene.today
    )
    for part in parts:
        part.close()
    assert (report.homes_new, report.days, report.drafts, report.rows_left_out) == (421, 153_665, 0, 0)
    await scene.house.settle()
    assert await actions.verify(scene.deps) == []
    ids = await actions.all_ids(scene.deps, None, 1_000)
    first = scene.today + timedelta(days=60)
    offers = await actions.offers(scene.deps, ids, first, first + timedelta(days=4), 2, 0)
    assert len(offers) > 50
    wish = {"check_in": str(first), "check_out": str(first + timedelta(days=4)), "guests": 2}
    offered = {offer.listing_id: offer.total.amount for offer in offers}
    for listing_id in ids[::12]:
        answer = await scene.house.client.post(f"/api/listings/{listing_id}/quote", json=wish)
        quoted = answer.json()["total"]["amount"] if answer.status_code == 200 else None
        assert offered.get(listing_id) == quoted

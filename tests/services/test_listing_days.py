"""A home's days through the door: availability, blocks, quotes, and what bookings do to them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from harness import Person, TestHouse
from hometrip.kernel.access import Caller
from hometrip.kernel.clock import MINUTE
from hometrip.kernel.errors import NotFound, Unavailable
from hometrip.kernel.stay import Stay
from hometrip.services.booking.contract import DatesTaken
from hometrip.services.listing import actions, store
from hometrip.services.listing.actions.days import SETTLE_AFTER, BlockUnsettled
from hometrip.services.listing.actions.deps import Deps
from hometrip.services.listing.contract import QuoteExpired, QuoteMismatch, StayRefused, Wish
from hometrip.services.listing.rules.calendar import BOOKED, Span
from hometrip.services.listing.rules.spans import with_span
from journeys.steps import PRICING, book, ok, open_home, pay, problem, stay


class Scene:
    """A home of a host, and a guest."""

    def __init__(self, house: TestHouse, host: Person, guest: Person, home: dict[str, Any]) -> None:
        self.house, self.host, self.guest = house, host, guest
        self.id = home["id"]
        self.path = f"/api/listings/{self.id}"

    @property
    def deps(self) -> Deps:
        deps = self.house.deps("listing")
        assert isinstance(deps, Deps)
        return deps

    def day(self, n: int) -> str:
        return (self.house.clock.now().date() + timedelta(days=n)).isoformat()

    async def days(self, first: int, until: int) -> list[dict[str, Any]]:
        when = {"from": self.day(first), "to": self.day(until)}
        found: list[dict[str, Any]] = ok(await self.guest.get(f"{self.path}/availability", params=when))[
            "days"
        ]
        return found

    async def reasons(self, first: int, until: int) -> list[str | None]:
        return [day.get("reason") for day in await self.days(first, until)]

    async def block(self, first: int, until: int, why: str = "painting") -> Any:
        wish = {"from": self.day(first), "to": self.day(until), "reason": why}
        return await self.host.post(f"{self.path}/block-dates", wish)

    async def quote(self, **changes: Any) -> Any:
        return await self.guest.post(f"{self.path}/quote", stay(self.house) | {"guests": 2} | changes)


@pytest.fixture
async def scene(house: TestHouse) -> Scene:
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    return Scene(house, host, guest, await open_home(host))


# Availability


async def test_each_day_tells_its_price_its_least_stay_and_why_it_cannot_be_had(scene: Scene) -> None:
    usd = {"amount": 20_000, "currency": "USD"}
    season = {"from": scene.day(12), "to": scene.day(14), "price": usd, "min_nights": 3}
    ok(await scene.host.put(f"{scene.path}/pricing", PRICING | {"seasons": [season]}))
    ok(await scene.host.patch(scene.path, {"stay_rules": {"notice_hours": 24, "window_days": 15}}))
    ok(await scene.block(10, 12), 201)
    days = await scene.days(0, 18)
    assert [day["date"] for day in days] == [scene.day(n) for n in range(18)]
    assert [n for n, day in enumerate(days) if not day["free"]] == [0, 10, 11, 16, 17]
    assert [days[n]["reason"] for n in (0, 10, 16)] == ["notice", "blocked", "window"]
    assert [n for n, day in enumerate(days) if day["price"] == usd] == [12, 13]
    assert [n for n, day in enumerate(days) if day["min_nights"] == 3] == [12, 13]
    path = f"{scene.path}/availability"
    problem(await scene.guest.get(path, params={"from": scene.day(0), "to": scene.day(731)}), 422, "invalid")
    problem(await scene.guest.get(path, params={"from": scene.day(2), "to": scene.day(2)}), 422, "invalid")
    assert len(await scene.days(0, 730)) == 730


async def test_bookings_take_and_give_back_the_nights(scene: Scene) -> None:
    when = stay(scene.house, 10, 2)
    booking = ok(await book(scene.guest, scene.id, when), 201)
    await scene.house.settle()
    assert await scene.reasons(9, 13) == [None, "booked", "booked", None]
    other = await scene.house.sign_up("other@example.com", "Otto")
    problem(await other.post(f"{scene.path}/quote", when | {"guests": 2}), 409, "dates_taken")
    ok(await scene.guest.post(f"{scene.path}/quote", when | {"guests": 2}))  # the hold is this guest's own
    await scene.house.advance(20 * 60)
    assert await scene.reasons(9, 13) == [None] * 4
    booking = ok(await book(scene.guest, scene.id, when), 201)
    await pay(scene.guest, booking["id"])
    await scene.house.settle()
    assert await scene.reasons(9, 13) == [None, "booked", "booked", None]
    ok(await scene.guest.post(f"/api/bookings/{booking['id']}/cancel", {}))
    await scene.house.settle()
    assert await scene.reasons(9, 13) == [None] * 4
    assert await actions.verify(scene.deps) == []


async def test_own_nights_are_taken_too_but_for_a_change_of_their_booking(scene: Scene) -> None:
    booked = ok(await book(scene.guest, scene.id, stay(scene.house)), 201)
    await pay(scene.guest, booked["id"])
    await scene.house.settle()
    problem(await scene.quote(), 409, "dates_taken")
    ok(await scene.quote(guests=1, changing=booked["id"]))
    other = await scene.house.sign_up("other@example.com", "Otto")
    wish = stay(scene.house) | {"guests": 1, "changing": booked["id"]}
    problem(await other.post(f"{scene.path}/quote", wish), 409, "dates_taken")
    # What is priced as a change is no other booking.
    quote = ok(await scene.quote(changing=booked["id"]))
    wish = stay(scene.house) | {"listing_id": scene.id, "guests": 2, "quote_id": quote["id"]}
    problem(await scene.guest.post("/api/bookings", wish), 409, "dates_taken")


async def test_the_nights_of_a_booking_that_the_host_cancels_are_the_hosts_to_open_again(
    scene: Scene,
) -> None:
    booking = ok(await book(scene.guest, scene.id, stay(scene.house, 10, 2)), 201)
    await pay(scene.guest, booking["id"])
    await scene.house.settle()
    ok(await scene.host.post(f"/api/bookings/{booking['id']}/cancel", {"reason": "a burst pipe"}))
    await scene.house.settle()
    assert await scene.reasons(9, 13) == [None, "blocked", "blocked", None]
    assert await actions.verify(scene.deps) == []
    [block] = ok(await scene.host.get(f"{scene.path}/block-dates"))["items"]
    ok(await scene.host.delete(f"{scene.path}/block-dates/{block['id']}"), 204)
    assert await scene.reasons(9, 13) == [None] * 4
    assert await actions.verify(scene.deps) == []


# Blocks


async def test_a_host_keeps_nights_and_gives_them_back(scene: Scene) -> None:
    block = ok(await scene.block(10, 12), 201)
    assert block == {"id": block["id"], "from": scene.day(10), "to": scene.day(12), "reason": "painting"}
    assert await scene.reasons(9, 13) == [None, "blocked", "blocked", None]
    problem(await scene.quote(check_in=scene.day(11), check_out=scene.day(13)), 409, "dates_taken")
    refused = problem(await scene.block(11, 14), 409, "dates_taken")
    assert (refused["rule"], refused["taken"][0]["nights"]) == ("blocked", [scene.day(11)])
    ok(await scene.block(12, 14), 201)
    await scene.house.settle()
    assert "calendar.blocked" in await scene.house.events(f"listing/{scene.id}")
    items = ok(await scene.host.get(f"{scene.path}/block-dates"))["items"]
    assert [item["from"] for item in items] == [scene.day(10), scene.day(12)]
    ok(await scene.host.delete(f"{scene.path}/block-dates/{block['id']}"), 204)
    assert await scene.reasons(9, 13) == [None, None, None, "blocked"]
    ok(await scene.quote(check_in=scene.day(10), check_out=scene.day(12)))
    await scene.house.settle()
    assert "calendar.unblocked" in await scene.house.events(f"listing/{scene.id}")
    problem(await scene.host.delete(f"{scene.path}/block-dates/{block['id']}"), 404, "not_found")


async def test_a_block_is_never_laid_over_a_booking_and_leaves_nothing_behind(scene: Scene) -> None:
    ok(await book(scene.guest, scene.id, stay(scene.house, 10, 2)), 201)
    refused = problem(await scene.block(11, 20), 409, "dates_taken")
    taken = [{"listing_id": scene.id, "nights": [scene.day(11)]}]
    assert (refused["rule"], refused["taken"]) == ("booked", taken)
    assert ok(await scene.host.get(f"{scene.path}/block-dates"))["items"] == []
    await scene.house.advance(SETTLE_AFTER.total_seconds() + 1)
    assert await scene.reasons(12, 14) == [None, None]
    problem(await scene.block(-5, -3), 422, "invalid")
    problem(await scene.block(3, 3), 422, "invalid")


class Away:
    """Booking's questions in a moment in which nobody can be reached."""

    def __getattr__(self, question: str) -> Any:
        async def unanswered(*_: Any) -> Any:
            raise Unavailable("away")

        return unanswered


def cut_off(deps: Deps) -> Deps:
    parts = {name: getattr(deps, name) for name in Deps.__dataclass_fields__}
    away: Any = Away()
    return Deps(**(parts | {"booking": away}))


async def test_a_block_that_was_broken_off_half_way_is_settled(scene: Scene) -> None:
    first, until = date.fromisoformat(scene.day(10)), date.fromisoformat(scene.day(12))
    host = Caller(account_id=scene.host.id)
    with pytest.raises(Unavailable):
        await actions.block(cut_off(scene.deps), host, UUID(scene.id), first, until, "painting")
    assert await scene.reasons(9, 13) == [None] * 4
    await scene.house.advance(SETTLE_AFTER.total_seconds() + 1)
    assert await scene.reasons(9, 13) == [None, "blocked", "blocked", None]
    [kept] = ok(await scene.host.get(f"{scene.path}/block-dates"))["items"]
    with pytest.raises(Unavailable):
        await actions.unblock(cut_off(scene.deps), host, UUID(scene.id), UUID(kept["id"]))
    await scene.house.advance(SETTLE_AFTER.total_seconds() + 1)
    assert await scene.reasons(9, 13) == [None] * 4
    assert await actions.verify(scene.deps) == []


async def test_a_block_that_was_broken_off_and_booked_over_is_forgotten(scene: Scene) -> None:
    first = date.fromisoformat(scene.day(10))
    kept = store.Block(
        id=uuid4(),
        listing_id=UUID(scene.id),
        check_in=first,
        check_out=first + timedelta(days=2),
        reason="painting",
        state=store.PLACING,
        created_at=scene.house.clock.now(),
    )
    async with scene.deps.docs.transaction() as tx:
        await tx.insert(store.BLOCKS, kept)
        await tx.emit_later(BlockUnsettled(block_id=kept.id), scene.house.clock.now() + MINUTE)
    ok(await book(scene.guest, scene.id, stay(scene.house, 11, 2)), 201)
    await scene.house.advance(90)
    assert await scene.deps.docs.get(store.BLOCKS, kept.id) is None
    assert await scene.reasons(9, 14) == [None, None, "booked", "booked", None]


# Quotes


async def test_a_quote_tells_the_price_line_by_line(scene: Scene) -> None:
    quote = ok(await scene.quote())

    def usd(amount: int) -> dict[str, Any]:
        return {"amount": amount, "currency": "USD"}

    assert quote["lines"] == [
        {"kind": "nights", "label": "3 nights", "quantity": 3, "unit": usd(10_000), "amount": usd(30_000)},
        {"kind": "cleaning", "label": "Cleaning", "quantity": 1, "unit": usd(5_000), "amount": usd(5_000)},
        {"kind": "service_fee", "label": "Service fee (12 %)", "amount": usd(4_200)},
    ]
    assert quote["total"] == usd(39_200)
    assert quote["host_payout"] == usd(33_950)
    assert quote["expires_at"] == "2027-04-14T09:15:00Z"
    assert (quote["nights"], quote["guests"], quote["listing_id"]) == (3, 2, scene.id)


async def test_a_stay_that_cannot_be_had_is_refused_by_rule_with_what_would_do(scene: Scene) -> None:
    ok(
        await scene.host.patch(
            scene.path, {"stay_rules": {"min_nights": 2, "max_nights": 30, "window_days": 90}}
        )
    )

    async def refusal(**changes: Any) -> dict[str, Any]:
        found: dict[str, Any] = problem(await scene.quote(**changes), 409, "stay_refused")
        return {"rule": found["rule"], "value": found["value"], "nearest": found.get("nearest")}

    def when(first: int, until: int) -> dict[str, str]:
        return {"check_in": scene.day(first), "check_out": scene.day(until)}

    assert await refusal(**when(10, 11)) == {"rule": "min_nights", "value": 2, "nearest": when(10, 12)}
    assert await refusal(**when(10, 50)) == {"rule": "max_nights", "value": 30, "nearest": when(10, 40)}
    assert await refusal(**when(10, 410)) == {"rule": "max_nights", "value": 30, "nearest": when(10, 40)}
    assert await refusal(**when(-9, -6)) == {"rule": "notice", "value": 0, "nearest": when(0, 3)}
    assert await refusal(**when(200, 203)) == {"rule": "window", "value": 90, "nearest": when(88, 91)}
    assert await refusal(guests=5) == {"rule": "guests", "value": 4, "nearest": None}
    assert await refusal(pets=1) == {"rule": "pets", "value": False, "nearest": None}


async def test_what_is_no_stay_at_all_is_refused_by_field(scene: Scene) -> None:
    for changes, field in (
        ({"check_out": scene.day(30)}, "check_out"),
        ({"check_out": scene.day(29)}, "check_out"),
        ({"check_in": "0001-01-01"}, "check_in"),
        ({"check_in": "9999-12-30", "check_out": "9999-12-31"}, "check_in"),
        ({"guests": 0}, "guests"),
        ({"pets": -1}, "pets"),
        ({"currency": "XXX"}, "currency"),
    ):
        found = problem(await scene.quote(**changes), 422, "invalid")
        assert [error["field"] for error in found["errors"]] == [field]
    ok(await scene.quote(currency="USD"))


@pytest.mark.parametrize("path", ["availability", "calendars"])
async def test_a_look_at_days_of_no_calendar_is_refused_by_field(scene: Scene, path: str) -> None:
    address = f"{scene.path}/{path}" if path == "availability" else f"/api/listings/{path}"
    for asked, field in (
        ({"from": "9999-12-31"}, "from"),
        ({"from": "1999-12-31"}, "from"),
        ({"to": "9999-12-31"}, "to"),
        ({"from": scene.day(3), "to": scene.day(3)}, "to"),
    ):
        found = problem(await scene.host.get(address, params=asked), 422, "invalid")
        assert [error["field"] for error in found["errors"]] == [field]


async def test_a_block_of_no_days_is_refused_by_field(scene: Scene) -> None:
    path = f"{scene.path}/block-dates"
    for asked, field in (
        ({"from": "0001-01-01", "to": scene.day(3)}, "from"),
        ({"from": scene.day(3), "to": "9999-12-31"}, "to"),
        ({"from": scene.day(3), "to": scene.day(3)}, "to"),
        ({"from": scene.day(3), "to": scene.day(800)}, "to"),
    ):
        found = problem(await scene.host.post(path, asked), 422, "invalid")
        assert [error["field"] for error in found["errors"]] == [field]
    assert ok(await scene.host.get(path))["items"] == []


async def test_an_unknown_coupon_is_refused(scene: Scene) -> None:
    assert problem(await scene.quote(coupon="NOSUCH"), 409, "coupon_refused")["reason"] == "unknown"


async def test_nights_that_were_freed_a_moment_ago_are_not_called_taken(scene: Scene) -> None:
    """Booking owns the nights: before a stay is refused for being taken, it is asked."""
    deps, listing_id = scene.deps, UUID(scene.id)
    days = await store.calendar(deps.docs, listing_id)
    first = date.fromisoformat(stay(scene.house)["check_in"])
    stale = Span(id=uuid4(), kind=BOOKED, check_in=first, check_out=first + timedelta(days=9))
    async with deps.docs.transaction() as tx:
        await tx.replace(store.CALENDARS, with_span(days, stale))
    ok(await scene.quote())
    [line] = await actions.verify(deps)
    assert scene.id in line
    assert "9 nights" in line


# What booking and search ask


async def test_terms_hold_what_was_quoted_and_say_what_is_due_now(scene: Scene) -> None:
    when = {name: date.fromisoformat(day) for name, day in stay(scene.house).items()}
    wish = Wish(**when, guests=2)
    quote = ok(await scene.quote())
    terms = await actions.terms(scene.deps, UUID(scene.id), wish, quote["id"], scene.guest.id)
    assert terms.quoted_total.amount == terms.quote.total.amount == quote["total"]["amount"]
    assert terms.split.payout + terms.split.platform == terms.quote.total
    assert [night.amount for night in terms.nightly] == [10_000] * 3
    assert terms.check_in_at.isoformat() == f"{when['check_in']}T19:00:00+00:00"
    ok(await scene.host.put(f"{scene.path}/pricing", {"base": {"amount": 20_000, "currency": "USD"}}))
    dearer = await actions.terms(scene.deps, UUID(scene.id), wish, quote["id"], scene.guest.id)
    assert (dearer.quoted_total.amount, dearer.quote.total.amount) == (39_200, 67_200)
    for other in (Wish(**when, guests=3), Wish(**when, guests=2, coupon="X")):
        with pytest.raises(QuoteMismatch):
            await actions.terms(scene.deps, UUID(scene.id), other, quote["id"], scene.guest.id)
    await scene.house.advance(15 * 60)
    with pytest.raises(QuoteExpired) as expired:
        await actions.terms(scene.deps, UUID(scene.id), wish, quote["id"], scene.guest.id)
    assert expired.value.facts["quote"]["total"]["amount"] == 67_200
    with pytest.raises(NotFound):
        await actions.terms(scene.deps, uuid4(), wish, quote["id"], scene.guest.id)


async def test_terms_are_refused_like_quotes(scene: Scene) -> None:
    when = {name: date.fromisoformat(day) for name, day in stay(scene.house).items()}
    quote = ok(await scene.quote())
    wish, listing_id = Wish(**when, guests=2), UUID(scene.id)
    ok(await scene.block(31, 32), 201)
    with pytest.raises(DatesTaken) as taken:
        await actions.terms(scene.deps, listing_id, wish, quote["id"], scene.guest.id)
    assert len(taken.value.facts["free_instead"]) == 3
    also = Stay(when["check_in"] - timedelta(days=2), when["check_in"] + timedelta(days=1))
    instead = await actions.free_instead(scene.deps, listing_id, wish, [also])
    first = [(free.check_in - when["check_in"]).days for free in instead]
    assert first == [2, 3, 4]
    ok(await scene.host.patch(scene.path, {"stay_rules": {"min_nights": 5}}))
    with pytest.raises(StayRefused):
        await actions.terms(scene.deps, listing_id, wish, quote["id"], scene.guest.id)


async def test_what_is_offered_instead_of_taken_nights_can_be_booked(scene: Scene) -> None:
    listing_id, first = UUID(scene.id), date.fromisoformat(scene.day(30))
    wish = Wish(check_in=first, check_out=first + timedelta(days=3), guests=2)
    ok(await scene.host.patch(scene.path, {"stay_rules": {"preparation_nights": 1}}))
    ok(await scene.block(33, 35), 201)
    blocked = Stay(first + timedelta(days=3), first + timedelta(days=5))
    # Nothing is prepared beside a block: the stay up to it would do.
    assert (await actions.free_instead(scene.deps, listing_id, wish, [blocked]))[0].check_in == first
    for party in ({"guests": 5}, {"guests": 2, "pets": 1}):  # more than the home takes, whenever they come
        other = Wish(check_in=wish.check_in, check_out=wish.check_out, **party)
        assert await actions.free_instead(scene.deps, listing_id, other, [blocked]) == []


async def test_an_offer_has_the_total_of_the_quote_for_every_stay(scene: Scene) -> None:
    usd = "USD"
    rich = {
        "base": {"amount": 9_999, "currency": usd}, "weekend": {"amount": 12_345, "currency": usd},
        "dates": {scene.day(40): {"amount": 33_333, "currency": usd}}, "weekly_discount_bp": 777,
        "monthly_discount_bp": 1_999, "early_bird": {"days": 60, "discount_bp": 333},
        "last_minute": {"days": 10, "discount_bp": 1_111}, "cleaning_fee": {"amount": 4_321, "currency": usd},
        "included_guests": 2, "extra_guest": {"amount": 1_001, "currency": usd},
        "pet_fee": {"amount": 2_003, "currency": usd},
    }  # fmt: skip
    ok(await scene.host.put(f"{scene.path}/pricing", rich))
    ok(await scene.host.patch(scene.path, {"rules": {"pets": True}, "stay_rules": {"min_nights": 2}}))
    ok(await scene.block(45, 47), 201)
    checked = 0
    for first, nights, guests, pets in [(n, 1 + n % 35, 1 + n % 5, n % 2) for n in range(1, 90, 7)]:
        check_in = scene.house.clock.now().date() + timedelta(days=first)
        check_out = check_in + timedelta(days=nights)
        found = await actions.offers(scene.deps, [uuid4(), UUID(scene.id)], check_in, check_out, guests, pets)
        answer = await scene.quote(check_in=str(check_in), check_out=str(check_out), guests=guests, pets=pets)
        if answer.status_code == 200:
            assert [offer.total.amount for offer in found] == [answer.json()["total"]["amount"]]
            checked += 1
        else:
            assert found == []
    assert checked >= 5

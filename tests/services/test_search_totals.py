"""With dates, a home's price in search is the total of its quote: shown, counted, limited and in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any, get_args
from uuid import UUID

import pytest
from msgspec.structs import replace

from harness import Begun, TestHouse, house_in
from hometrip.adapters.cache.memory import MemoryCache
from hometrip.kernel.access import Caller
from hometrip.kernel.errors import HomeTripError, Invalid, Unavailable
from hometrip.kernel.money import Money
from hometrip.ports.documents import EVERY
from hometrip.services.listing import actions as listing
from hometrip.services.listing.contract import Tariff, Wish
from hometrip.services.listing.rules.pricing import FEES, HIGHEST, HIGHEST_EXTRA_GUEST
from hometrip.services.listing.rules.taxes import Kind
from hometrip.services.search import actions, store
from hometrip.services.search.actions import searches
from hometrip.services.search.contract import Results
from hometrip.services.search.rules.asked import Asked
from journeys.steps import PRICING, booking_of, ok, open_home, pay, stay
from services.test_listing_bulk import usd
from services.test_search import as_read, deps_of
from services.test_search_copies import copy_of, index_behind_a_road

HOMES = 36
SHARES = (1, 333, 500, 1_250, 2_000, 3_333)
NOBODY = Caller()
CITIES = ("Albany", "Troy")


@pytest.fixture
async def town(begun: Begun, tmp_path: Path) -> AsyncIterator[TestHouse]:
    await begun.copy(fill, tmp_path)
    async with house_in(tmp_path) as house:
        yield house


async def fill(house: TestHouse) -> None:
    """Homes with all kinds of prices, in two cities, of which one takes taxes, in three currencies."""
    chance, today = Random(11), house.clock.now().date()
    host, staff = await house.sign_up("host@example.com", "Hanna Host"), await house.staff("support")
    for number in range(HOMES):
        address = {"line1": "1 Elm St", "city": chance.choice(CITIES), "region": "New York", "country": "US"}
        home = await open_home(host, f"Cabin {number}", guests=chance.randrange(1, 7), address=address)
        policy = chance.choice(("flexible", "firm", "non_refundable"))
        most = {"max_nights_by_day": [chance.choice((None, 4, 9)) for _ in range(7)]}
        rules = {"stay_rules": most} if chance.random() < 0.3 else {}
        path = f"/api/listings/{home['id']}"
        changes = {"cancellation_policy": policy, "rules": {"pets": chance.random() < 0.7}} | rules
        ok(await host.patch(path, changes))
        ok(await host.put(f"{path}/pricing", prices(chance, today)))
    for tax in taxes(chance, today):
        ok(await staff.post("/api/listings/taxes", tax), 201)
    await house.settle()
    await deps_of(house).index.flush()


def prices(chance: Random, today: date) -> dict[str, Any]:
    currency = chance.choice(("USD", "USD", "USD", "JPY", "RUB"))  # no rate is known for roubles

    def amount(most: int = 30_000) -> dict[str, Any]:
        return {"amount": chance.randint(1, most), "currency": currency}

    def day(most: int) -> date:
        return today + timedelta(days=chance.randrange(most))

    def sometimes(**given: Any) -> dict[str, Any]:
        return given if chance.random() < 0.5 else {}

    first = day(40)
    return {
        "base": amount(),
        **sometimes(weekend=amount()),
        **sometimes(seasons=[{"from": f"{first}", "to": f"{first + timedelta(days=20)}", "price": amount()}]),
        **sometimes(dates={f"{day(60)}": amount() for _ in range(9)}),
        **sometimes(weekly_discount_bp=chance.choice(SHARES)),
        **sometimes(monthly_discount_bp=chance.choice(SHARES)),
        **sometimes(early_bird={"days": chance.choice((7, 30)), "discount_bp": chance.choice(SHARES)}),
        **sometimes(last_minute={"days": chance.choice((3, 14)), "discount_bp": chance.choice(SHARES)}),
        **{name: amount(9_000) for name in FEES if chance.random() < 0.5},
        **sometimes(included_guests=1),
    }


def taxes(chance: Random, today: date) -> list[dict[str, Any]]:
    troy, state = {"country": "US", "city": "Troy"}, {"country": "US", "region": "New York"}
    usd = {"amount": 150, "currency": "USD"}
    soon, later = f"{today + timedelta(days=25)}", f"{today + timedelta(days=50)}"
    rules: list[dict[str, Any]] = [
        {"area": state, "kind": "percent_bp", "bp": 333, "base": "nights_and_fees", "exempt_from_nights": 30},
        {"area": troy, "kind": "percent_bp", "bp": 777, "most_nights": 3},
        {"area": troy, "kind": "percent_bp", "bp": 500, "valid_from": soon, "valid_to": later},
        {"area": troy, "kind": "per_guest_night", "amount": usd, "most_nights": 5, "valid_from": soon},
        {"area": troy, "kind": "per_night", "amount": usd, "valid_to": soon},
        {"area": troy, "kind": "per_guest", "amount": usd, "valid_to": later},
        {"area": troy, "kind": "per_stay", "amount": usd},
    ]
    assert {rule["kind"] for rule in rules} == set(get_args(Kind))
    chance.shuffle(rules)
    return [rule | {"label": f"Levy {at}", "enabled": True} for at, rule in enumerate(rules)]


def asked_by(chance: Random, today: date) -> dict[str, Any]:
    first = today + timedelta(days=chance.choice((3, 14, chance.randrange(2, 60))))
    nights = chance.choice((1, 2, 3, 5, 7, 8, 28, 30))
    asked: dict[str, Any] = {"check_in": first, "check_out": first + timedelta(days=nights)}
    asked |= {"guests": chance.randrange(1, 4), "pets": chance.random() < 0.3}
    currency = chance.choice((None, None, "USD", "EUR", "JPY"))
    return asked | ({} if currency is None else {"currency": currency})


async def search(deps: actions.Deps, **asked: Any) -> Results:
    return as_read(await actions.search(deps, NOBODY, Asked(**{"per_page": 100} | asked)))


async def quoted(house: TestHouse, home: UUID, asked: dict[str, Any]) -> Money | None:
    """The total of its quote, in the currency asked for where there is a rate."""
    deps, wish = house.deps("listing"), {name: asked[name] for name in ("check_in", "check_out", "guests")}
    for currency in (asked.get("currency"), None):
        try:
            told = await listing.quote(
                deps, NOBODY, home, Wish(**wish, pets=int(asked["pets"]), currency=currency)
            )
            return told.shown.total if told.shown else told.total
        except Invalid:  # there is no rate for it
            continue
        except HomeTripError:
            break
    return None


def bands(found: Results) -> dict[tuple[int, int | None], int]:
    split = [(*each.value.split("-"), each.count) for each in found.facets["price"]]
    return {(int(low), int(high) if high else None): count for low, high, count in split}


async def finds_what_it_counts(deps: actions.Deps, asked: dict[str, Any]) -> int:
    """Every band of prices, taken as limits, finds as many homes as it counts, with one home a page too."""
    found = await search(deps, **asked)
    assert found.approximate is None
    for (low, high), count in bands(found).items():
        limits = {"min_price": low} | ({} if high is None else {"max_price": high})
        within = await search(deps, **asked | limits)
        assert (within.total, len(within.items)) == (count, count), (asked, limits)
        assert sum(bands(within).values()) == count
        assert (await search(deps, **asked | limits, per_page=1)).total == count
    for name in ("structure", "city", "bedrooms", "instant_book"):
        assert sum(each.count for each in found.facets[name]) == found.total == len(found.items)
    return len(found.items)


@pytest.mark.parametrize(
    "seed", [*range(2), *(pytest.param(more, marks=pytest.mark.full) for more in range(2, 8))]
)
async def test_a_band_of_prices_finds_as_many_homes_as_it_counts(town: TestHouse, seed: int) -> None:
    chance, today, deps = Random(seed), town.clock.now().date(), deps_of(town)
    some = 0
    for _ in range(6):
        asked = asked_by(chance, today)
        some += await finds_what_it_counts(deps, asked)
        await finds_what_it_counts(deps, asked | {"flexible_days": 2})
        await finds_what_it_counts(deps, asked | {"min_price": 5_000, "max_price": 123_456})
        await finds_what_it_counts(deps, {name: asked[name] for name in asked if "check" not in name})
    assert some > 50


@pytest.mark.parametrize("seed", range(4))
async def test_stays_are_found_and_in_order_by_the_totals_of_their_quotes(
    town: TestHouse, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nobody may be asked about all of them: the board knows."""
    monkeypatch.setattr(searches, "ASKED", 0)
    chance, today, deps = Random(seed + 100), town.clock.now().date(), deps_of(town)
    homes = await listing.all_ids(town.deps("listing"), None, 1_000)
    for _ in range(5):
        asked = asked_by(chance, today)
        totals = {home: total for home in homes if (total := await quoted(town, home, asked)) is not None}
        found = await search(deps, **asked, sort="price")
        assert {hit.id: hit.total for hit in found.items} == totals
        if found.approximate:  # the stay may be too long at some of the homes
            continue
        one_by_one = [
            (await search(deps, **asked, sort="price", page=page, per_page=1)).items[0].id
            for page in range(1, found.total + 1)
        ]
        assert one_by_one == [hit.id for hit in found.items]
        measure = found.currency or "USD"
        told = [hit.total for hit in found.items if hit.total and hit.total.currency == measure]
        assert told == sorted(told)


async def test_prices_that_nobody_told_yet_are_asked_or_said_to_be_approximate(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cards tell of 540 days."""
    home = await open_home(await house.sign_up("host@example.com"), stay_rules={"window_days": 730})
    first = house.clock.now().date() + timedelta(days=541)
    season = {"from": f"{first}", "to": f"{first + timedelta(days=9)}", "price": PRICING["base"]}
    host = await house.sign_in("host@example.com")
    path = f"/api/listings/{home['id']}/pricing"
    ok(await host.put(path, PRICING | {"base": usd(1), "seasons": [season]}))
    await house.settle()
    asked = {"check_in": first, "check_out": first + timedelta(days=2), "guests": 1, "pets": False}
    assert await finds_what_it_counts(deps_of(house), asked) == 1
    total = await quoted(house, UUID(home["id"]), asked)
    assert total is not None
    assert total.amount > 20_000
    assert (await search(deps_of(house), **asked, min_price=total.amount)).total == 1
    monkeypatch.setattr(searches, "ASKED", 0)
    assert (await search(deps_of(house), **asked)).approximate is True
    near = {"check_in": first - timedelta(days=90), "check_out": first - timedelta(days=88)}
    assert (await search(deps_of(house), **asked | near)).approximate is None


class Older:
    """A listing service of before, which cannot tell what is added to every stay."""

    def __init__(self, listing: Any) -> None:
        self._listing = listing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listing, name)

    async def tariff(self) -> Tariff:
        raise Unavailable("there is nothing to be asked")


async def test_beside_a_listing_service_of_before_prices_are_said_to_be_approximate(town: TestHouse) -> None:
    asked = asked_by(Random(5), town.clock.now().date())
    there = copy_of(town, listing=Older(deps_of(town).listing))
    found, exact = await search(there, **asked), await search(deps_of(town), **asked)
    assert (found.approximate, exact.approximate) == (True, None)
    assert {hit.id: hit.total for hit in found.items} == {hit.id: hit.total for hit in exact.items}


async def test_copies_that_do_not_know_what_stays_cost_are_taken_in_anew(town: TestHouse) -> None:
    deps, chance = deps_of(town), Random(5)
    async with deps.documents.transaction() as tx:
        homes = (await tx.find(store.BOARDS, EVERY, limit=100)).items
        for home in homes:
            assert home.card is not None
            card = replace(home.card, charges=None)
            await tx.replace(store.BOARDS, replace(home, card=card))
    there = copy_of(town)
    await actions.begin(there)
    await town.settle()
    await town.advance(6)
    asked = asked_by(chance, town.clock.now().date())
    assert await finds_what_it_counts(there, asked) > 0
    kept = [home for page in [page async for page in store.every(deps.documents)] for home in page]
    assert len(kept) == HOMES
    assert all(home.card and home.card.charges for home in kept)


@pytest.mark.slow
async def test_bands_find_what_they_count_whatever_index_knows_the_words(town: TestHouse) -> None:
    chance, today = Random(7), town.clock.now().date()
    async with index_behind_a_road() as (index, _):
        there = copy_of(town, index=index, cache=MemoryCache(town.clock))
        await actions.begin(there)
        await index.flush()
        for _ in range(4):
            asked = asked_by(chance, today) | {"q": chance.choice(("cabin", "cabn creek", "albany"))}
            assert await finds_what_it_counts(there, asked) == await finds_what_it_counts(
                deps_of(town), asked
            )
            found = [await search(deps, **asked) for deps in (there, deps_of(town))]
            assert found[0].facets == found[1].facets


async def test_the_highest_prices_that_there_can_be_are_found_and_booked_in_small_money(
    house: TestHouse,
) -> None:
    host, guest = await house.sign_up("host@example.com", "Hanna Host"), await house.sign_up()
    home = (await open_home(host, guests=50))["id"]
    highest = {name: usd(HIGHEST) for name in ("base", "cleaning_fee", "deposit")}
    prices = highest | {"included_guests": 1, "extra_guest": usd(HIGHEST_EXTRA_GUEST)}
    ok(await host.put(f"/api/listings/{home}/pricing", prices))
    await house.settle()
    year = stay(house, nights=365) | {"guests": 50}
    asked = year | {"currency": "IDR", "sort": "price"}
    [hit] = ok(await guest.get("/api/search", params=asked))["items"]
    quote = ok(await guest.post(f"/api/listings/{home}/quote", year | {"currency": "IDR"}))
    assert hit["total"] == quote["shown"]["total"]
    wish = year | {"listing_id": home, "quote_id": quote["id"]}
    booked = ok(await guest.post("/api/bookings", wish), 201)
    assert booked["shown"]["total"] == hit["total"]
    await pay(guest, booked["id"])
    await house.settle()
    assert (await booking_of(guest, booked["id"]))["status"] == "confirmed"

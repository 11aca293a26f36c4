"""The board finds what looking at every card finds, and what the index finds."""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest

from hometrip.adapters.search.tantivy import TantivySearch
from hometrip.kernel.clock import DAY, utc
from hometrip.kernel.measure import Measure
from hometrip.kernel.money import RATE_PARTS, Money, converted
from hometrip.kernel.stay import Stay
from hometrip.ports.search import Box, Circle
from hometrip.services.listing.contract import SearchCard, StayRules
from hometrip.services.search.rules import facets, matching
from hometrip.services.search.rules.asked import Wanted, folded
from hometrip.services.search.rules.board import DAYS, Board
from hometrip.services.search.rules.cards import HOMES, question_of, record_of

NOW = utc(2027, 4, 14, 9)
TODAY = date(2027, 4, 14)
STARTS = TODAY - timedelta(days=2)
ZONE = "America/New_York"
CITIES = ("Albany", "São Paulo", "Delmar")
AMENITIES = [f"amenity_{n}" for n in range(90)]
HORIZON = 120


def card_of(chance: random.Random, number: int, **parts: Any) -> SearchCard:
    bookings = [(chance.randrange(HORIZON), chance.randrange(1, 9)) for _ in range(chance.randrange(9))]
    taken = [any(first <= day < first + nights for first, nights in bookings) for day in range(HORIZON)]
    base = chance.randrange(20, 300) * 100
    lat, lng = 42 + chance.random(), -74 + chance.random()
    card = SearchCard(
        id=UUID(int=number + 1),
        revision=1,
        published=True,
        host_id=UUID(int=7),
        title=f"Home {number}",
        description="",
        city=chance.choice(CITIES),
        region="",
        country="US",
        neighbourhood="",
        structure=chance.choice(("entire_home", "private_room", "hotel_room")),
        type=chance.choice(("loft", "house", "cabin", "boat")),
        amenities=chance.sample(AMENITIES, chance.randrange(30)),
        lat=0,
        lng=0,
        shown_lat=lat,
        shown_lng=lng,
        guests=chance.randrange(1, 9),
        bedrooms=chance.randrange(5),
        beds=chance.randrange(6),
        bathrooms=chance.choice((0.5, 1, 1.5, 2)),
        pets=chance.random() < 0.5,
        instant_book=chance.random() < 0.5,
        review_count=chance.randrange(50),
        currency="USD",
        nightly=base,
        rules=StayRules(
            min_nights=chance.choice((1, 1, 2, 5)),
            max_nights=chance.choice((365, 14, 3)),
            notice_hours=chance.choice((0, 24, 72)),
            preparation_nights=0,
            window_days=chance.choice((60, 365)),
            check_in_days=chance.choice((None, None, [4, 5], [6])),
            check_out_days=chance.choice((None, None, None, [0, 6])),
        ),
        board_from=TODAY - timedelta(days=chance.randrange(3)),
        taken=bytes(taken),
        prices=[base + chance.randrange(5) * 100 for _ in range(HORIZON)],
        min_nights=[chance.choice((1, 1, 1, 3)) for _ in range(HORIZON)],
        created_at=NOW - chance.randrange(90) * DAY,
        rating=chance.choice((None, round(chance.uniform(3, 5), 2))),
        demands=chance.choice(([], [], ["email"], ["email", "id_document"], ["horoscope"])),
    )
    return msgspec.structs.replace(card, **parts)


def cards_of(seed: int, count: int = 150) -> list[SearchCard]:
    chance = random.Random(seed)
    return [card_of(chance, number) for number in range(count)]


def board_of(cards: list[SearchCard]) -> Board:
    board = Board(STARTS)
    for card in cards:
        board.put(card, ZONE)
    return board


def wanted_of(chance: random.Random) -> Wanted:
    def sometimes(value: Any, otherwise: Any, share: float = 0.3) -> Any:
        return value if chance.random() < share else otherwise

    first = TODAY + timedelta(days=chance.randrange(100))
    south, west = 42 + chance.random() / 2, -74 + chance.random() / 2
    stay = Stay(first, first + timedelta(days=chance.choice((1, 2, 3, 7, 20))))
    limited = chance.random() < 0.2
    return Wanted(
        city=sometimes(folded(chance.choice((*CITIES, "Utica"))), ""),
        country=sometimes("us", ""),
        stay=sometimes(stay, None, 0.6),
        guests=chance.randrange(1, 5),
        pets=sometimes(1, 0),
        min_price=5_000 if limited else None,
        max_price=60_000 if limited else None,
        bedrooms=sometimes(2, 0),
        beds=sometimes(2, 0),
        bathrooms=sometimes(1.5, 0),
        structures=sometimes(("entire_home", "hotel_room"), ()),
        types=sometimes(("loft", "castle"), ()),
        amenities=tuple(chance.sample(AMENITIES, sometimes(1, 0))),
        box=sometimes(Box(south, west, south + 0.5, west + 0.5), None),
        circle=sometimes(Circle(south, west, 30.0), None),
        instant=sometimes(True, False),
        badges=chance.choice(((), ("email",), ("email", "phone", "id_document"))),
        min_rating=sometimes(4.2, 0),
    )


def price_by_looking(card: SearchCard, wanted: Wanted) -> int | None:
    """What the card says that the search costs, or None where it does not match."""
    nights = wanted.stay.nights if wanted.stay else 0
    if not all(
        (
            wanted.city in ("", folded(card.city)),
            wanted.country in ("", folded(card.country)),
            card.guests >= wanted.guests,
            card.pets or not wanted.pets,
            card.bedrooms >= wanted.bedrooms,
            card.beds >= wanted.beds,
            card.bathrooms >= wanted.bathrooms,
            not wanted.structures or card.structure in wanted.structures,
            not wanted.types or card.type in wanted.types,
            set(wanted.amenities) <= set(card.amenities),
            not wanted.instant or (card.instant_book and set(card.demands or ()) <= set(wanted.badges)),
            (card.rating or 0) >= wanted.min_rating,
            wanted.box is None or within_box(card, wanted.box),
            wanted.circle is None or kilometres(card, wanted.circle) <= wanted.circle.km,
            wanted.stay is None or allowed(card, wanted.stay),
        )
    ):
        return None
    first = wanted.stay.check_in if wanted.stay else TODAY
    at = (first - card.board_from).days
    known = card.prices[at : at + nights]
    price = sum(known) + (nights - len(known)) * card.nightly if wanted.stay else card.nightly
    return price if wanted.fits(price) else None


def within_box(card: SearchCard, box: Box) -> bool:
    return box.south <= card.shown_lat <= box.north and box.west <= card.shown_lng <= box.east


def kilometres(card: SearchCard, circle: Circle) -> float:
    """By the cosine rule, another way than the board's."""
    a, b = math.radians(card.shown_lat), math.radians(circle.lat)
    turn = math.cos(math.radians(card.shown_lng - circle.lng))
    return 6371.0088 * math.acos(math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * turn)


def allowed(card: SearchCard, stay: Stay) -> bool:
    at, rules = (stay.check_in - card.board_from).days, card.rules
    least = card.min_nights[at] if at < len(card.min_nights) else rules.min_nights
    # NOW is 5:00 in New York; the latest check-in of a day is 23:59, and an hour is allowed for clocks.
    hours = (stay.check_in - TODAY).days * 24 + 19 - 1 / 60
    return (
        least <= stay.nights <= rules.max_nights
        and not any(card.taken[at : at + stay.nights])
        and (rules.check_in_days is None or stay.check_in.weekday() in rules.check_in_days)
        and (rules.check_out_days is None or stay.check_out.weekday() in rules.check_out_days)
        and hours + 1 >= rules.notice_hours
        and (stay.check_out - TODAY).days - 1 <= rules.window_days
    )


def found_on(board: Board, wanted: Wanted) -> dict[str, int]:
    found = matching.within(matching.matches(board, wanted, NOW), wanted)
    return {str(board.hits[row].id): int(price) for row, price in zip(found.rows, found.prices, strict=True)}


@pytest.mark.parametrize("seed", range(3))
def test_the_board_finds_what_looking_at_every_card_finds(seed: int) -> None:
    cards, chance = cards_of(seed), random.Random(seed)
    board = board_of(cards)
    some = 0
    for _ in range(300):
        wanted = wanted_of(chance)
        prices = {str(card.id): price_by_looking(card, wanted) for card in cards}
        expected = {home: price for home, price in prices.items() if price is not None}
        assert found_on(board, wanted) == expected, wanted
        some += bool(expected)
    assert some > 100


# What one of each is in dollars; nobody knows that of roubles and drams.
DOLLARS = {"USD": Fraction(1), "JPY": Fraction("0.0065"), "KWD": Fraction("3.25"), "EUR": Fraction("1.1")}
MINOR = {"USD": 100, "JPY": 1, "KWD": 1000, "EUR": 100, "RUB": 100, "AMD": 100}


def of_many_currencies(seed: int) -> list[SearchCard]:
    """Homes of about the same worth, so that it is not the currency that puts them in order."""
    chance, cards = random.Random(seed), cards_of(seed)
    told = []
    for card in cards:
        currency = chance.choice([*MINOR, "JPY"])
        units = MINOR[currency] / 100 / float(DOLLARS.get(currency, Fraction(1, 80)))
        prices = [round(price * units) for price in card.prices]
        parts = {"currency": currency, "nightly": round(card.nightly * units), "prices": prices}
        told.append(msgspec.structs.replace(card, **parts))
    return told


def worth_by_looking(price: int, currency: str, measure: str) -> int | None:
    if currency == measure:
        return price
    if currency not in DOLLARS or measure not in DOLLARS:
        return None
    rate = Fraction(
        math.floor(DOLLARS[currency] / DOLLARS[measure] * RATE_PARTS + Fraction(1, 2)), RATE_PARTS
    )
    return math.floor(price * rate * MINOR[measure] / MINOR[currency] + Fraction(1, 2))


def rates_into(measure: str) -> dict[str, int]:
    rates = {own: worth / DOLLARS[measure] * RATE_PARTS for own, worth in DOLLARS.items()}
    return {own: math.floor(rate + Fraction(1, 2)) for own, rate in rates.items()}


@pytest.mark.parametrize("seed", range(3))
def test_prices_of_several_currencies_are_compared_by_what_they_are_worth(seed: int) -> None:
    """Each is told in its own; limits and order go by the currency of most of the homes that match."""
    cards, chance = of_many_currencies(seed), random.Random(seed)
    own = {card.id: card.currency for card in cards}
    board, several, apart = board_of(cards), 0, 0
    for _ in range(300):
        sort = chance.choice(["price", "-price", "newest"])
        limits = chance.choice([(None, None), (5_000, 60_000), (None, 30_000)])
        wanted = msgspec.structs.replace(wanted_of(chance), min_price=None, max_price=None, sort=sort)
        prices = {card.id: price_by_looking(card, wanted) for card in cards}
        counts = Counter(own[home] for home, price in prices.items() if price is not None)
        found = matching.matches(board, wanted, NOW)
        ranked = sorted(counts, key=lambda each: (-counts[each], each))
        assert matching.currencies(board, found) == ranked
        measure = next((each for each in ranked if each in DOLLARS), "USD")
        wanted = msgspec.structs.replace(wanted, min_price=limits[0], max_price=limits[1])
        wanted = wanted.measured(Measure.of(measure, rates_into(measure)))
        found = matching.within(matching.exchanged(board, found, wanted), wanted)
        expected, worth = {}, {}
        for home, price in prices.items():
            worth[home] = None if price is None else worth_by_looking(price, own[home], measure)
            left_out = wanted.limited and (worth[home] is None or not wanted.fits(worth[home]))
            if price is not None and not left_out:
                expected[home] = price
                assert worth[home] in (None, wanted.worth(Money(price, own[home])))
        ids = [board.hits[row].id for row in found.rows]
        assert dict(zip(ids, found.prices.tolist(), strict=True)) == expected, wanted
        if sort != "newest":
            order = [ids[place] for place in matching.order(board, wanted, found, None, NOW, 150)]
            known = [worth[home] for home in order if worth[home] is not None]
            assert known == sorted(known, reverse=sort == "-price")
            behind = order[len(known) :]
            assert [worth[home] for home in behind] == [None] * len(behind)
            assert behind == sorted(
                behind,
                key=lambda home: (own[home], prices[home] * (1 if sort == "price" else -1), home),
            )
            apart += len({own[home] for home in behind}) > 1
        several += len({own[home] for home in expected}) > 1
    assert several > 50
    assert apart > 5


@pytest.mark.parametrize("amounts", [[0], [1, 99, 10_000], [10**12, 5, 0]])
@pytest.mark.parametrize("own", ["JPY", "KWD", "USD"])
def test_all_are_exchanged_as_each_of_them_is(own: str, amounts: list[int]) -> None:
    for rate in (1, 15_384_615_385, 7 * 10**12):
        for measure in ("EUR", "JPY", "KWD"):
            alone = [converted(Money(amount, own), rate, measure).amount for amount in amounts]
            together = matching.all_converted(np.array(amounts, np.int64), own, rate, measure)
            assert together.tolist() == alone


async def test_the_index_finds_what_the_board_finds(tmp_path: Path) -> None:
    # Of what a home demands of guests the index knows nothing: it is looked for on the board as well.
    cards = [msgspec.structs.replace(card, demands=[]) for card in cards_of(5)]
    chance = random.Random(5)
    board, index = board_of(cards), TantivySearch(tmp_path)
    await index.declare(HOMES)
    await index.put(HOMES.name, [record_of(card) for card in cards], [1] * len(cards))
    await index.flush()
    for _ in range(300):
        wanted = msgspec.structs.replace(wanted_of(chance), stay=None)
        found = await index.find(HOMES.name, question_of(wanted))
        assert set(found.ids) == set(found_on(board, wanted)), wanted
    await index.close()


def test_flexible_dates_take_the_cheapest_free_stay_and_the_nearest_of_equals() -> None:
    chance, first = random.Random(3), TODAY + timedelta(days=30)
    free = StayRules(min_nights=1, max_nights=9, notice_hours=0, preparation_nights=0, window_days=99)
    prices = [10_000] * HORIZON
    for day in (27, 34):
        prices[day] = 8_000
    plain = {"rules": free, "board_from": TODAY, "prices": prices, "min_nights": [1] * HORIZON}
    taken = bytearray(HORIZON)
    everywhere = card_of(chance, 0, **plain, taken=bytes(taken))
    taken[27] = 1
    later = card_of(chance, 1, **plain, taken=bytes(taken))
    taken[34] = 1
    here = card_of(chance, 2, **plain, taken=bytes(taken))
    nowhere = card_of(chance, 3, **plain, taken=bytes([1] * HORIZON))
    board = board_of([everywhere, later, here, nowhere])
    stay = Stay(first, first + timedelta(days=2))
    found = matching.matches(board, Wanted(stay=stay, flexible=4), NOW)
    assert found.rows.tolist() == [0, 1, 2]
    assert found.shifts.tolist() == [-3, 3, 0]  # nights 27 and 28; 33 and 34
    assert found.prices.tolist() == [18_000, 18_000, 20_000]
    assert matching.matches(board, Wanted(stay=stay, flexible=2), NOW).shifts.tolist() == [0, 0, 0]


def test_flexible_dates_do_not_reach_into_the_past() -> None:
    board = board_of(cards_of(1))
    stay = Stay(TODAY, TODAY + timedelta(days=1))
    found = matching.matches(board, Wanted(stay=stay, flexible=7), NOW)
    assert found.shifts.tolist()
    assert min(found.shifts.tolist()) >= -1  # it is still yesterday somewhere


def test_days_beyond_the_cards_or_the_board_may_be_had_at_the_usual_price() -> None:
    free = StayRules(min_nights=1, max_nights=30, notice_hours=0, preparation_nights=0, window_days=900)
    board = board_of([card_of(random.Random(1), 0, rules=free, nightly=7_000)])
    for first in (TODAY + timedelta(days=HORIZON), STARTS + timedelta(days=DAYS + 5)):
        stay = Stay(first, first + timedelta(days=3))
        assert list(found_on(board, Wanted(stay=stay)).values()) == [21_000]


def test_a_home_of_just_the_price_that_limits_name_is_found() -> None:
    cards = cards_of(3, 20)
    board = board_of(cards)
    for card in cards:
        wanted = Wanted(min_price=card.nightly, max_price=card.nightly).measured(
            Measure.of(card.currency, {})
        )
        found = matching.within(matching.matches(board, wanted, NOW), wanted)
        assert card.id in {board.hits[row].id for row in found.rows}


def test_a_later_card_replaces_a_home_and_an_older_one_does_not() -> None:
    chance = random.Random(2)
    board = board_of([card_of(chance, number) for number in range(3)])
    chosen = card_of(chance, 1, revision=5, city="Troy", amenities=["pool", "sauna"])
    board.put(chosen, ZONE)
    board.put(msgspec.structs.replace(chosen, revision=4, city="Rome"), ZONE)
    assert found_on(board, Wanted(city="troy", amenities=("pool", "sauna"))).keys() == {str(chosen.id)}
    board.put(msgspec.structs.replace(chosen, revision=6, amenities=["pool"]), ZONE)
    assert found_on(board, Wanted(amenities=("sauna",))) == {}
    board.drop(str(chosen.id), 5)
    assert len(found_on(board, Wanted())) == 3
    board.drop(str(chosen.id), 7)
    board.put(msgspec.structs.replace(chosen, revision=6), ZONE)
    assert len(found_on(board, Wanted())) == 2
    board.put(msgspec.structs.replace(chosen, revision=8), ZONE)
    assert len(found_on(board, Wanted())) == 3


@pytest.mark.parametrize("count", [0, 1, 150])
def test_facets_count_what_was_found(count: int) -> None:
    cards = cards_of(7, count)
    board = board_of(cards)
    wanted = Wanted(guests=3, badges=("email",))
    counted = facets.facets(board, matching.matches(board, wanted, NOW), wanted)
    found = [card for card in cards if card.guests >= 3]
    values = {name: {each.value: each.count for each in counts} for name, counts in counted.items()}
    assert values["structure"] == Counter(card.structure for card in found)
    assert values["type"] == Counter(card.type for card in found)
    assert values["city"] == Counter(card.city for card in found)
    assert values["amenities"] == Counter(amenity for card in found for amenity in card.amenities)
    assert values["bedrooms"] == Counter(str(card.bedrooms) for card in found)
    at_once = (card.instant_book and {*(card.demands or ())} <= {"email"} for card in found)
    assert values["instant_book"] == Counter(str(each).lower() for each in at_once)
    for band, number in values["price"].items():
        low, high = band.split("-")
        assert number == sum(int(low) <= card.nightly <= int(high or 10**12) for card in found)
    assert sum(values["price"].values()) == len(found)


def test_places_and_filters_count_every_home() -> None:
    cards = cards_of(8)
    board = board_of(cards)
    places = facets.destinations(board)
    assert {place.city: place.count for place in places} == Counter(card.city for card in cards)
    assert [place.count for place in places] == sorted((place.count for place in places), reverse=True)
    told = facets.filters(board)
    assert told.total == len(cards)
    assert told.nightly[0].min == min(card.nightly for card in cards)
    assert told.ranges["guests"].max == max(card.guests for card in cards)
    assert facets.destinations(Board(STARTS)) == []
    assert facets.filters(Board(STARTS)).total == 0


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("price", lambda card: card.nightly),
        ("-price", lambda card: -card.nightly),
        ("newest", lambda card: -card.created_at.timestamp()),
        ("popular", lambda card: -card.review_count),
    ],
)
def test_homes_come_in_the_order_asked_for(sort: str, key: Any) -> None:
    cards = cards_of(9)
    board, wanted = board_of(cards), Wanted(sort=sort)
    found = matching.matches(board, wanted, NOW)
    order = matching.order(board, wanted, found, None, NOW, len(cards))
    keys = [key(cards[row]) for row in found.rows[order]]
    assert keys == sorted(keys)
    again = matching.order(board, wanted, found.only(np.random.default_rng(1).permutation(150)), None, NOW, 9)
    assert len(again) == 9


def test_the_order_does_not_depend_on_the_order_of_arrival() -> None:
    cards = cards_of(10)
    orders = []
    for arrived in (cards, cards[::-1]):
        board = board_of(arrived)
        found = matching.matches(board, Wanted(), NOW)
        rows = found.rows[matching.order(board, Wanted(), found, None, NOW, 150)]
        orders.append([board.hits[row].id for row in rows])
    assert orders[0] == orders[1]

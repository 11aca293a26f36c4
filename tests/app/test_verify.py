"""What `hometrip verify` finds: each kind of damage, planted, and nothing where all is well."""

from __future__ import annotations

from datetime import date
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import delete, select, update

from harness import TestHouse
from hometrip.app.verify import verify_house
from hometrip.kernel.clock import DAY
from hometrip.kernel.stay import Stay
from hometrip.ports.documents import EVERY
from hometrip.services.booking import store as booking_store
from hometrip.services.booking.contract import BookingQuestions
from hometrip.services.booking.store.tables import bookings, co_hosts, nights
from hometrip.services.payment import store as payment_store
from hometrip.services.payment.store.tables import stays
from hometrip.services.search import store as search_store
from hometrip.services.user.contract import UserUpdated
from journeys.steps import book, ok, open_home, pay, stay


async def found(house: TestHouse) -> dict[str, list[str]]:
    findings = await verify_house(house.house)
    return {finding.invariant: finding.violations for finding in findings if finding.violations}


async def lived_in(house: TestHouse) -> str:
    """A house with a home and a paid booking; the home's id."""
    home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    await pay(guest, booking["id"])
    await house.settle()
    return str(home["id"])


async def test_nothing_is_found_where_all_is_well(house: TestHouse) -> None:
    await lived_in(house)
    assert await found(house) == {}


@pytest.mark.parametrize("days", [250, 600])
async def test_nothing_is_found_of_a_home_that_nobody_has_touched_for_long(
    house: TestHouse, days: int
) -> None:
    await lived_in(house)
    await house.advance(days * DAY.total_seconds())
    assert await found(house) == {}


async def test_a_calendar_that_differs_from_the_bookings_is_found(house: TestHouse) -> None:
    home = await lived_in(house)
    where = Stay(date(2027, 9, 1), date(2027, 9, 3))
    await house.house.peers.ask(BookingQuestions).block(UUID(home), uuid4(), where)
    [violation] = (await found(house))["the calendars equal what is recomputed from the bookings"]
    assert home in violation


async def test_a_co_host_that_booking_does_not_know_is_found(house: TestHouse) -> None:
    home = await lived_in(house)
    cora, host = await house.sign_up("cora@example.com"), await house.sign_in("host@example.com")
    ok(await host.post(f"/api/listings/{home}/co-hosts", {"email": cora.email}), 201)
    await house.settle()
    assert await found(house) == {}
    async with house.deps("booking").db.transaction() as tx:
        [co_host] = await tx.rows(select(co_hosts))
        await booking_store.co_hosts.remove(tx, co_host.id)
    violations = (await found(house))["every committed event has reached every listener"]
    assert violations == [f"listing {home}: its co-hosts are not those that booking has heard of"]


async def test_a_home_that_search_shows_otherwise_is_found(house: TestHouse) -> None:
    home = await lived_in(house)
    documents = house.deps("search").documents
    shown = await documents.first(search_store.BOARDS, EVERY)
    assert shown
    assert shown.card
    async with documents.transaction() as tx:
        stale = msgspec.structs.replace(shown.card, title="What it was called once")
        await tx.upsert(search_store.BOARDS, msgspec.structs.replace(shown, card=stale))
    violations = (await found(house))["the search index equals what is recomputed from the homes"]
    assert violations == [f"listing {home}: is stale"]


async def test_a_home_at_which_it_is_tomorrow_already_is_shown_as_it_is(house: TestHouse) -> None:
    host = await house.sign_up("host@example.com", "Hanna Host")
    kyoto = {"city": "Kyoto", "region": "", "country": "JP"}
    await open_home(host, address=kyoto, location={"lat": 35.0116, "lng": 135.7681})
    await house.settle()
    await house.advance(7 * 3_600)  # 16:00 UTC is 1:00 in Japan
    assert await found(house) == {}


async def test_an_address_in_an_event_is_found(house: TestHouse) -> None:
    await lived_in(house)
    async with house.deps("user").db.transaction() as tx:
        await tx.emit(UserUpdated(user_id=uuid4(), display_name="ann@example.com"))
    await house.settle()
    [violation] = (await found(house))["no secret and nothing personal is in the events"]
    assert "user.updated" in violation
    assert "an e-mail address" in violation


async def test_a_request_for_nothing_that_an_earlier_version_kept_as_a_stay_is_no_damage(
    house: TestHouse,
) -> None:
    await lived_in(house)
    async with house.deps("payment").db.transaction() as tx:
        [known] = await payment_store.every_stay(tx)
        facts = msgspec.structs.replace(known.facts, booking_id=uuid4(), total=known.facts.total * 0)
        never = {"booking_id": facts.booking_id, "facts": facts, "over": True}
        await payment_store.keep_stay(tx, msgspec.structs.replace(known, **never))
    assert await found(house) == {}


NIGHTS = "no night of a home has two live bookings"
HEARD = "every committed event has reached every listener"
ANOTHER_DAY = date(2029, 1, 1)
DAMAGES = {
    "a night that is missing": (
        "booking",
        delete(nights).where(nights.c.night == select(bookings.c.check_in).scalar_subquery()),
        NIGHTS,
        "is confirmed and has 2 nights, not 3",
    ),
    "a night that is another": (
        "booking",
        update(nights)
        .where(nights.c.night == select(bookings.c.check_in).scalar_subquery())
        .values(night=ANOTHER_DAY),
        NIGHTS,
        "is confirmed and has other nights than its own: 2029-01-01 at",
    ),
    "nights of a booking that is over": (
        "booking",
        update(bookings).values(status="cancelled"),
        NIGHTS,
        "is cancelled and has 3 nights, not 0",
    ),
    "nights of no booking": (
        "booking",
        update(nights).values(owner_id=uuid4()),
        NIGHTS,
        "which is not there",
    ),
    "a stay that payment does not know": (
        "payment",
        delete(stays),
        HEARD,
        "is confirmed, and payment knows of no stay",
    ),
    "a stay that payment thinks over": (
        "payment",
        update(stays).values(over=True),
        HEARD,
        "is confirmed, and payment has its stay as over",
    ),
    "a stay whose booking is over": (
        "booking",
        update(bookings).values(status="cancelled"),
        HEARD,
        "is cancelled, and payment has its stay as still to be",
    ),
    "a stay of another price": (
        "booking",
        update(bookings).values(total=bookings.c.total + 1),
        HEARD,
        "is confirmed, and payment knows another stay or price of it",
    ),
}


@pytest.mark.parametrize("what", sorted(DAMAGES))
async def test_nights_and_stays_that_are_not_as_they_were_are_found(house: TestHouse, what: str) -> None:
    await lived_in(house)
    service, damage, invariant, words = DAMAGES[what]
    async with house.deps(service).db.transaction() as tx:
        assert await tx.execute(damage)
    assert words in "\n".join((await found(house))[invariant])

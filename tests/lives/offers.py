"""What guests of simulated lives are offered: search, the list of homes, the quote and the calendar for other
sites say the same, and what is reckoned here."""

from __future__ import annotations

from random import Random
from typing import Any

from hometrip.kernel.stay import local_date
from journeys.steps import ok
from lives.sites import exported, nights_in
from lives.town import Home, Party
from lives.world import ONE, World, nights_of


async def check_offers(world: World) -> None:
    chance = Random(len(world.told))
    first, nights = world.today + chance.randrange(2, 50) * ONE, chance.choice((1, 2, 3, 5, 8, 29))
    guests = chance.randrange(1, 5)
    stay = {"check_in": first.isoformat(), "check_out": (first + nights * ONE).isoformat()}
    asked = stay | {"guests": guests}
    found = ok(await world.read("gus", "/api/search", per_page=100, **asked))["items"]
    listed = ok(await world.read("gus", "/api/listings", limit=100, **asked))["items"]
    totals = {hit["id"]: hit["total"] for hit in found}
    for home in world.homes:
        said = f"home {world.homes.index(home)} ({home.status}), {asked}"
        free = home.status == "published" and world.is_free(home, first, nights, "")
        world.expect((home.id in totals) == free, f"{said}: searched {totals}, it is free: {free}")
        ids = [one["id"] for one in listed]
        world.expect((home.id in ids) == free, f"{said}: listed {ids}, it is free: {free}")
        if not free:
            continue
        price = home.price(world.now, first, nights, Party(guests), None)
        assert price is not None
        wanted = home.money(price.total)
        world.expect(totals[home.id] == wanted, f"{said}: searched {totals[home.id]}, not {wanted}")
        quote = ok(await world.write("gus", "/api/bookings/calculate-price", asked | {"listing_id": home.id}))
        world.expect(quote["total"] == wanted, f"{said}: quoted {quote}, not {wanted}")


async def check_sites(world: World, home: Home) -> None:
    """What other sites read here is what is taken; what they have sold besides is told to the host."""
    today = local_date(world.now, home.place.zone)
    booked, kept, elsewhere = world.taken(home), world.kept(home), world.elsewhere(home)
    told = nights_in(await exported(world, home))
    _same(world, home, told, booked | kept | elsewhere, today)
    if not home.feed_id:
        return
    [feed] = ok(await world.read(home.host, f"{home.path}/calendar-imports"))["items"]
    back = nights_in(await exported(world, home, besides_feed=True))
    _same(world, home, back, booked | kept, today)
    shown = {night for one in feed["conflicts"] for night in nights_of(one["check_in"], one["check_out"])}
    paid = {
        night
        for life in world.lives
        if life.home is home and life.status in ("confirmed", "checked_in")
        for night in nights_of(life.view["check_in"], life.view["check_out"])
    }
    ahead = {night for night in paid & elsewhere if night >= today}
    world.expect(ahead <= shown <= booked & elsewhere, f"{home.path}: {sorted(ahead)} clash, shown {feed}")


def _same(world: World, home: Home, told: set[Any], wanted: set[Any], today: Any) -> None:
    off = sorted(night for night in told ^ wanted if night >= today)
    world.expect(not off, f"home {world.homes.index(home)}: {off} are told to other sites or taken, not both")

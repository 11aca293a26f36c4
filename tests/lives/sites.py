"""Calendars of other sites in simulated lives: they come and go, their stays move and end, and now and then
they cannot be read."""

from __future__ import annotations

from datetime import date

from aiohttp import web

from journeys.steps import ok
from lives.town import Home
from lives.world import ONE, World

END = "END:VCALENDAR\r\n"


async def other_site(world: World) -> str | None:
    """A calendar of another site comes or goes, also with nights that are booked here."""
    home = world.chance.choice(world.homes)
    imports, number = f"{home.path}/calendar-imports", world.homes.index(home)
    if home.feed_id:
        await forget_site(world, home)
        return f"the other site of {number} is forgotten"
    home.feed = {world.draw(): _some_nights(world) for _ in range(world.chance.choice((1, 1, 2)))}
    _write(world, home)
    made = await world.write(home.host, imports, {"url": _url(world, home), "name": "Other"})
    home.feed_id = ok(made, 201)["id"]
    await world.settle()
    return f"another site has {[*home.feed.values()]} at {number}"


async def news_of_site(world: World) -> str | None:
    """What another site has sold moves, ends or is more; or its calendar cannot be read."""
    known = [home for home in world.homes if home.feed_id]
    if not known:
        return None
    home = world.chance.choice(known)
    kinds = {"moved": _moves, "more": _sells, "ended": _ends, "unreadable": _fails, "ours": _brings_back}
    kind = world.chance.choice(sorted(kinds))
    await kinds[kind](world, home)
    await world.settle()
    return f"the other site of {world.homes.index(home)}: {kind}, it has {[*home.feed.values()]}"


async def _moves(world: World, home: Home) -> None:
    home.feed[world.chance.choice(sorted(home.feed))] = _some_nights(world)
    _write(world, home)
    await _read(world, home, "good")


async def _sells(world: World, home: Home) -> None:
    home.feed[world.draw()] = _some_nights(world)
    _write(world, home)
    await _read(world, home, "good")


async def _ends(world: World, home: Home) -> None:
    """It is believed once it was missing twice; where nothing is left at all, never."""
    ended = world.chance.choice(sorted(home.feed))
    left = {name: nights for name, nights in home.feed.items() if name != ended}
    _write(world, home, left)
    has_some = any(first + nights * ONE > world.today + ONE for first, nights in home.feed.values())
    if not left and not has_some:
        return
    before = await _nights(world, home)
    await _read(world, home, "good" if left else "failing")
    await world.settle()
    now = await _nights(world, home)
    world.expect(now == before, f"{home.path}: {ended} was missing once, and {before} became {now}")
    await _read(world, home, "good" if left else "failing")
    if left:
        home.feed = left
    else:
        _write(world, home)
        await _read(world, home, "good")


async def _fails(world: World, home: Home) -> None:
    async def broken(_: web.Request) -> web.StreamResponse:
        return web.Response(status=world.chance.choice((404, 500)))

    before = await _nights(world, home)
    pages = world.site.pages
    pages[_page(world, home)] = world.chance.choice((broken, b"", b"<html>", b"BEGIN:VCALENDAR\r\nBEGIN:VEV"))
    for _ in range(2):
        await _read(world, home, "failing")
    await world.settle()
    now = await _nights(world, home)
    world.expect(now == before, f"{home.path}: it cannot be read, and {before} became {now}")
    _write(world, home)
    await _read(world, home, "good")


async def _brings_back(world: World, home: Home) -> None:
    """Our own nights, as that site has read them here."""
    _write(world, home, ours=await exported(world, home, besides_feed=True))
    await _read(world, home, "good")


async def exported(world: World, home: Home, *, besides_feed: bool = False) -> str:
    """The home's own calendar, as it is for other sites."""
    url = ok(await world.read(home.host, f"{home.path}/calendar-link"))["url"]
    if besides_feed:
        [feed] = ok(await world.read(home.host, f"{home.path}/calendar-imports"))["items"]
        url = feed["export_url"]
    answer = await world.house.client.get("/api/" + url.partition("/api/")[2])
    world.expect(answer.status_code == 200, f"{url}: {answer.text}")
    return answer.text


def nights_in(calendar: str) -> set[date]:
    days = {"DTSTART": list[date](), "DTEND": list[date]()}
    for line in calendar.split("\r\n"):
        name, _, value = line.partition(";VALUE=DATE:")
        if name in days:
            days[name].append(date.fromisoformat(value))
    spans = zip(days["DTSTART"], days["DTEND"], strict=True)
    return {first + n * ONE for first, end in spans for n in range((end - first).days)}


async def _read(world: World, home: Home, state: str) -> None:
    path = f"{home.path}/calendar-imports/{home.feed_id}/refresh"
    answer = await world.write(home.host, path)
    world.expect(answer.status_code in (200, 201), f"{path}: {answer.text}")
    world.expect(answer.json()["state"] == state, f"{path}: {answer.text}, not {state}")


async def _nights(world: World, home: Home) -> list[tuple[str, str]]:
    until = (world.today + 60 * ONE).isoformat()
    days = ok(await world.read(home.host, f"{home.path}/availability", to=until))["days"]
    return [(day["date"], day["reason"]) for day in days if not day["free"]]


def _some_nights(world: World) -> tuple[date, int]:
    return world.today + world.chance.randrange(1, 40) * ONE, world.chance.randrange(1, 5)


def _page(world: World, home: Home) -> str:
    return f"/feed{world.homes.index(home)}"


def _url(world: World, home: Home) -> str:
    return world.site.url(_page(world, home))


def _write(
    world: World, home: Home, feed: dict[str, tuple[date, int]] | None = None, ours: str | None = None
) -> None:
    """The page as the site has it, with what it has read here."""
    lines = [
        f"BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART;VALUE=DATE:{first:%Y%m%d}\r\n"
        f"DTEND;VALUE=DATE:{first + nights * ONE:%Y%m%d}\r\nEND:VEVENT\r\n"
        for uid, (first, nights) in (home.feed if feed is None else feed).items()
    ]
    head = (ours or f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{END}").removesuffix(END)
    world.site.pages[_page(world, home)] = f"{head}{''.join(lines)}{END}".encode()


async def forget_site(world: World, home: Home) -> None:
    if home.feed_id:
        path = f"{home.path}/calendar-imports/{home.feed_id}"
        ok(await world.people[home.host].delete(path), 204)
        home.feed, home.feed_id = {}, ""
        await world.settle()

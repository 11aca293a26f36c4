"""The outside of a home: what is around it, then a building of its type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from hometrip.app.drawing import afield, country, scenery, town
from hometrip.app.drawing.canvas import Canvas, darker, lighter, mix, rgb
from hometrip.app.drawing.parts import FOOT, PAINTS, Site, fire


@dataclass(frozen=True)
class Home:
    type: str
    bedrooms: int
    amenities: frozenset[str]


_GRAND = partial(town.block, grand=True)
# Any other type is a house.
_BUILDINGS: dict[str, Callable[[Site, int], None]] = {
    "rental_unit": town.block,
    "condo": town.block,
    "serviced_apartment": _GRAND,
    "aparthotel": _GRAND,
    "hotel": _GRAND,
    "hostel": town.loft,
    "loft": town.loft,
    "townhouse": town.rowhouse,
    "bed_and_breakfast": town.rowhouse,
    "guest_suite": country.cottage,
    "guesthouse": country.cottage,
    "cottage": country.cottage,
    "bungalow": country.cottage,
    "tiny_home": country.cottage,
    "cabin": country.cabin,
    "chalet": country.cabin,
    "treehouse": partial(country.cabin, stilts=True),
    "villa": country.villa,
    "tent": afield.tent,
    "dome": afield.dome,
    "camper": afield.camper,
    "houseboat": afield.houseboat,
    "castle": afield.castle,
}
# An apartment may be in any kind of town house, and a street of one kind would be dull.
_APARTMENTS = (town.block, town.rowhouse, town.block, town.loft, town.rowhouse)
_IN_TOWN = {town.rowhouse, town.loft, town.block, _GRAND}


def outside(canvas: Canvas, home: Home, chance: Random) -> None:
    hour, season = chance.choice(scenery.HOURS), chance.choice(scenery.SEASONS)
    site = Site(canvas, chance, hour, season, chance.choice(PAINTS))
    build = _BUILDINGS.get(home.type, country.house)
    if home.type in ("rental_unit", "condo"):
        build = chance.choice(_APARTMENTS)
    in_town = build in _IN_TOWN
    canvas.come_closer(_closeness(build, home), 600, 715)
    scenery.sky(canvas, hour, chance)
    scenery.hills(canvas, hour, season, chance, mountains=home.type in ("cabin", "chalet", "tent", "dome"))
    if in_town:
        _skyline(site)
    scenery.meadow(canvas, hour, season, chance)
    _trees_behind(site, home)
    if in_town:
        _street(site)
    elif home.type not in ("houseboat", "treehouse", "tent"):
        _path(site)
    build(site, home.bedrooms)
    if home.type != "houseboat":
        _foreground(site, home, in_town)
    scenery.falling_snow(canvas, season, chance)
    if chance.random() < 0.5:
        canvas.mirror()


def _closeness(build: Callable[[Site, int], None], home: Home) -> float:
    """Low buildings are seen from nearer, so that each fills its picture."""
    if build is country.cottage or home.type in ("camper", "houseboat"):
        return 1.36
    if build is country.house:
        return 1.14 if home.bedrooms >= 3 else 1.3
    return 1.2 if home.type in ("villa", "dome") else 1.0


def _trees_behind(site: Site, home: Home) -> None:
    for side in (0, 1):
        for _ in range(site.chance.randint(2, 3)):
            x = site.chance.uniform(10, 290) if side == 0 else site.chance.uniform(910, 1190)
            tall = site.chance.uniform(170, 300)
            scenery.tree(
                site.canvas, x, site.chance.uniform(590, 628), tall, site.hour, site.season, site.chance
            )
    if home.type == "villa" and not site.season.snow:
        for x in (215, 985, 1080):
            scenery.palm(site.canvas, x, 640, site.chance.uniform(230, 330), site.hour)


def _skyline(site: Site) -> None:
    """Roofs of the town, pale with distance."""
    x = -20.0
    while x < 1200:
        wide, tall = site.chance.uniform(60, 130), site.chance.uniform(90, 260)
        shade = mix(site.hour.hills[0], site.hour.sky[1], site.chance.uniform(0.15, 0.5))
        site.canvas.rect(x, 560 - tall, x + wide, 580, shade)
        if site.chance.random() < 0.35:
            site.canvas.poly([(x, 560 - tall), (x + wide / 2, 520 - tall), (x + wide, 560 - tall)], shade)
        glass = rgb("FFE2A0") if site.hour.dark else lighter(shade, 0.35)
        for row in range(int(tall / 28)):
            for column in range(int(wide / 22)):
                if site.chance.random() < 0.55:
                    left, top = x + 8 + column * 22, 572 - tall + row * 28
                    site.canvas.rect(left, top, left + 9, top + 13, glass, 150)
        x += wide + site.chance.uniform(-6, 8)


def _street(site: Site) -> None:
    canvas, stone = site.canvas, site.lit(rgb("D8D0C4"))
    if site.season.snow:
        stone = lighter(stone, 0.5)
    canvas.rect(0, FOOT - 6, 1200, FOOT + 62, stone)
    for x in range(0, 1200, 75):
        canvas.line([(x, FOOT - 6), (x - 16, FOOT + 62)], darker(stone, 0.1), 1.5)
    canvas.rect(0, FOOT + 62, 1200, FOOT + 70, darker(stone, 0.25))
    road = site.lit(rgb("757B86"))
    canvas.rect(0, FOOT + 70, 1200, 800, road)
    for x in range(20, 1200, 150):
        canvas.rect(x, FOOT + 112, x + 80, FOOT + 118, lighter(road, 0.6))


def _path(site: Site) -> None:
    stone = site.lit(rgb("E3D6BF"))
    site.canvas.poly([(566, FOOT), (634, FOOT), (720, 800), (480, 800)], stone)
    for step in range(1, 6):
        y = FOOT + step * step * 5.4
        site.canvas.line([(562 - step * 12, y), (638 + step * 12, y)], darker(stone, 0.13), 2)


def _foreground(site: Site, home: Home, in_town: bool) -> None:
    canvas, chance = site.canvas, site.chance
    if in_town:
        for x in (chance.uniform(60, 150), chance.uniform(1050, 1140)):
            scenery.tree(canvas, x, FOOT + 46, chance.uniform(270, 350), site.hour, site.season, chance)
        _lamp_post(site, chance.choice([190, 1010]))
        return
    scenery.flowers(canvas, site.hour, site.season, chance)
    for _ in range(3):
        scenery.bush(
            canvas, chance.uniform(250, 470), FOOT + 8, chance.uniform(20, 34), site.hour, site.season, chance
        )
        scenery.bush(
            canvas, chance.uniform(730, 950), FOOT + 8, chance.uniform(20, 34), site.hour, site.season, chance
        )
    if "pool" in home.amenities and not site.season.snow:
        scenery.pool(canvas, site.hour)
    elif chance.random() < 0.5:
        _fence(site)
    side = chance.choice([70, 1130])
    scenery.tree(canvas, side, 745, chance.uniform(300, 400), site.hour, site.season, chance)
    if "fire_pit" in home.amenities and home.type != "tent":
        fire(site, 350)


def _fence(site: Site) -> None:
    white = site.lit(rgb("FFFDF6"))
    for left, right in ((-10, 470), (730, 1210)):
        for y in (722, 752):
            site.canvas.rect(left, y, right, y + 7, darker(white, 0.08))
        for x in range(left + 8, right - 14, 34):
            site.canvas.poly([(x, 782), (x, 708), (x + 8, 696), (x + 16, 708), (x + 16, 782)], white)


def _lamp_post(site: Site, x: float) -> None:
    iron = darker(rgb("3A4350"), 0.2)
    site.canvas.rect(x - 4, FOOT - 170, x + 4, FOOT + 44, iron)
    site.canvas.rect(x - 11, FOOT + 30, x + 11, FOOT + 46, iron)
    if site.hour.dark:
        site.canvas.glow(x, FOOT - 190, 95, rgb("FFDC92"), 13)
    site.canvas.poly(
        [(x - 9, FOOT - 170), (x - 15, FOOT - 205), (x + 15, FOOT - 205), (x + 9, FOOT - 170)], rgb("FFF0C9")
    )
    site.canvas.poly([(x - 18, FOOT - 205), (x, FOOT - 222), (x + 18, FOOT - 205)], iron)

"""Homes that are no house: tents, domes, campers, boats, castles. Each stands with its middle near 600."""

from __future__ import annotations

from hometrip.app.drawing.canvas import darker, lighter, rgb
from hometrip.app.drawing.parts import (
    FOOT,
    Site,
    bricks,
    clapboards,
    door,
    fire,
    gable,
    shadow,
    slope_roof,
    wall,
    window,
)


def tent(site: Site, bedrooms: int) -> None:
    """A bell tent with its flap open, a string of lamps and a fire."""
    canvas, cloth = site.canvas, site.lit(lighter(site.paint.wall, 0.35))
    shadow(site, 350, 850)
    canvas.poly([(340, FOOT), (372, 560), (600, 300), (828, 560), (860, FOOT)], cloth)
    canvas.poly([(600, 300), (828, 560), (860, FOOT), (700, FOOT)], darker(cloth, 0.12))
    canvas.line([(372, 560), (828, 560)], darker(cloth, 0.2), 3)
    for x in (455, 745):
        canvas.line([(600, 300), (x, 560), (x + (x - 600) * 0.08, FOOT)], darker(cloth, 0.14), 2.5)
    inside = rgb("FFC56B") if site.hour.dark else darker(site.lit(site.paint.door), 0.45)
    canvas.poly([(530, FOOT), (600, 430), (670, FOOT)], inside)
    canvas.poly([(530, FOOT), (600, 430), (560, FOOT - 40), (505, FOOT)], lighter(cloth, 0.3))
    canvas.poly([(670, FOOT), (600, 430), (640, FOOT - 40), (695, FOOT)], cloth)
    canvas.line([(600, 300), (600, 268)], rgb("6B4E3D"), 6)
    canvas.poly([(600, 268), (640, 278), (600, 290)], site.lit(site.paint.door))
    for side in (-1, 1):
        canvas.line([(600 + side * 228, 560), (600 + side * 330, FOOT + 12)], rgb("F2EAD8"), 2)
    for step in range(15):
        x = 170 + step * 62
        y = 400 + 60 * ((x - 600) / 430) ** 2 * -1 + 40
        canvas.glow(x, y, 22, rgb("FFE29A"), 14)
        canvas.disc(x, y, 5, rgb("FFF3CF"))
    fire(site, 930)


def dome(site: Site, bedrooms: int) -> None:
    canvas, shell = site.canvas, site.lit(lighter(site.paint.wall, 0.45))
    shadow(site, 380, 820)
    canvas.arch(375, FOOT - 330, 825, FOOT, shell)
    for across in (220, 130, 45):
        points = [
            (600 + across * share, FOOT - 325 * (1 - share**2) ** 0.5 + 2)
            for share in (-1, -0.95, -0.8, -0.5, 0, 0.5, 0.8, 0.95, 1)
        ]
        canvas.line(points, darker(shell, 0.13), 2.5)
    for up in (90, 190, 270):
        reach = 225 * max(0.0, 1 - (up / 330) ** 2) ** 0.5
        canvas.line([(600 - reach, FOOT - up), (600 + reach, FOOT - up)], darker(shell, 0.13), 2.5)
    glass = rgb("FFD98C") if site.hour.dark else site.lit(rgb("9CCBDD"))
    canvas.arch(640, FOOT - 215, 800, FOOT - 12, site.lit(rgb("FFFFFF")))
    canvas.arch(650, FOOT - 205, 790, FOOT - 20, glass)
    canvas.rect(717, FOOT - 205, 723, FOOT - 20, site.lit(rgb("FFFFFF")))
    door(site, 520, 62, 116)
    canvas.rect(340, FOOT - 8, 860, FOOT + 10, site.lit(rgb("A97C57")))


def camper(site: Site, bedrooms: int) -> None:
    canvas, body = site.canvas, site.lit(lighter(site.paint.wall, 0.25))
    shadow(site, 360, 850)
    canvas.round(370, FOOT - 265, 850, FOOT - 42, 62, site.lit(rgb("FFFBF2")))
    canvas.round(370, FOOT - 150, 850, FOOT - 42, 40, body)
    canvas.rect(370, FOOT - 158, 850, FOOT - 120, body)
    canvas.rect(366, FOOT - 166, 854, FOOT - 156, site.lit(site.paint.door))
    for x in (415, 700):
        window(site, x, FOOT - 240, 104, 60)
    door(site, 612, 66, 172, FOOT - 44)
    for x in (450, 770):
        canvas.disc(x, FOOT - 36, 43, darker(rgb("2E333D"), 0.1))
        canvas.disc(x, FOOT - 36, 20, site.lit(rgb("D9DDE2")))
    canvas.line([(850, FOOT - 60), (925, FOOT - 52), (925, FOOT)], rgb("4A505B"), 8)
    canvas.poly(
        [(395, FOOT - 262), (655, FOOT - 262), (715, FOOT - 206), (335, FOOT - 206)],
        site.lit(site.paint.door),
        235,
    )
    canvas.line([(340, FOOT - 208), (330, FOOT)], rgb("E8E2D4"), 4)


def houseboat(site: Site, bedrooms: int) -> None:
    """A small house on a hull, in water that fills the foreground."""
    canvas = site.canvas
    water = site.lit(rgb("4E9DBA"))
    canvas.fade(0, 600, 1200, 800, lighter(water, 0.2), darker(water, 0.25))
    for _ in range(46):
        x, y, wide = (
            site.chance.uniform(-20, 1180),
            site.chance.uniform(612, 792),
            site.chance.uniform(30, 120),
        )
        canvas.round(x, y, x + wide, y + 3, 2, lighter(water, 0.45), 120)
    wall(site, 390, 470, 800, 630, site.paint.wall)
    clapboards(site, 390, 470, 800, 620, site.paint.wall)
    slope_roof(site, 390, 800, 470, 392, lean=30)
    for x in (425, 530, 720):
        window(site, x, 510, 58, 56, box=True)
    door(site, 655, 50, 108, 622)
    hull = site.lit(site.paint.door)
    canvas.poly([(290, 618), (910, 618), (862, 692), (345, 692)], hull)
    canvas.poly([(290, 618), (910, 618), (900, 634), (300, 634)], lighter(hull, 0.35))
    canvas.round(330, 688, 880, 704, 6, darker(water, 0.5), 120)
    for step in range(9):
        x = 318 + step * 9
        canvas.rect(x, 582, x + 2.5, 618, site.lit(rgb("FFFFFF")))
        canvas.rect(x + 494, 582, x + 496.5, 618, site.lit(rgb("FFFFFF")))
    for x in (315, 810):
        canvas.rect(x, 580, x + 80, 585, site.lit(rgb("FFFFFF")))


def castle(site: Site, bedrooms: int) -> None:
    canvas, stone = site.canvas, site.chance.choice([rgb("CFC4B0"), rgb("B9B7B4"), rgb("D9BFA2")])
    shadow(site, 300, 900)
    wall(site, 380, 430, 820, FOOT, stone)
    bricks(site, 380, 430, 820, FOOT, stone)
    for left, top in ((300, 370), (790, 340), (540, 290)):
        wall(site, left, top, left + 120, FOOT if left != 540 else 470, lighter(stone, 0.12))
        bricks(site, left, top, left + 120, FOOT if left != 540 else 470, lighter(stone, 0.12))
        gable(site, left + 12, left + 108, top, top - 120)
        canvas.poly(
            [(left + 2, top + 4), (left + 60, top - 118), (left + 118, top + 4)], site.lit(site.paint.roof)
        )
        window(site, left + 44, top + 40, 32, 56)
    for step in range(7):
        canvas.rect(424 + step * 54, 410, 452 + step * 54, 432, site.lit(stone))
    for x in (450, 710):
        window(site, x, 500, 40, 62)
    canvas.arch(548, 530, 652, FOOT, darker(site.lit(stone), 0.3))
    canvas.arch(558, 542, 642, FOOT, site.lit(site.paint.door))

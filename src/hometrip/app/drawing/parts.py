"""What buildings are made of: walls, windows, doors, roofs, in the paint and the light of one place."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from hometrip.app.drawing import scenery
from hometrip.app.drawing.canvas import Canvas, Colour, darker, lighter, mix, rgb
from hometrip.app.drawing.scenery import Hour, Season

# The line on which buildings stand.
FOOT = 650
SNOW = rgb("F4F8FC")


@dataclass(frozen=True)
class Paint:
    wall: Colour
    trim: Colour
    roof: Colour
    door: Colour


def _paint(*hexadecimals: str) -> Paint:
    return Paint(*map(rgb, hexadecimals))


PAINTS = (
    _paint("F6EFE2", "FFFFFF", "4F5D75", "D1495B"),
    _paint("C96F53", "FBF3E6", "5B4A47", "2F5D62"),
    _paint("A9BFA4", "FFFDF5", "5C5552", "E0A458"),
    _paint("E9C46A", "FFF8E7", "8C4A3C", "2A6F77"),
    _paint("8FB3CC", "FFFFFF", "3D4F66", "F2B134"),
    _paint("E7B7A8", "FFF7F0", "7A4B4B", "3B6B5C"),
    _paint("5E6C7B", "F3EFE6", "2E3440", "E07A5F"),
    _paint("DCD3C3", "FFFFFF", "A65B45", "3F6C8C"),
    _paint("B5566A", "FBEFE9", "4A3B47", "E9C46A"),
    _paint("7FA99B", "FFFBEF", "3E5751", "B5473C"),
)


@dataclass(frozen=True)
class Site:
    """Where a building is drawn, in which light, by which chance."""

    canvas: Canvas
    chance: Random
    hour: Hour
    season: Season
    paint: Paint

    def lit(self, colour: Colour) -> Colour:
        """A colour as it looks at this hour."""
        return mix(colour, self.hour.sky[0], 0.42) if self.hour.dark else mix(colour, self.hour.sun, 0.05)


def shadow(site: Site, left: float, right: float) -> None:
    middle = (left + right) / 2
    ground = darker(scenery.ground_of(site.hour, site.season), 0.6)
    site.canvas.oval(middle + 14, FOOT + 2, (right - left) * 0.56, 17, ground, 75)


def wall(site: Site, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    shown = site.lit(colour)
    site.canvas.fade(left, top, right, bottom, lighter(shown, 0.06), darker(shown, 0.07))
    site.canvas.rect(left, bottom - 12, right, bottom, darker(shown, 0.25))


def clapboards(site: Site, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    y = top + 14
    while y < bottom - 14:
        site.canvas.line([(left, y), (right, y)], darker(site.lit(colour), 0.2), 1, 110)
        y += 14


def bricks(site: Site, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
    tone = site.lit(colour)
    for _ in range(int((right - left) * (bottom - top) / 1500)):
        x = left + 6 + site.chance.randrange(max(1, int((right - left - 34) / 22))) * 22
        y = top + 6 + site.chance.randrange(max(1, int((bottom - top - 20) / 11))) * 11
        shade = darker(tone, 0.16) if site.chance.random() < 0.6 else lighter(tone, 0.16)
        site.canvas.rect(x, y, x + 19, y + 8, shade, 170)


def window(
    site: Site, x: float, y: float, wide: float, tall: float, *, shutters: bool = False, box: bool = False
) -> None:
    """With its upper left corner at x, y."""
    canvas, frame = site.canvas, site.lit(site.paint.trim)
    if shutters:
        _shutters(site, x, y, wide, tall)
    lamp = site.hour.dark and site.chance.random() < 0.8
    if lamp:
        canvas.glow(x + wide / 2, y + tall / 2, wide * 1.1, rgb("FFD27A"), 7)
    canvas.rect(x - 5, y - 5, x + wide + 5, y + tall + 5, frame)
    canvas.rect(x + wide + 1, y - 5, x + wide + 5, y + tall + 5, darker(frame, 0.12))
    glass = (rgb("FFE7A6"), rgb("FFC765")) if lamp else (site.lit(rgb("6FA3BF")), site.lit(rgb("B9DCE8")))
    canvas.fade(x, y, x + wide, y + tall, *glass)
    if lamp:
        canvas.poly(
            [(x, y), (x + wide * 0.3, y), (x + wide * 0.12, y + tall), (x, y + tall)], rgb("FFF6DA"), 150
        )
    else:
        canvas.poly(
            [
                (x + wide * 0.1, y + tall),
                (x + wide * 0.6, y),
                (x + wide * 0.85, y),
                (x + wide * 0.35, y + tall),
            ],
            rgb("FFFFFF"),
            70,
        )
    canvas.rect(x + wide / 2 - 1.6, y, x + wide / 2 + 1.6, y + tall, frame)
    canvas.rect(x, y + tall * 0.42, x + wide, y + tall * 0.42 + 3, frame)
    canvas.rect(x - 9, y + tall + 4, x + wide + 9, y + tall + 11, lighter(frame, 0.3))
    if box and site.season.flowers:
        _flower_box(site, x, y + tall, wide)


def _shutters(site: Site, x: float, y: float, wide: float, tall: float) -> None:
    canvas = site.canvas
    shade = site.lit(site.paint.door)
    for left in (x - wide * 0.42, x + wide * 1.08):
        canvas.rect(left, y - 2, left + wide * 0.34, y + tall + 2, shade)
        for step in range(1, 7):
            canvas.line(
                [(left + 3, y + tall * step / 7), (left + wide * 0.34 - 3, y + tall * step / 7)],
                darker(shade),
                1.5,
            )


def _flower_box(site: Site, x: float, y: float, wide: float) -> None:
    canvas = site.canvas
    canvas.rect(x - 6, y + 3, x + wide + 6, y + 15, site.lit(rgb("7A5540")))
    for step in range(9):
        bloom = site.lit(rgb("5B9A5F")) if step % 3 == 0 else site.lit(site.season.flowers[step % 2])
        canvas.disc(x - 2 + step * (wide + 4) / 8, y + 2 - step % 2 * 3, 5.5, bloom)


def door(site: Site, x: float, wide: float, tall: float, foot: float = FOOT) -> None:
    """With its middle at x; a lamp beside it, a step before it."""
    canvas, leaf = site.canvas, site.lit(site.paint.door)
    left, top = x - wide / 2, foot - tall
    canvas.rect(left - 8, top - 8, left + wide + 8, foot, site.lit(site.paint.trim))
    canvas.rect(left, top, left + wide, foot, leaf)
    for share in (0.42, 0.72):
        canvas.rect(
            left + wide * 0.18,
            top + tall * share,
            left + wide * 0.82,
            top + tall * (share + 0.22),
            darker(leaf, 0.18),
        )
    pane = rgb("FFDD95") if site.hour.dark else site.lit(rgb("BFE0EA"))
    canvas.arch(left + wide * 0.2, top + tall * 0.08, left + wide * 0.8, top + tall * 0.36, pane)
    canvas.disc(left + wide * 0.86, top + tall * 0.58, 3.2, rgb("F2D38B"))
    canvas.rect(left - 18, foot - 6, left + wide + 18, foot + 5, site.lit(rgb("CFC6B8")))
    lamp = (left + wide + 24, top + tall * 0.25)
    if site.hour.dark:
        canvas.glow(*lamp, 55, rgb("FFD98A"), 13)
    canvas.round(
        lamp[0] - 5,
        lamp[1] - 9,
        lamp[0] + 5,
        lamp[1] + 9,
        3,
        rgb("FFE9B5") if site.hour.dark else rgb("3A3F4A"),
    )


def gable(
    site: Site, left: float, right: float, eaves: float, top: float, colour: Colour | None = None
) -> None:
    """A pointed roof seen from its end, over the wall below it."""
    canvas, roof = site.canvas, site.lit(colour or site.paint.roof)
    middle, over = (left + right) / 2, 26
    slope = (eaves - top) / ((right - left) / 2)
    low = eaves + over * slope
    thick = 20
    for side in (-1, 1):
        end = left - over if side < 0 else right + over
        shade = roof if side < 0 else darker(roof, 0.18)
        canvas.poly([(end, low), (middle, top), (middle, top + thick * 1.3), (end, low + thick)], shade)
        if site.season.snow:
            canvas.poly([(end, low - 1), (middle, top - 10), (middle, top + 5), (end, low + 7)], SNOW)


def slope_roof(site: Site, left: float, right: float, eaves: float, top: float, lean: float = 46) -> None:
    """A roof seen from its long side."""
    canvas, roof = site.canvas, site.lit(site.paint.roof)
    corners = [(left - 24, eaves), (left + lean, top), (right - lean, top), (right + 24, eaves)]
    canvas.poly(corners, roof)
    for step in range(1, 6):
        share = step / 6
        y = top + (eaves - top) * share
        inset = lean - (lean + 24) * share
        canvas.line([(left + inset, y), (right - inset, y)], darker(roof, 0.16), 1.6)
    canvas.rect(left - 24, eaves - 3, right + 24, eaves + 8, darker(roof, 0.3))
    if site.season.snow:
        low = top + (eaves - top) * 0.72
        inset = lean - (lean + 24) * 0.72
        bumps = [
            (right - inset - step * (right - left - 2 * inset) / 8, low + (step % 2) * 12)
            for step in range(9)
        ]
        canvas.poly([(left + lean, top - 5), (right - lean, top - 5), *bumps], SNOW)


def chimney(site: Site, x: float, top: float, bottom: float) -> None:
    brick = site.lit(rgb("A9604C"))
    site.canvas.rect(x, top, x + 38, bottom, brick)
    site.canvas.rect(x + 25, top, x + 38, bottom, darker(brick, 0.15))
    site.canvas.rect(x - 5, top - 9, x + 43, top + 3, darker(brick, 0.25))
    if site.season.snow or site.hour.dark:
        for step in range(4):
            site.canvas.disc(
                x + 20 + step * 13, top - 26 - step * 23, 10 + step * 5, rgb("FFFFFF"), 75 - step * 15
            )


def fire(site: Site, x: float) -> None:
    if site.hour.dark:
        site.canvas.glow(x, FOOT + 10, 150, rgb("FFB25E"), 10)
    for half, tall, shade in ((24, 70, "E8743B"), (16, 48, "F6A83C"), (8, 26, "FFE08A")):
        site.canvas.poly(
            [
                (x - half, FOOT + 24),
                (x - half * 0.5, FOOT + 24 - tall * 0.6),
                (x, FOOT + 24 - tall),
                (x + half * 0.6, FOOT + 24 - tall * 0.5),
                (x + half, FOOT + 24),
            ],
            rgb(shade),
        )
    for side in (-1, 1):
        site.canvas.line(
            [(x - side * 36, FOOT + 30), (x + side * 30, FOOT + 16)], site.lit(rgb("6B4A36")), 10
        )

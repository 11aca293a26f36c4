"""Homes in a garden or a wood: houses, cottages, cabins, villas. Each stands with its middle at 600."""

from __future__ import annotations

from hometrip.app.drawing.canvas import darker, lighter, rgb
from hometrip.app.drawing.parts import (
    FOOT,
    SNOW,
    Site,
    chimney,
    clapboards,
    door,
    gable,
    shadow,
    slope_roof,
    wall,
    window,
)


def house(site: Site, bedrooms: int) -> None:
    """A gabled front with a wing beside it; a second floor from three bedrooms on."""
    floors = 2 if bedrooms >= 3 else 1
    flip = site.chance.random() < 0.5
    tall = 150 + 110 * (floors - 1)
    left, split, right = (340, 580, 880) if not flip else (320, 620, 860)
    front, wing = ((left, split), (split, right)) if not flip else ((split, right), (left, split))
    shadow(site, left, right)
    wing_top = FOOT - tall + 24
    chimney(site, (wing[0] + wing[1]) / 2 + 40, wing_top - 125, wing_top - 30)
    wall(site, wing[0], wing_top, wing[1], FOOT, site.paint.wall)
    clapboards(site, wing[0], wing_top, wing[1], FOOT, site.paint.wall)
    slope_roof(site, wing[0] - (30 if flip else 90), wing[1] + (90 if flip else 30), wing_top, wing_top - 105)
    front_top = FOOT - tall
    bright = lighter(site.paint.wall, 0.2)
    wall(site, front[0], front_top, front[1], FOOT, bright)
    top = front_top - 120
    site.canvas.poly(
        [(front[0], front_top + 2), (sum(front) / 2, top), (front[1], front_top + 2)],
        lighter(site.lit(bright), 0.05),
    )
    clapboards(site, front[0], front_top, front[1], FOOT, bright)
    gable(site, *front, front_top, top)
    _house_openings(site, front, wing, floors, front_top)


def _house_openings(
    site: Site, front: tuple[float, float], wing: tuple[float, float], floors: int, top: float
) -> None:
    shutters, box = site.chance.random() < 0.45, site.chance.random() < 0.5
    middle, centre = sum(front) / 2, sum(wing) / 2
    window(site, middle - 20, top - 52, 40, 44)
    for floor in range(floors):
        y = FOOT - 112 - 112 * floor
        for x in (middle - 76, middle + 24):
            window(site, x, y, 50, 62, shutters=False, box=box)
        if floor:
            for x in (centre - 90, centre + 40):
                window(site, x, y, 50, 62, shutters=shutters)
    door(site, centre - 60, 54, 104)
    window(site, centre + 20, FOOT - 112, 74, 66, shutters=shutters, box=box)
    roof = site.lit(site.paint.roof)
    site.canvas.poly(
        [(centre - 118, FOOT - 116), (centre - 60, FOOT - 152), (centre - 2, FOOT - 116)], darker(roof, 0.1)
    )
    for x in (centre - 108, centre - 18):
        site.canvas.rect(x, FOOT - 116, x + 7, FOOT, site.lit(site.paint.trim))


def cottage(site: Site, bedrooms: int) -> None:
    """Small, low-roofed, with a big chimney, a round-topped door and flowers under its windows."""
    half = 170 + 26 * min(bedrooms, 3)
    left, right = 600 - half, 600 + half
    shadow(site, left, right)
    eaves = FOOT - 132
    chimney(site, right - 96, eaves - 168, eaves - 60)
    wall(site, left, eaves, right, FOOT, site.paint.wall)
    slope_roof(site, left, right, eaves, eaves - 128, lean=58)
    for x in (600 - half * 0.62, 600 + half * 0.62):
        dormer = site.lit(lighter(site.paint.wall, 0.1))
        site.canvas.poly(
            [
                (x - 36, eaves - 14),
                (x - 36, eaves - 62),
                (x, eaves - 96),
                (x + 36, eaves - 62),
                (x + 36, eaves - 14),
            ],
            dormer,
        )
        window(site, x - 19, eaves - 62, 38, 40)
        gable(site, x - 34, x + 34, eaves - 68, eaves - 102)
        window(site, x - 32, FOOT - 98, 64, 60, shutters=True, box=True)
    door(site, 600, 58, 104)


def cabin(site: Site, bedrooms: int, stilts: bool = False) -> None:
    """A steep roof down to the ground over a wall of logs and glass; on stilts when it is a treehouse."""
    foot = FOOT - (150 if stilts else 0)
    half, tall = (190, 290) if stilts else (250 + 12 * min(bedrooms, 4), 400)
    canvas, wood = site.canvas, site.lit(rgb("A9744F"))
    shadow(site, 600 - half, 600 + half)
    if stilts:
        _stilts(site, foot)
    canvas.poly([(600 - half * 0.86, foot), (600, foot - tall * 0.92), (600 + half * 0.86, foot)], wood)
    for step in range(1, 16):
        y = foot - step * tall / 17
        wide = half * 0.84 * (1 - step / 16.2)
        canvas.line([(600 - wide, y), (600 + wide, y)], darker(wood, 0.2), 2)
    glass = rgb("FFD98C") if site.hour.dark else site.lit(rgb("A8D3E3"))
    up = foot - tall * 0.42
    canvas.poly(
        [(600 - half * 0.36, up), (600, foot - tall * 0.78), (600 + half * 0.36, up)],
        site.lit(site.paint.trim),
    )
    canvas.poly([(600 - half * 0.3, up - 6), (600, foot - tall * 0.75), (600 + half * 0.3, up - 6)], glass)
    canvas.rect(597, foot - tall * 0.75, 603, up, site.lit(site.paint.trim))
    canvas.rect(600 - half * 0.6, up + 4, 600 + half * 0.6, up + 13, darker(wood, 0.35))
    window(site, 600 - half * 0.52, foot - tall * 0.3, half * 0.26, tall * 0.2)
    window(site, 600 + half * 0.27, foot - tall * 0.3, half * 0.26, tall * 0.2)
    door(site, 600, half * 0.22, tall * 0.27, foot)
    _steep_roof(site, foot, half, tall)


def _steep_roof(site: Site, foot: float, half: float, tall: float) -> None:
    canvas = site.canvas
    roof = site.lit(site.paint.roof)
    for side in (-1, 1):
        edge = [
            (600 + side * half * 1.12, foot),
            (600, foot - tall * 1.08),
            (600, foot - tall * 0.93),
            (600 + side * half * 0.93, foot),
        ]
        canvas.poly(edge, roof if side < 0 else darker(roof, 0.18))
        if site.season.snow:
            canvas.poly(
                [
                    (600 + side * half * 1.12, foot),
                    (600, foot - tall * 1.1),
                    (600, foot - tall * 1.03),
                    (600 + side * half * 1.02, foot - 14),
                ],
                SNOW,
            )


def _stilts(site: Site, foot: float) -> None:
    bark, leaf = site.lit(rgb("7A563E")), site.lit(site.chance.choice(site.season.leaves))
    for x, y, radius in ((430, 330, 150), (770, 320, 160), (600, 210, 165), (520, 260, 120), (700, 240, 130)):
        site.canvas.disc(x, y, radius, leaf)
        site.canvas.disc(x - 30, y - 40, radius * 0.6, lighter(leaf, 0.12))
    site.canvas.poly([(540, FOOT + 10), (568, foot), (632, foot), (665, FOOT + 10)], bark)
    site.canvas.line([(590, FOOT), (598, foot)], darker(bark), 5)
    for x in (430, 770):
        site.canvas.line([(x, foot), (x + (600 - x) * 0.5, FOOT - 30)], darker(bark, 0.15), 12)
    site.canvas.rect(380, foot - 4, 820, foot + 14, site.lit(rgb("8F6446")))
    for step in range(8):
        rung = foot + 16 + step * 17
        site.canvas.line([(716, rung), (750, rung)], site.lit(rgb("C49A6C")), 4)
    for x in (716, 750):
        site.canvas.line([(x, foot), (x, FOOT)], site.lit(rgb("C49A6C")), 4)


def villa(site: Site, bedrooms: int) -> None:
    """Flat roofs, white boxes on one another, glass from floor to ceiling."""
    shadow(site, 270, 930)
    canvas, white = site.canvas, lighter(site.paint.wall, 0.5)
    glass = (
        (rgb("FFE3A0"), rgb("FFC872"))
        if site.hour.dark
        else (site.lit(rgb("7FB4CC")), site.lit(rgb("CBE7EF")))
    )
    wall(site, 270, 500, 930, FOOT, white)
    left = 360 if site.chance.random() < 0.5 else 480
    wall(site, left, 372, left + 400, 500, lighter(white, 0.3))
    wood = site.lit(rgb("B98A62"))
    canvas.rect(310, 512, 420, FOOT - 12, wood)
    for step in range(10):
        canvas.rect(310 + step * 11, 512, 312 + step * 11, FOOT - 12, darker(wood, 0.2))
    for x0, y0, x1, y1, parts in ((450, 522, 760, FOOT - 6, 4), (left + 30, 396, left + 300, 494, 3)):
        canvas.fade(x0, y0, x1, y1, *glass)
        canvas.poly([(x0 + 20, y1), (x0 + 90, y0), (x0 + 140, y0), (x0 + 70, y1)], rgb("FFFFFF"), 60)
        for step in range(parts + 1):
            x = x0 + step * (x1 - x0) / parts
            canvas.rect(x - 3, y0, x + 3, y1, rgb("3A404B"))
    for x0, x1, y in ((250, 950, 486), (left - 22, left + 422, 356)):
        canvas.rect(x0, y, x1, y + 20, site.lit(rgb("FFFFFF")))
        canvas.rect(x0, y + 14, x1, y + 20, darker(site.lit(white), 0.25))
        if site.season.snow:
            canvas.round(x0, y - 9, x1, y + 4, 6, SNOW)
    door(site, 845, 62, 112)
    if bedrooms > 2:
        window(site, left + 326, 412, 46, 60)

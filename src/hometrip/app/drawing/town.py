"""Homes in a street: rows of houses, blocks of apartments, lofts. Each stands with its middle at 600."""

from __future__ import annotations

from hometrip.app.drawing.canvas import darker, lighter, mix, rgb
from hometrip.app.drawing.parts import (
    FOOT,
    PAINTS,
    SNOW,
    Paint,
    Site,
    bricks,
    chimney,
    door,
    shadow,
    wall,
    window,
)


def rowhouse(site: Site, bedrooms: int) -> None:
    """Three narrow fronts in a row, the middle one ours: a stoop, tall windows, a cornice."""
    floors = 3 if bedrooms >= 2 else 2
    others = site.chance.sample([paint for paint in PAINTS if paint is not site.paint], 2)
    shadow(site, 225, 975)
    for left, right, paint, extra in (
        (215, 462, others[0], -26),
        (738, 985, others[1], 18),
        (462, 738, site.paint, 0),
    ):
        neighbour = Site(site.canvas, site.chance, site.hour, site.season, paint)
        top = FOOT - 60 - floors * 116 + extra
        shade = paint.wall if paint is site.paint else mix(paint.wall, site.hour.sky[1], 0.25)
        wall(neighbour, left, top, right, FOOT, shade)
        bricks(neighbour, left, top, right, FOOT, shade)
        _cornice(neighbour, left, right, top)
        for floor in range(floors):
            for column in range(3):
                if floor == 0 and column == 0:
                    continue
                x = left + 32 + column * (right - left - 64 - 46) / 2
                window(neighbour, x, FOOT - 142 - floor * 116, 46, 80, box=paint is site.paint and floor == 1)
        _stoop(neighbour, left + 56)


def _stoop(site: Site, x: float) -> None:
    door(site, x, 52, 108, FOOT - 32)
    stone = site.lit(rgb("BDAE9C"))
    for step in range(4):
        spread = step * 7
        top = FOOT - 32 + step * 11
        site.canvas.rect(x - 36 - spread, top, x + 36 + spread, top + 11, darker(stone, 0.04 + step * 0.07))
    for side in (-1, 1):
        iron = darker(site.paint.roof, 0.4)
        site.canvas.line(
            [(x + side * 36, FOOT - 76), (x + side * 62, FOOT - 32), (x + side * 62, FOOT + 10)], iron, 3
        )


def block(site: Site, bedrooms: int, *, grand: bool = False) -> None:
    """An apartment house, tall and narrow or low and wide, between neighbours or alone."""
    chance = site.chance
    floors = 5 if grand else chance.choice((3, 4, 4, 5))
    columns = max(3, min(5, chance.choice((3, 4, 5)) + (bedrooms > 2)))
    half, step, tall = 62 * columns + 22, 88, chance.choice((50, 56, 64))
    left, right, top = 600 - half, 600 + half, FOOT - 40 - floors * step
    if chance.random() < 0.6:
        _neighbours(site, left, right)
    shadow(site, left, right)
    wall(site, left, top, right, FOOT, site.paint.wall)
    if chance.random() < 0.5:
        bricks(site, left, top, right, FOOT - step, site.paint.wall)
    wall(site, left, FOOT - step - 4, right, FOOT, darker(site.paint.wall, 0.18))
    site.canvas.rect(left - 6, FOOT - step - 12, right + 6, FOOT - step - 2, site.lit(site.paint.trim))
    if chance.random() < 0.45 and floors < 5:
        _mansard(site, left, right, top, columns)
    else:
        _cornice(site, left, right, top)
        if chance.random() < 0.4:
            _water_tower(site, right - 110, top - 30)
    _block_windows(site, left, floors, columns, tall)
    door(site, 600, 74, 74)
    _awning(site, 600, FOOT - 82, 110 if grand else 70)


def _block_windows(site: Site, left: float, floors: int, columns: int, tall: float) -> None:
    balconies = site.chance.choice(("every", "odd", "even", "none"))
    shutters, box, wide = (
        site.chance.random() < 0.3,
        site.chance.random() < 0.4,
        site.chance.choice((46, 60, 72)),
    )
    for floor in range(floors):
        y = FOOT - 78 - floor * 88
        for column in range(columns):
            middle = left + 22 + 62 + column * 124
            if floor == 0 and abs(middle - 600) < 70:
                continue
            window(
                site,
                middle - wide / 2,
                y,
                wide,
                tall,
                shutters=shutters and floor > 0 and wide < 60,
                box=box and floor > 0,
            )
            if floor and (balconies == "every" or balconies == ("even", "odd")[column % 2]):
                _balcony(site, middle, y + tall + 6)


def _neighbours(site: Site, left: float, right: float) -> None:
    """The houses on either side, a little paler."""
    for side in (-1, 1):
        paint = site.chance.choice(PAINTS)
        faded = Paint(
            *(mix(tone, site.hour.sky[1], 0.3) for tone in (paint.wall, paint.trim, paint.roof, paint.door))
        )
        near = Site(site.canvas, site.chance, site.hour, site.season, faded)
        start, end = (left - 330, left) if side < 0 else (right, right + 330)
        floors = site.chance.choice((2, 3))
        top = FOOT - 60 - floors * 96
        wall(near, start, top, end, FOOT, faded.wall)
        _cornice(near, start, end, top)
        for floor in range(floors):
            for column in range(3):
                window(near, start + 40 + column * 100, FOOT - 96 - floor * 96, 48, 62)


def _mansard(site: Site, left: float, right: float, eaves: float, columns: int) -> None:
    """A steep slate roof with a dormer over each column of windows."""
    canvas, slate = site.canvas, site.lit(site.paint.roof)
    canvas.poly(
        [(left - 10, eaves), (left + 22, eaves - 92), (right - 22, eaves - 92), (right + 10, eaves)], slate
    )
    for row in range(1, 7):
        inset = 22 - row * 4.6
        canvas.line(
            [(left + inset, eaves - 92 + row * 13), (right - inset, eaves - 92 + row * 13)],
            darker(slate, 0.15),
            1.5,
        )
    canvas.rect(
        left + 14, eaves - 100, right - 14, eaves - 90, SNOW if site.season.snow else darker(slate, 0.25)
    )
    canvas.rect(left - 14, eaves - 6, right + 14, eaves + 8, site.lit(site.paint.trim))
    chimney(site, left + 60, eaves - 150, eaves - 94)
    for column in range(columns):
        middle = left + 84 + column * 124
        canvas.rect(middle - 31, eaves - 72, middle + 31, eaves - 8, site.lit(site.paint.trim))
        canvas.poly(
            [(middle - 39, eaves - 70), (middle, eaves - 98), (middle + 39, eaves - 70)], darker(slate, 0.2)
        )
        window(site, middle - 19, eaves - 62, 38, 42)


def _balcony(site: Site, x: float, y: float) -> None:
    rail = darker(site.lit(site.paint.roof), 0.25)
    site.canvas.rect(x - 48, y, x + 48, y + 7, site.lit(site.paint.trim))
    for step in range(13):
        site.canvas.rect(x - 47 + step * 7.7, y - 28, x - 45 + step * 7.7, y, rail)
    site.canvas.rect(x - 48, y - 31, x + 48, y - 27, rail)
    if site.season.flowers and site.chance.random() < 0.6:
        for step in range(5):
            site.canvas.disc(x - 34 + step * 9, y - 31, 7, site.lit(rgb("5B9A5F")))
            site.canvas.disc(x - 34 + step * 9, y - 35, 3, site.lit(site.season.flowers[step % 2]))


def loft(site: Site, bedrooms: int) -> None:
    """A brick factory of old with wide windows."""
    shadow(site, 290, 910)
    brick = site.chance.choice([rgb("B5614A"), rgb("8E4F46"), rgb("C58A63"), rgb("6E5A57")])
    floors = 3 if bedrooms < 3 else 4
    top = FOOT - 40 - floors * 112
    wall(site, 290, top, 910, FOOT, brick)
    bricks(site, 290, top, 910, FOOT, brick)
    for x in (290, 490, 690, 890):
        site.canvas.rect(x, top, x + 20, FOOT, darker(site.lit(brick), 0.14))
    for floor in range(floors):
        for column in range(3):
            x, y = 328 + column * 200, FOOT - 122 - floor * 112
            if floor == 0 and column == 1:
                continue
            window(site, x, y, 62, 84)
            window(site, x + 74, y, 62, 84)
    _cornice(site, 290, 910, top)
    _water_tower(site, 400, top - 30)
    door(site, 600, 84, 100)
    _awning(site, 600, FOOT - 112, 80)


def _awning(site: Site, x: float, y: float, half: float) -> None:
    for step in range(8):
        shade = site.lit(site.paint.door if step % 2 == 0 else site.paint.trim)
        a, b = -half + step * half / 4, -half + (step + 1) * half / 4
        site.canvas.poly(
            [(x + a * 0.85, y - 24), (x + b * 0.85, y - 24), (x + b, y + 6), (x + a, y + 6)], shade
        )
        site.canvas.oval(x + (a + b) / 2, y + 6, half / 8, 7, shade)


def _water_tower(site: Site, x: float, foot: float) -> None:
    wood = site.lit(rgb("9A7357"))
    for leg in (-20, 0, 20):
        site.canvas.line([(x + leg, foot - 42), (x + leg * 1.2, foot + 2)], darker(wood, 0.4), 4)
    site.canvas.rect(x - 30, foot - 92, x + 30, foot - 38, wood)
    site.canvas.rect(x + 12, foot - 92, x + 30, foot - 38, darker(wood, 0.15))
    site.canvas.poly([(x - 36, foot - 91), (x, foot - 120), (x + 36, foot - 91)], site.lit(site.paint.roof))


def _cornice(site: Site, left: float, right: float, top: float) -> None:
    trim = site.lit(darker(site.paint.roof, 0.05))
    site.canvas.rect(left - 3, top - 22, right + 3, top + 8, trim)
    site.canvas.rect(left - 8, top - 30, right + 8, top - 20, lighter(trim, 0.15))
    for step in range(11):
        x = left + 8 + step * (right - left - 24) / 10
        site.canvas.rect(x, top + 6, x + 8, top + 18, trim)
    if site.season.snow:
        site.canvas.round(left - 8, top - 38, right + 8, top - 27, 5, SNOW)

"""What stands around a home: the sky and its hour, hills, trees, clouds, water, flowers and snow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from hometrip.app.drawing.canvas import Canvas, Colour, darker, lighter, mix, rgb

HORIZON = 520


@dataclass(frozen=True)
class Hour:
    """The colours of a time of day: sky from top to bottom, hills from far to near, ground, sun."""

    sky: tuple[Colour, Colour]
    hills: tuple[Colour, Colour]
    ground: Colour
    sun: Colour
    dark: bool = False


def _hour(top: str, bottom: str, far: str, near: str, ground: str, sun: str, dark: bool = False) -> Hour:
    return Hour((rgb(top), rgb(bottom)), (rgb(far), rgb(near)), rgb(ground), rgb(sun), dark)


MORNING = _hour("8CCBE6", "FDEBD3", "B5D3C5", "86B79A", "9CC781", "FFF3C9")
NOON = _hour("57AEE4", "DDF2FA", "A2D0B4", "71B181", "8AC266", "FFF6D8")
GOLDEN = _hour("F0946B", "FFE0AE", "C99A8F", "A07F7F", "A9A866", "FFF0C0")
DUSK = _hour("3B4A86", "F2A48F", "6D6796", "4B5079", "587A68", "FFD9B0", dark=True)
NIGHT = _hour("131C42", "40598E", "2F4270", "263659", "35574F", "F5F1DC", dark=True)
HOURS = (MORNING, NOON, NOON, MORNING, GOLDEN, DUSK, NIGHT)


@dataclass(frozen=True)
class Season:
    leaves: tuple[Colour, ...]
    flowers: tuple[Colour, ...] = ()
    snow: bool = False


SPRING = Season(
    tuple(map(rgb, ("8FC46B", "F3B6C4", "A8CF7A", "F7CDD3"))), tuple(map(rgb, ("F48FB1", "FFD54F", "FFFFFF")))
)
SUMMER = Season(
    tuple(map(rgb, ("4F9A58", "65AC5E", "3F8A60"))), tuple(map(rgb, ("EF6A5A", "FFC94D", "B48BE0")))
)
AUTUMN = Season(tuple(map(rgb, ("E0873A", "D9A441", "C4562F", "8E9E4A"))))
WINTER = Season(tuple(map(rgb, ("C9D8E2", "DCE7EE", "B7CAD8"))), snow=True)
SEASONS = (SPRING, SUMMER, SUMMER, AUTUMN, WINTER)
_SNOW = rgb("F4F8FC")


def ground_of(hour: Hour, season: Season) -> Colour:
    if season.snow:
        return mix(_SNOW, hour.hills[0], 0.45 if hour.dark else 0.08)
    return mix(hour.ground, rgb("D2A95C"), 0.35) if season is AUTUMN else hour.ground


def sky(canvas: Canvas, hour: Hour, chance: Random) -> None:
    canvas.fade(0, 0, canvas.width, HORIZON + 60, *hour.sky)
    if hour.dark:
        for _ in range(70 if hour is NIGHT else 22):
            canvas.disc(
                chance.uniform(0, 1200), chance.uniform(0, 330), chance.uniform(0.7, 1.9), rgb("FFFFFF"), 190
            )
    x, y = chance.choice([150, 240, 950, 1060]), chance.uniform(95, 180)
    if hour in (GOLDEN, DUSK):
        y += 190
    canvas.glow(x, y, 190, hour.sun, 14)
    canvas.disc(x, y, 48, hour.sun)
    if hour is NIGHT:
        canvas.disc(x + 18, y - 8, 42, mix(*hour.sky, 0.3))
    for _ in range(chance.randint(2, 5)):
        _cloud(
            canvas, chance.uniform(40, 1160), chance.uniform(50, 290), chance.uniform(0.6, 1.25), hour, chance
        )


def _cloud(canvas: Canvas, x: float, y: float, size: float, hour: Hour, chance: Random) -> None:
    white = mix(rgb("FFFFFF"), hour.sky[1], 0.75 if hour.dark else 0.12)
    alpha = 70 if hour.dark else 215
    wide = 95 * size
    canvas.round(x - wide, y - 17 * size, x + wide, y + 17 * size, 17 * size, white, alpha)
    canvas.arch(x - 55 * size, y - 48 * size, x + 12 * size, y - 16 * size, white, alpha)
    lift = chance.uniform(28, 38)
    canvas.arch(x + 14 * size, y - lift * size, x + 62 * size, y - 16 * size, white, alpha)


def hills(canvas: Canvas, hour: Hour, season: Season, chance: Random, mountains: bool = False) -> None:
    far, near = hour.hills
    if season.snow:
        far, near = mix(far, _SNOW, 0.35), mix(near, _SNOW, 0.3)
    if mountains:
        _mountains(canvas, hour, chance)
    for colour, base, tall in ((far, 430, 70), (near, 490, 50)):
        a, b, c = (chance.uniform(0, 6.28) for _ in range(3))
        ridge = [
            (
                x,
                base
                - tall
                * (math.sin(x / 260 + a) * 0.6 + math.sin(x / 117 + b) * 0.25 + math.sin(x / 61 + c) * 0.1),
            )
            for x in range(-10, 1211, 15)
        ]
        canvas.poly([(-10, 640), *ridge, (1210, 640)], colour)
        for _ in range(26):
            x, y = ridge[chance.randrange(len(ridge))]
            tree = darker(colour, 0.13)
            canvas.poly([(x - 8, y + 12), (x, y - 18), (x + 8, y + 12)], tree)


def _mountains(canvas: Canvas, hour: Hour, chance: Random) -> None:
    rock = mix(hour.hills[0], hour.sky[0], 0.45)
    for top in sorted(chance.uniform(190, 300) for _ in range(4)):
        x, half = chance.uniform(40, 1160), chance.uniform(210, 300)
        canvas.poly([(x - half, 500), (x, top), (x + half, 500)], rock)
        canvas.poly([(x, top), (x + half, 500), (x + half * 0.15, 500)], darker(rock, 0.12))
        side = 70 / (500 - top) * half
        cap = [
            (x - side, top + 70),
            (x, top),
            (x + side, top + 70),
            (x + side * 0.4, top + 52),
            (x, top + 78),
        ]
        canvas.poly([*cap, (x - side * 0.45, top + 55)], mix(_SNOW, hour.sky[1], 0.25))


def meadow(canvas: Canvas, hour: Hour, season: Season, chance: Random) -> None:
    ground = ground_of(hour, season)
    rise = chance.uniform(-14, 14)
    edge = [(x, HORIZON + 14 + rise * math.sin(x / 330)) for x in range(0, 1201, 40)]
    canvas.poly([(0, 800), *edge, (1200, 800)], ground)
    canvas.poly(
        [
            (0, 800),
            (0, 690),
            *[(x, 700 + 14 * math.sin(x / 210 + rise)) for x in range(0, 1201, 40)],
            (1200, 800),
        ],
        darker(ground, 0.07),
    )
    for _ in range(90):
        x, y = chance.uniform(0, 1200), chance.uniform(560, 795)
        canvas.line(
            [(x, y), (x + chance.uniform(-4, 4), y - chance.uniform(6, 12))], darker(ground, 0.16), 1.6, 150
        )


def flowers(canvas: Canvas, hour: Hour, season: Season, chance: Random) -> None:
    for _ in range(75 if season.flowers else 0):
        x, y = chance.uniform(0, 1200), chance.uniform(668, 792)
        if 470 < x < 730:
            continue
        size = 2.4 + (y - 660) / 45
        petal = darker(chance.choice(season.flowers), 0.4 if hour.dark else 0.0)
        canvas.line([(x, y), (x, y + size * 3)], darker(hour.ground, 0.3), 1.6)
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            canvas.disc(x + dx * size * 0.8, y + dy * size * 0.8, size * 0.75, petal)
        canvas.disc(x, y, size * 0.6, rgb("FFE9A8"))


def falling_snow(canvas: Canvas, season: Season, chance: Random) -> None:
    for _ in range(130 if season.snow else 0):
        canvas.disc(
            chance.uniform(0, 1200), chance.uniform(0, 800), chance.uniform(1.4, 3.8), rgb("FFFFFF"), 200
        )


def tree(
    canvas: Canvas, x: float, foot: float, tall: float, hour: Hour, season: Season, chance: Random
) -> None:
    """A round tree, a poplar or a fir, as chance has it."""
    leaf = darker(chance.choice(season.leaves), 0.42 if hour.dark else 0.0)
    canvas.oval(x, foot, tall * 0.24, tall * 0.035, darker(ground_of(hour, season), 0.5), 90)
    kind = chance.random()
    if kind < 0.3:
        fir(canvas, x, foot, tall, hour, season)
    elif kind < 0.45:
        trunk = darker(rgb("8A6246"), 0.3 if hour.dark else 0.0)
        canvas.rect(x - tall * 0.02, foot - tall * 0.3, x + tall * 0.02, foot, trunk)
        canvas.oval(x, foot - tall * 0.56, tall * 0.13, tall * 0.44, leaf)
        canvas.oval(x - tall * 0.03, foot - tall * 0.6, tall * 0.07, tall * 0.34, lighter(leaf, 0.13))
    else:
        _round_tree(canvas, x, foot, tall, leaf, hour)


def _round_tree(canvas: Canvas, x: float, foot: float, tall: float, leaf: Colour, hour: Hour) -> None:
    trunk = darker(rgb("8A6246"), 0.3 if hour.dark else 0.0)
    canvas.poly(
        [
            (x - tall * 0.035, foot),
            (x - tall * 0.02, foot - tall * 0.5),
            (x + tall * 0.02, foot - tall * 0.5),
            (x + tall * 0.035, foot),
        ],
        trunk,
    )
    canvas.line([(x, foot - tall * 0.35), (x + tall * 0.12, foot - tall * 0.52)], trunk, tall * 0.02)
    for dx, dy, size in ((-0.17, 0.55, 0.19), (0.18, 0.56, 0.18), (0.0, 0.74, 0.25), (0.02, 0.54, 0.22)):
        canvas.disc(x + dx * tall, foot - dy * tall, size * tall, leaf)
    for dx, dy, size in ((-0.19, 0.6, 0.11), (-0.06, 0.8, 0.14), (0.12, 0.62, 0.08)):
        canvas.disc(x + dx * tall, foot - dy * tall, size * tall, lighter(leaf, 0.16))


def fir(canvas: Canvas, x: float, foot: float, tall: float, hour: Hour, season: Season) -> None:
    green = darker(rgb("3F7A5C"), 0.45 if hour.dark else 0.0)
    canvas.rect(x - tall * 0.025, foot - tall * 0.16, x + tall * 0.025, foot, darker(rgb("7A563E"), 0.2))
    for low, high, half in ((0.12, 0.55, 0.23), (0.33, 0.76, 0.185), (0.56, 1.0, 0.13)):
        canvas.poly(
            [
                (x - half * tall, foot - low * tall),
                (x, foot - high * tall),
                (x + half * tall, foot - low * tall),
            ],
            green,
        )
        shade = [
            (x, foot - high * tall),
            (x + half * tall, foot - low * tall),
            (x + half * tall * 0.2, foot - low * tall),
        ]
        canvas.poly(shade, darker(green, 0.16))
        if season.snow:
            a, drop = half * 0.42, (high - low) * 0.42
            cap = [
                (x - a * tall, foot - (high - drop) * tall),
                (x, foot - high * tall),
                (x + a * tall, foot - (high - drop) * tall),
            ]
            canvas.poly(
                [
                    *cap,
                    (x + a * tall * 0.3, foot - (high - drop * 0.75) * tall),
                    (x - a * tall * 0.3, foot - (high - drop * 1.15) * tall),
                ],
                mix(_SNOW, hour.sky[1], 0.2),
            )


def palm(canvas: Canvas, x: float, foot: float, tall: float, hour: Hour) -> None:
    trunk, leaf = (darker(rgb(c), 0.35 if hour.dark else 0.0) for c in ("A57E58", "4E9A63"))
    top_x, top_y = x + tall * 0.1, foot - tall
    canvas.line([(x, foot), (x + tall * 0.02, foot - tall * 0.5), (top_x, top_y)], trunk, tall * 0.045)
    for turn in (-0.35, 0.15, 0.6, 2.5, 3.0, 3.5, 1.2, 1.95):
        reach = tall * 0.42
        end = (top_x + reach * math.cos(turn), top_y - reach * 0.45 * math.sin(turn) + reach * 0.22)
        bend = (top_x + reach * 0.5 * math.cos(turn), top_y - reach * 0.55 * math.sin(turn) - reach * 0.16)
        under = (bend[0], bend[1] + reach * 0.2)
        canvas.poly([(top_x, top_y), bend, end, under], leaf if turn < 2 else darker(leaf, 0.14))


def bush(
    canvas: Canvas, x: float, foot: float, size: float, hour: Hour, season: Season, chance: Random
) -> None:
    green = darker(rgb("5B9A5F") if not season.snow else rgb("C4D5DF"), 0.42 if hour.dark else 0.0)
    for dx, lift, radius in ((-0.8, 0.35, 0.6), (0.8, 0.35, 0.6), (0, 0.6, 0.85)):
        canvas.arch(
            x + (dx - radius) * size, foot - (lift + radius) * size, x + (dx + radius) * size, foot, green
        )
    canvas.disc(x - size * 0.25, foot - size * 0.85, size * 0.35, lighter(green, 0.13))
    for _ in range(9 if season.flowers else 0):
        petal = darker(season.flowers[0], 0.35 if hour.dark else 0.0)
        canvas.disc(
            x + chance.uniform(-1, 1) * size, foot - chance.uniform(0.2, 1.0) * size, size * 0.09, petal
        )


def pool(canvas: Canvas, hour: Hour) -> None:
    water = darker(rgb("4FC0DA"), 0.35 if hour.dark else 0.0)
    edge = darker(rgb("EFE6D6"), 0.35 if hour.dark else 0.0)
    canvas.poly([(745, 690), (1105, 690), (1190, 780), (765, 780)], edge)
    canvas.poly([(764, 699), (1092, 699), (1160, 770), (783, 770)], water)
    canvas.poly([(764, 699), (1092, 699), (1099, 707), (766, 707)], darker(water, 0.25))
    for x, y, wide in ((820, 722, 70), (960, 735, 90), (850, 752, 110), (1040, 756, 60)):
        canvas.round(x, y, x + wide, y + 3.5, 2, lighter(water, 0.55), 190)

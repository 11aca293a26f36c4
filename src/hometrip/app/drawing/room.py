"""An empty room: its walls and floor, its colours, what is seen from it, and the light that falls in."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from hometrip.app.drawing.canvas import Canvas, Colour, darker, lighter, rgb

FLOOR = 585
LEAF = rgb("4F8F63")


@dataclass(frozen=True)
class Taste:
    """The colours of a room, which go together."""

    wall: Colour
    floor: Colour
    main: Colour
    accent: Colour
    wood: Colour


def _taste(*hexadecimals: str) -> Taste:
    return Taste(*map(rgb, hexadecimals))


_TASTES = (
    _taste("EFE4D2", "C99B6D", "3F6C7A", "E07A5F", "8A5A3C"),
    _taste("CFDDD4", "D8B58C", "E8A15B", "2F5D57", "9B6B46"),
    _taste("F3DCD2", "B98A66", "7C9A82", "B5476A", "6E4A36"),
    _taste("D6E2EA", "C2A484", "34507A", "F2B134", "A97C57"),
    _taste("F5EBCF", "A9794F", "C4583F", "3D7A7A", "7A4F35"),
    _taste("42545E", "B88E66", "D9A441", "E9DCC9", "8F6446"),
    _taste("E6DDE8", "CDB094", "7D6B9C", "E9A03B", "8A624A"),
    _taste("BCD1C0", "9C7350", "F4EADB", "D1495B", "6B4A36"),
)
_VIEWS = (
    ("7CC3EA", "E3F4FB", "8DBB7C", False),
    ("F5A877", "FFE3B8", "9A8B6A", False),
    ("9CCBE0", "FBEBD5", "A8C48C", False),
    ("1B2550", "51699C", "2E4457", True),
    ("BFD6E4", "F2F7FA", "EEF4F7", False),
)


@dataclass(frozen=True)
class Room:
    canvas: Canvas
    chance: Random
    taste: Taste
    dark: bool
    view: tuple[Colour, Colour, Colour]


def empty_room(canvas: Canvas, chance: Random, day: Random) -> Room:
    taste = chance.choice(_TASTES)
    top, bottom, land, dark = day.choice(_VIEWS)
    shade = 0.22 if dark else 0.0
    seen = Taste(
        *(darker(tone, shade) for tone in (taste.wall, taste.floor, taste.main, taste.accent, taste.wood))
    )
    room = Room(canvas, chance, seen, dark, (rgb(top), rgb(bottom), rgb(land)))
    canvas.fade(0, 0, 1200, FLOOR, lighter(seen.wall, 0.1), seen.wall)
    style = chance.random()
    if style < 0.3:
        for x in range(0, 1200, 60):
            canvas.rect(x, 0, x + 30, FLOOR, darker(seen.wall, 0.05), 130)
    elif style < 0.65:
        canvas.rect(0, 390, 1200, FLOOR, lighter(seen.wall, 0.4))
        canvas.rect(0, 384, 1200, 394, lighter(seen.wall, 0.65))
        for x in range(20, 1200, 145):
            canvas.rect(x, 420, x + 115, 550, darker(lighter(seen.wall, 0.4), 0.06))
            canvas.rect(x + 4, 424, x + 115, 550, lighter(seen.wall, 0.45))
    canvas.fade(0, FLOOR, 1200, 800, darker(seen.floor, 0.1), lighter(seen.floor, 0.08))
    for row, y in enumerate((FLOOR, 612, 646, 690, 744)):
        canvas.line([(0, y), (1200, y)], darker(seen.floor, 0.18), 1.6)
        for step in range(7):
            x = step * 190 + row * 73 % 190
            canvas.line([(x, y), (x - 6 + (x - 600) * 0.03, y + 26 + row * 9)], darker(seen.floor, 0.18), 1.6)
    canvas.rect(0, FLOOR - 20, 1200, FLOOR + 2, lighter(seen.wall, 0.6))
    canvas.rect(0, FLOOR + 2, 1200, FLOOR + 8, darker(seen.floor, 0.35), 130)
    return room


def finish(room: Room) -> None:
    if not room.dark:
        room.canvas.poly([(520, 400), (740, 400), (980, 800), (640, 800)], rgb("FFF4D2"), 22)
    if room.chance.random() < 0.5:
        room.canvas.mirror()

"""The inside of a home: a living room, a bedroom, a kitchen, furnished by chance and by what the home has."""

from __future__ import annotations

from random import Random

from hometrip.app.drawing import cooking, furniture
from hometrip.app.drawing.canvas import Canvas
from hometrip.app.drawing.room import empty_room, finish


def living_room(canvas: Canvas, amenities: frozenset[str], chance: Random, day: Random) -> None:
    room = empty_room(canvas, chance, day)
    furniture.pictures(room, 110, 190)
    furniture.window(room, 490, 130, 260, 270)
    if "fireplace" in amenities:
        furniture.fireplace(room, 905)
    elif "tv" in amenities and chance.random() < 0.6:
        furniture.television(room, 960)
    else:
        furniture.shelves(room, 860)
    furniture.rug(room, 560, 705, 390)
    furniture.floor_lamp(room, 95)
    furniture.sofa(room, 150)
    furniture.table(room, 590, 690)
    furniture.plant(room, 792, 612, chance.uniform(1.0, 1.3))
    finish(room)


def bedroom(canvas: Canvas, amenities: frozenset[str], chance: Random, day: Random) -> None:
    room = empty_room(canvas, chance, day)
    left = chance.random() < 0.5
    furniture.window(room, 770, 120, 270, 300)
    furniture.rug(room, 500, 735, 420)
    if "dedicated_workspace" in amenities and left:
        furniture.desk(room, 800)
    else:
        furniture.plant(room, 1085, 625, chance.uniform(1.2, 1.5))
    furniture.pictures(room, 300, 130)
    furniture.bed(room, 190, 560)
    for x in (92, 640):
        furniture.night_table(room, x)
    finish(room)


def kitchen(canvas: Canvas, amenities: frozenset[str], chance: Random, day: Random) -> None:
    room = empty_room(canvas, chance, day)
    cooking.tiles(room)
    furniture.window(room, 500, 150, 220, 210)
    cooking.cupboards(room)
    cooking.stove(room, 800)
    cooking.fridge(room, 1010)
    for x in (330, 600, 870):
        cooking.hanging_lamp(room, x)
    cooking.dining(room)
    finish(room)

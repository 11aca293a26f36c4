"""What stands and hangs in kitchens."""

from __future__ import annotations

from hometrip.app.drawing.canvas import darker, lighter, rgb
from hometrip.app.drawing.room import FLOOR, LEAF, Room


def tiles(room: Room) -> None:
    tile = lighter(room.taste.main, 0.7)
    room.canvas.rect(40, 300, 1000, 450, tile)
    for row in range(5):
        for column in range(25):
            if room.chance.random() < 0.4:
                left, top = 40 + column * 38.4, 300 + row * 30
                tone = room.chance.choice(
                    [lighter(tile, 0.5), darker(tile, 0.07), lighter(room.taste.accent, 0.7)]
                )
                room.canvas.rect(left + 1.5, top + 1.5, left + 36.9, top + 28.5, tone)


def cupboards(room: Room) -> None:
    canvas, front = room.canvas, room.taste.main
    for x in (40, 160, 280, 790, 895):
        if x < 400 or room.chance.random() < 0.6:
            canvas.rect(x, 110, x + (112 if x < 700 else 98), 290, front)
            canvas.rect(x + 10, 120, x + (102 if x < 700 else 88), 280, lighter(front, 0.1))
            canvas.round(x + 86, 240, x + 91, 268, 2, rgb("F2D38B"))
    canvas.rect(40, 464, 1000, FLOOR + 20, front)
    for x in range(40, 1000, 120):
        canvas.rect(x + 8, 476, x + 112, FLOOR + 4, lighter(front, 0.1))
        canvas.round(x + 40, 486, x + 80, 491, 2, rgb("F2D38B"))
    canvas.rect(30, 446, 1010, 466, lighter(room.taste.wood, 0.3))
    canvas.round(560, 440, 670, 452, 5, rgb("9AA5AF"))
    canvas.line([(612, 446), (612, 396), (640, 392), (642, 412)], rgb("9AA5AF"), 7)
    for x, tall, tone in ((90, 62, room.taste.accent), (126, 46, rgb("FBF6EA")), (156, 54, room.taste.wood)):
        canvas.round(x, 446 - tall, x + 28, 446, 7, tone)
    canvas.round(360, 424, 452, 446, 12, rgb("FBF6EA"))
    for dx, peel in ((14, "E8743B"), (40, "E9B44C"), (66, "8DB255"), (28, "D1495B"), (54, "F0A04B")):
        canvas.disc(366 + dx, 416 if dx not in (28, 54) else 402, 14, rgb(peel))


def stove(room: Room, x: float) -> None:
    canvas = room.canvas
    canvas.rect(x, 452, x + 150, FLOOR + 20, rgb("D5DADF"))
    canvas.rect(x + 14, 506, x + 136, FLOOR, rgb("343A45"))
    canvas.rect(x + 14, 492, x + 136, 498, rgb("8B95A0"))
    for dx in (30, 60, 90, 120):
        canvas.disc(x + dx, 474, 6, rgb("4A515D"))
    canvas.rect(x, 440, x + 150, 453, rgb("2E333D"))
    canvas.round(x + 22, 396, x + 96, 442, 9, room.taste.accent)
    canvas.round(x + 16, 390, x + 102, 401, 5, darker(room.taste.accent, 0.2))
    canvas.poly(
        [(x - 6, 290), (x + 40, 220), (x + 40, 0), (x + 110, 0), (x + 110, 220), (x + 156, 290)],
        rgb("C8CED4"),
    )


def fridge(room: Room, x: float) -> None:
    canvas, tone = room.canvas, lighter(room.taste.accent, 0.25)
    canvas.round(x, 170, x + 165, FLOOR + 24, 22, tone)
    canvas.rect(x, 318, x + 165, 323, darker(tone, 0.25))
    for y, tall in ((240, 56), (350, 90)):
        canvas.round(x + 16, y, x + 24, y + tall, 4, rgb("F3F1EA"))
    for dx, dy, shade in ((90, 215, "FFF6D6"), (118, 250, "CDE7F0"), (80, 262, "F7CDD3")):
        canvas.rect(x + dx, dy, x + dx + 30, dy + 26, rgb(shade))


def hanging_lamp(room: Room, x: float) -> None:
    canvas = room.canvas
    canvas.line([(x, 0), (x, 92)], rgb("3B3F4A"), 3)
    canvas.glow(x, 140, 130 if room.dark else 60, rgb("FFE3A3"), 10 if room.dark else 4)
    canvas.arch(x - 40, 90, x + 40, 132, room.taste.accent)
    canvas.oval(x, 132, 17, 8, rgb("FFF3CF"))


def dining(room: Room) -> None:
    canvas, wood = room.canvas, room.taste.wood
    canvas.oval(560, 790, 380, 20, rgb("1E2233"), 50)
    for x in (330, 560, 790):
        seat = lighter(room.taste.accent, 0.12)
        canvas.round(x - 44, 560, x + 44, 640, 16, darker(seat, 0.1))
        canvas.round(x - 38, 566, x + 38, 630, 12, seat)
    for x in (290, 820):
        canvas.rect(x, 690, x + 18, 800, darker(wood, 0.3))
    canvas.poly([(270, 650), (850, 650), (900, 704), (220, 704)], lighter(wood, 0.16))
    canvas.rect(220, 704, 900, 722, darker(wood, 0.16))
    for x in (360, 560, 760):
        canvas.oval(x, 674, 44, 11, rgb("FBF6EA"))
        canvas.oval(x, 673, 29, 7, darker(rgb("FBF6EA"), 0.06))
    canvas.round(446, 610, 476, 668, 9, lighter(room.taste.main, 0.3))
    for dx, dy in ((-18, 570), (0, 556), (18, 572), (-6, 584), (10, 586)):
        canvas.line([(461, 614), (461 + dx, dy)], LEAF, 3)
        canvas.disc(461 + dx, dy, 10, room.chance.choice([room.taste.accent, rgb("F6C667"), rgb("FFFDF7")]))

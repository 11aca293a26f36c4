"""What stands and hangs in living rooms and bedrooms."""

from __future__ import annotations

from hometrip.app.drawing.canvas import darker, lighter, mix, rgb
from hometrip.app.drawing.room import FLOOR, LEAF, Room


def window(room: Room, x: float, y: float, wide: float, tall: float) -> None:
    canvas, taste = room.canvas, room.taste
    white = rgb("FDFBF5") if not room.dark else rgb("C9CBD6")
    canvas.rect(x - 14, y - 14, x + wide + 14, y + tall + 14, white)
    canvas.fade(x, y, x + wide, y + tall, room.view[0], room.view[1])
    if room.dark:
        canvas.disc(x + wide * 0.72, y + tall * 0.22, 17, rgb("F7F1D8"))
        for _ in range(12):
            canvas.disc(
                x + room.chance.uniform(6, wide - 6), y + room.chance.uniform(6, tall * 0.5), 1.6, white
            )
    far = mix(room.view[2], room.view[1], 0.45)
    for land, rise in ((far, 0.62), (room.view[2], 0.76)):
        bends = [
            (x + wide * step / 6, y + tall * (rise + room.chance.uniform(-0.06, 0.06))) for step in range(7)
        ]
        canvas.poly([(x, y + tall), *bends, (x + wide, y + tall)], land)
    for _ in range(4):
        tree_x, foot = x + room.chance.uniform(20, wide - 20), y + tall * 0.9
        canvas.rect(tree_x - 2, foot - 30, tree_x + 2, foot, darker(room.taste.wood, 0.2))
        canvas.disc(tree_x, foot - 38, room.chance.uniform(13, 19), darker(room.view[2], 0.25))
    canvas.rect(x + wide / 2 - 4, y, x + wide / 2 + 4, y + tall, white)
    canvas.rect(x, y + tall * 0.36, x + wide, y + tall * 0.36 + 7, white)
    canvas.rect(x - 26, y + tall + 10, x + wide + 26, y + tall + 24, darker(white, 0.06))
    if room.chance.random() < 0.75:
        curtains(room, x, y, wide, tall)
    else:
        canvas.rect(x, y, x + wide, y + tall * 0.2, lighter(taste.accent, 0.5), 235)


def curtains(room: Room, x: float, y: float, wide: float, tall: float) -> None:
    canvas, cloth = room.canvas, lighter(room.taste.accent, 0.55)
    canvas.round(x - 80, y - 40, x + wide + 80, y - 31, 4, darker(room.taste.wood, 0.2))
    for side in (-1, 1):
        edge = x - 66 if side < 0 else x + wide + 66
        inner = edge - side * 88
        canvas.poly(
            [(edge, y - 36), (inner, y - 36), (inner + side * 26, y + tall + 60), (edge, y + tall + 60)],
            cloth,
        )
        for step in (0.25, 0.5, 0.75):
            top, low = edge - side * 88 * step, edge - side * 62 * step
            canvas.line([(top, y - 34), (low, y + tall + 58)], darker(cloth, 0.12), 3)


def pictures(room: Room, x: float, y: float) -> None:
    canvas, taste = room.canvas, room.taste
    layouts = (
        ((0, 0, 130, 160), (150, 20, 95, 120)),
        ((0, 10, 90, 115), (105, 0, 90, 115), (210, 10, 90, 115)),
        ((20, 0, 220, 145),),
    )
    for dx, dy, wide, tall in room.chance.choice(layouts):
        left, top = x + dx, y + dy
        canvas.rect(left + 5, top + 7, left + wide + 5, top + tall + 7, rgb("1E2233"), 40)
        canvas.rect(
            left, top, left + wide, top + tall, room.chance.choice([taste.wood, rgb("2E3440"), rgb("FFFDF7")])
        )
        canvas.rect(left + 7, top + 7, left + wide - 7, top + tall - 7, rgb("FBF6EA"))
        box = (left + 18, top + 18, left + wide - 18, top + tall - 18)
        canvas.fade(*box, lighter(taste.main, 0.55), lighter(taste.accent, 0.65))
        canvas.disc(
            (box[0] + box[2]) / 2,
            top + tall * 0.42,
            min(wide, tall) * 0.14,
            room.chance.choice([taste.accent, rgb("F6C667")]),
        )
        for share, tone in ((0.56, lighter(taste.main, 0.3)), (0.7, taste.main)):
            ridge = [
                (
                    box[0] + (box[2] - box[0]) * step / 5,
                    top + tall * (share + room.chance.uniform(-0.07, 0.05)),
                )
                for step in range(6)
            ]
            canvas.poly([(box[0], box[3]), *ridge, (box[2], box[3])], tone)


def rug(room: Room, x: float, y: float, half: float) -> None:
    tone = lighter(room.taste.accent, 0.45)
    if room.chance.random() < 0.5:
        for share, shade in (
            (1.0, tone),
            (0.86, lighter(tone, 0.5)),
            (0.8, tone),
            (0.5, lighter(tone, 0.35)),
        ):
            room.canvas.oval(x, y, half * share, 80 * share, shade)
        return
    room.canvas.poly(
        [(x - half * 0.86, y - 72), (x + half * 0.86, y - 72), (x + half, y + 72), (x - half, y + 72)], tone
    )
    for step in range(5):
        top = y - 56 + step * 27
        wide = half * (0.87 + step * 0.027)
        room.canvas.poly(
            [(x - wide, top), (x + wide, top), (x + wide + 2, top + 9), (x - wide - 2, top + 9)],
            lighter(tone, 0.45) if step % 2 else room.taste.main,
            200,
        )


def sofa(room: Room, x: float) -> None:
    canvas, cloth = room.canvas, room.taste.main
    wide = 480
    canvas.oval(x + wide / 2, 672, wide * 0.55, 16, rgb("1E2233"), 55)
    for leg in (40, wide - 52):
        canvas.rect(x + leg, 645, x + leg + 12, 676, room.taste.wood)
    canvas.round(x + 18, 440, x + wide - 18, 610, 34, darker(cloth, 0.1))
    canvas.round(x + 30, 548, x + wide - 30, 652, 14, cloth)
    for left, right in ((34, wide / 2 - 3), (wide / 2 + 3, wide - 34)):
        canvas.round(x + left, 540, x + right, 596, 18, lighter(cloth, 0.12))
        canvas.round(x + left + 4, 454, x + right - 4, 545, 24, cloth)
    for left in (-8, wide - 62):
        canvas.round(x + left, 500, x + left + 70, 655, 30, darker(cloth, 0.04))
        canvas.round(x + left + 6, 506, x + left + 58, 540, 20, lighter(cloth, 0.1))
    for at, tone in (
        (78, room.taste.accent),
        (128, lighter(room.taste.accent, 0.5)),
        (wide - 150, lighter(room.taste.floor, 0.5)),
    ):
        canvas.poly([(x + at, 560), (x + at + 10, 484), (x + at + 84, 490), (x + at + 80, 562)], tone)
        canvas.line([(x + at + 16, 522), (x + at + 78, 526)], darker(tone, 0.12), 3)


def table(room: Room, x: float, y: float) -> None:
    canvas, wood = room.canvas, room.taste.wood
    for dx in (-84, 76):
        canvas.poly(
            [(x + dx, y), (x + dx + 10, y), (x + dx * 1.12 + 6, y + 70), (x + dx * 1.12, y + 70)],
            darker(wood, 0.2),
        )
    canvas.oval(x, y + 5, 118, 25, darker(wood, 0.25))
    canvas.oval(x, y - 2, 118, 25, lighter(wood, 0.14))
    canvas.round(x - 62, y - 20, x + 2, y - 11, 2, room.taste.accent)
    canvas.round(x - 56, y - 28, x - 4, y - 19, 2, lighter(room.taste.main, 0.3))
    canvas.round(x + 32, y - 34, x + 58, y - 4, 7, rgb("FBF6EA"))
    for dx, dy in ((-8, -62), (4, -74), (16, -60)):
        canvas.line([(x + 45, y - 30), (x + 45 + dx, y + dy)], LEAF, 2.5)
        canvas.disc(x + 45 + dx, y + dy, 8, lighter(room.taste.accent, 0.15))


def floor_lamp(room: Room, x: float) -> None:
    canvas = room.canvas
    canvas.glow(x, 300, 190 if room.dark else 110, rgb("FFE3A3"), 10 if room.dark else 4)
    canvas.line([(x, 330), (x, 640)], rgb("3B3F4A"), 5)
    canvas.oval(x, 642, 34, 8, rgb("3B3F4A"))
    canvas.poly(
        [(x - 32, 262), (x + 32, 262), (x + 56, 345), (x - 56, 345)],
        rgb("FFEFC4") if room.dark else rgb("FBF1DA"),
    )


def plant(room: Room, x: float, foot: float, size: float) -> None:
    canvas, chance = room.canvas, room.chance
    pot = lighter(room.taste.accent, 0.1)
    leaf = darker(LEAF, 0.25 if room.dark else 0.0)
    top = foot - 62 * size
    canvas.oval(x, foot + 2, 50 * size, 9, rgb("1E2233"), 60)
    for step in range(9):
        lean = (step - 4) * 24 * size + chance.uniform(-6, 6)
        rise = (178 - abs(step - 4) * 24) * size
        tip = (x + lean * 1.5, top - rise)
        bend = (x + lean * 0.5, top - rise * 0.62)
        shade = leaf if step % 2 else lighter(leaf, 0.16)
        canvas.poly(
            [(x, top + 6), (bend[0] - 15 * size, bend[1]), tip, (bend[0] + 17 * size, bend[1] + 8)], shade
        )
        canvas.line([(x, top + 6), bend, tip], darker(shade, 0.15), 1.8)
    canvas.poly(
        [(x - 42 * size, top), (x + 42 * size, top), (x + 31 * size, foot), (x - 31 * size, foot)], pot
    )
    canvas.rect(x - 46 * size, top - 6, x + 46 * size, top + 10 * size, darker(pot, 0.12))


def shelves(room: Room, x: float) -> None:
    canvas, chance, wood = room.canvas, room.chance, room.taste.wood
    canvas.rect(x, 170, x + 250, FLOOR + 30, darker(wood, 0.3))
    for row in range(4):
        y = 182 + row * 106
        canvas.rect(x + 10, y, x + 240, y + 92, darker(wood, 0.48))
        at = x + 16
        while at < x + 205:
            thick, tall = chance.uniform(11, 21), chance.uniform(52, 82)
            tone = chance.choice(
                [
                    room.taste.main,
                    room.taste.accent,
                    rgb("F4EADB"),
                    rgb("D9A441"),
                    lighter(room.taste.main, 0.4),
                ]
            )
            if chance.random() < 0.13:
                canvas.round(at + 4, y + 52, at + 34, y + 92, 10, lighter(room.taste.accent, 0.3))
                canvas.disc(at + 19, y + 42, 17, LEAF)
                at += 46
                continue
            canvas.rect(at, y + 92 - tall, at + thick, y + 92, darker(tone, 0.1))
            canvas.rect(at + 2, y + 92 - tall * 0.8, at + thick - 2, y + 92 - tall * 0.68, lighter(tone, 0.5))
            at += thick + 1.5
        canvas.rect(x, y + 92, x + 250, y + 104, wood)


def fireplace(room: Room, x: float) -> None:
    canvas = room.canvas
    white = darker(rgb("F6F0E4"), 0.2 if room.dark else 0.0)
    canvas.rect(x + 30, 0, x + 240, 350, lighter(room.taste.wall, 0.2))
    canvas.rect(x, 350, x + 270, FLOOR + 26, white)
    canvas.rect(x - 16, 336, x + 286, 360, room.taste.wood)
    canvas.arch(x + 55, 400, x + 215, FLOOR + 26, rgb("2A2528"))
    canvas.glow(x + 135, 560, 150, rgb("FFB35C"), 9)
    for half, tall, tone in ((52, 120, "E56B35"), (36, 88, "F59D3A"), (19, 52, "FFE08A")):
        foot = FLOOR + 16
        points = [(-1, 0), (-0.75, 0.45), (-0.35, 0.5), (-0.1, 1), (0.3, 0.55), (0.7, 0.6), (1, 0)]
        canvas.poly([(x + 135 + dx * half, foot - up * tall) for dx, up in points], rgb(tone))
    for turn in (-1, 1):
        canvas.line([(x + 135 - turn * 54, FLOOR + 20), (x + 135 + turn * 50, FLOOR + 4)], rgb("6B4632"), 14)
    canvas.disc(x + 135, 240, 66, room.taste.wood)
    canvas.disc(x + 135, 240, 56, mix(rgb("D7E8EE"), room.taste.wall, 0.35))
    for dx, tall in ((20, 44), (46, 30), (228, 50)):
        canvas.round(
            x + dx, 336 - tall, x + dx + 22, 336, 6, room.taste.accent if dx != 46 else room.taste.main
        )


def television(room: Room, x: float) -> None:
    canvas = room.canvas
    canvas.round(x - 140, 505, x + 140, 612, 8, room.taste.wood)
    for dx in (-132, 4):
        canvas.round(x + dx, 517, x + dx + 128, 600, 5, lighter(room.taste.wood, 0.12))
        canvas.disc(x + dx + 64, 530, 4, rgb("F2D38B"))
    canvas.round(x - 135, 300, x + 135, 468, 8, rgb("20242E"))
    canvas.fade(x - 127, 308, x + 127, 460, lighter(room.view[0], 0.1), darker(room.view[0], 0.5))
    canvas.poly(
        [(x - 127, 460), (x - 40, 380), (x + 20, 430), (x + 70, 372), (x + 127, 460)],
        darker(room.taste.main, 0.3),
    )
    canvas.rect(x - 8, 468, x + 8, 505, rgb("20242E"))


def bed(room: Room, x: float, wide: float) -> None:
    canvas, taste = room.canvas, room.taste
    right = x + wide - 150
    canvas.oval((x + right) / 2, 742, (right - x) * 0.58, 18, rgb("1E2233"), 60)
    style = room.chance.random()
    if style < 0.5:
        canvas.round(x - 12, 345, right + 12, 650, 26, taste.main)
        for step in range(1, 5):
            seam = x - 12 + step * (right - x + 24) / 5
            canvas.line([(seam, 352), (seam, 560)], darker(taste.main, 0.14), 3)
    else:
        canvas.arch(x - 12, 300, right + 12, 650, taste.wood)
        canvas.arch(x + 8, 322, right - 8, 650, lighter(taste.wood, 0.14))
    white = darker(rgb("FCFAF4"), 0.16 if room.dark else 0.0)
    canvas.poly([(x, 520), (right, 520), (right + 34, 700), (x - 34, 700)], white)
    for left in (x + 18, (x + right) / 2 + 8):
        canvas.round(left, 455, left + (right - x) / 2 - 30, 548, 26, darker(white, 0.05))
        canvas.round(left + 5, 458, left + (right - x) / 2 - 36, 538, 24, lighter(white, 0.5))
    canvas.round((x + right) / 2 - 66, 492, (x + right) / 2 + 66, 562, 20, taste.accent)
    quilt = lighter(taste.accent, 0.35) if style < 0.5 else taste.main
    canvas.poly([(x - 10, 580), (right + 10, 580), (right + 36, 722), (x - 36, 722)], quilt)
    canvas.poly([(x - 10, 580), (right + 10, 580), (right + 15, 604), (x - 15, 604)], lighter(quilt, 0.4))
    for step in range(1, 6):
        share = step / 6
        top, low = x - 14 + (right - x + 28) * share, x - 36 + (right - x + 72) * share
        canvas.line([(top, 606), (low, 720)], darker(quilt, 0.1), 2.5)
    throw = lighter(taste.floor, 0.35)
    canvas.poly([(x - 26, 660), (right + 26, 660), (right + 34, 706), (x - 34, 706)], throw)
    canvas.rect(x - 36, 720, right + 36, 738, taste.wood)


def night_table(room: Room, x: float) -> None:
    canvas, wood = room.canvas, room.taste.wood
    for leg in (8, 62):
        canvas.rect(x + leg, 630, x + leg + 8, 668, darker(wood, 0.3))
    canvas.round(x, 548, x + 78, 640, 6, wood)
    canvas.round(x + 8, 562, x + 70, 596, 3, lighter(wood, 0.14))
    canvas.disc(x + 39, 579, 4, rgb("F2D38B"))
    canvas.glow(x + 39, 470, 130 if room.dark else 70, rgb("FFE1A0"), 11 if room.dark else 4)
    canvas.rect(x + 35, 500, x + 43, 548, rgb("F2D38B"))
    canvas.poly([(x + 20, 448), (x + 58, 448), (x + 74, 504), (x + 4, 504)], rgb("FFF0C8"))


def desk(room: Room, x: float) -> None:
    canvas, wood = room.canvas, room.taste.wood
    for leg in (10, 276):
        canvas.rect(x + leg, 520, x + leg + 11, 680, darker(wood, 0.25))
    canvas.rect(x - 8, 508, x + 306, 524, lighter(wood, 0.1))
    canvas.poly([(x + 120, 508), (x + 108, 424), (x + 232, 424), (x + 224, 508)], rgb("3B4150"))
    canvas.poly([(x + 125, 500), (x + 115, 431), (x + 225, 431), (x + 218, 500)], rgb("BFE0EA"))
    canvas.round(x + 130, 570, x + 236, 596, 12, room.taste.main)
    canvas.round(x + 138, 450 + 70, x + 228, 572, 14, lighter(room.taste.main, 0.1))
    canvas.rect(x + 178, 596, x + 188, 660, rgb("3B4150"))
    canvas.oval(x + 183, 664, 44, 8, rgb("3B4150"))
    canvas.round(x + 30, 470, x + 56, 508, 6, room.taste.accent)
    for dx in (-8, 4, 14):
        canvas.line([(x + 43, 474), (x + 43 + dx, 436)], LEAF, 4)

"""Shapes on a picture, in pixels of the finished size; drawn at twice that, so that edges are smooth."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]
_SCALE = 2


def rgb(hexadecimal: str) -> Colour:
    return int(hexadecimal[0:2], 16), int(hexadecimal[2:4], 16), int(hexadecimal[4:6], 16)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` 0 is `one`, 1 is `other`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def darker(colour: Colour, share: float = 0.2) -> Colour:
    return mix(colour, (22, 24, 48), share)


def lighter(colour: Colour, share: float = 0.25) -> Colour:
    return mix(colour, (255, 252, 244), share)


class Canvas:
    """`alpha` is 0 to 255 wherever it can be given; boxes are left, top, right, bottom."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._zoom, self._left, self._top = float(_SCALE), 0.0, 0.0
        self._image = Image.new("RGB", (width * _SCALE, height * _SCALE))
        self._pen = ImageDraw.Draw(self._image, "RGBA")

    def come_closer(self, zoom: float, x: float, y: float) -> None:
        """From now on all is drawn larger around a point that stays where it is."""
        self._zoom = zoom * _SCALE
        self._left, self._top = x * _SCALE * (1 - zoom), y * _SCALE * (1 - zoom)

    def mirror(self) -> None:
        """Turns left and right around in what has been drawn."""
        self._image = self._image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        self._pen = ImageDraw.Draw(self._image, "RGBA")

    def jpeg(self) -> bytes:
        finished = io.BytesIO()
        self._image.reduce(_SCALE).save(finished, "JPEG", quality=88, subsampling=0)
        return finished.getvalue()

    def rect(
        self, left: float, top: float, right: float, bottom: float, fill: Colour, alpha: int = 255
    ) -> None:
        self.poly([(left, top), (right, top), (right, bottom), (left, bottom)], fill, alpha)

    def round(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        radius: float,
        fill: Colour,
        alpha: int = 255,
    ) -> None:
        box = [self._at(left, top), self._at(right, bottom)]
        self._pen.rounded_rectangle(box, round(radius * self._zoom), fill=(*fill, alpha))

    def oval(self, x: float, y: float, across: float, down: float, fill: Colour, alpha: int = 255) -> None:
        """Around a centre, with its two radii."""
        box = [self._at(x - across, y - down), self._at(x + across, y + down)]
        self._pen.ellipse(box, fill=(*fill, alpha))

    def disc(self, x: float, y: float, radius: float, fill: Colour, alpha: int = 255) -> None:
        self.oval(x, y, radius, radius, fill, alpha)

    def poly(self, points: Iterable[Point], fill: Colour, alpha: int = 255) -> None:
        scaled = [self._at(x, y) for x, y in points]
        self._pen.polygon(scaled, fill=(*fill, alpha))

    def line(self, points: Iterable[Point], fill: Colour, width: float, alpha: int = 255) -> None:
        scaled = [self._at(x, y) for x, y in points]
        self._pen.line(scaled, fill=(*fill, alpha), width=max(1, round(width * self._zoom)), joint="curve")

    def arch(
        self, left: float, top: float, right: float, bottom: float, fill: Colour, alpha: int = 255
    ) -> None:
        """A rectangle under a half circle."""
        radius, middle = (right - left) / 2, (left + right) / 2
        turns = [math.pi * step / 24 for step in range(25)]
        curve = [(middle - radius * math.cos(turn), top + radius - radius * math.sin(turn)) for turn in turns]
        self.poly([(left, bottom), *curve, (right, bottom)], fill, alpha)

    def fade(
        self, left: float, top: float, right: float, bottom: float, above: Colour, below: Colour
    ) -> None:
        """A box whose colour runs from its top to its bottom."""
        (x, y), (x_end, y_end) = self._at(left, top), self._at(right, bottom)
        column = Image.new("RGB", (1, 64))
        column.putdata([mix(above, below, step / 63) for step in range(64)])
        stretched = column.resize((1, y_end - y), Image.Resampling.BICUBIC)
        self._image.paste(stretched.resize((x_end - x, y_end - y)), (x, y))

    def glow(self, x: float, y: float, radius: float, fill: Colour, strength: int = 20) -> None:
        """Light around a point, brighter towards it."""
        for ring in range(20):
            self.disc(x, y, radius * (1 - ring / 20) ** 1.4, fill, max(1, strength // 2))

    def _at(self, x: float, y: float) -> tuple[int, int]:
        return round(x * self._zoom + self._left), round(y * self._zoom + self._top)

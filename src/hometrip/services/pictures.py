"""What becomes of a picture that somebody sends to any service: WebP files of our own, or a refusal.

Runs in the workshop: the bytes are a stranger's. What they are is told by their first bytes, never by a name.
What a picture is of, who may see it and where it is kept is its service's.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from hometrip.kernel.errors import HomeTripError, Invalid, UnsupportedMedia
from hometrip.kernel.record import Frozen

if TYPE_CHECKING:
    from PIL import Image

MOST_BYTES = 15_000_000
MOST_PIXELS = 50_000_000
# The longest side in pixels, the largest first: each is made from the one before.
SIZES = {"large": 2048, "medium": 1024, "small": 480}
QUALITY = 80
JPEG_QUALITY = 88  # for what must be read

T = TypeVar("T")


class Variant(Frozen):
    content: bytes
    width: int
    height: int


class Picture(Frozen):
    """A picture in each of its sizes, as WebP without any metadata."""

    sizes: dict[str, Variant]


def kind_of(content: bytes) -> str | None:
    """JPEG, PNG, WEBP or AVIF by the first bytes, None for anything else."""
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if content[4:8] == b"ftyp" and content[8:12] in (b"avif", b"avis"):
        return "AVIF"
    return None


def redrawn(content: bytes, field: str = "photos") -> Picture:
    """Decode, turn upright, and encode anew: nothing of the file goes on but what is seen. `field` is what it
    came in.

    `UnsupportedMedia` for what is no such picture, `Invalid` for one that is broken or has too many pixels.
    """
    return _drawn(content, field, _in_sizes)


def jpeg_of(content: bytes, field: str) -> bytes:
    """The same as one JPEG, for those who know no WebP."""
    return _drawn(content, field, _as_jpeg)


def _drawn(content: bytes, field: str, encoded: Callable[[Image.Image], T]) -> T:
    from PIL import Image  # the service itself never needs it, only its workers do

    kind = kind_of(content)
    if kind is None:
        raise UnsupportedMedia("A photo must be a JPEG, PNG, WebP or AVIF picture.")
    Image.MAX_IMAGE_PIXELS = None  # counted below, before anything is decoded
    try:
        with Image.open(io.BytesIO(content), formats=[kind]) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise Invalid.field(field, "too_many_pixels", f"must have at most {MOST_PIXELS} pixels")
            return encoded(_upright(opened))
    except (HomeTripError, MemoryError):
        raise
    except Exception as broken:  # a decoder may raise anything over bytes that were made to harm it
        raise Invalid.field(field, "unreadable_photo", "the picture cannot be read") from broken


def _upright(opened: Image.Image) -> Image.Image:
    """In sRGB colours on white ground, as the camera was held, and no larger than the largest size."""
    from PIL import Image, ImageCms, ImageOps

    most = SIZES["large"]
    profile = opened.info.get("icc_profile")
    opened.draft("RGB", (most, most))
    drawn = ImageOps.exif_transpose(opened)
    drawn.thumbnail((most, most), Image.Resampling.LANCZOS, reducing_gap=2.0)
    if profile and drawn.mode in ("RGB", "RGBA"):
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            drawn = ImageCms.profileToProfile(drawn, own, ImageCms.createProfile("sRGB")) or drawn
        except (ImageCms.PyCMSError, OSError):
            pass  # colours that nobody can tell stay as they are
    if drawn.has_transparency_data:
        drawn = drawn.convert("RGBA")
        ground = Image.new("RGBA", drawn.size, "white")
        drawn = Image.alpha_composite(ground, drawn)
    return drawn.convert("RGB")


def _as_jpeg(drawn: Image.Image) -> bytes:
    encoded = io.BytesIO()
    drawn.save(encoded, "JPEG", quality=JPEG_QUALITY, exif=b"")
    return encoded.getvalue()


def _in_sizes(drawn: Image.Image) -> Picture:
    from PIL import Image

    sizes: dict[str, Variant] = {}
    for name, most in SIZES.items():
        drawn.thumbnail((most, most), Image.Resampling.LANCZOS)
        encoded = io.BytesIO()
        drawn.save(encoded, "WEBP", quality=QUALITY, method=4, exif=b"", icc_profile=b"", xmp=b"")
        sizes[name] = Variant(content=encoded.getvalue(), width=drawn.width, height=drawn.height)
    return Picture(sizes=sizes)

"""Photos: what is taken, what becomes of it, and in which order it is shown."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness import Person, TestHouse
from hometrip.kernel.errors import Invalid, Unavailable, UnsupportedMedia
from hometrip.services import pictures
from hometrip.services.listing import actions
from journeys.steps import ok, open_home, problem


def picture(kind: str = "JPEG", size: tuple[int, int] = (90, 60), mode: str = "RGB", **how: Any) -> bytes:
    """Red on the left, blue on the right."""
    drawn = Image.new(mode, size, "blue")
    drawn.paste("red", (0, 0, size[0] // 2, size[1]))
    out = io.BytesIO()
    drawn.save(out, kind, **how)
    return out.getvalue()


def png_that_says(width: int, height: int) -> bytes:
    """A small file that claims to be a picture of that size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1_000))
        + chunk(b"IEND", b"")
    )


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_each_kind_becomes_three_webp_files(kind: str) -> None:
    made = pictures.redrawn(picture(kind, (3_000, 1_500)))
    sizes = {name: (each.width, each.height) for name, each in made.sizes.items()}
    assert sizes == {"large": (2_048, 1_024), "medium": (1_024, 512), "small": (480, 240)}
    for each in made.sizes.values():
        image = opened(each.content)
        assert (image.format, image.size) == ("WEBP", (each.width, each.height))
        left, right = image.getpixel((5, 5)), image.getpixel((each.width - 5, 5))
        assert isinstance(left, tuple)
        assert isinstance(right, tuple)
        assert left[0] > 200 > 60 > left[2]
        assert right[2] > 200 > 60 > right[0]


def test_a_small_picture_is_not_made_larger() -> None:
    made = pictures.redrawn(picture(size=(90, 60)))
    assert {(each.width, each.height) for each in made.sizes.values()} == {(90, 60)}


def test_a_picture_is_turned_upright_and_its_metadata_stays_behind() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: to be turned by 90 degrees
    exif[0x010E] = "my street and house number"
    made = pictures.redrawn(picture(exif=exif.tobytes()))
    large = made.sizes["large"]
    assert (large.width, large.height) == (60, 90)
    image = opened(large.content)
    assert not image.getexif()
    assert "icc_profile" not in image.info
    assert b"my street" not in large.content
    top, bottom = image.getpixel((30, 5)), image.getpixel((30, 85))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > top[2]
    assert bottom[2] > bottom[0]


def test_what_is_transparent_becomes_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(out, "PNG")
    made = pictures.redrawn(out.getvalue())
    assert opened(made.sizes["large"].content).convert("RGB").getpixel((10, 10)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "I;16", "LA"])
def test_every_kind_of_colours_is_taken(mode: str) -> None:
    out = io.BytesIO()
    kind = "JPEG" if mode == "CMYK" else "PNG"
    Image.new(mode, (20, 20)).save(out, kind)
    assert set(pictures.redrawn(out.getvalue()).sizes) == {"small", "medium", "large"}


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a" + bytes(50), b"<svg onload='alert(1)'/>", b"%PDF-1.7", b"BM" + bytes(60), b"MZ" * 40],
)
def test_what_is_no_such_picture_is_refused(content: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        pictures.redrawn(content)


@pytest.mark.parametrize(
    "content",
    [
        picture()[:200],
        b"\xff\xd8\xff" + bytes(500),
        b"RIFF\x00\x00\x00\x00WEBP" + bytes(100),
        png_that_says(10_000, 10_000),
        png_that_says(2_000_000_000, 2_000_000_000),
        png_that_says(500, 500),
    ],
)
def test_a_broken_or_lying_picture_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid):
        pictures.redrawn(content)


class Scene:
    def __init__(self, house: TestHouse, host: Person, path: str) -> None:
        self.house, self.host, self.path = house, host, path

    async def upload(self, *contents: bytes, who: Person | None = None) -> Any:
        files = [("photos", (f"{n}.jpg", content, "image/jpeg")) for n, content in enumerate(contents)]
        return await (who or self.host)._send("POST", f"{self.path}/photos", files=files)

    async def photos(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ok(await self.host.get(self.path))["photos"]
        return found


@pytest.fixture
async def scene(house: TestHouse) -> Scene:
    host = await house.sign_up("host@example.com", "Hanna Host")
    home = await open_home(host)
    return Scene(house, host, f"/api/listings/{home['id']}")


async def test_photos_are_kept_ordered_captioned_and_taken_away(scene: Scene) -> None:
    house, host = scene.house, scene.host
    added = ok(await scene.upload(picture("PNG"), picture("WEBP", (600, 600))), 201)["items"]
    assert [(photo["width"], photo["height"]) for photo in added] == [(90, 60), (600, 600)]
    first, second = (photo["id"] for photo in added)
    urls = [size["url"] for photo in added for size in photo["sizes"].values()]
    for url in urls:
        answer = await house.client.get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    path = f"{scene.path}/photos"
    ok(await host.patch(f"{path}/{second}", {"caption": "The <i>creek</i>", "cover": True}))
    assert [(photo["id"], photo["caption"]) for photo in await scene.photos()] == [
        (second, "The creek"),
        (first, ""),
    ]
    ok(await host.put(f"{path}/order", {"ids": [first, second]}))
    assert [photo["id"] for photo in await scene.photos()] == [first, second]
    for wrong in ([first], [first, first], [first, second, first]):
        problem(await host.put(f"{path}/order", {"ids": wrong}), 422, "invalid")
    ok(await host.delete(f"{path}/{first}"), 204)
    problem(await host.delete(f"{path}/{first}"), 404, "not_found")
    assert [photo["id"] for photo in await scene.photos()] == [second]
    await house.settle()
    assert [(await house.client.get(url)).status_code for url in urls] == [404] * 3 + [200] * 3
    ok(await host.delete(scene.path), 204)
    await house.settle()
    assert [(await house.client.get(url)).status_code for url in urls] == [404] * 6


async def test_of_several_photos_all_are_taken_or_none(scene: Scene) -> None:
    problem(await scene.upload(picture(), b"no picture"), 415, "unsupported_media")
    problem(await scene.upload(picture(), picture()[:200]), 422, "invalid")
    problem(await scene.upload(picture(), bytes(15_000_001)), 413, "too_large")
    problem(await scene.upload(), 422, "invalid")
    assert await scene.photos() == []
    assert not list((scene.house.house.settings.data / "files").rglob("*~"))


@pytest.mark.parametrize(
    "head",
    [b"text/plain", b"text/plain; charset=none-such", b"text/plain; charset=ascii", b"application/json"],
)
async def test_a_part_of_a_form_in_no_charset_is_malformed(scene: Scene, head: bytes) -> None:
    form = (
        b'--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: %b\r\n\r\n\xff\r\n--x--\r\n' % head
    )
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await scene.host._send("POST", f"{scene.path}/photos", content=form, headers=kind)
    problem(answer, 400, "malformed")
    assert await scene.photos() == []


async def test_a_home_has_ten_photos_at_most_however_they_come(scene: Scene) -> None:
    ok(await scene.upload(*[picture(size=(4, 4))] * 8), 201)
    problem(await scene.upload(*[picture(size=(4, 4))] * 3), 422, "invalid")
    ok(await scene.upload(*[picture(size=(4, 4))] * 2), 201)
    assert len(await scene.photos()) == 10
    eve = await scene.house.sign_up("eve@example.com", "Eve")
    problem(await scene.upload(picture(), who=eve), 403, "forbidden")


async def test_pictures_of_which_it_is_not_known_whether_they_were_kept_stay(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = scene.house.deps("listing").docs
    kept = docs.transaction

    @asynccontextmanager
    async def not_said() -> AsyncIterator[Any]:
        async with kept() as tx:
            yield tx
        raise Unavailable("the database does not say what became of it")

    with monkeypatch.context() as patched:
        patched.setattr(docs, "transaction", not_said)
        problem(await scene.upload(picture()), 503, "unavailable")
    [photo] = await scene.photos()
    for size in photo["sizes"].values():
        assert (await scene.house.client.get(size["url"])).status_code == 200

    @asynccontextmanager
    async def away() -> AsyncIterator[Any]:
        raise Unavailable("the database does not answer")
        yield

    before = sorted(files_of(scene))
    with monkeypatch.context() as patched:
        patched.setattr(docs, "transaction", away)
        problem(await scene.upload(picture()), 503, "unavailable")
    assert sorted(files_of(scene)) == before


def files_of(scene: Scene) -> list[Path]:
    return [path for path in (scene.house.house.settings.data / "files").rglob("*") if path.is_file()]


async def test_a_drawn_photo_is_for_homes_without_any(scene: Scene) -> None:
    deps = scene.house.deps("listing")
    [listing_id] = await actions.all_ids(deps, None, 1)
    await actions.add_drawn_photo(deps, listing_id, picture(size=(300, 200)))
    await actions.add_drawn_photo(deps, listing_id, picture())
    assert [photo["width"] for photo in await scene.photos()] == [300]
    await scene.house.settle()
    [card] = await actions.search_cards(deps, [listing_id])
    assert card.cover is not None
    assert card.cover.endswith("-medium.webp")

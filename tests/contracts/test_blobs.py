"""What every blob store promises, whichever technology is behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hometrip.adapters.blobs.files import FileBlobs
from hometrip.kernel.errors import Invalid, Unavailable
from hometrip.ports.blobs import Blob, Blobs

ADAPTERS: dict[str, Callable[[Path], Blobs]] = {"files": FileBlobs}
PICTURE = "listing/0190/large.webp"


@pytest.fixture(params=ADAPTERS)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return ADAPTERS[request.param](tmp_path)


async def test_what_was_put_is_got_with_its_type(blobs: Blobs) -> None:
    await blobs.put(PICTURE, b"RIFF\x00\nmore", "image/webp")
    assert await blobs.get(PICTURE) == Blob(b"RIFF\x00\nmore", "image/webp")


async def test_a_key_without_a_blob_has_none(blobs: Blobs) -> None:
    assert await blobs.get(PICTURE) is None
    await blobs.put(PICTURE, b"x", "image/webp")
    assert await blobs.get("listing/0190") is None
    assert await blobs.get(f"{PICTURE}/part") is None


async def test_a_key_may_lead_on_from_another(blobs: Blobs) -> None:
    await blobs.put("a", b"short", "text/plain")
    await blobs.put("a/b", b"long", "text/plain; charset=utf-8")
    assert await blobs.get("a") == Blob(b"short", "text/plain")
    assert await blobs.get("a/b") == Blob(b"long", "text/plain; charset=utf-8")


async def test_the_same_key_is_replaced_as_a_whole(blobs: Blobs) -> None:
    await blobs.put(PICTURE, b"a longer first picture", "image/png")
    await blobs.put(PICTURE, b"second", "image/webp")
    assert await blobs.get(PICTURE) == Blob(b"second", "image/webp")


async def test_readers_see_the_old_or_the_new_and_nothing_between(blobs: Blobs) -> None:
    versions = [Blob(bytes([n]) * 200_000, f"image/v{n}") for n in range(6)]
    await blobs.put(PICTURE, versions[0].content, versions[0].content_type)

    async def write() -> None:
        for blob in versions:
            await blobs.put(PICTURE, blob.content, blob.content_type)

    writing = asyncio.create_task(write())
    seen = []
    while not writing.done():
        seen.append(await blobs.get(PICTURE))
    await writing
    assert seen
    assert all(blob in versions for blob in seen)


async def test_many_writers_of_a_key_leave_one_whole_blob(blobs: Blobs) -> None:
    contents = [bytes([n]) * 50_000 for n in range(10)]
    await asyncio.gather(*(blobs.put(PICTURE, content, "image/webp") for content in contents))
    last = await blobs.get(PICTURE)
    assert last is not None
    assert last.content in contents


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(blobs: Blobs) -> None:
    await blobs.put(PICTURE, b"x", "image/webp")
    await blobs.delete(PICTURE)
    assert await blobs.get(PICTURE) is None
    await blobs.delete(PICTURE)
    await blobs.delete("never/was")


async def test_an_empty_blob_is_a_blob(blobs: Blobs) -> None:
    await blobs.put(PICTURE, b"", "application/octet-stream")
    assert await blobs.get(PICTURE) == Blob(b"", "application/octet-stream")


UNSAFE = ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", ".hidden", "a/.hidden", "a\\b", "a b", "ä"]
UNSAFE += ["a\x00b", "a\n", "~a", "a~", "-" * 300, "a/" * 9 + "a", "CON:", "a%2fb"]


@pytest.mark.parametrize("key", UNSAFE)
async def test_an_unsafe_key_is_refused_everywhere(blobs: Blobs, key: str) -> None:
    with pytest.raises(Invalid):
        await blobs.put(key, b"x", "image/webp")
    with pytest.raises(Invalid):
        await blobs.get(key)
    with pytest.raises(Invalid):
        await blobs.delete(key)
    with pytest.raises(Invalid):
        blobs.url(key)


@pytest.mark.parametrize("content_type", ["", "image", "image/webp\nset-cookie: a=b", "text/html\r\n"])
async def test_a_content_type_is_one_line_of_the_usual_form(blobs: Blobs, content_type: str) -> None:
    with pytest.raises(Invalid):
        await blobs.put(PICTURE, b"x", content_type)
    assert await blobs.get(PICTURE) is None


def test_a_url_ends_in_the_key(blobs: Blobs) -> None:
    assert blobs.url(PICTURE).endswith(f"/{PICTURE}")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=5_000))
def test_any_content_comes_back_as_it_was(blobs: Blobs, content: bytes) -> None:
    async def there_and_back() -> Blob | None:
        await blobs.put(PICTURE, content, "application/octet-stream")
        return await blobs.get(PICTURE)

    assert asyncio.run(there_and_back()) == Blob(content, "application/octet-stream")


async def test_a_store_that_can_be_written_to_is_ready(blobs: Blobs) -> None:
    await blobs.ready()


# of the folder alone


async def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    await asyncio.gather(*(blobs.put(PICTURE, b"x" * 1_000, "image/webp") for _ in range(5)))
    assert len(files_in(tmp_path)) == 1


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_folder_that_is_gone_is_not_ready(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await FileBlobs(tmp_path / "gone").ready()

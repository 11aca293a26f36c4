"""What every blob store promises, whichever technology is behind it."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import uuid4

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.road import Road, road_to
from engines import url_of
from hometrip.adapters.blobs.files import FileBlobs
from hometrip.adapters.blobs.s3 import S3Blobs
from hometrip.kernel.errors import Invalid, Unavailable
from hometrip.ports.blobs import Blob, Blobs
from hometrip.ports.engine import Unfit


def s3_url(rest: str = "") -> str:
    """The shared S3 server, under a prefix of the test's own."""
    return f"{url_of('s3')}/test-{uuid4()}{rest}"


ADAPTERS: dict[str, Callable[[Path], Blobs]] = {
    "adapters.blobs.files": FileBlobs,
    "adapters.blobs.s3": lambda _: S3Blobs(s3_url()),
}
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


async def test_whoever_carries_all_of_it_elsewhere_is_told_every_key(blobs: Blobs) -> None:
    assert [key async for key in blobs.every_key()] == []
    for key in ("one.txt", "home/one.txt", "home/two.webp"):
        await blobs.put(key, key.encode(), "text/plain")
    await blobs.delete("one.txt")
    assert sorted([key async for key in blobs.every_key()]) == ["home/one.txt", "home/two.webp"]


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


async def test_on_a_full_disk_the_file_of_before_stays_and_nothing_is_left_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    blobs = FileBlobs(tmp_path)
    await blobs.put(PICTURE, b"old", "image/webp")
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", no_room)
        with pytest.raises(Unavailable, match="No space left on device"):
            await blobs.put(PICTURE, b"new", "image/webp")
    assert await blobs.get(PICTURE) == Blob(b"old", "image/webp")
    assert [key async for key in blobs.every_key()] == [PICTURE]
    assert len(files_in(tmp_path)) == 1


async def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    await asyncio.gather(*(blobs.put(PICTURE, b"x" * 1_000, "image/webp") for _ in range(5)))
    assert len(files_in(tmp_path)) == 1


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_folder_that_is_gone_is_not_ready(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await FileBlobs(tmp_path / "gone").ready()


# of S3 alone; the server in these tests takes any key and any signature, so what is signed is checked here


@pytest.fixture
async def s3() -> AsyncIterator[S3Blobs]:
    blobs = S3Blobs(s3_url())
    await blobs.open()
    yield blobs
    await blobs.close()


async def fetched(url: str) -> tuple[int, bytes, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return (
            answer.status,
            await answer.read(),
            {name.lower(): said for name, said in answer.headers.items()},
        )


async def test_a_link_gives_one_object_with_its_type_to_whoever_has_it(s3: S3Blobs) -> None:
    await s3.put(PICTURE, b"a picture", "image/webp")
    status, content, headers = await fetched(await s3.link(PICTURE))
    assert (status, content, headers["content-type"]) == (200, b"a picture", "image/webp")
    assert headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_a_link_bears_a_signature_that_a_real_s3_would_take_for_a_while(s3: S3Blobs) -> None:
    parts = urlsplit(await s3.link(PICTURE, seconds=60))
    said = dict(parse_qsl(parts.query))
    assert said["X-Amz-Expires"] == "60"
    given = said.pop("X-Amz-Signature")
    assert given == signature(parts.netloc, parts.path, said, urlsplit(url_of("s3")).password or "")
    other = urlsplit(await s3.link("listing/0190/other.webp", seconds=60))
    assert dict(parse_qsl(other.query))["X-Amz-Signature"] != given


def signature(host: str, path: str, said: dict[str, str], secret: str) -> str:
    """AWS Signature Version 4 of a GET with its signature in the query, as Amazon's guide describes it."""
    query = urlencode(sorted(said.items()), quote_via=quote, safe="")
    request = f"GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    scope = said["X-Amz-Credential"].split("/", 1)[1]
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"{said['X-Amz-Algorithm']}\n{said['X-Amz-Date']}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()


async def test_nobody_is_handed_an_address_without_a_signature(s3: S3Blobs) -> None:
    await s3.put(PICTURE, b"a picture", "image/webp")
    assert s3.url(PICTURE) == f"/files/{PICTURE}"
    assert "X-Amz-Signature=" in await s3.link(PICTURE)
    with pytest.raises(Invalid):
        await s3.link("../up")


async def test_a_bucket_that_strangers_can_list_is_refused_unless_that_is_wanted() -> None:
    closed = S3Blobs(s3_url("?public=off"))
    with pytest.raises(Unfit, match=r"strangers can list .*: block public access"):
        await closed.open()
    wanted = S3Blobs(s3_url("?public=on"))
    await wanted.open()
    assert [finding.what for finding in await wanted.examine()] == ["reachable", "rights", "strangers"]


async def test_a_bucket_that_is_not_there_is_named_and_the_secret_is_not() -> None:
    there = urlsplit(url_of("s3"))
    blobs = S3Blobs(f"s3://someone:secret-word@{there.hostname}:{there.port}/bucket-of-nobody")
    with pytest.raises(Unfit, match=r"bucket bucket-of-nobody at .* is not there: create it") as unfit:
        await blobs.open()
    assert "secret-word" not in unfit.value.detail


async def test_the_key_in_the_url_is_used_whole_and_without_one_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-word")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-word")
    there = urlsplit(url_of("s3"))
    told = await S3Blobs(f"s3://told:word@{there.hostname}:{there.port}/hometrip").link("a")
    assert "X-Amz-Credential=told%2F" in told
    assert "token-word" not in told
    found = await S3Blobs(f"s3://{there.hostname}:{there.port}/hometrip").link("a")
    assert "X-Amz-Credential=from-the-environment%2F" in found
    assert "token-word" in found


async def test_amazons_own_is_named_by_the_bucket_and_its_region() -> None:
    link = await S3Blobs("s3://key:word@photos-of-homes?region=eu-west-3").link("a/b")
    assert link.startswith("https://photos-of-homes.s3.eu-west-3.amazonaws.com/a/b?")


@pytest.fixture
async def road() -> AsyncIterator[Road]:
    there = urlsplit(url_of("s3"))
    async with road_to(there.hostname or "", there.port or 0) as road:
        yield road


@pytest.mark.parametrize("trouble", ["closed", "silent", "garbage"])
async def test_while_the_bucket_is_away_calls_fail_in_time_and_all_is_well_after(
    road: Road, trouble: str
) -> None:
    there = urlsplit(url_of("s3"))
    blobs = S3Blobs(s3_url("?timeout=1").replace(f":{there.port}/", f":{road.port}/"))
    await blobs.put(PICTURE, b"x", "image/webp")
    if trouble == "closed":
        await road.close()
    elif trouble == "silent":
        road.stall()
    else:
        road.spoil = lambda _: b"\x00garbage\r\n\r\n"
    began = time.monotonic()
    calls = [blobs.get(PICTURE), blobs.put(PICTURE, b"y", "image/webp"), blobs.delete(PICTURE), blobs.ready()]
    failed = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(error) for error in failed} == {Unavailable}
    assert time.monotonic() - began < 2
    road.flow()
    if trouble == "closed":
        await road.open()
    # Under a key of its own: what was asked for meanwhile may still arrive, and be done, late.
    after = f"after/{PICTURE}"
    await blobs.put(after, b"z", "image/webp")
    assert await blobs.get(after) == Blob(b"z", "image/webp")
    await blobs.close()


@pytest.mark.slow
def test_a_process_that_ends_after_using_it_ends_well() -> None:
    program = (
        "import asyncio, sys\n"
        "from hometrip.adapters.blobs.s3 import S3Blobs\n"
        "async def use():\n"
        "    blobs = S3Blobs(sys.argv[1])\n"
        "    await asyncio.gather(*(blobs.put(f'k{n}', b'x' * 100_000, 'image/webp') for n in range(10)))\n"
        "    await asyncio.gather(*(blobs.get(f'k{n}') for n in range(10)))\n"
        "    await blobs.close()\n"
        "asyncio.run(use())\n"
    )
    for _ in range(10):
        command = [sys.executable, "-c", program, s3_url()]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, check=False, capture_output=True, timeout=60, env=environment)
        assert (done.returncode, done.stderr) == (0, b"")

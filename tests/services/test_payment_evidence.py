"""Pictures of what was damaged: added by the host; seen by guest, host and staff, and nobody else."""

from __future__ import annotations

import io
from datetime import date, timedelta
from typing import Any

import pytest
from PIL import Image

from harness import Person, TestHouse
from hometrip.kernel.clock import DAY
from hometrip.services.pictures import MOST_BYTES
from journeys.steps import PRICING, book, ok, open_home, pay, problem, stay


def drawn(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (90, 60), colour).save(out, "JPEG", exif=b"Exif\0\0secret place")
    return out.getvalue()


class Scene:
    """A claim on the deposit of a stay that is over."""

    def __init__(self, house: TestHouse, host: Person, guest: Person, path: str) -> None:
        self.house, self.host, self.guest, self.path = house, host, guest, path

    async def send(self, *contents: bytes, who: Person | None = None, **more: Any) -> Any:
        files = [("pictures", (f"{n}.jpg", content, "image/jpeg")) for n, content in enumerate(contents)]
        return await (who or self.host)._send("POST", f"{self.path}/pictures", files=files, **more)

    def kept(self) -> list[str]:
        folder = self.house.house.settings.data / "files" / "private"
        return sorted(str(file) for file in folder.rglob("*") if file.is_file())


@pytest.fixture
async def scene(house: TestHouse) -> Scene:
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(host)
    deposit = {"amount": 20_000, "currency": "USD"}
    ok(await host.put(f"/api/listings/{home['id']}/pricing", PRICING | {"deposit": deposit}))
    when = stay(house, days=3)
    booking = ok(await book(guest, home["id"], when), 201)
    await pay(guest, booking["id"])
    over = date.fromisoformat(when["check_out"]) + timedelta(days=1) - house.clock.now().date()
    await house.advance(over.total_seconds())
    path = f"/api/payments/deposits/{booking['id']}/claims"
    wish = {"amount": {"amount": 5_000, "currency": "USD"}, "text": "a broken lamp"}
    claim = ok(await host.post(path, wish), 201)
    assert claim["pictures"] == []
    return Scene(house, host, guest, f"{path}/{claim['id']}")


async def test_guest_host_and_staff_see_the_pictures_and_nobody_else(scene: Scene) -> None:
    claim = ok(await scene.send(drawn("red"), drawn("blue")), 201)
    first, second = claim["pictures"]
    assert (first["width"], first["height"], first["id"] == second["id"]) == (90, 60, False)
    staff = await scene.house.staff("support")
    for person in (scene.host, scene.guest, staff):
        seen = await person.get(first["url"])
        assert (seen.status_code, seen.headers["content-type"]) == (200, "image/webp")
        assert seen.headers["cache-control"].startswith("private")
        assert b"secret place" not in seen.content  # drawn anew, without what the camera wrote
        assert Image.open(io.BytesIO(seen.content)).size == (90, 60)
    told = ok(await scene.guest.get(scene.path.rpartition("/claims")[0]))
    assert told["claim"]["pictures"] == claim["pictures"]
    stranger = await scene.house.sign_up("other@example.com")
    problem(await stranger.get(first["url"]), 404, "not_found")
    problem(await scene.house.client.get(first["url"]), 401, "unauthenticated")
    other = first["url"].replace(first["id"], "01890a5d-ac96-774b-bcce-b302099a8057")
    problem(await scene.guest.get(other), 404, "not_found")


async def test_the_files_are_given_to_nobody_who_knows_where_they_lie(scene: Scene) -> None:
    ok(await scene.send(drawn()), 201)
    [file] = scene.kept()
    key = "private/" + file.rpartition("/private/")[2].removesuffix("~")
    for spelt in (key, key.replace("private", "Private"), key.replace("private", "%70rivate"), f"./{key}"):
        assert (await scene.host.get(f"/files/{spelt}")).status_code in (400, 404)
    blob = await scene.house.deps("payment").blobs.get(key)
    assert blob is not None  # it lies there


async def test_only_the_host_adds_them_and_only_before_it_is_decided(scene: Scene) -> None:
    stranger = await scene.house.sign_up("other@example.com")
    problem(await scene.send(drawn(), who=scene.guest), 403, "forbidden")
    problem(await scene.send(drawn(), who=stranger), 404, "not_found")
    problem(await scene.send(drawn(), who=await scene.house.staff("support")), 403, "forbidden")
    await scene.house.advance(DAY.total_seconds() + 60)  # the guest has not answered: staff decide
    ok(await scene.send(drawn()), 201)
    admin = await scene.house.staff("admin", "admin@example.com")
    ok(await admin.post(f"{scene.path}/decide", {"amount": {"amount": 5_000, "currency": "USD"}}))
    problem(await scene.send(drawn()), 409, "not_claimable")
    assert len(scene.kept()) == 1


async def test_a_picture_may_be_as_large_as_a_camera_makes_it(scene: Scene) -> None:
    noise = io.BytesIO()
    Image.effect_noise((1_600, 1_200), 90).convert("RGB").save(noise, "PNG")
    assert 1_000_000 < len(noise.getvalue()) < MOST_BYTES
    [kept] = ok(await scene.send(noise.getvalue()), 201)["pictures"]
    assert (kept["width"], kept["height"]) == (1_600, 1_200)


async def test_an_upload_that_is_sent_twice_has_effect_once(scene: Scene) -> None:
    key = {"headers": {"Idempotency-Key": "a-lost-answer"}}
    answers = [await scene.send(drawn(), **key) for _ in range(2)]  # each form has a boundary of its own
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    problem(await scene.send(drawn("blue"), **key), 409, "idempotency_key_reused")
    assert len(scene.kept()) == 1


async def test_of_several_all_are_taken_or_none(scene: Scene) -> None:
    problem(await scene.send(), 422, "invalid")
    problem(await scene.send(drawn(), b"<svg/>"), 415, "unsupported_media")
    refused = problem(await scene.send(drawn(), b"\xff\xd8\xff" + bytes(100)), 422, "invalid")
    assert [error["field"] for error in refused["errors"]] == ["pictures"]
    problem(await scene.send(drawn(), bytes(MOST_BYTES + 1)), 413, "too_large")
    ok(await scene.send(*[drawn()] * 9), 201)
    problem(await scene.send(drawn(), drawn()), 422, "invalid")
    assert len(ok(await scene.send(drawn()), 201)["pictures"]) == 10
    assert len(scene.kept()) == 10

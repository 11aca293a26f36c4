"""A picture or a PDF that goes to a cardholder's bank with what staff answer: seen by staff alone."""

from __future__ import annotations

import io
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from harness import Person, TestHouse
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Forbidden
from hometrip.ports.payments import EVIDENCE_BYTES, Payments, ProviderDown
from hometrip.services.payment import actions
from hometrip.services.pictures import MOST_BYTES
from journeys.steps import book, ok, open_home, pay, problem, stay

LETTER = b"%PDF-1.7\nThe guest writes that all was well."


def drawn(kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    more = {"exif": b"Exif\0\0secret place"} if kind == "JPEG" else {}
    Image.new("RGB", (90, 60), "red").save(out, kind, **more)
    return out.getvalue()


class Scene:
    """A payment whose money a bank wants back."""

    def __init__(self, house: TestHouse, guest: Person, staff: Person, dispute: str) -> None:
        self.house, self.guest, self.staff = house, guest, staff
        self.path = f"/api/payments/disputes/{dispute}"

    async def send(self, *contents: bytes, who: Person | None = None, **more: Any) -> Any:
        files = [("file", (f"{n}.bin", content, "image/png")) for n, content in enumerate(contents)]
        return await (who or self.staff)._send("POST", f"{self.path}/file", files=files, **more)

    async def record(self) -> dict[str, Any]:
        [one] = ok(await self.staff.get("/api/payments/disputes"))["items"]
        found: dict[str, Any] = one
        return found

    def kept(self) -> list[str]:
        folder = self.house.house.settings.data / "files" / "private"
        return sorted(str(file) for file in folder.rglob("*") if file.is_file())

    def at_bank(self) -> list[bytes]:
        provider = self.house.house.shared[Payments]
        assert isinstance(provider, SandboxPayments)
        return [content for (content,) in provider._db.execute("SELECT content FROM files ORDER BY id")]


@pytest.fixture
async def scene(house: TestHouse) -> Scene:
    host, guest = await house.sign_up("host@example.com"), await house.sign_up("guest@example.com")
    staff = await house.staff("support")
    booking = ok(await book(guest, (await open_home(host))["id"], stay(house)), 201)
    await pay(guest, booking["id"], "pm_card_createDispute")
    await house.settle()
    await house.house.bring_webhooks()
    await house.settle()
    [dispute] = ok(await staff.get("/api/payments/disputes"))["items"]
    return Scene(house, guest, staff, dispute["id"])


async def test_the_file_goes_to_the_bank_with_the_answer(scene: Scene) -> None:
    told = ok(await scene.send(LETTER))
    file = {"url": f"{scene.path}/file", "content_type": "application/pdf", "size": len(LETTER)}
    assert told["file"] == file == (await scene.record())["file"]
    assert scene.at_bank() == []
    answered = ok(await scene.staff.post(f"{scene.path}/evidence", {"text": "They were there."}))
    assert (answered["status"], answered["file"]) == ("under_review", file)
    assert scene.at_bank() == [LETTER]
    seen = await scene.staff.get(f"{scene.path}/file")
    assert (seen.content, seen.headers["Content-Type"]) == (LETTER, "application/pdf")
    assert seen.headers["Content-Disposition"] == "attachment"
    late = problem(await scene.send(LETTER + b"more"), 409, "dispute_answered")
    assert late["state"] == "under_review"
    assert len(scene.kept()) == 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
async def test_a_picture_is_drawn_anew_as_banks_read_it(scene: Scene, kind: str) -> None:
    assert ok(await scene.send(drawn(kind)))["file"]["content_type"] == "image/jpeg"
    ok(await scene.staff.post(f"{scene.path}/evidence", {"text": "See the picture."}))
    [sent] = scene.at_bank()
    assert b"secret place" not in sent
    with Image.open(io.BytesIO(sent)) as opened:
        assert (opened.format, opened.size) == ("JPEG", (90, 60))


async def test_another_file_takes_the_place_of_the_one_before(scene: Scene) -> None:
    ok(await scene.send(drawn()))
    ok(await scene.send(LETTER))
    assert len(scene.kept()) == 1
    assert (await scene.staff.get(f"{scene.path}/file")).content == LETTER
    ok(await scene.staff.post(f"{scene.path}/evidence", {"text": "They were there."}))
    assert scene.at_bank() == [LETTER]


async def test_what_is_no_picture_or_pdf_is_refused_and_leaves_nothing(scene: Scene) -> None:
    problem(await scene.send(b"<svg/>"), 415, "unsupported_media")
    problem(await scene.send(b"\xff\xd8\xff and no more"), 422, "invalid")
    problem(await scene.send(b"%PDF-" + bytes(EVIDENCE_BYTES)), 413, "too_large")
    problem(await scene.send(b"\xff\xd8\xff" + bytes(MOST_BYTES)), 413, "too_large")
    for number in ([], [LETTER, LETTER]):
        problem(await scene.send(*number), 422, "invalid")
    assert (scene.kept(), "file" in await scene.record()) == ([], False)
    problem(await scene.staff.get(f"{scene.path}/file"), 404, "not_found")


async def test_the_same_key_attaches_the_same_file_once(scene: Scene) -> None:
    key = {"headers": {"Idempotency-Key": "a-lost-answer"}}
    answers = [await scene.send(LETTER, **key) for _ in range(2)]  # each form has a boundary of its own
    assert ok(answers[0]) == ok(answers[1])
    problem(await scene.send(drawn(), **key), 409, "idempotency_key_reused")
    assert len(scene.kept()) == 1


async def test_staff_alone_see_it_and_none_whose_stay_it_is(scene: Scene) -> None:
    ok(await scene.send(LETTER))
    problem(await scene.send(LETTER, who=scene.guest), 403, "forbidden")
    problem(await scene.guest.get(f"{scene.path}/file"), 403, "forbidden")
    problem(await scene.house.client.get(f"{scene.path}/file"), 401, "unauthenticated")
    dispute, deps = UUID(scene.path.rpartition("/")[2]), scene.house.deps("payment")
    party = Caller(account_id=scene.guest.id, roles=frozenset({"support"}))
    with pytest.raises(Forbidden):
        await actions.evidence_file(deps, party, dispute)
    with pytest.raises(Forbidden):
        await actions.attach(deps, party, dispute, [LETTER])
    [file] = scene.kept()
    key = "private/" + file.rpartition("/private/")[2].removesuffix("~")
    assert (await scene.staff.get(f"/files/{key}")).status_code in (400, 404)


async def test_a_file_that_was_sent_before_an_answer_was_lost_is_sent_once(scene: Scene) -> None:
    provider: Any = scene.house.house.shared[Payments]
    ok(await scene.send(LETTER))
    send = provider.send_evidence
    provider.send_evidence = _down  # the file is there by then
    problem(await scene.staff.post(f"{scene.path}/evidence", {"text": "They came."}), 503, "provider_down")
    provider.send_evidence = send
    ok(await scene.staff.post(f"{scene.path}/evidence", {"text": "They came."}))
    assert scene.at_bank() == [LETTER]


async def _down(*args: Any, **more: Any) -> None:
    raise ProviderDown

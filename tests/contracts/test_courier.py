"""What every courier promises: `hometrip.adapters.courier.folder`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import msgspec
import pytest

from hometrip.adapters.courier.folder import FolderCourier
from hometrip.kernel.clock import utc
from hometrip.ports.courier import Courier, CourierDown, Message, Undeliverable

AT = utc(2027, 4, 14, 9)


class Post(Protocol):
    """A courier together with what has arrived: `arrived` answers the messages of an address."""

    courier: Courier

    def arrived(self, to: str) -> list[dict[str, Any]]: ...

    def close_road(self) -> None: ...


class FolderPost:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.courier = FolderCourier(folder)

    def arrived(self, to: str) -> list[dict[str, Any]]:
        return self.courier.mailbox(to)

    def close_road(self) -> None:
        self.folder.rename(self.folder.with_name("away"))


POSTS: dict[str, Callable[[Path], Post]] = {"folder": FolderPost}


@pytest.fixture(params=POSTS)
def post(request: pytest.FixtureRequest, tmp_path: Path) -> Post:
    return POSTS[request.param](tmp_path / "mail")


def message(to: str = "ann@example.com", at: datetime = AT, **changes: Any) -> Message:
    plain = Message(
        id=uuid4(),
        channel="email",
        to=to,
        kind="verify_email",
        subject="Confirm",
        text="Follow https://stay.example/verify?token=abc.\n",
        html='<a href="https://stay.example/verify?token=abc&amp;n=1">Confirm</a>',
        at=at,
    )
    return msgspec.structs.replace(plain, **changes)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


# promises of every courier


async def test_a_message_arrives_as_it_was_sent(post: Post) -> None:
    sent = message(subject="Ça, c'est à vous ✓", headers={"List-Unsubscribe": "<https://stay.example/u>"})
    answer = await post.courier.send(sent)
    (mail,) = post.arrived("ann@example.com")
    assert answer
    assert mail["subject"] == sent.subject
    assert mail["text"] == sent.text
    assert mail["html"] == sent.html
    assert mail["headers"]["List-Unsubscribe"] == "<https://stay.example/u>"


async def test_the_same_message_twice_arrives_once(post: Post) -> None:
    sent = message()
    first = await post.courier.send(sent)
    assert await post.courier.send(sent) == first
    assert await post.courier.send(msgspec.structs.replace(sent, at=AT + timedelta(minutes=5))) == first
    assert len(post.arrived("ann@example.com")) == 1


async def test_the_same_message_many_times_at_once_arrives_once(post: Post) -> None:
    sent = message()
    await asyncio.gather(*(post.courier.send(sent) for _ in range(8)))
    assert len(post.arrived("ann@example.com")) == 1


async def test_nobody_gets_somebody_elses_mail(post: Post) -> None:
    await post.courier.send(message("ann@example.com"))
    await post.courier.send(message("joann@example.com"))
    assert [mail["to"] for mail in post.arrived("ann@example.com")] == ["ann@example.com"]


@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r", "\u2028", "\x85", "\x0b", "\x00"])
async def test_a_line_break_in_a_subject_makes_no_second_header(post: Post, line_break: str) -> None:
    await post.courier.send(message(subject=f"Hello{line_break}Bcc: all@example.com"))
    (mail,) = post.arrived("ann@example.com")
    assert mail["subject"] == "Hello Bcc: all@example.com"


@pytest.mark.parametrize(
    "to", ["", "  ", "ann@example.com\r\nBcc: all@example.com", "ann@example.com\n", "a\x00b@example.com"]
)
async def test_what_is_no_address_is_refused_for_good(post: Post, to: str) -> None:
    with pytest.raises(Undeliverable):
        await post.courier.send(message(to))
    assert post.arrived("all@example.com") == []


async def test_a_courier_that_cannot_take_messages_now_says_so(post: Post) -> None:
    post.close_road()
    with pytest.raises(CourierDown):
        await post.courier.send(message())
    with pytest.raises(CourierDown):
        await post.courier.ready()


async def test_a_courier_that_can_is_ready(post: Post) -> None:
    await post.courier.ready()


# the folder's own


async def test_a_mail_is_a_file_with_every_field(tmp_path: Path) -> None:
    sent = message(
        text="Your code is 123456. Pay 654321.00 or see https://stay.example/c/777777 now (https://b.example)."
    )
    await FolderCourier(tmp_path).send(sent)
    (file,) = files(tmp_path)
    assert json.loads(file.read_text()) == {
        "id": str(sent.id),
        "to": "ann@example.com",
        "kind": "verify_email",
        "channel": "email",
        "subject": "Confirm",
        "text": sent.text,
        "html": sent.html,
        "links": [
            "https://stay.example/c/777777",
            "https://b.example",
            "https://stay.example/verify?token=abc&n=1",
        ],
        "codes": ["123456"],
        "headers": {},
        "at": "2027-04-14T09:00:00Z",
    }


async def test_the_mailbox_is_newest_first_and_knows_no_case(tmp_path: Path) -> None:
    courier = FolderCourier(tmp_path)
    for minutes in (2, 1, 3):
        await courier.send(message("Ann@Example.com", AT + timedelta(minutes=minutes), subject=str(minutes)))
    await courier.send(message("bob@example.com", AT, subject="0"))
    assert [mail["subject"] for mail in courier.mailbox("ANN@example.COM")] == ["3", "2", "1"]
    assert [mail["subject"] for mail in courier.mailbox()] == ["3", "2", "1", "0"]
    assert [mail["subject"] for mail in courier.mailbox(limit=2)] == ["3", "2"]


async def test_mail_is_there_after_a_restart_and_still_sent_once(tmp_path: Path) -> None:
    sent = message()
    await FolderCourier(tmp_path).send(sent)
    again = FolderCourier(tmp_path)
    await again.send(msgspec.structs.replace(sent, subject="another"))
    assert [mail["subject"] for mail in again.mailbox("ann@example.com")] == ["Confirm"]


async def test_mail_that_another_process_sends_is_seen(tmp_path: Path) -> None:
    reader, sender = FolderCourier(tmp_path, look_again=0), FolderCourier(tmp_path)
    assert reader.mailbox("ann@example.com") == []
    sent = message()
    await sender.send(sent)
    assert [UUID(mail["id"]) for mail in reader.mailbox("ann@example.com")] == [sent.id]


async def test_an_unfinished_file_is_no_mail(tmp_path: Path) -> None:
    (tmp_path / f".{uuid4().hex}").write_text('{"id": ')
    assert FolderCourier(tmp_path).mailbox() == []


async def test_mail_that_was_thrown_away_is_gone(tmp_path: Path) -> None:
    courier = FolderCourier(tmp_path)
    await courier.send(message())
    await courier.send(message(at=AT + timedelta(minutes=1), subject="kept"))
    files(tmp_path)[0].unlink()
    assert [mail["subject"] for mail in courier.mailbox("ann@example.com")] == ["kept"]


async def test_the_sandbox_can_see_what_becomes_of_refused_mail(tmp_path: Path) -> None:
    with pytest.raises(Undeliverable, match="550"):
        await FolderCourier(tmp_path).send(message("Undeliverable@example.com"))

"""A courier that puts every message into a folder, where the sandbox reads them as a mailbox."""

from __future__ import annotations

import asyncio
import hashlib
import html
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec

from hometrip.adapters.disk import sync
from hometrip.ports.courier import CourierDown, Message, Undeliverable

# The folder's time of change moves in steps of a few milliseconds: a change this young may hide another.
_SETTLED_NS = 50_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NAME = re.compile(r"(?P<at>\d{20})-(?P<to>[0-9a-f]{16})-(?P<id>[0-9a-f-]{36})\.json")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_LINK = re.compile(r"https?://[^\s<>\"']+")
_HREF = re.compile(r"""href=["'](https?://[^"']+)["']""")
# Six digits that stand alone: not part of a longer number, an amount or an id.
_CODE = re.compile(r"(?<![\w.,-])\d{6}(?![\w-]|[.,]\d)")


class Letter(NamedTuple):
    """A file of the folder, by what its name says of it; sorts by time."""

    at: int
    id: str
    name: str


class FolderCourier:
    """Keeps the promises of `Courier` without a network: a message is a JSON file, whole and on disk once
    `send` returns, and it is there once however often it is sent.

    Files are named by time, address (hashed) and id, so the names alone are the index.
    """

    def __init__(self, folder: Path) -> None:
        """Another process may write to the same folder: it is read again when its letters are asked for and
        it has changed. Ten thousand names take 5 ms.
        """
        self._folder = folder
        self._ids: set[str] = set()
        self._of: dict[str, list[Letter]] = defaultdict(list)
        self._seen_change = 0
        self._outgoing: dict[str, tuple[bytes, asyncio.Future[None]]] = {}
        self._writing: asyncio.Task[None] | None = None
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._look()

    async def send(self, message: Message) -> str:
        """Answers the name of the file."""
        _check(message)
        if str(message.id) in self._ids:
            return f"folder:{message.id}"
        letter = Letter((message.at - _EPOCH) // _MICROSECOND, str(message.id), _name(message))
        await self._written(letter.name, msgspec.json.encode(_content(message)))
        self._note(_hashed(message.to), letter)
        return f"folder:{message.id}"

    def mailbox(self, to: str = "", limit: int = 200) -> list[dict[str, Any]]:
        """What was sent to an address (in any case), or to all; newest first."""
        with suppress(FileNotFoundError):
            self._look_again()
        letters: Iterable[Letter]
        if to:
            letters = self._of.get(_hashed(to), ())
        else:
            letters = (letter for box in self._of.values() for letter in box)
        newest = (self._read(letter) for letter in sorted(letters, reverse=True))
        return list(islice((content for content in newest if content is not None), limit))

    async def ready(self) -> None:
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise CourierDown("the folder of mail cannot be written to")

    async def _written(self, name: str, content: bytes) -> None:
        """On disk, with whatever else comes while others are being written. `CourierDown` where it is not."""
        if name not in self._outgoing:
            self._outgoing[name] = (content, asyncio.get_running_loop().create_future())
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_out(), name="letters to the folder")
        await asyncio.shield(self._outgoing[name][1])

    async def _write_out(self) -> None:
        while self._outgoing:
            some, self._outgoing = self._outgoing, {}
            error = await asyncio.to_thread(
                self._write, {name: content for name, (content, _) in some.items()}
            )
            for _, written in some.values():
                if error is None:
                    written.set_result(None)
                else:
                    why = f"the folder of mail cannot be written to: {error.strerror}"
                    written.set_exception(CourierDown(why))
                    written.exception()  # whoever waited for it may have given up

    def _write(self, letters: Mapping[str, bytes]) -> OSError | None:
        """All of them are on disk, or what is in the way of it."""
        try:
            for name, content in letters.items():
                self._put(name, content)
            sync(self._folder)
        except OSError as reason:
            return reason
        return None

    def _put(self, name: str, content: bytes) -> None:
        """All of it or nothing: a link to a finished file, refused where the name is taken."""
        unfinished = self._folder / f".{uuid4().hex}"
        try:
            with unfinished.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            target = self._folder / name
            if not target.exists():
                unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)

    def _read(self, letter: Letter) -> dict[str, Any] | None:
        """None where somebody has thrown it away meanwhile."""
        try:
            content: dict[str, Any] = msgspec.json.decode((self._folder / letter.name).read_bytes())
        except FileNotFoundError:
            return None
        return content

    def _look_again(self) -> None:
        if self._folder.stat().st_mtime_ns != self._seen_change:
            self._look()

    def _look(self) -> None:
        """Learn of files that are not known here yet."""
        changed = self._folder.stat().st_mtime_ns
        self._seen_change = changed if time.time_ns() - changed > _SETTLED_NS else 0
        for name in os.listdir(self._folder):  # noqa: PTH208 - the names alone: objects cost far more
            if found := _NAME.fullmatch(name):
                self._note(found["to"], Letter(int(found["at"]), found["id"], name))

    def _note(self, box: str, letter: Letter) -> None:
        if letter.id not in self._ids:
            self._ids.add(letter.id)
            self._of[box].append(letter)


def _check(message: Message) -> None:
    """`Undeliverable` for what is no address, and for `undeliverable@…`: as with the test cards of payments,
    a sandbox can show what becomes of mail that its provider refuses.
    """
    if _BREAKS.search(message.to) or not message.to.strip():
        raise Undeliverable("this is not an address")
    if message.to.strip().lower().startswith("undeliverable@"):
        raise Undeliverable("550 there is no such mailbox")


def _name(message: Message) -> str:
    return f"{(message.at - _EPOCH) // _MICROSECOND:020d}-{_hashed(message.to)}-{message.id}.json"


def _hashed(address: str) -> str:
    return hashlib.sha256(address.strip().casefold().encode()).hexdigest()[:16]


class _Content(msgspec.Struct):
    id: UUID
    to: str
    kind: str
    channel: str
    subject: str
    text: str
    html: str
    links: list[str]
    codes: list[str]
    headers: dict[str, str]
    at: datetime


def _content(message: Message) -> _Content:
    links = [link.rstrip(".,;:!?)") for link in _LINK.findall(message.text)]
    links += [html.unescape(link) for link in _HREF.findall(message.html)]
    return _Content(
        id=message.id,
        to=message.to.strip(),
        kind=message.kind,
        channel=message.channel,
        subject=_one_line(message.subject),
        text=message.text,
        html=message.html,
        links=list(dict.fromkeys(links)),
        codes=list(dict.fromkeys(_CODE.findall(_LINK.sub("", message.text)))),
        headers={_one_line(name): _one_line(value) for name, value in message.headers.items()},
        at=message.at,
    )


def _one_line(text: str) -> str:
    """A header's value can hold no line break, of whatever kind, and so can hold no second header."""
    return _BREAKS.sub(" ", text).strip()

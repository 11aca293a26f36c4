"""The last good answers to public questions, for the time when their service is not to be had."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from hometrip.services.gateway.rules.answers import Head
from hometrip.services.gateway.rules.stale import WARNING

MOST_ANSWERS = 4096
MOST_BYTES = 32 << 20
# What an answer costs besides its body, about.
_FRAME = 2048

Key = tuple[bytes, bytes]


class Kept(msgspec.Struct, frozen=True):
    head: Head
    body: bytes
    made_at: float
    until: float


class LastAnswers:
    """Bounded in number and bytes; what was used least lately goes first. Times are of a steady clock."""

    def __init__(self, *, most: int = MOST_ANSWERS, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, key: Key, head: Head, body: bytes, now: float, seconds: float) -> None:
        self._forget(key)
        self._kept[key] = Kept(head, body, now, now + seconds)
        self.bytes += len(body) + _FRAME
        while len(self._kept) > self._most or self.bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def find(self, key: Key, now: float) -> Kept | None:
        """The answer, marked as what it is, where there is one that is not too old."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= now:
            self._forget(key)
            return None
        self._kept.move_to_end(key)
        age = (b"age", b"%d" % int(now - kept.made_at))
        return msgspec.structs.replace(
            kept, head=msgspec.structs.replace(kept.head, headers=[*kept.head.headers, age, WARNING])
        )

    def _forget(self, key: Key) -> None:
        if kept := self._kept.pop(key, None):
            self.bytes -= len(kept.body) + _FRAME

"""What of a stranger's request reaches a service: never what speaks of the connection, or for the house."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from hometrip.kernel.errors import Malformed
from hometrip.services.gateway.rules.answers import HOP_BY_HOP

PASSED, DROPPED, SECRET, LENGTH, CODING, CONNECTION, PACKING, LANGUAGE = range(8)

# The gateway writes these itself, or they are its own business.
_DROPPED = HOP_BY_HOP | frozenset(
    b"host expect forwarded via x-real-ip x-request-id traceparent tracestate baggage max-forwards "
    b"x-http-method-override x-original-url x-rewrite-url".split()
)
_DROPPED_PREFIXES = (b"x-hometrip-", b"x-forwarded-", b"proxy-", b":")
_SPECIAL = {
    b"authorization": SECRET,
    b"x-api-key": SECRET,
    b"cookie": SECRET,
    b"content-length": LENGTH,
    b"transfer-encoding": CODING,
    b"connection": CONNECTION,
    b"accept-encoding": PACKING,
    b"accept-language": LANGUAGE,
}
_MOST_KNOWN = 1024
_kinds: dict[bytes, int] = {}


class Asked(msgspec.Struct):
    """`lines` are the headers for the service as they go over the wire, each in four pieces; `sent` is all of
    it.

    `length` is what the body has by its sender, None where that is not said; `coded`: it comes in chunks.
    `private`: it bears a credential. `packs`: the sender can read gzip.
    """

    lines: list[bytes]
    length: int | None = None
    coded: bool = False
    private: bool = False
    packs: bool = False
    language: bytes = b""
    sent: bytes = b""

    @property
    def has_body(self) -> bool:
        return self.coded or bool(self.length)


def asked_in(headers: Iterable[tuple[bytes, bytes]]) -> Asked:
    """Names are in small letters. `Malformed` where the length of the body is not beyond doubt."""
    lines: list[bytes] = []
    asked = Asked(lines)
    named: list[bytes] = []
    for name, value in headers:
        kind = _kinds.get(name)
        if kind is None:
            kind = _kind_of(name)
        if kind == PASSED:
            lines += (name, b": ", value, b"\r\n")
        elif kind != DROPPED:
            if kind in (SECRET, LANGUAGE):
                lines += (name, b": ", value, b"\r\n")
            _mark(asked, kind, value, named)
    if asked.coded and asked.length is not None:
        raise Malformed("the length of the body is told twice")
    if named:
        _leave_out(lines, named)
    asked.sent = b"".join(lines)
    return asked


def _kind_of(name: bytes) -> int:
    plain = name.replace(b"_", b"-").lower()
    kind = _SPECIAL.get(name, PASSED)
    # A name with `_` may be read as the one with `-` by whatever comes behind.
    if plain in _DROPPED or plain.startswith(_DROPPED_PREFIXES) or (plain != name and plain in _SPECIAL):
        kind = CONNECTION if name == b"connection" else CODING if name == b"transfer-encoding" else DROPPED
    if len(_kinds) < _MOST_KNOWN and len(name) < 64:
        _kinds[name] = kind
    return kind


def _mark(asked: Asked, kind: int, value: bytes, named: list[bytes]) -> None:
    match kind:
        case 2:  # SECRET
            asked.private = True
        case 3:  # LENGTH
            if asked.length is not None or not value.isdigit() or len(value) > 15:
                raise Malformed("the length of the body cannot be read")
            asked.length = int(value)
        case 4:  # CODING
            if asked.coded or value.strip().lower() != b"chunked":
                raise Malformed("the body is coded in a way that is not known here")
            asked.coded = True
        case 5:  # CONNECTION
            named += (word.strip().lower() for word in value.split(b","))
        case 6:  # PACKING
            asked.packs = reads_gzip(value)
        case _:  # LANGUAGE
            asked.language = value


def _leave_out(lines: list[bytes], named: list[bytes]) -> None:
    """What Connection names is for this connection only."""
    gone = set(named) - {b"keep-alive", b"close", b""}
    if gone:
        kept = [lines[at : at + 4] for at in range(0, len(lines), 4) if lines[at] not in gone]
        lines[:] = [piece for line in kept for piece in line]


@lru_cache(maxsize=256)
def reads_gzip(value: bytes) -> bool:
    """Does an Accept-Encoding allow gzip?"""
    allowed = {}
    for part in value.lower().split(b","):
        name, *options = (word.strip() for word in part.split(b";"))
        weights = [option[2:].strip() for option in options if option.startswith(b"q=")]
        allowed[name] = not any(weight.strip(b"0.") == b"" for weight in weights)
    return allowed.get(b"gzip", allowed.get(b"*", False))


def head_of(method: str, target: bytes, own: bytes, asked: Asked, framing: bytes) -> bytes:
    """The head as it goes over the wire. `own` and `framing` are lines of the gateway, whole.

    The servers in front refuse bytes that would end a line early; here it does not depend on them.
    """
    head = b"".join((method.encode(), b" ", target, b" HTTP/1.1\r\n", own, asked.sent, framing, b"\r\n"))
    lines = 2 + own.count(b"\n") + len(asked.lines) // 4 + framing.count(b"\n")
    if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
        raise Malformed("a header has the end of a line in it")
    return head


def framing_of(method: str, asked: Asked) -> bytes:
    """The one line that tells where the body ends."""
    if asked.coded:
        return b"transfer-encoding: chunked\r\n"
    if asked.length is not None:
        return b"content-length: %d\r\n" % asked.length
    return b"content-length: 0\r\n" if method in ("POST", "PUT", "PATCH") else b""

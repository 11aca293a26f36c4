"""Which answers are compressed on their way out, and what that changes in their headers."""

from __future__ import annotations

from functools import lru_cache

from hometrip.services.gateway.rules.answers import Head, Headers

# Below that, compressing costs more than it saves.
LEAST = 1024
# On the event loop, so cheap: 1 saves two thirds of a page of JSON already.
LEVEL = 1

_VARY = (b"vary", b"accept-encoding")
_GZIP = (b"content-encoding", b"gzip")
_WORDS = frozenset(
    b"application/json application/problem+json application/javascript application/xml "
    b"application/geo+json application/ld+json image/svg+xml".split()
)
_AS_IT_IS = (b"content-encoding", b"content-range")
# The parts of these are waited for one by one.
_LIVE = b"text/event-stream"


@lru_cache(maxsize=256)
def is_text(content_type: bytes) -> bool:
    kind = content_type.partition(b";")[0].strip().lower()
    return kind in _WORDS or (kind.startswith(b"text/") and kind != _LIVE)


def may_pack(head: Head) -> bool:
    """Could an answer be compressed for whoever reads gzip? Its length is known or not."""
    if head.status not in (200, 201, 202) and head.status < 400:
        return False
    if head.length is not None and head.length < LEAST:
        return False
    text = False
    for name, value in head.headers:
        if name == b"content-type":
            text = is_text(value)
        elif name in _AS_IT_IS or (name == b"cache-control" and b"no-transform" in value.lower()):
            return False
    return text


def packed(headers: Headers, length: int | None) -> Headers:
    """The headers of the answer when it is compressed, to so many bytes where that is known: its bytes are
    others than those that a strong tag stands for.
    """
    kept = [
        (name, value if name != b"etag" or value.startswith(b"W/") else b"W/" + value)
        for name, value in headers
        if name not in (b"content-length", b"accept-ranges", b"content-md5", b"digest")
    ]
    kept += (_GZIP, _VARY)
    if length is not None:
        kept.append((b"content-length", str(length).encode()))
    return kept


def unpacked(headers: Headers) -> Headers:
    """The headers of the same answer for whoever does not read gzip: caches must know of the difference."""
    return [*headers, _VARY]

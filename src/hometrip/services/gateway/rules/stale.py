"""Which answers may be given again when their service is not to be had (RFC 9111, section 4.2.4 and
RFC 5861), and how they are marked then.
"""

from __future__ import annotations

import re
from functools import lru_cache

from hometrip.services.gateway.rules.answers import Head

# How long an answer is kept that is public and does not say for how long; and what is kept of the rest.
SECONDS = 600.0
MOST_SECONDS = 86_400.0
MOST_BYTES = 65_536

_FORBIDDEN = frozenset(b"no-store private no-cache must-revalidate proxy-revalidate s-maxage".split())
_AGES = (b"max-age", b"stale-if-error")
# The language is part of the key, and nothing is kept of whoever shows a credential; the rest is the same for
# everybody.
_VARIES = frozenset(b"accept-encoding accept-language authorization origin".split())
_ITS_OWN = (b"set-cookie", b"content-encoding", b"content-range")
_NUMBER = re.compile(rb"\d{1,9}")

WARNING = (b"warning", b'110 - "Response is Stale"')


def kept_for(head: Head, *, private: bool, size: int) -> float:
    """For how many seconds this answer to a GET may be given again; 0 where it may not. `private`: who asked
    showed a credential.
    """
    if private or head.status != 200 or size > MOST_BYTES:
        return 0.0
    allowed = 0.0
    for name, value in head.headers:
        if name == b"cache-control":
            allowed = allowed_by(value)
            if not allowed:
                return 0.0
        elif name in _ITS_OWN or (name == b"vary" and not varies_by_language_only(value)):
            return 0.0
    return allowed


@lru_cache(maxsize=256)
def allowed_by(cache_control: bytes) -> float:
    """For how many seconds after it was made the header allows an answer, its staleness included."""
    parts = {
        name.strip().lower(): value.strip(b' "')
        for name, _, value in (part.partition(b"=") for part in cache_control.split(b","))
    }
    if b"public" not in parts or parts.keys() & _FORBIDDEN:
        return 0.0
    fresh, stale = (float(parts[name]) if _NUMBER.fullmatch(parts.get(name, b"")) else None for name in _AGES)
    return min((fresh or 0.0) + (SECONDS if stale is None else stale), MOST_SECONDS)


@lru_cache(maxsize=256)
def varies_by_language_only(vary: bytes) -> bool:
    return {part.strip().lower() for part in vary.split(b",")} <= _VARIES


def stands_in_for(status: int) -> bool:
    """May an older answer take the place of one with this status?"""
    return status in (500, 502, 503, 504)

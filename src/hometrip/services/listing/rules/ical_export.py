"""A home's taken nights as a calendar for other sites (RFC 5545): that they are taken, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, date, datetime
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from hometrip.kernel.stay import Stay

_LONGEST_LINE = 75


def calendar_text(home: UUID, stays: Sequence[Stay], host: str, stamp: datetime) -> bytes:
    """All-day events of these ranges. The same nights give the same bytes, so that they have one tag.

    A range is named by the home and its dates (`name_of`): `<name>@<host>.hometrip`.
    """
    at = stamp.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//HomeTrip//Calendar//EN", "CALSCALE:GREGORIAN"]
    for stay in stays:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{name_of(home, stay.check_in, stay.check_out)}@{host}.hometrip",
            f"DTSTAMP:{at}",
            f"DTSTART;VALUE=DATE:{stay.check_in:%Y%m%d}",
            f"DTEND;VALUE=DATE:{stay.check_out:%Y%m%d}",
            "SUMMARY:Reserved",
            "TRANSP:OPAQUE",
            "END:VEVENT",
        ]
    return b"".join(folded(line) + b"\r\n" for line in [*lines, "END:VCALENDAR"])


def name_of(home: UUID, check_in: date, check_out: date) -> UUID:
    """The same for the same nights, wherever the house is reached: who has moved knows them when they come
    back.
    """
    return uuid5(home, f"{check_in}/{check_out}")


def host_of(public_url: str) -> str:
    """The host in the names of our events, by which they are known when they come back."""
    return urlsplit(public_url).hostname or "localhost"


def folded(line: str) -> bytes:
    """At most 75 octets a line, its continuations with a space in front; no letter is cut in two."""
    parts: list[bytes] = []
    part = b""
    for letter in line:
        more = letter.encode()
        if len(part) + len(more) > _LONGEST_LINE:
            parts.append(part)
            part = b" "
        part += more
    return b"\r\n".join([*parts, part])


def tag_of(calendar: bytes) -> str:
    return f'"{hashlib.sha256(calendar).hexdigest()[:32]}"'


def token_of(home: UUID, link: int, key: bytes) -> str:
    """The word that opens a home's calendar by its `link`th links; whoever has not the key cannot find it."""
    named = home.bytes + (link.to_bytes(8) if link else b"")
    return urlsafe_b64encode(hmac.digest(key, named, "sha256")[:24]).decode()


def is_token(given: str, home: UUID, link: int, key: bytes) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token_of(home, link, key).encode())

"""Refresh tokens: opaque, kept as hashes, each good for one successor.

A token's successor is kept locked with the token itself, so that within the grace the immediately previous
token can be answered with the very successor that it had: a chain, never a second branch. What is stored
opens neither without a token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime, timedelta
from enum import Enum

import msgspec

from hometrip.services.auth.contract import BadToken

GRACE = timedelta(seconds=10)
_BYTES = 32
_LENGTH = 43


class Kept(msgspec.Struct, frozen=True):
    """What is known of a token that was presented: its place in the chain and that of the newest one."""

    number: int
    newest: int
    used_at: datetime | None
    expires_at: datetime


class Use(Enum):
    """What to do with a token."""

    ROTATE = "rotate"
    ANSWER_AGAIN = "answer again"
    EXPIRED = "expired"
    STOLEN = "stolen"


def judge(kept: Kept, now: datetime) -> Use:
    """The newest token is rotated; the one just before it is answered again for ten seconds; an older one, or
    one that comes later, has been copied.
    """
    if kept.used_at is None:
        return Use.EXPIRED if kept.expires_at <= now else Use.ROTATE
    if kept.number == kept.newest - 1 and now < kept.used_at + GRACE:
        return Use.ANSWER_AGAIN
    return Use.STOLEN


def token_of(chance: bytes) -> str:
    """A token of 32 random bytes."""
    return base64.urlsafe_b64encode(chance).rstrip(b"=").decode()


def raw(token: str) -> bytes:
    """The bytes of a token as it was given out; `BadToken` for what never was one."""
    if len(token) != _LENGTH or not token.isascii():
        raise BadToken
    try:
        chance = base64.urlsafe_b64decode(token + "=")
    except (binascii.Error, ValueError) as reason:
        raise BadToken from reason
    if len(chance) != _BYTES or token_of(chance) != token:
        raise BadToken
    return chance


def fingerprint(chance: bytes) -> bytes:
    """What is stored of a token. It has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(b"refresh " + chance).digest()


def locked(successor: bytes, token: bytes) -> bytes:
    """The successor, locked with the token before it; the same function unlocks it.

    A token locks one successor only, so the pad is used once.
    """
    pad = hashlib.sha256(b"successor " + token).digest()
    return bytes(a ^ b for a, b in zip(successor, pad, strict=True))

"""Tokens for links in mails: signed, for one purpose and account, until a time, as long as a state lasts.

Nothing of them is stored: whoever has the secret can make one anew, and each dies with the state it names
(the account's unverified sign-up, the unused request).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from hometrip.services.auth.contract import RESET_PASSWORD, VERIFY_EMAIL, BadToken

PURPOSES = (VERIFY_EMAIL, RESET_PASSWORD)

# Purpose, account, seconds since 1970, state; then the signature over these.
_LAYOUT = struct.Struct(">B16sQ16s")
_SIGNED = hashlib.sha256().digest_size
_LENGTH = -(-(_LAYOUT.size + _SIGNED) * 4 // 3)


class MailToken(msgspec.Struct, frozen=True):
    """`state` is 16 bytes that are compared with what is true when the token comes back."""

    purpose: str
    account_id: UUID
    expires_at: datetime
    state: bytes


def sealed(secret: bytes, token: MailToken) -> str:
    packed = _LAYOUT.pack(
        PURPOSES.index(token.purpose), token.account_id.bytes, int(token.expires_at.timestamp()), token.state
    )
    return base64.urlsafe_b64encode(packed + _signature(secret, packed)).rstrip(b"=").decode()


def opened(secret: bytes, text: str, purpose: str, now: datetime) -> MailToken:
    """What was sealed; `BadToken` for anything else, for another purpose, and from its end on."""
    packed = _unpacked(text)
    body, signature = packed[: _LAYOUT.size], packed[_LAYOUT.size :]
    if not hmac.compare_digest(signature, _signature(secret, body)):
        raise BadToken
    number, account, seconds, state = _LAYOUT.unpack(body)
    token = MailToken(PURPOSES[number], UUID(bytes=account), datetime.fromtimestamp(seconds, UTC), state)
    if token.purpose != purpose or token.expires_at <= now:
        raise BadToken
    return token


def sign_up_state(password_hash: str) -> bytes:
    """Ties a verification to the sign-up that it confirms: with another password it is another sign-up."""
    return hashlib.sha256(b"sign-up " + password_hash.encode()).digest()[:16]


def _unpacked(text: str) -> bytes:
    if len(text) != _LENGTH or not text.isascii():
        raise BadToken
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as reason:
        raise BadToken from reason
    # Base64 has several spellings of the same bytes; only the one that was sent is accepted.
    if (
        len(packed) != _LAYOUT.size + _SIGNED
        or base64.urlsafe_b64encode(packed).rstrip(b"=").decode() != text
    ):
        raise BadToken
    return packed


def _signature(secret: bytes, packed: bytes) -> bytes:
    return hmac.digest(secret, b"hometrip mail token " + packed, "sha256")

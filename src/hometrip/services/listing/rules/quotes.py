"""The id of a quote: a signed text that holds what was promised, to whom it may concern, and until when."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, date, datetime
from uuid import UUID

import msgspec

from hometrip.services.listing.contract import QuoteMismatch, Wish

_SIGNATURE_BYTES = 16


class Promise(msgspec.Struct, frozen=True, array_like=True):
    """What a quote's id says. Times in whole seconds since 1970, so that nothing is lost on the way.

    `rate` is what one unit of `currency` is in `shown_in`, frozen for as long as the quote is good. `policy`
    is that of the home then; earlier versions promised none.
    """

    id: UUID
    listing_id: UUID
    check_in: date
    check_out: date
    guests: int
    pets: int
    coupon: str
    total: int
    currency: str
    until: int
    exempt: int = 0
    shown_in: str = ""
    rate: int = 0
    rated_on: date | None = None
    policy: str = ""

    @property
    def expires_at(self) -> datetime:
        return datetime.fromtimestamp(self.until, UTC)

    def is_for(self, listing_id: UUID, wish: Wish) -> bool:
        """Is it of this home, stay and party? Who says nothing of guests that taxes spare is believed."""
        if wish.exempt_guests not in (0, self.exempt):
            return False
        coupon = (wish.coupon or "").upper()  # a code is the same in capitals and small letters
        asked = (listing_id, wish.check_in, wish.check_out, wish.guests, wish.pets, coupon)
        return asked == (
            self.listing_id,
            self.check_in,
            self.check_out,
            self.guests,
            self.pets,
            self.coupon.upper(),
        )


def sealed(promise: Promise, key: bytes) -> str:
    body = msgspec.msgpack.encode(promise)
    return _text(_signature(body, key) + body)


def opened(quote_id: str, key: bytes) -> Promise:
    """`QuoteMismatch` for anything that `sealed` did not make with this key."""
    try:
        raw = base64.urlsafe_b64decode(quote_id.encode("ascii") + b"=" * (-len(quote_id) % 4))
        signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        # Decoding reads over strange letters and spare bits: only the one true spelling is taken.
        if _text(raw) != quote_id or not hmac.compare_digest(signature, _signature(body, key)):
            raise QuoteMismatch
        return msgspec.msgpack.decode(body, type=Promise)
    except (binascii.Error, ValueError, msgspec.DecodeError) as unreadable:
        raise QuoteMismatch from unreadable


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, hashlib.sha256)[:_SIGNATURE_BYTES]

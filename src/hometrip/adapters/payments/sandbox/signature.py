"""How a webhook is signed and checked: the header `t=<unix seconds>,v1=<hex>`, as Stripe writes it."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

from hometrip.ports.payments import BadSignature

TOLERANCE = timedelta(minutes=5)


def sign(body: bytes, secret: bytes, at: datetime) -> str:
    """The header's value. `v1` is HMAC-SHA256 of "<t>.<body>", in hexadecimal."""
    moment = str(int(at.timestamp()))
    return f"t={moment},v1={_digest(moment, body, secret)}"


def check(body: bytes, header: str, secret: bytes, now: datetime) -> None:
    """`BadSignature` unless one of its `v1` is right and `t` is within the tolerance. The body stays unread.

    A header may carry several `v1`, as it does while a secret is being replaced; other schemes are ignored.
    """
    fields = [field.partition("=")[::2] for field in header.strip().split(",")]
    moments = [value for name, value in fields if name == "t"]
    digests = [value for name, value in fields if name == "v1"]
    if len(moments) != 1 or not (moments[0].isascii() and moments[0].isdigit() and len(moments[0]) < 12):
        raise BadSignature("the signature header has no time")
    right = _digest(moments[0], body, secret).encode()
    # Each one is compared in full, so that the time taken tells nothing about the right one.
    verdicts = [hmac.compare_digest(digest.encode(errors="replace"), right) for digest in digests]
    if True not in verdicts:
        raise BadSignature("the body was not signed with this secret")
    if abs(now.timestamp() - int(moments[0])) > TOLERANCE.total_seconds():
        raise BadSignature("the signature is too old")


def _digest(moment: str, body: bytes, secret: bytes) -> str:
    return hmac.new(secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()

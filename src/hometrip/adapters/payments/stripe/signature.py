"""Whether a webhook comes from Stripe: its header is looked at, Stripe's library compares the digests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import stripe

from hometrip.ports.payments import BadSignature

TOLERANCE = timedelta(minutes=5)
LONGEST = 4096  # characters of a header
_MOMENT = re.compile(r"[1-9][0-9]{0,10}")


def check(body: bytes, header: str, secrets: Sequence[str], now: datetime) -> None:
    """`BadSignature` unless it was signed with one of the secrets within five minutes. The body is not read.

    Account and Connect webhooks have secrets of their own, and a secret that is replaced is good for a while.
    """
    text = header.strip()
    if not text.isascii() or len(text) > LONGEST:
        raise BadSignature("the signature header is none")
    fields = [field.partition("=")[::2] for field in text.split(",")]
    moments = [value for name, value in fields if name == "t"]
    if len(moments) != 1 or not _MOMENT.fullmatch(moments[0]):
        raise BadSignature("the signature header has no time")
    # One header of known shape for the library, whatever else came with it.
    plain = ",".join(f"{name}={value}" for name, value in fields if name in ("t", "v1") and "=" not in value)
    if True not in [_is_right(body, plain, secret) for secret in secrets]:
        raise BadSignature("the body was not signed with this secret")
    if abs(now.timestamp() - int(moments[0])) > TOLERANCE.total_seconds():
        raise BadSignature("the signature is too old")


def _is_right(body: bytes, header: str, secret: str) -> bool:
    try:
        # The time is ours to judge, by our clock.
        stripe.WebhookSignature.verify_header(body, header, secret, None)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True

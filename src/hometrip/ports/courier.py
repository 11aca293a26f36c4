"""The courier port: takes a message to a person by e-mail, SMS or push."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from hometrip.kernel.errors import HomeTripError, Unavailable


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the delivery's; a courier that sees it twice sends it once where its provider allows that."""

    id: UUID
    channel: str
    to: str
    kind: str
    subject: str
    text: str
    html: str = ""
    headers: dict[str, str] = {}
    at: datetime


class Undeliverable(HomeTripError):
    """The provider refuses this message for good: trying again is useless."""

    code = "undeliverable"


class CourierDown(Unavailable):
    """The provider does not take messages now; the message may be tried again."""

    code = "courier_down"


class Courier(Protocol):
    """`send` returns the provider's own word for the message once the provider has taken it.

    Raises `Undeliverable` or `CourierDown`. No line break in an address or subject ever makes a second
    header.
    """

    async def send(self, message: Message) -> str: ...

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""

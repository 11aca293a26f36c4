"""Messages of the broker as events."""

from __future__ import annotations

from uuid import UUID, uuid5

import msgspec
from aiormq.abc import DeliveredMessage

from hometrip.kernel.clock import utc
from hometrip.kernel.events import Envelope

_decoder = msgspec.json.Decoder(Envelope)


def envelope_of(message: DeliveredMessage) -> tuple[Envelope, str]:
    """The event, and what is wrong with the message where it is none: then the event stands for it, so that
    it can be parked, listed and dropped.
    """
    try:
        return _decoder.decode(message.body), ""
    except msgspec.MsgspecError as error:
        return _unreadable(message.body, message.routing_key or ""), f"not an event: {error}"


def _unreadable(body: bytes, name: str) -> Envelope:
    text = msgspec.json.encode(body.decode("utf-8", "replace"))
    return Envelope(
        id=uuid5(UUID(int=0), text.decode()),
        name=name,
        version=0,
        occurred_at=utc(1970, 1, 1),
        producer="",
        subject="",
        sequence=0,
        correlation_id="",
        data=msgspec.Raw(text),
    )

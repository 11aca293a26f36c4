"""Domain events: facts that a service publishes after committing them, and the envelope they travel in."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import datetime
from typing import ClassVar, TypeVar
from uuid import UUID

import msgspec

from hometrip.kernel.record import Frozen

E = TypeVar("E", bound="Event")


class Event(Frozen, omit_defaults=True):
    """A fact, in the past tense. A subclass names itself and its subject:

        class BookingConfirmed(Event):
            name = "booking.confirmed"
            about = ("booking", "booking_id")        # the subject is booking/<booking_id>

    `event_id` is not part of the fact: it is set when the event is heard, so that `first_time` can know it.
    """

    name: ClassVar[str] = ""
    about: ClassVar[tuple[str, str]] = ("", "")
    data_version: ClassVar[int] = 1
    by_name: ClassVar[dict[str, type[Event]]] = {}

    event_id: UUID | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        named = cls.__dict__.get("name", "")
        if isinstance(named, str) and named:
            Event.by_name[named] = cls

    @property
    def subject(self) -> str:
        kind, field = self.about
        return f"{kind}/{getattr(self, field)}"


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What carries every event, in storage and on the wire alike (events.md)."""

    id: UUID
    name: str
    version: int
    occurred_at: datetime
    producer: str
    subject: str
    sequence: int
    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")

    def age(self, now: datetime) -> float:
        """In seconds."""
        return (now - self.occurred_at).total_seconds()

    def open(self, kind: type[E]) -> E:
        """The typed fact inside, with its id. Unknown fields are newer than this reader and are left out."""
        event = msgspec.json.decode(self.data, type=kind)
        msgspec.structs.force_setattr(event, "event_id", self.id)
        return event


def sealed(
    event: Event,
    *,
    event_id: UUID,
    at: datetime,
    producer: str,
    sequence: int,
    cause: Cause,
    subject: str = "",
) -> Envelope:
    """The event in its envelope."""
    bare = event if event.event_id is None else msgspec.structs.replace(event, event_id=None)
    return Envelope(
        id=event_id,
        name=event.name,
        version=event.data_version,
        occurred_at=at,
        producer=producer,
        subject=subject or event.subject,
        sequence=sequence,
        correlation_id=cause.correlation_id or str(event_id),
        causation_id=cause.causation_id,
        traceparent=cause.traceparent,
        data=msgspec.Raw(msgspec.json.encode(bare)),
    )


class Cause(msgspec.Struct, frozen=True, gc=False):
    """What led to an event: the request or event it belongs to, and the one just before it."""

    correlation_id: str = ""
    causation_id: str | None = None
    traceparent: str | None = None


NO_CAUSE = Cause()

# What is being done now: set where a request or an event is taken up, read where an event is emitted.
current_cause: ContextVar[Cause] = ContextVar("current_cause", default=NO_CAUSE)

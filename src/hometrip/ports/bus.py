"""The bus port: carries events between services, at least once."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from hometrip.kernel.errors import Unavailable
from hometrip.kernel.events import Envelope

# What a handler answers, if anything, ends when what it did is safe (or raises): only then is it handled.
Handler = Callable[[Envelope], Coroutine[Any, Any, "Future[None] | None"]]


class Patience(msgspec.Struct, frozen=True):
    """How a failing handler is treated: the pauses between tries (seconds), and how long a subject waits
    behind a parked event before it goes on. What fails because a part of the house is away is not the event's
    fault: it is tried with the last pause for so many seconds.
    """

    pauses: tuple[float, ...] = (0.2, 2.0)
    behind_parked: float = 30.0
    unavailable: float = 120.0

    def pause_after(self, tries: int, waited: float, error: BaseException) -> float | None:
        """How long until the next try, after so many in `waited` seconds; None: the event is parked."""
        if tries <= len(self.pauses):
            return self.pauses[tries - 1]
        away = isinstance(error, Unavailable) and waited < self.unavailable
        return self.pauses[-1] if away and self.pauses else None


class Parked(msgspec.Struct, frozen=True):
    """An event that a listener could not handle, with the last reason."""

    service: str
    envelope: Envelope
    reason: str
    tries: int
    at: datetime


class Bus(Protocol):
    """Carries events between services, at least once.

    - `publish` has ended when the event is safe: a broker has confirmed it, or (without a broker) every
      listener has handled or parked it. When it raises, the event must be published again.
    - A listener sees an equal copy, never the publisher's object.
    - Events of one subject reach a listener in the order in which they were published, one at a time; other
      subjects go on beside them.
    - A listener that raises is retried with back-off, then its event is parked, durably. Later events of the
      same
      subject wait behind a parked one for a set time, then go on, with an alert.
    """

    def publish(self, envelope: Envelope) -> Awaitable[None]: ...

    async def listen(self, service: str, names: Sequence[str], handler: Handler) -> None:
        """`service` hears these events from now on. Of several instances of one service, one gets each
        event.
        """

    async def start(self) -> None:
        """Begin to deliver; every listener has been declared."""

    async def stop(self) -> None:
        """Take no more, let running handlers end, hand back the rest."""

    async def parked(self, service: str | None = None) -> list[Parked]: ...

    async def parked_counts(self) -> dict[str, int]:
        """How many are parked, by service, without reading them; a service without any may be left out."""

    async def replay(self, service: str, event_id: UUID) -> None:
        """Deliver a parked event to that service again; `NotFound` where it is not parked."""

    async def drop(self, service: str, event_id: UUID) -> None:
        """Forget a parked event; `NotFound` where it is not parked."""

    async def idle(self) -> None:
        """Returns when nothing that was published here is waiting or running (parked events do not count)."""

    async def quiet(self) -> bool:
        """Is nothing waiting for or handled by the listeners of this process, nor on its way to them?"""

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""

"""The traces port: takes the steps of traces to where people look at them."""

from __future__ import annotations

from typing import Protocol

import msgspec

from hometrip.kernel.trace import Span


class Trace(msgspec.Struct, frozen=True):
    """What is known here of one trace, its steps in the order of their beginning. `left_out` more were too
    many to be kept.
    """

    trace_id: str
    spans: list[Span]
    left_out: int = 0


class Traces(Protocol):
    """Keeps ended steps, or sends them on.

    - `keep` never waits and never raises, whatever the collector does; no request is slower for it.
    - What is kept is bounded. What must be left out is counted in `lost`.
    - A collector that is away keeps nothing from starting and makes nothing unready: spans wait for it as far
      as there is room, and are sent within five seconds of its return.
    """

    lost: int

    def keep(self, span: Span) -> None: ...

    def recent(self, limit: int) -> list[Trace]:
        """The traces that had a step last, the latest first; none where they are looked at elsewhere."""

    def find(self, trace_id: str) -> Trace | None:
        """What is known here of that trace."""

    async def flush(self) -> None:
        """Returns when what was kept before is where it belongs, or after two seconds."""

    async def close(self) -> None:
        """As `flush`; what is kept afterwards goes nowhere."""

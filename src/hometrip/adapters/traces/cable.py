"""Traces that are kept by another process of the same house."""

from __future__ import annotations

import asyncio

import msgspec

from hometrip.kernel.errors import Unavailable
from hometrip.kernel.trace import Span
from hometrip.ports.cable import Cable
from hometrip.ports.traces import Trace, Traces

# Steps are told of together, so many at most and so long after the first: each by itself would cost the other
# process more than the request that it is of costs this one.
TOGETHER, GATHER_SECONDS = 512, 0.2


class CableTraces:
    """Tells the other process of ended steps; looked at they are there."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable
        self._untold: list[Span] = []
        self._closed = False
        self.lost = 0

    def keep(self, span: Span) -> None:
        if self._closed:
            self.lost += 1
            return
        self._untold.append(span)
        if len(self._untold) == 1:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._tell)
        elif len(self._untold) >= TOGETHER:
            self._tell()

    def recent(self, limit: int) -> list[Trace]:
        return []

    def find(self, trace_id: str) -> Trace | None:
        return None

    async def flush(self) -> None:
        self._tell()

    async def close(self) -> None:
        await self.flush()
        self._closed = True

    def _tell(self) -> None:
        told, self._untold = self._untold, []
        if not told:
            return
        try:
            self._cable.tell("spans", msgspec.msgpack.encode(told))
        except Unavailable:
            self.lost += len(told)


def keep_told(traces: Traces, cable: Cable) -> None:
    """Keeps in `traces` what the other end of the cable tells of."""

    def keep(told: bytes) -> None:
        for span in msgspec.msgpack.decode(told, type=list[Span]):
            traces.keep(span)

    cable.on("spans", keep)

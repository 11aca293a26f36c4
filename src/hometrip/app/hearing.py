"""Hearing: a service is one listener, and this is what the bus calls for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any, cast, get_args, get_type_hints

from hometrip.app import metrics
from hometrip.app.gathering import Gathering
from hometrip.kernel.clock import Clock
from hometrip.kernel.events import Cause, Envelope, Event, current_cause
from hometrip.kernel.pace import Pace
from hometrip.kernel.service import Heard, Reaction, Service, is_gathered, is_unhurried
from hometrip.kernel.trace import Kind, Step, Tracer, well_formed
from hometrip.ports.outbox import Outbox, Unhurried


class Hearing:
    """The reactions of a service by the name of the event, so that it hears those of a subject in order."""

    def __init__(
        self, service: Service, deps: Any, storage: Outbox | None, tracer: Tracer, pace: Pace, clock: Clock
    ) -> None:
        self._service, self._deps, self._storage, self._tracer = service.name, deps, storage, tracer
        self._reactions: dict[str, list[tuple[type[Event], Reaction]]] = {}
        for reaction in service.reactions:
            kind = event_of(reaction)
            self._reactions.setdefault(kind.name, []).append((kind, reaction))
        self.taken_up = 0  # events, ever
        self._unhurried = {
            name for name, some in self._reactions.items() if all(is_unhurried(each) for _, each in some)
        }
        self._gatherings = {
            name: Gathering(self._together, pace, clock)
            for name, some in self._reactions.items()
            if any(is_gathered(each) for _, each in some)
        }
        for name in self._gatherings:
            if not all(is_gathered(each) for _, each in self._reactions[name]):
                raise TypeError(f"{self._service} hears {name} both alone and together with others")

    @property
    def names(self) -> list[str]:
        """Of the events that the service hears."""
        return list(self._reactions)

    async def handle(self, envelope: Envelope) -> asyncio.Future[None] | None:
        """As the bus asks for it. What it does not wait for, the bus does, once for many events: for the disk
        where the storage lets it, and for those that are handled together."""
        self.taken_up += 1
        if (gathering := self._gatherings.get(envelope.name)) is not None:
            return gathering.join(envelope)
        if envelope.name in self._unhurried and isinstance(self._storage, Unhurried):
            return await self._storage.unhurried(self._alone(envelope))
        await self._alone(envelope)
        return None

    async def stop(self) -> None:
        for gathering in self._gatherings.values():
            await gathering.stop()

    async def _alone(self, envelope: Envelope) -> None:
        outcome = "failed"
        try:
            with self._step(envelope):
                for kind, reaction in self._reactions[envelope.name]:
                    await reaction(self._deps, envelope.open(kind))
            outcome = "ok"
        finally:
            metrics.count_handled(self._service, envelope.name, outcome)

    async def _together(self, envelopes: Sequence[Envelope]) -> None:
        """Several of one name. What is done for all of them is told in the trace of the first."""
        name, steps = envelopes[0].name, [self._step(envelope) for envelope in envelopes]
        causes = [step.begin() for step in steps]
        token, failed = current_cause.set(causes[0]), None
        try:
            for kind, reaction in self._reactions[name]:
                opened = (envelope.open(kind) for envelope in envelopes)
                await reaction(self._deps, [Heard(*each) for each in zip(opened, causes, strict=True)])
        except BaseException as error:
            failed = error
            raise
        finally:
            current_cause.reset(token)
            for step in steps:
                step.end(failed)
                metrics.count_handled(self._service, name, "failed" if failed else "ok")

    def _step(self, envelope: Envelope) -> Step:
        cause = Cause(envelope.correlation_id, str(envelope.id), well_formed(envelope.traceparent))
        facts = {"messaging.message.id": str(envelope.id), "messaging.producer": envelope.producer}
        return self._tracer.outer(f"hear {envelope.name}", Kind.CONSUMER, self._service, cause, facts)


@cache
def event_of(reaction: Reaction) -> type[Event]:
    """The event that a reaction hears, as its second parameter is annotated: one, or many at once."""
    kinds = [hint for name, hint in get_type_hints(reaction).items() if name not in ("deps", "return")]
    kind = kinds[0]
    while inner := get_args(kind):
        [kind] = inner
    return cast("type[Event]", kind)

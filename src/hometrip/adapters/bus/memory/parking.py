"""The events that the listeners of one process could not handle, in a file that commands read too."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from uuid import UUID

import msgspec

from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import NotFound
from hometrip.kernel.events import Envelope
from hometrip.ports.bus import Parked

log = logging.getLogger("hometrip.bus")

_PARKED = """
create table if not exists parked (
    service text not null, event_id text not null, envelope blob not null, reason text not null,
    tries integer not null, at text not null, replay integer not null default 0,
    primary key (service, event_id)) without rowid
"""


class Parking:
    """Each is there once for a service, with the last reason, until it is handled after all or dropped."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.execute("pragma journal_mode = wal")
        self._file.execute(_PARKED)

    def close(self) -> None:
        self._file.close()

    def park(self, service: str, envelope: Envelope, reason: str, tries: int) -> None:
        self._file.execute(
            "insert or replace into parked values (?, ?, ?, ?, ?, ?, 0)",
            (
                service,
                str(envelope.id),
                msgspec.json.encode(envelope),
                reason,
                tries,
                self._clock.now().isoformat(),
            ),
        )
        log.error(
            "event parked", extra={"service": service, "event": envelope.name, "event_id": str(envelope.id)}
        )

    def parked(self, service: str | None) -> list[Parked]:
        rows = self._file.execute(
            "select service, envelope, reason, tries, at from parked"
            " where ?1 is null or service = ?1 order by at",
            (service,),
        )
        return [
            msgspec.convert(
                {
                    "service": name,
                    "envelope": msgspec.json.decode(envelope, type=Envelope),
                    "reason": reason,
                    "tries": tries,
                    "at": at,
                },
                Parked,
            )
            for name, envelope, reason, tries, at in rows
        ]

    def counts(self) -> dict[str, int]:
        return dict(self._file.execute("select service, count(*) from parked group by service"))

    def holds(self, service: str, event_id: UUID) -> bool:
        found = self._file.execute(
            "select 1 from parked where service = ? and event_id = ?", (service, str(event_id))
        )
        return found.fetchone() is not None

    def want_replay(self, service: str, event_id: UUID) -> None:
        """`NotFound` where it is not parked."""
        changed = self._file.execute(
            "update parked set replay = 1 where service = ? and event_id = ?", (service, str(event_id))
        ).rowcount
        if not changed:
            raise NotFound("no such parked event")

    def wanted(self) -> list[tuple[str, Envelope]]:
        """What is to be replayed, for which service."""
        rows = self._file.execute("select service, envelope from parked where replay = 1").fetchall()
        return [(service, msgspec.json.decode(packed, type=Envelope)) for service, packed in rows]

    def drop(self, service: str, event_id: UUID) -> None:
        """`NotFound` where it is not parked."""
        changed = self._file.execute(
            "delete from parked where service = ? and event_id = ?", (service, str(event_id))
        ).rowcount
        if not changed:
            raise NotFound("no such parked event")

"""A copy of a service for test_broker.py, as a process: effect and inbox in one SQLite transaction."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys

from hometrip.adapters.bus.rabbitmq import RabbitBus
from hometrip.adapters.clock.system import SystemClock
from hometrip.kernel.events import Envelope
from hometrip.ports.bus import Patience

PATIENCE = Patience(pauses=(0.05, 0.1), behind_parked=0.5)
TABLES = """
create table if not exists inbox (event_id text primary key);
create table if not exists effects
    (number integer primary key, subject text, sequence integer, process integer);
create table if not exists tries (event_id text);
"""


async def serve(url: str, path: str, die_after: int) -> None:
    """Until it is ended; with `die_after` it ends itself without a goodbye, right after that many effects."""
    file = sqlite3.connect(path, isolation_level=None, timeout=30)
    file.executescript("pragma journal_mode = wal; pragma synchronous = off;" + TABLES)
    left = die_after

    async def handle(envelope: Envelope) -> None:
        nonlocal left
        if b"poison" in bytes(envelope.data):
            file.execute("insert into tries values (?)", (str(envelope.id),))
            raise ValueError("poison")
        file.execute("begin immediate")
        if file.execute("insert or ignore into inbox values (?)", (str(envelope.id),)).rowcount:
            row = (envelope.subject, envelope.sequence, os.getpid())
            file.execute("insert into effects (subject, sequence, process) values (?, ?, ?)", row)
        file.execute("commit")
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    bus = RabbitBus(url, SystemClock(), patience=PATIENCE)
    await bus.listen("payment", ["booking.created"], handle)
    await bus.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("listening", flush=True)
    await stop.wait()
    await bus.stop()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))

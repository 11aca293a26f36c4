"""What a process of its own does that writes notes and says which ones were answered, until it is killed or
done.
"""

from __future__ import annotations

import asyncio
import os
from multiprocessing.connection import Connection
from pathlib import Path

from contracts.storages import STORAGES, NoteTaken, opened
from hometrip.adapters.clock.system import SystemClock
from hometrip.kernel.ids import ids


def write(storage_name: str, folder: Path, writers: int, each: int, said: Connection) -> None:
    """So many notes of each writer; a line with its id is `said` of each that was answered."""
    asyncio.run(_write(storage_name, folder, writers, each, said))


async def _write(storage_name: str, folder: Path, writers: int, each: int, said: Connection) -> None:
    kind, clock = STORAGES[storage_name], SystemClock()
    storage, new_id = await opened(kind.open(folder, clock)), ids(clock)

    async def writer(subject: str) -> None:
        for _ in range(each):
            note_id = new_id()
            async with storage.transaction() as tx:
                await kind.put(tx, note_id, subject)
                await tx.emit(NoteTaken(note_id=note_id))
            os.write(said.fileno(), f"{note_id}\n".encode())

    await asyncio.gather(*(writer(str(number)) for number in range(writers)))
    await storage.close()

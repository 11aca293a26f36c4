"""A process of its own that writes notes and says which ones were answered, until it is killed or done.

python writing_process.py <storage> <folder> <writers> <notes of each writer>
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from storages import STORAGES, NoteTaken, opened

from hometrip.adapters.clock.system import SystemClock
from hometrip.kernel.ids import ids


async def write(storage_name: str, folder: Path, writers: int, each: int) -> None:
    kind, clock = STORAGES[storage_name], SystemClock()
    storage, new_id = await opened(kind.open(folder, clock)), ids(clock)

    async def writer(subject: str) -> None:
        for _ in range(each):
            note_id = new_id()
            async with storage.transaction() as tx:
                await kind.put(tx, note_id, subject)
                await tx.emit(NoteTaken(note_id=note_id))
            os.write(1, f"{note_id}\n".encode())

    await asyncio.gather(*(writer(str(number)) for number in range(writers)))
    await storage.close()


asyncio.run(write(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))

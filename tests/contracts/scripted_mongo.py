"""A primary of a replica set that answers by a script: for what the wire server never says.

It knows nothing of documents. `answers` has a function for each command that it is asked beyond a greeting.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import bson

Answer = Callable[[dict[str, Any]], dict[str, Any]]
WRITE_CONFLICT = {
    "ok": 0,
    "code": 112,
    "codeName": "WriteConflict",
    "errmsg": "WriteConflict",
    "errorLabels": ["TransientTransactionError"],
}
_MESSAGE = 2013


@asynccontextmanager
async def scripted(answers: dict[str, Answer]) -> AsyncIterator[tuple[str, list[str]]]:
    """Its url, and the commands that it was asked, in order."""
    asked: list[str] = []
    serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving[task] = writer
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length, number, _, kind = struct.unpack("<iiii", await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                assert kind == _MESSAGE
                size = struct.unpack_from("<i", body, 5)[0]
                answer = bson.encode(said(bson.decode(body[5 : 5 + size])))
                head = struct.pack("<iiii", 21 + len(answer), 1, number, _MESSAGE)
                writer.write(head + b"\0\0\0\0\0" + answer)
                await writer.drain()
        writer.close()

    def said(command: dict[str, Any]) -> dict[str, Any]:
        name = next(iter(command))
        if name in ("hello", "isMaster", "ismaster", "endSessions"):
            return hello
        asked.append(name)
        return answers[name](command) if name in answers else {"ok": 1}

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    hello = {
        "ok": 1,
        "helloOk": True,
        "isWritablePrimary": True,
        "setName": "rs0",
        "hosts": [place],
        "primary": place,
        "me": place,
        "setVersion": 1,
        "minWireVersion": 0,
        "maxWireVersion": 21,
        "logicalSessionTimeoutMinutes": 30,
        "maxBsonObjectSize": 16_777_216,
        "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000,
    }
    try:
        # Named as load balanced or not, a driver greets by the message that is understood here.
        yield f"mongodb://{place}/scripted?loadBalanced=false", asked
    finally:
        server.close()
        for writer in serving.values():
            writer.close()
        await asyncio.gather(*serving)

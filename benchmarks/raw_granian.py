"""A limit beside ours: Granian, a server in Rust, embedded in one process, and a constant answer.

python -m benchmarks.raw_granian --port 3999 --size 2000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server


def constant(size: int) -> Any:
    """An ASGI application that answers every request with the same JSON of `size` bytes."""
    body = json.dumps({"items": ""}).encode()
    body = body.replace(b'""', b'"' + b"x" * max(0, size - len(body)) + b'"')
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
    }
    end = {"type": "http.response.body", "body": body}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send(start)
        await send(end)

    return application


async def serve(port: int, size: int) -> None:
    server = Server(
        constant(size),
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGINL,
        http1_settings=HTTP1Settings(header_read_timeout=10_000, keep_alive=True),
        websockets=False,
        backlog=2048,
        log_level=LogLevels.error,
    )
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, server.stop)
    await server.serve()


def main() -> None:
    options = argparse.ArgumentParser(description="Granian with a constant answer")
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--size", type=int, default=2000)
    given = options.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(given.port, given.size))


if __name__ == "__main__":
    main()

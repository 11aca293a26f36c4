"""A real server in a process of its own, for tests that kill it or talk to it over a socket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx2

from commands import Running, ran, started
from hometrip.app.opening import open_house
from hometrip.app.seed import seed
from hometrip.app.settings import load


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """`hometrip up` on a free port; `kill` is -9, `stop` is what an operator does."""

    verb: tuple[str, ...] = ("up",)

    def __init__(self, data: Path, *options: str, **settings: str) -> None:
        self.data, self.options, self.port = data, options, free_port()
        self.settings = {"HOMETRIP_LIMITS": "off", "HOMETRIP_LOG_LEVEL": "warning"} | settings
        self.log = data.parent / f"{data.name}.log"
        self.process: Running | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, within: float = 90) -> float:
        """Seconds until /ready answered 200: one or two, and many times that beside others."""
        began = time.perf_counter()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOMETRIP_")}
        words = [*self.verb, "--data", str(self.data), "--port", str(self.port), *self.options]
        with self.log.open("ab") as log:
            self.process = started(words, clean | self.settings, log, log)
        async with httpx2.AsyncClient(base_url=self.url) as client:
            while time.perf_counter() - began < within:
                assert self.process.poll() is None, self.log.read_text()[-4000:]
                try:
                    if (await client.get("/ready")).status_code == 200:
                        return time.perf_counter() - began
                except httpx2.TransportError:
                    pass
                await asyncio.sleep(0.02)
        raise TimeoutError(self.log.read_text()[-4000:])

    async def start_with_demo(self) -> None:
        """For one that is told to make none: nobody draws pictures then, which takes longer than tests."""
        async with open_house(load({}, {"data": self.data})) as opened:
            await seed(opened.house)
        await self.start()

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self, within: float = 35) -> int:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def end(self) -> None:
        if self.process and self.process.poll() is None:
            self.kill()

    def verify(self) -> subprocess.CompletedProcess[str]:
        return ran(["verify", "--data", str(self.data)], os.environ, within=120)

    def accounts(self) -> dict[str, dict[str, Any]]:
        demo = json.loads((self.data / "demo.json").read_text())
        return {account["role"]: account for account in demo["accounts"]}

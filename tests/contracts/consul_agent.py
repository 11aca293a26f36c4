"""A Consul agent of a test's own, which forgets all when it stops: to be killed, and to have rights in."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from engines import SCRIPT, url_of


class OwnAgent:
    def __init__(self, folder: Path, *, rights: bool = False) -> None:
        self.port, serf, server = free_ports(3)
        self.root = str(uuid4())
        told: dict[str, Any] = {
            "ports": {
                "http": self.port,
                "serf_lan": serf,
                "server": server,
                **dict.fromkeys(("serf_wan", "dns", "grpc", "grpc_tls", "https"), -1),
            },
            "disable_update_check": True,
        }
        if rights:
            told["acl"] = {
                "enabled": True,
                "default_policy": "deny",
                "tokens": {"initial_management": self.root, "agent": self.root},
            }
        self._file = folder / "agent.json"
        self._file.write_text(json.dumps(told))
        self._process: asyncio.subprocess.Process | None = None

    def url(self, prefix: str, token: str = "", rest: str = "") -> str:
        return f"consul://{f':{token}@' if token else ''}127.0.0.1:{self.port}/{prefix}{rest}"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            program(), "-dev", "-bind=127.0.0.1", "-log-level=error", f"-config-file={self._file}",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(60):
            while not await self._leads():  # noqa: ASYNC110 - another process makes no event here
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    async def _leads(self) -> bool:
        try:
            return bool(await asked(self.port, "GET", "/v1/catalog/nodes", token=self.root))
        except (OSError, aiohttp.ClientError):
            return False

    async def token(self, rules: str) -> str:
        """A token that may do what the rules say."""
        name = f"test-{uuid4()}"
        policy = {"Name": name, "Rules": rules}
        await asked(self.port, "PUT", "/v1/acl/policy", policy, token=self.root)
        made = await asked(self.port, "PUT", "/v1/acl/token", {"Policies": [{"Name": name}]}, token=self.root)
        return str(made["SecretID"])


def program() -> str:
    url_of("consul")  # skips, or fails in CI, where it is not installed
    told = subprocess.run(
        [SCRIPT, "program", "consul"], check=True, capture_output=True, text=True, timeout=60
    )
    return told.stdout.strip()


async def asked(port: int, method: str, path: str, content: Any = None, token: str = "") -> Any:
    body = content if isinstance(content, bytes) else None if content is None else json.dumps(content)
    headers = {"X-Consul-Token": token} if token else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"http://127.0.0.1:{port}{path}", data=body) as answer,
    ):
        said = await answer.read()
        if answer.status != 200:
            raise OSError(said.decode())
        return json.loads(said) if said else None


def free_ports(number: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports

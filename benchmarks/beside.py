"""What HomeTrip is measured beside, started: nginx, and what is written in Express (`rivals/express`)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from benchmarks.processes import ROOT, Failed, Served, free_port, serving

EXPRESS = Path(__file__).parent / "rivals" / "express"
ENGINES = ROOT / "scripts" / "engines"
SET = f"bench-{os.getpid()}"
SECRET = "a secret that all copies of the rival share"
NGINX = """
worker_processes 1;
daemon off;
pid {folder}/{name}.pid;
error_log {folder}/{name}.error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log {log};
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/{name}.body;
    proxy_temp_path {folder}/{name}.proxy;
    fastcgi_temp_path {folder}/{name}.fastcgi;
    uwsgi_temp_path {folder}/{name}.uwsgi;
    scgi_temp_path {folder}/{name}.scgi;
    {rest}
}}
"""
BACK_END = """
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        default_type application/json;
        location / {{ return 200 '{body}'; }}
    }}
"""
PROXY = """
    upstream back {{ server 127.0.0.1:{back}; keepalive 256; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
    }}
"""


def program(name: str) -> str:
    done = subprocess.run([ENGINES, "program", name], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(done.stderr.strip() or f"{name} is not installed: scripts/engines get {name}")
    return done.stdout.strip()


@contextlib.contextmanager
def engines(*names: str) -> Iterator[dict[str, str]]:
    """Real engines that nobody else uses, and the settings that use them; gone after the block."""
    of_this_run = ["--set", SET]
    say(f"starting {', '.join(names)}")
    try:
        done = subprocess.run(
            [ENGINES, "start", *names, *of_this_run], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Failed(done.stderr.strip())
        yield dict(line.split("=", 1) for line in done.stdout.splitlines())
    finally:
        subprocess.run([ENGINES, "stop", "--forget", *of_this_run], capture_output=True, check=False)


def engine_pids() -> list[int]:
    """The processes of this run's engines."""
    done = subprocess.run([ENGINES, "status", "--set", SET], capture_output=True, text=True, check=False)
    return [int(number) for number in re.findall(r"runs as process (\d+)", done.stdout)]


def express_installed() -> None:
    """Its packages, as the lock names them, from whatever registry npm is set to; once."""
    if (EXPRESS / "node_modules" / "express").exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise Failed("npm is not on the PATH; the rivals in Express need it")
    done = subprocess.run([npm, "ci"], cwd=EXPRESS, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"npm ci in {EXPRESS}: {done.stderr.strip()[-1000:]}")


@contextlib.asynccontextmanager
async def express(
    script: str, *words: str, folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Served]:
    """A script of the rival's; its port is the second word of its command line."""
    express_installed()
    port = free_port()
    first, *rest = words
    command = [program("node"), str(EXPRESS / script), first, str(port), *rest]
    with_settings = {"NODE_ENV": "production"} | dict(settings or {})
    async with serving(command, port, "/ready", folder / f"{script}-{first}.log", with_settings) as served:
        yield served


@contextlib.asynccontextmanager
async def nginx_back_end(folder: Path, body: str) -> AsyncIterator[Served]:
    """A constant answer, by the cheapest server there is."""
    port = free_port()
    async with _nginx(folder, "back", port, BACK_END.format(port=port, body=body), log="off") as served:
        yield served


@contextlib.asynccontextmanager
async def nginx_proxy(folder: Path, back: int) -> AsyncIterator[Served]:
    """A plain reverse proxy of one worker, with connections to the back end kept, and its log."""
    port = free_port()
    rest = PROXY.format(port=port, back=back)
    async with _nginx(
        folder, "proxy", port, rest, log=f"{folder}/access.log combined buffer=64k flush=1s"
    ) as served:
        yield served


@contextlib.asynccontextmanager
async def _nginx(folder: Path, name: str, port: int, rest: str, log: str) -> AsyncIterator[Served]:
    file = folder / f"{name}.conf"
    file.write_text(NGINX.format(folder=folder, name=name, rest=rest, log=log))
    command = [program("nginx"), "-p", str(folder), "-e", str(folder / f"{name}.error.log"), "-c", str(file)]
    async with serving(command, port, "/", folder / f"{name}.log") as served:
        yield served


def signed_token(account: str) -> str:
    """A JSON Web Token as the rival reads it: HS256, the cheapest to verify."""
    claims = {"sub": account, "exp": int(time.time()) + 86_400, "role": "guest"}
    parts = [_packed(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.new(SECRET.encode(), ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, _packed(signature)])


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

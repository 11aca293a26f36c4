"""Settings that Consul keeps: over those of the environment at start, and heeded as they change."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest

from app.command import hometrip, refused
from app.waiting import until
from engines import url_of
from server import Server, free_port


class Consul:
    """A corner of a real Consul, and how a process is told of it."""

    def __init__(self) -> None:
        self._agent, self._prefix = urlsplit(url_of("consul")), f"kept-{uuid4().hex[:8]}"

    @property
    def environment(self) -> dict[str, str]:
        return {"HOMETRIP_REGISTRY_URL": f"consul://{self._agent.netloc}/{self._prefix}"}

    def keep(self, name: str, value: str) -> None:
        url = f"http://{self._agent.netloc}/v1/kv/{self._prefix}/settings/{name}"
        assert httpx2.put(url, content=value.encode()).text.strip() == "true"


def checked(consul: Consul, data: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return hometrip("config", "check", "--data", data, **consul.environment, **environment)


def lines(result: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert result.returncode == 0, result.stderr
    return {name: value for name, _, value in (line.partition(" ") for line in result.stdout.splitlines())}


def test_what_is_kept_wins_over_the_environment(tmp_path: Path) -> None:
    consul = Consul()
    consul.keep("log_level", "debug")
    consul.keep("listing/quote_minutes", "20")
    shown = lines(checked(consul, tmp_path, HOMETRIP_LOG_LEVEL="error", HOMETRIP_ACCOUNT_LIMIT="7"))
    assert shown["log_level"].strip() == "debug"
    assert shown["listing_quote_minutes"].strip() == "20"
    assert shown["account_limit"].strip() == "7"


def test_all_that_is_wrong_with_it_is_named_with_its_place(tmp_path: Path) -> None:
    consul = Consul()
    for name, value in (("log_level", "loud"), ("limit", "5"), ("port", "80"), ("account_limit", "many")):
        consul.keep(name, value)
    said = refused(checked(consul, tmp_path, HOMETRIP_MAX_BODY="big"))
    assert "HOMETRIP_LOG_LEVEL: 'loud' is not debug, info, warning or error" in said
    assert "Consul: settings/limit: there is no such setting; did you mean HOMETRIP_LIMITS?" in said
    assert "Consul: settings/port: cannot be kept there" in said
    assert "Consul: settings/account_limit: 'many' is not a whole number" in said
    assert "HOMETRIP_MAX_BODY: 'big' is not a whole number" in said


@pytest.mark.parametrize("command", [("config", "check"), ("seed",), ("up",)], ids=" ".join)
def test_nothing_begins_without_what_is_kept(tmp_path: Path, command: tuple[str, ...]) -> None:
    gone = {"HOMETRIP_REGISTRY_URL": f"consul://:secret-word@127.0.0.1:{free_port()}/x"}
    said = refused(hometrip(*command, "--data", tmp_path / "data", **gone))
    assert "HOMETRIP_REGISTRY_URL: Consul at 127.0.0.1:" in said
    assert "secret-word" not in said
    assert not list(tmp_path.rglob("*.db"))


async def test_a_running_process_heeds_what_changes(tmp_path: Path) -> None:
    consul = Consul()
    server = Server(tmp_path / "data", "--no-demo", HOMETRIP_LIMITS="on", **consul.environment)
    try:
        await server.start()
        async with httpx2.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/api/search/popular")).headers["ratelimit-limit"] == "100"

            consul.keep("anonymous_limit", "33")
            await until(_limited_to(server, "33"))

            consul.keep("account_limit", "many")
            await until(_says(server, "settings in the registry are wrong"))
            consul.keep("anonymous_limit", "44")  # not heeded while another is wrong
            consul.keep("account_limit", "50")
            await until(_limited_to(server, "44"))

            consul.keep("request_seconds", "0.001")  # no password is looked at so soon
            await until(_has_no_time(server))

            consul.keep("listing/quote_minutes", "20")
            await until(_says(server, "settings have changed that count from the next start"))
            assert "listing_quote_minutes" in server.log.read_text()
        assert server.stop() == 0
    finally:
        server.end()


def _limited_to(server: Server, limit: str) -> Callable[[], bool]:
    return lambda: httpx2.get(f"{server.url}/api/search/popular").headers["ratelimit-limit"] == limit


def _has_no_time(server: Server) -> Callable[[], bool]:
    login = {"email": "nobody@example.com", "password": "correct horse battery staple"}
    return lambda: "deadline_exceeded" in httpx2.post(f"{server.url}/api/auth/login", json=login).text


def _says(server: Server, words: str) -> Callable[[], bool]:
    return lambda: words in server.log.read_text()

"""scripts/engines: starts what does not run, ends only what it started, and hands out settings that work."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engines import NOT_INSTALLED, SCRIPT, Engines, engines_of_its_own

pytestmark = pytest.mark.slow

SETS = Path(os.environ.get("HOMETRIP_ENGINES_SETS", "/var/tmp")) / f"hometrip-engines-{os.getuid()}"


@pytest.fixture
def own() -> Iterator[Engines]:
    with engines_of_its_own() as engines:
        yield engines


def script(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *words],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=60,
    )


def kept(own: Engines) -> Path:
    """What the script knows of this set's redis."""
    return SETS / own.name / "redis.json"


def process(own: Engines) -> int:
    return int(json.loads(kept(own).read_text())["pid"])


def redis(url: str, *commands: str) -> list[str]:
    """The last line of each answer."""
    there = urlsplit(url)
    with (
        socket.create_connection((there.hostname, there.port), timeout=5) as line,
        line.makefile("rw") as talk,
    ):
        answers = []
        for command in (f"AUTH {there.password}", *commands):
            talk.write(f"{command}\r\n")
            talk.flush()
            answer = talk.readline().strip()
            answers.append(talk.readline().strip() if answer.startswith("$") else answer)
        return answers[1:]


def test_the_settings_that_it_prints_reach_the_engine(own: Engines) -> None:
    settings = own.settings_of("redis")
    assert list(settings) == ["HOMETRIP_CACHE_URL"]
    assert redis(settings["HOMETRIP_CACHE_URL"], "PING") == ["+PONG"]
    assert script("settings", "--set", own.name).stdout == f"HOMETRIP_CACHE_URL={own.url_of('redis')}\n"


def test_an_engine_that_runs_is_not_started_again(own: Engines) -> None:
    own.start("redis")
    first = process(own)
    own.start("redis")
    assert process(own) == first


def test_of_callers_at_the_same_time_one_starts_it_and_all_get_it(own: Engines) -> None:
    own.settings_of("redis")
    own.stop("redis")
    with ThreadPoolExecutor(4) as several:
        printed = list(several.map(lambda _: script("start", "redis", "--set", own.name).stdout, range(4)))
    assert set(printed) == {f"HOMETRIP_CACHE_URL={own.url_of('redis')}\n"}
    assert redis(own.url_of("redis"), "PING") == ["+PONG"]


def test_a_dead_engine_is_noticed_and_comes_back_on_its_port_with_its_data(own: Engines) -> None:
    url = own.url_of("redis")
    assert redis(url, "SET night taken") == ["+OK"]
    os.kill(process(own), signal.SIGKILL)
    died = script("status", "redis", "--set", own.name)
    assert (died.returncode, died.stdout.split()) == (1, ["redis", "is", "stopped"])
    assert own.start("redis")["HOMETRIP_CACHE_URL"] == url
    assert redis(url, "GET night") == ["taken"]


def test_killed_and_restarted_engines_keep_port_and_data(own: Engines) -> None:
    url = own.url_of("redis")
    redis(url, "SET night taken")
    own.kill("redis")
    with pytest.raises(ConnectionRefusedError):
        redis(url, "PING")
    own.start("redis")
    own.restart("redis")
    assert redis(url, "GET night") == ["taken"]


def test_a_stopped_engine_is_down_and_stopping_it_again_is_no_error(own: Engines) -> None:
    url = own.url_of("redis")
    own.stop("redis")
    own.stop("redis")
    with pytest.raises(ConnectionRefusedError):
        redis(url, "PING")


def test_a_stranger_with_the_number_of_a_dead_engine_is_left_alone(own: Engines) -> None:
    own.start("redis")
    known = json.loads(kept(own).read_text())
    own.stop("redis")
    with subprocess.Popen(["sleep", "60"]) as stranger:
        kept(own).write_text(json.dumps(known | {"pid": stranger.pid}))
        assert script("status", "redis", "--set", own.name).returncode == 1
        own.stop("redis")
        assert stranger.poll() is None
        assert script("kill", "redis", "--set", own.name).returncode == 1
        assert stranger.poll() is None
        stranger.kill()


def test_sets_are_apart_and_a_forgotten_one_leaves_nothing() -> None:
    with engines_of_its_own() as one, engines_of_its_own() as other:
        redis(one.url_of("redis"), "SET night taken")
        assert redis(other.url_of("redis"), "EXISTS night") == [":0"]
        one.forget()
        assert not (SETS / one.name).exists()
        assert redis(other.url_of("redis"), "PING") == ["+PONG"]


def test_an_engine_that_was_never_got_says_how_to_get_it(tmp_path: Path) -> None:
    refused = script("start", "consul", HOMETRIP_ENGINES_HOME=str(tmp_path))
    assert refused.returncode == NOT_INSTALLED
    assert refused.stderr == "consul is not installed: scripts/engines get consul\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("start", "oracle"), "redis"),
        (("start", "nginx"), "a program, not a server"),
        (("start", "redis", "--set", "../elsewhere"), "not a name for a set"),
    ],
)
def test_what_cannot_be_is_refused_in_words(words: tuple[str, ...], said: str) -> None:
    refused = script(*words)
    assert refused.returncode in (1, 2)
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr

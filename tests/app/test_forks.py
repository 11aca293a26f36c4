"""That a command which tests fork is as the one that people start."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from commands import HOMETRIP, ran, started
from server import free_port


def typed(words: list[str], env: dict[str, str], within: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HOMETRIP, *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=within, check=False,
    )  # fmt: skip


def shown(check: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in check.stdout.splitlines() if len(line.split()) > 1)


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["up", "--nonsense"], ["config", "check"]])
def test_it_says_and_ends_the_same(words: list[str], tmp_path: Path) -> None:
    env = dict(os.environ) | {"HOMETRIP_PORT": "many", "HOMETRIP_DATA": str(tmp_path)}
    forked, real = ran(words, env, within=60), typed(words, env, within=60)
    assert (forked.returncode, forked.stdout, forked.stderr) == (real.returncode, real.stdout, real.stderr)


def test_settings_and_folder_of_one_are_not_those_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOMETRIP_")}
    monkeypatch.chdir(tmp_path)
    first = ran(["config", "check"], clean | {"HOMETRIP_ACCOUNT_LIMIT": "7"}, within=60)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    second = ran(["config", "check"], clean, within=60)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert shown(first)["account_limit"] == "7"
    assert shown(first)["data"] == str(tmp_path / "var")
    assert shown(second)["account_limit"] != "7"
    assert shown(second)["data"] == str(tmp_path / "other" / "var")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_by_its_signal(sig: signal.Signals, tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as said:
        words = ["up", "--no-demo", "--port", str(free_port()), "--data", str(tmp_path / "data")]
        process = started(words, {}, said, said)
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(sig)
        assert process.wait(60) == process.poll() == -sig
        process.kill()  # whoever has ended is left alone

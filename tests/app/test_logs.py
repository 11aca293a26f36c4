"""Logs: one record is one line, with the request it is about and nothing personal or secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import settings_in
from hometrip.app.logs import configure
from hometrip.app.settings import Settings
from hometrip.kernel.events import Cause, current_cause

Log = Callable[[], logging.Logger]
TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTkifQ.c2lnbmF0dXJlc2lnbmF0dXJl"


@pytest.fixture(params=["text", "json"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Log:
    """Configured when the test begins to write: only then its standard error is there."""
    return lambda: logged_in(settings_in(tmp_path, log_format=request.param))


def logged_in(settings: Settings) -> logging.Logger:
    configure(settings)
    return logging.getLogger("hometrip.trial")


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    "secret",
    [
        "ann@example.com",
        TOKEN,
        "dGhpcy1pcy1hLXJlZnJlc2gtdG9rZW4tb2YtNDMtY2hhcmFjdGVycw",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "4242424242424242",
        "+49 170 1234567",
        "+1 (518) 555-0100",
    ],
)
def test_what_is_personal_or_secret_never_enters(
    log: Log, capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    log().warning("wrote to %s", secret)
    log().warning("wrote", extra={"said": f"it was {secret}."})
    log().warning("wrote", extra={"deep": {"in": [secret, {secret: 1}]}})
    try:
        raise ValueError(f"cannot take {secret}")
    except ValueError as error:
        log().warning("broken", exc_info=error)
    told = "\n".join(lines(capsys))
    assert secret not in told
    assert "ValueError: cannot take [" in told


def test_what_is_named_a_secret_is_one_whatever_it_looks_like(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    names = (
        "password",
        "new_password",
        "refresh_token",
        "Authorization",
        "cookie",
        "cvc",
        "api_key",
        "email",
    )
    for name in names:
        log().warning("given", extra={name: "abc123"})
        log().warning("given", extra={"body": {name: ["abc123"]}})
    told = lines(capsys)
    assert len(told) == 2 * len(names)
    assert not [line for line in told if "abc123" in line]


@pytest.mark.parametrize(
    "forged", ["a\nERROR all is lost", "a\r\nb", "a\x1b[31mb", "a\u2028b", "a\x85b", "a\x9bb"]
)
def test_a_record_is_one_line_whatever_is_in_it(
    log: Log, capsys: pytest.CaptureFixture[str], forged: str
) -> None:
    log().warning("said %s", forged)
    log().warning("said", extra={"words": forged, "more": [forged]})
    written = capsys.readouterr().err
    assert len(written.splitlines()) == 2
    assert "\x1b" not in written
    assert "\x9b" not in written


def test_no_line_of_a_traceback_passes_for_a_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(settings_in(tmp_path))
    try:
        raise ValueError("first\n2027-01-01T00:00:00Z [error] the house is on fire")
    except ValueError as error:
        logging.getLogger("hometrip.trial").error("broken", exc_info=error)
    first, *others = lines(capsys)
    assert "broken" in first
    assert len(others) > 2
    assert all(line.startswith("    ") for line in others if line)


def test_json_is_one_object_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(settings_in(tmp_path, log_format="json"))
    token = current_cause.set(Cause("request-17", None, None))
    try:
        logging.getLogger("hometrip.trial").warning("said %s", "a\nb", extra={"ms": 1.5, "status": 200})
        try:
            raise ValueError("no")
        except ValueError as error:
            logging.getLogger("another.library").error("broken", exc_info=error)
    finally:
        current_cause.reset(token)
    said, broken = map(json.loads, lines(capsys))
    assert (said["event"], said["level"], said["logger"]) == ("said a\\nb", "warning", "hometrip.trial")
    assert (said["ms"], said["status"], said["request_id"]) == (1.5, 200, "request-17")
    assert said["timestamp"].endswith("Z")
    assert "ValueError: no" in broken["exception"]


def test_the_level_is_a_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(settings_in(tmp_path, log_level="error"))
    logging.getLogger("hometrip.trial").warning("not this")
    logging.getLogger("hometrip.trial").error("but this")
    told: Any = lines(capsys)
    assert len(told) == 1
    assert "but this" in told[0]

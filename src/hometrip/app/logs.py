"""Logs: one structured line each, as text or JSON, with everything personal or secret taken out where it
enters.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog

from hometrip.app.settings import Settings
from hometrip.kernel.events import current_cause

_SECRET_KEYS = re.compile(
    r"pass|token|secret|authorization|cookie|card|cvc|email|phone|address|api_key", re.I
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|\b[A-Za-z0-9_-]{43,}\b")
_CARD = re.compile(r"\b(?:\d[ -]?){13,19}\b")
_PHONE = re.compile(r"\+\d[\d ().-]{7,}\d")

REQUESTS = "hometrip.http"

# What could begin another line, or tell a terminal to do something.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(settings: Settings) -> None:
    """Everything that logs, ours and the libraries', goes through one formatter to standard error."""
    shared: list[Any] = [
        _extras,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    last = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    requests = logging.getLogger(REQUESTS)
    requests.handlers[:] = [RequestLines(sys.stderr, as_json=settings.log_format == "json")]
    requests.propagate = False
    for loud in ("asyncio", "PIL", "tzfpy", "_granian", "aiosqlite"):
        logging.getLogger(loud).setLevel(logging.WARNING)


class RequestLines(logging.Handler):
    """The one line of each request, written cheaply: there is nothing personal in its fields to take out.

    Lines are gathered for a moment and written together; a killed process loses that moment's only.
    """

    GATHER_SECONDS = 0.05

    def __init__(self, out: TextIO, *, as_json: bool) -> None:
        super().__init__()
        self._out, self._as_json = out, as_json
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = {key: value for key, value in vars(record).items() if key not in _OWN and value is not None}
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        if self._as_json:
            line = msgspec.json.encode(
                {"event": "request", "level": "info", "timestamp": at, **fields}
            ).decode()
        else:
            line = f"{at} [info     ] request  {' '.join(f'{key}={value}' for key, value in fields.items())}"
        self._lines.append(line)
        if len(self._lines) == 1:
            try:
                asyncio.get_running_loop().call_later(self.GATHER_SECONDS, self.flush)
            except RuntimeError:
                self.flush()

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._out.write("\n".join(lines) + "\n")
            self._out.flush()

    def close(self) -> None:
        self.flush()
        super().close()


def _extras(_: Any, __: str, line: dict[str, Any]) -> dict[str, Any]:
    """The `extra` of a standard log call becomes fields of the line, with the request that it is about."""
    record = line.get("_record")
    if record is not None:
        line.update({key: value for key, value in vars(record).items() if key not in _OWN})
    if request := current_cause.get().correlation_id:
        line.setdefault("request_id", request)
    return line


def redact(_: Any, __: str, line: dict[str, Any]) -> dict[str, Any]:
    """No e-mail address, token, card, phone or secret in a log; one record is one line, but for a traceback,
    whose lines are set in so that none passes for a record.
    """
    for key, value in line.items():
        if not key.startswith("_"):
            line[key] = _set_in(value) if key == "exception" else _shown(key, value)
    return line


def _shown(key: str, value: Any) -> Any:
    if _SECRET_KEYS.search(key):
        return "[redacted]"
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {redacted(str(name)): _shown(str(name), part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown("", part) for part in value]
    return redacted(str(value))


def _set_in(traceback: str) -> str:
    return "\n".join("    " + redacted(line) for line in traceback.split("\n"))


def redacted(text: str) -> str:
    """One line of text without anything personal or secret."""
    for pattern, word in ((_EMAIL, "[email]"), (_TOKEN, "[token]"), (_CARD, "[card]"), (_PHONE, "[phone]")):
        text = pattern.sub(word, text)
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)

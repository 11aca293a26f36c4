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

from hometrip.app.settings import Settings
from hometrip.kernel.events import current_cause
from hometrip.kernel.trace import trace_of

_SECRET_KEYS = re.compile(
    r"pass|token|secret|authorization|cookie|card|cvc|email|phone|address|api_key", re.I
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|\b[A-Za-z0-9_-]{43,}\b")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# A card as people and test lists write it; ids and instants have letters or colons between their digits.
_TEST_CARD = re.compile(r"(?<![\w-])[3-6]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{3,4}(?![\w-])")
_CARD = re.compile(r"\b(?:\d[ -]?){13,19}\b")
_PHONE = re.compile(r"\+\d[\d ().-]{7,}\d")

REQUESTS = "hometrip.http"

# What could begin another line, or tell a terminal to do something.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(settings: Settings) -> None:
    """Everything that logs, ours and the libraries', goes through one formatter to standard error."""
    as_json = settings.log_format == "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(as_json=as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    requests = logging.getLogger(REQUESTS)
    requests.handlers[:] = [RequestLines(sys.stderr, as_json=as_json)]
    requests.propagate = False
    for loud in ("asyncio", "PIL", "tzfpy", "_granian", "alembic"):
        logging.getLogger(loud).setLevel(logging.WARNING)


class Lines(logging.Formatter):
    """No e-mail address, token, card, phone or secret in a log; one record is one line, but for a traceback
    in text, whose lines are set in so that none passes for a record.
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        at, level, event = _instant(record), record.levelname.lower(), redacted(record.getMessage())
        fields = {
            ("event_name" if key == "event" else key): _shown(key, value)
            for key, value in vars(record).items()
            if key not in _OWN
        }
        cause = current_cause.get()
        if cause.correlation_id:
            fields.setdefault("request_id", cause.correlation_id)
        if trace := trace_of(cause.traceparent):
            fields.setdefault("trace_id", trace)
        fields["logger"] = record.name
        told = self.formatException(record.exc_info) if record.exc_info else ""
        traceback = [redacted(line) for line in told.splitlines()]
        if self._as_json:
            head = {"event": event, "level": level, "timestamp": at, **fields}
            return msgspec.json.encode(head | ({"exception": "\n".join(traceback)} if told else {})).decode()
        words = " ".join(f"{key}={value}" for key, value in fields.items())
        return "\n    ".join([f"{at} [{level:<9}] {event}  {words}", *traceback])


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")


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
        at = _instant(record)
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


def redacted(text: str) -> str:
    """One line of text without anything personal or secret."""
    for pattern, word in ((_EMAIL, "[email]"), (_TOKEN, "[token]"), (_CARD, "[card]"), (_PHONE, "[phone]")):
        text = pattern.sub(word, text)
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def looks_personal(text: str) -> str:
    """What of an e-mail address, a token or a card number a text seems to hold, in words."""
    kinds = {"an e-mail address": _EMAIL, "a token": _JWT, "a card number": _TEST_CARD}
    return ", ".join(name for name, pattern in kinds.items() if pattern.search(text))

"""Logs: one structured line each, as text or JSON, with everything personal or secret taken out where it
enters.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO
from uuid import UUID

import msgspec

from hometrip.app.settings import Settings
from hometrip.kernel.contacts import EMAIL
from hometrip.kernel.events import current_cause
from hometrip.kernel.trace import trace_of

_SECRET_KEYS = re.compile(
    r"pass|token|secret|authorization|cookie|card|cvc|email|phone|address|api_key", re.I
)
_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|\b[A-Za-z0-9_-]{43,}\b")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# A card as people and test lists write it; ids and instants have letters or colons between their digits.
_TEST_CARD = re.compile(r"(?<![\w-])[3-6]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{3,4}(?![\w-])")
_CARD = re.compile(r"\b(?:\d[ -]?){13,19}\b")
_PHONE = re.compile(r"\+\d[\d ().-]{7,}\d")

REQUESTS = "hometrip.http"
_requests = logging.getLogger(REQUESTS)

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
    for loud in ("asyncio", "PIL", "tzfpy", "alembic"):
        logging.getLogger(loud).setLevel(logging.WARNING)


class Lines(logging.Formatter):
    """No e-mail address, token, card, phone or secret in a log; one record is one line, but for a traceback
    in text, whose lines are set in so that none passes for a record.
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        at, level, event = _instant(record.created), record.levelname.lower(), redacted(record.getMessage())
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


def _instant(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")


class RequestLines(logging.Handler):
    """The one line of each request, written cheaply: there is nothing personal in its fields to take out.

    Lines are gathered for a moment and written together; a killed process loses that moment's only.
    """

    GATHER_SECONDS = 0.05

    def __init__(self, out: TextIO, *, as_json: bool) -> None:
        super().__init__()
        self._out, self._as_json = out, as_json
        self._lines: list[tuple[float, Noted]] = []

    def emit(self, record: logging.LogRecord) -> None:
        told = {key: value for key, value in vars(record).items() if key in Noted.__struct_fields__}
        self.take(Noted(**told), record.created)

    def take(self, noted: Noted, created: float) -> None:
        self._lines.append((created, noted))
        if len(self._lines) == 1:
            try:
                asyncio.get_running_loop().call_later(self.GATHER_SECONDS, self.flush)
            except RuntimeError:
                self.flush()

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            line = _json_line if self._as_json else _text_line
            self._out.write("\n".join([line(*each) for each in lines]) + "\n")
            self._out.flush()

    def close(self) -> None:
        self.flush()
        super().close()


class Noted(msgspec.Struct, omit_defaults=True, gc=False):
    """What is told of a request; the rest of it is nobody's business."""

    request_id: str
    trace_id: str | None = None
    method: str = ""
    route: str = ""
    status: int = -1
    ms: float = -1.0
    bytes: int = -1
    account: UUID | None = None
    problem: str | None = None


def _json_line(created: float, noted: Noted) -> str:
    head = b'{"event":"request","level":"info","timestamp":"%b",' % _moment(created).encode()
    return (head + msgspec.json.encode(noted)[1:]).decode()


def _text_line(created: float, noted: Noted) -> str:
    return (
        f"{_moment(created)} [info     ] request  request_id={noted.request_id}"
        f"{f' trace_id={noted.trace_id}' if noted.trace_id else ''} method={noted.method} "
        f"route={noted.route} status={noted.status} ms={noted.ms} bytes={noted.bytes}"
        f"{f' account={_text_of(noted.account)}' if noted.account else ''}"
        f"{f' problem={noted.problem}' if noted.problem else ''}"
    )


# The same accounts come again and again, and all lines of a second begin alike.
_text_of = lru_cache(maxsize=4096)(str)


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _moment(created: float) -> str:
    micros = int(created * 1_000_000)
    return f"{_second(micros // 1_000_000)}.{micros % 1_000_000:06d}Z"


def note_request(noted: Noted) -> None:
    """The line of a request: past the ways of `logging` where nobody else listens, for they cost more than
    all the rest of it.
    """
    if not _requests.isEnabledFor(logging.INFO):
        return
    first = _requests.handlers[0] if _requests.handlers else None
    if isinstance(first, RequestLines) and not _requests.propagate and len(_requests.handlers) == 1:
        first.take(noted, time.time())
    else:
        _requests.info("request", extra=msgspec.structs.asdict(noted))


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
    for pattern, word in ((EMAIL, "[email]"), (_TOKEN, "[token]"), (_CARD, "[card]"), (_PHONE, "[phone]")):
        text = pattern.sub(word, text)
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def looks_personal(text: str) -> str:
    """What of an e-mail address, a token or a card number a text seems to hold, in words."""
    kinds = {"an e-mail address": EMAIL, "a token": _JWT, "a card number": _TEST_CARD}
    return ", ".join(name for name, pattern in kinds.items() if pattern.search(text))

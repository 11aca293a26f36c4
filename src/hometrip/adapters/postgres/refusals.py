"""What the errors of a PostgreSQL engine mean to a client, and its address without the password."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

import asyncpg

from hometrip.kernel.errors import Unavailable
from hometrip.ports.outbox import Contended

log = logging.getLogger("hometrip.postgres")

# What a connection may raise, the engine's own failures among it.
ENGINE_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
CONTENDED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)
# By SQLSTATE, or by its class (the first two characters).
_REFUSALS = {
    "57014": "the database took too long",
    "25006": "the database takes no writes",
    "25P03": "the transaction was left idle for too long",
    "3D000": "there is no such database",
    "08": "the database does not answer",
    "57": "the database is going down",
    "53": "the database has no room left",
    "58": "the disk of the database does not answer",
    "XX": "the database is damaged",
    "28": "the database does not let us in",
}


def refusal_of(error: BaseException | None) -> Unavailable | None:
    """What to tell a client where the engine (and not the statement) failed; None for any other error.

    The engine's own words go to the log only. `error` may be SQLAlchemy's, over asyncpg's own.
    """
    reason = _of_the_engine(error)
    if reason is None:
        return None
    if isinstance(reason, CONTENDED):
        log.warning("%s: %s", type(reason).__name__, reason)
        return Contended()
    detail = _detail_of(reason)
    if detail is not None:
        log.warning("%s: %s: %s", detail, type(reason).__name__, reason)
        return Unavailable(detail)
    return None


def _of_the_engine(error: BaseException | None) -> BaseException | None:
    original = getattr(error, "orig", error)
    cause = getattr(original, "__cause__", None)
    return cause if original is not error and cause is not None else original


def _detail_of(reason: BaseException) -> str | None:
    if isinstance(reason, asyncpg.PostgresError):
        state = str(reason.sqlstate or "")
        return _REFUSALS.get(state) or _REFUSALS.get(state[:2])
    if isinstance(reason, TimeoutError):
        return "the database took too long"
    if isinstance(reason, OSError | asyncpg.InternalClientError):
        return "the database does not answer"
    # asyncpg says so of a connection that was lost between two statements; its other interface errors are
    # ours.
    if isinstance(reason, asyncpg.InterfaceError) and "closed" in str(reason):
        return "the database does not answer"
    return None


def place_of(url: str) -> str:
    """Host, port and database of a url: what may be told."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"

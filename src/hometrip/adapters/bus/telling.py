"""What the log says of a handler that failed, whichever bus called it."""

from __future__ import annotations

import logging

from hometrip.kernel.errors import Unavailable

log = logging.getLogger("hometrip.bus")


def handler_failed(service: str, event: str, attempt: int, error: BaseException) -> None:
    """Where a part of the house is away, or another event has to come first, nothing is wrong in the code: a
    line says what is waited for, without the way there.
    """
    told = {"service": service, "event": event, "attempt": attempt}
    if isinstance(error, Unavailable):
        log.warning("handler waits", extra=told | {"reason": f"{type(error).__name__}: {error}"})
    else:
        log.warning("handler failed", extra=told, exc_info=error)

"""The heart of a registered instance: a thread that tells Consul that this process lives."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import threading
from typing import Any
from urllib.parse import quote

from hometrip.adapters.registry.consul_agent import Place

log = logging.getLogger("hometrip.registry")

BEATS = 4
LONGEST_SECONDS = 1.0


class Heart:
    """Beats four times in the time to live, and registers again what the agent has forgotten.

    A thread and not a task: a busy event loop is slow, which its callers feel and avoid by themselves; it is
    not dead, and its instances must not vanish for everybody. A process that dies takes its heart with it.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._registrations: dict[str, dict[str, Any]] = {}
        # Held while something is told, so that nothing is registered again once `forget` has returned.
        self._telling = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._line: http.client.HTTPConnection | None = None

    def keep(self, registration: dict[str, Any]) -> None:
        """Beat for it from now on."""
        self._registrations[registration["ID"]] = registration
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat, name="consul heart", daemon=True)
            self._thread.start()

    def forget(self, id_: str) -> None:
        """Blocks until what is being told is told, a second at most."""
        with self._telling:
            self._registrations.pop(id_, None)

    def stop(self) -> None:
        """Blocks until the thread has ended, two seconds at most."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(2 * LONGEST_SECONDS)

    def _beat(self) -> None:
        while not self._stopped.wait(self._place.ttl / BEATS):
            for id_ in list(self._registrations):
                try:
                    with self._telling:
                        self._tell(id_)
                except (OSError, http.client.HTTPException) as reason:
                    self._hang_up()
                    log.debug("consul does not hear the heart", extra={"reason": type(reason).__name__})
                except Exception as error:
                    # Whatever it is, the next beat tries again: a heart that stops is a dead instance.
                    self._hang_up()
                    log.error("unforeseen error", extra={"instance": id_}, exc_info=error)
        self._hang_up()

    def _tell(self, id_: str) -> None:
        registration = self._registrations.get(id_)
        if registration is None:
            return
        check = quote(registration["Check"]["CheckID"], safe="")
        if self._put(f"/v1/agent/check/pass/{check}") not in (404, 500):
            return
        # An agent that was restarted without its data does not know the check (older ones answer 500).
        status = self._put("/v1/agent/service/register?replace-existing-checks=true", registration)
        log.warning("registered again with consul", extra={"instance": id_, "status": status})

    def _put(self, path: str, content: Any = None) -> int:
        if self._line is None:
            place = self._place
            self._line = (
                http.client.HTTPSConnection(
                    place.host, place.port, timeout=LONGEST_SECONDS, context=place.ssl
                )
                if place.ssl
                else http.client.HTTPConnection(place.host, place.port, timeout=LONGEST_SECONDS)
            )
        body = None if content is None else json.dumps(content)
        self._line.request("PUT", path, body, {"Content-Type": "application/json", **self._place.headers})
        answer = self._line.getresponse()
        answer.read()
        return answer.status

    def _hang_up(self) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.close()
            self._line = None

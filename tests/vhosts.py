"""Virtual hosts of the running RabbitMQ for tests, each apart from all others; by its management API."""

from __future__ import annotations

import base64
import contextlib
import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from engines import settings_of


class Vhost:
    """A vhost of its own: `url` is what a bus is given."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.name = f"test-{uuid4().hex[:12]}"
        self.url = settings["HOMETRIP_BUS_URL"].rpartition("/")[0] + f"/{self.name}"
        self._management = urllib.parse.urlsplit(settings["HOMETRIP_TEST_RABBITMQ_MANAGEMENT_URL"])

    def make(self) -> None:
        self.call("PUT", f"vhosts/{self.name}")
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.call("PUT", f"permissions/{self.name}/{self._management.username}", everything)

    def remove(self) -> None:
        self.call("DELETE", f"vhosts/{self.name}")

    def user(self, **rights: str) -> str:
        """The url with an account of these rights on this vhost."""
        name, password = f"{self.name}-user", uuid4().hex
        self.call("PUT", f"users/{name}", {"password": password, "tags": ""})
        self.call(
            "PUT", f"permissions/{self.name}/{name}", {"configure": "", "write": "", "read": ""} | rights
        )
        parts = urllib.parse.urlsplit(self.url)
        return parts._replace(netloc=f"{name}:{password}@{parts.hostname}:{parts.port}").geturl()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """`path` below /api; the answer, where there is one."""
        at = self._management
        request = urllib.request.Request(
            f"http://{at.hostname}:{at.port}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": "Basic "
                + base64.b64encode(f"{at.username}:{at.password}".encode()).decode(),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            content = answer.read()
        return json.loads(content) if content else None


@contextlib.contextmanager
def vhost(settings: Mapping[str, str] | None = None) -> Iterator[Vhost]:
    """In the broker that all tests share, or in the one of these settings."""
    made = Vhost(settings or settings_of("rabbitmq"))
    made.make()
    try:
        yield made
    finally:
        made.remove()

"""Requests that were refused because others changed the same at that moment: they are begun anew."""

from __future__ import annotations

from typing import Any

from hometrip.app.edge.exchange import App, Message, Receive, Scope, Send
from hometrip.kernel.again import again
from hometrip.ports.outbox import Contended

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# The body of a request that can be begun anew is kept until it is answered: never a file.
MOST_BYTES = 1_000_000


class Again:
    """Stands between the ring and the routes. A write whose answer is `contended`, and of which nothing has
    happened, goes to its route again; see `kernel/again.py` for how often.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in WRITES:
            await self._app(scope, receive, send)
            return
        kept = Kept(receive)
        refused: list[Message] = []
        try:
            await again(lambda: self._once(scope, kept, send, refused), Contended)
        except Contended:
            for message in refused:
                await send(message)

    async def _once(self, scope: Scope, kept: Kept, send: Send, refused: list[Message]) -> None:
        refused.clear()
        # Routing and the route leave their marks in it.
        own: dict[str, Any] = scope | {"state": dict(scope.get("state", {}))}

        async def hold(message: Message) -> None:
            if kept.whole and own.get("problem") == Contended.code:
                refused.append(message)
            else:
                await send(message)

        try:
            await self._app(own, kept.replay(), hold)
        finally:
            for mark in ("path_template", "problem", "cache_headers"):
                if mark in own:
                    scope[mark] = own[mark]
                else:
                    scope.pop(mark, None)
        if refused:
            raise Contended


class Kept:
    """A body as it comes, kept to come again. `whole` is False once it is too large for that."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._messages, self._bytes = receive, list[Message](), 0
        self.whole = True

    def replay(self) -> Receive:
        before = list(self._messages)

        async def receive() -> Message:
            if before:
                return before.pop(0)
            message = await self._receive()
            if message["type"] == "http.request" and self.whole:
                self._bytes += len(message.get("body", b""))
                self._messages.append(message)
                if self._bytes > MOST_BYTES:
                    self.whole = False
                    self._messages.clear()
            return message

        return receive

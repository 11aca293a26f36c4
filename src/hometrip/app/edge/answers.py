"""What a handler returns, on its way out: JSON, without what our routes never use."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.enums import MediaType
from litestar.serialization import default_serializer, encode_json
from litestar.types import Receive, Scope, Send

from hometrip.app.edge.exchange import Headers

_BODILESS = frozenset({204, 304})


def json_of(record: Any) -> tuple[Headers, bytes]:
    """The body that a record becomes, and the headers that tell of it."""
    body = encode_json(record, default_serializer)
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))], body


class Answer(Response[Any]):
    """The record of a handler, as Litestar makes it. Cookies, background work and encoders of a type's own
    are not known here; a handler that needs any returns a `Response`. Half the time of the general way.
    """

    __slots__ = ()

    def __init__(
        self,
        content: Any,
        *,
        media_type: MediaType | str | None = None,
        status_code: int | None = None,
        **_unused: Any,
    ) -> None:
        self.content, self.media_type, self.status_code = content, media_type, status_code
        self.headers, self.cookies, self.encoding = {}, [], "utf-8"
        self.background, self.response_type_encoders = None, {}

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **given: Any) -> Any:
        if self.media_type not in (None, MediaType.JSON) or self.status_code in _BODILESS or given["cookies"]:
            return super().to_asgi_response(app, request, **given)
        headers, body = json_of(self.content)
        for name, value in {**given["headers"], **self.headers}.items():
            headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
        start = {"type": "http.response.start", "status": self.status_code or 200, "headers": headers}

        async def send_it(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start)  # type: ignore[arg-type]  # a dict of the right shape, without its class
            await send({"type": "http.response.body", "body": body, "more_body": False})

        return send_it

"""JSON bodies, read as what their handlers take: to the letter, and with the words for what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from litestar import Request
from litestar.handlers import BaseRouteHandler

from hometrip.app.edge.problems import field_error
from hometrip.kernel.errors import HomeTripError, Invalid, Malformed

Read = Callable[[bytes], Any]


@cache
def reader_of(handler: BaseRouteHandler) -> Read:
    """Litestar would take "2" for a number and 1700000000 for a time, as in an address, where all is text. A
    body has kinds of its own: another one is a mistake of the client's, which it is told.
    """
    field = handler.parsed_data_field
    assert field is not None
    return msgspec.json.Decoder(field.annotation).decode


class Asked(Request[Any, Any, Any]):
    """A request whose JSON is what its handler takes; `Malformed` or `Invalid` otherwise."""

    async def json(self) -> Any:
        body = await self.body()
        try:
            return reader_of(self.route_handler)(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            raise _refusal(body, wrong) from wrong


def _refusal(body: bytes, wrong: Exception) -> HomeTripError:
    """What is no JSON is told that, whatever else is wrong with its beginning."""
    try:
        msgspec.json.decode(body)
    except RecursionError:
        return Malformed("the body is nested too deeply")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Malformed("the body is not well-formed JSON")
    found = field_error(str(wrong))
    return Invalid(f"{found.field}: {found.detail}", errors=[found])

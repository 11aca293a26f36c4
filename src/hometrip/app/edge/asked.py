"""JSON bodies, read as what their handlers take: to the letter, and with the words for what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from litestar import Request
from litestar.handlers import BaseRouteHandler

from hometrip.app.edge.problems import field_error
from hometrip.app.edge.wrong import wrong_fields
from hometrip.kernel.errors import HomeTripError, Invalid, Malformed
from hometrip.kernel.texts import visible

Read = Callable[[bytes], Any]

# U+0000 as JSON writes it.
_NUL = rb"\u0000"
# How JSON writes what may be hidden in a text, if it is not beyond ASCII.
_ESCAPES = re.compile(rb"\\[bfru]|\x7f")
# What is typed without being seen stays as it was typed.
SECRETS = frozenset({"password", "old_password", "new_password"})


@cache
def reader_of(handler: BaseRouteHandler) -> Read:
    """Litestar would take "2" for a number and 1700000000 for a time, as in an address, where all is text. A
    body has kinds of its own: another one is a mistake of the client's, which it is told. Of its texts
    handlers get what can be seen.
    """
    field = handler.parsed_data_field
    assert field is not None
    decode = msgspec.json.Decoder(field.annotation).decode

    def read(body: bytes) -> Any:
        if _NUL in body:
            _must_be_text(msgspec.json.decode(body))
        if body.isascii() and _ESCAPES.search(body) is None:
            return decode(body)
        given = msgspec.json.decode(body)
        seen = _visible(given)
        return decode(body if seen == given else msgspec.json.encode(seen))

    return read


class Asked(Request[Any, Any, Any]):
    """A request whose JSON is what its handler takes; `Malformed` or `Invalid` otherwise."""

    async def json(self) -> Any:
        body = await self.body()
        try:
            return reader_of(self.route_handler)(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            raise _refusal(self.route_handler, body, wrong) from wrong


def _refusal(handler: BaseRouteHandler, body: bytes, wrong: Exception) -> HomeTripError:
    """What is no JSON is told that, whatever else is wrong with its beginning."""
    if isinstance(wrong, RecursionError):
        return Malformed("the body is nested too deeply")
    try:
        given = _visible(msgspec.json.decode(body))
    except RecursionError:
        return Malformed("the body is nested too deeply")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Malformed("the body is not well-formed JSON")
    field = handler.parsed_data_field
    assert field is not None
    return Invalid.fields(wrong_fields(field.annotation, given) or [field_error(str(wrong))])


def _visible(value: Any) -> Any:
    """The body with its texts as they are seen, but for secrets."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [_visible(each) for each in value]
    if isinstance(value, dict):
        return {name: each if name in SECRETS else _visible(each) for name, each in value.items()}
    return value


def _must_be_text(body: Any) -> None:
    """`Invalid` for a text with U+0000 in it: JSON has it, and PostgreSQL's text has not."""
    left = [("", body)]
    while left:
        path, value = left.pop()
        if isinstance(value, dict):
            left += [(path, name) for name in value]
            left += [(f"{path}.{name}".lstrip("."), each) for name, each in value.items()]
        elif isinstance(value, list):
            left += [(f"{path}[{at}]", each) for at, each in enumerate(value)]
        elif isinstance(value, str) and "\0" in value:
            raise Invalid.field(path or "body", "bad_text", "a text cannot have the character U+0000")

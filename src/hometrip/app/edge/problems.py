"""Errors as RFC 9457 problem details; the one table of which family has which HTTP status."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping
from functools import cache
from traceback import walk_tb
from types import MappingProxyType
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    SerializationException,
    ValidationException,
)
from litestar.handlers import BaseRouteHandler

from hometrip.app import metrics
from hometrip.app.edge.doors import tag_of
from hometrip.kernel import errors

log = logging.getLogger("hometrip.edge")

# The first family that an error belongs to decides.
STATUSES: tuple[tuple[type[errors.HomeTripError], int], ...] = (
    (errors.Malformed, 400),
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.VersionMismatch, 412),
    (errors.TooLarge, 413),
    (errors.UnsupportedMedia, 415),
    (errors.Invalid, 422),
    (errors.PreconditionRequired, 428),
    (errors.TooMany, 429),
    (errors.DeadlineExceeded, 503),
    (errors.Unavailable, 503),
)
# What only the edge itself says: code, status and meaning.
OWN_CODES = (
    ("internal", 500, "Something went wrong here that nobody foresaw; it has been noted."),
    ("method_not_allowed", 405, "This address does not take that method."),
)
PROBLEM = "application/problem+json"
DOCS = "/api/docs/errors#"

# The members of every document: they hide facts of the same name.
STANDARD = frozenset({"type", "title", "status", "detail", "instance", "code", "request_id"})


class Problem(msgspec.Struct, frozen=True):
    """What is sent: `facts` are members of the document beside the standard ones."""

    status: int
    code: str
    detail: str
    facts: dict[str, Any]

    def document(self, request_id: str) -> bytes:
        standard = {
            "type": f"{DOCS}{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        }
        return msgspec.json.encode(self.facts | standard)

    def headers(self) -> dict[str, str]:
        if self.status in (429, 503):
            return {"Retry-After": str(max(1, round(float(self.facts.get("retry_after", 1)))))}
        return {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}


def problem_of(error: Exception, names: Mapping[str, str] = MappingProxyType({})) -> Problem:
    """Anything unforeseen is a 500 that says nothing of what happened; the log does. `names` are those that
    parameters have in an address, by the handler's own for them.
    """
    match error:
        case errors.HomeTripError():
            status = next((status for family, status in STATUSES if isinstance(error, family)), 500)
            return Problem(status, error.code, error.detail, error.facts)
        case SerializationException():
            return Problem(400, "malformed", "the body is not well-formed JSON", {})
        case ValidationException():
            return _validation(error, names)
        case RecursionError():
            return Problem(400, "malformed", "the body is nested too deeply", {})
        case NotFoundException():
            return Problem(404, "not_found", "there is nothing at this address", {})
        case MethodNotAllowedException():
            return Problem(405, "method_not_allowed", "this address does not take that method", {})
        case HTTPException() if error.status_code == 413:
            return Problem(413, "too_large", errors.TooLarge.__doc__ or "", {})
        case UnicodeDecodeError() | LookupError() if _is_of_a_form(error):
            return Problem(400, "malformed", "a part of the form is not in the charset that it says", {})
        case ClientException():
            return Problem(error.status_code, "malformed", "the request cannot be read", {})
    log.error("unforeseen error", exc_info=error)
    return Problem(500, "internal", "something went wrong here; it has been noted", {})


def _is_of_a_form(error: Exception) -> bool:
    """Did Litestar raise it while it read a form? It decodes the parts as their heads tell it to."""
    frames = walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__") == "litestar._multipart" for frame, _ in frames)


# msgspec: "Expected `int`, got `str` - at `$.guests`", "Invalid RFC3339 encoded date - at `key` in `$.dates`"
_AT = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`(?P<path>\$.*)`)?$", re.DOTALL)
# Litestar: "Missing required query parameter 'year' for path /api/payments/tax-report"
_MISSING = re.compile(r"Missing required \w+ parameter '([^']+)'")


def _validation(error: ValidationException, names: Mapping[str, str]) -> Problem:
    cause = error.__cause__ or error.__context__
    extra = error.extra if isinstance(error.extra, list) else []
    if isinstance(cause, msgspec.ValidationError):
        # Of several, Litestar has each by its name, and the first as its cause.
        found = [_from_extra(part) for part in extra] if len(extra) > 1 else [field_error(str(cause))]
    elif isinstance(cause, (msgspec.DecodeError, SerializationException)):
        return Problem(400, "malformed", "the body is not well-formed JSON", {})
    elif missing := _MISSING.match(error.detail):
        found = [errors.FieldError(missing[1], "required", "this parameter is needed")]
    else:
        found = [_from_extra(part) for part in extra] or [field_error(error.detail)]
    found = [msgspec.structs.replace(part, field=names.get(part.field, part.field)) for part in found]
    return problem_of(errors.Invalid.fields(found))


def _from_extra(part: Any) -> errors.FieldError:
    told = field_error(str(part.get("message", "")))
    name = str(part.get("key", "")) or told.field
    return errors.FieldError(name.removeprefix("data.") or "body", told.code, told.detail)


def field_error(message: str, at: str = "") -> errors.FieldError:
    """A msgspec message, about what is `at` this path of the whole, as a field, a code and a sentence."""
    match = _AT.match(message)
    assert match is not None
    # The body is the handler's parameter `data`; whoever sent it knows nothing of that.
    path = (at + (match["path"] or "").removeprefix("$")).lstrip(".")
    what, path = match["what"], "" if path == "data" else path.removeprefix("data.")
    if found := re.match(r"Object contains unknown field `(.+)`", what):
        name = f"{path}.{found[1]}" if path else found[1]
        return errors.FieldError(name, "unknown_field", "there is no such field")
    if found := re.match(r"Object missing required field `(.+)`", what):
        name = f"{path}.{found[1]}" if path else found[1]
        if name == "data":
            return errors.FieldError("body", "required", "this request needs a body")
        return errors.FieldError(name, "required", "this field is needed")
    code = "wrong_type" if what.startswith("Expected") and ", got" in what else "invalid_value"
    return errors.FieldError(path or "body", code, what)


def to_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything."""
    status, media_type, headers, body = told(request.scope, error)
    return Response(body, status_code=status, media_type=media_type, headers=headers)


def told(scope: Any, error: Exception) -> tuple[int, str, dict[str, str], bytes]:
    """What is answered where a route fails: status, media type, headers, body. The scope keeps the code."""
    if isinstance(error, errors.AlreadyAnswered):
        headers = {"Idempotent-Replayed": "true"} | _tag_again(scope.get("route_handler"), error.answer)
        return error.status, "application/json", headers, error.answer
    problem = problem_of(error, _names_of(scope.get("route_handler")))
    if problem.code == "dates_taken":
        metrics.DATES_TAKEN.inc()
    scope["problem"] = problem.code
    body = problem.document(str(scope.get("request_id", "")))
    return problem.status, PROBLEM, problem.headers(), body


def _tag_again(handler: BaseRouteHandler | None, answer: bytes) -> dict[str, str]:
    """The ETag that the answer had the first time; none where an earlier version of HomeTrip gave it, of a
    record that was another then."""
    kind = handler.parsed_fn_signature.return_type.annotation if handler is not None else None
    with contextlib.suppress(msgspec.DecodeError, TypeError):
        if tag := tag_of(msgspec.json.decode(answer, type=kind)):
            return {"ETag": tag}
    return {}


@cache
def _names_of(handler: BaseRouteHandler | None) -> dict[str, str]:
    """`from` is a word of Python's: a handler calls that parameter otherwise, and the client does not."""
    fields = handler.parsed_fn_signature.parameters if handler is not None else {}
    told = {name: getattr(field.kwarg_definition, "name", None) for name, field in fields.items()}
    return {name: alias for name, alias in told.items() if alias}

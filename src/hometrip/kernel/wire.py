"""What goes over the wire: request records refuse what they do not know, answers leave out what they do
not have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import TypeVar, cast

import msgspec

from hometrip.kernel.errors import FieldError
from hometrip.kernel.record import Frozen


class Request(Frozen, forbid_unknown_fields=True):
    """A request's body or part of it. An unknown field is refused, so that a misspelt one is never
    ignored.
    """


class Answer(Frozen, omit_defaults=True):
    """An answer's body or part of it. Give a default (None) only to a field that may be left out."""


class Done(Answer):
    """Something was done, and there is nothing more to say than its state."""

    status: str


PDF = "application/pdf"


def wants_pdf(asked: str | None, accept: str) -> bool:
    """Is a paper wanted as such, not as JSON? `?format=` decides, else the Accept header."""
    return asked == "pdf" if asked else PDF in accept


T = TypeVar("T")


def written(json: bytes, of: type[T]) -> T:
    """JSON that was made before, in the place of the value that it is of: an answer that has it is encoded by
    copying it. Only for answers on their way out; nobody can read anything from it.
    """
    return cast(T, msgspec.Raw(json))


def strangers(given: Iterable[str], known: Collection[str]) -> list[FieldError]:
    """What is wrong with parameters that a route does not have. They are refused as a body's unknown fields
    are: a misspelt filter must not answer with everything.
    """
    found = []
    for name in sorted({*given} - {*known}):
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        found.append(FieldError(name[:60], "unknown_field", f"there is no such parameter{hint}"))
    return found

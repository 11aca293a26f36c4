"""What goes over the wire: request records refuse what they do not know, answers leave out what they do
not have.
"""

from __future__ import annotations

from typing import TypeVar, cast

import msgspec

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


T = TypeVar("T")


def written(json: bytes, of: type[T]) -> T:
    """JSON that was made before, in the place of the value that it is of: an answer that has it is encoded by
    copying it. Only for answers on their way out; nobody can read anything from it.
    """
    return cast(T, msgspec.Raw(json))

"""The errors of the house: one class per situation, with a stable code and the facts that help.

A service raises these and never an HTTP status; `app/edge/problems.py` alone knows which status each family
has. The same classes cross process borders: an error travels as its code, detail and facts, and `rebuild`
makes it again.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec


class HomeTripError(Exception):
    """Something went wrong inside HomeTrip."""

    code: ClassVar[str] = "internal"
    by_code: ClassVar[dict[str, type[HomeTripError]]] = {}
    meaning: ClassVar[str] = "Something went wrong inside HomeTrip."

    def __init__(self, detail: str = "", /, **facts: Any) -> None:
        """`detail` is a sentence for a person, by default the docstring's first paragraph; `facts` are
        JSON-like values that help a program go on."""
        self.detail = detail or self.meaning
        self.facts: dict[str, Any] = msgspec.to_builtins(facts)
        super().__init__(self.detail)

    def __init_subclass__(cls) -> None:
        cls.meaning = " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
        # A family (Conflict) shares its parent's code until a situation names its own.
        if "code" in cls.__dict__:
            HomeTripError.by_code.setdefault(cls.code, cls)


class FieldError(msgspec.Struct, frozen=True):
    """One wrong field of a request: a path such as `stay.check_in`, a stable code, a sentence."""

    field: str
    code: str
    detail: str


class Malformed(HomeTripError):
    """The request cannot be read."""

    code = "malformed"


class Unauthenticated(HomeTripError):
    """No credential, or one that is not valid."""

    code = "unauthenticated"


class Forbidden(HomeTripError):
    """You may see this, but not do that."""

    code = "forbidden"


class NotFound(HomeTripError):
    """There is no such record, or you may not see it."""

    code = "not_found"


class Conflict(HomeTripError):
    """The state of the record does not allow this."""

    code = "conflict"


class VersionMismatch(HomeTripError):
    """The record has changed since you read it."""

    code = "version_mismatch"


class TooLarge(HomeTripError):
    """The body is larger than this route accepts."""

    code = "too_large"


class UnsupportedMedia(HomeTripError):
    """The body is of a kind that this route does not accept."""

    code = "unsupported_media"


class Invalid(HomeTripError):
    """Some field of the request is not valid."""

    code = "invalid"

    @classmethod
    def fields(cls, wrong: list[FieldError]) -> Invalid:
        """Several at once."""
        return cls("; ".join(f"{each.field}: {each.detail}" for each in wrong), errors=wrong)

    @classmethod
    def field(cls, name: str, code: str, detail: str) -> Invalid:
        return cls(detail, errors=[FieldError(name, code, detail)])


class PreconditionRequired(HomeTripError):
    """This write needs the version that it is based on."""

    code = "precondition_required"


class TooMany(HomeTripError):
    """Too many requests; `retry_after` seconds from now is early enough."""

    code = "too_many_requests"


class Unavailable(HomeTripError):
    """A part of the house does not answer now; trying again later may work."""

    code = "unavailable"


class DeadlineExceeded(Unavailable):
    """The time that the caller gave ran out; what was asked may or may not have happened."""

    code = "deadline_exceeded"


class KeyReused(Conflict):
    """This Idempotency-Key was used before with another body."""

    code = "idempotency_key_reused"


class AlreadyAnswered(HomeTripError):
    """This Idempotency-Key was used before; `answer` is what it got. The edge sends it again."""

    code = "already_answered"

    def __init__(self, detail: str = "", /, *, status: int, answer: bytes) -> None:
        super().__init__(detail)
        self.status, self.answer = status, answer


class Told(msgspec.Struct, frozen=True):
    """An error on its way to another process."""

    code: str
    detail: str
    facts: dict[str, Any]


def tell(error: HomeTripError) -> Told:
    return Told(error.code, error.detail, error.facts)


def rebuild(told: Told) -> HomeTripError:
    """The error that `tell` was given: the same class where it is known here, its facts always."""
    known = HomeTripError.by_code.get(told.code, HomeTripError)
    error = known.__new__(known)
    HomeTripError.__init__(error, told.detail, **told.facts)
    return error

"""The peer port: how a service asks another one, through the `Protocol` in the other's contract.

Methods named in the Protocol are *questions* (reads) unless marked with `@command`. A question may be asked
again by the caller's side; a command never is, unless its `key` argument makes a second one harmless.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from hometrip.kernel.errors import Unavailable

P = TypeVar("P")
F = TypeVar("F", bound=Callable[..., Any])


class Refused(Unavailable):
    """The peer was not reached: nothing has happened there."""

    code = "peer_refused"


class MayHaveHappened(Unavailable):
    """The peer was reached, but its answer was not: what was asked may or may not have happened."""

    code = "peer_may_have_happened"


class Peers(Protocol):
    """Answers are equal copies, never the other's objects; errors are the other's, rebuilt from their codes.

    Every call ends by the caller's deadline.
    """

    def ask(self, protocol: type[P]) -> P:
        """Something whose methods are those of `protocol`, answered by the service whose contract it is."""


def command(method: F) -> F:
    """Marks a method of a peer Protocol that changes something there."""
    method.is_command = True  # type: ignore[attr-defined]
    return method

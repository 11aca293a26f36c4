"""The health of an instance as the gateway sees it: a circuit breaker, and ejection of the outlier.

A circuit opens where an instance cannot be talked to; an instance that answers, but with errors only, is
ejected: passed over while there are others that do better. Times are seconds of a steady clock.
"""

from __future__ import annotations

from enum import Enum

import msgspec

# So many failures in a row open a circuit; where nobody listens, one is enough.
FAILURES = 5
# An open circuit lets one request try after so long; each time that fails, it waits twice as long.
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0
# So many 5xx answers in a row eject an instance for so long.
ERRORS, EJECTED_SECONDS = 5, 10.0


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


CLOSED, OPEN, HALF_OPEN = State


class Failure(Enum):
    """REFUSED: nobody listens there. BROKEN: cut off, garbage, or no answer in time."""

    REFUSED = "refused"
    BROKEN = "broken"


class Circuit(msgspec.Struct, frozen=True):
    """`failures` and `errors` are counted in a row; `trips`: how often it opened since it last answered."""

    state: State = CLOSED
    failures: int = 0
    until: float = 0.0
    trips: int = 0
    errors: int = 0
    ejected_until: float = 0.0


HEALTHY = Circuit()


def admits(circuit: Circuit, now: float) -> bool:
    """May a request go there? HALF_OPEN has its one request under way, and takes no second one."""
    return circuit.state is CLOSED or (circuit.state is OPEN and now >= circuit.until)


def is_ejected(circuit: Circuit, now: float) -> bool:
    return now < circuit.ejected_until


def entered(circuit: Circuit) -> Circuit:
    """A request goes there, which `admits` allowed."""
    return circuit if circuit.state is CLOSED else msgspec.structs.replace(circuit, state=HALF_OPEN)


def left(circuit: Circuit) -> Circuit:
    """The request was given up by its sender, which tells nothing: the next may try."""
    return circuit if circuit.state is not HALF_OPEN else msgspec.structs.replace(circuit, state=OPEN)


def failed(circuit: Circuit, failure: Failure, now: float) -> Circuit:
    """What was under way before a circuit opened changes nothing when it fails after it."""
    if circuit.state is OPEN:
        return circuit
    failures = circuit.failures + 1
    if circuit.state is HALF_OPEN or failure is Failure.REFUSED or failures >= FAILURES:
        pause = min(FIRST_PAUSE * 2 ** min(circuit.trips, 10), LAST_PAUSE)
        return msgspec.structs.replace(
            circuit, state=OPEN, failures=failures, until=now + pause, trips=circuit.trips + 1
        )
    return msgspec.structs.replace(circuit, failures=failures)


def answered(circuit: Circuit, status: int, now: float) -> Circuit:
    """It answered, so it can be talked to."""
    if status < 500:
        return HEALTHY
    errors = circuit.errors + 1
    if errors >= ERRORS:
        return Circuit(ejected_until=now + EJECTED_SECONDS)
    return Circuit(errors=errors, ejected_until=circuit.ejected_until)

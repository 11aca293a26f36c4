"""What others may know of the gateway: how it says that a service is not to be had, its summary of all."""

from __future__ import annotations

from datetime import datetime

from hometrip.kernel.errors import Unavailable
from hometrip.kernel.wire import Answer


class NoInstance(Unavailable):
    """No instance of the service takes this request now; nothing was done."""

    code = "no_instance"


class AnswerLost(Unavailable):
    """The service was reached, but its answer was not to be had: what was asked may have been done or not."""

    code = "answer_lost"


class BadAnswer(Unavailable):
    """The service answered with something that is no answer."""

    code = "bad_answer"


class ServiceSummary(Answer):
    """`instances` are those that the registry lists, `healthy` those that say that they are ready.

    `version` names several (`1.0, 1.1`) while a new one is brought out, and none where nobody answers; then
    nothing is known of its events either.
    """

    name: str
    status: str
    instances: int
    healthy: int
    version: str
    unsent_events: int | None = None
    parked_events: int | None = None


class Summary(Answer):
    """The marketplace at a glance. `status` is ok, or degraded where a service is short of instances; of a
    service it is up, degraded or down.
    """

    status: str
    version: str
    sandbox: bool
    now: datetime
    services: list[ServiceSummary]

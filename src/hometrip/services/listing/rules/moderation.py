"""What staff decide about a home: whether guests may see it, and why not."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import replace

from hometrip.kernel.contacts import without_contacts
from hometrip.kernel.errors import Conflict, Invalid
from hometrip.kernel.record import Frozen
from hometrip.kernel.wire import Request
from hometrip.services.listing.rules.home import (
    DRAFT,
    IN_REVIEW,
    PAUSED,
    PUBLISHED,
    SUSPENDED,
    Home,
    Judged,
)

MOST_REASON = 2_000


class NotToBeJudged(Conflict):
    """A home in this `state` cannot be approved, rejected or suspended, whichever was asked."""

    code = "listing_not_to_be_judged"


class Verdict(Request):
    """What staff decide. To reject and to suspend need a `reason`, which the host reads. To dismiss what was
    reported of a home leaves the home as it is, and its host is told nothing."""

    action: Literal["approve", "reject", "suspend", "dismiss"]
    reason: Annotated[str, Meta(max_length=MOST_REASON)] = ""


class Judging(Frozen):
    """From any of the states `out_of` to `status`; what it is called once it is done."""

    out_of: frozenset[str]
    status: str
    done: str
    needs_reason: bool = True


JUDGINGS = {
    "approve": Judging(
        out_of=frozenset({IN_REVIEW, SUSPENDED}), status=PUBLISHED, done="approved", needs_reason=False
    ),
    "reject": Judging(out_of=frozenset({IN_REVIEW}), status=DRAFT, done="rejected"),
    "suspend": Judging(out_of=frozenset({IN_REVIEW, PUBLISHED, PAUSED}), status=SUSPENDED, done="suspended"),
}


def judged(home: Home, verdict: Verdict, at: datetime) -> Home:
    """The home in its new state, with what was said of it; `NotToBeJudged` where it cannot be in it. One that
    its host had paused before it was suspended is paused again: only the host opens it to guests."""
    judging, reason = JUDGINGS[verdict.action], without_contacts(verdict.reason.strip())
    if home.status not in judging.out_of:
        state = home.status.replace("_", " ")
        raise NotToBeJudged(f"A home that is {state} cannot be {judging.done}.", state=home.status)
    if judging.needs_reason and not reason:
        raise Invalid.field("reason", "required", f"the host must be told why the home is {judging.done}")
    paused = home.status == PAUSED or (
        home.status == SUSPENDED and home.judged is not None and home.judged.paused
    )
    status = PAUSED if paused and judging.status == PUBLISHED else judging.status
    return replace(
        home,
        status=status,
        updated_at=at,
        judged=Judged(
            action=judging.done, reason=reason, at=at, paused=paused and judging.status == SUSPENDED
        ),
    )


def published(home: Home, *, reviewed: bool) -> str:
    """The state that a host's wish to publish a home brings it to: where homes are `reviewed`, a draft waits
    for staff; one that was published before does not wait again."""
    return IN_REVIEW if reviewed and home.status in (DRAFT, IN_REVIEW) else PUBLISHED

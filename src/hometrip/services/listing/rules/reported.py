"""What accounts report of homes to staff: for which reasons, and in which words."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import replace

from hometrip.kernel.errors import Conflict, Forbidden, Invalid
from hometrip.kernel.wire import Request
from hometrip.services.listing.rules import texts

MOST_WORDS = 1_000

Reason = Literal["inaccurate", "not_a_home", "scam", "offensive", "unsafe", "unlawful", "other"]


class AlreadyReported(Conflict):
    """Your report of this home waits for staff already."""

    code = "already_reported"


class NotReported(Conflict):
    """No report of this home waits for staff."""

    code = "not_reported"


class OwnHomeReported(Forbidden):
    """Nobody reports a home that they host or co-host."""

    code = "own_home_reported"


class ReportWish(Request):
    """What is wrong with a home; `other` needs words."""

    reason: Reason
    text: Annotated[str, Meta(max_length=MOST_WORDS)] = ""


def worded(wish: ReportWish) -> ReportWish:
    """The report as staff read it; `Invalid` where nobody knows what is meant."""
    text = texts.plain(wish.text)
    if wish.reason == "other" and not text:
        raise Invalid.field("text", "required", "say what is wrong")
    return replace(wish, text=text)

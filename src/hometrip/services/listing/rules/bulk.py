"""One edit of the days of many homes: what it asks, what stands in its way, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hometrip.kernel.errors import Conflict, FieldError, Invalid
from hometrip.kernel.ids import NewId
from hometrip.kernel.money import Money
from hometrip.kernel.record import Frozen
from hometrip.kernel.stay import Stay
from hometrip.kernel.wire import Answer, Request
from hometrip.services.listing.contract import LONGEST_STAY
from hometrip.services.listing.rules import texts
from hometrip.services.listing.rules.calendar import BLOCKED, BOOKED, IMPORTED, Calendar, Openings, Span
from hometrip.services.listing.rules.home import Home
from hometrip.services.listing.rules.possible import shut_nights
from hometrip.services.listing.rules.pricing import HIGHEST, TOO_FAR, laid, reaches_too_far
from hometrip.services.listing.rules.spans import runs, with_blocks

MOST_HOMES, LONGEST_RANGE = 50, 730


class DaysEdit(Request):
    """Nights from `from` to before `to`, of all weekdays or those named (0 is Monday), of all these homes.

    What is not given stays as it is. `price` and `min_nights` are the nights' own; null takes them away, so
    that season, weekend and base hold again. `block` keeps the nights from guests (true) or gives back those
    that the host keeps (false).
    """

    listing_ids: Annotated[list[UUID], Meta(min_length=1, max_length=MOST_HOMES)]
    first: date = msgspec.field(name="from")
    until: date = msgspec.field(name="to")
    weekdays: Annotated[list[Annotated[int, Meta(ge=0, le=6)]], Meta(min_length=1, max_length=7)] | None = (
        None
    )
    price: Money | UnsetType | None = UNSET
    min_nights: Annotated[int, Meta(ge=1, le=LONGEST_STAY)] | UnsetType | None = UNSET
    block: bool | UnsetType = UNSET
    reason: Annotated[str, Meta(max_length=500)] = ""


class HomeProblem(Answer):
    """Why the edit cannot be made at one home: not_found, no_price, other_currency, too_far_apart, past,
    more_than_max (a least stay above the longest), booked or imported; of the last three with the `nights`.
    """

    listing_id: UUID
    code: str
    detail: str
    nights: list[date] = []


class EditRefused(Conflict):
    """Nothing was changed: `problems` tells for each home that stands in the way, why."""

    code = "edit_refused"


class NewBlock(Frozen, gc=False):
    id: UUID
    stay: Stay
    reason: str


class HomePlan(Frozen):
    """What the edit does to the taken nights of one home: blocks that go, blocks that come in their place."""

    listing_id: UUID
    release: list[UUID]
    take: list[NewBlock]


class HomeEdited(Answer):
    """How many nights the edit was about, and how many of them were blocked or given back by it."""

    listing_id: UUID
    nights: int
    blocked: int
    given_back: int


class EditMade(Answer):
    items: list[HomeEdited]


def must_be_whole(edit: DaysEdit) -> None:
    """`Invalid` names every part that cannot be as it is written."""
    wrong = []
    if edit.until <= edit.first:
        wrong.append(FieldError("to", "not_after_from", "must be a later day than from"))
    elif (edit.until - edit.first).days > LONGEST_RANGE:
        wrong.append(FieldError("to", "too_far", f"must be at most {LONGEST_RANGE} days after from"))
    elif not nights_of(edit, edit.first):
        wrong.append(
            FieldError("weekdays", "not_in_range", "no night from `from` to before `to` is of these")
        )
    if not 2000 <= edit.first.year < 2200:
        wrong.append(FieldError("from", "out_of_range", "must be a day of the years 2000 to 2199"))
    if len(set(edit.listing_ids)) != len(edit.listing_ids):
        wrong.append(FieldError("listing_ids", "repeated", "a home is given twice"))
    if isinstance(edit.price, Money) and not 1 <= edit.price.amount <= HIGHEST:
        wrong.append(FieldError("price", "out_of_range", f"must be 1 to {HIGHEST} minor units"))
    if edit.price is UNSET and edit.min_nights is UNSET and edit.block is UNSET:
        wrong.append(FieldError("price", "nothing_asked", "price, min_nights or block must be given"))
    if wrong:
        raise Invalid("The edit cannot be as it is written.", errors=wrong)


def nights_of(edit: DaysEdit, today: date) -> list[date]:
    """The nights that it is about at a home where it is `today`: what is over stays as it was."""
    first = max(edit.first, today)
    nights = (first + timedelta(days=n) for n in range((edit.until - first).days))
    return [night for night in nights if edit.weekdays is None or night.weekday() in edit.weekdays]


def problem_at(
    home: Home, days: Calendar, edit: DaysEdit, nights: Sequence[date], today: date
) -> HomeProblem | None:
    """What stands in the way at this home, where it is `today`, as far as is known here."""
    if not nights:
        return HomeProblem(listing_id=home.id, code="past", detail="none of these nights is still to come")
    if edit.price is not UNSET and home.pricing is None:
        return HomeProblem(listing_id=home.id, code="no_price", detail="this home has no price list yet")
    if edit.price and home.pricing and edit.price.currency != home.pricing.currency:
        detail = f"this home is in {home.pricing.currency}"
        return HomeProblem(listing_id=home.id, code="other_currency", detail=detail)
    lays = edit.price is not UNSET or edit.min_nights is not UNSET
    if lays and reaches_too_far(days, nights, today):
        return HomeProblem(listing_id=home.id, code="too_far_apart", detail=TOO_FAR)
    if edit.min_nights and (shut := shut_nights(home, days, nights, edit.min_nights)):
        most = Openings(home, days).max_nights(shut[0])
        detail = f"no stay could begin: {edit.min_nights} nights at least, and at most {most}"
        return HomeProblem(listing_id=home.id, code="more_than_max", detail=detail, nights=shut)
    if edit.block is True:
        for kind, detail in ((BOOKED, "guests have these nights"), (IMPORTED, "another site has them")):
            if taken := sorted(_nights_taken(days, kind).intersection(nights)):
                return HomeProblem(listing_id=home.id, code=kind, detail=detail, nights=taken)
    return None


def _nights_taken(days: Calendar, kind: str) -> set[date]:
    spans = (Stay(span.check_in, span.check_out) for span in days.spans if span.kind == kind)
    return {night for stay in spans for night in stay.each_night()}


def planned(
    days: Calendar, edit: DaysEdit, nights: Sequence[date], new_id: NewId, reasons: Mapping[UUID, str]
) -> HomePlan:
    """Blocks for the nights that the host has not blocked yet; or, where they are given back, blocks for what
    is left of those that had one of them, with their `reasons`."""
    blocked = [span for span in days.spans if span.kind == BLOCKED]
    if edit.block is True:
        known = _nights_taken(days, BLOCKED)
        wanted = runs(night for night in nights if night not in known)
        reason = texts.one_line(edit.reason)
        take = [NewBlock(id=new_id(), stay=stay, reason=reason) for stay in wanted]
        return HomePlan(listing_id=days.id, release=[], take=take)
    given, release, take = set(nights), [], []
    for span in blocked if edit.block is False else ():
        own = list(Stay(span.check_in, span.check_out).each_night())
        if given.isdisjoint(own):
            continue
        release.append(span.id)
        left = runs(night for night in own if night not in given)
        take += [NewBlock(id=new_id(), stay=stay, reason=reasons.get(span.id, "")) for stay in left]
    return HomePlan(listing_id=days.id, release=release, take=take)


def edited_days(days: Calendar, edit: DaysEdit, nights: Sequence[date], plan: HomePlan) -> Calendar:
    """The calendar with the edit in it."""
    new = [
        Span(id=block.id, kind=BLOCKED, check_in=block.stay.check_in, check_out=block.stay.check_out)
        for block in plan.take
    ]
    days = with_blocks(days, plan.release, new)
    prices: dict[date, int] = {}
    if edit.price is not UNSET:
        prices = dict.fromkeys(nights, edit.price.amount if edit.price else 0)
    least = {} if edit.min_nights is UNSET else dict.fromkeys(nights, edit.min_nights or 0)
    return laid(days, prices, least) if prices or least else days


def told(nights: Sequence[date], before: Calendar, after: Calendar) -> HomeEdited:
    were, are = _nights_taken(before, BLOCKED), _nights_taken(after, BLOCKED)
    return HomeEdited(
        listing_id=before.id,
        nights=len(nights),
        blocked=len(are - were),
        given_back=len(were - are),
    )

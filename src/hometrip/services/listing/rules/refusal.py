"""Whether a stay can be booked, by anybody or by who has its nights already: which rule refuses it first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from hometrip.kernel.stay import Stay
from hometrip.services.listing.rules.calendar import Openings


class Refusal(msgspec.Struct, frozen=True):
    """Which rule does not allow the stay, and the value that it holds the stay to."""

    rule: str
    value: int | list[int] | bool


def refusal(
    home: Openings,
    stay: Stay,
    now: datetime,
    *,
    guests: int = 1,
    pets: int = 0,
    agreed: Stay | None = None,
) -> Refusal | None:
    """The first rule that does not allow the stay, or None: it can be booked. A guest whose booking has the
    nights `agreed` is refused by those alone that were not settled with it."""
    for refused in _refusals(home, stay, now, guests, pets):
        if agreed is None or not _is_settled(refused.rule, stay, agreed):
            return refused
    return None


def _refusals(home: Openings, stay: Stay, now: datetime, guests: int, pets: int) -> Iterator[Refusal]:
    limits = home.limits
    if guests > home.guests:
        yield Refusal("guests", home.guests)
    if pets and not home.pets:
        yield Refusal("pets", False)
    nights, longest = stay.nights, home.max_nights(stay.check_in)
    if nights > longest:
        yield Refusal("max_nights", longest)
    if nights < (least := home.min_nights(stay.check_in)):
        yield Refusal("min_nights", least)
    if limits.check_in_days is not None and stay.check_in.weekday() not in limits.check_in_days:
        yield Refusal("check_in_day", limits.check_in_days)
    if limits.check_out_days is not None and stay.check_out.weekday() not in limits.check_out_days:
        yield Refusal("check_out_day", limits.check_out_days)
    if home.too_soon(stay.check_in, now):
        yield Refusal("notice", limits.notice_hours)
    if home.beyond_window(stay, now):
        yield Refusal("window", limits.window_days)
    if (taken := next(home.overlapping(stay), None)) is not None:
        yield Refusal(taken.kind, False)
    if home.booked_beside(stay):
        yield Refusal("preparation", limits.preparation_nights)


def _is_settled(rule: str, stay: Stay, agreed: Stay) -> bool:
    """By a booking of the nights `agreed`: the days of its arrival and departure, that it is as long as it
    is, and that its nights are its own. Who comes is not."""
    arrives_then = stay.check_in == agreed.check_in
    within = agreed.check_in <= stay.check_in and stay.check_out <= agreed.check_out
    match rule:
        case "guests" | "pets":
            return False
        case "min_nights":
            return arrives_then and stay.nights >= agreed.nights
        case "max_nights":
            return arrives_then and stay.nights <= agreed.nights
        case "check_in_day":
            return arrives_then
        case "check_out_day":
            return stay.check_out == agreed.check_out
        case "notice":
            return arrives_then or within
    return within

"""Why a stay is refused, in a sentence for the guest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hometrip.services.listing.contract import StayRefused
from hometrip.services.listing.rules.refusal import Refusal

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def said(refused: Refusal) -> str:
    return _WORDS[refused.rule](refused.value)


def _nights(bound: str) -> Callable[[Any], str]:
    return lambda n: f"A stay here has {bound} {_counted(n, 'night')}."


def _days(what: str) -> Callable[[Any], str]:
    return lambda days: f"{what} here is only on {_either([DAYS[day] for day in sorted(days)])}."


def _notice(hours: int) -> str:
    if not hours:
        return "This check-in has passed."
    return f"This home is booked at least {_counted(hours, 'hour')} before check-in."


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


_WORDS: dict[str, Callable[[Any], str]] = {
    "guests": lambda most: f"This home is for at most {_counted(most, 'guest')}.",
    "pets": lambda _: "This home takes no pets.",
    "max_nights": _nights("at most"),
    "min_nights": _nights("at least"),
    "check_in_day": _days("Check-in"),
    "check_out_day": _days("Check-out"),
    "notice": _notice,
    "window": lambda days: f"This home can be booked up to {_counted(days, 'day')} ahead.",
    "preparation": lambda n: StayRefused.UNPREPARED.format(_counted(n, "night")),
}

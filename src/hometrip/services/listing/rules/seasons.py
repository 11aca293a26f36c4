"""What holds for a night: its season, and values laid over days, the more specific ones last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from hometrip.services.listing.rules.home import Season


def lay_seasons(values: list[int], first: date, seasons: Sequence[Season], told: Sequence[int]) -> None:
    """Write what seasons tell over the values of days from `first` on; of two, the shorter one's stays."""
    pairs = sorted(zip(seasons, told, strict=True), key=lambda pair: pair[0].first - pair[0].until)
    for season, value in pairs:
        low, high = max(0, (season.first - first).days), min(len(values), (season.until - first).days)
        if low < high:
            values[low:high] = [value] * (high - low)


def lay_days(values: list[int], first: date, starts: date, told: Sequence[int]) -> None:
    """Write what single days tell (from `starts` on, 0 for nothing) over the values of days from `first`."""
    shift = (first - starts).days
    for at in range(max(0, -shift), min(len(values), len(told) - shift)):
        if told[at + shift]:
            values[at] = told[at + shift]


def season_of(seasons: Sequence[Season], night: date) -> Season | None:
    """The season that holds for a night: the shortest of those around it, as the most specific; of two of
    one length, the one that is listed later."""
    around = [season for season in reversed(seasons) if season.first <= night < season.until]
    return min(around, key=lambda season: season.until - season.first) if around else None

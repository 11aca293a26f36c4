"""Struck-through prices: what nights were asked for over the last 60 days, and whether that may be shown.

The rule: a price is struck through only beside one that is at least 10 % under the home's median of 60 days.
A day counts with the least that was asked on it, so that a price that was there for an hour is not the usual
one; days on which the home was not shown do not count; of two days in the middle it is the cheaper. Whoever
cannot show that it was so shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from statistics import median_low

import msgspec

from hometrip.kernel.record import Frozen
from hometrip.kernel.stay import ONE_NIGHT, Stay, at_local, local_date
from hometrip.ports.documents import Record
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.home import PUBLISHED, Home, Pricing
from hometrip.services.listing.rules.price import Prices

DAYS, LEAST_DAYS_SHOWN = 60, 30
# At most so many basis points of the median: at least 10 % under it.
CHEAP_BP = 9_000
# Of so many changes it is remembered what was asked; of a home that changes more often, nothing is known.
MOST_CHANGES = 400


class Asking(Frozen):
    """What a home asks for its nights: of the price list what prices nights, and the nights of their own."""

    pricing: Pricing
    starts: date | None
    prices: list[int]


class Since(Frozen):
    """From then on, until the next one, this was asked; None: the home was not shown."""

    at: datetime
    asking: Asking | None


class Asked(Record):
    """What a home (same id) has asked for its nights, the oldest first, as far back as is needed."""

    changes: list[Since]


def asking_of(home: Home, days: Calendar) -> Asking | None:
    if home.status != PUBLISHED or home.pricing is None:
        return None
    pricing = home.pricing
    nights_only = Pricing(
        base=pricing.base,
        weekend=pricing.weekend,
        weekend_nights=pricing.weekend_nights,
        seasons=[
            msgspec.structs.replace(season, min_nights=None, max_nights=None) for season in pricing.seasons
        ],
    )
    return _bare(Asking(pricing=nights_only, starts=days.starts, prices=days.prices))


def _bare(asking: Asking) -> Asking:
    """From the first night with a price of its own to the last: the calendar's run goes on where there are
    only least stays, which change nothing of what is asked."""
    prices = asking.prices
    first = next((at for at, price in enumerate(prices) if price), len(prices))
    after = len(prices) - next((at for at, price in enumerate(reversed(prices)) if price), len(prices))
    if asking.starts is None or first >= after:
        return msgspec.structs.replace(asking, starts=None, prices=[])
    if (first, after) == (0, len(prices)):
        return asking
    starts = asking.starts + timedelta(days=first)
    return msgspec.structs.replace(asking, starts=starts, prices=prices[first:after])


def _last(asked: Asked) -> Asking | None:
    asking = asked.changes[-1].asking
    return None if asking is None else _bare(asking)


def noted(asked: Asked, asking: Asking | None, at: datetime) -> Asked | None:
    """With what is asked from now on; None where that is nothing new. What lies too far back is left out."""
    if asked.changes and _last(asked) == asking:
        return None
    changes = [*asked.changes, Since(at=at, asking=asking)]
    oldest = at - timedelta(days=DAYS + 3)  # whatever the zone
    while len(changes) > 1 and changes[1].at <= oldest:
        changes = changes[1:]
    return msgspec.structs.replace(asked, changes=changes[-MOST_CHANGES:])


def was_for_stay(asked: Asked, home: Home, days: Calendar, stay: Stay, now: datetime) -> int | None:
    """What the nights of the stay usually cost, in minor units, where that may be struck through."""

    def cost(asking: Asking) -> int:
        return sum(_prices(home, asking).of_nights(stay.check_in, stay.nights))

    return _was(asked, home, days, cost, now)


def was_for_base(asked: Asked, home: Home, days: Calendar, now: datetime) -> int | None:
    """The same of the price of a night without any dates."""
    return _was(asked, home, days, lambda asking: asking.pricing.base.amount, now)


def _prices(home: Home, asking: Asking) -> Prices:
    return Prices(
        msgspec.structs.replace(home, pricing=asking.pricing),
        Calendar(id=home.id, starts=asking.starts, prices=asking.prices),
    )


def _was(
    asked: Asked, home: Home, days: Calendar, cost: Callable[[Asking], int], now: datetime
) -> int | None:
    current = asking_of(home, days)
    if current is None or not asked.changes or _last(asked) != current:
        return None  # somebody else than the host has written prices: what was asked is not known
    bounds = _midnights(local_date(now, home.time_zone), home.time_zone)
    if asked.changes[0].at > bounds[0]:
        return None
    shown = [change.asking for change in asked.changes if change.at < bounds[-1] and change.asking]
    if any(asking.pricing.currency != current.pricing.currency for asking in shown):
        return None
    costs = [None if change.asking is None else cost(change.asking) for change in asked.changes]
    usual = list(_least_of_days(asked.changes, costs, bounds))
    if len(usual) < LEAST_DAYS_SHOWN:
        return None
    found = median_low(usual)
    return found if cost(current) * 10_000 <= found * CHEAP_BP else None


@lru_cache(maxsize=1024)
def _midnights(today: date, zone: str) -> tuple[datetime, ...]:
    """Between which the days lie that count, up to the last one: the same for all homes of a zone."""
    return tuple(at_local(today - n * ONE_NIGHT, "00:00", zone) for n in range(DAYS, -1, -1))


def _least_of_days(
    changes: Sequence[Since], costs: Sequence[int | None], bounds: Sequence[datetime]
) -> Iterator[int]:
    """The least that was asked on each of the days between the bounds, of those with the home shown."""
    ends = [*(change.at for change in changes[1:]), datetime.max.replace(tzinfo=UTC)]
    first = 0
    for begins, over in pairwise(bounds):
        while ends[first] <= begins:
            first += 1
        told = []
        for change, cost in zip(changes[first:], costs[first:], strict=True):
            if change.at >= over:
                break
            told += [] if cost is None else [cost]
        if told:
            yield min(told)

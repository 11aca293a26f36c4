"""Lists of bookings, page by page: of whom, when, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, and_, literal, or_, select, tuple_

from hometrip.kernel.page import Page, cursor_of, values_of
from hometrip.kernel.record import Frozen
from hometrip.ports.database import Reader
from hometrip.services.booking.rules import Booking
from hometrip.services.booking.store.bookings import BY_CHECK_IN, with_history
from hometrip.services.booking.store.tables import bookings

_BY_AGE = (bookings.c.created_at, bookings.c.id)


class Order(Frozen, kw_only=False):
    """What a list is sorted by (its last column is unique), and whether the latest comes first."""

    columns: tuple[Any, ...]
    latest_first: bool


def _upcoming(now: datetime) -> Any:
    return or_(
        bookings.c.status == "pending",
        and_(bookings.c.status == "confirmed", bookings.c.check_in_at > now),
    )


def _current(now: datetime) -> Any:
    begun = and_(
        bookings.c.status == "confirmed", bookings.c.check_in_at <= now, bookings.c.check_out_at > now
    )
    return or_(bookings.c.status == "checked_in", begun)


def _past(now: datetime) -> Any:
    over = and_(bookings.c.status == "confirmed", bookings.c.check_out_at <= now)
    return or_(bookings.c.status == "completed", over)


def _cancelled(now: datetime) -> Any:
    return bookings.c.status.in_(("cancelled", "declined", "expired"))


WHEN = {
    "upcoming": (_upcoming, Order(BY_CHECK_IN, latest_first=False)),
    "current": (_current, Order(BY_CHECK_IN, latest_first=False)),
    "past": (_past, Order(BY_CHECK_IN, latest_first=True)),
    "cancelled": (_cancelled, Order(_BY_AGE, latest_first=True)),
}


class Hosted(NamedTuple):
    """A host, and the homes that this account co-hosts."""

    account_id: UUID
    co_hosted: list[UUID]


async def page(
    db: Reader,
    only: Mapping[str, Any],
    when: str | None,
    now: datetime,
    limit: int,
    cursor: str | None,
    hosted: Hosted | None = None,
) -> Page[Booking]:
    """Bookings whose columns have the values of `only`, of one of `WHEN` if it is named, so `hosted`."""
    order = Order(_BY_AGE, latest_first=True)
    statement = select(bookings).where(
        *(bookings.c[name] == value for name, value in only.items() if value is not None)
    )
    if hosted is not None:
        statement = statement.where(_of_hosts(hosted))
    if when is not None:
        condition, order = WHEN[when]
        statement = statement.where(condition(now))
    rows = await db.rows(_from(statement, order, cursor).limit(limit + 1))
    shown = rows[:limit]
    more = len(rows) > limit
    position = [getattr(shown[-1], column.name) for column in order.columns] if more else []
    return Page(
        items=await with_history(db, shown),
        next_cursor=cursor_of(position) if more else None,
    )


def _of_hosts(hosted: Hosted) -> Any:
    """Their ids as values, not as a question of its own: so each part is found by its index."""
    own = bookings.c.host_id == hosted.account_id
    return or_(own, bookings.c.listing_id.in_(hosted.co_hosted)) if hosted.co_hosted else own


def _from(statement: Select[Any], order: Order, cursor: str | None) -> Select[Any]:
    if cursor is not None:
        here, there = tuple_(*order.columns), tuple_(*_position(cursor, order.columns))
        statement = statement.where(here < there if order.latest_first else here > there)
    return statement.order_by(
        *(column.desc() if order.latest_first else column.asc() for column in order.columns)
    )


def _position(cursor: str, columns: Sequence[Any]) -> list[Any]:
    values = values_of(cursor, [column.type.python_type for column in columns])
    return [literal(value, column.type) for value, column in zip(values, columns, strict=True)]

"""The tables of bookings, their nights and coupons."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    Uuid,
    and_,
    literal_column,
    or_,
    select,
)

from hometrip.services.booking.rules import HOST, UNPAID

tables = MetaData()

# In `bookings.awaiting`: the host, beside requests that hold the nights. A word of its own, so that a version
# that knows of none such cannot accept what holds no nights.
RIVALS = "rivals"

# A value, or the name of one that a statement built once is given later.
Wanted = UUID | BindParameter[Any] | None

bookings = Table(
    "bookings",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("listing_id", Uuid, nullable=False),
    Column("guest_id", Uuid, nullable=False),
    Column("host_id", Uuid, nullable=False),
    Column("title", Text, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("check_in", Date, nullable=False),
    Column("check_out", Date, nullable=False),
    Column("check_in_at", DateTime(timezone=True), nullable=False),
    Column("check_out_at", DateTime(timezone=True), nullable=False),
    Column("guests", Integer, nullable=False),
    Column("pets", Integer, nullable=False),
    Column("status", String(12), nullable=False),
    Column("awaiting", String(8)),
    Column("hold_until", DateTime(timezone=True)),
    Column("hold_extended", Boolean, nullable=False),
    Column("total", BigInteger, nullable=False),  # minor units of `currency`
    Column("currency", String(3), nullable=False),
    Column("agreed", Text, nullable=False),  # `_Agreed` as JSON: lines, split, …
    Column("host_funds_coupon", Boolean, nullable=False),
    Column("cancellation_policy", String(20), nullable=False),
    Column("coupon", String(40)),
    Column("message", Text),
    Column("payment_status", String(24), nullable=False),
    Column("intent_id", Uuid),
    Column("confirmed_at", DateTime(timezone=True)),
    Column("cancellation", Text),
    Column("balance", BigInteger),  # what is due later, until it is paid
    Column("balance_due_at", DateTime(timezone=True)),
    Column("kept", Text),  # JSON, like the next two: whose the money is, once some of it went back
    Column("change", Text),  # the last one asked for
    Column("disputes", Text),
    Column("fee_returned_at", DateTime(timezone=True)),  # the guest got the service fee back
    Column("once_key", String(255)),  # the Idempotency-Key that made it
    Column("version", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("bookings_by_guest", "guest_id", "check_in"),
    Index("bookings_by_host", "host_id", "check_in"),
    Index("bookings_by_listing", "listing_id", "check_out"),
    Index("bookings_by_once_key", "once_key", "guest_id"),
    Index("bookings_by_coupon", "coupon", "guest_id"),
)
# As the engines must read it to see that the index of the pending alone will do: no parameter.
is_pending = bookings.c.status == literal_column("'pending'")
Index(
    "bookings_pending",
    bookings.c.listing_id,
    bookings.c.guest_id,
    sqlite_where=is_pending,
    postgresql_where=is_pending,
)

# One row per move, never changed: who, when, why.
history = Table(
    "booking_history",
    tables,
    Column("booking_id", ForeignKey("bookings.id"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("status", String(20), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("by", String(8), nullable=False),
    Column("why", Text),
    Column("account_id", Uuid),
)

# One row per night: this key, not our code, is what makes a double booking impossible.
nights = Table(
    "booked_nights",
    tables,
    Column("listing_id", Uuid, primary_key=True),
    Column("night", Date, primary_key=True),
    Column("owner_id", Uuid, nullable=False),  # a booking, a block, or the source of an import
    Column("kind", String(8), nullable=False),  # booking, block or import
    Index("booked_nights_by_owner", "owner_id"),
    sqlite_with_rowid=False,
)

# Who acts for a home besides its host, as the listing service tells; `id` is its name for that time.
co_hosts = Table(
    "co_hosts",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("listing_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Index("co_hosts_by_account", "account_id", "listing_id"),
)

coupons = Table(
    "coupons",
    tables,
    Column("code", String(40), primary_key=True),
    Column("host_id", Uuid),  # none: the platform's own
    Column("percent_bp", Integer),
    Column("fixed", BigInteger),
    Column("minimum", BigInteger),
    Column("currency", String(3)),  # of `fixed` and `minimum`
    Column("starts_at", DateTime(timezone=True)),
    Column("ends_at", DateTime(timezone=True)),
    Column("total_limit", Integer),
    Column("account_limit", Integer),
    Column("host_funded", Boolean, nullable=False),
    Column("listing_ids", Text),  # JSON; none: every home
    Column("version", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("coupons_by_host", "host_id", "code"),
)


def could_have_of(guest_id: Wanted, listing_id: Wanted, changing: Wanted) -> Select[tuple[UUID]]:
    """Ids of the guest's bookings of this home that do not stand in the guest's own way: unpaid holds, and
    the confirmed one that is `changing`."""
    return select(bookings.c.id).where(
        bookings.c.guest_id == guest_id,
        bookings.c.listing_id == listing_id,
        or_(
            and_(bookings.c.status == "confirmed", bookings.c.id == changing),
            and_(is_pending, bookings.c.payment_status.in_(sorted(UNPAID))),
        ),
    )


def requests_at(listing_id: Wanted) -> Select[tuple[UUID]]:
    """Ids of the home's bookings that await the host's answer."""
    return select(bookings.c.id).where(
        bookings.c.listing_id == listing_id,
        is_pending,
        bookings.c.awaiting.in_((HOST, RIVALS)),
    )


def unpaid_holds_of(guest_id: Wanted, listing_id: Wanted) -> Select[tuple[UUID]]:
    """Ids of the guest's pending bookings of this home that no card backs: a new one takes their place."""
    return select(bookings.c.id).where(
        bookings.c.guest_id == guest_id,
        bookings.c.listing_id == listing_id,
        is_pending,
        bookings.c.payment_status.in_(sorted(UNPAID)),
    )

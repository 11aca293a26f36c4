"""The tables of the payment service, but for those of what is written down for good (`books.py`)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
    false,
)

from hometrip.kernel.split import Split
from hometrip.ports.payments import ChargedCard, IntentError
from hometrip.services.booking.contract import BookingFacts
from hometrip.services.listing.contract import QuoteLine
from hometrip.services.payment.store.kinds import ClaimPicture, EvidenceFile, Json

tables = MetaData()
Instant = DateTime(timezone=True)

payments = Table(
    "payments",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("booking_id", Uuid, nullable=False),
    Column("guest_id", Uuid, nullable=False),
    Column("host_id", Uuid, nullable=False),
    Column("provider_id", String, nullable=False, unique=True),
    Column("client_secret", String, nullable=False),
    Column("status", String, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("split", Json(Split), nullable=False),
    # What it is for: first, balance, change:<id>, deposit.
    Column("part", String, nullable=False),
    # The card that paid, by the provider's token, where it is kept.
    Column("method", String),
    # What may be told of the card that paid.
    Column("card", Json(ChargedCard)),
    # Booking has reckoned with it; what it has not is given back when it says so.
    Column("counted", Boolean, nullable=False, default=False),
    Column("captured", BigInteger, nullable=False, default=0),
    # What was promised back, sent or not: never more than was captured.
    Column("promised_back", BigInteger, nullable=False, default=0),
    # What of the rest a cardholder's bank has taken, for now or for good: it cannot be given back as well.
    Column("disputed", BigInteger, nullable=False, server_default="0"),
    Column("next_action", Json(dict[str, Any])),
    Column("last_error", Json(IntentError)),
    # How often a confirmation has been answered; the number of the next one, and part of its key.
    Column("attempt", Integer, nullable=False, default=0),
    # Since when an answer of the provider is awaited; and what it is to do next: capture or cancel.
    Column("asked_at", Instant),
    Column("wanted", String),
    Column("created_at", Instant, nullable=False),
    # What it pays for, line by line, where that is all of a price.
    Column("lines", Json(list[QuoteLine])),
)
# One payment for each part of a booking that is not over: this key makes two of them at once impossible.
Index(
    "one_live_payment",
    payments.c.booking_id,
    payments.c.part,
    unique=True,
    sqlite_where=payments.c.status != "canceled",
    postgresql_where=payments.c.status != "canceled",
)
Index("payments_of_guest", payments.c.guest_id, payments.c.id)

refunds = Table(
    "refunds",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("payment_id", ForeignKey("payments.id"), nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("reason", String, nullable=False),
    # What it is for: a cause that comes twice makes one refund.
    Column("cause", String, nullable=False, unique=True),
    Column("status", String, nullable=False),
    Column("provider_id", String),
    Column("why", String),
    Column("created_at", Instant, nullable=False),
    Column("completed_at", Instant),
    # How often the provider held too little for it: the number of the next try, and part of its key.
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("reference", String),  # under which it was paid where the provider would not send it
)

# A cardholder's bank asks for a payment's money back.
chargebacks = Table(
    "chargebacks",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("provider_id", String, nullable=False, unique=True),
    Column("payment_id", ForeignKey("payments.id"), nullable=False),
    Column("booking_id", Uuid, nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String, nullable=False),
    Column("reason", String, nullable=False),
    # In the journal the money is set aside; and how much of it counts as `disputed` of the payment.
    Column("withdrawn", Boolean, nullable=False),
    Column("taken", BigInteger, nullable=False),
    Column("due_by", Instant),
    Column("evidence", String),
    Column("file", Json(EvidenceFile)),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    # Its booking knows what the bank keeps for good.
    Column("told", Boolean, nullable=False, server_default=false()),
)

# What is to go back once a cardholder's bank, which has the money for now, has decided.
settlements = Table(
    "settlements",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("booking_id", Uuid, nullable=False, index=True),
    Column("payment_id", Uuid),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("split", Json(Split), nullable=False),
    Column("keeps", Boolean, nullable=False),
    Column("reason", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("lines", Json(list[QuoteLine])),
)

payouts = Table(
    "payouts",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("booking_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("host_id", Uuid, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String, nullable=False),
    Column("due_at", Instant, nullable=False),
    # With it the host has been paid for that many nights of the stay's.
    Column("until", Integer, nullable=False),
    Column("nights", Integer, nullable=False),
    # How often the provider has put it off: the number of the next try, and part of its key.
    Column("attempt", Integer, nullable=False, server_default="0"),
    # Where it was sent, from the moment at which it was decided.
    Column("destination", String),
    Column("provider_id", String),
    Column("why", String),
    Column("completed_at", Instant),
)
Index("payouts_of_host", payouts.c.host_id, payouts.c.id)
Index("one_payout_of_a_number", payouts.c.booking_id, payouts.c.number, unique=True)

# What booking has last told of a booking that was confirmed; `over` once it was cancelled.
stays = Table(
    "stays",
    tables,
    Column("booking_id", Uuid, primary_key=True),
    Column("host_id", Uuid, nullable=False, index=True),
    Column("facts", Json(BookingFacts), nullable=False),
    Column("over", Boolean, nullable=False, default=False),
)

# The dates that a stay had until a change: what papers of before are about.
stays_before = Table(
    "stays_before",
    tables,
    Column("change_id", Uuid, primary_key=True),
    Column("booking_id", Uuid, nullable=False, index=True),
    Column("until", Instant, nullable=False),
    Column("check_in", Date, nullable=False),
    Column("check_out", Date, nullable=False),
)

# The second half of a stay that is paid in two: what of it is left, and whose that is.
plans = Table(
    "plans",
    tables,
    Column("booking_id", Uuid, primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("split", Json(Split), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("status", String, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
)

# Until when what the provider has told is known, by webhook or not.
heard = Table(
    "heard",
    tables,
    Column("of", String, primary_key=True),
    Column("until", Instant, nullable=False),
)

disputes = Table(
    "disputes",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("booking_id", Uuid, nullable=False, index=True),
    Column("opened_at", Instant, nullable=False),
    Column("resolved_at", Instant),
)

deposits = Table(
    "deposits",
    tables,
    Column("booking_id", Uuid, primary_key=True),
    Column("guest_id", Uuid, nullable=False),
    Column("host_id", Uuid, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String, nullable=False),
    Column("hold_at", Instant, nullable=False),
    Column("release_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
)

claims = Table(
    "deposit_claims",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("booking_id", ForeignKey("deposits.booking_id"), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("text", String, nullable=False),
    Column("status", String, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("answer_until", Instant, nullable=False),
    Column("granted", BigInteger),
    Column("decided_at", Instant),
    Column("pictures", Json(list[ClaimPicture])),
)
# One claim per deposit: what is captured of a hold is captured once.
Index("one_claim", claims.c.booking_id, unique=True)

host_accounts = Table(
    "host_accounts",
    tables,
    Column("host_id", Uuid, primary_key=True),
    Column("provider_id", String, nullable=False),
    Column("can_be_paid", Boolean),  # as it was last told; nothing where it never was
)

"""What a booking is made of: who did what, how its payment stands, what a cancellation refunds, what a change
asks for, what a dispute is about.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from hometrip.kernel.money import Money
from hometrip.kernel.record import Frozen
from hometrip.kernel.split import Split
from hometrip.kernel.stay import Stay
from hometrip.kernel.wire import Answer
from hometrip.services.listing.contract import QuoteLine, ShownIn


class Actor(Frozen):
    """Who makes a booking move: `role` is guest, host, staff or system. A `co_host` acts in the host's role,
    and the history says which of them it was."""

    role: str
    account_id: UUID | None = None
    co_host: bool = False

    @property
    def told_as(self) -> str:
        return "co_host" if self.co_host else self.role


SYSTEM = Actor(role="system")


class Step(Frozen):
    """One line of a booking's history. `status` is the new state, or what else was done: `accepted` for the
    host's yes, `changed`, `balance_paid`, `balance_owed` where it was not in time, `refunded`,
    `refund_failed` where the card did not take it, `refund_paid` once it was paid in another way,
    `charged_back` where the card's bank keeps it, and what befell a change or a dispute (`change_asked`, …).
    """

    status: str
    at: datetime
    by: str
    why: str | None = None
    account_id: UUID | None = None


class PaymentNote(Answer):
    """What booking knows of its payment. `status` is unpaid, requires_payment_method, requires_action,
    requires_capture, failed, canceled, partially_paid (the second half is due later), succeeded,
    partially_refunded or refunded."""

    status: str
    intent_id: UUID | None = None


class CancelledLine(Answer):
    """What of a paid line comes back."""

    kind: str
    label: str
    paid: Money
    refunded: Money


class Cancellation(Answer):
    """What cancelling refunds, line by line, and the rule that says so. It stays like this to the very
    second `valid_until`, for all who may cancel.

    `rule` is all_nights, all_but_some_nights, part_of_nights, nothing (the policy's words), grace (within
    24 hours of confirmation), host_cancelled, staff_cancelled or nothing_paid. `penalty` is what the host is
    charged for a confirmed booking that the guest did not cancel.
    """

    by: str
    policy: str
    rule: str
    refund: Money
    kept: Money
    lines: list[CancelledLine]
    valid_until: datetime
    penalty: Money | None = None


class Change(Frozen):
    """Other dates, or another party, for a confirmed booking, with all that they were offered on.

    `status` is awaiting_host, awaiting_payment, done, declined, withdrawn or expired; `until` it waits.
    `difference` is the new total less the old one. `shown` and `shown_difference` tell both in the guest's
    currency, at the rate of the booking. `time_zone` is the home's as of its terms (changes of earlier
    versions have none).
    """

    id: UUID
    status: str
    check_in: date
    check_out: date
    check_in_at: datetime
    check_out_at: datetime
    guests: int
    pets: int
    lines: list[QuoteLine]
    total: Money
    split: Split
    nightly: list[Money]
    host_funds_coupon: bool
    coupon: str | None
    difference: Money
    until: datetime | None
    extended: bool = False
    exempt_guests: int = 0
    preparation_nights: int = 0
    check_in_from: str | None = None
    time_zone: str | None = None
    shown: ShownIn | None = None
    shown_difference: Money | None = None

    @property
    def stay(self) -> Stay:
        return Stay(self.check_in, self.check_out)


class Dispute(Answer):
    """What guest or host holds against the other; once resolved, what staff gave back and why.

    `by` is guest or host, `status` open or resolved; `from_platform`: the platform bore the refund.
    """

    id: UUID
    by: str
    reason: str
    text: str
    status: str
    opened_at: datetime
    resolved_at: datetime | None = None
    refund: Money | None = None
    note: str | None = None
    from_platform: bool | None = None

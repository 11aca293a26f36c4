"""The records that the actions answer with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from hometrip.kernel.money import Money, total
from hometrip.kernel.wire import Answer
from hometrip.ports.payments import ChargedCard, IntentError
from hometrip.services.listing.contract import QuoteLine
from hometrip.services.payment import rules, store
from hometrip.services.payment.contract import SetOff


class Intent(Answer):
    """A payment as the one who pays it sees it; `status` is in Stripe's words, `card` the one that paid or is
    authorised. Of a damage deposit, less than its `amount` may be `captured`. Staff get no secret."""

    known_by_content: ClassVar[bool] = True

    id: UUID
    booking_id: UUID
    status: str
    amount: Money
    captured: Money
    refunded: Money
    created_at: datetime
    client_secret: str | None = None
    next_action: dict[str, Any] | None = None
    last_error: IntentError | None = None
    card: ChargedCard | None = None


class RefundRecord(Answer):
    """`status` is initiated, completed, failed or, where the provider would not send it and it was paid in
    another way (under the `reference`), paid; `why` is the provider's reason for a failed one."""

    id: UUID
    payment_id: UUID
    booking_id: UUID
    amount: Money
    reason: str
    status: str
    created_at: datetime
    completed_at: datetime | None = None
    why: str | None = None
    reference: str | None = None


class Refunds(Answer):
    items: list[RefundRecord]


class PayoutRecord(Answer):
    """`status` is due, held (while a dispute is open), initiated, completed, failed or, where nothing is left
    to send, set_off. Of `gross`, what the host earned, `set_off` was taken for other bookings once its day
    had come; `amount` is the rest."""

    id: UUID
    booking_id: UUID
    gross: Money
    set_off: list[SetOff]
    amount: Money
    status: str
    due_at: datetime
    completed_at: datetime | None = None
    why: str | None = None


class HostBalance(Answer):
    """What a host will get (`upcoming`), what is `held` while a dispute is open, what is on its way, what is
    `owed` still because a pay-out failed, and what was paid; one amount per currency. The next pay-outs are
    less by the host's `debts`: penalties, and what was given back after it was paid out."""

    upcoming: list[Money]
    held: list[Money]
    in_transit: list[Money]
    owed: list[Money]
    paid: list[Money]
    debts: list[Money]


class PostingRecord(Answer):
    account: str
    amount: Money


class EntryRecord(Answer):
    id: UUID
    at: datetime
    kind: str
    booking_id: UUID
    postings: list[PostingRecord]


class Ledger(Answer):
    """Entries in their order; `accounts` and `balance` are over all that was asked for, not this page."""

    items: list[EntryRecord]
    accounts: list[PostingRecord]
    balance: dict[str, int]
    next_cursor: str | None = None


class Difference(Answer):
    """A payment of which the journal and the provider tell different things, in words and figures."""

    provider_id: str
    what: str
    ours: str
    theirs: str
    payment_id: UUID | None = None


class Reconciliation(Answer):
    """`in_flight` payments wait for an answer of the provider, and are compared once it is in."""

    at: datetime
    compared: int
    in_flight: int
    differences: list[Difference]


class InvoiceRecord(Answer):
    """An invoice or a credit note (`kind`) over `amount`. Numbers have no gap.

    `host_share`, `platform_share` (the fees of guest and host, less the marketplace's own coupons) and
    `taxes` tell whose the money is. `lines` are those of the quote, or what a cancellation or a cheaper
    change gives back of each; none where it is over another part of a price, or gives other taxes back. A
    credit note names the invoices that it `corrects`, and its `reason`; one over nothing tells by how much
    each share is less, or more below zero.
    """

    number: str
    kind: str
    booking_id: UUID
    guest_id: UUID
    host_id: UUID
    at: datetime
    amount: Money
    host_share: Money
    platform_share: Money
    taxes: dict[str, Money]
    lines: list[QuoteLine]
    corrects: list[str] = []
    reason: str | None = None


class StatementLine(Answer):
    """One booking in a year. `set_off` was taken from its pay-out for other bookings' debts, or, below zero,
    from theirs for its own."""

    booking_id: UUID
    title: str
    earned: Money
    penalties: Money
    set_off: Money
    paid_out: Money
    check_in: date | None = None
    check_out: date | None = None
    cancelled: bool = False


class HeldLine(Answer):
    """What a cardholder's bank has of a host's share while it decides: at the beginning and at the end of a
    year. It gives that back (`won`), or it is off what is earned (`lost`); `status` is that of the end."""

    dispute_id: UUID
    booking_id: UUID
    title: str
    since: datetime
    status: str
    held_before: Money
    held_after: Money


class StatementSection(Answer):
    """A year in one currency: owed_after = owed_before + held_before + earned - penalties - set_off
    - paid_out - held_after. What a bank takes counts as in the tax report, once it is lost; until then it is
    `held`."""

    currency: str
    lines: list[StatementLine]
    held: list[HeldLine]
    owed_before: Money
    held_before: Money
    earned: Money
    penalties: Money
    set_off: Money
    paid_out: Money
    held_after: Money
    owed_after: Money


class Statement(Answer):
    """What a host earned and was paid in a year, as the journal tells it."""

    year: int
    host_id: UUID
    host: str
    made_at: datetime
    sections: list[StatementSection]


class PictureRecord(Answer):
    """A picture of what was damaged; at `url` guest, host and staff see it, and nobody else."""

    id: UUID
    url: str
    width: int
    height: int


class ClaimRecord(Answer):
    """`status` is open (the guest answers until `answer_until`), with_staff, granted, refused or not_covered:
    the card could be charged for it no more."""

    id: UUID
    booking_id: UUID
    amount: Money
    text: str
    status: str
    made_at: datetime
    answer_until: datetime
    pictures: list[PictureRecord]
    granted: Money | None = None
    decided_at: datetime | None = None


class DepositRecord(Answer):
    """`status` is planned, held, renewing, failed, released, captured or void; it is held from `hold_at` to
    `release_at`, longer while a claim is open. It is renewing from when the card's authorisation has run out
    until it is authorised anew."""

    known_by_content: ClassVar[bool] = True

    booking_id: UUID
    amount: Money
    status: str
    hold_at: datetime
    release_at: datetime
    claim: ClaimRecord | None = None


class FileRecord(Answer):
    """A picture (JPEG) or a PDF; at `url` staff see it, and nobody else."""

    url: str
    content_type: str
    size: int


class DisputeRecord(Answer):
    """A cardholder's bank asks for the money back. `status` is needs_response (until `due_by`),
    under_review, won or lost. The `file` goes to the bank with the `evidence`."""

    id: UUID
    booking_id: UUID
    payment_id: UUID
    amount: Money
    status: str
    reason: str
    opened_at: datetime
    due_by: datetime | None = None
    closed_at: datetime | None = None
    evidence: str | None = None
    file: FileRecord | None = None


class PaymentSum(Answer):
    """Payments of one currency and state: how many, what of them was captured, and what went back or is to,
    but for what a cardholder's bank has."""

    currency: str
    status: str
    count: int
    captured: Money
    refunded: Money


class PaymentStats(Answer):
    payments: list[PaymentSum]


class Method(Answer):
    """A card that is kept at the provider."""

    id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


class Methods(Answer):
    items: list[Method]


class HostAccount(Answer):
    """Where a host is paid; `missing` names what the provider still wants to know."""

    id: str
    can_be_paid: bool
    missing: list[str]


class AccountLink(Answer):
    url: str


def intent_of(payment: store.Payment, *, secret: bool) -> Intent:
    return Intent(
        id=payment.id,
        booking_id=payment.booking_id,
        status=payment.status,
        amount=payment.amount,
        captured=payment.captured,
        refunded=payment.promised_back,
        created_at=payment.created_at,
        client_secret=payment.client_secret if secret else None,
        next_action=payment.next_action,
        last_error=payment.last_error and rules.shown_decline(payment.last_error),
        card=payment.card,
    )


def claim_of(claim: store.Claim) -> ClaimRecord:
    place = f"/api/payments/deposits/{claim.booking_id}/claims/{claim.id}/pictures"
    pictures = [
        PictureRecord(id=one.id, url=f"{place}/{one.id}", width=one.width, height=one.height)
        for one in claim.pictures or ()
    ]
    same = (name for name in ClaimRecord.__struct_fields__ if name != "pictures")
    return ClaimRecord(**{name: getattr(claim, name) for name in same}, pictures=pictures)


def dispute_of(dispute: store.Chargeback) -> DisputeRecord:
    same = {name: getattr(dispute, name) for name in DisputeRecord.__struct_fields__ if name != "file"}
    if (file := dispute.file) is None:
        return DisputeRecord(**same)
    url = f"/api/payments/disputes/{dispute.id}/file"
    return DisputeRecord(**same, file=FileRecord(url=url, content_type=file.content_type, size=file.size))


def deposit_of(deposit: store.Deposit, claim: store.Claim | None) -> DepositRecord:
    return DepositRecord(
        booking_id=deposit.booking_id,
        amount=deposit.amount,
        status=deposit.status,
        hold_at=deposit.hold_at,
        release_at=deposit.release_at,
        claim=None if claim is None else claim_of(claim),
    )


def refund_of(refund: store.Refund, booking_id: UUID) -> RefundRecord:
    return RefundRecord(
        id=refund.id,
        payment_id=refund.payment_id,
        booking_id=booking_id,
        amount=refund.amount,
        reason=refund.reason,
        status=refund.status,
        created_at=refund.created_at,
        completed_at=refund.completed_at,
        why=refund.why,
        reference=refund.reference,
    )


def payout_of(payout: store.Payout, set_off: Sequence[SetOff] = ()) -> PayoutRecord:
    return PayoutRecord(
        id=payout.id,
        booking_id=payout.booking_id,
        gross=payout.amount + total((one.amount for one in set_off), payout.amount.currency),
        set_off=[*set_off],
        amount=payout.amount,
        status=payout.status,
        due_at=payout.due_at,
        completed_at=payout.completed_at,
        why=payout.why,
    )

"""The table of kinds: who is told what, where a message leads, and when a failed delivery is tried again."""

from __future__ import annotations

from datetime import datetime

import msgspec

from hometrip.kernel.clock import HOUR, MINUTE
from hometrip.kernel.errors import NotFound

LOCALES = ("en", "fr", "es", "de")
EMAIL = "email"


class Kind(msgspec.Struct, frozen=True):
    """One kind of notification.

    - `category` groups it for preferences; an `essential` one (security, money) cannot be muted.
    - `urgent` ones ignore quiet hours.
    - `path` is where its button leads in the pages; `{booking_id}`, `{listing_id}`, `{token}` are filled in.
    - `token` is the purpose of the token asked from auth when it is sent.
    - `shows` are the parts of its body after the words: stay, address, price, payout, kept, paid_out, refund,
      device, calendar.
    - `party` is who the reader is in the booking, and so whom the words call by name: the other one.
    """

    category: str
    path: str
    shows: tuple[str, ...] = ()
    party: str = ""
    token: str = ""
    essential: bool = False
    urgent: bool = False
    channels: tuple[str, ...] = (EMAIL,)


def _account(path: str, *shows: str, token: str = "") -> Kind:
    return Kind("account", path, shows, token=token, essential=True, urgent=True)


def _booking(party: str, *shows: str, urgent: bool = False) -> Kind:
    return Kind("bookings", "/bookings/{booking_id}", shows, party=party, urgent=urgent)


def _payment(party: str, *shows: str, urgent: bool = False) -> Kind:
    return Kind("payments", "/bookings/{booking_id}", shows, party=party, essential=True, urgent=urgent)


def _payouts(*, urgent: bool = False) -> Kind:
    return Kind("payments", "/account/payouts", essential=True, urgent=urgent)


def _listing(path: str = "", *shows: str, essential: bool = False, urgent: bool = False) -> Kind:
    return Kind("listings", "/listings/{listing_id}" + path, shows, essential=essential, urgent=urgent)


def _staff(path: str, *shows: str) -> Kind:
    return Kind("staff", path, shows, essential=True)


KINDS = {
    "verify_email": _account("/verify-email?token={token}", token="verify_email"),
    "signup_repeated": _account("/login"),
    "password_reset": _account("/reset-password?token={token}", token="reset_password"),
    "password_changed": _account("/forgot-password"),
    "new_device": _account("/account/security", "device"),
    "booking_request_received": _booking("host", "stay", "payout", urgent=True),
    "booking_request_sent": _booking("guest", "stay", "price"),
    "booking_confirmed": _booking("guest", "stay", "address"),
    "booking_confirmed_host": _booking("host", "stay", "payout"),
    "booking_declined": _booking("guest", "stay"),
    "booking_expired": _booking("guest", "stay"),
    "booking_cancelled": _booking("guest", "stay", "refund", urgent=True),
    "booking_cancelled_host": _booking("host", "stay", "kept", urgent=True),
    "booking_change_asked": _booking("host", "stay", urgent=True),
    "booking_change_agreed": _booking("guest", "stay", urgent=True),
    "booking_changed": _booking("guest", "stay", "price"),
    "booking_changed_host": _booking("host", "stay", "payout"),
    "booking_change_ended": _booking("guest", "stay"),
    "booking_change_withdrawn": _booking("host", "stay"),
    "payment_succeeded": _payment("guest", "stay", "price"),
    "payment_failed": _payment("guest", "stay", urgent=True),
    "balance_owed": _payment("guest", "stay", urgent=True),
    "balance_owed_host": _payment("host", "stay"),
    "balance_owed_staff": _staff("/bookings/{booking_id}", "stay"),
    "payment_refunded": _payment("guest", "stay", "refund"),
    "payment_refunded_otherwise": _payment("guest", "stay", "refund"),
    "refund_delayed": _payment("guest", "stay", "refund"),
    "refund_owed": _staff("/staff/refunds", "stay", "refund"),
    "payout_sent": _payment("host", "stay", "paid_out"),
    "payout_set_off": _payment("host", "stay", "paid_out"),
    "dispute_opened": _payment("host", "stay", urgent=True),
    "dispute_won": _payment("host", "stay"),
    "dispute_lost": _payment("host", "stay"),
    "stay_disputed": _payment("guest", "stay", urgent=True),
    "stay_disputed_host": _payment("host", "stay", urgent=True),
    "stay_disputed_staff": _staff("/bookings/{booking_id}", "stay"),
    "stay_dispute_settled": _payment("guest", "stay"),
    "stay_dispute_settled_host": _payment("host", "stay", "kept"),
    "balance_due": _payment("guest", "stay"),
    "deposit_held": _payment("guest", "stay"),
    "deposit_released": _payment("guest", "stay"),
    "deposit_taken": _payment("guest", "stay", urgent=True),
    "deposit_taken_host": _payment("host", "stay"),
    "deposit_refused_host": _payment("host", "stay"),
    "deposit_failed": _payment("guest", "stay", urgent=True),
    "deposit_failed_host": _payment("host", "stay", urgent=True),
    "deposit_lapsed_host": _payment("host", "stay", urgent=True),
    "deposit_claim_unpaid_host": _payment("host", "stay", urgent=True),
    "deposit_claim_unpaid": _staff("/bookings/{booking_id}", "stay"),
    "deposit_claim_waiting": _staff("/bookings/{booking_id}", "stay"),
    "payout_failed": _payment("host", "stay", urgent=True),
    "deposit_claimed": _payment("guest", "stay", urgent=True),
    "payouts_ready": _payouts(),
    "payouts_stopped": _payouts(urgent=True),
    "listing_approved": _listing(),
    "listing_rejected": _listing(),
    "listing_suspended": _listing(essential=True, urgent=True),
    "co_host_added": _listing(essential=True, urgent=True),
    "co_host_added_host": _listing("/co-hosts", essential=True),
    "co_host_removed": Kind("listings", "/listings/my-listings", essential=True),
    "co_host_removed_host": _listing("/co-hosts", essential=True),
    "calendar_conflict": _listing("/calendar", "calendar", urgent=True),
    "feed_failing": _listing("/calendar", "calendar"),
}

# After each failed try, how long until the next; after the last, the delivery has failed.
PAUSES = (MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR)


def kind_of(name: str) -> Kind:
    """`NotFound` where there is no such kind."""
    if name not in KINDS:
        raise NotFound(f"there is no kind of notification called {name}")
    return KINDS[name]


def next_try(tries: int, at: datetime) -> datetime | None:
    """When to try again after `tries` failed ones, the last of them at `at`; None: give up."""
    return at + PAUSES[tries - 1] if tries <= len(PAUSES) else None


def is_muted(name: str, channel: str, muted: list[str]) -> bool:
    """Has the reader said no to this? `muted` has pairs of kind and channel (`booking_confirmed:email`), or
    of a category (`bookings:email`), or of both (`bookings.booking_confirmed:email`).
    """
    kind = kind_of(name)
    names = {f"{said}:{channel}" for said in (name, kind.category, f"{kind.category}.{name}")}
    return not kind.essential and not names.isdisjoint(muted)


def masked(address: str) -> str:
    """Enough of an address to recognise it by: `an…@example.com`."""
    name, _, domain = address.rpartition("@")
    return f"{name[:2] if len(name) > 2 else name[:1]}…@{domain}"

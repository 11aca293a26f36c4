"""What happened elsewhere, and who is told of it; and the timer of deliveries."""

from __future__ import annotations

from collections.abc import Sequence

from hometrip.kernel.service import Heard, gathered, unhurried
from hometrip.services.notification.actions import delivering
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.contract import DeliveryDue
from hometrip.services.notification.reactions.accounts import (
    ask_to_verify_when_created,
    ask_to_verify_when_requested,
    send_link_when_reset_requested,
    tell_owner_when_new_device,
    tell_owner_when_password_changed,
    tell_owner_when_signup_repeated,
)
from hometrip.services.notification.reactions.bookings import (
    remember_visit_when_created,
    tell_all_when_balance_owed,
    tell_both_when_cancelled,
    tell_both_when_changed,
    tell_both_when_confirmed,
    tell_both_when_requested,
    tell_both_when_stay_dispute_settled,
    tell_guest_when_declined,
    tell_guest_when_expired,
    tell_other_and_staff_when_stay_disputed,
    tell_other_when_change_ended,
    tell_when_change_pending,
)
from hometrip.services.notification.reactions.homes import (
    forget_when_co_host_removed,
    remember_when_co_host_added,
    tell_both_when_co_host_added,
    tell_both_when_co_host_removed,
    tell_host_when_moderated,
    tell_hosts_when_calendar_fails,
    tell_hosts_when_calendars_conflict,
)
from hometrip.services.notification.reactions.money import (
    send_receipt_when_paid,
    tell_both_and_staff_when_deposit_failed,
    tell_both_when_deposit_taken,
    tell_guest_and_staff_when_refund_failed,
    tell_guest_when_balance_near,
    tell_guest_when_deposit_claimed,
    tell_guest_when_deposit_held,
    tell_guest_when_deposit_released,
    tell_guest_when_payment_failed,
    tell_guest_when_refunded,
    tell_host_when_account_updated,
    tell_host_when_disputed,
    tell_host_when_paid_out,
    tell_host_when_payout_failed,
    tell_host_when_set_off,
    tell_staff_when_deposit_contested,
)


async def deliver_when_due(deps: Deps, due: Sequence[Heard[DeliveryDue]]) -> None:
    await delivering.deliver(deps, due)


REACTIONS = (
    *gathered(deliver_when_due),
    *unhurried(
        ask_to_verify_when_created,
        ask_to_verify_when_requested,
        tell_owner_when_signup_repeated,
        send_link_when_reset_requested,
        tell_owner_when_password_changed,
        tell_owner_when_new_device,
        remember_visit_when_created,
        tell_both_when_requested,
        tell_both_when_confirmed,
        tell_guest_when_declined,
        tell_guest_when_expired,
        tell_all_when_balance_owed,
        tell_both_when_cancelled,
        tell_when_change_pending,
        tell_both_when_changed,
        tell_other_when_change_ended,
        tell_other_and_staff_when_stay_disputed,
        tell_both_when_stay_dispute_settled,
        send_receipt_when_paid,
        tell_guest_when_payment_failed,
        tell_guest_when_refunded,
        tell_guest_and_staff_when_refund_failed,
        tell_host_when_paid_out,
        tell_host_when_set_off,
        tell_host_when_disputed,
        tell_guest_when_deposit_claimed,
        tell_staff_when_deposit_contested,
        tell_host_when_account_updated,
        tell_both_and_staff_when_deposit_failed,
        tell_guest_when_balance_near,
        tell_guest_when_deposit_held,
        tell_guest_when_deposit_released,
        tell_both_when_deposit_taken,
        tell_host_when_payout_failed,
        remember_when_co_host_added,
        forget_when_co_host_removed,
        tell_both_when_co_host_added,
        tell_both_when_co_host_removed,
        tell_host_when_moderated,
        tell_hosts_when_calendars_conflict,
        tell_hosts_when_calendar_fails,
    ),
)

"""When money is due: instalments, pay-outs, deposits."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta

import msgspec

from hometrip.kernel.clock import DAY, HOUR, MINUTE
from hometrip.kernel.money import Money, half_up
from hometrip.kernel.stay import days_later

PAYOUT_AFTER_CHECK_IN = DAY
LONG_STAY = 28  # nights from which the host is paid monthly

# So long after a hold has ended, what was begun to be paid for it can still be paid.
PAID_LATE_WITHIN = HOUR

# From the day on which the second half is due: three tries over 72 hours.
BALANCE_TRIES = (0 * HOUR, 24 * HOUR, 72 * HOUR)

DEPOSIT_BEFORE_CHECK_IN = 48 * HOUR
DEPOSIT_TRIES = (0 * HOUR, 12 * HOUR, 36 * HOUR)
DEPOSIT_AFTER_CHECK_OUT = 14 * DAY
CLAIM_ANSWER = 24 * HOUR


# So long before it is charged, the guest is told of the second half.
BALANCE_TOLD_BEFORE = 3 * DAY

# How often what no webhook has told is looked for, and how much of what was heard before each look takes in.
HEAR_EVERY = DAY
HEARD_AGAIN = 10 * MINUTE


class PayoutStep(msgspec.Struct, frozen=True):
    """At `due_at` the host has been paid for `until` of the stay's nights."""

    due_at: datetime
    until: int


def payout_due_at(check_in_at: datetime, now: datetime) -> datetime:
    """24 hours after check-in, but never in the past."""
    return max(now, check_in_at + PAYOUT_AFTER_CHECK_IN)


def deposit_ends(check_out_at: datetime, time_zone: str | None) -> datetime:
    """14 days after check-out, at the home's check-out time on that day: no change of clocks moves it. Who
    tells of no zone tells of no change of clocks."""
    if time_zone is None:
        return check_out_at + DEPOSIT_AFTER_CHECK_OUT
    return days_later(check_out_at, DEPOSIT_AFTER_CHECK_OUT.days, time_zone)


def payout_steps(check_in: date, check_out: date, check_in_at: datetime) -> list[PayoutStep]:
    """24 hours after check-in for the whole stay; for 28 nights and more each month for its nights."""
    nights, first = (check_out - check_in).days, check_in_at + PAYOUT_AFTER_CHECK_IN
    if nights < LONG_STAY:
        return [PayoutStep(first, nights)]
    steps, month = [], 0
    while (begins := months_later(check_in, month)) < check_out:
        until = min(nights, (months_later(check_in, month + 1) - check_in).days)
        steps.append(PayoutStep(first + (begins - check_in), until))
        month += 1
    return steps


def months_later(day: date, months: int) -> date:
    """The same day of a later month, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def earned_until(earned: Money, until: int, nights: int) -> Money:
    """The part of it that is earned by the first `until` nights; all of it by the last."""
    if until >= nights:
        return earned
    return Money(half_up(earned.amount * until, nights), earned.currency)


def next_try(tries: tuple[timedelta, ...], tried: int, now: datetime) -> datetime | None:
    """When to try again after `tried` tries in vain, the last of them now; None where that was the last.

    As long after it as the two lie apart: a first try that came late does not bring the others closer.
    """
    return now + tries[tried] - tries[tried - 1] if tried < len(tries) else None


def next_balance_try(tried: int, now: datetime, check_in_at: datetime) -> datetime | None:
    """As `next_try`, and at check-in at the latest. A half that could not be asked for before the stay began
    has its 72 hours all the same."""
    at = next_try(BALANCE_TRIES, tried, now)
    late = now >= check_in_at if tried == 1 else now > check_in_at + HOUR
    return at if at is None or late else min(at, check_in_at)

"""What hosts of simulated lives are paid, and when: told by their pay-outs, the journal and their papers."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date, datetime, timedelta
from io import StringIO
from typing import Any

from journeys.steps import ok
from lives.journal import OUT, SLACK, Entries, all_of, journal, summed
from lives.world import ONE, Life, World, instant_of

HOST = "host_payable"
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
NO_ACCOUNT = "insufficient_capabilities_for_transfer"


async def check_host(world: World, host: str) -> None:
    payouts = await all_of(world, host, "/api/stripe-connect/payouts")
    calm = not await world.webhooks()
    stories = {life.id: await journal(world, life) for life in world.lives if life.home.host == host}
    for life in world.lives:
        if life.home.host == host and life.was_paid:
            ours = [one for one in payouts if one["booking_id"] == life.id]
            _check_life(world, life, stories[life.id], ours, calm=calm)
    _check_debts(world, host, stories)
    await _check_statement(world, host, stories)


def _check_life(
    world: World, life: Life, entries: Entries, payouts: list[dict[str, Any]], *, calm: bool
) -> None:
    for entry in entries:
        if entry["kind"] == "payout":
            _check_payout(world, life, instant_of(entry["at"]))
    _check_early(world, life, entries)
    owed, failed = -summed(entries, HOST), any(one["status"] == "failed" for one in payouts)
    owed_still = owed > sum(one["amount"]["amount"] for one in payouts if one["status"] in ("due", "held"))
    if failed and owed_still:  # it goes out once there is an account, or something to send it from
        refused = payouts[0]["why"] == NO_ACCOUNT if payouts[0]["status"] == "failed" else False
        can_be = world.accounts.get(life.home.host, True) and calm
        world.expect(not (refused and can_be), f"{life.id} is not paid out: {payouts}")
        return
    held = in_dispute(world, life, world.now + SECOND)
    said = f"{life.id} ({life.status}): the host is owed {owed}: {entries}, {payouts}"
    if not held:
        earned = -summed(entries, HOST, besides=OUT)
        over = world.now > life.at("check_in_at") + ONE + SLACK
        left = 0 if life.cancelled else max(0, earned - _earned_by(life, entries, world.now - SLACK))
        world.expect(not over or owed <= left, f"{said}: no more than {left} of {earned}")
    planned = sum(one["amount"]["amount"] for one in payouts if one["status"] in ("due", "held"))
    world.expect(planned == max(0, owed), f"{said}: {planned} is planned")
    wanted = "held" if held else "due"
    strange = [one for one in payouts if one["status"] in ("due", "held") and one["status"] != wanted]
    world.expect(not strange or life.unheard, f"{said}: not {wanted}: {strange}")


def _check_payout(world: World, life: Life, at: datetime) -> None:
    world.expect(at >= life.at("check_in_at") + ONE, f"{life.id} is paid out at {at}: {life.view}")
    world.expect(not in_dispute(world, life, at), f"{life.id} is paid out at {at}")


def _check_early(world: World, life: Life, entries: Entries) -> None:
    """Of a long stay, no month is paid out before it has begun."""
    if life.status != "checked_in" or not life.plain or life.bank:
        return
    earned, sent = -summed(entries, HOST, besides=OUT), summed(entries, HOST, of=OUT)
    most = _earned_by(life, entries, world.now + 2 * HOUR)
    world.expect(sent <= most + 1, f"{life.id}: {sent} of {earned} is sent, not {most}: {entries}")


def _earned_by(life: Life, entries: Entries, at: datetime) -> int:
    """What is to have been paid out by then: all of it a day after check-in, or after the end of the stay; of
    28 nights and more those of each month that has begun a day before. What comes after that, as what is
    granted of a deposit, goes out with the next month."""
    first, nights = date.fromisoformat(life.view["check_in"]), life.view["nights"]
    earned = -summed(entries, HOST, besides=OUT)
    if nights < 28 or (life.status == "completed" and at > life.at("check_out_at") + ONE):
        return earned
    due = [life.at("check_in_at") + (_month(first, n) - first) + ONE for n in range(12)]
    begun = sum(day + HOUR < at for day in due)
    if not begun:
        return 0
    until = min(nights, (_month(first, begun) - first).days)
    before = [entry for entry in entries if instant_of(entry["at"]) <= due[begun - 1] + HOUR]
    return min(earned, -summed(before, HOST, besides=OUT)) * until // nights


def _month(day: date, later: int) -> date:
    """The same day so many months later, or the last of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + later, 12)
    begins = date(year, month + 1, 1)
    following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    return begins + (min(day.day, (following - begins).days) - 1) * ONE


def in_dispute(world: World, life: Life, at: datetime) -> bool:
    ours = [(one["opened_at"], one.get("resolved_at")) for one in life.view.get("disputes") or []]
    banks = [
        (one["opened_at"], one.get("closed_at")) for one in world.bank_items if one["booking_id"] == life.id
    ]
    return any(
        instant_of(since) < at and (until is None or at < instant_of(until))
        for since, until in [*ours, *banks]
    )


def _check_debts(world: World, host: str, stories: dict[str, Entries]) -> None:
    """Nothing is sent to a host who owes something for another stay."""
    lives = {life.id: life for life in world.lives}
    for paid_id, entries in stories.items():
        for sent in (entry for entry in entries if entry["kind"] == "payout"):
            for other_id, others in stories.items():
                if other_id == paid_id or lives[other_id].currency != lives[paid_id].currency:
                    continue
                before = [one for one in others if one["at"] < sent["at"]]
                # What was owed in this very moment may be known to the next one only.
                now = [one for one in others if one["at"] == sent["at"] and summed([one], HOST) < 0]
                debt = summed([*before, *now], HOST)
                world.expect(debt <= 0, f"{host} is sent {sent} and owes {debt} for {other_id}: {others}")


async def _check_statement(world: World, host: str, stories: dict[str, Entries]) -> None:
    owed: Counter[str] = Counter()
    for life in world.lives:
        if life.id in stories:
            owed[life.currency] -= summed(stories[life.id], HOST)
    told = ok(await world.read(host, f"/api/payments/statements/{world.now.year}"))
    for section in told["sections"]:
        shown = section["owed_after"]["amount"]
        wanted = owed[section["currency"]]
        world.expect(shown == wanted, f"{host}: the statement says {shown} is owed, not {wanted}: {section}")


async def check_taxes(world: World) -> None:
    """The reports of all years together are what the journal has of each area, and what is with a bank that
    has not decided."""
    net: Counter[str] = Counter()
    for year in range(world.began.year, world.now.year + 1):
        answer = await world.read("staff", "/api/payments/tax-report", year=year)
        world.expect(answer.status_code == 200, answer.text)
        for row in csv.DictReader(StringIO(answer.text)):
            net[row["booking_id"]] += int(row["net"].replace(".", ""))
    for life in world.lives:
        wanted = -summed(await journal(world, life), "tax_payable")
        of_bank = any(one["booking_id"] == life.id and not one.get("closed_at") for one in world.bank_items)
        world.expect(
            net[life.id] == wanted or (of_bank and net[life.id] > wanted),
            f"{life.id}: the reports have {net[life.id]} of taxes, not {wanted}",
        )

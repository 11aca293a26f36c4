"""What holds at every moment of simulated lives, as the house tells it in several places, and
reckoned once more.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

from hometrip.app.verify import verify_house
from journeys.steps import ok
from lives.journal import (
    BESIDES,
    SLACK,
    Entries,
    all_of,
    captured,
    journal,
    promised,
    summed,
)
from lives.offers import check_offers, check_sites
from lives.payouts import check_host, check_taxes
from lives.shown import check_booking_shown
from lives.told import check_notices, check_told
from lives.town import Home
from lives.world import LIVE, ONE, Life, World, instant_of
from rules.oracle_cancellation import OF_THE_HOST, Cancelled, Told, told
from rules.oracle_instants import instant

# Bookings of the moment in which a home is taken down are found a minute later; a late payment, within a day.
FOUND_WITHIN, LATE_WITHIN = timedelta(seconds=62), ONE + timedelta(minutes=2)


def follows_policy(world: World, life: Life, was: dict[str, Any], shown: dict[str, Any]) -> None:
    """A cancellation against the rule read a second time, where what was paid is what was quoted."""
    if shown["by"] == "guest" and was.get("confirmed_at") and fee_back(shown):
        earlier = [
            one for one in world.lives if one is not life and one.guest == life.guest and fee_came_back(one)
        ]
        world.expect(len(earlier) < 3, f"{life.id}: the fee comes back once more: {shown}")
    _check_penalty(world, life, was, shown)
    paid = sum(line["paid"]["amount"] for line in shown["lines"])
    if life.price is None or was.get("confirmed_at") is None or was.get("balance") or not life.plain:
        return
    if paid != life.total:
        return
    found = oracle(world, life, was, shown, world.now)
    back = tuple(line["refunded"]["amount"] for line in shown["lines"])
    if found.fee_back and not fee_back(shown):  # the fourth within twelve months
        earlier = [one for one in world.lives if one.guest == life.guest and fee_came_back(one)]
        world.expect(len(earlier) >= 3, f"{life.id}: the fee does not come back: {shown}")
        return
    world.expect(back == found.refunded, f"{life.id}: {shown}, reckoned {found}")
    world.expect(shown["rule"] in found.rules, f"{life.id}: {shown}, reckoned {found}")


def _check_penalty(world: World, life: Life, was: dict[str, Any], shown: dict[str, Any]) -> None:
    """Half of the stay from 48 hours before check-in on, a quarter from 30 days on, else a tenth; at least 50
    and at most 1,000 dollars."""
    if shown.get("penalty") is None:
        return
    place, begins = life.home.place, instant_of(was["check_in_at"])
    check_in = date.fromisoformat(was["check_in"])
    early = instant(check_in - 30 * ONE, life.hours[0], place.zone)
    percent = 50 if world.now >= begins - 2 * ONE else 25 if world.now >= early else 10
    stay = sum(line["amount"]["amount"] for line in was["lines"] if line["kind"] in OF_THE_HOST)
    least = Fraction(50) * place.dollar
    wanted = min(max(Fraction(stay * percent, 100), least), 20 * least)
    off = abs(shown["penalty"]["amount"] - wanted)
    world.expect(off <= 1, f"{life.id}: charged {shown['penalty']}, reckoned {wanted}: {was}")


def fee_back(gone: dict[str, Any]) -> bool:
    return any(line["kind"] == "service_fee" and line["refunded"]["amount"] for line in gone["lines"])


def fee_came_back(life: Life) -> bool:
    gone = life.view.get("cancellation")
    return gone is not None and gone["by"] == "guest" and fee_back(gone)


def oracle(world: World, life: Life, was: dict[str, Any], shown: dict[str, Any], at: datetime) -> Told:
    assert life.price is not None
    home = life.home
    by_coupon = home.coupons.get(was.get("coupon") or "")
    case = Cancelled(
        policy=was["cancellation_policy"],
        zone=home.place.zone,
        check_in=date.fromisoformat(was["check_in"]),
        clock=life.hours[0],
        nightly=life.price.nightly,
        lines=life.price.lines,
        payout=life.price.payout,
        currency="USD",
        host_funds_coupon=by_coupon is not None and by_coupon.host_funded,
        status=was["status"],
        confirmed_at=instant_of(was["confirmed_at"]),
        by=shown["by"],
        at=at,
        fees_returned=0,
    )
    return told(case)


async def check_life(world: World, life: Life) -> None:
    await world.look(life)
    _check_state(world, life)
    entries = await journal(world, life)
    for entry in entries:
        off = sum(posting["amount"]["amount"] for posting in entry["postings"])
        world.expect(off == 0, f"{life.id}: {entry}")
    if world.foul:
        return
    _check_whose(world, life, entries)
    await _check_papers(world, life, entries)
    await _check_deposit(world, life, entries)


def _check_state(world: World, life: Life) -> None:
    view, now = life.view, world.now
    moves = [
        step for step in view["history"] if step["status"] in (*LIVE, "completed", "cancelled", "declined")
    ]
    world.expect(
        all(a["at"] <= b["at"] for a, b in pairwise(view["history"])), f"{life.id}: {view['history']}"
    )
    world.expect(
        moves[-1]["status"] == life.status or life.status in ("expired", "confirmed"), f"{life.id}: {view}"
    )
    for name, clock in zip(("check_in", "check_out"), life.hours, strict=True):
        wanted = instant(date.fromisoformat(view[name]), clock, life.home.place.zone)
        world.expect(life.at(f"{name}_at") == wanted, f"{life.id}: {name} is to be at {wanted}: {view}")
    held = view.get("hold_until")
    world.expect((held is not None) == (life.status == "pending"), f"{life.id} is held {held}, {life.status}")
    world.expect(not held or instant_of(held) > now - SLACK, f"{life.id} is held until {held}, it is {now}")
    world.expect(life.total == sum(line["amount"]["amount"] for line in view["lines"]), f"{life.id}: {view}")
    if life.status in ("confirmed", "checked_in"):
        world.expect(now < life.at("check_out_at") + SLACK, f"{life.id} is {life.status} after its check-out")
    else:
        world.expect(life.change is None, f"{life.id} is {life.status}, and a change of it is open")
    if life.change:
        world.expect(instant_of(life.change["until"]) > now - SLACK, f"{life.id}: {life.change}, it is {now}")
    if view.get("balance_due_at"):
        world.expect(life.status in LIVE, f"{life.id} is {life.status} and still to be paid")
        late = instant_of(view["balance_due_at"]) + timedelta(hours=72) + SLACK
        if not world.foul and life.status != "pending":
            # The guest has a day before the next try, also where one was late because the house was closed.
            late += sum((long for end, long in world.closed if end > instant_of(view["balance_due_at"])), ONE)
            world.expect(now < late, f"{life.id}: the second half is late")


def _check_whose(world: World, life: Life, entries: Entries) -> None:
    host, guest_owed = "host_payable", -summed(entries, "guest")
    net = captured(entries) - promised(entries)
    world.expect(guest_owed >= 0, f"{life.id}: the guest is owed {guest_owed}")
    world.expect(promised(entries) <= captured(entries), f"{life.id}: more goes back than came: {entries}")
    if life.unheard or _bank_has_some(world, life):
        return
    wanted = life.left if life.was_paid else 0
    world.expect(net == wanted, f"{life.id} ({life.status}): {net} is there, not {wanted}: {entries}")
    shares = -summed(entries, host, besides=BESIDES)
    if life.was_paid and life.plain and not life.cancelled and not life.view.get("balance"):
        payout = life.view["host_payout"]["amount"]
        world.expect(shares == payout, f"{life.id}: the host's part is {shares}, not {payout}: {entries}")
    if life.cancelled and life.plain and life.price is not None and not life.half:
        gone = life.view["cancellation"]
        at = next(instant_of(step["at"]) for step in life.view["history"] if step["status"] == "cancelled")
        found = oracle(world, life, life.view | {"status": life.statuses[-2]}, gone, at)
        if found.refunded == tuple(line["refunded"]["amount"] for line in gone["lines"]):
            world.expect(shares == found.payout, f"{life.id}: the host keeps {shares}, not {found.payout}")
            taxes = -summed(entries, "tax_payable")
            wanted = sum(found.taxes.values())
            world.expect(taxes == wanted, f"{life.id}: taxes are {taxes}, not {wanted}")
    penalty = -summed(entries, "platform_revenue", of=("penalty",))
    gone = life.view.get("cancellation") or {}
    wanted = (gone.get("penalty") or {"amount": 0})["amount"]
    world.expect(penalty == wanted, f"{life.id}: the host is charged {penalty}, not {wanted}")


def _bank_has_some(world: World, life: Life) -> bool:
    """What a bank has, or has kept, is another story; what it has given back is as if it had not asked."""
    told = [one["status"] for one in world.bank_items if one["booking_id"] == life.id]
    return life.bank and not (told and set(told) == {"won"})


async def _check_papers(world: World, life: Life, entries: Entries) -> None:
    answer = await world.read(life.guest, f"{life.path}/receipt")
    if not life.was_paid:
        world.expect(answer.status_code == 409, f"{life.id} was not paid: {answer.text}")
        check_booking_shown(world, life, None)
        return
    receipt = ok(answer)
    check_booking_shown(world, life, receipt)
    world.expect(receipt["total"] == life.view["total"], f"{life.id}: {receipt}")
    world.expect(receipt["lines"] == life.view["lines"], f"{life.id}: {receipt}")
    paid, refunded = receipt["paid"]["amount"], receipt["refunded"]["amount"]
    world.expect(paid == captured(entries), f"{life.id}: the receipt says {paid} was paid: {entries}")
    if not _bank_has_some(world, life):
        world.expect(refunded == promised(entries), f"{life.id}: the receipt says {refunded} back: {entries}")


async def _check_deposit(world: World, life: Life, entries: Entries) -> None:
    answer = await world.read(life.guest, f"/api/payments/deposits/{life.id}")
    if answer.status_code == 404:
        world.expect(not (life.was_paid and life.view.get("deposit")), f"{life.id} has no deposit planned")
        return
    deposit, now = ok(answer), world.now
    status, made = deposit["status"], deposit.get("claim")
    is_open = made is not None and made["status"] in ("open", "with_staff")
    said = f"{life.id} ({life.status}): {deposit}, it is {now}"
    granted = (made or {}).get("granted") or {"amount": 0}
    taken = -summed(entries, "host_payable", of=("deposit_claim",))
    world.expect(taken == granted["amount"] or life.bank, f"{said}: {taken} of it is the host's")
    if status == "planned":
        # Three tries over 36 hours, from when the first could be made.
        tried = max(instant_of(deposit["hold_at"]), world.calm_from, world.opened_at)
        world.expect(now < tried + timedelta(hours=36) + SLACK, said)
    if status == "held":
        world.expect(now >= instant_of(deposit["hold_at"]), said)
        world.expect(now < instant_of(deposit["release_at"]) + SLACK or is_open, said)
    if status == "renewing":
        is_granted = made is not None and made["status"] == "granted"
        world.expect(now < instant_of(deposit["release_at"]) + SLACK or is_open or is_granted, said)
    world.expect(status in ("planned", "held", "renewing") or not is_open, said)
    if status in ("planned", "held", "renewing") and not is_open:
        cancelled = next(
            (instant_of(one["at"]) for one in life.view["history"] if one["status"] == "cancelled"), None
        )
        world.expect(cancelled is None or cancelled >= life.at("check_in_at"), said)


async def check_town(world: World) -> None:
    """All of it; what it costs is why it is done now and then only."""
    await world.settle()
    await _learn_of_banks(world)
    for life in world.lives:
        await check_life(world, life)
    for home in world.homes:
        await _check_calendar(world, home)
        await check_sites(world, home)
    await check_offers(world)
    _check_down(world)
    if not world.foul:
        for guest in ("gus", "gerda", "greg", "hanna", "heiko"):
            await _check_guest(world, guest)
        for host in ("hanna", "heiko"):
            await check_host(world, host)
    await check_told(world)
    world.expect(not world.errors.found, f"errors are logged: {world.errors.found}")


def _check_down(world: World) -> None:
    """Nobody is in a home that was taken down, nor is to come."""
    for life in world.lives:
        since = life.home.down_since
        if since is None or life.status not in LIVE:
            continue
        within = LATE_WITHIN if "expired" in life.statuses else FOUND_WITHIN
        late = world.now > since + within and not world.foul
        world.expect(not late, f"{life.id} is {life.status} in a home that is down since {since}")


async def _learn_of_banks(world: World) -> None:
    items = ok(await world.read("staff", "/api/payments/disputes", limit=100))["items"]
    asked = {one["booking_id"] for one in items}
    at_provider = {one.intent_id for one in await _disputes(world)}
    world.expect(len(at_provider) >= len(asked), "more disputes than the banks have")
    for life in world.lives:
        life.bank = life.bank or life.id in asked
    world.bank_items = items


async def _disputes(world: World) -> list[Any]:
    weather, world.provider.weather = world.provider.weather, "fine"
    try:
        return [*await world.provider.disputes_since(world.began)]
    finally:
        world.provider.weather = weather


async def _check_calendar(world: World, home: Home) -> None:
    until = (world.today + 120 * ONE).isoformat()
    seen = await world.read("gus", f"{home.path}/availability", to=until)
    hidden = home.status != "published" and seen.status_code == 404
    world.expect(hidden or seen.status_code == 200, f"{home.path}, {home.status}: {seen.text}")
    days = ok(await world.read(home.host, f"{home.path}/availability", to=until))["days"]
    shown = {kind: set() for kind in ("booked", "blocked", "imported")}  # type: ignore[var-annotated]
    for day in days:
        if day.get("reason") in shown:
            shown[day["reason"]].add(day["date"])
    span = {day["date"] for day in days}
    booked, kept = world.taken(home), world.kept(home)
    wanted = {"booked": booked, "blocked": kept, "imported": world.elsewhere(home) - booked - kept}
    for kind, nights in wanted.items():
        asked = {night.isoformat() for night in nights} & span
        world.expect(
            shown[kind] == asked,
            f"home {world.homes.index(home)}: {kind} are {sorted(shown[kind] ^ asked)} on one side only "
            f"(shown {sorted(shown[kind])})",
        )
    await _ask_for_some(world, home)
    counted = Counter(night for life in world.lives if life.home is home for night in life.nights())
    twice = [night for night, count in counted.items() if count > 1]
    world.expect(not twice, f"sold twice: {twice}")


async def _ask_for_some(world: World, home: Home) -> None:
    """Whether some stays can be had, and whether coupons were used no more often than they can be."""
    chance = Random(len(world.told))
    for _ in range(2):
        first, nights = world.today + chance.randrange(2, 50) * ONE, chance.randrange(1, 6)
        stay = {"check_in": first.isoformat(), "check_out": (first + nights * ONE).isoformat()}
        answer = await world.read("staff", "/api/bookings/availability", listing_id=home.id, **stay)
        if home.status != "published":
            world.expect(answer.status_code == 404, f"{home.path} is {home.status}: {answer.text}")
            continue
        told = ok(answer)
        free = world.is_free(home, first, nights, "")
        world.expect(told["available"] == free, f"{home.path}: {told}, but {free}")
    for code in home.coupons:
        used, most = world.uses(home, code), home.most[code]
        world.expect(used <= most, f"{code} is used {used} times, at most {most} were to be")


async def _check_guest(world: World, guest: str) -> None:
    """No payment is left open for what is over; and the papers say what the journal does."""
    payments = await all_of(world, guest, "/api/payments/history")
    papers = await all_of(world, guest, "/api/payments/invoices")
    lives = {life.id: life for life in world.lives if life.guest == guest}
    for one in papers:
        lines = sum(line["amount"]["amount"] for line in one["lines"])
        world.expect(
            not one["lines"] or lines == one["amount"]["amount"], f"{one}: the lines come to {lines}"
        )
        taxes = sum(line["amount"]["amount"] for line in one["lines"] if line["kind"] == "tax")
        wanted = sum(tax["amount"] for tax in one["taxes"].values())
        world.expect(not one["lines"] or taxes == wanted, f"{one}: the lines have taxes of {taxes}")
        shares = one["host_share"]["amount"] + one["platform_share"]["amount"]
        shares += sum(tax["amount"] for tax in one["taxes"].values())
        world.expect(shares == one["amount"]["amount"], f"{one}: the shares come to {shares}")
    for life in lives.values():
        entries = await journal(world, life)
        sums = Counter[str]()
        for one in papers:
            if one["booking_id"] == life.id:
                sums[one["kind"]] += one["amount"]["amount"]
        world.expect(sums["invoice"] == captured(entries), f"{life.id}: invoiced {sums}: {entries}")
        least, most = await _lost_to_banks(world, life, entries)
        given = range(promised(entries) + least, promised(entries) + most + 1)
        world.expect(sums["credit_note"] in given, f"{life.id}: credited {sums}, not {given}: {entries}")
    holds = Counter(
        one["booking_id"]
        for one in payments
        if one["status"] == "requires_capture" and lives[one["booking_id"]].was_paid
    )
    world.expect(set(holds.values()) <= {1}, f"{guest}: {holds}")
    for one in payments:
        life = lives[one["booking_id"]]
        if life.status in ("declined", "expired", "cancelled") and one["status"] == "requires_capture":
            world.expect(one["amount"]["amount"] == (life.view.get("deposit") or {}).get("amount"), f"{one}")


async def _lost_to_banks(world: World, life: Life, entries: Entries) -> tuple[int, int]:
    """What banks have kept at least and at most, of what had not gone back before: while others have not
    decided, it is not told how much of the payments the lost ones are alone."""
    ours = [one for one in world.bank_items if one["booking_id"] == life.id]
    lost = sum(one["amount"]["amount"] for one in ours if one["status"] == "lost")
    if {one["status"] for one in ours} - {"won", "lost"}:
        return 0, lost
    receipt = await world.read(life.guest, f"{life.path}/receipt")
    if not lost or receipt.status_code != 200:
        return 0, 0
    shown = ok(receipt)
    back = shown["refunded"]["amount"] + shown["charged_back"]["amount"] - promised(entries)
    return back, back


async def check_end(world: World) -> None:
    """When the weather is fine and all that was on its way has come: what `hometrip verify` finds."""
    found = [one.line() for one in await verify_house(world.house.house) if one.violations]
    world.expect(not found, "\n".join(found))
    await check_town(world)
    await check_taxes(world)
    await _check_holds(world)
    await check_notices(world)


async def _check_holds(world: World) -> None:
    """What is on a card at the provider is what a deposit or a request has there, once each."""
    found = await world.provider.intents_since(world.began - timedelta(days=1))
    at_provider = Counter(
        one.metadata["booking_id"]
        for one in found
        if one.status == "requires_capture" and one.metadata["part"] == "deposit"
    )
    held = Counter[str]()
    for life in world.lives:
        answer = await world.read(life.guest, f"/api/payments/deposits/{life.id}")
        held[life.id] += answer.status_code == 200 and answer.json()["status"] == "held"
    world.expect(at_provider == +held, f"held are {+held}, at the provider {at_provider}")

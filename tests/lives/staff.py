"""Homes of simulated lives that are taken down and put up again by staff, or paused by their hosts; and
hosts' accounts for pay-outs.
"""

from __future__ import annotations

import asyncio
from typing import Any

from journeys.steps import ok
from lives.checks import FOUND_WITHIN, follows_policy
from lives.guests import GUESTS, a_party, begin, first_seen, name_of, pay
from lives.town import Home
from lives.world import LIVE, ONE, Life, World

SUSPEND = {"action": "suspend", "reason": "The flat is not theirs to let."}


async def judge(world: World) -> str | None:
    """Staff put up again what is down; now and then they take a home down."""
    down = [home for home in world.homes if home.status == "suspended"]
    if down and world.chance.random() < 0.9:
        return await _put_up(world, world.chance.choice(down))
    home = world.chance.choice(world.homes)
    if home.status == "suspended" or world.chance.random() < 0.5:
        return None
    await world.look_at_all()
    before = {life.id: life.view for life in world.lives if life.home is home and life.status in LIVE}
    made = await _taken_down(world, home)
    home.taken_down(world.now)
    await world.settle()
    await world.look_at_all()
    said = f"staff take {world.homes.index(home)} down, {len(before)} are cancelled"
    for life in world.lives:
        if (
            life.id in before and not life.unheard
        ):  # else a payment may have brought back a hold that was over
            _gone(world, life, before[life.id], said)
    if made is not None:
        said += f"; {await _of_that_moment(world, made)}"
    return said


async def _put_up(world: World, home: Home) -> str:
    """One that its host had paused is paused again."""
    seen = ok(await world.write("staff", f"{home.path}/moderate", {"action": "approve"}))
    home.status, home.down_since = home.up_again, None
    world.expect(seen["status"] == home.status, f"put up again, it is {seen['status']}, not {home.status}")
    await world.settle()
    return f"staff put {world.homes.index(home)} up again"


async def _taken_down(world: World, home: Home) -> Life | None:
    """Now and then somebody books it at that very moment: that booking, or none."""
    if home.status != "published" or world.chance.random() < 0.4:
        ok(await world.write("staff", f"{home.path}/moderate", SUSPEND))
        return None
    guest, party = world.chance.choice(GUESTS), a_party(world, home)
    first = world.today + world.chance.randrange(2, 40) * ONE
    stay = {"check_in": first.isoformat(), "check_out": (first + 2 * ONE).isoformat()} | party.body()
    quote = await world.write(guest, f"{home.path}/quote", stay)
    if quote.status_code != 200:
        ok(await world.write("staff", f"{home.path}/moderate", SUSPEND))
        return None
    price = home.price(world.now, first, 2, party, None)
    wish = stay | {"listing_id": home.id, "quote_id": quote.json()["id"]}

    async def at(ticks: int, who: str, path: str, body: Any) -> Any:
        for _ in range(ticks):
            await asyncio.sleep(0)
        return await world.write(who, path, body)

    booked, judged = await asyncio.gather(
        at(world.chance.randrange(40), guest, "/api/bookings", wish),
        at(world.chance.randrange(40), "staff", f"{home.path}/moderate", SUSPEND),
    )
    ok(judged)
    if booked.status_code != 201:
        world.expect(booked.status_code in (404, 409), booked.text)
        return None
    return await begin(world, Life(home=home, guest=guest, price=price, **first_seen(booked.json(), party)))


async def _of_that_moment(world: World, life: Life) -> str:
    """It is found a minute later, also where it was paid by then."""
    said = f"{life.guest} books it in that moment as {name_of(world, life)}"
    await world.look(life)
    if life.status == "pending" and life.view.get("awaiting") == "payment" and world.chance.random() < 0.6:
        said += f"; {await pay(world, life)}"
    was = life.view
    await world.house.advance(FOUND_WITHIN.total_seconds())
    await world.look(life)
    if not life.unheard:
        _gone(world, life, was, said)
    return f"{said}: {life.status}"


def _gone(world: World, life: Life, was: dict[str, Any], said: str) -> None:
    """Cancelled with everything back, at its host's fault; whoever ended it before is not asked again."""
    if life.status in ("expired", "declined"):
        return
    gone = life.view.get("cancellation")
    world.expect(life.status == "cancelled" and gone, f"{said}: {life.id}: {life.statuses} {life.view}")
    assert gone is not None
    world.expect(gone["by"] == "staff" and gone["kept"]["amount"] == 0, f"{said}: {life.id}: {gone}")
    world.expect((gone.get("penalty") is not None) == life.was_paid, f"{said}: {life.id}: {gone}, was {was}")
    follows_policy(world, life, was, gone)


async def pause(world: World) -> str | None:
    home = world.chance.choice(world.homes)
    if home.status == "published" and world.chance.random() < 0.8:
        return None
    answer = await world.people[home.host].patch(f"{home.path}/toggle-active")
    said = f"{home.host} pauses {world.homes.index(home)} or takes it up again, it is {home.status}"
    if home.status == "suspended":
        world.expect(answer.status_code == 409, f"{said}: {answer.text}")
        return f"{said}: {answer.json()['code']}"
    home.status = "paused" if home.status == "published" else "published"
    world.expect(ok(answer)["status"] == home.status, f"{said}: {answer.text}")
    await world.settle()
    return said


async def open_account(world: World) -> str | None:
    """First the account alone, to which nothing can be sent; then its host tells the provider the rest."""
    host = world.chance.choice(("hanna", "heiko"))
    if host not in world.accounts:
        answer = await world.write(host, "/api/stripe-connect/account")
        world.expect(answer.status_code == 201 or world.foul, answer.text)
        if answer.status_code == 201:
            world.accounts[host] = False
        return f"{host} opens an account for pay-outs: {answer.status_code}"
    if world.accounts[host] or world.chance.random() < 0.3:
        return None
    answer = await world.write(host, "/api/stripe-connect/account/link", {"back_to": "http://127.0.0.1/back"})
    world.expect(answer.status_code == 201 or world.foul, answer.text)
    if answer.status_code != 201:
        return f"{host} would tell the provider the rest: {answer.status_code}"
    world.accounts[host] = True
    if world.chance.random() < 0.5:
        await world.read(host, "/api/stripe-connect/account")
    await world.settle()
    return f"{host} can be paid"


async def send_by_hand(world: World) -> str | None:
    """An admin has a pay-out sent that failed, or before its day."""
    paid = [life for life in world.lives if life.was_paid]
    if not paid:
        return None
    life = world.chance.choice(paid)
    payouts = ok(await world.read(life.home.host, "/api/stripe-connect/payouts", limit=100))["items"]
    ours = [one for one in payouts if one["booking_id"] == life.id and one["status"] == "failed"]
    if not ours:
        return None
    answer = await world.write("staff", "/api/stripe-connect/payout", {"booking_id": life.id}, twice=True)
    world.expect(answer.status_code in (200, 201, 409), answer.text)
    await world.settle()
    return f"staff have {name_of(world, life)} paid out: {answer.status_code} {answer.json().get('code', '')}"

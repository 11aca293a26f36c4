"""What goes on around simulated lives: time, the provider and its webhooks, banks, and the house itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from hometrip.adapters.payments.sandbox import Webhook
from journeys.steps import ok
from lives.guests import name_of
from lives.sites import forget_site
from lives.world import LIVE, ONE, Life, World, instant_of

Act = Callable[[World], Awaitable[str | None]]


async def answer_bank(world: World) -> str | None:
    items = ok(await world.read("staff", "/api/payments/disputes"))["items"]
    opened = [one for one in items if one["status"] in ("needs_response", "under_review")]
    if not opened:
        return None
    one = world.chance.choice(opened)
    text = world.chance.choice(("winning_evidence", "losing_evidence", "They stayed."))
    path = f"/api/payments/disputes/{one['id']}/evidence"
    answer = await world.write("staff", path, {"text": text})
    if one["status"] == "under_review":
        world.expect(answer.status_code == 409, answer.text)
        await _decide(world)
        await bring_webhooks(world)
        return "the banks decide"
    await world.settle()
    return f"staff tell the bank {text}: {answer.status_code}"


async def _decide(world: World) -> None:
    """The banks, of whatever has their evidence; there is no weather between them and the provider."""
    weather, world.provider.weather = world.provider.weather, "fine"
    for dispute in await world.provider.disputes_since(world.began):
        if dispute.status == "under_review":
            await world.provider.decide_dispute(dispute.id, world.chance.choice(("won", "lost")))
    world.provider.weather = weather


async def bring_webhooks(world: World) -> str | None:
    """In any order, now and then twice, some of them later."""
    waiting = [*await world.webhooks()]
    if not waiting:
        return None
    world.chance.shuffle(waiting)
    for webhook in waiting:
        for _ in range(world.chance.choice((1, 1, 2))):
            await _bring(world, webhook)
        if world.chance.random() < 0.9:  # else the answer is lost, and it comes again
            await world.provider.delivered(webhook.id)
    await world.settle()
    await world.look_at_all()
    for life in world.lives:
        life.unheard = life.unheard and world.foul
    return f"{len(waiting)} webhooks"


async def lose_webhooks(world: World) -> str | None:
    """Whatever the provider has to tell is never heard of; a day later all of it is known nevertheless."""
    await _clear_up(world)
    lost = await world.webhooks()
    if not lost:
        return None
    for webhook in lost:
        await world.provider.delivered(webhook.id)
    await _let_pass(world, 25 * 3_600)
    await world.settle()
    await world.look_at_all()
    for life in world.lives:
        life.unheard = life.unheard and world.foul
    return f"{len(lost)} webhooks are lost"


async def _bring(world: World, webhook: Webhook) -> None:
    headers = {"stripe-signature": webhook.signature, "content-type": "application/json"}
    answer = await world.house.client.post("/api/webhook/stripe", content=webhook.body, headers=headers)
    world.expect(answer.status_code == 200, answer.text)


async def calm_down(world: World) -> str:
    """The provider is well, and what it has to tell, or was to be told again, has come."""
    await _clear_up(world)
    for _ in range(3):
        await world.house.advance(3 * 3_600)
        for webhook in await world.webhooks():
            await _bring(world, webhook)
            await world.provider.delivered(webhook.id)
        await world.settle()
    await world.look_at_all()
    for life in world.lives:
        life.unheard = False
    return "it is calm"


async def pay_owed(world: World) -> str | None:
    items = ok(await world.read("staff", "/api/payments/refunds/owed"))["items"]
    if not items:
        return None
    path = f"/api/payments/refunds/{items[-1]['id']}/paid"
    answer = await world.write("staff", path, {"reference": "by hand"}, twice=True)
    world.expect(answer.status_code in (200, 409), answer.text)
    await world.settle()
    await world.look_at_all()
    return f"staff pay {items[-1]['amount']['amount']} by hand: {answer.status_code}"


async def weather(world: World) -> str | None:
    if world.provider.weather == "fine":
        if world.chance.random() < 0.6:
            return None
        world.provider.weather = world.chance.choice(("down", "answers_lost"))
        return f"the provider: {world.provider.weather}"
    world.provider.weather, world.calm_from = "fine", world.now + timedelta(hours=7)
    return "the provider is back"


async def reopen(world: World) -> str | None:
    fair = world.provider.weather
    await bring_webhooks(world)
    await world.close()
    # It takes a moment; now and then it was closed for a while.
    closed = world.chance.choice((0, 0, 1, 20, 60, 100))
    until = world.now + timedelta(hours=closed, seconds=2)
    world.closed.append((until, timedelta(hours=closed)))
    world.clock.move_to(until)
    await world.open()
    world.provider.weather = fair
    await world.settle()
    await world.look_at_all()
    return "the house is closed and opened"


def wait(low: float, high: float) -> Act:
    """So many hours."""

    async def act(world: World) -> str | None:
        hours = world.chance.uniform(low, high)
        await _let_pass(world, round(hours * 3_600))
        return f"{hours:.1f} hours go by"

    return act


async def _clear_up(world: World) -> None:
    """No provider is down for weeks."""
    if world.provider.weather != "fine":
        await weather(world)


async def _let_pass(world: World, left: float) -> None:
    for home in world.homes if left > 24 * 3_600 else ():
        await forget_site(world, home)  # which would be asked each quarter of an hour
    while left > 0:  # the provider offers a webhook for three days
        part = min(left, 40 * 3_600)
        await world.house.advance(part)
        left -= part
        if left > 0:
            await _clear_up(world)
            await bring_webhooks(world)
    await world.look_at_all()


async def to_a_moment(world: World) -> str | None:
    """To the very second at which something ends or begins, or one beside it."""
    ahead = [
        (life, name, at)
        for life in world.lives
        for name, at in await _moments(world, life)
        if timedelta(seconds=2) < at - world.now < 40 * ONE
    ]
    if not ahead:
        return None
    life, name, at = world.chance.choice(ahead)
    beside = world.chance.choice((-1, 0, 0, 1))
    path, was = f"{life.path}/cancellation", life.view["version"]
    shown = (await world.read(life.guest, path)).json()
    await _let_pass(world, (at - world.now).total_seconds() + beside)
    if name == "a deadline" and beside <= 0 and life.view["version"] == was:
        now = (await world.read(life.guest, path)).json()
        world.expect(now == shown, f"{life.id} was to be valid until {at}: {shown}, now {now}")
    return f"it is {name} of {name_of(world, life)}, {beside:+} s"


async def _moments(world: World, life: Life) -> list[tuple[str, datetime]]:
    view = life.view
    if life.status not in (*LIVE, "completed"):
        return []
    names = ("hold_until", "balance_due_at", "check_in_at", "check_out_at")
    found = [(name, instant_of(view[name])) for name in names if view.get(name)]
    found += [("the change", instant_of(life.change["until"]))] if life.change else []
    begins, ends = life.at("check_in_at"), life.at("check_out_at")
    found += [("the deposit", begins - 2 * ONE), ("the pay-out", begins + ONE), ("the end", ends + 14 * ONE)]
    found += [("the hold's end", begins + 5 * ONE)]
    if life.status in LIVE:
        shown = ok(await world.read(life.guest, f"{life.path}/cancellation"))
        found.append(("a deadline", instant_of(shown["valid_until"])))
    return found


async def nap(world: World) -> str | None:
    """The clock jumps: whatever was due meanwhile has not been done when the next one asks."""
    hours = world.chance.choice((0.3, 2, 25, 24.0 * world.chance.randrange(2, 20)))
    for home in world.homes:
        await forget_site(world, home)
    await _clear_up(world)
    await bring_webhooks(world)
    world.clock.move_to(world.now + timedelta(hours=hours))
    for life in world.lives:  # asked before any timer has fired
        if life.status == "pending" and life.view.get("awaiting") == "host":
            await world.write(life.home.host, f"{life.path}/accept")
        elif life.change and life.change["status"] == "awaiting_host":
            await world.write(life.home.host, f"{life.path}/change/accept")
        elif life.status in LIVE and world.chance.random() < 0.15:
            await world.write(life.guest, f"{life.path}/cancel", {"reason": "Overslept."})
    await world.settle()
    world.calm_from = max(world.calm_from, world.now + timedelta(hours=7))
    await world.look_at_all()
    return f"the clock jumps by {hours} hours"

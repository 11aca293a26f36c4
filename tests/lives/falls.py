"""A house that falls in the midst of simulated lives: what was asked at that moment is asked once more, with
the same keys, and is done once.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2

from lives.guests import name_of
from lives.world import LIVE, ONE, Life, World

Asked = tuple[str, str, str, Any, dict[str, str]]


async def fall(world: World) -> str | None:
    """Some ask for something, and are not answered any more: every task of the house ends where it is."""
    living = [life for life in world.lives if life.status in LIVE]
    if not living:
        return None
    chosen = world.chance.sample(living, min(len(living), 3))
    asks = [_an_ask(world, life) for life in chosen for _ in range(world.chance.choice((1, 1, 2)))]
    under_way = [asyncio.ensure_future(_send(world, ask)) for ask in asks]
    for _ in range(world.chance.randrange(1, 400)):
        await asyncio.sleep(0)
    answered = [task.result() if task.done() else None for task in under_way]
    fair = world.provider.weather
    await world.fall(under_way)
    world.provider.weather = fair
    await world.settle()
    besides: list[Life] = []
    for ask, before in zip(asks, answered, strict=True):
        after = await _send(world, ask)
        excused = after.status_code == 503 and world.provider.weather != "fine"
        world.expect(excused or after.status_code in (200, 201, 409, 422), f"{ask}: {after.text}")
        if before is not None and before.status_code < 300 and ask[1].endswith(("/cancel", "/refund")):
            same = (after.status_code, after.json()) == (before.status_code, before.json())
            world.expect(same, f"{ask}: {before.text} before the fall, {after.text} afterwards")
        if after.status_code == 201 and ask[1].endswith("/refund"):
            [life] = [life for life in chosen if ask[1] == f"{life.path}/refund"]
            life.plain = False
            if after.json()["status"] == "cancelled":
                besides.append(life)
            else:
                life.left -= 1
        await world.settle()
    await world.look_at_all()
    for life in besides:  # of what the cancellation, seen just now, had left
        life.left -= 1
    names = [f"{name_of(world, life)} is {life.status}" for life in chosen]
    told = [f"{ask[0]} {ask[2]} {ask[1].rpartition('/')[2]}" for ask in asks]
    done = sum(one is not None for one in answered)
    return f"the house falls, {done} of {told} are answered: {names}"


def _an_ask(world: World, life: Life) -> Asked:
    host, guest, view = life.home.host, life.guest, life.view
    longer = {"check_in": view["check_in"], "check_out": (life.at("check_out_at") + ONE).date().isoformat()}
    asks = [
        (guest, f"{life.path}/cancel", "POST", {"reason": "No."}),
        (host, f"{life.path}/cancel", "POST", {"reason": "No."}),
        (guest, life.path, "PUT", longer),
        (guest, "/api/payments/intent", "POST", {"booking_id": life.id}),
    ]
    if life.status == "pending":
        asks += [(host, f"{life.path}/{verb}", "POST", None) for verb in ("accept", "accept")]
    if life.change:
        asks += [(guest, f"{life.path}/change/withdraw", "POST", None)]
        asks += [(host, f"{life.path}/change/accept", "POST", None)]
    if life.was_paid:
        body = {"amount": life.home.money(1), "reason": "A broken tap."}
        asks += [(host, f"{life.path}/refund", "POST", body)]
    who, path, verb, body = world.chance.choice(asks)
    if verb == "PUT":
        life.price = None
    return who, path, verb, body, {"Idempotency-Key": world.draw()}


async def _send(world: World, ask: Asked) -> httpx2.Response:
    who, path, verb, body, headers = ask
    return await world.people[who]._send(verb, path, json=body, headers=headers)

"""What hosts do in simulated lives, and staff with their stays."""

from __future__ import annotations

from typing import Any

from journeys.steps import ok
from lives.guests import name_of, one_of
from lives.town import POLICIES, Home, a_price_list
from lives.world import ONE, Life, World, nights_of
from rules.oracle_price import Coupon


async def answer_request(world: World) -> str | None:
    asked = [life for life in world.lives if life.status == "pending" and life.view.get("awaiting") == "host"]
    if not asked:
        return None
    life = world.chance.choice(asked)
    verb, status = await _answer(world, life, life.path)
    return f"{life.home.host} {verb}s {name_of(world, life)}: {status}, {life.status}"


async def answer_change(world: World) -> str | None:
    asked = [life for life in world.lives if life.change and life.change["status"] == "awaiting_host"]
    if not asked:
        return None
    life = world.chance.choice(asked)
    verb, _ = await _answer(world, life, f"{life.path}/change")
    return f"{life.home.host} {verb}s the change of {name_of(world, life)}: {life.view['change']['status']}"


async def _answer(world: World, life: Life, path: str) -> tuple[str, int]:
    """What the host says to it, and the status of the answer."""
    verb, body = world.chance.choice((("accept", None), ("accept", None), ("decline", {"reason": "No."})))
    await world.look(life)
    answer = await world.write(life.home.host, f"{path}/{verb}", body)
    world.expect(answer.status_code in (200, 409), answer.text)
    await world.settle()
    await world.look(life)
    return verb, answer.status_code


async def give_more(world: World) -> str | None:
    """The host or staff give something back beyond what they must."""
    paid = [life for life in world.lives if life.was_paid and life.left > 0]
    if not paid:
        return None
    life = world.chance.choice(paid)
    await world.look(life)
    amount = world.chance.choice((1, life.left // 3 + 1, life.left, life.left + 1))
    if world.chance.random() < 0.5:
        body = {"amount": life.home.money(amount), "reason": "A broken tap."}
        who, answer = (
            life.home.host,
            await world.write(life.home.host, f"{life.path}/refund", body, twice=True),
        )
    else:
        payments = ok(await world.read(life.guest, "/api/payments/history", limit=100))["items"]
        ours = [one for one in payments if one["booking_id"] == life.id and one["status"] == "succeeded"]
        if not ours:
            return None
        one = world.chance.choice(ours)
        amount = min(amount, one["amount"]["amount"] - one["refunded"]["amount"])
        body = {"payment_id": one["id"], "amount": life.home.money(amount), "reason": "A broken tap."}
        who, answer = "staff", await world.write("staff", "/api/payments/refund", body, twice=True)
    said = f"{who} gives {amount} of {life.left} back for {name_of(world, life)}"
    if answer.status_code == 201:
        life.plain, life.left, life.paid = False, life.left - amount, life.paid
        await world.settle()
        await world.look(life)
        return said
    world.expect(answer.status_code in (409, 422), f"{said}: {answer.text}")
    return f"{said}: {answer.json()['code']}"


async def disagree(world: World) -> str | None:
    life = one_of(world, "confirmed", "checked_in", "completed", "cancelled")
    if life is None:
        return None
    who = world.chance.choice((life.guest, life.home.host))
    answer = await world.write(who, f"{life.path}/disputes", {"reason": "No water."})
    world.expect(answer.status_code in (200, 201, 409), answer.text)
    if answer.status_code == 409:
        return None
    await world.settle()
    await world.look(life)
    return f"{who} disputes {name_of(world, life)}"


async def settle_disagreement(world: World) -> str | None:
    for life in world.chance.sample(world.lives, len(world.lives)):
        opened = [one for one in life.view.get("disputes") or [] if one["status"] == "open"]
        if not opened:
            continue
        await world.look(life)
        refund = world.chance.choice((0, life.left // 2, life.left))
        body = {"refund": life.home.money(refund), "from_platform": world.chance.random() < 0.5}
        path = f"{life.path}/disputes/{opened[0]['id']}/resolve"
        answer = await world.write("staff", path, body)
        said = f"staff settle the dispute of {name_of(world, life)}: {refund} of {life.left} back"
        world.expect(answer.status_code == 200, f"{said}: {answer.text}")
        life.left, life.plain = life.left - refund, life.plain and not refund
        await world.settle()
        await world.look(life)
        return said
    return None


async def come_or_go(world: World) -> str | None:
    life = one_of(world, "confirmed", "checked_in")
    if life is None:
        return None
    verb = world.chance.choice(("check-in", "complete"))
    answer = await world.write(life.home.host, f"{life.path}/{verb}")
    world.expect(answer.status_code in (200, 409), answer.text)
    if answer.status_code == 409:
        return None
    await world.settle()
    await world.look(life)
    return f"{life.home.host}: {verb} of {name_of(world, life)}"


async def block(world: World) -> str | None:
    home = world.chance.choice(world.homes)
    if home.blocks and world.chance.random() < 0.5:
        block_id = world.chance.choice(sorted(home.blocks))
        ok(await world.people[home.host].delete(f"{home.path}/block-dates/{block_id}"), 204)
        del home.blocks[block_id]
        await world.settle()
        return f"{home.host} opens nights of {world.homes.index(home)}"
    first, nights = world.today + world.chance.randrange(1, 50) * ONE, world.chance.randrange(1, 4)
    body = {"from": first.isoformat(), "to": (first + nights * ONE).isoformat(), "reason": "Paint."}
    answer = await world.write(home.host, f"{home.path}/block-dates", body)
    wanted = set(nights_of(body["from"], body["to"]))
    if answer.status_code == 409:
        world.expect(
            wanted & (world.taken(home) | world.kept(home) | world.elsewhere(home)),
            f"{body} is free: {answer.text}",
        )
        return None
    home.blocks[ok(answer, 201)["id"]] = wanted
    world.expect(not wanted & world.taken(home), f"{body} is blocked over a booking")
    await world.settle()
    return f"{home.host} keeps {nights} nights of {world.homes.index(home)} from {first}"


async def price_anew(world: World) -> str | None:
    home = world.chance.choice(world.homes)
    home.pricing = a_price_list(world.chance, home.place, world.today)
    ok(await world.people[home.host].put(f"{home.path}/pricing", home.pricing))
    await world.settle()
    return f"{home.host} prices {world.homes.index(home)} anew"


async def edit(world: World) -> str | None:
    """Another policy, or another way to book; what was booked stays as it was agreed on."""
    home = world.chance.choice(world.homes)
    home.policy, home.instant = world.chance.choice(POLICIES), not home.instant
    version = ok(await world.read(home.host, home.path))["version"]
    edit = {"cancellation_policy": home.policy, "instant_book": home.instant}
    person, match = world.people[home.host], {"If-Match": f'"{version}"'}
    ok(await person.patch(home.path, edit, headers=match))
    await world.settle()
    return f"{home.host} lets {world.homes.index(home)} {home.policy}, instant: {home.instant}"


async def make_coupon(world: World) -> str | None:
    home, chance = world.chance.choice(world.homes), world.chance
    code, by_host = f"SAVE{len(world.told)}", chance.random() < 0.5
    kind: dict[str, Any] = {"percent_bp": chance.choice((500, 1_234, 10_000))}
    if chance.random() < 0.4:
        kind = {"fixed": home.money(chance.randrange(1, 60 * home.place.unit))}
    body = {"code": code, "host_funded": by_host, "listing_ids": [home.id], "total_limit": 2} | kind
    ok(await world.people[home.host if by_host else "staff"].post("/api/coupons", body), 201)
    fixed = kind["fixed"]["amount"] if "fixed" in kind else None
    home.coupons[code] = Coupon(by_host, kind.get("percent_bp"), fixed, None)
    return f"{'a host' if by_host else 'staff'} gives {kind} off at {world.homes.index(home)}: {code}"


async def other_site(world: World) -> str | None:
    """A calendar of another site comes, changes and goes, also with nights that are booked here."""
    home, chance = world.chance.choice(world.homes), world.chance
    imports, feed = f"{home.path}/calendar-imports", f"/feed{world.homes.index(home)}"
    if home.feed_id:
        await forget_site(world, home)
        return f"the other site of {world.homes.index(home)} is forgotten"
    events = {world.draw(): (world.today + chance.randrange(1, 40) * ONE, chance.randrange(1, 5))}
    lines = [
        f"BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART;VALUE=DATE:{first:%Y%m%d}\r\n"
        f"DTEND;VALUE=DATE:{first + nights * ONE:%Y%m%d}\r\nEND:VEVENT\r\n"
        for uid, (first, nights) in events.items()
    ]
    text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{''.join(lines)}END:VCALENDAR\r\n"
    world.site.pages[feed] = text.encode()
    made = await world.write(home.host, imports, {"url": world.site.url(feed), "name": "Other"})
    home.feed, home.feed_id = events, ok(made, 201)["id"]
    await world.settle()
    return f"another site has {[*events.values()]} at {world.homes.index(home)}"


async def forget_site(world: World, home: Home) -> None:
    if home.feed_id:
        path = f"{home.path}/calendar-imports/{home.feed_id}"
        ok(await world.people[home.host].delete(path), 204)
        home.feed, home.feed_id = {}, ""
        await world.settle()

"""What hosts do in simulated lives, and staff with their stays."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

from journeys.steps import ok
from lives.guests import GUESTS, begin, first_seen, name_of, one_of
from lives.town import HOURS, POLICIES, Home, Party, a_price_list
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
        if life.bank and answer.status_code == 422:  # a bank has kept what the steps have left
            return f"{said}: {answer.json()['code']}"
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
    """Another policy, another way to book, other hours, other nights of preparation; what was booked stays as
    it was agreed on."""
    home = world.chance.choice(world.homes)
    home.policy, home.instant = world.chance.choice(POLICIES), not home.instant
    if world.chance.random() < 0.4:
        home.hours, home.preparation = world.chance.choice(HOURS), world.chance.choice((0, 0, 1, 2))
    version = ok(await world.read(home.host, home.path))["version"]
    edit = {
        "cancellation_policy": home.policy,
        "instant_book": home.instant,
        "check_in_from": home.hours[0],
        "check_out_by": home.hours[1],
        "stay_rules": {"preparation_nights": home.preparation},
    }
    person, match = world.people[home.host], {"If-Match": f'"{version}"'}
    ok(await person.patch(home.path, edit, headers=match))
    await world.settle()
    return f"{home.host} lets {world.homes.index(home)} {home.policy}, instant: {home.instant}, {edit}"


async def edit_days(world: World) -> str | None:
    """One edit of some nights of all homes of a host in a town, made whole or not at all; now and then a
    guest books some of them at that very moment."""
    chance, home = world.chance, world.chance.choice(world.homes)
    homes = [one for one in world.homes if (one.host, one.place) == (home.host, home.place)]
    first = world.today + chance.randrange(1, 40) * ONE
    nights = [first + n * ONE for n in range(chance.randrange(1, 6))]
    body: dict[str, Any] = {"from": first.isoformat(), "to": (nights[-1] + ONE).isoformat()}
    body["listing_ids"] = [one.id for one in homes]
    if chance.random() < 0.6:
        price = chance.randrange(50, 300) * home.place.unit
        body["price"] = home.money(price) if chance.random() < 0.7 else None
    else:
        body["block"] = chance.random() < 0.6
        if not body["block"] and any(set(nights) & world.kept_by_cancelling(one) for one in homes):
            return None
    asks = [world.write(home.host, "/api/listings/calendars", body, twice=True)]
    known = len(world.lives)
    if chance.random() < 0.4:
        asks.append(_book_some(world, home, first))
    answer, *_ = await asyncio.gather(*asks)
    said = f"{home.host} edits days of {[world.homes.index(one) for one in homes]}: {body}"
    said += "; they are booked at once" if len(world.lives) > known else ""
    await world.settle()
    await world.look_at_all()
    if answer.status_code != 200:
        world.expect(answer.json()["code"] == "edit_refused", f"{said}: {answer.text}")
        for one in answer.json()["problems"]:
            [at] = [home for home in homes if home.id == one["listing_id"]]
            taken = {"booked": world.taken(at), "imported": world.elsewhere(at)}[one["code"]]
            stands = {date.fromisoformat(night) for night in one.get("nights", [])}
            # The nights of a booking of this very moment may be known by no name yet.
            known_by_name = stands or len(world.lives) > known
            world.expect(known_by_name and stands <= taken & set(nights), f"{said}: {answer.text}")
        return f"{said}: {answer.json()['code']}"
    for one in homes:
        await _edited(world, one, body, nights)
    return said


async def _book_some(world: World, home: Home, first: date) -> Life | None:
    guest, party = world.chance.choice(GUESTS), Party(1)
    stay = {"check_in": first.isoformat(), "check_out": (first + 2 * ONE).isoformat(), "guests": 1}
    quote = await world.write(guest, f"{home.path}/quote", stay)
    if quote.status_code != 200:
        return None
    wish = stay | {"listing_id": home.id, "quote_id": quote.json()["id"]}
    answer = await world.write(guest, "/api/bookings", wish)
    if answer.status_code != 201:
        world.expect(answer.status_code in (404, 409), answer.text)
        return None
    return await begin(world, Life(home=home, guest=guest, price=None, **first_seen(answer.json(), party)))


async def _edited(world: World, home: Home, body: dict[str, Any], nights: list[date]) -> None:
    if "price" in body:
        dates = home.pricing["dates"] | dict.fromkeys((night.isoformat() for night in nights), body["price"])
        home.pricing = home.pricing | {"dates": {day: price for day, price in dates.items() if price}}
        return
    before = {night for kept in home.blocks.values() for night in kept}
    wanted = before - set(nights)
    if body["block"]:
        wanted = before | (set(nights) - world.kept_by_cancelling(home))
    shown = ok(await world.read(home.host, f"{home.path}/block-dates"))["items"]
    by_cancelling = world.kept_by_cancelling(home)
    blocks = {one["id"]: set(nights_of(one["from"], one["to"])) for one in shown}
    home.blocks = {name: kept for name, kept in blocks.items() if not kept <= by_cancelling}
    found = {night for kept in home.blocks.values() for night in kept}
    ahead = {night for night in wanted ^ found if night > world.today + ONE}
    world.expect(not ahead, f"{body} at {home.path}: kept are {sorted(found)}, not {sorted(wanted)}")


async def make_coupon(world: World) -> str | None:
    home, chance = world.chance.choice(world.homes), world.chance
    code, by_host = f"SAVE{len(world.told)}", chance.random() < 0.5
    body = a_coupon(world, home) | {"host_funded": by_host, "total_limit": 2}
    who = home.host if by_host else "staff"
    ok(await world.people[who].post("/api/coupons", body | {"code": code}), 201)
    home.coupons[code] = coupon_of(body)
    home.limits[code] = home.most[code] = 2
    return f"{who} gives at {world.homes.index(home)}: {code} {body}"


def a_coupon(world: World, home: Home) -> dict[str, Any]:
    chance = world.chance
    kind: dict[str, Any] = {"percent_bp": chance.choice((500, 1_234, 10_000))}
    if chance.random() < 0.4:
        kind = {"fixed": home.money(chance.randrange(1, 60 * home.place.unit))}
    least = {"minimum": home.money(chance.randrange(1, 400 * home.place.unit))}
    return kind | {"listing_ids": [home.id]} | (least if chance.random() < 0.3 else {})


def coupon_of(body: dict[str, Any]) -> Coupon:
    fixed, minimum = (body[name]["amount"] if name in body else None for name in ("fixed", "minimum"))
    return Coupon(body["host_funded"], body.get("percent_bp"), fixed, minimum)


async def coupon_anew(world: World) -> str | None:
    """One that was given is another from now on, or is gone; what was booked with it stays as it was."""
    known = [(home, code) for home in world.homes for code in home.coupons if code not in home.gone]
    if not known:
        return None
    home, code = world.chance.choice(known)
    by_host = home.coupons[code].host_funded
    who = home.host if by_host else "staff"
    if world.chance.random() < 0.3:
        ok(await world.people[who].delete(f"/api/coupons/{code}"), 204)
        home.gone.add(code)
        return f"{who} takes {code} away"
    limit = world.chance.choice((1, 2, 3))
    body = a_coupon(world, home) | {"host_funded": by_host, "total_limit": limit}
    ok(await world.people[who].put(f"/api/coupons/{code}", body))
    home.coupons[code], home.limits[code] = coupon_of(body), limit
    home.most[code] = max(home.most[code], limit)
    return f"{who} writes {code} anew: {body}"

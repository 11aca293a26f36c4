"""What several do at one moment in simulated lives, and what is done in the last second."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from journeys.steps import ok
from lives.authorities import tax_anew
from lives.guests import GUESTS, begin, first_seen, name_of
from lives.hosts import edit, price_anew
from lives.journal import captured, journal, promised
from lives.staff import SUSPEND, pause
from lives.town import Home, Party
from lives.world import LIVE, ONE, Life, World, instant_of

Ask = tuple[str, str, Any, str]
ALLOWED = (200, 201, 409, 422, 503)
SECOND = timedelta(seconds=1)


async def at_once(world: World) -> str | None:
    """Two who do not know of each other do something about the same stay."""
    living = [life for life in world.lives if life.status in LIVE]
    if not living:
        return None
    life = world.chance.choice(living)
    does = _all_that_can_be_done(life)
    chosen = world.chance.sample(sorted(does), 2)
    asks = [does[name] for name in chosen]
    answers = await asyncio.gather(
        *(world.write(who, path, body, verb=verb) for who, path, body, verb in asks)
    )
    codes = [answer.status_code for answer in answers]
    world.expect(all(code in ALLOWED for code in codes), f"{chosen}: {[answer.text for answer in answers]}")
    await _seen(world, life, chosen)
    return f"of {name_of(world, life)} at once: {chosen}: {codes}, {life.status}"


def _all_that_can_be_done(life: Life) -> dict[str, Ask]:
    host, guest = life.home.host, life.guest
    nights = {"check_in": life.view["check_in"], "check_out": life.view["check_out"]}
    longer = nights | {"check_out": (life.at("check_out_at") + ONE).date().isoformat()}
    later = longer | {"check_in": (life.at("check_in_at") + ONE).date().isoformat()}
    return {
        "guest cancels": (guest, f"{life.path}/cancel", {"reason": "No."}, "POST"),
        "host cancels": (host, f"{life.path}/cancel", {"reason": "No."}, "POST"),
        "host accepts": (host, f"{life.path}/accept", None, "POST"),
        "host declines": (host, f"{life.path}/decline", {"reason": "No."}, "POST"),
        "guest changes": (guest, life.path, longer, "PUT"),
        "guest moves": (guest, life.path, later, "PUT"),
        "host agrees": (host, f"{life.path}/change/accept", None, "POST"),
        "host refuses": (host, f"{life.path}/change/decline", {"reason": "No."}, "POST"),
        "host lets in": (host, f"{life.path}/check-in", None, "POST"),
        "guest withdraws": (guest, f"{life.path}/change/withdraw", None, "POST"),
        "staff take it down": ("staff", f"{life.home.path}/moderate", SUSPEND, "POST"),
        "guest disputes": (guest, f"{life.path}/disputes", {"reason": "Cold."}, "POST"),
        "guest opens a payment": (guest, "/api/payments/intent", {"booking_id": life.id}, "POST"),
    }


async def _seen(world: World, life: Life, done: list[str]) -> None:
    if {"guest changes", "guest moves"} & set(done):
        life.price = None
    if "staff take it down" in done:
        life.home.taken_down(world.now)
    await world.settle()
    await world.look_at_all()


async def pay_meanwhile(world: World) -> str | None:
    """The guest pays at the very moment in which something else becomes of the stay, or pays twice."""
    opened = await _open_payment(world)
    if opened is None:
        return None
    life, intent = opened
    path, card = f"/api/payments/{intent['id']}/confirm", {"payment_method": "pm_card_visa"}
    does = _all_that_can_be_done(life) | {"guest pays again": (life.guest, path, card, "POST")}
    fitting = ("cancels", "accepts", "declines", "again", "payment", "withdraws", "moves", "down", "refuses")
    what = world.chance.choice([name for name in sorted(does) if name.endswith(fitting)])
    answers = await asyncio.gather(
        _after(world, world.chance.randrange(60), (life.guest, path, card, "POST")),
        _after(world, world.chance.randrange(60), does[what]),
    )
    codes = [answer.status_code for answer in answers]
    world.expect(all(code in ALLOWED for code in codes), f"{what}: {[answer.text for answer in answers]}")
    await _seen(world, life, [what])
    return f"{life.guest} pays {name_of(world, life)} while {what}: {codes}, {life.status}"


async def _open_payment(world: World) -> tuple[Life, dict[str, Any]] | None:
    payable = [
        life
        for life in world.lives
        if life.status == "pending"
        or (life.change and life.change["status"] == "awaiting_payment")
        or (life.status == "confirmed" and life.view.get("balance"))
    ]
    if not payable:
        return None
    life = world.chance.choice(payable)
    answer = await world.write(life.guest, "/api/payments/intent", {"booking_id": life.id})
    if answer.status_code != 201:
        world.expect(world.foul or answer.json()["code"] == "not_payable", answer.text)
        return None
    return life, answer.json()


async def _after(world: World, ticks: int, ask: Ask) -> Any:
    for _ in range(ticks):
        await asyncio.sleep(0)
    who, path, body, verb = ask
    return await world.write(who, path, body, verb=verb)


async def prove_late(world: World) -> str | None:
    """The guest's bank asks in the last second of a hold, which lasts 15 minutes longer for it, once; the
    guest answers it around the last second of those."""
    held = [life for life in world.lives if life.view.get("awaiting") == "payment"]
    if not held or world.foul:
        return None
    life = world.chance.choice(held)
    answer = await world.write(life.guest, "/api/payments/intent", {"booking_id": life.id})
    if answer.status_code != 201:
        return None
    intent, until = answer.json(), instant_of(life.view["hold_until"])
    if until - world.now < 3 * SECOND:
        return None
    await world.house.advance((until - world.now - SECOND).total_seconds())
    path, card = f"/api/payments/{intent['id']}/confirm", {"payment_method": "pm_card_threeDSecure2Required"}
    asked = await world.write(life.guest, path, card)
    await world.settle()
    await world.look(life)
    said = f"{life.guest} pays {name_of(world, life)} in the last second: {asked.status_code}"
    if asked.status_code != 200 or asked.json()["status"] != "requires_action":
        return f"{said}, {life.status}"
    longer = instant_of(life.view["hold_until"]) if life.status == "pending" else None
    again = longer == until  # it was asked before
    world.expect(again or longer == until + 900 * SECOND, f"{said}: held until {longer}, before {until}")
    assert longer is not None
    beside = world.chance.choice((-1, 0, 1))
    await world.house.advance((longer - world.now + beside * SECOND).total_seconds())
    done = await world.write(life.guest, path, {})
    await world.settle()
    await world.look_at_all()
    in_time = life.status in LIVE and done.status_code == 200
    world.expect(beside >= 0 or in_time, f"{said}: {beside} s, and it is {life.status}: {done.text}")
    return f"{said}, proved {beside:+} s: {done.status_code}, {life.status}"


async def rush_for_coupon(world: World) -> str | None:
    """Each guest asks for nights of the own with the same coupon, and all book at once: no more can than are
    left of it."""
    known = [(home, code) for home in world.homes for code in home.coupons if code not in home.gone]
    if not known:
        return None
    home, code = world.chance.choice(known)
    chosen = [guest for guest in GUESTS if not _has_hold(world, home, guest)]
    left = home.limits[code] - world.uses(home, code)
    asked = [await _ask_with(world, home, code, guest, n) for n, guest in enumerate(chosen)]
    wishes = [wish for wish in asked if wish is not None]
    if left < 1 or len(wishes) < 2:
        return None
    answers = await asyncio.gather(
        *(
            _after(world, world.chance.randrange(30), (who, "/api/bookings", body, "POST"))
            for who, body in wishes
        )
    )
    said = f"{[who for who, _ in wishes]} want {code} at {world.homes.index(home)}, {left} are left"
    begun = [
        await begin(world, Life(home=home, guest=who, price=None, **first_seen(answer.json(), Party(2))))
        for (who, _), answer in zip(wishes, answers, strict=True)
        if answer.status_code == 201
    ]
    refused = [answer.json()["code"] for answer in answers if answer.status_code != 201]
    world.expect(set(refused) <= {"coupon_refused"}, f"{said}: {refused}")
    world.expect(len(begun) == min(left, len(wishes)), f"{said}: {len(begun)} have it, {refused}")
    return f"{said}: {[name_of(world, life) for life in begun]} have it"


def _has_hold(world: World, home: Home, guest: str) -> bool:
    return any(life.home is home and life.guest == guest and life.status == "pending" for life in world.lives)


async def _ask_with(
    world: World, home: Home, code: str, guest: str, number: int
) -> tuple[str, dict[str, Any]] | None:
    first = world.today + (10 + 8 * number) * ONE
    stay = {"check_in": first.isoformat(), "check_out": (first + 2 * ONE).isoformat(), "guests": 2}
    quote = await world.write(guest, f"{home.path}/quote", stay | {"coupon": code})
    if quote.status_code != 200:
        return None
    return guest, stay | {"coupon": code, "listing_id": home.id, "quote_id": quote.json()["id"]}


async def rush_for_nights(world: World) -> str | None:
    """All guests want nights that overlap at one moment: one has them."""
    home = world.chance.choice(world.homes)
    if home.status != "published":
        return None
    first, wishes = world.today + world.chance.randrange(2, 40) * ONE, []
    for number, guest in enumerate(GUESTS):
        begins = first + number * ONE
        stay = {"check_in": begins.isoformat(), "check_out": (begins + 3 * ONE).isoformat(), "guests": 2}
        quote = await world.write(guest, f"{home.path}/quote", stay)
        if quote.status_code != 200 or _has_hold(world, home, guest):
            return None
        wishes.append((guest, stay | {"listing_id": home.id, "quote_id": quote.json()["id"]}, begins))
    answers = await asyncio.gather(
        *(
            _after(world, world.chance.randrange(30), (guest, "/api/bookings", wish, "POST"))
            for guest, wish, _ in wishes
        )
    )
    said = f"all want nights from {first} at {world.homes.index(home)} at once"
    codes = [answer.status_code for answer in answers]
    world.expect(codes.count(201) == 1, f"{said}: {[answer.text for answer in answers]}")
    [winner] = [n for n, code in enumerate(codes) if code == 201]
    view = ok(answers[winner], 201)
    await begin(world, Life(home=home, guest=GUESTS[winner], price=None, **first_seen(view, Party(2))))
    return f"{said}: {GUESTS[winner]} has them as #{len(world.lives) - 1}"


async def book_late(world: World) -> str | None:
    """A guest thinks about a quote while the host, staff or time may change the price: it is what was quoted,
    or a new quote is answered. A quote is good for 15 minutes."""
    home, guest = world.chance.choice(world.homes), world.chance.choice(GUESTS)
    first = world.today + world.chance.randrange(3, 40) * ONE
    stay = {"check_in": first.isoformat(), "check_out": (first + 3 * ONE).isoformat(), "guests": 2}
    asked = await world.write(guest, f"{home.path}/quote", stay)
    if asked.status_code != 200:
        return None
    quote = asked.json()
    until = instant_of(quote["expires_at"])
    world.expect(until == world.now.replace(microsecond=0) + 900 * SECOND, f"{quote} at {world.now}")
    meanwhile = world.chance.choice((price_anew, tax_anew, edit, pause))
    what = await meanwhile(world)
    beside = world.chance.choice((None, -1, 0))
    if beside is not None:
        await world.house.advance((until - world.now).total_seconds() + beside)
    await world.look_at_all()
    price = home.price(world.now, first, 3, Party(2), None)
    assert price is not None
    wish = stay | {"listing_id": home.id, "quote_id": quote["id"]}
    free = world.is_free(home, first, 3, guest)
    answer = await world.write(guest, "/api/bookings", wish)
    said = f"{guest} books {stay} at {world.homes.index(home)} late, meanwhile: {what}, {beside}"
    if answer.status_code == 201:
        world.expect(free and home.status == "published", f"{said}: it is {home.status}, free: {free}")
        same = quote["total"] == home.money(price.total) and quote["cancellation_policy"] == home.policy
        world.expect(same and beside != 0, f"{said}: {quote}, now {price}, {home.policy}")
        life = Life(home=home, guest=guest, price=price, **first_seen(answer.json(), Party(2)))
        await begin(world, life)
        world.expect(life.total == price.total, f"{said}: {life.view}")
        return f"{said}: {name_of(world, life)}"
    code = answer.json()["code"]
    moved = quote["total"] != home.money(price.total)
    fits = {
        "price_changed": moved,
        "policy_changed": quote["cancellation_policy"] != home.policy,
        "quote_expired": beside == 0,
        "not_found": home.status != "published",
        "dates_taken": not free,
        "stay_refused": not free,
    }
    world.expect(fits.get(code), f"{said}: {answer.text}")
    if code in ("price_changed", "policy_changed", "quote_expired"):
        now = answer.json()["quote"]["total"]
        world.expect(now == home.money(price.total), f"{said}: {answer.text}, reckoned {price}")
    return f"{said}: {code}"


async def refund_at_once(world: World) -> str | None:
    """The host and staff give back most of what is left at one moment, or the host says yes to a change while
    staff give: no more goes back than there is, and the booking knows what is left."""
    paid = [life for life in world.lives if life.was_paid and life.left > 1]
    if not paid:
        return None
    life = world.chance.choice(paid)
    await world.look(life)
    payments = ok(await world.read(life.guest, "/api/payments/history", limit=100))["items"]
    ours = [one for one in payments if one["booking_id"] == life.id and one["status"] == "succeeded"]
    if not ours:
        return None
    one = world.chance.choice(ours)
    by_staff = min(life.left, one["amount"]["amount"] - one["refunded"]["amount"])
    amounts = (life.left * 2 // 3 + 1, by_staff * 2 // 3 + 1)
    wishes = [{"amount": life.home.money(amount), "reason": "A broken tap."} for amount in amounts]
    asks: list[Ask] = [
        (life.home.host, f"{life.path}/refund", wishes[0], "POST"),
        ("staff", "/api/payments/refund", wishes[1] | {"payment_id": one["id"]}, "POST"),
    ]
    if life.change and life.change["status"] == "awaiting_host":
        asks[0] = (life.home.host, f"{life.path}/change/accept", None, "POST")
    world.chance.shuffle(asks)
    answers = await asyncio.gather(*(_after(world, world.chance.randrange(20), ask) for ask in asks))
    codes = [answer.status_code for answer in answers]
    world.expect(all(code in ALLOWED for code in codes), f"{asks}: {[answer.text for answer in answers]}")
    done = [ask for ask, code in zip(asks, codes, strict=True) if code == 201]
    given = sum(ask[2]["amount"]["amount"] for ask in done)
    said = f"{amounts} of {life.left} are given back at once for {name_of(world, life)}: {codes}"
    life.left, life.plain = max(0, life.left - given), life.plain and not given
    await world.settle()
    await world.look(life)
    if life.status in LIVE and not life.bank and not life.unheard and not world.foul:
        shown = ok(await world.read("staff", f"{life.path}/cancellation"))
        entries = await journal(world, life)
        there, known = (
            captured(entries) - promised(entries),
            shown["refund"]["amount"] + shown["kept"]["amount"],
        )
        world.expect(there == known == life.left, f"{said}: {there} is there, shown {shown}, {life.left}")
    return said


async def answer_claim_at_once(world: World) -> str | None:
    """Guest and staff answer a claim at one moment, each of them twice: it ends in one way."""
    for life in world.chance.sample(world.lives, len(world.lives)):
        path = f"/api/payments/deposits/{life.id}"
        answer = await world.read("staff", path)
        made = answer.json().get("claim") if answer.status_code == 200 else None
        if made is None or made["status"] not in ("open", "with_staff"):
            continue
        path, half = f"{path}/claims/{made['id']}", life.home.money(made["amount"]["amount"] // 2)
        asks: list[Ask] = [
            (life.guest, f"{path}/answer", {"accept": True}, "POST"),
            (life.guest, f"{path}/answer", {"accept": False}, "POST"),
            ("staff", f"{path}/decide", {"amount": half}, "POST"),
            ("staff", f"{path}/decide", {"amount": made["amount"]}, "POST"),
        ]
        answers = await asyncio.gather(*(_after(world, world.chance.randrange(20), ask) for ask in asks))
        said = f"the claim on {name_of(world, life)} is answered at once"
        codes = [answer.status_code for answer in answers]
        world.expect(set(codes) <= {200, 409}, f"{said}: {[answer.text for answer in answers]}")
        ends = [one.json()["status"] for one in answers if one.status_code == 200]
        decided = [end for end in ends if end in ("granted", "refused")]
        world.expect(len(decided) <= 1, f"{said}: {[answer.text for answer in answers]}")
        await world.settle()
        return f"{said}: {codes}, {ends}"
    return None

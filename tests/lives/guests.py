"""What guests do in simulated lives. An act says in a line what it did, or nothing where there was nothing to
do; what an answer must be is asserted here, what must hold always in `checks`.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from datetime import date
from typing import Any

from journeys.steps import ok
from lives.checks import follows_policy
from lives.journal import back_promised
from lives.shown import check_change_shown, check_shown
from lives.town import Home, Party
from lives.world import LIVE, ONE, Life, World

CURRENCIES = (*[None] * 9, *["USD", "JPY", "GBP", "EUR"] * 2, "KWD")
PICTURE = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
GUESTS = ("gus", "gerda", "greg")
BOOKERS = (*GUESTS * 5, "hanna", "heiko")
CARDS = (
    *["pm_card_visa"] * 8,
    "pm_card_visa_chargeDeclined",
    "pm_card_visa_chargeDeclinedInsufficientFunds",
    *["pm_card_threeDSecure2Required"] * 2,
    "pm_card_threeDSecureRequiredChargeDeclined",
    *["pm_card_chargeCustomerFail"] * 2,
    *["pm_card_pendingRefund"] * 2,
    "pm_card_refundFail",
    "pm_card_createDispute",
    "pm_card_createDisputeInquiry",
)


def one_of(world: World, *statuses: str) -> Life | None:
    found = [life for life in world.lives if life.status in statuses]
    return world.chance.choice(found) if found else None


async def book(world: World) -> str | None:
    chance = world.chance
    home, guest = chance.choice(world.homes), chance.choice(BOOKERS)
    first = world.today + chance.choice((2, 3, 5, 9, 16, 25, 40)) * ONE + chance.randrange(4) * ONE
    asked = [life for life in world.lives if life.view.get("awaiting") == "host"]
    if beside := chance.random() < (0.5 if asked else 0.1):
        rival = chance.choice(asked) if asked else None
        home, first = (rival.home, date.fromisoformat(rival.view["check_in"])) if rival else (home, first)
    if home.status != "published" and chance.random() < 0.7:
        return None
    nights = (
        chance.choice((1, 2, 3, 4, 5, 8, 30)) if home.policy != "long_term" else chance.choice((3, 29, 45))
    )
    party, code = a_party(world, home), chance.choice((None, None, *home.coupons))
    stay = {"check_in": first.isoformat(), "check_out": (first + nights * ONE).isoformat()} | party.body()
    wish = stay | ({"coupon": code} if code else {}) | ({"beside_requests": True} if beside else {})
    price = home.price(world.now, first, nights, party, home.coupons[code] if code else None)
    currency = chance.choice(CURRENCIES if home.place.rate("EUR") else (None,) * 9 + CURRENCIES)
    answer = await world.write(
        guest, f"{home.path}/quote", wish | ({"currency": currency} if currency else {})
    )
    said = (
        f"{guest} asks for {nights} nights from {first} for {party} at {world.homes.index(home)} {code or ''}"
    )
    if answer.status_code != 200:
        stayed = (first, nights, guest, beside)
        return f"{said}: {_no_quote(world, home, answer.json(), stayed, code, party, currency)}"
    alone = world.is_free(home, first, nights, guest)
    free = alone or (beside and world.is_free(home, first, nights, guest, beside=True))
    world.expect(free, f"{said}: it is taken, but there is a quote")
    world.expect(home.status == "published", f"{said}: it is {home.status}, but there is a quote")
    used_up = code and (code in home.gone or world.uses(home, code, guest) >= home.limits[code])
    world.expect(not used_up, f"{said}: {code} is used up or gone, but there is a quote")
    quote = answer.json()
    told = [(line["kind"], line["amount"]["amount"]) for line in quote["lines"]]
    world.expect(price and told == price.told(), f"{said}: quoted {told}, not {price and price.told()}")
    assert price is not None
    check_shown(world, home, quote, currency)
    payout = quote["host_payout"]["amount"]
    world.expect(payout == price.payout, f"{said}: the host's part is {payout}, not {price.payout}")
    wish |= {"listing_id": home.id, "quote_id": quote["id"]}
    wish |= {"plan": "half"} if chance.random() < (0.5 if (first - world.today).days > 14 else 0.03) else {}
    answer = await world.write(guest, "/api/bookings", wish, twice=True)
    own = guest == home.host
    world.expect((answer.status_code == 403) == own, f"{said}: {answer.text}")
    if own or answer.status_code == 409:
        codes = ("own_home",) if own else ("plan_refused", "coupon_refused")
        unheard = any(life.unheard and life.guest == guest for life in world.lives if life.home is home)
        taken = answer.json()["code"] in ("dates_taken", "stay_refused")
        # Who books at once asks beside nobody, and an own hold may turn out to be paid.
        gone = taken and ((not alone and home.instant) or unheard)
        world.expect(gone or answer.json()["code"] in codes, f"{said}: {answer.text}")
        return f"{said}: {answer.json()['code']}"
    life = await begin(world, Life(home=home, guest=guest, price=price, **first_seen(ok(answer, 201), party)))
    world.expect(life.view.get("shown") == quote.get("shown"), f"{said}: {life.view}, quoted {quote}")
    world.expect(bool(life.view.get("beside_requests")) == (not alone), f"{said}: {life.view}")
    plan = (", half now" if life.half else "") + ("" if alone else ", beside a request")
    return f"{said}: {life.total} {life.currency}{plan} as {name_of(world, life)}"


def a_party(world: World, home: Home) -> Party:
    guests = world.chance.randrange(1, 5)
    pets = world.chance.choice((0, 0, 0, 1, 2)) if home.pets or world.chance.random() < 0.1 else 0
    return Party(guests, pets, world.chance.choice((0, 0, 1, guests)))


def _no_quote(
    world: World,
    home: Home,
    refusal: dict[str, Any],
    asked: tuple[date, int, str, bool],
    code: str | None,
    party: Party,
    currency: str | None,
) -> str:
    """A stay cannot be quoted for a reason that the test knows of."""
    stay, beside = asked[:3], asked[3]
    why, rule = str(refusal["code"]), refusal.get("rule")
    if why == "dates_taken" or (why == "stay_refused" and rule == "preparation"):
        free = world.is_free(home, *stay, beside=beside)
        world.expect(not free, f"{stay} at {home.path}: {refusal}, but it is free")
        offers_free(world, home, refusal, stay[1], stay[2], beside=beside)
        return why
    reasons = {
        "not_found": home.status != "published",
        "stay_refused": rule == "pets" and party.pets and not home.pets,
        "coupon_refused": code is not None and _no_coupon(world, home, stay, code, party),
        "invalid": currency is not None and home.place.rate(currency) is None,
    }
    world.expect(reasons.get(why), f"{stay} at {home.path}, {home.status}: {refusal}")
    return why


def _no_coupon(world: World, home: Home, stay: tuple[date, int, str], code: str, party: Party) -> bool:
    """Is it gone, used up, or is the stay too cheap for it?"""
    if code in home.gone or world.uses(home, code, stay[2]) >= home.limits[code]:
        return True
    return home.price(world.now, stay[0], stay[1], party, home.coupons[code]) is None


def first_seen(view: dict[str, Any], party: Party) -> dict[str, Any]:
    return {"id": view["id"], "view": view, "exempt": party.exempt, "half": "due_now" in view}


async def begin(world: World, life: Life) -> Life:
    """From now on it is known to the test."""
    life.see(life.view)
    life.coupon = life.home.coupons.get(life.view.get("coupon") or "")
    world.lives.append(life)
    await world.settle()
    for other in world.lives:  # an unpaid hold of the same guest has made room
        if other.home is life.home and other.guest == life.guest and other.status == "pending":
            await world.look(other)
    return life


def name_of(world: World, life: Life) -> str:
    return f"#{world.lives.index(life)}"


async def book_and_pay(world: World) -> str | None:
    known = len(world.lives)
    said = await book(world)
    if len(world.lives) == known:
        return said
    life = world.lives[-1]
    said = f"{said}; {await pay(world, life)}"
    if life.view.get("awaiting") == "host" and world.chance.random() < 0.75:
        answer = await world.write(life.home.host, f"{life.path}/accept")
        await world.settle()
        await world.look(life)
        said += f"; accepted: {answer.status_code}, {life.status}"
    return said


def offers_free(
    world: World,
    home: Home,
    refusal: dict[str, Any],
    nights: int,
    guest: str,
    life: Life | None = None,
    beside: bool = False,
) -> None:
    """What is offered instead can be had, and is as long."""
    for offer in refusal.get("free_instead") or []:
        first, end = (date.fromisoformat(offer[name]) for name in ("check_in", "check_out"))
        free = world.is_free(home, first, nights, guest, life, beside)
        world.expect(free and (end - first).days == nights, f"{nights} nights at {home.path}: {refusal}")


async def pay(world: World, booked: Life | None = None) -> str | None:
    payable = [
        life
        for life in world.lives
        if life.status == "pending"
        or (life.change and life.change["status"] == "awaiting_payment")
        or (life.status == "confirmed" and life.view.get("balance") and world.chance.random() < 0.1)
    ]
    if not payable or (booked and booked not in payable):
        return None
    life, card = booked or world.chance.choice(payable), world.chance.choice(CARDS)
    answer = await world.write(life.guest, "/api/payments/intent", {"booking_id": life.id})
    said = f"{life.guest} pays {name_of(world, life)} ({life.status}) with {card.removeprefix('pm_card_')}"
    if answer.status_code != 201:
        world.expect(world.foul or answer.json()["code"] == "not_payable", f"{said}: {answer.text}")
        return f"{said}: {answer.json()['code']}"
    intent = answer.json()
    path = f"/api/payments/{intent['id']}/confirm"
    if world.chance.random() < 0.12:
        return await _pay_unheard(world, life, intent, said)
    answer = await world.write(life.guest, path, {"payment_method": card})
    if answer.status_code == 200 and answer.json()["status"] == "requires_action":
        await world.settle()
        if world.chance.random() < 0.6:
            answer = await world.write(life.guest, path, {})
    await world.settle()
    await world.look(life)
    life.bank = life.bank or "Dispute" in card
    told, amount = answer.json(), intent["amount"]["amount"]
    return f"{said}: {told.get('status')} {told.get('code', '')} {amount}, {life.status}"


async def _pay_unheard(world: World, life: Life, intent: dict[str, Any], said: str) -> str:
    """In the browser, at the provider itself: the house hears of it later."""
    at_provider = intent["client_secret"].partition("_secret_")[0]
    weather, world.provider.weather = world.provider.weather, "fine"
    try:
        now = await world.provider.get_intent(at_provider)
        if now.status in ("requires_payment_method", "requires_confirmation", "requires_action"):
            await world.provider.confirm_intent(at_provider, method="pm_card_visa", key=world.draw())
    finally:
        world.provider.weather = weather
    life.unheard = True
    await world.settle()
    await world.look(life)
    return f"{said}: in the browser alone, it was {now.status}"


async def change(world: World) -> str | None:
    life = one_of(world, "confirmed")
    if life is None:
        return None
    chance, view = world.chance, life.view
    first, end = (date.fromisoformat(view[name]) for name in ("check_in", "check_out"))
    kind = chance.choice(("longer", "shorter", "moved", "party", "far", "about a month"))
    if kind == "longer":
        end += chance.randrange(1, 4) * ONE
    elif kind == "shorter":
        end -= ONE
    elif kind == "about a month":  # long stays are spared a tax
        end = first + chance.choice((27, 28)) * ONE
    elif kind in ("moved", "far"):
        by = (chance.randrange(-4, 5) if kind == "moved" else chance.randrange(10, 30)) * ONE
        first, end = first + by, end + by
    party = Party(view["guests"], view["pets"], life.exempt)
    party = a_party(world, life.home) if kind == "party" else party
    wish = party.body() | {"check_in": first.isoformat(), "check_out": end.isoformat()}
    wish |= {"pets": party.pets, "exempt_guests": party.exempt}
    answer = await world.write(life.guest, life.path, wish, verb="PUT")
    said = f"{life.guest} wants {name_of(world, life)} {kind}: {first} to {end} for {party}"
    if answer.status_code != 200:
        why = answer.json()["code"]
        if why == "dates_taken":
            nights = (end - first).days
            free = world.is_free(life.home, first, nights, life.guest, life)
            world.expect(not free, f"{said}: {answer.text}, but it is free")
            offers_free(world, life.home, answer.json(), nights, life.guest, life)
        closed = life.home.status != "published"
        world.expect((why == "home_closed") <= closed, f"{said}: {answer.text}, {life.home.status}")
        world.expect(answer.status_code in (409, 422), f"{said}: {answer.text}")
        return f"{said}: {why}"
    world.expect(life.home.status == "published", f"{said}: it is {life.home.status}, and can be changed")
    asked = answer.json()["change"]
    lines = sum(line["amount"]["amount"] for line in asked["lines"])
    world.expect(asked["total"]["amount"] == lines, f"{said}: {asked}")
    world.expect(asked["difference"]["amount"] == lines - life.total, f"{said}: {asked}, before {life.total}")
    _check_asked(world, life, asked, party, said)
    life.asked = party
    await world.settle()
    await world.look_at_all()  # an unpaid hold of the guest's own may have made room
    life.price = None
    said = f"{said}: {asked['difference']['amount']}, {asked['status']}"
    if asked["status"] == "awaiting_payment" and world.chance.random() < 0.6:
        return f"{said}; {await pay(world, life)}"
    return said


def _check_asked(world: World, life: Life, asked: dict[str, Any], party: Party, said: str) -> None:
    """What a changed stay is to cost is what a new one would, with the coupon of the booking as it was then;
    that is left out where its minimum is not reached."""
    first, end = (date.fromisoformat(asked[name]) for name in ("check_in", "check_out"))
    coupon = life.coupon if life.view.get("coupon") else None
    home = replace(life.home, policy=life.view["cancellation_policy"])  # that of the booking stays
    prices = [home.price(world.now, first, (end - first).days, party, one) for one in (coupon, None)]
    told = [(line["kind"], line["amount"]["amount"]) for line in asked["lines"]]
    wanted = [price.told() for price in prices if price]
    world.expect(told in wanted, f"{said}: {told}, reckoned {wanted}")
    check_change_shown(world, life, asked)


async def withdraw(world: World) -> str | None:
    asked = [life for life in world.lives if life.change]
    if not asked:
        return None
    life = world.chance.choice(asked)
    answer = await world.write(life.guest, f"{life.path}/change/withdraw")
    said = f"{life.guest} withdraws the change of {name_of(world, life)}: {answer.status_code}"
    world.expect(answer.status_code in (200, 409), f"{said}: {answer.text}")
    await world.settle()
    await world.look(life)
    if answer.status_code == 200:
        world.expect(answer.json()["change"]["status"] == "withdrawn", f"{said}: {answer.text}")
        world.expect(not life.change, f"{said}: {life.view['change']}")
    return said


async def cancel(world: World) -> str | None:
    life = one_of(world, *LIVE) if world.chance.random() < 0.9 else one_of(world, "completed", "expired")
    if life is None:
        return None
    role = world.chance.choice(("guest", "guest", "guest", "host", "staff"))
    who = {"guest": life.guest, "host": life.home.host, "staff": "staff"}[role]
    fault = world.chance.choice((None, "guest", "platform", "host")) if role == "staff" else None
    said = f"{who} cancels {name_of(world, life)} ({life.status})"
    await world.look(life)
    before, was = await back_promised(world, life), life.view
    answer = await world.read(who, f"{life.path}/cancellation", **({"fault": fault} if fault else {}))
    if answer.status_code != 200:
        world.expect(life.status not in LIVE and answer.status_code == 409, f"{said}: {answer.text}")
        return f"{said}: {answer.json()['code']}"
    shown = answer.json()
    body = {"reason": "Plans have changed."} | ({"fault": fault} if fault else {})
    gone = ok(await world.write(who, f"{life.path}/cancel", body, twice=True))
    world.expect(gone["cancellation"] == shown, f"{said}: {gone['cancellation']}, shown was {shown}")
    follows_policy(world, life, was, shown)
    await world.settle()
    await world.look(life)
    kept = ok(await world.read(who, f"{life.path}/cancellation"))
    world.expect(kept == shown, f"{said}: afterwards {kept}, shown was {shown}")
    back = await back_promised(world, life) - before
    if not world.foul and not life.bank and not life.unheard:
        wanted = shown["refund"]["amount"]
        world.expect(back == wanted, f"{said}: {back} goes back, shown was {wanted}")
    return f"{said}: {shown['rule']}, {shown['refund']['amount']} of {life.total} back"


async def claim(world: World) -> str | None:
    """The host claims on a deposit; the guest answers; staff decide."""
    held = [life for life in world.lives if life.view.get("deposit") and life.was_paid]
    if not held:
        return None
    life = world.chance.choice(held)
    path = f"/api/payments/deposits/{life.id}"
    answer = await world.read(life.home.host, path)
    if answer.status_code != 200:
        return None
    deposit, made = answer.json(), answer.json().get("claim")
    if made is None:
        amount = life.home.money(world.chance.randrange(1, deposit["amount"]["amount"] + 1))
        body = {"amount": amount, "text": "The lamp is broken."}
        answer = await world.write(life.home.host, f"{path}/claims", body, twice=True)
        return f"{life.home.host} claims on {name_of(world, life)}: {answer.status_code}"
    if world.chance.random() < 0.4:
        return await _picture(world, life, f"{path}/claims/{made['id']}", made)
    if made["status"] == "open":
        body = {"accept": world.chance.random() < 0.4}
        answer = await world.write(life.guest, f"{path}/claims/{made['id']}/answer", body)
    elif made["status"] == "with_staff":
        granted = world.chance.choice((0, made["amount"]["amount"], made["amount"]["amount"] // 2))
        body = {"amount": life.home.money(granted)}
        answer = await world.write("staff", f"{path}/claims/{made['id']}/decide", body)
    else:
        return None
    world.expect(answer.status_code == 200, answer.text)
    await world.settle()
    return f"the claim on {name_of(world, life)} was {made['status']}: {answer.json()['status']}"


async def _picture(world: World, life: Life, path: str, made: dict[str, Any]) -> str:
    """Of what was damaged, until it is decided; guest, host and staff see it, and nobody else."""
    files, headers = [("pictures", ("1.png", PICTURE, "image/png"))], {"Idempotency-Key": world.draw()}
    host = world.people[life.home.host]
    answers = [await host._send("POST", f"{path}/pictures", files=files, headers=headers) for _ in range(2)]
    answer, again = answers
    said = f"{life.home.host} adds a picture to the claim on {name_of(world, life)}: {answer.status_code}"
    world.expect(
        (answer.status_code, answer.json()) == (again.status_code, again.json()) or answer.status_code != 201,
        f"{said}: {answer.text}, asked again {again.text}",
    )
    if answer.status_code != 201:
        full = len(made["pictures"]) >= 10
        world.expect(full or made["status"] not in ("open", "with_staff"), f"{said}: {answer.text}, {made}")
        return said
    pictures = answer.json()["pictures"]
    world.expect(len(pictures) == len(made["pictures"]) + 1, f"{said}: {pictures}, before {made}")
    other = next(guest for guest in GUESTS if guest != life.guest)
    for who, status in ((life.guest, 200), ("staff", 200), (life.home.host, 200), (other, 404)):
        seen = await world.read(who, pictures[-1]["url"])
        world.expect(seen.status_code == status, f"{said}: {who} sees it {seen.status_code}")
    return said

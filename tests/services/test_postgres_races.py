"""Four processes' worth of connections on one PostgreSQL database: what auth, booking and payment decide
there by reading and then writing, many at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import text

from engines import url_of
from harness import PASSWORD, TestHouse
from hometrip.adapters.blobs.files import FileBlobs
from hometrip.adapters.cache.memory import MemoryCache
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.database.postgres import PostgresDatabase
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.adapters.postgres import drop_database
from hometrip.adapters.secrets.files import FileSecrets
from hometrip.adapters.workshop.processes import ProcessWorkshop
from hometrip.app.migrations import scripts_of
from hometrip.app.rooms import service_of
from hometrip.kernel.access import Caller
from hometrip.kernel.again import again
from hometrip.kernel.clock import DAY, HOUR
from hometrip.kernel.errors import HomeTripError
from hometrip.kernel.ids import ids
from hometrip.kernel.once import NO_KEY
from hometrip.kernel.split import Split
from hometrip.kernel.stay import Stay
from hometrip.ports.outbox import Contended
from hometrip.services.auth import actions as auth
from hometrip.services.auth.contract import AuthQuestions
from hometrip.services.booking import actions, reactions, store
from hometrip.services.booking.actions import Deps
from hometrip.services.booking.contract import DisputeResolved
from hometrip.services.booking.rules import BookingView, NewCoupon
from hometrip.services.payment import actions as payments
from hometrip.services.payment import rules as payment_rules
from hometrip.services.payment import store as payment_store
from hometrip.services.payment.actions import Deps as PaymentDeps
from services.booking_scene import Scene, scene_in, somebody
from services.payment_scene import CHECK_IN_AT, GUEST, START, SUPPORT, TOTAL, Desk, People, Till, eur


class Four:
    """The database of one service, opened four times."""

    def __init__(self, service: str, clock: MovableClock) -> None:
        self.url = f"{url_of('postgres').rpartition('/')[0]}/test_{uuid4().hex}"
        self.databases = [
            PostgresDatabase(
                self.url,
                service=service,
                clock=clock,
                new_id=ids(clock),
                metadata=service_of(service).storage,
                scripts=scripts_of(service),
                pool=5,
            )
            for _ in range(4)
        ]

    async def __aenter__(self) -> list[PostgresDatabase]:
        await self.databases[0].migrate()
        for database in self.databases:
            await database.open()
        return self.databases

    async def __aexit__(self, *_: object) -> None:
        for database in self.databases:
            await database.close()
        await drop_database(self.url)


async def at_once(*works: Awaitable[Any]) -> list[Any]:
    """What came of each: the answer, or the error of the house that it raised; any other is a failure."""
    found = await asyncio.gather(*works, return_exceptions=True)
    for outcome in found:
        if isinstance(outcome, BaseException) and not isinstance(outcome, HomeTripError):
            raise outcome
    return found


def kinds(outcomes: list[Any]) -> Counter[str]:
    return Counter(type(found).__name__ for found in outcomes)


# -- booking


class Spread(Scene):
    """A scene whose bookings are kept in PostgreSQL, by four processes in turn: each has its own connections,
    and its own crowd."""

    def __init__(self, scene: Scene, databases: Sequence[PostgresDatabase]) -> None:
        super().__init__(scene.house, scene.host, scene.home_id)
        self.turns = cycle([replace(scene.deps, db=database) for database in databases])

    @property
    def deps(self) -> Deps:
        return next(self.turns)


@pytest.fixture
async def scene(house: TestHouse) -> AsyncIterator[Spread]:
    found = await scene_in(house)
    async with Four("booking", house.clock) as databases:
        yield Spread(found, databases)


async def test_of_many_guests_for_one_night_one_gets_it(scene: Spread) -> None:
    guests = [somebody() for _ in range(40)]
    wishes = [await scene.wish(guest, nights=1) for guest in guests]
    outcomes = await at_once(
        *(actions.book(scene.deps, who, wish, NO_KEY) for who, wish in zip(guests, wishes, strict=True))
    )
    assert kinds(outcomes) == {"BookingView": 1, "DatesTaken": 39}
    assert await actions.verify(scene.deps) == []


async def test_of_ranges_that_overlap_none_share_a_night(scene: Spread) -> None:
    guests = [somebody() for _ in range(40)]
    wishes = [await scene.wish(who, 30 + at % 11, 1 + at % 5) for at, who in enumerate(guests)]
    outcomes = await at_once(
        *(actions.book(scene.deps, who, wish, NO_KEY) for who, wish in zip(guests, wishes, strict=True))
    )
    assert set(kinds(outcomes)) == {"BookingView", "DatesTaken"}
    stays = sorted(Stay(won.check_in, won.check_out) for won in outcomes if isinstance(won, BookingView))
    assert not any(one.overlaps(other) for one, other in pairwise(stays))
    assert await actions.verify(scene.deps) == []


async def test_a_coupon_is_spent_no_more_often_than_it_may_be(scene: Spread) -> None:
    admin = Caller(account_id=uuid4(), roles=frozenset({"admin"}))
    coupon = NewCoupon(code="THREE", percent_bp=1_000, total_limit=3)
    for deps in (scene.deps, Scene.deps.fget(scene)):  # type: ignore[attr-defined]
        await actions.coupons.add_coupon(deps, admin, coupon)
    guests = [somebody() for _ in range(12)]
    wishes = [await scene.wish(who, 30 + 2 * at, nights=2, coupon="THREE") for at, who in enumerate(guests)]
    outcomes = await at_once(
        *(actions.book(scene.deps, who, wish, NO_KEY) for who, wish in zip(guests, wishes, strict=True))
    )
    assert kinds(outcomes) == {"BookingView": 3, "CouponRefused": 9}


async def test_of_late_payments_one_has_the_use_that_expired_holds_gave_back(scene: Spread) -> None:
    admin = Caller(account_id=uuid4(), roles=frozenset({"admin"}))
    held = []
    once = NewCoupon(code="ONCE", percent_bp=1_000, total_limit=1)
    for deps in (scene.deps, Scene.deps.fget(scene)):  # type: ignore[attr-defined]
        await actions.coupons.add_coupon(deps, admin, once)
    for number in range(6):
        booking = await scene.book(somebody(), ahead=20 + 4 * number, coupon="ONCE")
        scene.house.clock.move_to(scene.house.clock.now() + HOUR)
        ended = actions.HoldEnded(event_id=uuid4(), booking_id=booking.id)
        await reactions.end_hold_when_due(scene.deps, ended)
        held.append(booking)
    await at_once(*(reactions.confirm_when_paid(scene.deps, scene.succeeded(one)) for one in held))
    found = Counter([(await scene.look(one.id)).status for one in held])
    assert found == {"confirmed": 1, "expired": 5}
    assert await actions.verify(scene.deps) == []


async def test_a_guest_has_one_hold_of_a_home_however_many_are_asked_for_at_once(scene: Spread) -> None:
    guest = somebody()
    wishes = [await scene.wish(guest, 30 + 3 * number, nights=2) for number in range(8)]
    outcomes = await at_once(*(actions.book(scene.deps, guest, wish, NO_KEY) for wish in wishes))
    made = [await scene.look(view.id) for view in outcomes if isinstance(view, BookingView)]
    assert Counter(view.status for view in made) == {"pending": 1, "expired": len(made) - 1}
    assert await actions.verify(scene.deps) == []


async def test_of_requests_for_the_same_nights_one_is_accepted_and_no_other_waits(house: TestHouse) -> None:
    """They are accepted at once, while more are asked for beside them."""
    found = await scene_in(house, instant_book=False)
    host = Caller(account_id=found.host.id)
    async with Four("booking", house.clock) as databases:
        scene = Spread(found, databases)
        guests = [somebody() for _ in range(24)]
        wishes = [await scene.wish(guest, 30 + n % 3, beside_requests=True) for n, guest in enumerate(guests)]
        asking = [
            actions.book(scene.deps, guest, wish, NO_KEY) for guest, wish in zip(guests, wishes, strict=True)
        ]
        asked = await at_once(*asking[:12])
        assert kinds(asked) == {"BookingView": 12}
        accepting = [actions.accept(scene.deps, host, request.id) for request in asked]
        outcomes = await at_once(*accepting, *asking[12:])
        assert kinds(outcomes[:12])["BookingView"] == 1, kinds(outcomes)
        assert kinds(outcomes) - Counter(["BookingView"] * 13) <= Counter(
            {"WrongState": 11, "DatesTaken": 12, "Contended": 11}
        )
        made = [each.id for each in [*asked, *outcomes[12:]] if isinstance(each, BookingView)]
        ends = Counter([(await scene.stored(booking_id)).status for booking_id in made])
        assert ends == {"pending": 1, "declined": len(made) - 1}
        assert await actions.verify(scene.deps) == []


async def test_who_books_anew_while_the_hold_of_before_is_being_paid_is_not_refused(scene: Spread) -> None:
    guest, payments_side = somebody(), scene.deps
    held, wish = await scene.book(guest), await scene.wish(guest, 60)
    async with payments_side.db.transaction() as tx:
        booking = await store.bookings.get(tx, held.id)
        await actions.hear_of_payment(payments_side, tx, booking, scene.succeeded(held))
        anew = asyncio.ensure_future(again(lambda: actions.book(scene.deps, guest, wish, NO_KEY), Contended))
        await somebody_waits(scene)
    assert (await anew).status == "pending"
    assert (await scene.look(held.id)).status == "confirmed"
    assert await actions.verify(scene.deps) == []


async def test_a_calendar_that_comes_while_its_nights_are_being_booked_leaves_them_to_the_booking(
    scene: Spread,
) -> None:
    booker, source, booking_id = scene.deps, uuid4(), uuid4()
    stay = Stay(date(2027, 6, 1), date(2027, 6, 3))
    async with booker.db.transaction() as tx:
        await store.nights.take_nights(tx, scene.home_id, booking_id, "booking", stay.each_night())
        assert await store.nights.of_owner(tx, booking_id) == set(stay.each_night())

        async def replace_blocks() -> list[Stay]:
            return await actions.questions.replace_blocks(scene.deps, scene.home_id, source, [stay])

        replaced = asyncio.ensure_future(again(replace_blocks, Contended))
        await somebody_waits(scene)
    assert await replaced == [stay]


async def somebody_waits(scene: Spread) -> None:
    """For a lock in the database of the scene."""
    waits = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(10), scene.deps.db.look() as db:
        while not await db.value(text(waits)):
            pass


async def test_a_booking_is_cancelled_once_and_the_others_see_that_it_was(scene: Spread) -> None:
    guest = somebody()
    booking = await scene.paid(guest)
    outcomes = await at_once(
        *(actions.cancel(scene.deps, guest, booking.id, "", NO_KEY) for _ in range(8)),
        *(reactions.confirm_when_paid(scene.deps, scene.succeeded(booking)) for _ in range(4)),
    )
    assert sum(isinstance(found, BookingView) for found in outcomes) == 1
    assert not any(type(found).__name__ in ("Unavailable", "Contended") for found in outcomes)
    assert (await scene.told(booking.id)).count("booking.cancelled") == 1


async def test_the_fee_goes_back_no_more_often_than_it_may_when_all_is_cancelled_at_once(
    scene: Spread,
) -> None:
    guest = somebody()
    made = [await scene.paid(guest, 40 + 3 * number, nights=2) for number in range(6)]
    await at_once(*(actions.cancel(scene.deps, guest, booking.id, "", NO_KEY) for booking in made))
    after = [await scene.stored(booking.id) for booking in made]
    returned = [kept for booking in after if (kept := booking.kept) and not kept.platform]
    assert [booking.status for booking in after] == ["cancelled"] * 6
    assert len(returned) == 3


# -- payment


@pytest.fixture
async def tills(tmp_path: Path) -> AsyncIterator[list[Till]]:
    clock, desk = MovableClock(SystemClock(), frozen_at=START), Desk()
    provider = SandboxPayments(tmp_path / "provider.db", clock, ids(clock), b"s" * 32)
    async with Four("payment", clock) as databases:
        yield [
            Till(
                PaymentDeps(
                    db=db,
                    payments=provider,
                    blobs=FileBlobs(tmp_path / "files"),
                    workshop=ProcessWorkshop(),
                    booking=desk,
                    auth=cast(AuthQuestions, People()),
                    clock=clock,
                    new_id=ids(clock),
                ),
                clock,
                desk,
                provider,
            )
            for db in databases
        ]
    await provider.close()


async def invoices(till: Till) -> list[int]:
    async with till.deps.db.read() as db:
        return [one.sequence for one in await payment_store.every_invoice(db)]


async def test_what_the_provider_says_has_effect_once_however_often_it_is_heard_at_once(
    tills: list[Till],
) -> None:
    intent = await tills[0].open()
    row = await tills[0].row(intent.id)
    taken = await tills[0].provider.confirm_intent(row.provider_id, method="pm_card_visa", card=None, key="k")
    await at_once(*(payments.settle(till.deps, intent.id, taken) for till in tills * 3))
    await tills[0].settle()
    assert tills[0].names().count("payment.succeeded") == 1
    assert await invoices(tills[0]) == [1]
    assert await payments.verify(tills[0].deps) == []


async def test_papers_are_numbered_without_a_gap(tills: list[Till]) -> None:
    opened = [await tills[0].open() for _ in range(16)]
    outcomes = await at_once(
        *(
            payments.confirm(till.deps, GUEST, intent.id, method="pm_card_visa")
            for till, intent in zip(tills * 4, opened, strict=True)
        )
    )
    assert kinds(outcomes) == {"Intent": 16}
    assert await invoices(tills[0]) == list(range(1, 17))
    assert await payments.verify(tills[0].deps) == []


async def test_no_more_goes_back_than_came_and_hosts_are_paid_what_is_left(tills: list[Till]) -> None:
    """Staff refund a stay in eight parts at once, of which six are covered, while its pay-out is decided."""
    till = tills[0]
    intent = await till.pay()
    await till.confirmed(intent.booking_id)
    async with till.deps.db.read() as db:
        [due] = await payment_store.payouts_of(db, intent.booking_id)
    till.clock.move_to(due.due_at)
    outcomes = await at_once(
        *(payments.refund(one.deps, SUPPORT, intent.id, eur(11_000), "goodwill") for one in tills * 2),
        *(payments.pay_out(one.deps, due.id) for one in tills),
    )
    assert kinds(outcomes) == {"RefundRecord": 6, "RefundTooLarge": 2, "NoneType": 4}
    assert (await till.row(intent.id)).promised_back == eur(66_000)
    assert till.names().count("payout.initiated") <= 1
    await till.settle()
    assert await payments.verify(till.deps) == []


async def test_a_debt_that_is_forgiven_while_it_is_taken_from_a_payout_is_paid_out_after_all(
    tills: list[Till],
) -> None:
    """Of two stays of a host one was paid out and then refunded; staff decide that the host may keep it, and
    have not committed when the pay-out of the other is decided."""
    till, other, host = tills[0], tills[1], Split(payout=eur(53_350), platform=eur(8_250), taxes={})
    refunded = await till.pay()
    await till.pay()  # of another stay, so that the provider holds enough for all that goes out
    await till.confirmed(refunded.booking_id)
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    facts = till.facts(refunded.booking_id)
    about: dict[str, Any] = {"booking_id": refunded.booking_id, "booking": facts}
    nothing = payment_rules.nothing_kept("EUR")
    await till.hear(DisputeResolved(**about, dispute_id=uuid4(), refund=TOTAL, kept=nothing))
    later = await till.pay(check_in_at=CHECK_IN_AT + 30 * DAY, hold_until=None)
    await till.confirmed(later.booking_id)
    async with till.deps.db.read() as db:
        [due] = await payment_store.payouts_of(db, later.booking_id)
    till.clock.move_to(due.due_at)
    async with other.deps.db.transaction() as tx:
        forgiven = DisputeResolved(**about, dispute_id=uuid4(), refund=eur(0), kept=host)
        await payments.resolved(other.deps, tx, forgiven)
        decided = asyncio.ensure_future(payments.pay_out(till.deps, due.id))
        await asyncio.wait([decided], timeout=0.5)
    await decided
    await till.advance(DAY)
    out = [event.amount for event in till.told if event.name == "host.payout.completed"]
    assert out == [eur(53_350), eur(53_350)]
    assert await payments.verify(till.deps) == []


# -- auth


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[list[auth.Deps]]:
    clock = MovableClock(SystemClock(), frozen_at=START)
    cache, secrets = MemoryCache(clock), FileSecrets(tmp_path, "auth")
    async with Four("auth", clock) as databases:
        made = [
            auth.Deps(
                db=db,
                cache=cache,
                clock=clock,
                new_id=ids(clock),
                secrets=secrets,
                settings=auth.AuthSettings(),
            )
            for db in databases
        ]
        await auth.ensure_key(made[0])
        await auth.create_account(
            made[0],
            email="ann@example.com",
            password=PASSWORD,
            name="Ann",
            locale="en",
            roles=[],
            verified=True,
        )
        yield made


LAPTOP = Caller(address="192.0.2.7", user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")


async def test_somebody_signs_in_many_times_at_once_on_a_device(doors: list[auth.Deps]) -> None:
    outcomes = await at_once(*(auth.login(door, LAPTOP, "ann@example.com", PASSWORD) for door in doors * 2))
    assert kinds(outcomes) == {"Tokens": 8}


async def test_all_who_use_one_refresh_token_at_once_get_the_same_next_one(doors: list[auth.Deps]) -> None:
    tokens = await auth.login(doors[0], LAPTOP, "ann@example.com", PASSWORD)
    outcomes = await at_once(*(auth.refresh(door, LAPTOP, tokens.refresh_token) for door in doors * 2))
    assert len({found.refresh_token for found in outcomes}) == 1
    doors[0].clock.move_to(START + timedelta(minutes=1))  # type: ignore[attr-defined]
    stolen = await at_once(*(auth.refresh(door, LAPTOP, tokens.refresh_token) for door in doors))
    assert kinds(stolen) == {"BadToken": 4}


async def test_no_session_of_the_old_password_outlives_its_change(doors: list[auth.Deps]) -> None:
    """Whoever knew the old one signs in again and again while it is changed."""
    newer = "an even better battery"
    mine = await auth.login(doors[0], LAPTOP, "ann@example.com", PASSWORD)
    ann = await auth.account_id(doors[0], "ann@example.com")
    session = (await living(doors[0], ann))[0]
    caller = replace_caller(ann, session)
    outcomes = await at_once(
        auth.change_password(doors[1], caller, PASSWORD, newer),
        *(auth.login(door, LAPTOP, "ann@example.com", PASSWORD) for door in doors * 3),
    )
    assert outcomes[0] is None
    assert set(kinds(outcomes[1:])) <= {"Tokens", "BadCredentials"}
    assert await living(doors[0], ann) == [session]
    assert mine is not None


async def living(door: auth.Deps, account_id: Any) -> list[Any]:
    from hometrip.services.auth.store import sessions

    async with door.db.read() as reader:
        return [one.id for one in await sessions.living(reader, account_id, door.now())]


def replace_caller(account_id: Any, session_id: Any) -> Caller:
    return Caller(
        account_id=account_id,
        session_id=session_id,
        address=LAPTOP.address,
        user_agent=LAPTOP.user_agent,
    )

"""Mails: each once, to the address and in the language of now, and again until the courier has taken it."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from harness import TestHouse, house_in
from hometrip.kernel.clock import DAY, utc
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.kernel.stay import Stay
from hometrip.ports.courier import Message
from hometrip.services.auth import contract as auth
from hometrip.services.booking import contract as booking
from hometrip.services.listing import contract as listing
from hometrip.services.listing.contract import QuoteLine
from hometrip.services.notification import reactions
from hometrip.services.payment import contract as payment
from journeys.steps import book, ok, open_home, pay, stay

JUNE = Stay(utc(2027, 6, 16).date(), utc(2027, 6, 19).date())
EUR = "EUR"


def booked(guest: UUID, host: UUID, title: str = "Cabin above the lake") -> booking.BookingFacts:
    lines = [
        QuoteLine(
            kind="nights", label="3 nights", amount=Money(36000, EUR), quantity=3, unit=Money(12000, EUR)
        ),
        QuoteLine(kind="cleaning", label="Cleaning", amount=Money(4000, EUR)),
    ]
    return booking.BookingFacts(
        booking_id=uuid4(),
        listing_id=uuid4(),
        guest_id=guest,
        host_id=host,
        title=title,
        check_in=JUNE.check_in,
        check_out=JUNE.check_out,
        check_in_at=utc(2027, 6, 16, 13),
        check_out_at=utc(2027, 6, 19, 9),
        nights=3,
        guests=2,
        status="confirmed",
        total=Money(40000, EUR),
        split=Split(payout=Money(38000, EUR), platform=Money(2000, EUR), taxes={}),
        lines=lines,
        cancellation_policy="flexible",
    )


class Town:
    """A house with a guest and a host in it, whose verification mails have been read."""

    def __init__(self, house: TestHouse, guest: Any, host: Any) -> None:
        self.house, self.guest, self.host = house, guest, host
        self.deps = house.deps("notification")
        self.staff: Any = None

    async def hear(self, reaction: Any, event: Any, *, times: int = 2) -> Any:
        """The event is heard, as often as the bus likes."""
        msgspec.structs.force_setattr(event, "event_id", uuid4())
        for _ in range(times):
            await reaction(self.deps, event)
        await self.house.settle()
        return event

    async def mails(self, to: Any) -> list[dict[str, Any]]:
        """Since the sign-up, newest first."""
        return [mail for mail in await self.house.mails(to.email) if mail["kind"] != "verify_email"]

    async def kinds(self, to: Any) -> list[str]:
        return sorted(mail["kind"] for mail in await self.mails(to))

    def booked(self, **changes: Any) -> booking.BookingFacts:
        return booked(self.guest.id, self.host.id, **changes)

    async def deliveries(self, **filters: Any) -> list[dict[str, Any]]:
        self.staff = self.staff or await self.house.staff("support")
        answer = await self.staff.get("/api/notifications/deliveries", params={"limit": 100, **filters})
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


@pytest.fixture
async def town(house: TestHouse) -> Town:
    guest = await house.sign_up("ann@example.com", "Ann Archer")
    host = await house.sign_up("henri@example.com", "Henri Hôte", locale="fr")
    return Town(house, guest, host)


def confirmed(facts: booking.BookingFacts) -> booking.BookingConfirmed:
    return booking.BookingConfirmed(booking_id=facts.booking_id, booking=facts)


# each event, once, to whom it concerns


async def test_a_verification_mail_comes_once_though_every_event_comes_twice(tmp_path: Path) -> None:
    async with house_in(tmp_path, loopback=True) as house:
        await house.sign_up("ann@example.com", "Ann Archer")
        assert [mail["kind"] for mail in await house.mails("ANN@example.com")] == ["verify_email"]


async def test_the_verification_link_leads_to_the_public_address(tmp_path: Path) -> None:
    async with house_in(tmp_path, public_url="https://stay.example/") as house:
        await house.sign_up("ann@example.com", "Ann Archer")
        (mail,) = await house.mails("ann@example.com")
        assert re.fullmatch(r"https://stay\.example/verify-email\?token=[\w.~-]+", mail["links"][0])


async def test_a_seeded_account_is_not_asked_to_verify(house: TestHouse) -> None:
    await house.staff()
    await house.settle()
    assert await house.mails("staff@example.com") == []


async def test_the_owner_of_a_known_address_is_told_and_nothing_else(town: Town) -> None:
    body = {"email": "ann@example.com", "password": "another long pass", "name": "Eve", "locale": "en"}
    assert (await town.house.client.post("/api/auth/signup", json=body)).status_code == 202
    await town.house.settle()
    (mail,) = await town.mails(town.guest)
    assert mail["kind"] == "signup_repeated"
    assert "Eve" not in mail["text"]


async def test_a_password_is_reset_through_the_mail(town: Town) -> None:
    await town.house.client.post("/api/auth/forgot-password", json={"email": "ann@example.com"})
    await town.house.settle()
    (mail,) = await town.mails(town.guest)
    assert mail["links"][0].startswith("http://127.0.0.1:3001/reset-password?token=")
    body = {"token": town.house.link_token(mail), "password": "a wholly new secret"}
    answer = await town.house.client.post("/api/auth/reset-password", json=body)
    assert answer.status_code < 300, answer.text
    await town.house.settle()
    assert "password_changed" in await town.kinds(town.guest)


async def test_guest_and_host_hear_of_a_confirmed_booking_in_their_own_languages(town: Town) -> None:
    await town.hear(reactions.tell_both_when_confirmed, confirmed(town.booked()))
    (to_guest,), (to_host,) = await town.mails(town.guest), await town.mails(town.host)
    assert to_guest["subject"].startswith("Your stay is confirmed: Cabin above the lake")
    assert to_host["subject"].startswith("Nouvelle réservation")
    assert "380,00\N{NO-BREAK SPACE}€" in to_host["text"]
    assert "Ann vient séjourner chez vous" in to_host["text"]
    assert to_guest["kind"] == "booking_confirmed"


async def test_nothing_is_mailed_about_a_booking_that_awaits_its_payment(town: Town) -> None:
    facts = town.booked()
    event = booking.BookingCreated(booking_id=facts.booking_id, booking=facts)
    await town.hear(reactions.remember_visit_when_created, event)
    assert await town.mails(town.guest) == []
    assert await town.mails(town.host) == []


async def test_each_turn_of_a_booking_is_told_once_to_whom_it_concerns(town: Town) -> None:
    facts, told = town.booked(), {}
    about = {"booking_id": facts.booking_id, "booking": facts}
    turns: list[tuple[Any, Any]] = [
        (reactions.tell_both_when_requested, booking.BookingRequested(**about)),
        (reactions.tell_guest_when_declined, booking.BookingDeclined(**about, why="We repaint")),
        (reactions.tell_guest_when_expired, booking.BookingExpired(**about, why=booking.NOT_PAID)),
        (
            reactions.tell_both_when_cancelled,
            booking.BookingCancelled(
                **about,
                by="guest",
                why="",
                refund=Money(20000, EUR),
                kept=Split(payout=Money(19000, EUR), platform=Money(1000, EUR), taxes={}),
            ),
        ),
    ]
    for reaction, event in turns:
        await town.hear(reaction, event)
    told = {"guest": await town.kinds(town.guest), "host": await town.kinds(town.host)}
    assert told == {
        "guest": ["booking_cancelled", "booking_declined", "booking_expired", "booking_request_sent"],
        "host": ["booking_cancelled_host", "booking_request_received"],
    }
    texts = {mail["kind"]: mail["text"] for mail in await town.mails(town.guest)}
    assert "€200.00 goes back" in texts["booking_cancelled"]
    assert "We repaint" in texts["booking_declined"]
    (kept,) = [m["text"] for m in await town.mails(town.host) if m["kind"] == "booking_cancelled_host"]
    assert "Vous conservez\N{NO-BREAK SPACE}: 190,00\N{NO-BREAK SPACE}€" in kept


async def test_money_is_told_with_the_lines_of_its_booking(town: Town) -> None:
    facts = town.booked()
    about = {"payment_id": uuid4(), "booking_id": facts.booking_id, "guest_id": town.guest.id}
    created = booking.BookingCreated(booking_id=facts.booking_id, booking=facts)
    await town.hear(reactions.remember_visit_when_created, created)
    paid = payment.PaymentSucceeded(**about, amount=facts.total)
    failed = payment.PaymentFailed(**about, amount=facts.total, why="insufficient_funds")
    refunded = payment.PaymentRefunded(**about, amount=Money(20000, EUR), all=False)
    out = payment.PayoutCompleted(
        payout_id=uuid4(), booking_id=facts.booking_id, host_id=town.host.id, amount=Money(38000, EUR)
    )
    await town.hear(reactions.send_receipt_when_paid, paid)
    await town.hear(reactions.tell_guest_when_payment_failed, failed)
    await town.hear(reactions.tell_guest_when_refunded, refunded)
    await town.hear(reactions.tell_host_when_paid_out, out)
    assert await town.kinds(town.guest) == ["payment_failed", "payment_refunded", "payment_succeeded"]
    assert await town.kinds(town.host) == ["payout_sent"]
    texts = {mail["kind"]: mail["text"] for mail in await town.mails(town.guest)}
    for line in ("3 nights × €120.00: €360.00", "Cleaning: €40.00", "Total: €400.00"):
        assert line in texts["payment_succeeded"].splitlines()
    assert "not enough money" in texts["payment_failed"]


async def test_the_receipt_of_a_part_tells_no_price_that_is_more(town: Town) -> None:
    """Half of 400.00 is paid, then 120.00 for a fourth night."""
    facts = town.booked()
    about = {"booking_id": facts.booking_id, "guest_id": town.guest.id}
    created = booking.BookingCreated(booking_id=facts.booking_id, booking=facts)
    await town.hear(reactions.remember_visit_when_created, created)
    for amount in (20_000, 12_000):
        part = payment.PaymentSucceeded(payment_id=uuid4(), amount=Money(amount, EUR), **about)
        await town.hear(reactions.send_receipt_when_paid, part)
    second, first = [mail["text"] for mail in await town.mails(town.guest)]
    assert "We have received €200.00" in first
    assert "We have received €120.00" in second
    assert "€400.00" not in first + second


async def test_money_is_told_with_the_stay_as_it_was_changed(town: Town) -> None:
    facts = town.booked()
    longer = msgspec.structs.replace(facts, nights=4, check_out=facts.check_out + DAY)
    created = booking.BookingCreated(booking_id=facts.booking_id, booking=facts)
    await town.hear(reactions.remember_visit_when_created, created)
    before = {"before_total": facts.total, "before": facts.split}
    changed = booking.BookingChanged(booking_id=facts.booking_id, booking=longer, change_id=uuid4(), **before)
    await town.hear(reactions.tell_both_when_changed, changed)
    out = payment.PaymentRefunded(
        payment_id=uuid4(),
        booking_id=facts.booking_id,
        guest_id=town.guest.id,
        amount=Money(100, EUR),
        all=False,
    )
    await town.hear(reactions.tell_guest_when_refunded, out)
    mails = await town.mails(town.guest)
    assert [mail["kind"] for mail in mails] == ["payment_refunded", "booking_changed"]
    assert all("Stay: 4 nights" in mail["text"] for mail in mails)


async def test_what_a_change_costs_is_told_with_the_stay_as_it_is_to_be(town: Town) -> None:
    """Booking hears of the payment as well, and applies the change only then."""
    facts, change = town.booked(), uuid4()
    created = booking.BookingCreated(booking_id=facts.booking_id, booking=facts)
    await town.hear(reactions.remember_visit_when_created, created)
    difference = Money(12_000, EUR)
    pending = booking.BookingChangePending(
        booking_id=facts.booking_id,
        booking=facts,
        change_id=change,
        status="awaiting_payment",
        stay=Stay(facts.check_in, facts.check_out + DAY),
        total=facts.total + difference,
        difference=difference,
        until=facts.check_in_at,
    )
    about = {"booking_id": facts.booking_id, "guest_id": town.guest.id, "payment_id": uuid4()}
    failed = payment.PaymentFailed(**about, amount=difference, change_id=change, why="insufficient_funds")
    paid = payment.PaymentSucceeded(**about, amount=difference, change_id=change)
    await town.hear(reactions.tell_when_change_pending, pending)
    await town.hear(reactions.tell_guest_when_payment_failed, failed)
    await town.hear(reactions.send_receipt_when_paid, paid)
    mails = await town.mails(town.guest)
    assert [mail["kind"] for mail in mails] == ["payment_succeeded", "payment_failed"]
    assert all("Stay: 4 nights" in mail["text"] for mail in mails)
    # Until it is so, everything else is told of the stay as it is.
    back = payment.PaymentRefunded(**about, amount=Money(100, EUR), all=False)
    await town.hear(reactions.tell_guest_when_refunded, back)
    assert "Stay: 3 nights" in (await town.mails(town.guest))[0]["text"]


async def test_the_host_is_told_once_that_a_payment_is_disputed_and_how_it_ended(town: Town) -> None:
    facts = town.booked()
    created = booking.BookingCreated(booking_id=facts.booking_id, booking=facts)
    await town.hear(reactions.remember_visit_when_created, created)
    for status in ("open", "lost", "won"):
        event = payment.PaymentDisputed(
            payment_id=uuid4(),
            booking_id=facts.booking_id,
            guest_id=town.guest.id,
            amount=facts.total,
            dispute_id=uuid4(),
            status=status,
            why="fraudulent",
        )
        await town.hear(reactions.tell_host_when_disputed, event)
    assert await town.kinds(town.guest) == []
    assert await town.kinds(town.host) == ["dispute_lost", "dispute_opened", "dispute_won"]
    (opened,) = [mail for mail in await town.mails(town.host) if mail["kind"] == "dispute_opened"]
    assert opened["subject"] == "Paiement contesté : Cabin above the lake"
    assert "La banque du voyageur (Ann) réclame 400,00\N{NO-BREAK SPACE}€ payés pour" in opened["text"]


async def test_the_guest_is_told_once_of_a_claim_on_the_deposit_and_what_the_host_says(town: Town) -> None:
    facts = town.booked()
    created = booking.BookingCreated(booking_id=facts.booking_id, booking=facts)
    await town.hear(reactions.remember_visit_when_created, created)
    event = payment.DepositClaimed(
        payment_id=uuid4(),
        booking_id=facts.booking_id,
        guest_id=town.guest.id,
        amount=Money(7_500, EUR),
        claim_id=uuid4(),
        why="The lamp is broken.",
    )
    await town.hear(reactions.tell_guest_when_deposit_claimed, event)
    assert await town.kinds(town.host) == []
    (told,) = await town.mails(town.guest)
    assert (told["kind"], told["subject"]) == (
        "deposit_claimed", "Claim on your deposit: Cabin above the lake"
    )  # fmt: skip
    assert "claims €75.00 of the damage deposit. Please agree or refuse within 24 hours." in told["text"]
    assert told["text"].count("The lamp is broken.") == 1


async def test_a_host_is_told_whether_pay_outs_arrive(town: Town) -> None:
    for host, can_be_paid in ((town.host, False), (town.guest, True)):
        event = payment.HostAccountUpdated(host_id=host.id, can_be_paid=can_be_paid, missing=["dob"])
        await town.hear(reactions.tell_host_when_account_updated, event)
    (stopped,), (ready,) = await town.mails(town.host), await town.mails(town.guest)
    assert stopped["subject"] == "Votre compte de versement est à compléter"
    assert stopped["links"][0].endswith("/account/payouts")
    assert ready["subject"] == "You can be paid out"


async def test_a_host_is_told_once_what_is_wrong_with_another_sites_calendar(town: Town) -> None:
    told: dict[str, Any] = {
        "listing_id": uuid4(),
        "host_id": town.guest.id,
        "revision": 7,
        "feed_id": uuid4(),
        "feed_name": "Other site",
        "title": "Cabin above the lake",
    }
    await town.hear(
        reactions.tell_hosts_when_calendars_conflict, listing.CalendarConflict(stays=[JUNE], **told)
    )
    await town.hear(
        reactions.tell_hosts_when_calendar_fails, listing.CalendarImportFailed(why="fetch_status", **told)
    )
    failing, conflict = await town.mails(town.guest)
    assert conflict["subject"] == "Booked twice: Cabin above the lake"
    assert "Calendar: Other site" in conflict["text"]
    assert "Booked twice: Jun 16\N{THIN SPACE}–\N{THIN SPACE}19, 2027" in conflict["text"]
    assert conflict["links"][0].endswith(f"/listings/{told['listing_id']}/calendar")
    assert failing["subject"] == "Calendar not readable: Cabin above the lake"
    assert "There is no calendar at its address any more." in failing["text"]
    notices = ok(await town.guest.get("/api/notifications"))["items"]
    assert [(one["kind"], one["path"]) for one in notices[:2]] == [
        ("feed_failing", f"/listings/{told['listing_id']}/calendar"),
        ("calendar_conflict", f"/listings/{told['listing_id']}/calendar"),
    ]


async def test_a_payment_heard_of_before_its_booking_waits_for_it(town: Town) -> None:
    facts = town.booked()
    paid = payment.PaymentSucceeded(
        event_id=uuid4(),
        payment_id=uuid4(),
        booking_id=facts.booking_id,
        guest_id=town.guest.id,
        amount=facts.total,
    )
    with pytest.raises(Exception, match="booking") as refused:
        await reactions.send_receipt_when_paid(town.deps, paid)
    assert refused.value.code == "booking_not_heard_of"  # type: ignore[attr-defined]
    created = booking.BookingCreated(booking_id=facts.booking_id, booking=facts)
    await town.hear(reactions.remember_visit_when_created, created)
    await town.hear(reactions.send_receipt_when_paid, paid)
    assert await town.kinds(town.guest) == ["payment_succeeded"]


async def test_the_main_journey_mails_each_of_them_what_they_need(town: Town) -> None:
    home = await open_home(town.host, "Creek cabin")
    when = stay(town.house)
    quote = ok(await town.guest.post(f"/api/listings/{home['id']}/quote", when | {"guests": 2}))
    booking_id = ok(await book(town.guest, home["id"], when), 201)["id"]
    await pay(town.guest, booking_id)
    await town.house.settle()
    assert await town.kinds(town.guest) == ["booking_confirmed", "payment_succeeded"]
    assert await town.kinds(town.host) == ["booking_confirmed_host"]
    mails = {mail["kind"]: mail for mail in await town.mails(town.guest)}
    assert "1 Creek Road" in mails["booking_confirmed"]["text"]
    assert "Henri is looking forward" in mails["booking_confirmed"]["text"]
    assert f"http://127.0.0.1:3001/bookings/{booking_id}" in mails["booking_confirmed"]["links"]
    receipt = mails["payment_succeeded"]["text"]
    total = f"${quote['total']['amount'] / 100:,.2f}"
    assert f"Total: {total}" in receipt
    assert receipt.count("$") >= len(quote["lines"]) + 1
    (to_host,) = await town.mails(town.host)
    assert "1 Creek Road" not in to_host["text"]


async def test_a_cancelled_booking_tells_both_and_its_refund_is_told_once(town: Town) -> None:
    home = await open_home(town.host, "Creek cabin")
    booking_id = ok(await book(town.guest, home["id"], stay(town.house)), 201)["id"]
    await pay(town.guest, booking_id)
    await town.house.settle()
    ok(await town.guest.post(f"/api/bookings/{booking_id}/cancel", {}, headers={"Idempotency-Key": "k1"}))
    await town.house.settle()
    new_to_guest = set(await town.kinds(town.guest)) - {"booking_confirmed", "payment_succeeded"}
    assert new_to_guest == {"booking_cancelled", "payment_refunded"}
    assert await town.kinds(town.host) == ["booking_cancelled_host", "booking_confirmed_host"]


async def test_who_wants_no_mail_about_bookings_gets_none_but_still_the_receipt(town: Town) -> None:
    path = f"/api/users/{town.guest.id}/settings"
    wishes = ok(await town.guest.get(path))
    wishes = {name: value for name, value in wishes.items() if name != "version"}
    ok(await town.guest.put(path, wishes | {"notifications": {"bookings": {"email": False}}}))
    home = await open_home(town.host, "Creek cabin")
    await pay(town.guest, ok(await book(town.guest, home["id"], stay(town.house)), 201)["id"])
    await town.house.settle()
    assert await town.kinds(town.guest) == ["payment_succeeded"]
    (delivery,) = await town.deliveries(kind="booking_confirmed")
    assert delivery["status"] == "muted"
    page = (await town.guest.get("/api/notifications", params={"kind": "booking_confirmed"})).json()
    assert len(page["items"]) == 1


async def test_who_changes_the_language_gets_the_next_mail_in_it(town: Town) -> None:
    path = f"/api/users/{town.guest.id}/settings"
    wishes = {k: v for k, v in ok(await town.guest.get(path)).items() if k != "version"}
    ok(await town.guest.put(path, wishes | {"language": "de", "time_zone": "Europe/Berlin"}))
    await town.hear(reactions.tell_guest_when_expired, _expired(town))
    (mail,) = await town.mails(town.guest)
    assert mail["subject"].startswith("Ihre Buchung wurde nicht abgeschlossen")


# what is kept, and what is not


async def test_no_address_and_no_token_is_in_the_storage_of_events(town: Town, tmp_path: Path) -> None:
    await town.house.client.post("/api/auth/forgot-password", json={"email": "ann@example.com"})
    await town.hear(reactions.tell_both_when_confirmed, confirmed(town.booked()))
    tokens = [
        town.house.link_token(mail)
        for mail in await town.house.mails("ann@example.com")
        if "token" in mail["text"]
    ]
    assert len(tokens) == 2
    kept = _everything_in(tmp_path / "databases" / "notification.db")
    assert "booking_confirmed" in kept
    for secret in ("ann@example.com", "henri@example.com", *tokens):
        assert secret not in kept
    for room in town.house.house.rooms.values():
        if room.storage:
            events = [
                *await room.storage.history(f"user/{town.guest.id}"),
                *await room.storage.history(f"user/{town.host.id}"),
            ]
            assert not [
                e
                for e in events
                if b"@example.com" in bytes(e.data) or any(t.encode() in bytes(e.data) for t in tokens)
            ]


def _everything_in(file: Path) -> str:
    """All text in all rows of a database."""
    with sqlite3.connect(file) as db:
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        rows = [row for table in tables for row in db.execute(f'select * from "{table}"')]
    parts = [part for row in rows for part in row if part is not None]
    return "\n".join(
        part.decode(errors="replace") if isinstance(part, bytes) else str(part) for part in parts
    )


async def test_names_and_titles_cannot_add_headers_or_markup(town: Town) -> None:
    title = "Cabin\r\nBcc: all@example.com\r\n\r\n<img src=x onerror=alert(1)>"
    await town.hear(reactions.tell_both_when_confirmed, confirmed(town.booked(title=title)))
    for person in (town.guest, town.host):
        (mail,) = await town.mails(person)
        assert len(mail["subject"].splitlines()) == 1
        assert not [line for line in mail["text"].splitlines() if line.startswith("Bcc:")]
        assert "<img" not in mail["html"]
        assert "&lt;img src=x onerror=alert(1)&gt;" in mail["html"]


# when the courier is not there


class Road:
    """The way to this house's courier: closed while its folder is away."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.away = folder, folder.with_name("away")

    def close(self) -> None:
        self.folder.rename(self.away)

    def open(self) -> None:
        self.away.rename(self.folder)


@pytest.fixture
def road(town: Town, tmp_path: Path) -> Road:
    return Road(tmp_path / "mail")


async def test_what_could_not_be_sent_is_sent_once_when_the_courier_is_back(town: Town, road: Road) -> None:
    road.close()
    await town.hear(reactions.tell_both_when_confirmed, confirmed(town.booked()))
    await town.house.advance(61)
    (waiting,) = await town.deliveries(kind="booking_confirmed")
    assert (waiting["status"], waiting["tries"]) == ("queued", 2)
    assert "cannot be written to" in waiting["why"]
    road.open()
    await town.house.advance(300)
    await town.house.advance(86_400)
    assert await town.kinds(town.guest) == ["booking_confirmed"]
    (delivery,) = await town.deliveries(kind="booking_confirmed")
    assert (delivery["status"], delivery["tries"], delivery["to"]) == ("sent", 3, "an…@example.com")
    assert delivery["answer"].startswith("folder:")
    assert "why" not in delivery
    assert "next_try_at" not in delivery


async def test_who_has_wished_for_other_nights_is_not_told_that_the_first_were_not_paid(town: Town) -> None:
    facts = town.booked()
    why = "replaced by a newer booking of the guest"
    event = booking.BookingExpired(booking_id=facts.booking_id, booking=facts, why=why)
    await town.hear(reactions.tell_guest_when_expired, event)
    assert await town.kinds(town.guest) == []


async def test_after_five_failed_tries_a_delivery_is_given_up_and_said_so(town: Town, road: Road) -> None:
    road.close()
    await town.hear(reactions.tell_guest_when_expired, _expired(town))
    for seconds in (60, 300, 1800, 7200):
        (delivery,) = await town.deliveries(kind="booking_expired")
        assert delivery["status"] == "queued"
        await town.house.advance(seconds)
    (delivery,) = await town.deliveries(kind="booking_expired")
    assert (delivery["status"], delivery["tries"]) == ("failed", 5)
    names = await town.house.events(f"notification/{delivery['notification_id']}")
    assert names == ["notification.created", "notification.failed"]


async def test_what_the_courier_refuses_for_good_is_not_tried_again(town: Town) -> None:
    from hometrip.services.auth.actions import create_account

    account = {
        "email": "undeliverable@example.com",
        "password": "x" * 20,
        "name": "Ann",
        "locale": "en",
        "roles": [],
    }
    await create_account(town.house.deps("auth"), **account, verified=True)
    body = {"email": "undeliverable@example.com"}
    await town.house.client.post("/api/auth/forgot-password", json=body)
    await town.house.advance(86_400)
    (delivery,) = await town.deliveries(kind="password_reset")
    assert (delivery["status"], delivery["tries"]) == ("failed", 1)
    assert delivery["why"] == "550 there is no such mailbox"


async def test_a_message_that_was_sent_but_not_marked_is_the_same_message_again(
    town: Town, road: Road
) -> None:
    road.close()
    await town.hear(reactions.tell_guest_when_expired, _expired(town))
    (delivery,) = await town.deliveries(kind="booking_expired")
    road.open()
    # What a process does that ends between the sending and the mark: the courier has it, we know nothing.
    first = Message(
        id=UUID(delivery["id"]),
        channel="email",
        to="ann@example.com",
        kind="booking_expired",
        subject="the first",
        text="the first",
        at=town.house.clock.now(),
    )
    await town.deps.courier.send(first)
    await town.house.advance(60)
    assert [mail["subject"] for mail in await town.mails(town.guest)] == ["the first"]
    (delivery,) = await town.deliveries(kind="booking_expired")
    assert delivery["status"] == "sent"


async def test_mails_tell_the_hours_that_were_agreed_on_whatever_the_home_asks_later(town: Town) -> None:
    home = await open_home(town.host)
    path = f"/api/listings/{home['id']}"
    held = ok(await book(town.guest, home["id"], stay(town.house)), 201)
    ok(await town.host.patch(path, {"check_in_from": "18:00", "location": {"lat": 48.85, "lng": 2.35}}))
    await pay(town.guest, held["id"])
    await town.house.settle()
    (mail,) = [mail for mail in await town.mails(town.guest) if mail["kind"] == "booking_confirmed"]
    assert "from 3:00\N{NARROW NO-BREAK SPACE}PM" in mail["text"]
    dearer = {"check_out": stay(town.house, nights=4)["check_out"]}
    ok(await town.guest.put(f"/api/bookings/{held['id']}", dearer))
    await pay(town.guest, held["id"])
    await town.house.settle()
    (mail,) = [mail for mail in await town.mails(town.guest) if mail["kind"] == "booking_changed"]
    assert "from 6:00\N{NARROW NO-BREAK SPACE}PM" in mail["text"]
    assert "by 11:00\N{NARROW NO-BREAK SPACE}AM" in mail["text"]


async def test_an_account_that_is_not_there_fails_without_another_try(town: Town) -> None:
    created = auth.UserCreated(user_id=uuid4(), display_name="X", locale="en")
    await town.hear(reactions.ask_to_verify_when_created, created)
    (delivery,) = await town.deliveries(status="failed")
    assert delivery["why"] == "there is no such account any more"


def _expired(town: Town) -> booking.BookingExpired:
    facts = town.booked()
    return booking.BookingExpired(booking_id=facts.booking_id, booking=facts)

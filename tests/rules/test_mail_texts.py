"""What mails say: every kind in every language, as text and as HTML, whatever people call themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import msgspec
import pytest

from hometrip.kernel.clock import utc
from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.services.booking.contract import REASONS
from hometrip.services.listing.contract import HomeCard, QuoteLine
from hometrip.services.notification.rules.content import content, headline
from hometrip.services.notification.rules.facts import Around, Facts, Named, Reader, TakenOff, Visit
from hometrip.services.notification.rules.formats import formats, one_line
from hometrip.services.notification.rules.kinds import (
    KINDS,
    LOCALES,
    PAUSES,
    is_muted,
    masked,
    next_try,
)
from hometrip.services.notification.rules.mail import Mail, mail
from hometrip.services.notification.rules.wording import language

ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
LINES = [
    QuoteLine(
        kind="nights", label="3 nights", amount=Money(36000, "EUR"), quantity=3, unit=Money(12000, "EUR")
    ),
    QuoteLine(kind="length_discount", label="Length-of-stay discount (5 %)", amount=Money(-1800, "EUR")),
    QuoteLine(kind="pets", label="Pet", amount=Money(1500, "EUR"), quantity=1, unit=Money(1500, "EUR")),
    QuoteLine(kind="cleaning", label="Cleaning", amount=Money(4000, "EUR")),
    QuoteLine(kind="service_fee", label="Service fee (12 %)", amount=Money(4764, "EUR")),
    QuoteLine(kind="tax", label="Taxe de séjour", amount=Money(594, "EUR"), area="Annecy", on=["nights"]),
]
VISIT = Visit(
    booking_id=ID,
    listing_id=ID,
    guest_id=ID,
    host_id=ID,
    title="Cabin above the lake",
    check_in=date(2027, 6, 16),
    check_out=date(2027, 6, 19),
    nights=3,
    guests=2,
    total=Money(45058, "EUR"),
    payout=Money(38109, "EUR"),
    lines=LINES,
    hold_until=utc(2027, 6, 1, 12),
)
HOME = HomeCard(
    id=ID,
    host_id=ID,
    title="Cabin above the lake",
    city="Annecy",
    country="FR",
    time_zone="Europe/Paris",
    status="published",
    address="12 Rue du Lac, 74000 Annecy, France",
    check_in_from="15:00",
    check_out_by="11:00",
)
HOME_NAMED = Named(listing_id=ID, title="Cabin above the lake")
FACTS = Facts(
    visit=VISIT,
    amount=Money(22529, "EUR"),
    kept=Money(19000, "EUR"),
    by="host",
    why="The roof leaks",
    device="Firefox on Linux",
    at=utc(2027, 4, 14, 9),
    home=HOME_NAMED,
    feed="Booking site",
    stays=[Stay(date(2027, 6, 16), date(2027, 6, 19))],
)
PAID = msgspec.structs.replace(FACTS, amount=VISIT.total)
AROUND = Around(
    guest="Ann",
    host="Henri",
    home=HOME,
    link="https://stay.example/x?token=abc&n=1",
    site="https://stay.example",
)


def reader(locale: str = "en", time_zone: str = "Europe/Paris") -> Reader:
    return Reader(name="Ann", locale=locale, time_zone=time_zone)


def rendered(kind: str, facts: Facts = FACTS, locale: str = "en", around: Around = AROUND) -> Mail:
    return mail(content(kind, facts, reader(locale), around))


class Reading(HTMLParser):
    """What a person reads of HTML, and that its elements are closed in order."""

    VOID = frozenset({"meta", "img", "br", "link", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_whole_in_every_language(kind: str, locale: str) -> None:
    letter = rendered(kind, locale=locale)
    seen = Reading(letter.html)
    assert letter.subject
    assert f'lang="{locale}"' in letter.html
    for text in (letter.subject, letter.text, letter.html):
        assert "{{" not in text
        assert "{%" not in text
        assert "None" not in text
        assert "undefined" not in text.lower()
    assert not re.search(r"[{}]", letter.subject + letter.text)
    assert AROUND.link in letter.text
    assert AROUND.link in seen.links
    words = language(locale).kinds[kind]
    assert words.button in seen.text
    if words.note and "{" not in words.note:
        assert words.note in seen.text
        assert words.note in letter.text


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_text_and_html_say_the_same(kind: str, locale: str) -> None:
    letter = rendered(kind, locale=locale)
    seen = Reading(letter.html).text
    for line in letter.text.partition("\n--\n")[0].splitlines():
        for part in line.removesuffix(":").split(": ") if ": " in line else [line.removesuffix(":")]:
            assert " ".join(part.split()) in seen


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_has_every_kind_and_every_word(locale: str) -> None:
    words, english = language(locale), language("en")
    assert list(words.kinds) == list(KINDS)
    for part in ("labels", "lines", "reasons", "counts"):
        assert set(getattr(words, part)) == set(getattr(english, part)), part
    for name, kind in words.kinds.items():
        placeholders = re.findall(r"{{ *(\w+) *}}", msgspec.json.encode(kind).decode())
        assert set(placeholders) == set(
            re.findall(r"{{ *(\w+) *}}", msgspec.json.encode(english.kinds[name]).decode())
        ), name


@pytest.mark.parametrize("locale", LOCALES)
def test_why_a_booking_ended_by_itself_is_said_in_every_language(locale: str) -> None:
    assert set(REASONS) <= set(language(locale).reasons)


@pytest.mark.parametrize("locale", [locale for locale in LOCALES if locale != "en"])
def test_no_language_has_been_left_in_english(locale: str) -> None:
    english = language("en").kinds
    assert [
        name
        for name, kind in language(locale).kinds.items()
        if kind.subject == english[name].subject or kind.paragraphs == english[name].paragraphs
    ] == []


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_title_and_preview_need_the_facts_alone(kind: str, locale: str) -> None:
    title, text = headline(kind, FACTS, locale, "UTC")
    assert title
    assert text


def test_money_and_days_are_written_as_the_reader_writes_them() -> None:
    english, french = (rendered("payment_succeeded", PAID, locale).text for locale in ("en", "fr"))
    assert "€450.58" in english
    assert "450,58\N{NO-BREAK SPACE}€" in french
    assert "Wednesday, June 16, 2027, from 3:00\N{NARROW NO-BREAK SPACE}PM" in english
    assert "mercredi 16 juin 2027" in french
    assert "15:00" in french


def test_money_without_cents_has_none() -> None:
    assert formats("en").money(Money(12000, "JPY")) == "¥12,000"
    assert formats("de").money(Money(1234567, "KWD")).startswith("1.234,567")


def test_instants_are_on_the_readers_own_clock() -> None:
    here = mail(content("new_device", FACTS, reader("en", "Europe/Paris"), AROUND)).text
    there = mail(content("new_device", FACTS, reader("en", "America/New_York"), AROUND)).text
    assert "April 14, 2027, 11:00\N{NARROW NO-BREAK SPACE}AM (Central European Summer Time)" in here
    assert "5:00\N{NARROW NO-BREAK SPACE}AM (Eastern Daylight Time)" in there


def test_the_receipt_has_every_line_and_the_total() -> None:
    text = rendered("payment_succeeded", PAID).text
    for line in (
        "3 nights × €120.00: €360.00",
        "Length-of-stay discount: -€18.00",
        "1 pet × €15.00: €15.00",
        "Cleaning: €40.00",
        "Service fee: €47.64",
        "Taxe de séjour: €5.94",
        "Total: €450.58",
    ):
        assert line in text.splitlines()


SET_OFF = [
    TakenOff(
        title="Loft", stay=Stay(date(2027, 5, 1), date(2027, 5, 4)), amount=Money(5_000, "EUR"), why="penalty"
    ),
    TakenOff(
        title="Hut {0}",
        stay=Stay(date(2027, 5, 6), date(2027, 5, 9)),
        amount=Money(600, "EUR"),
        why="given_back",
    ),
]


@pytest.mark.parametrize("locale", LOCALES)
def test_a_payout_tells_what_was_earned_and_what_was_taken_of_it(locale: str) -> None:
    facts = msgspec.structs.replace(FACTS, amount=Money(32_509, "EUR"), set_off=SET_OFF)
    text, how = rendered("payout_sent", facts, locale).text, formats(locale)
    earned, taken, more, sent = (how.money(Money(cents, "EUR")) for cents in (38_109, -5_000, -600, 32_509))
    rows = [line for line in text.splitlines() if line.endswith((earned, taken, more, sent))]
    assert [row.endswith(amount) for row, amount in zip(rows, (earned, taken, more, sent), strict=True)] == [
        True
    ] * 4
    assert "Loft" in rows[1]
    assert "Hut {0}" in rows[2]
    assert text.count(earned) == 2
    none = rendered("payout_set_off", msgspec.structs.replace(facts, amount=Money(0, "EUR")), locale).text
    assert how.money(Money(5_600, "EUR")) in none


def test_a_payout_of_which_nothing_was_taken_tells_its_sum_alone() -> None:
    assert "For this stay" not in rendered("payout_sent").text


def test_only_the_guest_of_a_confirmed_booking_reads_the_address() -> None:
    telling = {kind for kind in KINDS if "12 Rue du Lac" in "".join(rendered(kind))}
    assert telling == {"booking_confirmed"}


def test_a_home_that_cannot_be_asked_for_leaves_the_rest_of_the_mail() -> None:
    text = rendered("booking_confirmed", around=Around(link="https://stay.example/b", site="x")).text
    assert "Wednesday, June 16, 2027" in text
    assert "Your host is looking forward" in text


def test_a_title_cannot_break_out_of_the_html() -> None:
    title = '<script>alert(1)</script><a href="https://evil.example">"&amp;'
    facts = msgspec.structs.replace(FACTS, visit=msgspec.structs.replace(VISIT, title=title))
    letter = rendered("booking_confirmed", facts)
    seen = Reading(letter.html)
    assert "<script" not in letter.html
    assert title in seen.text
    assert not any("evil" in link for link in seen.links)


@pytest.mark.parametrize("field", ["title", "guest", "host", "why", "device", "feed"])
def test_nobody_can_add_a_line_or_header(field: str) -> None:
    evil = "Ann\r\nBcc: all@example.com\r\n\r\nDear friend,\u2028Pay here"
    changes: dict[str, Any] = {field: evil} if field in ("why", "device", "feed") else {}
    if field == "title":
        changes = {
            name: msgspec.structs.replace(of, title=evil)
            for name, of in (("visit", VISIT), ("home", HOME_NAMED))
        }
    facts = msgspec.structs.replace(FACTS, **changes)
    around = msgspec.structs.replace(AROUND, **({field: evil} if field in ("guest", "host") else {}))
    for kind in KINDS:
        letter = rendered(kind, facts, around=around)
        assert len(letter.subject.splitlines()) == 1
        assert not [line for line in letter.text.splitlines() if line.startswith(("Bcc:", "Dear", "Pay"))]


def test_a_template_that_is_somebody_elses_words_is_not_run() -> None:
    facts = msgspec.structs.replace(FACTS, why="{{ 7 * 7 }}{% raw %}")
    assert "{{ 7 * 7 }}{% raw %}" in rendered("booking_declined", facts).text


def test_a_code_that_nobody_knows_is_not_shown() -> None:
    facts = msgspec.structs.replace(FACTS, why="pickup_card_v2")
    assert "pickup_card" not in rendered("payment_failed", facts).text
    known = msgspec.structs.replace(FACTS, why="insufficient_funds")
    assert "not enough money" in rendered("payment_failed", known).text


def test_no_mail_makes_its_readers_program_call_anybody() -> None:
    for kind in KINDS:
        html = rendered(kind).html
        assert not re.search(r"src=|@import|<link|url\(", html)


def test_a_language_without_words_reads_as_english_and_a_country_keeps_its_own_ways() -> None:
    assert formats("ja").language == "en"
    assert formats("").language == "en"
    assert formats("de-CH").money(Money(123456, "CHF")) != formats("de").money(Money(123456, "CHF"))
    assert formats("en-GB").day(date(2027, 6, 16)) == "Wednesday, 16 June 2027"
    assert formats("fr-??").language == "fr"
    assert formats("de", "Nowhere/Land").zone.key == "UTC"


def test_a_failed_delivery_is_tried_again_ever_later_and_then_given_up() -> None:
    at = utc(2027, 4, 14, 9)
    waits = [next_try(tries, at) for tries in range(1, 6)]
    assert [wait - at for wait in waits if wait] == list(PAUSES)
    assert waits[-1] is None
    assert [pause.total_seconds() for pause in PAUSES] == [60, 300, 1800, 7200]


def test_what_is_essential_cannot_be_muted() -> None:
    assert is_muted("booking_confirmed", "email", ["bookings:email"])
    assert is_muted("booking_confirmed", "email", ["booking_confirmed:email"])
    assert is_muted("booking_confirmed", "email", ["bookings.booking_confirmed:email"])
    assert not is_muted("booking_confirmed", "email", ["bookings:push", "payments:email"])
    assert not is_muted("password_changed", "email", ["account:email", "password_changed:email"])


def test_a_masked_address_can_be_recognised_and_not_used() -> None:
    assert masked("annabel@example.com") == "an…@example.com"
    assert masked("a@example.com") == "a…@example.com"


def test_long_words_of_others_are_cut() -> None:
    assert one_line("x" * 300) == "x" * 199 + "…"


FIRST_LETTERS = """
import sys, threading
from hometrip.services.notification.rules.wording import language
sys.setswitchinterval(1e-6)
begin = threading.Barrier(8)
def read(): begin.wait(); language("en")
threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_the_first_letters_may_be_written_at_the_same_time() -> None:
    """Without the types laid out beforehand, one process in six ends here with a segmentation fault."""
    started = [subprocess.Popen([sys.executable, "-c", FIRST_LETTERS]) for _ in range(8)]
    assert [process.wait(60) for process in started] == [0] * 8


# what a cancellation says


def cancelled(by: str, refund: int, kept: int, penalty: int | None = None) -> Facts:
    charged = None if penalty is None else Money(penalty, "EUR")
    money = {"amount": Money(refund, "EUR"), "kept": Money(kept, "EUR"), "penalty": charged}
    return Facts(visit=VISIT, by=by, why="", **money)


def test_a_host_who_cancels_is_told_what_that_costs_and_that_the_nights_stay_blocked() -> None:
    blocked = {"en": "stay blocked", "de": "gesperrt", "fr": "restent bloquées", "es": "siguen bloqueadas"}
    for locale, words in blocked.items():
        told = rendered("booking_cancelled_host", cancelled("host", 45_058, 0, 17_500), locale).text
        assert words in told
        assert "175" in told
        assert words in headline("booking_cancelled_host", cancelled("host", 1, 0), locale, "UTC")[1]
        spared = rendered("booking_cancelled_host", cancelled("staff", 45_058, 0), locale).text
        assert words in spared
        assert "175" not in spared
        for free in (cancelled("guest", 45_058, 0), cancelled("host", 0, 0)):
            assert words not in rendered("booking_cancelled_host", free, locale).text
            assert words not in headline("booking_cancelled_host", free, locale, "UTC")[1]


def test_a_stay_that_lapsed_is_not_told_as_if_the_guest_had_cancelled() -> None:
    lapsed = cancelled("lapse", 400, 14_550)
    guest, host = (rendered(kind, lapsed).text for kind in ("booking_cancelled", "booking_cancelled_host"))
    assert "The second half of the price was not paid" in guest
    assert "You have cancelled" not in guest
    assert "Ann has not paid the second half" in host
    assert "has cancelled" not in host


def test_a_guest_who_never_paid_is_not_told_of_a_policy_that_keeps_the_money() -> None:
    assert "You have not been charged" in rendered("booking_cancelled", cancelled("guest", 0, 0)).text
    assert "nothing is refunded" in rendered("booking_cancelled", cancelled("guest", 0, 33_950)).text

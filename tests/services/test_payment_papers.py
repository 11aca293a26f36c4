"""Invoices without a gap, a host's year, taxes as CSV, and all of it as PDF."""

from __future__ import annotations

import asyncio
import base64
import csv
import re
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from reportlab.pdfbase import pdfmetrics

from harness import TestHouse
from hometrip.adapters.payments.sandbox.cards import BY_TOKEN
from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, HOUR, utc
from hometrip.kernel.errors import Invalid, NotFound
from hometrip.kernel.money import Money, total
from hometrip.ports.payments import ChargedCard
from hometrip.services.booking.contract import (
    BookingAccepted,
    BookingCancelled,
    BookingRefunded,
    BookingUnpayable,
)
from hometrip.services.listing.contract import QuoteLine, ShownIn
from hometrip.services.payment import actions, rules, store
from hometrip.services.payment.actions import printing
from journeys.steps import book, ok, open_home, pay, problem, stay
from services.payment_scene import (
    CHECK_IN_AT,
    GUEST,
    HOST,
    SPLIT,
    START,
    STRANGER,
    SUPPORT,
    TOTAL,
    Till,
    eur,
    hear_all,
    till_in,
)

ADMIN = Caller(account_id=SUPPORT.account_id, roles=frozenset({"admin"}))


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_in(tmp_path) as opened:
        yield opened
        assert await actions.verify(opened.deps) == []


async def numbers(till: Till) -> list[tuple[str, str]]:
    async with till.deps.db.read() as db:
        return [(one.number, one.kind) for one in await store.every_invoice(db)]


async def test_payments_and_refunds_get_the_next_number_and_none_is_left_out(till: Till) -> None:
    paid = [await till.pay() for _ in range(3)]
    with pytest.raises(rules.RefundTooLarge):
        await actions.refund(till.deps, SUPPORT, paid[0].id, TOTAL + eur(1), "too much")
    refunds = [actions.refund(till.deps, SUPPORT, one.id, eur(100), "late") for one in paid]
    await asyncio.gather(*refunds)
    await till.settle()
    assert await numbers(till) == [
        *((f"2027-00000{number}", "invoice") for number in (1, 2, 3)),
        *((f"2027-00000{number}", "credit_note") for number in (4, 5, 6)),
    ]


async def test_a_number_whose_transaction_fails_is_given_to_the_next(till: Till) -> None:
    await till.pay()
    with pytest.raises(RuntimeError):
        async with till.deps.db.transaction() as tx:
            assert await store.next_number(tx, "2027") == 2
            raise RuntimeError
    await till.pay()
    assert [number for number, _ in await numbers(till)] == ["2027-000001", "2027-000002"]


async def test_each_year_begins_anew(till: Till) -> None:
    await till.pay()
    await till.advance(300 * DAY)
    await till.pay(hold_until=None)
    assert [number for number, _ in await numbers(till)] == ["2027-000001", "2028-000001"]


def test_a_missing_number_is_found() -> None:
    assert rules.gaps([("2027", 1), ("2027", 2)], {"2027": 2}) == []
    assert "2027" in rules.gaps([("2027", 1), ("2027", 3)], {"2027": 3})[0]
    assert "2028" in rules.gaps([], {"2028": 1})[0]


async def test_an_invoice_is_for_its_guest_its_host_and_staff(till: Till) -> None:
    await till.pay()
    [mine] = (await actions.invoices(till.deps, GUEST, 20, None)).items
    assert (mine.amount, mine.host_share, mine.platform_share) == (TOTAL, eur(53_350), eur(8_250))
    assert mine.taxes == {"berlin": eur(6_900)}
    for caller in (GUEST, HOST, SUPPORT):
        assert await actions.invoice(till.deps, caller, mine.number) == mine
    for number, caller in ((mine.number, STRANGER), ("2027-000099", GUEST)):
        with pytest.raises(NotFound):
            await actions.invoice(till.deps, caller, number)
    assert (await actions.invoices(till.deps, STRANGER, 20, None)).items == []


async def test_an_invoice_over_all_of_a_price_says_what_the_guest_was_told(till: Till) -> None:
    lines = [
        QuoteLine(kind="nights", label="5 nights", amount=eur(55_000)),
        QuoteLine(kind="service_fee", label="Service fee (12 %)", amount=eur(6_600)),
        QuoteLine(kind="tax", label="City tax", amount=eur(6_900), area="berlin"),
    ]
    paid = await till.pay(lines=lines)
    await till.confirmed(paid.booking_id)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(500), "late")
    whole = await till.pay(lines=lines)
    await till.confirmed(whole.booking_id)
    await till.cancelled(whole.booking_id, TOTAL, rules.nothing_kept("EUR"), by="host")
    await till.settle()
    papers = (await actions.invoices(till.deps, GUEST, 20, None)).items[::-1]
    assert [(one.kind, one.amount, one.lines) for one in papers] == [
        ("invoice", TOTAL, lines),
        ("credit_note", eur(500), []),
        ("invoice", TOTAL, lines),
        ("credit_note", TOTAL, lines),
    ]
    for one in papers:
        assert one.host_share + one.platform_share + total(one.taxes.values(), "EUR") == one.amount


def test_what_a_change_takes_off_is_told_line_by_line() -> None:
    def line(kind: str, label: str, cents: int, **more: Any) -> QuoteLine:
        return QuoteLine(kind=kind, label=label, amount=eur(cents), **more)

    tax = {"area": "berlin", "on": ["nights"]}
    before = [
        line("nights", "7 nights", 70_000, quantity=7, unit=eur(10_000), was=eur(12_000)),
        line("length_discount", "Length-of-stay discount (10 %)", -7_000),
        line("pets", "Pets", 4_000, quantity=2, unit=eur(2_000)),
        line("cleaning", "Cleaning", 5_000),
        line("service_fee", "Service fee (12 %)", 8_640),
        line("tax", "City tax (5 %)", 3_150, **tax),
        line("tax", "Bed tax", 1_400, quantity=14, unit=eur(100), **tax),
    ]
    after = [
        line("nights", "5 nights", 50_000, quantity=5, unit=eur(10_000)),
        line("pets", "Pet", 2_000, quantity=1, unit=eur(2_000)),
        line("cleaning", "Cleaning", 5_000),
        line("coupon", "Coupon", -1_000),
        line("service_fee", "Service fee (12 %)", 6_720),
        line("tax", "City tax (5 %)", 2_500, **tax),
    ]
    less = rules.lines_less(before, after)
    assert less == [
        line("nights", "2 nights", 20_000, quantity=2, unit=eur(10_000)),
        line("length_discount", "Length-of-stay discount (10 %)", -7_000),
        line("pets", "Pets", 2_000, quantity=1, unit=eur(2_000)),
        line("service_fee", "Service fee (12 %)", 1_920),
        line("tax", "City tax (5 %)", 650, **tax),
        line("tax", "Bed tax", 1_400, quantity=14, unit=eur(100), **tax),
        line("coupon", "Coupon", 1_000),
    ]
    sums = [total((one.amount for one in lines), "EUR") for lines in (before, after, less)]
    assert sums[0] - sums[1] == sums[2]
    # Other days at another price: so much comes back of the nights.
    other = line("nights", "6 nights", 51_000, quantity=6, unit=eur(8_500))
    assert rules.lines_less(before[:1], [other]) == [line("nights", "7 nights", 19_000)]


async def test_a_credit_note_names_the_invoices_it_corrects_and_why(till: Till) -> None:
    """Of 685.00 two halves are paid; 400.00 go back, out of both, and then 5.00 of the first."""
    half = await till.pay(due_now=eur(34_250), balance_due_at=START + DAY)
    await till.confirmed(half.booking_id)
    await till.advance(DAY)
    await till.cancelled(half.booking_id, eur(40_000), rules.part_of(SPLIT, eur(28_500)))
    await actions.refund(till.deps, SUPPORT, half.id, eur(500), "The bed was broken.")
    await till.settle()
    late, note, second, first = (await actions.invoices(till.deps, GUEST, 20, None)).items
    assert (first.corrects, first.reason, second.corrects) == ([], None, [])
    assert (note.amount, note.corrects) == (eur(40_000), [first.number, second.number])
    assert note.reason == "The stay was cancelled."
    assert (late.corrects, late.reason) == ([first.number], "The bed was broken.")
    assert await actions.invoice(till.deps, HOST, note.number) == note
    printed = actions.papers.invoice_of(note, None, guest="Zoë", host="Søren")
    assert printed.facts[-1] == ("Corrects", f"Invoice {first.number}\nInvoice {second.number}")
    assert [party.label for party in printed.parties] == ["Credited to", "Hosted by"]
    assert printed.sheets[0].totals == [["Total", "-400.00 EUR"]]
    assert printed.notes[:2] == ["Why: The stay was cancelled.", "It comes out of these shares."]


async def test_what_a_bank_has_taken_for_good_has_a_credit_note(till: Till) -> None:
    """Of 685.00 the bank takes 400.00, of each share in proportion; none for what is not decided, or won."""
    await till.pay(hold_until=None)
    for decided, notes in (("won", 0), ("lost", 1)):
        paid = await till.pay()
        await till.confirmed(paid.booking_id)
        intent = await till.provider.get_intent((await till.row(paid.id)).provider_id)
        till.provider._dispute(intent, BY_TOKEN["pm_card_createDispute"], eur(40_000))
        await hear_all(till)
        papers = (await actions.invoices(till.deps, GUEST, 20, None)).items
        assert papers[0].kind == "invoice"
        dispute = (await till.provider.disputes_since(START))[-1]
        await till.provider.decide_dispute(dispute.id, decided)
        await hear_all(till)
        after = (await actions.invoices(till.deps, GUEST, 20, None)).items
        assert len(after) - len(papers) == notes
        await till.advance(DAY / 1440)
    note, invoice, *_ = after
    assert (note.kind, note.amount, note.lines) == ("credit_note", eur(40_000), [])
    assert (note.corrects, note.reason) == ([invoice.number], "The card's bank took it back.")
    assert note.taxes == {"berlin": eur(4_029)}
    assert note.host_share + note.platform_share + eur(4_029) == note.amount
    report = csv.DictReader(StringIO(await actions.tax_report(till.deps, HOST, 2027)))
    [row] = [row for row in report if row["booking_id"] == str(paid.booking_id)]
    assert (row["collected"], row["refunded"]) == ("69.00", "40.29")


async def test_the_invoice_of_a_half_says_whose_the_money_is(till: Till) -> None:
    lines = [QuoteLine(kind="nights", label="5 nights", amount=TOTAL)]
    await till.pay(lines=lines, due_now=eur(34_250))
    [half] = (await actions.invoices(till.deps, GUEST, 20, None)).items
    assert (half.amount, half.lines) == (eur(34_250), [])


async def test_a_statement_tells_a_hosts_year_exactly(till: Till) -> None:
    cancelled, stayed = await till.pay(), await till.pay()
    for paid in (cancelled, stayed):
        await till.confirmed(paid.booking_id)
    await till.cancelled(cancelled.booking_id, TOTAL, rules.nothing_kept("EUR"), eur(6_850), by="host")
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    told = await actions.statement(till.deps, HOST, 2027)
    assert told.host == "Søren Åström-Ñandú"
    [section] = told.sections
    first, second = section.lines
    assert (first.earned, first.penalties, first.set_off, first.paid_out) == (
        eur(0),
        eur(6_850),
        eur(-6_850),
        eur(0),
    )
    assert (second.earned, second.set_off, second.paid_out) == (eur(53_350), eur(6_850), eur(46_500))
    assert (section.owed_before, section.paid_out, section.owed_after) == (eur(0), eur(46_500), eur(0))
    told = await actions.statement(till.deps, HOST, 2027)
    ends = [
        actions.statements.statement_of(msgspec.structs.replace(told, made_at=at)).sheets[1].totals[-1][0]
        for at in (START, START + 365 * DAY)
    ]
    assert ends == ["Owed to you on 14 April 2027", "Owed to you at the end of the year"]
    assert (await actions.statement(till.deps, HOST, 2028)).sections[0].lines == []
    assert (await actions.statement(till.deps, GUEST, 2027)).sections == []
    with pytest.raises(Invalid):
        await actions.statement(till.deps, HOST, 10**9)


async def test_the_tax_report_tells_each_area_and_carries_no_formula(till: Till) -> None:
    paid = await till.pay()
    title = '=HYPERLINK("http://evil.example";"x")'
    await till.confirmed(paid.booking_id, title=title)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(6_850), "late")
    await till.settle()
    for caller in (HOST, ADMIN):
        [row] = csv.DictReader(StringIO(await actions.tax_report(till.deps, caller, 2027)))
        assert row["listing"] == f"'{title}"
        assert (row["area"], row["currency"]) == ("berlin", "EUR")
        assert (row["collected"], row["refunded"], row["net"]) == ("69.00", "6.90", "62.10")
    for caller, year in ((GUEST, 2027), (HOST, 2026)):
        assert len((await actions.tax_report(till.deps, caller, year)).splitlines()) == 1


@pytest.mark.parametrize("is_paid_out", [False, True])
async def test_a_tax_falls_with_the_price_whoever_bears_what_goes_back(
    till: Till, *, is_paid_out: bool
) -> None:
    """Of 685.00 with 69.00 of taxes 100.00 go back, and then the rest; the host keeps what was paid out."""
    await till.pay(hold_until=None)  # so that there is money to give back
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    if is_paid_out:
        await till.advance(CHECK_IN_AT + 2 * DAY - START)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(10_000), "late")
    await till.settle()
    note = (await actions.invoices(till.deps, GUEST, 20, None)).items[0]
    assert (note.amount, note.taxes) == (eur(10_000), {"berlin": eur(1_007)})
    assert note.host_share == (eur(0) if is_paid_out else eur(7_788))
    await actions.refund(till.deps, SUPPORT, paid.id, None, "late")
    await till.settle()
    assert (await actions.invoices(till.deps, GUEST, 20, None)).items[0].taxes == {"berlin": eur(5_893)}
    borne = {"provider_clearing": -53_350, "platform_revenue": 53_350}
    assert await till.balances(paid.booking_id) == (borne if is_paid_out else {})
    report = csv.DictReader(StringIO(await actions.tax_report(till.deps, HOST, 2027)))
    [row] = [row for row in report if row["booking_id"] == str(paid.booking_id)]
    assert (row["collected"], row["refunded"], row["net"]) == ("69.00", "69.00", "0.00")


@pytest.mark.parametrize("is_paid_out", [False, True])
@pytest.mark.parametrize("decided", ["won", "lost"])
async def test_what_a_bank_takes_of_a_damage_deposit_is_no_part_of_a_price(
    till: Till, decided: str, *, is_paid_out: bool
) -> None:
    """It is the host's, or ours where that was paid out; no tax and no later refund hangs on it."""
    await till.pay(hold_until=None)  # so that there is money to give back
    paid = await till.pay()
    await till.confirmed(paid.booking_id, deposit=eur(20_000))
    await till.advance(CHECK_IN_AT + HOUR - START)
    made = await actions.claim(till.deps, HOST, paid.booking_id, eur(7_500), "a broken lamp")
    await actions.answer_claim(till.deps, GUEST, paid.booking_id, made.id, accept=True)
    await till.settle()
    if is_paid_out:
        await till.advance(2 * DAY)
    async with till.deps.db.read() as db:
        deposit = await store.live_payment(db, paid.booking_id, rules.DEPOSIT)
    assert deposit is not None
    before = await till.balances(paid.booking_id)
    till.provider._dispute(
        await till.provider.get_intent(deposit.provider_id), BY_TOKEN["pm_card_createDispute"]
    )
    await hear_all(till)
    bears = "platform_revenue" if is_paid_out else "host_payable:host"
    after = before | {bears: before[bears] + 7_500, "disputed": -7_500}
    assert await till.balances(paid.booking_id) == after
    dispute = (await till.provider.disputes_since(START))[-1]
    await till.provider.decide_dispute(dispute.id, decided)
    await hear_all(till)
    await till.hear(
        BookingRefunded(
            booking_id=paid.booking_id,
            booking=till.facts(paid.booking_id),
            refund_id=paid.id,
            refund=eur(1_000),
            kept=msgspec.structs.replace(SPLIT, payout=SPLIT.payout - eur(1_000)),
            why="The pool was closed.",
        )
    )
    note = (await actions.invoices(till.deps, GUEST, 20, None)).items[0]
    assert (note.host_share, note.platform_share, note.taxes) == (eur(1_000), eur(0), {})
    report = csv.DictReader(StringIO(await actions.tax_report(till.deps, HOST, 2027)))
    [row] = [row for row in report if row["booking_id"] == str(paid.booking_id)]
    assert (row["refunded"], row["net"]) == ("0.00", "69.00")


@pytest.mark.parametrize(("decided", "later"), [("won", []), ("lost", [("0.00", "40.29", "-40.29")])])
async def test_the_tax_report_tells_of_what_a_bank_took_in_the_year_in_which_it_is_lost(
    till: Till, decided: str, later: list[tuple[str, str, str]]
) -> None:
    """Of 685.00 with 69.00 of taxes the bank takes 400.00 at the end of a year, and decides in the next."""

    async def reported(year: int) -> list[tuple[str, str, str]]:
        rows = csv.DictReader(StringIO(await actions.tax_report(till.deps, HOST, year)))
        return [(row["collected"], row["refunded"], row["net"]) for row in rows]

    till.clock.move_to(utc(2027, 12, 28))
    paid = await till.pay(hold_until=None, check_in_at=utc(2028, 5, 10, 13))
    await till.confirmed(paid.booking_id)
    intent = await till.provider.get_intent((await till.row(paid.id)).provider_id)
    till.provider._dispute(intent, BY_TOKEN["pm_card_createDispute"], eur(40_000))
    await hear_all(till)
    assert (await till.balances(paid.booking_id))["tax_payable:berlin"] == -2_871
    collected = [("69.00", "0.00", "69.00")]
    assert await reported(2027) == collected
    till.clock.move_to(utc(2028, 1, 2))
    assert (await reported(2027), await reported(2028)) == (collected, [])
    dispute = (await till.provider.disputes_since(START))[-1]
    await till.provider.decide_dispute(dispute.id, decided)
    await hear_all(till)
    assert (await reported(2027), await reported(2028)) == (collected, later)


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"])
def test_no_cell_begins_like_a_formula(words: str) -> None:
    assert rules.safe_cell(words) == f"'{words}"
    assert rules.safe_cell(f"a{words}") == f"a{words}"


@pytest.mark.parametrize(
    ("amount", "written"),
    [(Money(-1_230, "EUR"), "-12.30"), (Money(4_000, "JPY"), "4000"), (Money(1_250, "KWD"), "1.250")],
)
def test_amounts_are_written_with_the_digits_of_their_currency(amount: Money, written: str) -> None:
    assert rules.decimal(amount) == written


# PDF

PAPER = actions.Paper(
    title="Receipt",
    number="2027-000001",
    facts=[("Date", "14 April 2027")],
    parties=[actions.Party("To", ["Zoë Łukasiewicz & <b>Ελένη</b> Жуков"])],
    sheets=[actions.Sheet(["What", "Amount"], [[f"night {n}", "100.00 EUR"] for n in range(60)])],
)


def test_the_same_paper_is_the_same_bytes_and_goes_over_the_page() -> None:
    first = actions.pdf_of(PAPER)
    assert first == actions.pdf_of(PAPER)
    assert first.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", first)) == 3
    # Its letters come along: a reader needs no font of its own.
    assert first.count(b"/FontFile2") == 2


def words_on_pages(printed: bytes) -> list[int]:
    """How many pieces of text each page has, the last of them last."""
    streams = re.findall(rb"/ASCII85Decode /FlateDecode \].*?stream\r?\n(.*?)~>", printed, re.DOTALL)
    drawn = [zlib.decompress(base64.a85decode(one)) for one in streams]
    return [len(re.findall(rb"T[jJ]\b", page)) for page in drawn if b" re f*" in page or b"BT" in page]


@pytest.mark.parametrize("notes", [[], ["Taxes are collected for the offices named."]])
def test_no_page_is_empty_or_has_a_total_alone(notes: list[str]) -> None:
    """Whatever fits: above and below are three words; then at least a head, a line and the total."""
    for count in range(18, 46):
        rows = [[f"night {n}", "100.00 EUR"] for n in range(count)]
        sheet = actions.Sheet(["What", "Amount"], rows, [["Total", "1.00 EUR"]])
        printed = actions.pdf_of(msgspec.structs.replace(PAPER, sheets=[sheet], notes=notes))
        *_, last = words = words_on_pages(printed)
        assert len(words) == len(re.findall(rb"/Type\s*/Page\b", printed))
        assert last >= 3 + 2 + 2 + 2 + len(notes), count


def test_a_figure_stays_on_its_line() -> None:
    printing._fonts()
    for text in ("4,374,700,000", "-124,374,700,000.000 KWD"):
        printed = printing._figure(text, printing.BOLD, printing.INK, 75)
        printed.wrap(75 - 12, 100)
        assert len(printed.blPara.lines) == 1


def test_figures_on_paper_have_their_thousands_apart() -> None:
    amounts = [Money(123_456_789, "EUR"), Money(-50, "EUR"), Money(-1_000, "JPY"), Money(1_234_567, "KWD")]
    assert [printing.priced(one) for one in amounts] == [
        "1,234,567.89 EUR",
        "-0.50 EUR",
        "-1,000 JPY",
        "1,234.567 KWD",
    ]


def test_a_tax_is_billed_with_the_office_that_it_is_for() -> None:
    told = QuoteLine(kind="tax", label="City tax (5 %)", amount=eur(100), area="US/New York/Albany")
    assert actions.papers._label(told) == "City tax (5 %), US/New York/Albany"


@pytest.mark.parametrize("name", ["王小明", "山田 たろう", "김철수"])
def test_letters_of_east_asia_come_along_where_a_name_has_them(name: str) -> None:
    paper = msgspec.structs.replace(PAPER, parties=[actions.Party("To", [name])])
    printed = actions.pdf_of(paper)
    assert printed == actions.pdf_of(paper)
    assert printed.count(b"/FontFile2") == 3
    assert re.search(rb"/FontName /\w+\+DroidSansFallback\b", printed)


@pytest.mark.parametrize("script", [name for *_, name in rules.lettering.SHAPED])
def test_letters_that_are_shaped_have_the_font_of_their_script(script: str) -> None:
    first = next(first for first, _, name in rules.lettering.SHAPED if name == script)
    letters = "".join(chr(code) for code in range(first, first + 0x80) if chr(code).isalpha())
    known = printing._letters(printing.SHAPED.format(script))
    assert sum(ord(letter) in known for letter in letters) >= 35
    paper = msgspec.structs.replace(PAPER, parties=[actions.Party("To", [f"Ann ({letters[:3]}) 王"])])
    printed = actions.pdf_of(paper)
    assert printed == actions.pdf_of(paper)
    assert re.search(rb"/FontName /\w+\+NotoSans%b" % script.encode(), printed)
    assert re.search(rb"/FontName /\w+\+DroidSansFallback\b", printed)


def shown(text: str, wide: float = 400) -> list[list[tuple[str, str]]]:
    """The lines of a paragraph, each with its parts: font and letters, as they are put on paper."""
    words = printing._words(text)
    for _ in range(2):  # tables fit in what they have more than once
        words.wrap(wide, 800)
    return [[(part.fontName, str(part.text)) for part in line.words] for line in words.blPara.lines]


def test_letters_change_places_and_join_where_their_script_does() -> None:
    [[(font, letters)]] = shown("कि")
    assert (font, letters[-1]) == ("NotoSansDevanagari-Regular", "क")  # its vowel is written before it
    [[(_, joined)]] = shown("क्ष")
    assert len(joined) == 1


def test_a_word_of_several_fonts_has_each_letter_in_a_font_that_has_it() -> None:
    [line] = shown("Villa/วิลล่า2 王(ที่)")
    assert [font for font, _ in line] == [
        *(printing.PLAIN, "NotoSansThai-Regular", printing.PLAIN),
        *(printing.ASIAN, printing.PLAIN, "NotoSansThai-Regular", printing.PLAIN),
    ]
    for font, letters in line:
        assert {ord(letter) for letter in letters if letter != " "} <= set(
            pdfmetrics.getFont(font).face.charToGlyph
        )


def test_a_long_word_of_a_script_without_spaces_goes_on_in_the_next_line() -> None:
    title = "บ้านพักตากอากาศริมทะเลหัวหินพร้อมสระว่ายน้ำส่วนตัวและวิวภูเขาสวยงาม"
    assert len(shown(title, 600)) == 1
    lines = shown(title, 150)
    assert 2 <= len(lines) <= 4
    assert all(pdfmetrics.stringWidth(letters, font, 9) <= 150 for [(font, letters)] in lines)


def test_a_font_is_read_once_by_those_who_print_at_the_same_time() -> None:
    """In a process of its own, where none has been read yet."""
    seen = """
from concurrent.futures import ThreadPoolExecutor
from reportlab.pdfbase import pdfmetrics
from hometrip.services.payment.actions import printing

read, register = [], pdfmetrics.registerFont
pdfmetrics.registerFont = lambda font: (read.append(font.fontName), register(font))
with ThreadPoolExecutor(4) as pool:
    [*pool.map(printing._letters, [printing.ASIAN] * 4)]
print(read)
"""
    found = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "['DroidSansFallback']"


def test_a_long_arabic_title_goes_on_below() -> None:
    """Each line is turned round by itself: the first words are above."""
    title = "بيت على البحر"
    wide = printing._words(title)
    wide.wrap(400, 800)
    narrow = printing._words(title)
    narrow.wrap(36, 800)
    lines = [" ".join(words) for _, words in narrow.blPara.lines]
    assert len(lines) == 2
    assert [" ".join(words) for _, words in wide.blPara.lines] == [f"{lines[1]} {lines[0]}"]
    assert lines[0].endswith("\ufe96\ufef4\ufe91")  # the first word, from the right


def test_nothing_is_loaded_for_printing_before_something_is_printed() -> None:
    seen = "import sys, hometrip.services.payment.service; print('reportlab' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


async def test_invoices_and_statements_are_printed(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(500), "late")
    await till.settle()
    printed = [
        await actions.invoice_pdf(till.deps, GUEST, "2027-000001"),
        await actions.invoice_pdf(till.deps, HOST, "2027-000002"),
        await actions.statement_pdf(till.deps, HOST, 2027),
        await actions.statement_pdf(till.deps, STRANGER, 2027),
    ]
    assert all(one.startswith(b"%PDF-") for one in printed)
    with pytest.raises(NotFound):
        await actions.invoice_pdf(till.deps, STRANGER, "2027-000001")


async def test_a_paper_tells_that_the_stay_it_is_about_was_changed(till: Till) -> None:
    lines = [QuoteLine(kind="nights", label="1 night", amount=TOTAL)]
    facts = till.facts((await till.pay(lines=lines)).booking_id, nights=1, lines=lines)
    assert actions.papers._stay(facts, lines) == actions.papers._stay(facts)
    assert actions.papers._stay(facts).lines[-1] == "1 night"
    changed = msgspec.structs.replace(facts, lines=[*lines, *lines])
    assert actions.papers._stay(changed, lines).label == "Stay, as changed since"


async def test_a_receipt_is_printed_for_a_confirmed_booking_alone(till: Till) -> None:
    paid = await till.pay()
    with pytest.raises(NotFound):
        await actions.receipt_pdf(till.deps, paid.booking_id)
    lines = [QuoteLine(kind="nights", label="5 nights in Łódź", amount=TOTAL)]
    await till.confirmed(paid.booking_id, lines=lines)
    await actions.refund(till.deps, SUPPORT, paid.id, eur(500), "late")
    await till.settle()
    assert (await actions.receipt_pdf(till.deps, paid.booking_id)).startswith(b"%PDF-")
    facts, payment = till.facts(paid.booking_id, lines=lines), await till.row(paid.id)
    receipt = actions.receipt_of(
        facts, [payment], paid_at={payment.id: START}, guest="Zoë", host="Søren", at=START
    )
    costs, moved = receipt.sheets
    assert costs.rows == [["5 nights in Łódź", "685.00 EUR"]]
    assert moved.rows == [
        ["Paid on 14 April 2027, Visa ending in 4242", "685.00 EUR"],
        ["Refunded", "-5.00 EUR"],
    ]
    assert moved.totals == [["Paid, less what came back", "680.00 EUR"]]


async def test_a_receipt_dates_a_payment_as_its_invoice_does(till: Till) -> None:
    """A request is paid for when the host says yes, here on the day after it."""
    asked = await till.pay("manual", hold_until=START + 2 * DAY)
    await till.advance(20 * DAY / 24)
    facts = till.facts(asked.booking_id)
    await till.hear(BookingAccepted(booking_id=asked.booking_id, booking=facts))
    await till.settle()
    await till.confirmed(asked.booking_id)
    receipt = await actions.papers.receipt_paper(till.deps, asked.booking_id)
    [invoice] = (await actions.invoices(till.deps, GUEST, 20, None)).items
    printed = actions.papers.invoice_of(invoice, None, guest="Zoë", host="Søren")
    assert printed.facts[1] == ("Date", "15 April 2027")
    assert receipt.sheets[1].rows == [["Paid on 15 April 2027", "685.00 EUR"]]


async def test_a_receipt_tells_each_half_with_its_own_card_to_who_may_know_them(till: Till) -> None:
    half = await till.pay(due_now=eur(34_250), balance_due_at=START + 10 * DAY)
    await till.confirmed(half.booking_id)
    await till.advance(11 * DAY)
    told = await actions.taken(till.deps, half.booking_id, "EUR")
    assert [(one.amount, one.card) for one in told.payments] == [
        (eur(34_250), ChargedCard("visa", "4242")),
        (eur(34_250), ChargedCard("visa", "4242")),
    ]
    assert told.paid == eur(68_500)
    known = await actions.papers.receipt_paper(till.deps, half.booking_id, with_cards=True)
    assert [row[0] for row in known.sheets[1].rows] == [
        "Paid on 14 April 2027, Visa ending in 4242",
        "Paid on 24 April 2027, Visa ending in 4242",
    ]
    shown = await actions.papers.receipt_paper(till.deps, half.booking_id)
    assert [row[0] for row in shown.sheets[1].rows] == ["Paid on 14 April 2027", "Paid on 24 April 2027"]


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("visa", "Visa"),
        ("amex", "American Express"),
        ("jcb", "JCB"),
        ("unknown", "Card"),
        ("new_one", "New one"),
    ],
)
def test_brands_are_written_as_they_write_themselves(word: str, written: str) -> None:
    assert rules.brand_of(word) == written


async def test_a_receipt_tells_the_price_in_the_currency_in_which_it_was_shown(till: Till) -> None:
    paid = await till.pay()
    lines = [
        QuoteLine(kind="nights", label="5 nights", amount=eur(60_000)),
        QuoteLine(kind="cleaning", label="Cleaning", amount=eur(8_500)),
    ]
    yen = [Money(96_000, "JPY"), Money(13_600, "JPY")]
    shown = ShownIn(currency="JPY", rate="160", on=date(2027, 4, 14), total=Money(109_600, "JPY"), lines=yen)
    await till.confirmed(paid.booking_id, lines=lines, shown=shown)
    assert (await actions.receipt_pdf(till.deps, paid.booking_id)).startswith(b"%PDF-")
    facts, payment = till.facts(paid.booking_id, lines=lines, shown=shown), await till.row(paid.id)
    receipt = actions.receipt_of(
        facts, [payment], paid_at={payment.id: START}, guest="Zoë", host="Søren", at=START
    )
    costs = receipt.sheets[0]
    assert costs.columns == ["What", "Amount", "In JPY"]
    assert costs.rows == [["5 nights", "600.00 EUR", "96,000 JPY"], ["Cleaning", "85.00 EUR", "13,600 JPY"]]
    assert costs.totals == [["Total", "685.00 EUR", "109,600 JPY"]]
    assert receipt.notes == ["At the rate of 14 April 2027: 1 EUR is 160 JPY. Charged is EUR."]


async def test_a_receipt_tells_what_is_still_due_and_that_the_stay_was_cancelled(till: Till) -> None:
    due_at = START + 10 * DAY
    half = await till.pay(due_now=eur(34_250), balance_due_at=due_at)
    await till.confirmed(half.booking_id, time_zone="Pacific/Honolulu")

    async def receipt() -> actions.Paper:
        return await actions.papers.receipt_paper(till.deps, half.booking_id)

    # By the home's calendar: at 23:00 there, on the 24th in Greenwich.
    assert (await receipt()).sheets[1].totals == [
        ["Paid in all", "342.50 EUR"],
        ["To be paid on 23 April 2027", "342.50 EUR"],
    ]
    kept = rules.part_of(SPLIT, eur(30_000))
    gone = BookingCancelled(
        booking_id=half.booking_id,
        booking=till.facts(half.booking_id, status="cancelled"),
        by="guest",
        why="",
        refund=eur(4_250),
        kept=kept,
    )
    await till.hear(gone)
    told = await receipt()
    assert told.parties[-1].label == "Stay, cancelled"
    assert told.sheets[1].rows[1:] == [["Refunded", "-42.50 EUR"]]
    assert told.sheets[1].totals == [["Paid, less what came back", "300.00 EUR"]]
    [line] = (await actions.statement(till.deps, HOST, 2027)).sections[0].lines
    assert (line.cancelled, line.earned) == (True, kept.payout)


async def test_a_receipt_tells_what_the_bank_took_and_what_was_claimed(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    payment = await till.row(paid.id)
    disputed = msgspec.structs.replace(payment, promised_back=eur(500), disputed=eur(60_000))
    deposit = msgspec.structs.replace(payment, part=rules.DEPOSIT, amount=eur(20_000), captured=eur(6_000))
    facts = till.facts(paid.booking_id)
    told = actions.receipt_of(
        facts, [disputed, deposit], paid_at={disputed.id: START}, guest="Zoë", host="Søren", at=START
    )
    _, moved, claimed = told.sheets
    assert moved.rows == [
        ["Paid on 14 April 2027, Visa ending in 4242", "685.00 EUR"],
        ["Refunded", "-5.00 EUR"],
        ["Taken back by the card's bank", "-600.00 EUR"],
    ]
    assert moved.totals == [["Paid, less what came back", "80.00 EUR"]]
    assert claimed.rows == [["Taken of 200.00 EUR for the host's claim", "60.00 EUR"]]


async def test_a_statement_names_what_was_paid_for_in_vain(till: Till) -> None:
    paid = await till.pay()
    await till.hear(BookingUnpayable(booking_id=paid.booking_id, booking=till.facts(paid.booking_id)))
    [section] = (await actions.statement(till.deps, HOST, 2027)).sections
    [row] = actions.statements._earned(section).rows
    assert row == [
        f"A booking that was never confirmed\n{str(paid.booking_id)[-12:]}",
        "0.00",
        "0.00",
        "0.00",
        "0.00",
    ]


# Through the door


async def booked(house: TestHouse) -> tuple[Any, Any]:
    host = await house.sign_up("host@example.com", "Søren Åström")
    guest = await house.sign_up("guest@example.com", "Zoë Łuk")
    home = await open_home(host)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    await pay(guest, booking["id"])
    await house.settle()
    return host, guest


async def test_papers_come_as_json_or_pdf_and_taxes_as_csv(house: TestHouse) -> None:
    host, guest = await booked(house)
    [invoice] = ok(await guest.get("/api/payments/invoices"))["items"]
    path = f"/api/payments/invoices/{invoice['number']}"
    assert ok(await guest.get(path)) == invoice
    for asked in ({"params": {"format": "pdf"}}, {"headers": {"Accept": "application/pdf"}}):
        for person, address in ((guest, path), (host, "/api/payments/statements/2027")):
            answer = await person.get(address, **asked)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
            assert answer.content.startswith(b"%PDF-")
    assert ok(await host.get("/api/payments/statements/2027"))["sections"][0]["lines"][0]["title"]
    answer = await host.get("/api/payments/tax-report", params={"year": 2027})
    assert answer.headers["content-type"] == "text/csv; header=present; charset=utf-8"
    assert answer.text.startswith("booking_id,")
    stranger = await house.sign_up("eve@example.com", "Eve")
    problem(await stranger.get(path), 404, "not_found")
    problem(await host.get("/api/payments/tax-report", params={"year": 12}), 422, "invalid")
    problem(await house.client.get(path), 401, "unauthenticated")


async def test_a_credit_note_tells_what_the_cancellation_has_shown(house: TestHouse) -> None:
    """Three days before check-in, moderate: of 300.00 for the nights 100.00, and all of the cleaning."""
    host = await house.sign_up("host@example.com", "Søren Åström")
    guest = await house.sign_up("guest@example.com", "Zoë Łuk")
    home = await open_home(host, cancellation_policy="moderate")
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    await pay(guest, booking["id"])
    await house.settle()
    await house.advance(28 * 86_400)
    gone = ok(await guest.post(f"/api/bookings/{booking['id']}/cancel", {"reason": "Plans"}))["cancellation"]
    await house.settle()
    note, invoice = ok(await guest.get("/api/payments/invoices"))["items"]
    assert (note["amount"], note["corrects"]) == (gone["refund"], [invoice["number"]])
    shown = [(line["label"], line["refunded"]) for line in gone["lines"] if line["refunded"]["amount"]]
    assert [(line["label"], line["amount"]) for line in note["lines"]] == shown
    assert [amount["amount"] for _, amount in shown] == [10_000, 5_000]


async def test_a_credit_note_does_not_tell_two_sums_of_one_tax(house: TestHouse) -> None:
    """Half was paid, strict: half of the nights is kept, and of the tax what is due of that. What the tax
    gives back is no part of the lines that the cancellation has shown."""
    host = await house.sign_up("host@example.com", "Søren Åström")
    guest = await house.sign_up("guest@example.com", "Zoë Łuk")
    home = await open_home(host, cancellation_policy="strict")
    area = {"country": "US", "region": "New York", "city": "Albany"}
    tax = {"area": area, "label": "City tax", "kind": "percent_bp", "bp": 1_000, "enabled": True}
    staff = await house.staff()
    ok(await staff.post("/api/listings/taxes", tax), 201)
    await house.settle()
    booking = ok(await book(guest, home["id"], stay(house, 40), plan="half"), 201)
    await pay(guest, booking["id"])
    await house.settle()
    await house.advance(2 * 86_400)
    ok(await guest.post(f"/api/bookings/{booking['id']}/cancel", {"reason": "Plans"}))
    await house.settle()
    note, invoice = ok(await guest.get("/api/payments/invoices"))["items"]
    (area_name, had), *_ = invoice["taxes"].items()
    given = note["taxes"].get(area_name, {"amount": 0, "currency": "USD"})
    told = [one["amount"]["amount"] for one in note["lines"] if one["kind"] == "tax"]
    assert not note["lines"] or sum(told) == given["amount"]
    answer = await staff.get("/api/payments/tax-report", params={"year": 2027})
    [row] = csv.DictReader(StringIO(answer.text))
    written = [rules.decimal(Money(**one)) for one in (had, given)]
    assert [row["collected"], row["refunded"]] == written


async def test_cards_accounts_and_figures(house: TestHouse) -> None:
    host, guest = await booked(house)
    [card] = ok(await guest.get("/api/payments/methods"))["items"]
    assert (card["brand"], card["last4"]) == ("visa", "4242")
    assert ok(await host.get("/api/payments/methods"))["items"] == []
    problem(await host.delete(f"/api/payments/methods/{card['id']}"), 404, "not_found")
    assert (await guest.delete(f"/api/payments/methods/{card['id']}")).status_code == 204
    assert ok(await guest.get("/api/payments/methods"))["items"] == []
    [figures] = ok(await guest.get("/api/payments/stats"))["payments"]
    assert (figures["status"], figures["count"]) == ("succeeded", 1)
    assert ok(await host.get("/api/payments/stats"))["payments"] == []
    problem(await host.get("/api/stripe-connect/account"), 404, "not_found")
    made = ok(await host.post("/api/stripe-connect/account"), 201)
    assert not made["can_be_paid"]
    assert ok(await host.post("/api/stripe-connect/account"), 201) == made
    link = {"back_to": "http://127.0.0.1:3001/host/payouts"}
    assert ok(await host.post("/api/stripe-connect/account/link", link), 201)["url"]
    assert ok(await host.get("/api/stripe-connect/account"))["can_be_paid"]
    bad = await host.post("/api/stripe-connect/account/link", {"back_to": "javascript:alert(1)"})
    assert bad.status_code == 422


async def test_what_is_shared_anew_while_nothing_goes_back_has_a_paper(either_house: TestHouse) -> None:
    """The host has given 200.00 back when the guest cancels two days before check-in, moderate: of what is
    left nothing comes back, but less of it is for nights that were let, and so for their tax."""
    house = either_house
    host = await house.sign_up("host@example.com", "Søren Åström")
    guest = await house.sign_up("guest@example.com", "Zoë Łuk")
    home = await open_home(host, cancellation_policy="moderate")
    area = {"country": "US", "region": "New York", "city": "Albany"}
    tax = {"area": area, "label": "City tax", "kind": "percent_bp", "bp": 1_000, "enabled": True}
    staff = await house.staff()
    ok(await staff.post("/api/listings/taxes", tax), 201)
    await house.settle()
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    await pay(guest, booking["id"])
    await house.settle()
    await house.advance(28 * 86_400)
    [invoice] = ok(await guest.get("/api/payments/invoices"))["items"]
    gift = {"amount": {"amount": 20_000, "currency": "USD"}, "reason": "noise"}
    ok(await host.post(f"/api/bookings/{booking['id']}/refund", gift), 201)
    await house.settle()
    gone = ok(await guest.post(f"/api/bookings/{booking['id']}/cancel", {"reason": "Plans"}))["cancellation"]
    assert gone["refund"]["amount"] == 0
    await house.settle()
    papers = ok(await guest.get("/api/payments/invoices"))["items"]
    note = papers[0]
    assert [one["number"][-1] for one in papers] == ["3", "2", "1"]
    assert (note["kind"], note["amount"]["amount"]) == ("credit_note", 0)
    assert note["corrects"] == [invoice["number"]]
    signs = [(1 if one["kind"] == "invoice" else -1, one) for one in papers]
    [(area_name, moved)] = note["taxes"].items()
    shares = [note["host_share"], note["platform_share"], moved]
    assert moved["amount"]
    assert sum(one["amount"] for one in shares) == 0
    answer = await staff.get("/api/payments/tax-report", params={"year": 2027})
    [row] = csv.DictReader(StringIO(answer.text))
    net = sum(sign * one["taxes"].get(area_name, {"amount": 0})["amount"] for sign, one in signs)
    assert row["net"] == rules.decimal(Money(net, "USD"))
    [section] = ok(await host.get("/api/payments/statements/2027"))["sections"]
    assert section["earned"]["amount"] == sum(sign * one["host_share"]["amount"] for sign, one in signs)
    caller = Caller(account_id=guest.id)
    paper = await actions.papers.invoice_paper(house.deps("payment"), caller, note["number"])
    figures = [row[1] for row in (*paper.sheets[0].rows, *paper.sheets[0].totals)]
    assert figures == [actions.printing.priced(-Money(**one)) for one in (*shares, note["amount"])]
    assert paper.notes[:2] == [
        "Why: Nothing came back, but what was paid was shared out anew.",
        "By so much each share is more or, below zero, less.",
    ]
    receipt = ok(await guest.get(f"/api/bookings/{booking['id']}/receipt"))
    left = receipt["paid"]["amount"] - receipt["refunded"]["amount"]
    assert left == sum(sign * one["amount"]["amount"] for sign, one in signs)

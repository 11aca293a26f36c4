"""A host's yearly statement and the tax report count what a bank takes alike, in the year in which it is
lost; until it is decided, the statement tells of it as held by the bank."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path

import msgspec
import pytest

from hometrip.adapters.payments.sandbox.cards import BY_TOKEN
from hometrip.kernel.clock import DAY, utc
from hometrip.kernel.money import Money, total
from hometrip.services.payment import actions, rules, store
from hometrip.services.payment.actions.answers import Statement, StatementSection
from services.payment_scene import GUEST, HOST, START, SUPPORT, Till, ask, decide, eur, hear_all, till_in

LATE = utc(2027, 12, 28)
CHECK_IN = utc(2028, 5, 10, 13)
HELD = eur(31_153)  # the host's part of 400.00 of 685.00
EARNED = eur(53_350)
POINTS = str.maketrans("", "", ".,")
YEARS = (2027, 2028, 2029)


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_in(tmp_path) as opened:
        opened.clock.move_to(LATE)
        yield opened
        await check_years(opened)
        assert await actions.verify(opened.deps) == []


async def paid_late(till: Till) -> actions.Intent:
    paid = await till.pay(hold_until=None, check_in_at=CHECK_IN)
    await till.confirmed(paid.booking_id)
    return paid


async def year_of(till: Till, year: int) -> StatementSection:
    [section] = (await actions.statement(till.deps, HOST, year)).sections
    return section


async def owed_by_books(till: Till) -> Money:
    async with till.deps.db.read() as db:
        found = await store.trial_balance(db, None)
    account = rules.host_payable(HOST.id)
    return total((-one.amount for one in found if one.account == account), "EUR")


async def taxes_of(till: Till, year: int) -> int:
    rows = csv.DictReader(StringIO(await actions.tax_report(till.deps, HOST, year)))
    return sum(int(row["net"].replace(".", "")) for row in rows)


async def check_years(till: Till, *, has_deposits: bool = False) -> None:
    """Each year begins as the one before has ended, and the last is as the books are. Of each, the taxes and
    what was earned (but for deposits, which have no papers) are of its invoices less its credit notes."""
    papers = (await actions.invoices(till.deps, GUEST, 100, None)).items
    owed, held = eur(0), eur(0)
    for year in YEARS:
        told = await actions.statement(till.deps, HOST, year)
        if not told.sections:
            continue
        [section] = told.sections
        assert (section.owed_before, section.held_before) == (owed, held)
        owed, held = section.owed_after, section.held_after
        check_arithmetic(told)
        signs = [(1 if one.kind == "invoice" else -1, one) for one in papers if one.at.year == year]
        assert has_deposits or section.earned == total((one.host_share * sign for sign, one in signs), "EUR")
        taxes = sum(tax.amount * sign for sign, one in signs for tax in one.taxes.values())
        assert await taxes_of(till, year) == taxes
    assert owed == await owed_by_books(till)


def check_arithmetic(told: Statement) -> None:
    """As record and on paper: what was owed and the lines are what is owed."""
    [section] = told.sections
    moved = section.earned - section.penalties - section.set_off - section.paid_out
    assert section.owed_before + section.held_before + moved - section.held_after == section.owed_after
    assert section.held_after == total((one.held_after for one in section.held), "EUR")
    owed = actions.statements.statement_of(told).sheets[1]
    figures = [int(row[1].translate(POINTS)) for row in (*owed.rows, *owed.totals)]
    assert sum(figures[:-1]) == figures[-1] == section.owed_after.amount


@pytest.mark.parametrize("decided", [None, "won", "lost"])
async def test_a_dispute_that_is_open_at_new_year_is_held_by_the_bank(
    till: Till, decided: str | None
) -> None:
    paid = await paid_late(till)
    dispute = await ask(till, paid, eur(40_000))
    during = await actions.statement(till.deps, HOST, 2027)
    [section] = during.sections
    [line], [held] = section.lines, section.held
    assert (line.earned, section.owed_after) == (EARNED, EARNED - HELD)
    assert (held.booking_id, held.title, held.status) == (paid.booking_id, "A quiet flat", "open")
    assert (held.since, held.held_before, held.held_after) == (LATE, eur(0), HELD)
    till.clock.move_to(utc(2028, 1, 2))
    assert (await year_of(till, 2028)).lines == []
    if decided:
        await decide(till, dispute, decided)
    after = await actions.statement(till.deps, HOST, 2027)
    assert msgspec.structs.replace(after, made_at=during.made_at) == during
    section = await year_of(till, 2028)
    [held] = section.held
    assert (held.held_before, held.held_after) == (HELD, HELD if decided is None else eur(0))
    assert (section.owed_before, held.status) == (EARNED - HELD, decided or "open")
    assert section.earned == (-HELD if decided == "lost" else eur(0))
    assert section.owed_after == (EARNED if decided == "won" else EARNED - HELD)
    if decided is None:  # of the last moment
        await decide(till, dispute, "lost")


async def test_a_dispute_that_is_decided_two_years_later_is_held_all_the_time(till: Till) -> None:
    dispute = await ask(till, await paid_late(till), eur(40_000))
    till.clock.move_to(utc(2029, 1, 2))
    await decide(till, dispute, "lost")
    told = [await year_of(till, year) for year in YEARS]
    assert [(one.held_before, one.held_after) for one in told] == [
        (eur(0), HELD),
        (HELD, HELD),
        (HELD, eur(0)),
    ]
    assert [one.held[0].status for one in told] == ["open", "open", "lost"]
    assert [one.earned for one in told] == [EARNED, eur(0), -HELD]


@pytest.mark.parametrize("decided", ["won", "lost"])
async def test_one_that_is_decided_before_new_year_is_no_line_of_its_own(till: Till, decided: str) -> None:
    dispute = await ask(till, await paid_late(till), eur(40_000))
    till.clock.move_to(utc(2027, 12, 31, 23))
    await decide(till, dispute, decided)
    section = await year_of(till, 2027)
    left = EARNED if decided == "won" else EARNED - HELD
    assert (section.held, section.earned, section.owed_after) == ([], left, left)


@pytest.mark.parametrize("order", [("lost", "won"), ("won", "lost"), ("lost", "lost"), ("won", "won")])
async def test_two_of_one_booking_that_are_open_at_new_year(till: Till, order: tuple[str, str]) -> None:
    paid = await paid_late(till)
    asked = [await ask(till, paid, eur(40_000)) for _ in range(2)]
    section = await year_of(till, 2027)
    assert [one.held_after for one in section.held] == [HELD, EARNED - HELD]
    assert section.owed_after == eur(0)
    till.clock.move_to(utc(2028, 1, 2))
    for dispute, status in zip(asked, order, strict=True):
        await decide(till, dispute, status)
    section = await year_of(till, 2028)
    assert section.held_after == eur(0)


@pytest.mark.parametrize("decided", ["won", "lost"])
async def test_what_is_lost_while_another_bank_may_change_it_counts_with_its_credit_note(
    till: Till, decided: str
) -> None:
    """The second bank finds 285.00 of the 400.00 that it wants, and is decided for before the first."""
    paid = await paid_late(till)
    first, second = [await ask(till, paid, eur(40_000)) for _ in range(2)]
    await decide(till, second, "lost")
    during = await actions.statement(till.deps, HOST, 2027)
    [section] = during.sections
    assert [one.status for one in section.held] == ["open", "open"]
    assert (section.earned, section.owed_after, await taxes_of(till, 2027)) == (EARNED, eur(0), 6_900)
    till.clock.move_to(utc(2028, 1, 2))
    await decide(till, first, decided)
    after = await actions.statement(till.deps, HOST, 2027)
    assert msgspec.structs.replace(after, made_at=during.made_at) == during
    section = await year_of(till, 2028)
    assert section.earned == (-HELD if decided == "won" else -EARNED)
    assert [one.status for one in section.held] == [decided, "lost"]


async def test_what_was_paid_out_before_no_bank_holds(till: Till) -> None:
    """The platform bears it: the host reads nothing of it."""
    await till.pay(hold_until=None, check_in_at=utc(2029, 5, 10, 13))
    till.clock.move_to(START)
    paid = await till.pay(hold_until=None, check_in_at=utc(2027, 12, 1, 13))
    await till.confirmed(paid.booking_id)
    await till.advance(LATE - START)
    await ask(till, paid, eur(40_000))
    section = await year_of(till, 2027)
    assert (section.held, section.paid_out) == ([], EARNED)


async def test_what_staff_give_back_while_a_bank_holds_some_is_less_earned(till: Till) -> None:
    paid = await paid_late(till)
    dispute = await ask(till, paid, eur(40_000))
    await actions.refund(till.deps, SUPPORT, paid.id, eur(10_000), "noise")
    await till.settle()
    assert (await year_of(till, 2027)).held_after == HELD
    till.clock.move_to(utc(2028, 1, 2))
    await decide(till, dispute, "won")


@pytest.mark.parametrize("decided", ["won", "lost"])
async def test_what_a_bank_holds_of_a_damage_deposit_at_new_year(tmp_path: Path, decided: str) -> None:
    """It is off what is paid out for the booking meanwhile, or goes out after all."""
    async with till_in(tmp_path) as till:
        till.clock.move_to(LATE)
        paid = await till.pay(hold_until=None, check_in_at=utc(2027, 12, 31, 13))
        await till.confirmed(paid.booking_id, deposit=eur(20_000))
        await till.advance(utc(2027, 12, 31, 14) - LATE)
        made = await actions.claim(till.deps, HOST, paid.booking_id, eur(7_500), "a broken lamp")
        await actions.answer_claim(till.deps, GUEST, paid.booking_id, made.id, accept=True)
        await till.settle()
        async with till.deps.db.read() as db:
            deposit = await store.live_payment(db, paid.booking_id, rules.DEPOSIT)
        assert deposit is not None
        intent = await till.provider.get_intent(deposit.provider_id)
        till.provider._dispute(intent, BY_TOKEN["pm_card_createDispute"])
        await hear_all(till)
        told = await year_of(till, 2027)
        assert (told.earned, told.owed_after) == (EARNED + eur(7_500), EARNED)
        till.clock.move_to(utc(2028, 1, 2))
        await decide(till, (await till.provider.disputes_since(START))[-1].id, decided)
        await till.advance(DAY)
        later = await year_of(till, 2028)
        assert (later.earned, later.paid_out) == (
            (eur(0), EARNED + eur(7_500)) if decided == "won" else (eur(-7_500), EARNED)
        )
        assert later.owed_after == eur(0)
        await check_years(till, has_deposits=True)
        assert await actions.verify(till.deps) == []

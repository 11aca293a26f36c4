"""Several disputes of banks about one booking: one that is won leaves no trace in what another takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from hometrip.kernel.clock import DAY
from hometrip.kernel.money import Money
from hometrip.services.payment import actions, rules
from services.payment_scene import (
    CHECK_IN_AT,
    GUEST,
    HALF,
    HALF_PLAN,
    HOST,
    SPLIT,
    START,
    SUPPORT,
    TOTAL,
    Till,
    ask,
    decide,
    eur,
    hear_all,
    till_heard_out,
)

# Which of the disputes, and how.
Decisions = Sequence[tuple[int, str]]
# Of 533.50, 82.50 and 69.00 (685.00) a bank has taken 400.00 for good, in proportion.
LEFT_OF_400 = {
    "provider_clearing": 28_500,
    "host_payable:host": -22_197,
    "platform_revenue": -3_432,
    "tax_payable:berlin": -2_871,
}


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    async with till_heard_out(tmp_path) as opened:
        await opened.pay(hold_until=None)  # there is something to send and to lose
        yield opened


class Ends(NamedTuple):
    """The books, what became of the refunds, the receipt (paid, refunded, charged back), what the host will
    be paid, and what staff are to pay."""

    books: dict[str, int]
    refunds: dict[str, int]
    receipt: tuple[int, int, int]
    planned: int
    owed: list[int]


async def ends(till: Till, paid: actions.Intent) -> Ends:
    await till.advance(3 * DAY)
    await hear_all(till)
    refunds: Counter[str] = Counter()
    for one in (await actions.refunds(till.deps, GUEST, paid.id)).items:
        refunds[one.why or one.status] += one.amount.amount
    told = await actions.taken(till.deps, paid.booking_id, "EUR")
    payouts = (await actions.payouts(till.deps, HOST, 20, None)).items
    books = await till.balances(paid.booking_id)
    await papers_say(till, paid, told.paid - told.refunded - told.charged_back, books)
    return Ends(
        books=books,
        refunds=dict(refunds),
        receipt=(told.paid.amount, told.refunded.amount, told.charged_back.amount),
        planned=sum(one.amount.amount for one in payouts if one.status in ("due", "held")),
        owed=[one.amount.amount for one in (await actions.owed_refunds(till.deps, 10, None)).items],
    )


async def papers_say(till: Till, paid: actions.Intent, left: Money, books: dict[str, int]) -> None:
    """Invoices less credit notes are what the receipt has left, and the tax is that of the journal."""
    papers = (await actions.invoices(till.deps, GUEST, 20, None)).items
    signs = [(1 if one.kind == "invoice" else -1, one) for one in papers if one.booking_id == paid.booking_id]
    assert sum(sign * one.amount.amount for sign, one in signs) == left.amount
    taxes = sum(sign * tax.amount for sign, one in signs for tax in one.taxes.values())
    assert taxes == -books.get("tax_payable:berlin", 0)


async def bank_story(
    till: Till,
    amounts: Sequence[int],
    decided: Decisions,
    sent: int = 0,
    promised: Sequence[int] = (),
) -> Ends:
    """Disputes of these amounts are open at once, and decided one after the other. So much was sent back
    before, and so much is promised just before the last of them, and goes back once banks let it."""
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    if sent:
        await actions.refund(till.deps, SUPPORT, paid.id, eur(sent), "noise")
        await till.settle()
    asked = [await ask(till, paid, eur(amount)) for amount in amounts[:-1]]
    for back in promised:
        await actions.refund(till.deps, SUPPORT, paid.id, eur(back), "noise")
    asked.append(await ask(till, paid, eur(amounts[-1])))
    for which, status in decided:
        await decide(till, asked[which], status)
    return await ends(till, paid)


ORDERS = (((0, "won"), (1, "lost")), ((1, "lost"), (0, "won")))


@pytest.mark.parametrize("decided", ORDERS, ids=["won, lost", "lost, won"])
@pytest.mark.parametrize(
    ("won", "sent", "promised"),
    [
        (68_500, 0, []),
        (68_500, 30_000, []),
        (40_000, 0, []),
        (38_500, 30_000, []),
        (38_500, 0, [10_000]),
        (38_500, 5_000, [12_000, 3_000]),
        (7_777, 20_000, [30_000]),
    ],
)
@pytest.mark.parametrize(
    "lost", [68_500, *(pytest.param(some, marks=pytest.mark.full) for some in (111, 40_000, 30_000))]
)
async def test_one_that_is_won_leaves_no_trace_in_what_another_takes(
    tmp_path: Path, won: int, lost: int, sent: int, promised: list[int], decided: Decisions
) -> None:
    async with till_heard_out(tmp_path / "both") as till:
        await till.pay(hold_until=None)  # there is something to send and to lose
        both = await bank_story(till, [won, lost], decided, sent, promised)
    async with till_heard_out(tmp_path / "alone") as till:
        await till.pay(hold_until=None)
        alone = await bank_story(till, [lost], [(0, "lost")], sent, promised)
    assert both._replace(books={}, planned=0) == alone._replace(books={}, planned=0)
    assert both.books.keys() == alone.books.keys()
    for name, amount in both.books.items():  # what each refund takes of a share is rounded as it is granted
        assert abs(amount - alone.books[name]) <= 2, (both, alone)
    assert abs(both.planned - alone.planned) <= 2


@pytest.mark.parametrize("decided", ORDERS, ids=["won, lost", "lost, won"])
async def test_what_two_banks_want_of_a_payment_is_reckoned_anew_when_one_gives_it_back(
    till: Till, decided: Decisions
) -> None:
    """Of 685.00 each wants 400.00, and the second finds 285.00. Once the first is won it has all of its
    400.00 of the shares, and the platform bears nothing of it."""
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    asked = [await ask(till, paid, eur(40_000)) for _ in range(2)]
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 68_500,
        "platform_revenue": 11_500,
        "disputed": -80_000,
    }
    for which, status in decided:
        await decide(till, asked[which], status)
    assert await till.balances(paid.booking_id) == LEFT_OF_400
    assert (await till.row(paid.id)).left == eur(28_500)
    with pytest.raises(rules.RefundTooLarge):
        await actions.refund(till.deps, SUPPORT, paid.id, eur(28_501), "late")
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    out = [event.amount.amount for event in till.told if event.name == "host.payout.completed"]
    assert out == [-LEFT_OF_400["host_payable:host"]]


async def test_one_after_the_other_the_second_takes_all_that_the_first_has_given_back(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await decide(till, await ask(till, paid, TOTAL), "won")
    assert (await till.balances(paid.booking_id))["host_payable:host"] == -SPLIT.payout.amount
    await decide(till, await ask(till, paid, eur(40_000)), "lost")
    assert await till.balances(paid.booking_id) == LEFT_OF_400
    told = await actions.taken(till.deps, paid.booking_id, "EUR")
    assert (told.refunded, told.charged_back) == (eur(0), eur(40_000))


async def test_one_after_the_other_the_second_gives_back_what_the_first_has_left(till: Till) -> None:
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await decide(till, await ask(till, paid, eur(40_000)), "lost")
    second = await ask(till, paid, TOTAL)
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": 28_500,
        "platform_revenue": 40_000,
        "disputed": -68_500,
    }
    await decide(till, second, "won")
    assert await till.balances(paid.booking_id) == LEFT_OF_400


async def test_what_was_paid_out_between_two_disputes_the_platform_bears(till: Till) -> None:
    """The host keeps what was paid out when no bank wanted anything, as of one dispute alone."""
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    await decide(till, await ask(till, paid, TOTAL), "won")
    await till.advance(CHECK_IN_AT + 2 * DAY - START)
    assert "host_payable:host" not in await till.balances(paid.booking_id)
    await decide(till, await ask(till, paid, TOTAL), "lost")
    assert await till.balances(paid.booking_id) == {
        "provider_clearing": -SPLIT.payout.amount,
        "platform_revenue": SPLIT.payout.amount,
    }


async def test_three_at_once_are_reckoned_anew_as_often_as_one_is_won(till: Till) -> None:
    await till.pay(hold_until=None)
    story = [(2, "lost"), (0, "won"), (1, "won")]
    both = await bank_story(till, [50_000, 30_000, 40_000], story)
    assert both.books == LEFT_OF_400
    assert both.planned == -LEFT_OF_400["host_payable:host"]


async def test_a_refund_that_was_had_from_the_bank_is_sent_once_that_turns_out_to_be_none_of_it(
    till: Till,
) -> None:
    """100.00 are promised while 400.00 are with a bank; another takes 400.00 for good, the refund with the
    185.00 that it finds. Then the first is won: the 400.00 were there without the refund."""
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    first = await ask(till, paid, eur(40_000))
    await actions.refund(till.deps, SUPPORT, paid.id, eur(10_000), "noise")
    await decide(till, await ask(till, paid, eur(40_000)), "lost")
    [had] = (await actions.refunds(till.deps, GUEST, paid.id)).items
    assert (had.status, had.why) == ("failed", rules.HELD_BY_BANK)
    await decide(till, first, "won")
    over = await ends(till, paid)
    assert over.refunds == {"completed": 10_000}
    assert over.receipt == (68_500, 10_000, 40_000)
    assert over.books["provider_clearing"] == 18_500
    intent = await till.provider.get_intent((await till.row(paid.id)).provider_id)
    assert intent.refunded == eur(10_000)


@pytest.mark.parametrize("decided", ORDERS, ids=["won, lost", "lost, won"])
async def test_what_a_cancellation_gives_back_waits_for_both_and_counts_what_is_lost(
    till: Till, decided: Decisions
) -> None:
    """Of 685.00 the guest is to have 500.00 back, and has 400.00 from a bank: 100.00 more go back, and each
    share has what it keeps."""
    paid = await till.pay()
    await till.confirmed(paid.booking_id)
    asked = [await ask(till, paid, eur(40_000)) for _ in range(2)]
    kept = rules.part_of(SPLIT, eur(18_500))
    await till.cancelled(paid.booking_id, eur(50_000), kept)
    for which, status in decided:
        assert (await actions.refunds(till.deps, GUEST, paid.id)).items == []
        await decide(till, asked[which], status)
    over = await ends(till, paid)
    assert over.refunds == {"completed": 10_000}
    assert over.receipt == (68_500, 10_000, 40_000)
    assert over.books == {
        "provider_clearing": 18_500,
        "host_payable:host": -kept.payout.amount,
        "platform_revenue": -kept.platform.amount,
        "tax_payable:berlin": -kept.taxes["berlin"].amount,
    }


@pytest.mark.parametrize("decided", ORDERS, ids=["won, lost", "lost, won"])
async def test_of_two_halves_the_one_whose_dispute_is_won_gives_the_other_its_shares(
    till: Till, decided: Decisions
) -> None:
    """50.00 of the first half went back before: of its 342.50 the second bank found 292.50."""
    first = await till.pay(**HALF_PLAN)
    await till.confirmed(first.booking_id)
    rest = await actions.open_intent(till.deps, GUEST, first.booking_id)
    await actions.confirm(till.deps, GUEST, rest.id, method="pm_card_visa")
    await actions.refund(till.deps, SUPPORT, first.id, eur(5_000), "noise")
    await till.settle()
    asked = [await ask(till, paid, HALF) for paid in (first, rest)]
    for which, status in decided:
        await decide(till, asked[which], status)
    books = await till.balances(first.booking_id)
    assert books["provider_clearing"] == 68_500 - 5_000 - HALF.amount
    of_host, of_us, of_berlin = (
        -books[name] for name in ("host_payable:host", "platform_revenue", "tax_payable:berlin")
    )
    for share, whole in ((of_host, SPLIT.payout), (of_us, SPLIT.platform), (of_berlin, eur(6_900))):
        assert abs(share - whole.amount * 29_250 / 68_500) < 3, books

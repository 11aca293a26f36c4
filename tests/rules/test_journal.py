"""The journal's arithmetic: whatever happens, every entry sums to zero and a booking's story holds."""

from __future__ import annotations

from collections import Counter
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hometrip.kernel.clock import DAY, utc
from hometrip.kernel.errors import Invalid
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.ports.payments import IntentError, ProviderIntent
from hometrip.services.payment import rules
from hometrip.services.payment.rules import Entry, Posting

AT = utc(2027, 5, 11)
BOOKING, HOST = UUID(int=1), UUID(int=2)
HOST_ACCOUNT = rules.host_payable(HOST)

amounts = st.integers(0, 10**12)
currencies = st.sampled_from(["EUR", "JPY", "KWD"])


@st.composite
def splits(draw: st.DrawFn) -> Split:
    currency = draw(currencies)
    areas = draw(st.dictionaries(st.sampled_from(["berlin", "germany", "street"]), amounts, max_size=3))
    return Split(
        payout=Money(draw(amounts), currency),
        platform=Money(draw(amounts), currency),
        taxes={area: Money(amount, currency) for area, amount in areas.items()},
    )


def total_of(split: Split) -> Money:
    return sum(split.taxes.values(), start=split.payout + split.platform)


def part_of(split: Split, draw: st.DrawFn) -> Split:
    """A split that keeps, of each share, some of it."""

    def some(share: Money) -> Money:
        return Money(draw(st.integers(0, share.amount)), share.currency)

    taxes = {area: some(amount) for area, amount in split.taxes.items()}
    return Split(payout=some(split.payout), platform=some(split.platform), taxes=taxes)


class Life:
    """A booking's money through its life, entry by entry, as the actions write them."""

    def __init__(self, split: Split) -> None:
        self.split, self.paid, self.entries = split, total_of(split), list[Entry]()
        self.promised = self.sent = self.deposit = Money(0, self.paid.currency)
        self.later: Split | None = None
        self.write("capture", rules.capture(self.paid, split, HOST))

    @classmethod
    def half_paid(cls, split: Split, part: int) -> Life:
        """Of the whole only a part is paid; the rest of each share comes later."""
        first = rules.part_of(split, Money(part, split.payout.currency))
        life = cls(first)
        life.later = rules.less(split, first)
        return life

    def take(self, split: Split) -> None:
        """The second half, or the difference that a dearer change costs."""
        self.write("capture", rules.capture(total_of(split), split, HOST))
        self.paid += total_of(split)

    def take_rest(self) -> None:
        if self.later is not None:
            self.take(self.later)
            self.later = None

    def give(self, gives: Split) -> None:
        """A cheaper change: each share gives its part of the difference."""
        shares = self.balances(rules.BESIDES_THE_STAY)
        back = min(total_of(gives), self.paid - self.promised)
        kept = rules.less(rules.split_of(shares, HOST, self.paid.currency), gives)
        self.write("refund_promised", rules.back_to_kept(shares, back, kept, HOST))
        self.promised += back

    def fine(self, amount: int) -> None:
        self.write("penalty", rules.penalty(Money(amount, self.paid.currency), HOST))

    def keep_deposit(self, amount: int) -> None:
        taken = Money(amount, self.paid.currency)
        self.write("capture", rules.held_back(taken))
        self.write("deposit_claim", rules.claimed(taken, HOST))
        self.deposit += taken

    def write(self, kind: str, lines: list[Posting]) -> None:
        number = UUID(int=len(self.entries) + 10)
        self.entries.append(rules.entry(number, AT, kind, BOOKING, number, lines))

    def balances(self, without: tuple[str, ...] = ()) -> dict[str, int]:
        sums: Counter[str] = Counter()
        for entry in self.entries:
            if entry.kind not in without:
                for posting in entry.postings:
                    sums[posting.account] += posting.amount.amount
        return dict(sums)

    def refund(self, amount: int) -> None:
        back = min(Money(amount, self.paid.currency), self.paid - self.promised)
        self.write(
            "refund_promised", rules.shared_back(self.balances(rules.BESIDES_THE_STAY), self.balances(), back)
        )
        self.promised += back

    def cancel(self, kept: Split) -> None:
        kept = rules.within(kept, self.paid)
        back = min(self.paid - total_of(kept), self.paid - self.promised)
        shares = self.balances(rules.BESIDES_THE_STAY)
        self.write("refund_promised", rules.back_to_kept(shares, back, kept, HOST))
        self.promised += back

    def send(self) -> None:
        self.write("refund", rules.refunded(self.promised - self.sent))
        self.sent = self.promised

    def pay_out(self) -> None:
        owed = -self.balances().get(HOST_ACCOUNT, 0)
        if owed > 0:
            self.write("payout", rules.paid_out(Money(owed, self.paid.currency), HOST))


STEPS = ["refund", "cancel", "send", "payout", "rest", "dearer", "cheaper", "penalty", "deposit"]


@given(splits(), st.data())
def test_whatever_happens_the_story_holds_and_nothing_held_is_negative(
    split: Split, data: st.DataObject
) -> None:
    whole = total_of(split).amount
    life = Life.half_paid(split, data.draw(st.integers(0, whole)))
    cancelled = beside = False
    for step in data.draw(st.lists(st.sampled_from(STEPS), max_size=10)):
        match step:
            case "refund":
                life.refund(data.draw(amounts))
            case "cancel" if not cancelled:
                life.cancel(part_of(split, data.draw))
                cancelled = True
            case "send":
                life.send()
            case "payout":
                life.pay_out()
            case "rest" if not cancelled:
                life.take_rest()
            case "dearer" if not cancelled:
                life.take(part_of(split, data.draw))
            case "cheaper" if not cancelled and life.later is None and not life.promised:
                life.give(part_of(split, data.draw))
            case "penalty":
                life.fine(data.draw(amounts))
                beside = True
            case "deposit":
                life.keep_deposit(data.draw(amounts))
        assert rules.story_holds(life.entries) == []
        told = rules.story(life.entries, life.paid.currency)
        assert told.owed_to_guest == (life.promised - life.sent).amount >= 0
        assert told.captured == (life.paid + life.deposit).amount
        if told.paid_out == 0 and not beside:
            assert told.held >= 0


@given(splits(), st.booleans(), st.lists(amounts, max_size=5))
def test_of_a_tax_goes_back_what_goes_back_of_the_price_whoever_bears_it(
    split: Split, is_paid_out: bool, refunds: list[int]
) -> None:
    life = Life(split)
    if is_paid_out:
        life.pay_out()
    for amount in refunds:
        before, left = life.balances(), (life.paid - life.promised).amount
        life.refund(amount)
        after, back = life.balances(), left - (life.paid - life.promised).amount
        for account in (rules.tax_payable(area) for area in split.taxes):
            had = -before.get(account, 0)
            assert after.get(account, 0) - before.get(account, 0) == (back * had // left if left else 0)


@given(splits(), st.data())
def test_two_halves_are_together_exactly_the_whole(split: Split, data: st.DataObject) -> None:
    part = Money(data.draw(st.integers(0, total_of(split).amount)), split.payout.currency)
    first = rules.part_of(split, part)
    assert total_of(first) == part
    for share, half in zip(shares_of(split), shares_of(first), strict=True):
        # Within one unit of the exact proportion, and never more than the share.
        assert abs(half * total_of(split).amount - share * part.amount) < max(1, total_of(split).amount)
        assert 0 <= half <= share or share == 0 == total_of(split).amount
    life = Life.half_paid(split, part.amount)
    life.take_rest()
    left = {account: -amount for account, amount in life.balances().items() if account != rules.CLEARING}
    assert left == {account: share.amount for account, share in rules.owed(split, HOST).items() if share}


def shares_of(split: Split) -> list[int]:
    taxes = [split.taxes[area].amount for area in sorted(split.taxes)]
    return [split.payout.amount, split.platform.amount, *taxes]


@given(amounts, st.dates(date(2026, 1, 1), date(2032, 1, 1)), st.integers(1, 365))
def test_the_months_of_a_stay_are_paid_exactly_and_each_for_its_nights(
    amount: int, check_in: date, nights: int
) -> None:
    earned = Money(amount, "EUR")
    steps = rules.payout_steps(check_in, check_in + nights * DAY, AT)
    assert len(steps) == 1 if nights < 28 else len(steps) >= nights // 31
    assert steps[0].due_at == AT + DAY
    assert steps[-1].until == nights
    assert [step.until for step in steps] == sorted({step.until for step in steps})
    out = [0, *(rules.earned_until(earned, step.until, nights).amount for step in steps)]
    assert out == sorted(out)
    assert out[-1] == amount
    if nights < 365:
        assert all(step.due_at < AT + nights * DAY + DAY for step in steps)


@given(splits(), st.data())
def test_a_cancellation_leaves_every_share_exactly_what_it_keeps(split: Split, data: st.DataObject) -> None:
    life, kept = Life(split), part_of(split, data.draw)
    life.cancel(kept)
    life.send()
    left = {account: -amount for account, amount in life.balances().items() if amount}
    clearing = -left.pop(rules.CLEARING, 0)
    assert left == {account: share.amount for account, share in rules.owed(kept, HOST).items() if share}
    assert clearing == total_of(kept).amount
    life.pay_out()
    assert rules.story(life.entries, life.paid.currency).paid_out == kept.payout.amount


@given(splits(), amounts)
def test_a_refund_takes_from_each_share_in_proportion_and_never_more_than_it_has(
    split: Split, amount: int
) -> None:
    life = Life(split)
    before = life.balances()
    life.refund(amount)
    for account, left in life.balances().items():
        if account not in (rules.REVENUE, rules.GUEST):
            assert before[account] <= left or account == rules.CLEARING
            assert left <= 0 or account == rules.CLEARING
    # What rounding leaves falls to the platform: less than one unit for each of the other shares.
    assert life.balances().get(rules.REVENUE, 0) <= len(split.taxes)


@given(splits())
def test_a_full_refund_leaves_nothing_to_anybody(split: Split) -> None:
    life = Life(split)
    life.refund(life.paid.amount)
    life.send()
    assert not any(life.balances().values())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5), currencies), max_size=6))
def test_an_entry_is_made_exactly_when_it_sums_to_zero_in_each_currency(
    lines: list[tuple[str, int, str]],
) -> None:
    postings = [Posting(account, Money(amount, currency)) for account, amount, currency in lines]
    sums = Counter[str]()
    for _, amount, currency in lines:
        sums[currency] += amount
    if any(sums.values()):
        with pytest.raises(rules.Unbalanced):
            rules.entry(BOOKING, AT, "capture", BOOKING, BOOKING, postings)
    else:
        made = rules.entry(BOOKING, AT, "capture", BOOKING, BOOKING, postings)
        assert all(posting.amount for posting in made.postings)


def test_a_story_that_does_not_hold_is_told_in_words() -> None:
    split = Split(payout=Money(900, "EUR"), platform=Money(100, "EUR"), taxes={})
    life = Life(split)
    life.write("refund", rules.refunded(Money(1_001, "EUR")))
    found = rules.story_holds(life.entries)
    assert [words for words in found if "refunded 1001 of 1000" in words]
    assert [words for words in found if "the guest is owed -1001" in words]
    crooked = Entry(
        id=BOOKING,
        at=AT,
        kind="gift",
        booking_id=BOOKING,
        reference=BOOKING,
        postings=[Posting(rules.CLEARING, Money(5, "EUR"))],
    )
    assert "does not sum to zero" in rules.story_holds([crooked])[0]


def test_a_refund_stays_within_what_is_left() -> None:
    left = Money(500, "EUR")
    assert rules.refund_within(None, left) == left
    assert rules.refund_within(Money(1, "EUR"), left) == Money(1, "EUR")
    for wrong in (Money(0, "EUR"), Money(-1, "EUR"), Money(1, "USD")):
        with pytest.raises(Invalid):
            rules.refund_within(wrong, left)
    with pytest.raises(rules.RefundTooLarge):
        rules.refund_within(Money(501, "EUR"), left)
    with pytest.raises(rules.RefundTooLarge):
        rules.refund_within(None, Money(0, "EUR"))


def test_a_payout_is_due_a_day_after_check_in_and_never_in_the_past() -> None:
    assert rules.payout_due_at(AT, AT - DAY) == AT + DAY
    assert rules.payout_due_at(AT, AT + 3 * DAY) == AT + 3 * DAY


def test_the_wait_between_tries_grows_and_stays_at_its_longest() -> None:
    waits = [rules.wait(tries) for tries in range(6)]
    assert waits == sorted(waits)
    assert waits[-1] == waits[-2] == max(rules.PATIENCE)


STATUSES = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
)


@given(st.lists(st.sampled_from(STATUSES), max_size=12))
def test_an_end_is_never_left_whatever_order_answers_come_in(answers: list[str]) -> None:
    status = "requires_payment_method"
    for answer in answers:
        before = status
        if rules.moves_on(status, _intent(answer)):
            status = answer
        if before in ("succeeded", "canceled"):
            assert status == before
        if before == "requires_capture":
            assert status in ("requires_capture", "succeeded", "canceled")


def test_only_news_has_an_effect() -> None:
    declined = _intent("requires_payment_method", IntentError("card_declined", "no", "lost_card"))
    assert rules.tells_more(_intent("requires_payment_method"), declined)
    assert not rules.tells_more(declined, declined)


def _intent(status: str, error: IntentError | None = None) -> ProviderIntent:
    none = Money(0, "EUR")
    return ProviderIntent(
        id="pi", status=status, amount=none, client_secret="s", captured=none, refunded=none, last_error=error
    )

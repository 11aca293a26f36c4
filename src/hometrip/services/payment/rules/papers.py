"""What invoices, statements and reports say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from msgspec.structs import replace

from hometrip.kernel.money import Money, total
from hometrip.kernel.split import Split
from hometrip.services.listing.contract import QuoteLine


def gaps(numbers: Iterable[tuple[str, int]], last: Mapping[str, int]) -> list[str]:
    """Where the numbers of a series are not 1, 2, 3 … up to its last, in words."""
    given: dict[str, list[int]] = {}
    for series, number in numbers:
        given.setdefault(series, []).append(number)
    wrong = []
    for series in sorted({*given, *last}):
        found, until = sorted(given.get(series, [])), last.get(series, 0)
        if found != list(range(1, until + 1)):
            wrong.append(f"the papers of {series} are numbered {found}, the last of them {until}")
    return wrong


BY_BANK, SHARED_ANEW = "charged_back", "shared_anew"
# Why money went back, by what begins its cause. Anything else is a wish of staff, who say why.
WHY_BACK = {
    "cancelled": "The stay was cancelled.",
    "changed": "The stay was changed and costs less.",
    "dispute": "A disagreement about the stay was settled.",
    "too_late": "It was paid too late.",
    "booking.unpayable": "The stay could not be had any more.",
    BY_BANK: "The card's bank took it back.",
    SHARED_ANEW: "Nothing came back, but what was paid was shared out anew.",
}


# Brands of cards that are not written as Stripe's word for them with a capital.
BRANDS = {
    "amex": "American Express",
    "diners": "Diners Club",
    "eftpos_au": "eftpos",
    "jcb": "JCB",
    "unionpay": "UnionPay",
    "unknown": "Card",
}


def brand_of(word: str) -> str:
    """How a card's brand is written, "Visa", by Stripe's word for it."""
    return BRANDS.get(word) or word.replace("_", " ").capitalize()


def why_back(cause: str, reason: str) -> str:
    """Why a refund was made, in words for its credit note."""
    return WHY_BACK.get(cause.partition(":")[0], reason)


def is_part(cause: str, of: str) -> bool:
    """Is it the same refund, of another of the payments that it had to be taken from?"""
    return cause == of or cause.startswith(f"{of}:")


def says_the_same(lines: Sequence[QuoteLine], amount: Money, split: Split) -> bool:
    """Are these lines over that amount, and of each area over the tax that it has or gives of it? Not so what
    a cancellation tells of a stay that was paid in part: there a tax has its part of what came, not of each
    line."""
    taxes: Counter[str] = Counter()
    for line in lines:
        if line.kind == "tax":
            taxes[line.area or line.label] += line.amount.amount
    shares = Counter({area: tax.amount for area, tax in split.taxes.items()})
    return taxes == shares and total((line.amount for line in lines), amount.currency) == amount


def lines_less(before: Sequence[QuoteLine], after: Sequence[QuoteLine]) -> list[QuoteLine]:
    """By how much each line of a price is less after a change; one that is more, or a discount that is gone,
    is below zero. Lines that stay as they were are left out."""
    olds, news = _by_kind(before), _by_kind(after)
    found = []
    for key in dict.fromkeys((*olds, *news)):
        for old, new in zip_longest(olds.get(key, ()), news.get(key, ())):
            found += _line_less(old, new)
    return found


def _by_kind(lines: Sequence[QuoteLine]) -> dict[tuple[str, str | None], list[QuoteLine]]:
    """Of a kind there is one, but for the taxes of an area."""
    found: dict[tuple[str, str | None], list[QuoteLine]] = {}
    for one in lines:
        found.setdefault((one.kind, one.area), []).append(one)
    return found


def _line_less(old: QuoteLine | None, new: QuoteLine | None) -> list[QuoteLine]:
    if old is None or new is None:
        one = old or new
        assert one is not None  # it is in one of the two prices
        return [one if old else replace(one, amount=-one.amount, quantity=None, unit=None)]
    less, unit = old.amount - new.amount, old.unit
    count = (old.quantity or 0) - (new.quantity or 0)
    if not less:
        return []
    if count <= 0 or unit is None or unit != new.unit or unit * count != less:
        return [replace(old, amount=less, quantity=None, unit=None, was=None)]
    label = counted(count, "night") if old.kind == "nights" else old.label
    return [replace(old, label=label, amount=less, quantity=count, was=None)]


# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def safe_cell(text: str) -> str:
    """Words for a cell of a CSV file that no spreadsheet takes for a formula: an apostrophe goes before."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def counted(number: int, thing: str) -> str:
    """ "1 night", "2 nights"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def decimal(amount: Money) -> str:
    """The amount without its currency: "-12.30", "4000", "1.250"."""
    return str(amount).split(" ")[0]

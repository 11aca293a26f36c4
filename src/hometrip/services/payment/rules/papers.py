"""What invoices, statements and reports say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hometrip.kernel.money import Money


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


# Why money went back, by what begins its cause. Anything else is a wish of staff, who say why.
WHY_BACK = {
    "cancelled": "The stay was cancelled.",
    "changed": "The stay was changed and costs less.",
    "dispute": "A disagreement about the stay was settled.",
    "too_late": "It was paid too late.",
    "booking.unpayable": "The stay could not be had any more.",
}


def why_back(cause: str, reason: str) -> str:
    """Why a refund was made, in words for its credit note."""
    return WHY_BACK.get(cause.partition(":")[0], reason)


def is_part(cause: str, of: str) -> bool:
    """Is it the same refund, of another of the payments that it had to be taken from?"""
    return cause == of or cause.startswith(f"{of}:")


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

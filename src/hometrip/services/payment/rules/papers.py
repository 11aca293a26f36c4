"""What invoices, statements and reports say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


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

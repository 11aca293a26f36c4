"""The reviews: who wrote what about which home, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

import msgspec

from hometrip.services.listing.rules.insideairbnb import cells
from hometrip.services.listing.rules.insideairbnb.rows import Row, RowRefused, Table

_NEEDED = ("listing_id", "id", "date", "comments")


class SourceReview(msgspec.Struct, frozen=True):
    """A guest's words about a home, as plain text with line breaks; no rating is published with them."""

    id: str
    source_id: str
    date: date
    reviewer_source_id: str | None
    reviewer_name: str
    text: str


def read_reviews(lines: Iterable[str]) -> Iterator[SourceReview | RowRefused]:
    """One record or refusal for each row. Raises `ColumnsMissing` at once."""
    return _reviews(Table(lines, _NEEDED))


def _reviews(table: Table) -> Iterator[SourceReview | RowRefused]:
    for found in table.rows():
        yield found if isinstance(found, RowRefused) else _review(*found)


def _review(line: int, row: Row) -> SourceReview | RowRefused:
    home, own, on = cells.identifier(row["listing_id"]), cells.identifier(row["id"]), cells.day(row["date"])
    if home is None or own is None:
        return RowRefused(line, home, "no id" if own is None else "no listing_id")
    if on is None:
        return RowRefused(line, home, f"“{row['date'][:40]}” is not a date")
    text = cells.text_of(row["comments"])
    if not text:
        return RowRefused(line, home, "no words")
    return SourceReview(
        id=own,
        source_id=home,
        date=on,
        reviewer_source_id=cells.identifier(row.get("reviewer_id", "")),
        reviewer_name=cells.line_of(row.get("reviewer_name", ""))[:80],
        text=text,
    )

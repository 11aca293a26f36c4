"""What an import has done, counted and in words."""

from __future__ import annotations

from hometrip.kernel.record import Frozen

MOST_ROWS_NAMED = 1_000


class RowLeftOut(Frozen):
    """`file` is homes, calendar or reviews; `row` the line on which the row begins, where that is known."""

    file: str
    reason: str
    row: int | None = None
    source_id: str | None = None


class ImportReport(Frozen):
    """Homes, days and reviews that were read; of the homes and calendars, how many that changed.

    `drafts` are homes that could not be published, `clashes` imported ranges that live bookings or other
    blocks have already. `left_out` names the first thousand rows that were left out, `rows_left_out` counts
    all of them.
    """

    homes: int = 0
    homes_new: int = 0
    homes_changed: int = 0
    homes_unchanged: int = 0
    drafts: int = 0
    days: int = 0
    calendars_changed: int = 0
    calendars_unchanged: int = 0
    reviews: int = 0
    reviews_new: int = 0
    reviews_unchanged: int = 0
    clashes: int = 0
    rows_left_out: int = 0
    left_out: list[RowLeftOut] = []

    def lines(self) -> list[str]:
        """The report for people, a sentence or part of one each."""
        told = [
            f"{self.homes:,} homes: {self.homes_new:,} new, {self.homes_changed:,} changed, "
            f"{self.homes_unchanged:,} as they were",
            f"{self.days:,} days: {self.calendars_changed:,} calendars changed, "
            f"{self.calendars_unchanged:,} as they were",
            f"{self.reviews:,} reviews: {self.reviews_new:,} new, {self.reviews_unchanged:,} known",
        ]
        if self.drafts:
            told.append(f"{self.drafts:,} homes stay drafts: they have no price")
        if self.clashes:
            told.append(f"{self.clashes:,} ranges were taken already")
        if self.rows_left_out:
            told.append(f"{self.rows_left_out:,} rows left out")
        for row in self.left_out[:20]:
            where = f"{row.file}, row {row.row}" if row.row else row.file
            told.append(f"  {where}: {row.reason}")
        return told

"""From a file to rows: opening, decoding, the header, and what happens to a row that cannot be read."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import msgspec

from hometrip.kernel.errors import Invalid

# A line longer than this is read in pieces, so that no file can fill the memory with one line.
LONGEST_LINE = 1 << 20
_GZIP = b"\x1f\x8b"


class ColumnsMissing(Invalid):
    """This is not a table of the kind expected: columns that it needs are not in its first line."""

    code = "columns_missing"


class FileCut(Exception):
    """The compressed file ends or breaks before its end. Raised by the lines of `open_text` only."""


class RowRefused(msgspec.Struct, frozen=True):
    """A row that was left out. `row` is the line of the file on which it begins; the header is line 1."""

    row: int
    source_id: str | None
    reason: str


Row = dict[str, str]


@contextmanager
def open_text(source: str | Path | IO[bytes]) -> Iterator[Iterator[str]]:
    """The lines of a file, plain or gzip (told by its first bytes, not its name), as they are needed.

    UTF-8 with or without a byte order mark; bytes that are not UTF-8 become U+FFFD. A path is opened and
    closed; a binary stream is read from where it stands and left open.
    """
    if isinstance(source, str | Path):
        with Path(source).open("rb") as file, open_text(file) as lines:
            yield lines
        return
    # Anything that can `readinto` does, but `peek` belongs to buffered readers alone.
    buffered = (
        source if isinstance(source, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, source))
    )
    packed = buffered.peek(2)[:2] == _GZIP
    stream = gzip.GzipFile(fileobj=buffered, mode="rb") if packed else buffered
    text = io.TextIOWrapper(cast(IO[bytes], stream), encoding="utf-8-sig", errors="replace", newline="")
    try:
        yield _lines(text)
    finally:
        text.detach()
        if buffered is not source:
            buffered.detach()


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    try:
        while line := text.readline(LONGEST_LINE):
            yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as broken:
        raise FileCut(str(broken)) from broken


class Table:
    """Rows of a CSV file under its header, each a list of cells, with the line on which it begins."""

    def __init__(self, lines: Iterable[str], needed: Iterable[str]) -> None:
        """Reads the header; raises `ColumnsMissing`, with `missing` and `found`, when it lacks one needed."""
        self._reader = csv.reader(lines)
        try:
            header = next(self._reader, [])
        except (csv.Error, FileCut):
            header = []
        self.columns = [name.strip().lower() for name in header]
        if missing := [name for name in needed if name not in self.columns]:
            found = [name[:60] for name in self.columns[:100]]
            raise ColumnsMissing(
                f"The first line lacks the columns {', '.join(missing)}.", missing=missing, found=found
            )

    def cells(self) -> Iterator[tuple[int, list[str]] | RowRefused]:
        """`(line, cells)` for each row that has as many cells as the header; empty lines are passed over."""
        width, begins = len(self.columns), self._reader.line_num + 1
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as unreadable:
                # Most often a quotation mark that is never closed: what it swallowed is lost, the rest not.
                yield RowRefused(begins, None, f"the row cannot be read: {unreadable}")
            except FileCut:
                yield RowRefused(begins, None, "the file is cut off here; what came before was read")
                return
            else:
                if len(cells) == width:
                    yield begins, cells
                elif cells:
                    yield RowRefused(begins, None, f"{len(cells)} cells where the header has {width}")
            begins = self._reader.line_num + 1

    def rows(self) -> Iterator[tuple[int, Row] | RowRefused]:
        """As `cells`, but each row by the names of its columns."""
        for found in self.cells():
            if isinstance(found, RowRefused):
                yield found
            else:
                line, cells = found
                yield line, dict(zip(self.columns, cells, strict=True))

"""Papers as PDF: one plain layout for receipts, invoices, credit notes and statements.

`pdf_of` is a pure function: the same paper gives the same bytes. Its fonts are free to embed: DejaVu knows
Latin, Greek, Cyrillic, Hebrew and Arabic letters with all their accents, Droid those of Chinese, Japanese and
Korean, Noto those of India, of South East Asia and of Ethiopia, which HarfBuzz shapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache, lru_cache, partial
from html import escape
from io import BytesIO
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from hometrip.kernel.money import Money
from hometrip.services.payment import rules

FONTS = Path(__file__).parents[1] / "templates"
PLAIN, BOLD = "DejaVuSansCondensed", "DejaVuSansCondensed-Bold"
ASIAN = "DroidSansFallback"
SHAPED = "NotoSans{}-Regular"  # of a script
INK, QUIET, BRAND, RULE, SHADE = "#1c2430", "#667085", "#0f766e", "#d5dae1", "#f3f6f6"
MARGIN = 54  # points; 72 are an inch
HEADED = 160  # points: room for a heading and the first rows below it
SHORT = 600  # letters of notes that need no more room than some rows

_reading = Lock()


class Party(msgspec.Struct, frozen=True):
    """Who a paper is from, to or about: a label and some lines."""

    label: str
    lines: list[str]


class Sheet(msgspec.Struct, frozen=True):
    """A table: the first column is words, the others are amounts. `totals` are its last, bold rows."""

    columns: list[str]
    rows: list[list[str]]
    totals: list[list[str]] = []
    heading: str = ""
    widths: list[int] = []


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """What is printed, in its order."""

    title: str
    number: str
    facts: list[tuple[str, str]]
    parties: list[Party]
    sheets: list[Sheet]
    notes: list[str] = []


def pdf_of(paper: Paper) -> bytes:
    """The paper on as many A4 pages as it needs, each with its number."""
    # Imported here: a process that prints nothing need not carry it.
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    _fonts()
    target = BytesIO()
    document = SimpleDocTemplate(
        target,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=96,
        bottomMargin=64,
        title=f"{paper.title} {paper.number}".strip(),
        author="HomeTrip",
        invariant=1,
    )
    story = [*_head(paper), *_sheets(paper)]
    frame = partial(_frame, paper)
    document.build(story, onFirstPage=frame, onLaterPages=frame, canvasmaker=_counted())
    return target.getvalue()


@lru_cache(maxsize=1)
def _fonts() -> None:
    for name in (PLAIN, BOLD):
        _letters(name)


def _letters(name: str) -> Any:
    """The letters that a font has; it is read when the first of them is printed. Once, whoever prints at the
    same time: a paper that is half done has no other font of that name under its hands."""
    with _reading:
        return _font(name)


@cache
def _font(name: str) -> Any:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    font = TTFont(name, str(FONTS / f"{name}.ttf"), shapable=name.startswith("Noto"))
    pdfmetrics.registerFont(font)
    return font.face.charToGlyph.keys()


def _frame(paper: Paper, canvas: Any, document: Any) -> None:
    """What every page bears: the house's name above, the paper's number and the page below."""
    width, height = document.pagesize
    canvas.saveState()
    canvas.setFillColor(BRAND)
    canvas.rect(0, height - 8, width, 8, stroke=0, fill=1)
    canvas.setFont(BOLD, 17)
    canvas.drawString(MARGIN, height - 54, "HomeTrip")
    canvas.setFillColor(QUIET)
    canvas.setFont(PLAIN, 8)
    canvas.drawString(MARGIN, 36, f"{paper.title} {paper.number}".strip())
    canvas.setStrokeColor(RULE)
    canvas.line(MARGIN, 50, width - MARGIN, 50)
    canvas.restoreState()


@lru_cache(maxsize=1)
def _counted() -> Any:
    """A canvas that writes the page and how many there are on each once all are known."""
    from reportlab.pdfgen.canvas import Canvas

    class Counted(Canvas):  # type: ignore[misc]
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self._drawn: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 - the name that it has there
            self._drawn.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for page in self._drawn:
                self.__dict__.update(page)
                self.setFont(PLAIN, 8)
                self.setFillColor(QUIET)
                words = f"Page {self._pageNumber} of {len(self._drawn)}"
                self.drawRightString(self._pagesize[0] - MARGIN, 36, words)
                super().showPage()
            super().save()

    return Counted


def _words(
    text: str, size: float = 9, font: str = PLAIN, color: str = INK, align: int = 0, indent: int = 0
) -> Any:
    from reportlab.lib.styles import ParagraphStyle

    style = ParagraphStyle(
        "words",
        fontName=font,
        fontSize=size,
        leading=size * 1.4,
        textColor=color,
        alignment=align,
        leftIndent=indent,
    )
    parts = [*rules.by_script(rules.joined(text))]
    if scripts := [script for script, _ in parts if script]:
        # A paragraph is shaped where its own font is.
        style.fontName, style.shaping = SHAPED.format(scripts[0]), 1
    marked = [(name, words) for script, part in parts for name, words in _by_font(part, font, script)]
    return _lines()("".join(_marked(name, words, style.fontName) for name, words in marked), style)


def _by_font(text: str, font: str, script: str) -> Iterator[tuple[str, str]]:
    """What is to be printed, with the font that has it: the one of its script, or the one that is wanted, or
    the one of East Asia. Pictures that none has are left out."""
    if script:
        _letters(name := SHAPED.format(script))
        yield name, text
        return
    letters = _letters(font)
    for known, part in rules.by_font(text, lambda letter: ord(letter) in letters):
        if known:
            yield font, part
        else:
            seen = rules.without_pictures(part, lambda letter: ord(letter) in _letters(ASIAN))
            yield font if _letters(ASIAN).isdisjoint(map(ord, seen)) else ASIAN, seen


def _marked(font: str, text: str, own: str) -> str:
    """For a paragraph that is in a font of its `own`."""
    words = escape(text).replace("\n", "<br/>")
    return words if font == own else f'<font name="{font}">{words}</font>'


@lru_cache(maxsize=1)
def _lines() -> Any:
    """A paragraph that puts its lines in the order in which they are seen once it knows where they break."""
    from reportlab.pdfbase.pdfmetrics import getFont, stringWidth
    from reportlab.platypus import Paragraph, paragraph

    # It shapes a word by the font of its first letter, also where other fonts have a part in it.
    paragraph.shapeFragWord = _shaped

    class Lines(Paragraph):  # type: ignore[misc]
        frags: list[Any]

        def breakLines(self, width: Any) -> Any:  # noqa: N802 - the name that it has there
            if self.style.shaping:
                # It is fitted in more than once, and keeps its words as they were shaped.
                whole: list[Any] = self.__dict__.setdefault("_whole", self.frags)
                wide = min(width) if isinstance(width, list) else width
                self.frags = [self._parted(frag, wide) for frag in whole]
            broken = super().breakLines(width)
            if broken.kind == 0:
                broken.lines = [
                    (space, rules.as_seen(" ".join(words)).split(" ")) for space, words in broken.lines
                ]
            else:
                for part in (part for line in broken.lines for part in line.words):
                    part.text = rules.as_seen(part.text)
            return broken

        def _parted(self, frag: Any, wide: float) -> Any:
            """Its words that are too long for a line, in parts where their letters allow it."""
            if not getattr(getFont(frag.fontName), "shapable", False):
                return frag.clone()
            width_of = partial(stringWidth, fontName=frag.fontName, fontSize=frag.fontSize)
            return frag.clone(text=rules.parted(frag.text, lambda words: width_of(words) <= wide))

    return Lines


def _shaped(word: Any) -> Any:
    """A word of a paragraph, its width and then its parts (each with how it looks), as HarfBuzz shapes those
    whose font it is to shape."""
    from reportlab.pdfbase.pdfmetrics import getFont, stringWidth
    from reportlab.pdfbase.ttfonts import ShapedFragWord, makeShapedFragWord, shapeFragWord

    if isinstance(word, ShapedFragWord):
        return word  # it was, when the paragraph was fitted in before
    made: list[Any] = []
    wide = 0.0
    for name, same in groupby(word[1:], key=lambda part: part[0].fontName):
        parts = [*same]
        shaped = shapeFragWord([0, *parts]) if getattr(getFont(name), "shapable", False) else None
        if shaped and shaped[0]:
            made += shaped[1:]
            wide += shaped[0]
        else:
            made += parts
            wide += sum(stringWidth(text, name, look.fontSize) for look, text in parts)
    return makeShapedFragWord(word)([wide, *made])


def _head(paper: Paper) -> list[Any]:
    from reportlab.platypus import Spacer, Table, TableStyle

    facts = [[_words(label, 8, color=QUIET), _words(value, 9)] for label, value in paper.facts]
    known = Table(facts, colWidths=[88, 132])
    known.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP")]))
    top = Table([[_words(paper.title, 20, BOLD), known]], colWidths=[267, 220])
    top.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, 0), 0)]))
    blocks = [
        [_words(party.label, 8, color=QUIET), *(_words(line, 9.5) for line in party.lines)]
        for party in paper.parties
    ]
    wide = 487 / max(1, len(blocks))
    parties = Table([blocks], colWidths=[wide] * len(blocks)) if blocks else Spacer(0, 0)
    if blocks:
        parties.setStyle(
            TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, 0), 0)])
        )
    return [top, Spacer(0, 14), parties, Spacer(0, 18)]


def _sheets(paper: Paper) -> list[Any]:
    """The tables, and the notes below the last of them; short ones keep off a page of their own."""
    notes = [_words(note, 8, color=QUIET, indent=-6) for note in paper.notes]
    if not paper.sheets or sum(map(len, paper.notes)) > SHORT:
        return [*(part for sheet in paper.sheets for part in _sheet(sheet, [])), *notes]
    *others, last = paper.sheets
    return [*(part for sheet in others for part in _sheet(sheet, [])), *_sheet(last, notes)]


def _sheet(sheet: Sheet, notes: list[Any]) -> list[Any]:
    from reportlab.platypus import CondPageBreak, Spacer, Table, TableStyle

    last = len(sheet.columns) - 1
    widths = sheet.widths or [487 - 96 * last, *[96] * last]

    def row(cells: list[str], font: str, color: str = INK) -> list[Any]:
        words, *figures = cells
        fitted = zip(figures, widths[1:], strict=True)
        return [_words(words, 9, font, color), *(_figure(cell, font, color, wide) for cell, wide in fitted)]

    rows = [
        row(sheet.columns, BOLD, BRAND),
        *(row(cells, PLAIN) for cells in sheet.rows),
        *(row(cells, BOLD) for cells in sheet.totals),
    ]
    totals, end = len(rows) - len(sheet.totals), len(rows) - 1
    style: list[tuple[Any, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 6),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
        ("LINEBELOW", (0, 0), (-1, 0), 1, BRAND),
        ("LINEBELOW", (0, 1), (-1, end), 0.5, RULE),
        # No total, and no note, stands on a page without what it is about.
        ("NOSPLIT", (0, max(1, totals - 1)), (-1, -1)),
    ]
    if sheet.totals:
        style.append(("BACKGROUND", (0, totals), (-1, end), SHADE))
    if notes:
        rows.append([notes, *[""] * last])
        style += [("SPAN", (0, -1), (-1, -1)), ("TOPPADDING", (0, -1), (-1, -1), 18)]
    # What is below a table is off a page that has no room for it: it needs no page of its own.
    table = Table(rows, colWidths=widths, repeatRows=1, spaceAfter=18)
    table.setStyle(TableStyle(style))
    heading = [_words(sheet.heading, 11, BOLD, indent=-6), Spacer(0, 6)] if sheet.heading else []
    return [*([CondPageBreak(HEADED)] if heading else []), *heading, table]


def _figure(text: str, font: str, color: str, wide: int) -> Any:
    """To the right, and smaller where it would else go over two lines."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    takes = stringWidth(text, font, 9)
    return _words(text, 9 * min(1, (wide - 13) / takes) if takes else 9, font, color, align=2)


def figure(amount: Money) -> str:
    """Without its currency, its thousands apart: "-1,234.50", "4,000"."""
    whole, point, parts = rules.decimal(amount).partition(".")
    return f"{int(whole):,}{point}{parts}" if int(whole) else f"{whole}{point}{parts}"


def priced(amount: Money) -> str:
    """ "-1,234.50 EUR"."""
    return f"{figure(amount)} {amount.currency}"


def span_of(since: date | None, until: date | None) -> str:
    return f"{day_of(since)} to {day_of(until)}" if since and until else ""


def day_of(at: date) -> str:
    return f"{at.day} {at:%B %Y}"

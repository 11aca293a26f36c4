"""What one cell says: a text, a number, a date, a yes or no, a price. None where it says nothing usable."""

from __future__ import annotations

import html
import re
from datetime import date
from functools import lru_cache

from hometrip.kernel.money import CURRENCIES, digits_of, half_up

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{0,20})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNSEEN = re.compile(r"(<(script|style)\b.*?</\2\s*>)|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_PARAGRAPH = re.compile(r"</?(p|div|ul|ol|h[1-6]|table)\b[^<>]*>", re.IGNORECASE)
_LINE = re.compile(r"<(br|li|tr|hr)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][a-z0-9]*(\s[^<>]*|/)?>", re.IGNORECASE)
# Control characters, which no database takes in a text, and half surrogate pairs, which no encoder takes.
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")

# The longest sign that the text holds decides. Those of several countries ("$", "kr") are not here.
_SIGNS = dict(
    pair.split("=")
    for pair in (
        "US$=USD CA$=CAD C$=CAD A$=AUD AU$=AUD NZ$=NZD HK$=HKD S$=SGD MX$=MXN NT$=TWD R$=BRL CN¥=CNY JP¥=JPY "
        "£=GBP €=EUR ¥=JPY ₹=INR ₩=KRW ₪=ILS ฿=THB ₺=TRY ₫=VND ₱=PHP ₴=UAH zł=PLN Kč=CZK Ft=HUF Fr.=CHF"
    ).split()
)
_BY_LENGTH = sorted(_SIGNS, key=len, reverse=True)
_DOLLARS = frozenset("USD CAD AUD NZD HKD SGD MXN TWD ARS CLP COP BZD".split())
_COUNTRIES = dict(
    pair.split("=")
    for pair in (
        "US=USD CA=CAD AU=AUD NZ=NZD HK=HKD SG=SGD MX=MXN TW=TWD AR=ARS CL=CLP CO=COP BZ=BZD GB=GBP UK=GBP "
        "CH=CHF JP=JPY CN=CNY KR=KRW TH=THB IN=INR TR=TRY IL=ILS BR=BRL ZA=ZAR DK=DKK SE=SEK NO=NOK IS=ISK "
        "PL=PLN CZ=CZK HU=HUF RO=RON AT=EUR BE=EUR CY=EUR DE=EUR EE=EUR ES=EUR FI=EUR FR=EUR GR=EUR HR=EUR "
        "IE=EUR IT=EUR LT=EUR LU=EUR LV=EUR MT=EUR NL=EUR PT=EUR SI=EUR SK=EUR BG=EUR"
    ).split()
)
_ISO = re.compile(r"\b[A-Z]{3}\b")
_AMOUNT = re.compile(r"[0-9][0-9.,'’\s\u00a0\u202f]*")


def identifier(cell: str) -> str | None:
    cell = cell.strip()
    return cell if _ID.fullmatch(cell) else None


def line_of(cell: str) -> str:
    """One line of plain text: no HTML, no control characters, single spaces."""
    return " ".join(text_of(cell).split())


def text_of(cell: str) -> str:
    """Plain text of some HTML: tags and comments go, breaks and paragraphs stay as line breaks.

    A `<` that opens no tag, as in "< 1 block away", is the writer's own and stays.
    """
    if "<" in cell:
        cell = _UNSEEN.sub("", cell)
        cell = cell.replace("<br />\n", "\n").replace("<br/>\n", "\n")
        cell = _TAG.sub("", _LINE.sub("\n", _PARAGRAPH.sub("\n\n", cell)))
    if "&" in cell:
        cell = html.unescape(cell)
    cell = _UNWANTED.sub("", cell.replace("\r\n", "\n").replace("\r", "\n"))
    lines = [" ".join(line.split()) for line in cell.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def number(cell: str) -> float | None:
    cell = cell.strip()
    return float(cell) if _NUMBER.fullmatch(cell) else None


def whole(cell: str, least: int = 0, most: int = 1_000_000_000) -> int | None:
    """A whole number in that range; "2.0" is 2, "16+" is 16, and 2.5 is none."""
    read = number(cell.strip().removesuffix("+"))
    return int(read) if read is not None and read == int(read) and least <= read <= most else None


def yes(cell: str) -> bool | None:
    word = cell.strip().lower()
    return True if word in ("t", "true", "1", "yes") else False if word in ("f", "false", "0", "no") else None


@lru_cache(maxsize=8192)
def day(cell: str) -> date | None:
    try:
        return date.fromisoformat(cell) if _DATE.fullmatch(cell) else None
    except ValueError:
        return None


def currency_of(cell: str, country: str | None = None) -> str | None:
    """The currency that a price names by its code or sign, else that of the country; "$" alone is USD."""
    named: list[str] = _ISO.findall(cell)
    for code in named:
        if code in CURRENCIES:
            return code
    of_country = _COUNTRIES.get((country or "").strip().upper())
    sign = next((sign for sign in _BY_LENGTH if sign in cell), None)
    if sign:
        return _SIGNS[sign]
    if "$" in cell:
        return of_country if of_country in _DOLLARS else "USD"
    return of_country


@lru_cache(maxsize=8192)
def price(cell: str, currency: str) -> int | None:
    """Minor units of a price as people write it: `$1,234.00`, `1.234,00 €`, `CHF 1'234`; half-up.

    Where both marks occur, the last is the decimal one. A mark that occurs once, before exactly three digits,
    groups thousands, unless it is a point and the currency has three digits.
    """
    found = _AMOUNT.search(cell)
    if found is None or "-" in cell:
        return None
    digits = digits_of(currency)
    amount = re.sub(r"['’\s\u00a0\u202f]", "", found.group()).rstrip(".,")
    mark = max(amount.rfind("."), amount.rfind(","))
    if mark >= 0 and _groups(amount, mark, digits):
        mark = -1
    before, after = (amount, "") if mark < 0 else (amount[:mark], amount[mark + 1 :])
    before = re.sub(r"[.,]", "", before)
    if len(before) > 12 or len(after) > 12:
        return None
    return half_up(int(before + after) * 10**digits, 10 ** len(after))


def _groups(amount: str, mark: int, digits: int) -> bool:
    """Whether the last mark of an amount separates thousands rather than decimals."""
    sign = amount[mark]
    other = "," if sign == "." else "."
    if amount.count(sign) > 1:
        return True
    three_follow = len(amount) - mark - 1 == 3
    return three_follow and other not in amount and not (sign == "." and digits == 3)

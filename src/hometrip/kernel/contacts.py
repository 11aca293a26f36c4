"""Ways to reach somebody outside the marketplace, in what people write: they are hidden until a booking is
confirmed, and wherever a text goes into events (rules of messages, section 7).
"""

from __future__ import annotations

import re

# Wide letters and spaces of all kinds are read as the plain ones, marks without a width not at all.
_SPACES = "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_WIDTHLESS = (0xAD, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF)
_PLAIN: dict[int, int | str | None] = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}
_PLAIN |= dict.fromkeys(map(ord, _SPACES), " ") | dict.fromkeys(_WIDTHLESS)

# None of them begins in the middle of a word: a long text without any is read once.
EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]+@[\w.-]+\.[^\W\d_]{2,}")
# A name may be written J.de Vries: of these ends, what stands before has three letters or more.
_TOP, _SHORT = "(?:com|org|net|info|io|eu|uk)", "(?:de|fr|ch)"
_OPEN, _SHUT = r"\s*[(\[{]\s*", r"\s*[)\]}]\s*"
_DOT = rf"(?:{_OPEN}(?:dot|punkt|point|punto){_SHUT}|\s+\.\s*|\.)"
_SPELT_OUT = re.compile(
    rf"(?<![\w.%+-])[\w.%+-]+{_OPEN}(?:at|ät|@|arobase|arroba){_SHUT}[\w-]+(?:{_DOT}[\w-]+)*{_DOT}[^\W\d_]{{2,}}"
    rf"|(?<![\w.%+-])[\w.%+-]+ (?:at|arobase|arroba) [\w-]+(?: (?:dot|punkt|point|punto) [\w-]+){{1,4}}",
    re.I,
)
_LINK = re.compile(
    r"(?:https?://|www\.)\S+"
    rf"|(?<![a-z0-9.-])(?:[a-z0-9-]+\.)+(?:[a-z]{{2,}}/\S+|{_TOP}\b)"
    rf"|(?<![a-z0-9.-])(?:[a-z0-9-]+\.)*[a-z0-9-]{{3,}}\.{_SHORT}\b"
    rf"|(?<![\w-])[\w-]+ dot (?:{_TOP}|{_SHORT})\b",
    re.I,
)
# Nine digits or more, eight after a plus, however they are set apart. Dates are none, nor is a record's id.
_NUMBER = re.compile(
    r"(?P<id>\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b)"
    r"|\+?\d(?:[ ()._*~|\u00b7\u2010-\u2015\u2022\u2212/-]{0,3}\d){7,}"
)
_DAY, _MARK = r"(?:0?[1-9]|[12]\d|3[01])", "[./-]"
_DATE = re.compile(
    rf"{_DAY}(?P<mark>{_MARK}) ?{_DAY}(?P=mark) ?(?:19|20)?\d\d"
    rf"|20\d\d(?P<sign>{_MARK}) ?{_DAY}(?P=sign) ?{_DAY}"
)
# Three groups of digits may be a date, but not three out of more: 06.12.34.56.78 is none.
_GROUPS = re.compile(rf"(?<!\d)20\d\d-[01]\d-[0-3]\d(?!\d)|\d+(?P<mark>{_MARK}) ?\d+(?:(?P=mark) ?\d+)*")


def without_contacts(text: str, *, links: bool = False) -> str:
    """The text with e-mail addresses, links and phone numbers hidden; of each is told what it was. With
    `links`, those stay: for what only who wrote it reads again.
    """
    plain = text.translate(_PLAIN)
    read = plain
    for pattern in (EMAIL, _SPELT_OUT):
        read = pattern.sub("[e-mail address hidden]", read)
    if not links:
        read = _LINK.sub("[link hidden]", read)
    read = _NUMBER.sub(_hidden_number, read)
    return text if read == plain else read


def _hidden_number(found: re.Match[str]) -> str:
    digits = sum(letter.isdigit() for letter in _GROUPS.sub(_without_date, found[0]))
    few = digits < 9 - found[0].startswith("+")
    return found[0] if few or found["id"] else "[phone number hidden]"


def _without_date(groups: re.Match[str]) -> str:
    return "" if _DATE.fullmatch(groups[0]) else groups[0]

"""What people write: nothing stays in it that nobody sees, or that turns round what stands beside it."""

from __future__ import annotations

import re
import unicodedata

_BREAKS = re.compile("\r\n?|[\x85\u2028\u2029]")
# Numbers that are no characters, and never will be: U+FDD0 to U+FDEF, and the last two of each plane.
_NONE = "\ufdd0-\ufdef" + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
# Controls but tabs and line breaks, halves of characters, letters without a shape, and marks of format: bidi
# embeddings, overrides and isolates (U+202A to U+202E, U+2066 to U+2069), spaces without a width, and so on.
_HIDDEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u202a-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    f"\U000e0001\U000e0020-\U000e007f{_NONE}"
)
# The flags of England, Scotland and Wales are a black flag and unseen letters.
_UNSEEN = re.compile(f"(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{{3,6}}\U000e007f)|[{_HIDDEN}]")
# Most texts have nothing of all this.
_ANY = re.compile(f"[\r\u2028\u2029\u200c-\u200f\u061c{_HIDDEN}]")
_MARKS = re.compile("[\u200e\u200f\u061c]")
_JOINERS = re.compile("[\u200c\u200d]+")
# From here on scripts have letters that join. The Latin and Greek ones of later are none of them.
_JOINING, _PLAIN = 0x0600, range(0x1E00, 0x2000)
_VIRAMA = 9


def visible(text: str) -> str:
    """The text with \\n for every line break, and without what cannot be seen.

    Joiners (U+200C, U+200D) stay between letters of scripts that join, and within emoji; marks of direction
    where something is written from right to left.
    """
    if _ANY.search(text) is None:
        return text
    text = _UNSEEN.sub(lambda found: found[1] or "", _BREAKS.sub("\n", text))
    unmarked = _MARKS.sub("", text)
    if unmarked != text and not any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in unmarked):
        text = unmarked
    return _JOINERS.sub(_joiner, text)


def one_line(text: str) -> str:
    """The same, with single spaces for white space of any kind."""
    return " ".join(visible(text).split())


def _joiner(found: re.Match[str]) -> str:
    """One of them, where it joins."""
    text, begin, end = found.string, found.start(), found.end()
    before, after = text[begin - 1 : begin], text[end : end + 1]
    joins = _joins(before) and (_joins(after) or unicodedata.combining(before) == _VIRAMA)
    return found[0][0] if joins else ""


def _joins(letter: str) -> bool:
    """Letters, the marks on them, and emoji."""
    return (
        letter != ""
        and ord(letter) >= _JOINING
        and ord(letter) not in _PLAIN
        and unicodedata.category(letter)[0] in "LMS"
    )

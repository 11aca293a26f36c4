"""How words look on paper, where that is more than letter after letter: Arabic letters that join, lines that
run from right to left (the Unicode bidirectional algorithm, UAX 9, as far as names and titles need it, on
paper that is read from the left), and letters that only another font has, or that are shaped by it.

Looked at: python-bidi 0.6, which leaves brackets as they are and marks before their letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from itertools import groupby

# The forms that letters have in words, each with what it stands for (Arabic Presentation Forms A and B).
FORMS = (*range(0xFB50, 0xFE00), *range(0xFE70, 0xFF00))
JOINS_ONLY = "\u0640"  # the stroke that makes a word longer
LAM = "\u0644"

# Scripts whose letters change, join and change places with those beside them, by rules that their fonts have.
SHAPED = (
    (0x0900, 0x0980, "Devanagari"),
    (0x0980, 0x0A00, "Bengali"),
    (0x0A00, 0x0A80, "Gurmukhi"),
    (0x0A80, 0x0B00, "Gujarati"),
    (0x0B00, 0x0B80, "Oriya"),
    (0x0B80, 0x0C00, "Tamil"),
    (0x0C00, 0x0C80, "Telugu"),
    (0x0C80, 0x0D00, "Kannada"),
    (0x0D00, 0x0D80, "Malayalam"),
    (0x0D80, 0x0E00, "Sinhala"),
    (0x0E00, 0x0E80, "Thai"),
    (0x0E80, 0x0F00, "Lao"),
    (0x1000, 0x10A0, "Myanmar"),
    (0x1200, 0x13A0, "Ethiopic"),
    (0x1780, 0x1800, "Khmer"),
)
# What is of the script before it: joiners, and the two dandas that end a verse in most of India's.
_OF_EITHER = frozenset("\u200b\u200c\u200d\u0964\u0965")

# Vowels that are letters of their own, before or behind the one that they are read after; and the class of
# the signs that join two letters to one.
_BEFORE, _BEHIND = frozenset("เแโใไເແໂໃໄ"), frozenset("ะาำๆະາຳໆ")
_JOINS = 9

# Symbols and their modifiers, joiners, keycaps, and what Unicode did not know yet.
_OF_PICTURES = frozenset(["So", "Sk", "Cf", "Me", "Cn", "Co"])

# What runs from the right: from its first such letter to its last, with the number behind it.
_FROM_THE_RIGHT = re.compile("R(?:[RNO]*[RN])?")
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_OPENED_BY = {")": "(", "]": "[", "}": "{", "»": "«"}
_UP_TO_A_BRACKET = re.compile(r"[^()\[\]{}«»]*[)\]}»]")


def joined(text: str) -> str:
    """The text with each Arabic letter in the form that it has between its neighbours."""
    forms, letters, made = _forms(), _clusters(text), list[str]()
    at = 0
    while at < len(letters):
        letter, marks = letters[at][0], letters[at][1:]
        before = at > 0 and _reaches(letters[at - 1][0])
        pair = letter + letters[at + 1][0] if letter == LAM and at + 1 < len(letters) else ""
        if not marks and ("isolated", pair) in forms:
            made.append(forms["final" if before else "isolated", pair] + letters[at + 1][1:])
            at += 2
            continue
        after = at + 1 < len(letters) and _reaches(letter) and _is_reached(letters[at + 1][0])
        before = before and _is_reached(letter)
        form = {(0, 0): "isolated", (1, 0): "final", (0, 1): "initial", (1, 1): "medial"}[before, after]
        made.append(forms.get((form, letter), letter) + marks)
        at += 1
    return "".join(made)


def as_seen(line: str) -> str:
    """A line that is written from left to right, with what runs from right to left in it turned round."""
    classes = "".join(map(_class, line))
    if "R" not in classes:
        return line
    parts, done = [], 0
    for found in _FROM_THE_RIGHT.finditer(classes):
        end = _with_bracket(line, found.start(), found.end())
        parts += [line[done : found.start()], _turned(line[found.start() : end])]
        done = end
    return "".join([*parts, line[done:]])


def by_font(text: str, has: Callable[[str], bool]) -> Iterator[tuple[bool, str]]:
    """The text in parts: whether the font has its letters."""
    for known, letters in groupby(text, key=lambda letter: letter.isspace() or has(letter)):
        yield known, "".join(letters)


def by_script(text: str) -> Iterator[tuple[str, str]]:
    """The text in parts, each with the one of `SHAPED` that it is of, or "" for all others."""
    script, parts = "", list[tuple[str, str]]()
    for letter in text:
        if letter not in _OF_EITHER or not script:
            script = _script(letter)
        parts.append((script, letter))
    for found, letters in groupby(parts, key=lambda part: part[0]):
        yield found, "".join(letter for _, letter in letters)


def parted(text: str, fits: Callable[[str], bool]) -> str:
    """The text with a space where a word, which has none of its own, has to go on in the next line."""
    made: list[str] = []
    for word in text.split(" "):
        line = ""
        for piece in [word] if fits(word) else _pieces(word):
            if line and not fits(line + piece):
                made.append(line)
                line = ""
            line += piece
        made.append(line)
    return " ".join(made)


def _pieces(word: str) -> list[str]:
    """What a line may end behind: letters with their marks, with what joins them to the next, and the vowels
    of Thai and Lao that are written before the letter or behind it."""
    found: list[str] = []
    for letter in word:
        goes_on = unicodedata.category(letter) in ("Mn", "Mc", "Cf") or letter in _BEHIND
        if found and (goes_on or found[-1][-1] in _BEFORE or unicodedata.combining(found[-1][-1]) == _JOINS):
            found[-1] += letter
        else:
            found.append(letter)
    return found


def _script(letter: str) -> str:
    code = ord(letter)
    return next((name for first, past, name in SHAPED if first <= code < past), "")


def without_pictures(text: str, has: Callable[[str], bool]) -> str:
    """The text without the pictures, and what joins and colours them, that the font does not have. A letter
    stays, to be seen as missing."""
    return "".join(one for one in text if has(one) or unicodedata.category(one) not in _OF_PICTURES)


def _with_bracket(line: str, start: int, end: int) -> int:
    """A bracket that was opened in what runs from the right is closed there."""
    rest = _UP_TO_A_BRACKET.match(line, end)
    if rest is None or "L" in map(_class, rest[0]):
        return end
    run, opening = line[start:end], _OPENED_BY[rest[0][-1]]
    return rest.end() if run.count(opening) > run.count(rest[0][-1]) else end


def _turned(run: str) -> str:
    """Marks stay behind their letter, and numbers are read from the left."""
    turned = "".join(reversed(_clusters(run))).translate(_MIRRORED)
    return _NUMBER.sub(lambda number: number[0][::-1], turned)


def _clusters(text: str) -> list[str]:
    """Letters, each with its marks."""
    found: list[str] = []
    for letter in text:
        if found and unicodedata.category(letter) == "Mn":
            found[-1] += letter
        else:
            found.append(letter)
    return found


def _class(letter: str) -> str:
    """R from the right, L from the left, N a number, O whatever takes the way of what is around it."""
    told = unicodedata.bidirectional(letter)
    return {"R": "R", "AL": "R", "L": "L", "EN": "N", "AN": "N"}.get(told, "O")


def _reaches(letter: str) -> bool:
    """Does it join the one behind it?"""
    return letter == JOINS_ONLY or ("initial", letter) in _forms()


def _is_reached(letter: str) -> bool:
    return letter == JOINS_ONLY or ("final", letter) in _forms()


@cache
def _forms() -> dict[tuple[str, str], str]:
    """By form and letter (or lam with its alef), as Unicode's own table has them."""
    found = {}
    for code in FORMS:
        form, *parts = unicodedata.decomposition(chr(code)).split() or [""]
        letters = "".join(chr(int(part, 16)) for part in parts)
        if len(letters) == 1 or (len(letters) == 2 and letters[0] == LAM and code >= 0xFEF5):
            found[form.strip("<>"), letters] = chr(code)
    return found

"""How words look on paper, where that is more than letter after letter: Arabic letters that join, lines that
run from right to left (the Unicode bidirectional algorithm, UAX 9, as far as names and titles need it, on
paper that is read from the left), and letters that only another font has.

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

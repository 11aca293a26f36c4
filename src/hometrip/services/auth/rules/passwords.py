"""Which passwords are accepted: long enough, and not a common one in disguise."""

from __future__ import annotations

import itertools

from hometrip.kernel.errors import FieldError
from hometrip.services.auth.contract import WeakPassword
from hometrip.services.auth.rules.common_words import COMMON, ROWS, WALKS

SHORTEST = 10
LONGEST = 256

# What people write for letters, and what they put before and after a word.
_LEET = str.maketrans("0134578@$!|+", "oleastbasilt")
_DECORATION = "0123456789 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~§°£€"
# A password is a run when all but so many of its characters follow the one before, in order or on a keyboard.
_BREAKS = 2


def check(password: str, *own: str) -> None:
    """`WeakPassword` unless the password may be chosen; `own` are words that stand for the account itself."""
    if len(password) < SHORTEST:
        raise _weak("too_short", f"a password has at least {SHORTEST} characters")
    if len(password) > LONGEST:
        raise _weak("too_long", f"a password has at most {LONGEST} characters")
    if is_common(password) or _stands_for(password, own):
        raise _weak("too_common", "this password is among the first that are guessed")


def is_common(password: str) -> bool:
    """Is it a common word with the usual decoration, a word said twice, a pattern, or a run of keys?"""
    small = password.casefold()
    unit = small[: _unit(small)]
    # Of the password as it is, too: to fold its case may make it longer (ß).
    if min(len(unit), _unit(password)) <= 4 or _is_run(small) or any(unit in walk for walk in WALKS):
        return True
    return any(word in COMMON or word[: _unit(word)] in COMMON for word in _words(small) | _words(unit))


def _words(small: str) -> set[str]:
    """The word that may be behind it: bare, and with the letters that its digits and signs stand for."""
    bare = small.strip(_DECORATION)
    guesses = {small, bare, small.translate(_LEET), small.translate(_LEET).strip(_DECORATION)}
    guesses |= {bare.translate(_LEET), bare.translate(_LEET).strip(_DECORATION)}
    return {squeezed for guess in guesses if (squeezed := "".join(c for c in guess if c not in " -_."))}


def _unit(text: str) -> int:
    """The length of the shortest text that, said again and again, begins with all of this one."""
    return next(n for n in range(1, len(text) + 1) if text == (text[:n] * (len(text) // n + 1))[: len(text)])


def _is_run(small: str) -> bool:
    """Do nearly all characters follow from the one before: the alphabet, digits, or a row of keys?"""
    neighbours = sum(_are_neighbours(a, b) for a, b in itertools.pairwise(small))
    return neighbours >= len(small) - 1 - _BREAKS


def _are_neighbours(a: str, b: str) -> bool:
    if a.isascii() and b.isascii() and a.isalnum() and b.isalnum() and abs(ord(a) - ord(b)) <= 1:
        return True
    return any(a in row and b in row and abs(row.index(a) - row.index(b)) == 1 for row in ROWS)


def _stands_for(password: str, own: tuple[str, ...]) -> bool:
    letters = _only_letters(password)
    return bool(letters) and any(letters == _only_letters(word) for word in own)


def _only_letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalpha())


def _weak(code: str, detail: str) -> WeakPassword:
    return WeakPassword(detail, errors=[FieldError("password", code, detail)])

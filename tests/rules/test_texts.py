"""What is kept of what people write: all that can be seen, and what scripts and emoji need."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hometrip.kernel.texts import one_line, visible

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
AS_IT_IS = {
    "plain words": "A quiet flat - 5 min. to the sea",
    "paragraphs": "One.\n\n\tTwo.",
    "accents": "Café Zoë, ß, 東京, Ελλάδα",
    "Persian with a joiner": "می\u200cخواهم",
    "Hindi with a joiner": "क्\u200dष",
    "Malayalam with a joiner at its end": "അവന്\u200d",
    "Hebrew with a mark of direction": "שלום\u200f!",
    "letters that are newer than this Python": "\U00018d09 \U0001fae8",
    "a family": "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "a burning heart": "\u2764\ufe0f\u200d\U0001f525",
    "a technologist": "\U0001f469\U0001f3fd\u200d\U0001f4bb",
    "the flag of England": f"by train from {ENGLAND}",
}
OTHERWISE = {
    "an override": ("safe\u202egnp.exe", "safegnp.exe"),
    "isolates": ("\u2066Hanna\u2069 \u2067Host\u2069", "Hanna Host"),
    "embeddings": ("\u202aa\u202b b\u202c", "a b"),
    "spaces without a width": ("Han\u200bna\u2060 Ho\ufeffst", "Hanna Host"),
    "a joiner between letters that do not join": ("Han\u200dna", "Hanna"),
    "a joiner at the end": ("\U0001f469\u200d", "\U0001f469"),
    "joiners in a row": ("می\u200c\u200c\u200dخواهم", "می\u200cخواهم"),
    "marks of direction without a reason": ("\u200eHanna\u200f", "Hanna"),
    "soft hyphens": ("Boots\u00adhaus", "Bootshaus"),
    "fillers": ("a\u3164\u115f\uffa0b", "ab"),
    "letters of flags without a flag": ("Hi\U000e0041\U000e0042", "Hi"),
    "a flag that does not end": (ENGLAND[:-1], "\U0001f3f4"),
    "what is no character": ("a\ufdd0b\uffff\U0010fffec", "abc"),
    "controls": ("a\x00b\x07c\x1bd\x7fe\x9bf", "abcdef"),
    "line breaks of all kinds": ("a\r\nb\rc\x85d\u2028e\u2029f", "a\nb\nc\nd\ne\nf"),
}


@pytest.mark.parametrize("what", sorted(AS_IT_IS))
def test_what_can_be_seen_stays(what: str) -> None:
    assert visible(AS_IT_IS[what]) == AS_IT_IS[what]


@pytest.mark.parametrize("what", sorted(OTHERWISE))
def test_what_cannot_be_seen_goes(what: str) -> None:
    written, kept = OTHERWISE[what]
    assert visible(written) == kept


def test_a_line_has_single_spaces() -> None:
    assert one_line("  Hanna\u00a0\n\u200b Host\t") == "Hanna Host"


HIDDEN = st.sampled_from("\u200b\u200c\u200d\u200e\u202e\u2066\ufeff\x85\x1f\U000e0067\U000e007f\U0001f3f4")


@given(st.text(st.one_of(st.characters(), HIDDEN)))
def test_nothing_is_left_that_would_go_the_next_time(text: str) -> None:
    seen = visible(text)
    assert visible(seen) == seen
    assert not {unicodedata.category(letter) for letter in seen} & {"Cs", "Zl", "Zp"}
    assert {letter for letter in seen if unicodedata.category(letter) == "Cc"} <= {"\n", "\t"}
    assert not {unicodedata.bidirectional(letter) for letter in seen} & {"LRO", "RLO", "LRI", "RLI", "FSI"}

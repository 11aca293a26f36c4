"""How names and titles look on paper: letters that join, lines from the right, letters of other fonts."""

from __future__ import annotations

from unicodedata import normalize

import pytest

from hometrip.services.payment import rules

# Each as it is written, and as the algorithm of UAX 9 lays it out where a line begins at the left.
LINES = [
    ("Zoë Łuk, 12 May", "Zoë Łuk, 12 May"),
    ("שלום", "םולש"),
    ("Villa שלום עולם nights", "Villa םלוע םולש nights"),
    ("Villa שלום, 3 nights", "Villa 3 ,םולש nights"),
    ("מס (10 %)", "(% 10) סמ"),
    ("דירה 12.5 (קטנה)", "(הנטק) 12.5 הריד"),
    ("דירה 12 flexible", "12 הריד flexible"),
    ("שָׁלוֹם", "םוֹלשָׁ"),
    ("(שלום) x", "(םולש) x"),
    ("א (ב) x", "(ב) א x"),
]


@pytest.mark.parametrize(("written", "seen"), LINES)
def test_what_runs_from_the_right_is_turned_round(written: str, seen: str) -> None:
    assert rules.as_seen(written) == seen


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        ("محمد", "\ufee3\ufea4\ufee4\ufeaa"),  # three that join to both sides, and an end
        ("دار", "\ufea9\ufe8d\ufead"),  # none joins the one behind it
        ("سلام", "\ufeb3\ufefc\ufee1"),  # lam and alef are one
        ("لا", "\ufefb"),
        ("گل", "\ufb94\ufede"),  # Persian letters too
        ("مُحَ", "\ufee3\u064f\ufea2\u064e"),  # over their marks
        ("ـبـ", "ـ\ufe92ـ"),
        ("Zoë 王", "Zoë 王"),
    ],
)
def test_arabic_letters_have_the_form_of_their_place(word: str, forms: str) -> None:
    assert rules.joined(word) == forms
    assert normalize("NFKC", forms) == normalize("NFKC", word)


def test_a_text_is_told_apart_by_what_a_font_has() -> None:
    parts = [*rules.by_font("Ann 王 小明 & Co", str.isascii)]
    assert parts == [(True, "Ann "), (False, "王"), (True, " "), (False, "小明"), (True, " & Co")]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Ann \U0001f389", "Ann "),
        ("\U0001f469\u200d\U0001f467\ufe0f", "\ufe0f"),  # DejaVu has what makes a sign a picture
        ("\u2764 \U0001f44d\U0001f3fd", "\u2764 "),
        ("\u0939\u093f", "\u0939\u093f"),  # letters stay, to be seen as missing
    ],
)
def test_pictures_that_no_font_has_are_left_out(text: str, printed: str) -> None:
    assert rules.without_pictures(text, lambda letter: letter in "An \ufe0f\u2764") == printed


def test_a_text_is_told_apart_by_the_scripts_that_are_shaped() -> None:
    assert [*rules.by_script("Ann (สมชาย) 2")] == [("", "Ann ("), ("Thai", "สมชาย"), ("", ") 2")]
    assert [*rules.by_script("নমস্কার। x")] == [("Bengali", "নমস্কার।"), ("", " x")]
    assert [*rules.by_script("क्\u200dष")] == [("Devanagari", "क्\u200dष")]
    assert [*rules.by_script("\u200dAnn")] == [("", "\u200dAnn")]


@pytest.mark.parametrize(
    ("word", "lines"),
    [
        ("สมชายใจ", ["สม", "ชาย", "ใจ"]),  # what is written before its letter goes with it
        ("น้ำน้ำ", ["น้ำ", "น้ำ"]),
        ("क्षक्ष", ["क्ष", "क्ष"]),  # two letters that are one
        ("सि", ["सि"]),
    ],
)
def test_a_word_that_is_too_long_goes_on_between_its_letters(word: str, lines: list[str]) -> None:
    assert rules.parted(f"x {word}", lambda words: len(words) <= 3).split(" ") == ["x", *lines]

"""Texts that people write: what is kept of them is plain, without HTML and without control characters."""

from __future__ import annotations

import html
import re
import unicodedata

import nh3

_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")


def plain(text: str) -> str:
    """The words without markup; "Tom & Jerry", "a < b" and line breaks stay as they are."""
    text = _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    # What unescaping brings to light may be markup again: cleaned until nothing changes.
    for _ in range(5):
        cleaned = text
        if "<" in text or "&" in text:
            cleaned = html.unescape(nh3.clean(text, tags=set(), clean_content_tags={"script", "style"}))
        if cleaned == text:
            break
        text = cleaned
    else:
        text = text.replace("<", "").replace(">", "")
    return text.strip()


def one_line(text: str) -> str:
    return " ".join(plain(text).split())


def folded(text: str) -> str:
    """The text for comparing: without case and accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(part for part in parts if not unicodedata.combining(part)).split())

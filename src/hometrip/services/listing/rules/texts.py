"""Texts that people write: what is kept of them is plain, without HTML and without what cannot be seen."""

from __future__ import annotations

import html
import unicodedata

import nh3

from hometrip.kernel.texts import visible


def plain(text: str) -> str:
    """The words without markup; "Tom & Jerry", "a < b" and line breaks stay as they are."""
    text = visible(text)
    # What unescaping brings to light may be markup again: cleaned until nothing changes.
    for _ in range(5):
        cleaned = text
        if "<" in text or "&" in text:
            cleaned = html.unescape(nh3.clean(text, tags=set(), clean_content_tags={"script", "style"}))
        if cleaned == text:
            break
        text = visible(cleaned)
    else:
        text = text.replace("<", "").replace(">", "")
    return text.strip()


def one_line(text: str) -> str:
    return " ".join(plain(text).split())


def folded(text: str) -> str:
    """The text for comparing: without case and accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(part for part in parts if not unicodedata.combining(part)).split())

"""Ways to reach somebody outside the marketplace, in what people write: they are hidden until a booking is
confirmed, and wherever a text goes into events (rules of messages, section 7).
"""

from __future__ import annotations

import re

# None of them begins in the middle of a word: a long text without any is read once.
EMAIL = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
_SPELT_OUT = re.compile(
    r"(?<![\w.%+-])[\w.%+-]+\s*[(\[{]\s*at\s*[)\]}]\s*[\w-]+(?:\s*(?:[(\[{]\s*dot\s*[)\]}]|\.)\s*[\w-]+)+",
    re.I,
)
_LINK = re.compile(
    r"(?:https?://|www\.)\S+"
    r"|(?<![a-z0-9.-])(?:[a-z0-9-]+\.)+(?:[a-z]{2,}/\S+|(?:com|org|net|info|io|eu|uk|de|fr|ch)\b)",
    re.I,
)
# Nine digits or more, eight after a plus, however they are set apart; dates are none.
_NUMBER = re.compile(r"\+?\d(?:[ ().\u2010-\u2015/-]{0,3}\d){7,}")
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b")


def without_contacts(text: str) -> str:
    """The text with e-mail addresses, links and phone numbers hidden; of each is told what it was."""
    for pattern in (EMAIL, _SPELT_OUT):
        text = pattern.sub("[e-mail address hidden]", text)
    return _NUMBER.sub(_hidden_number, _LINK.sub("[link hidden]", text))


def _hidden_number(found: re.Match[str]) -> str:
    digits = sum(letter.isdigit() for letter in _DATE.sub("", found[0]))
    return found[0] if digits < 9 - found[0].startswith("+") else "[phone number hidden]"

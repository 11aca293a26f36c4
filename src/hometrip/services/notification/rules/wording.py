"""The words of each kind in each language, read from `templates/<language>.toml`.

They are Jinja templates of plain text: whatever they say is escaped where it goes into HTML, not here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from jinja2 import Environment, Template

TEMPLATES = "hometrip.services.notification"


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one kind says. `subject` and `preview` tell of the facts alone, so that they need nobody asked."""

    subject: str
    preview: str
    heading: str
    paragraphs: list[str]
    button: str
    note: str = ""


class Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of one language: labels, forms of counted things, lines of a price, reasons, and the kinds."""

    labels: dict[str, str]
    counts: dict[str, dict[str, str]]
    lines: dict[str, str]
    reasons: dict[str, str]
    kinds: dict[str, Words]


# msgspec lays a type out when it is first read, and two threads that do so at the same time end the process
# (a segmentation fault, seen with 0.22): letters are written in threads, so it is laid out here.
msgspec.json.Decoder(Language)


def template(name: str) -> str:
    return (files(TEMPLATES) / "templates" / name).read_text(encoding="utf-8")


@cache
def language(name: str) -> Language:
    return msgspec.convert(tomllib.loads(template(f"{name}.toml")), Language)


@cache
def environment(*, html: bool) -> Environment:
    """A template can only say what it is given: no attribute it was not meant to see, no missing value."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def say(words: str, values: Mapping[str, str]) -> str:
    """The words with the values in their places, beginning with a capital; a value that is missing raises."""
    said = _compiled(words).render(values).strip() if "{" in words else words
    return said[:1].upper() + said[1:]


@cache
def _compiled(words: str) -> Template:
    return environment(html=False).from_string(words)

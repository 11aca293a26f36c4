"""Names and languages as people give them at sign-up."""

from __future__ import annotations

from hometrip.kernel.contacts import without_contacts
from hometrip.kernel.errors import Invalid
from hometrip.kernel.texts import one_line

LONGEST = 100
LOCALES = ("en", "fr", "es", "de")


def display_name(given: str) -> str:
    """The name on one line, without what cannot be seen. Strangers read it, and it goes into events: it is no
    way past the marketplace."""
    name = one_line(given)
    if not name or len(name) > LONGEST:
        raise Invalid.field("name", "bad_name", f"a name has 1 to {LONGEST} characters")
    if without_contacts(name) != name:
        raise Invalid.field("name", "contact", "must hold no e-mail address, phone number or link")
    return name


def locale(given: str) -> str:
    """The language of the house that is meant: `fr-CA` is `fr`, and what is not spoken here is `en`."""
    language = given.strip().lower().replace("_", "-").partition("-")[0]
    return language if language in LOCALES else LOCALES[0]

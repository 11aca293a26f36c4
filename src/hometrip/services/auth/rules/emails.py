"""E-mail addresses: what counts as one, and when two are the same."""

from __future__ import annotations

import re

from hometrip.kernel.errors import Invalid

LONGEST = 254
LONGEST_LOCAL = 64

# The dot-atom of RFC 5322 (and RFC 6531's letters), and a domain of at least two labels. No quoted local
# parts, no literals, no white space: nothing in it can end a header line or be read as a second address.
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)")


def normalised(given: str) -> str:
    """The address as it is kept and written to: trimmed, its domain in small letters; `Invalid` if none."""
    address = given.strip()
    local, at, domain = address.rpartition("@")
    labels = domain.split(".")
    if (
        not at
        or len(address) > LONGEST
        or len(local) > LONGEST_LOCAL
        or len(labels) < 2
        or not address.isprintable()
        or not _LOCAL.fullmatch(local)
        or not all(_LABEL.fullmatch(label) for label in labels)
        or labels[-1].isdigit()
    ):
        raise Invalid.field("email", "bad_address", "this is not an e-mail address")
    return f"{local}@{domain.lower()}"


def key(address: str) -> str:
    """What makes two addresses the same account: letters of both cases are one."""
    return address.casefold()

"""Devices by what their user agent says: coarse, so that an update of a browser is not another device."""

from __future__ import annotations

import hashlib
import re

# The first that is found decides: most browsers also name those that they want to be taken for.
_PROGRAMS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
_PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}")


def describe(user_agent: str) -> str:
    """A device in words that its owner recognises: `Firefox on Linux`."""
    program = next((name for mark, name in _PROGRAMS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if program is None:
        product = _PRODUCT.match(user_agent)
        program = product[0] if product else None
    if program and system:
        return f"{program} on {system}"
    return program or system or "Unknown device"


def family_mark(user_agent: str) -> bytes:
    """The same for a kind of device wherever it is: a login from another kind is told to the owner."""
    return _mark("family", describe(user_agent))


def place_mark(user_agent: str, address: str) -> bytes:
    """The same for a kind of device at one address: its owner is not locked out by others' guesses."""
    return _mark("place", describe(user_agent), address)


def _mark(*parts: str) -> bytes:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).digest()[:16]

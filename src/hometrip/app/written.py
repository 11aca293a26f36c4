"""Values of settings as somebody wrote them, read in the type that they are to have."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec


class Given(msgspec.Struct, frozen=True):
    """A value as it was written, and where: `HOMETRIP_PORT` or `hometrip.toml: port`."""

    value: Any
    where: str


def value_of(written: Given, default: Any, wrong: list[str]) -> Any:
    """The value in the type of its default; None where it is of another one, with a line in `wrong`."""
    readers: dict[type, tuple[Callable[[Any], Any], str]] = {
        bool: (_on_or_off, "on or off"),
        int: (_whole_number, "a whole number, not below 0"),
        float: (_number, "a number, not below 0"),
        tuple: (_list, "a list of texts"),
        str: (_text, "text"),
    }
    read, wanted = readers[type(default)]
    try:
        return read(written.value)
    except (ValueError, KeyError, OverflowError):
        shown = "what it is" if "secret" in written.where.lower() else repr(written.value)
        wrong.append(f"{written.where}: {shown} is not {wanted}")
        return None


_ON = {
    "on": True,
    "true": True,
    "yes": True,
    "1": True,
    "off": False,
    "false": False,
    "no": False,
    "0": False,
}


def _on_or_off(value: Any) -> bool:
    return value if isinstance(value, bool) else _ON[str(value).strip().lower()]


def _whole_number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str) or (number := int(value)) < 0:
        raise ValueError
    return number


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError
    return number


def _list(value: Any) -> tuple[str, ...]:
    """Of a list, or of texts with commas between them."""
    if isinstance(value, str):
        return tuple(part for part in (part.strip() for part in value.split(",")) if part)
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        raise ValueError
    return tuple(value)


def _text(value: Any) -> str:
    if not isinstance(value, str | Path) or "\0" in str(value):
        raise ValueError
    return str(value)


def is_origin(url: str) -> bool:
    """Scheme, host and perhaps a port, as a browser writes them: nothing else, no `/` at the end."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port or 1) > 0
            and url == f"{parts.scheme}://{parts.netloc}".lower()
            and "@" not in url
        )
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""Which service a path belongs to, and which of its instances gets the request."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hometrip.kernel.errors import Malformed

# By the first word under /api. A test holds it to the routes that the services declare.
ROUTES = {
    "auth": "auth",
    "api-keys": "auth",
    "users": "user",
    "listings": "listing",
    "bookings": "booking",
    "coupons": "booking",
    "payments": "payment",
    "webhook": "payment",
    "stripe-connect": "payment",
    "notifications": "notification",
    "search": "search",
}
# Stored files are not under /api; those of every service come from the blobs that all of them share.
FILES, FILES_SERVICE = "files", "listing"
SERVICES = tuple(sorted({*ROUTES.values(), FILES_SERVICE}))

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Asking these again changes nothing (RFC 9110, section 9.2.1).
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_TARGET = re.compile(rb"/[!-~]*")
_DOTS = re.compile(rb"/(?:\.|%2e){1,2}(?:[/?]|$)", re.I)


class Place:
    """The service of a path, and its first words as a route for logs and metrics: `/api/listings`."""

    __slots__ = ("route", "service", "step")

    def __init__(self, service: str, route: str) -> None:
        self.service, self.route, self.step = service, route, f"forward to {service}"


_PLACES = {word: Place(service, f"/api/{word}") for word, service in ROUTES.items()}
_FILES = Place(FILES_SERVICE, f"/{FILES}")


def place_of(path: str) -> Place | None:
    """Where a path (decoded, without its query) belongs; None where no service serves it."""
    if path.startswith("/api/"):
        end = path.find("/", 5)
        return _PLACES.get(path[5:] if end < 0 else path[5:end])
    return _FILES if path.startswith("/files/") else None


def target_of(raw_path: bytes, query: bytes) -> bytes:
    """What to ask a service for: the path as it was written. `Malformed` where a service could read it as
    another one than the gateway did.
    """
    target = raw_path + b"?" + query if query else raw_path
    if not _TARGET.fullmatch(target) or b"#" in target:
        raise Malformed("the path is not one of printable ASCII characters")
    if (b"/." in raw_path or b"%2" in raw_path) and _DOTS.search(raw_path):
        raise Malformed("the path has segments of dots")
    return target


def pick(loads: Sequence[int], chance: float) -> int:
    """The index of the less loaded of two random ones; `chance` is in [0, 1)."""
    count = len(loads)
    if count < 2:
        return 0
    first, step = divmod(int(chance * count * (count - 1)), count - 1)
    second = (first + 1 + step) % count
    return first if loads[first] <= loads[second] else second


def may_repeat(method: str, *, has_body: bool, reached: bool) -> bool:
    """May the request go to another instance, once? Always where none has got it; else if it is a read."""
    return not reached or (method in SAFE and not has_body)

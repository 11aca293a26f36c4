"""Records of documents do not change unseen: an older version would write them back without what is new."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from hometrip.app.rooms import kept_in, service_of
from hometrip.app.settings import SERVICES
from hometrip.ports.documents import Collection

# Of each collection: its edition, and its record's fields, in short. Where this does not fit any more, raise
# the `edition` in the service's store if a program of before would lose anything, and put here what the test
# says.
EDITIONS = {
    "user.profiles": (1, "d4cefa2994e1"),
    "user.settings": (1, "8d586f289f78"),
    "user.favorites": (1, "81d1fc3e8c37"),
    "listing.homes": (3, "cbf45218b048"),
    "listing.co_hosts": (1, "fb3b940bdecf"),
    "listing.calendars": (1, "376e56335aa1"),
    "listing.asked_prices": (1, "642561a07776"),
    "listing.blocks": (1, "a267d375e6a8"),
    "listing.edits": (1, "d4a7de88bc2f"),
    "listing.imports": (1, "d10b5a386a56"),
    "listing.imported_reviews": (1, "b56d78ec8b00"),
    "listing.reported": (1, "869b57ee2643"),
    "listing.reports": (1, "7ddce7a46d90"),
    "listing.tax_rules": (1, "8329be1948f4"),
    "listing.feeds": (1, "084db1da27ec"),
    "search.boards": (1, "258216174a68"),
    "notification.notifications": (4, "541738eae6e0"),
    "notification.deliveries": (1, "278f576fa739"),
    "notification.co_hosts": (1, "5a65f4ea303a"),
    "notification.visits": (2, "bf82acc73955"),
}


def fields_of(record: type[Any]) -> str:
    """All fields that a record has, and what may be in them; words about them are left out."""

    def bare(said: Any) -> Any:
        if isinstance(said, list):
            return [bare(one) for one in said]
        if not isinstance(said, dict):
            return said
        words = {"title", "description"}
        return {
            name: bare(value) for name, value in said.items() if name not in words or isinstance(value, dict)
        }

    said = msgspec.json.encode(bare(msgspec.json.schema(record)), order="deterministic")
    return hashlib.sha256(said).hexdigest()[:12]


def test_every_record_is_what_its_edition_says() -> None:
    collections: dict[str, Collection[Any]] = {
        f"{name}.{one.name}": one
        for name in SERVICES
        if kept_in(name) == "documents"
        for one in service_of(name).storage or ()
    }
    assert {name: (one.edition, fields_of(one.record)) for name, one in collections.items()} == EDITIONS


def test_a_field_more_is_seen() -> None:
    class Before(msgspec.Struct):
        """A thing."""

        title: str

    reworded = msgspec.defstruct("Before", [("title", str)])
    after = msgspec.defstruct("Before", [("title", str), ("colour", str, "")])
    assert fields_of(Before) == fields_of(reworded) != fields_of(after)

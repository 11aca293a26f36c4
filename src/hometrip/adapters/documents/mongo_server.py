"""Is the server fit for us: does it answer, is it new enough, a replica set, and may we use it?"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from hometrip.adapters.documents.mongo_link import Document, MongoLink
from hometrip.ports.engine import Finding, Unfit

log = logging.getLogger("hometrip.mongo")

OLDEST = 6
MIGRATE = "run `hometrip migrate`"
_DEEDS = frozenset({"find", "insert", "update", "remove"})
_REPLICATE = "run it as a replica set of at least one: mongod --replSet rs0, then rs.initiate()"


async def examine(link: MongoLink) -> list[Finding]:
    """Reachable, version, replica set, rights: until one makes the next pointless."""
    try:
        admin = link.connect().admin
        hello = await admin.command("hello")
        found = [Finding("reachable", True, link.place), _version(await admin.command("buildInfo"))]
        found.append(_replicated(link, hello))
        if all(finding.fine for finding in found):
            found.append(_rights(link, await admin.command("connectionStatus", showPrivileges=True)))
        return found
    except OSError as reason:
        return [_unreachable(link, reason)]
    except PyMongoError as reason:
        return [_unreachable(link, reason)]


def must_be_fit(findings: Iterable[Finding]) -> None:
    """`Unfit` with everything that is not fine, and what to do about it."""
    wrong = [finding for finding in findings if not finding.fine]
    if wrong:
        raise Unfit("; ".join(f"{one.detail}: {one.advice}" if one.advice else one.detail for one in wrong))


def _unreachable(link: MongoLink, reason: Exception) -> Finding:
    """In our own words: the driver's may hold what is secret."""
    log.warning("%s cannot be used: %s", link.place, type(reason).__name__)
    if isinstance(reason, OperationFailure) and not isinstance(reason, ConnectionFailure):
        told = f"{link.place} does not let us in"
        return Finding("reachable", False, told, "check account, password and authSource in the url")
    return Finding("reachable", False, f"{link.place} does not answer", "is MongoDB running there?")


def _version(info: Document) -> Finding:
    version = str(info.get("version", "0"))
    major = version.partition(".")[0]
    fine = major.isdigit() and int(major) >= OLDEST
    told = f"MongoDB {version}"
    if fine:
        return Finding("version", True, told)
    return Finding("version", False, f"{told} is too old", f"use {OLDEST} or newer")


def _replicated(link: MongoLink, hello: Document) -> Finding:
    """Only replica sets (and shards of them) have transactions, without which no event is sure."""
    link.whole = "setName" in hello or hello.get("msg") == "isdbgrid"
    if link.whole:
        return Finding("replica set", True, str(hello.get("setName", "sharded")))
    told = f"{link.place} is a standalone server, which keeps no transactions apart"
    if link.may_stand_in:
        log.warning("%s: the url says isolation=none, so it is used all the same, for tests only", told)
        return Finding("replica set", True, f"{told}; the url says isolation=none: for tests only")
    return Finding("replica set", False, told, _REPLICATE)


def _rights(link: MongoLink, status: Document) -> Finding:
    known: dict[str, Any] = status.get("authInfo", {})
    users = known.get("authenticatedUsers", [])
    if not users:
        return Finding("rights", True, "everybody may read and write")
    user = str(users[0].get("user", ""))
    may: set[str] = set()
    for one in known.get("authenticatedUserPrivileges", []):
        where = one.get("resource", {})
        everywhere = where.get("anyResource") or where.get("db") in ("", link.name)
        if everywhere and not where.get("collection"):
            may.update(one.get("actions", []))
    missing = sorted(_DEEDS - may)
    if not missing:
        return Finding("rights", True, f"{user} may read and write")
    grant = f'db.grantRolesToUser("{user}", [{{role: "readWrite", db: "{link.name}"}}])'
    return Finding("rights", False, f"{user} may not {', '.join(missing)} in {link.name}", grant)

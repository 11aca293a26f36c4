"""A look at the search engine: whether it answers, is new enough, allows what is done to it, and has what."""

from __future__ import annotations

import contextlib
from uuid import uuid4

import msgspec

from hometrip.adapters.search.elasticsearch.indexes import Indexes
from hometrip.adapters.search.elasticsearch.link import Link, Refusal, check_written
from hometrip.kernel.errors import Unavailable
from hometrip.ports.engine import Finding

READY_SECONDS = 2.0
LOOK_SECONDS = 10.0
OLDEST = {"elasticsearch": 8, "opensearch": 2}
NO_ACCOUNT = (401, 403)


class Version(msgspec.Struct):
    number: str
    distribution: str = "elasticsearch"


class Root(msgspec.Struct):
    version: Version


async def examine(link: Link) -> list[Finding]:
    try:
        answer = await link.ask("GET", "", seconds=READY_SECONDS)
        version = msgspec.json.decode(answer, type=Root).version
    except Refusal as refusal:
        refused = refusal.status in NO_ACCOUNT
        advice = "correct the account in HOMETRIP_SEARCH_URL" if refused else "look into its log"
        return [_unreachable(f"the search engine at {link.where} refuses ({refusal.status})", advice)]
    except Unavailable as failure:
        why = failure.detail.rpartition(": ")[2]
        advice = f"start it, or correct HOMETRIP_SEARCH_URL (tls={'on' if link.tls else 'off'})"
        return [_unreachable(f"no search engine answers at {link.where} ({why})", advice)]
    except msgspec.DecodeError:
        advice = "correct HOMETRIP_SEARCH_URL"
        return [_unreachable(f"what answers at {link.where} is no search engine", advice)]
    found = [Finding("reachable", True, f"a search engine answers at {link.where}"), _judged(version)]
    if found[-1].fine:
        found.append(await _rights(link))
    if found[-1].fine:
        found.append(await _content(link))
    return found


def _unreachable(detail: str, advice: str) -> Finding:
    return Finding("reachable", False, detail, advice)


def _judged(version: Version) -> Finding:
    oldest = OLDEST.get(version.distribution)
    said = f"{version.distribution} {version.number}"
    if oldest is None:
        return Finding("version", False, f"{said} is not known", "use Elasticsearch or OpenSearch")
    if int(version.number.split(".")[0]) < oldest:
        return Finding("version", False, f"{said} is too old", f"upgrade it to {oldest} or later")
    return Finding("version", True, said)


async def _rights(link: Link) -> Finding:
    """Whether all that is done to it is allowed, by doing it to an index that is deleted at once."""
    name = f"{link.prefix}-examined-{uuid4().hex[:8]}"
    try:
        await _use(link, name)
        await _delete(link, name)
    except Unavailable as refusal:
        with contextlib.suppress(Unavailable):
            await _delete(link, name)
        advice = (
            f"allow the account to manage and write the indexes {link.prefix}-* and their aliases, and see "
            "that the engine's disk is not full"
        )
        return Finding("rights", False, refusal.detail, advice)
    return Finding("rights", True, f"indexes {link.prefix}-* can be made, written and deleted")


async def _use(link: Link, name: str) -> None:
    settings = {"number_of_shards": 1, "auto_expand_replicas": "0-1"}
    alias = f"{name}-a"
    await link.ask("PUT", name, {"settings": settings, "aliases": {alias: {}}}, seconds=LOOK_SECONDS)
    order = b'{"index":{"_index":"%s","_id":"1"}}\n{"live":true}\n' % alias.encode()
    params = {"require_alias": "true"}
    await link.ask("POST", "_bulk", order, params=params, check=check_written, seconds=LOOK_SECONDS)
    for step in ("_refresh", "_search", "_count"):
        await link.ask("POST", f"{alias}/{step}", seconds=LOOK_SECONDS)
    await link.ask("POST", f"{alias}/_mget", {"ids": ["1"]}, seconds=LOOK_SECONDS)
    await link.ask("GET", f"_alias/{alias}", seconds=LOOK_SECONDS)


async def _delete(link: Link, name: str) -> None:
    actions = [{"remove_index": {"index": name}}]
    await link.ask("POST", "_aliases", {"actions": actions}, seconds=LOOK_SECONDS)


async def _content(link: Link) -> Finding:
    try:
        made = await Indexes(link).made()
    except Unavailable as failure:
        return Finding("schema", False, failure.detail, "look into the engine's log")
    return Finding("schema", True, f"indexes: {', '.join(sorted(made)) or 'none yet'}")

"""The journal of simulated lives as the door tells it, summed once more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from journeys.steps import ok
from lives.world import Life, World

SLACK = timedelta(minutes=2)
OUT = ("payout", "payout_returned", "offset_given", "offset_taken")
BESIDES = (*OUT, "penalty", "deposit_claim")
Entries = list[dict[str, Any]]


async def journal(world: World, life: Life) -> Entries:
    found = ok(await world.read("staff", "/api/payments/ledger", booking_id=life.id, limit=100))
    world.expect(set(found["balance"].values()) <= {0}, f"{life.id}: {found['balance']}")
    items: Entries = found["items"]
    return items


def summed(entries: Entries, account: str, *, of: tuple[str, ...] = (), besides: tuple[str, ...] = ()) -> int:
    """What the accounts of that name come to, by the entries of these kinds or all but those of others."""
    return sum(
        posting["amount"]["amount"]
        for entry in entries
        if (not of or entry["kind"] in of) and entry["kind"] not in besides
        for posting in entry["postings"]
        if posting["account"].startswith(account)
    )


def captured(entries: Entries) -> int:
    """For the stay; what was taken of its deposit is another matter."""
    return summed(entries, "provider_clearing", of=("capture",)) + summed(
        entries, "deposit_held", of=("capture",)
    )


def promised(entries: Entries) -> int:
    return -summed(entries, "guest", of=("refund_promised",))


async def back_promised(world: World, life: Life) -> int:
    return promised(await journal(world, life))


async def all_of(world: World, who: str, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = ok(await world.read(who, path, limit=100, **({"cursor": cursor} if cursor else {})))
        found += page["items"]
        cursor = page.get("next_cursor")
        if cursor is None:
            return found

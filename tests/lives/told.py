"""What is told in simulated lives, in events and to guests: each thing once."""

from __future__ import annotations

from collections import Counter

from hometrip.services.booking.contract import NOT_PAID
from lives.journal import all_of
from lives.world import World

ONCE = (
    "booking.created booking.requested booking.accepted booking.confirmed booking.declined booking.expired "
    "booking.cancelled booking.checked_in booking.completed"
).split()


async def check_told(world: World) -> None:
    """Each thing that happened to a booking is told once."""
    for life in world.lives:
        names = Counter(one.name for one in await world.house.house.history(f"booking/{life.id}"))
        often = {name: names[name] for name in ONCE if names[name] > 1}
        world.expect(not often, f"{life.id}: told {often}")


async def check_notices(world: World) -> None:
    """Each guest was told of each thing once."""
    for guest in ("gus", "gerda", "greg"):
        told = Counter(one["kind"] for one in await all_of(world, guest, "/api/notifications"))
        lives = [life for life in world.lives if life.guest == guest]
        history = [step for life in lives for step in life.view["history"]]
        steps = Counter(step["status"] for step in history)
        unpaid = sum(step["status"] == "expired" and step["why"] == NOT_PAID for step in history)
        wanted = {
            "booking_confirmed": sum(life.was_paid for life in lives),
            "booking_cancelled": steps["cancelled"],
            "booking_declined": steps["declined"],
            "booking_expired": unpaid,
            "booking_changed": steps["changed"],
        }
        found = {kind: told[kind] for kind in wanted}
        world.expect(found == wanted, f"{guest} was told {found}, not {wanted}")

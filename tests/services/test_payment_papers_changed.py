"""Papers of a stay that was changed since: each tells the dates that it is about, whenever it is printed."""

from __future__ import annotations

from datetime import date
from typing import Any

from harness import Person, TestHouse
from hometrip.kernel.access import Caller
from hometrip.services.payment.actions.papers import invoice_paper
from hometrip.services.payment.actions.printing import span_of
from journeys.steps import book, ok, open_home, pay, stay

DAY = 86_400.0


async def printed(house: TestHouse, guest: Person) -> list[tuple[str, str, str]]:
    """Of each paper of the guest, the oldest first: its title, the dates of its stay, and how many nights."""
    deps, caller = house.deps("payment"), Caller(account_id=guest.id)
    found = []
    for one in reversed(ok(await guest.get("/api/payments/invoices"))["items"]):
        paper = await invoice_paper(deps, caller, one["number"])
        [about] = [party for party in paper.parties if party.label.startswith("Stay")]
        assert about.label == "Stay"
        found.append((paper.title, about.lines[1], about.lines[2]))
    return found


def dates(when: dict[str, Any]) -> str:
    return span_of(date.fromisoformat(when["check_in"]), date.fromisoformat(when["check_out"]))


async def test_a_paper_keeps_the_dates_that_the_stay_had_when_it_was_made(house: TestHouse) -> None:
    host = await house.sign_up("host@example.com", "Hanna Host")
    home = await open_home(host)
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    first = stay(house, days=30)
    booking = ok(await book(guest, home["id"], first), 201)
    path = f"/api/bookings/{booking['id']}"
    await pay(guest, booking["id"])
    await house.settle()
    invoiced = ("Invoice", dates(first), "3 nights")
    assert await printed(house, guest) == [invoiced]

    await house.advance(DAY)
    moved = stay(house, days=39)  # at the same price
    ok(await guest.put(path, moved))
    assert ok(await host.post(f"{path}/change/accept"))["change"]["status"] == "done"
    await house.settle()
    assert await printed(house, guest) == [invoiced]

    await house.advance(DAY)
    longer = stay(house, days=38, nights=5)
    assert ok(await guest.put(path, longer))["change"]["status"] == "awaiting_payment"
    await pay(guest, booking["id"])
    await house.settle()
    more = ("Invoice", dates(longer), "5 nights")
    assert await printed(house, guest) == [invoiced, more]

    await house.advance(DAY)
    shorter = stay(house, days=37, nights=4)
    ok(await guest.put(path, shorter))
    ok(await host.post(f"{path}/change/accept", {}))
    await house.settle()
    assert await printed(house, guest) == [invoiced, more, ("Credit note", dates(shorter), "4 nights")]
    note = ok(await guest.get("/api/payments/invoices"))["items"][0]
    assert note["at"] == house.clock.now().isoformat().replace("+00:00", "Z")
    assert [line["label"] for line in note["lines"]] == ["1 night", "Service fee (12 %)"]
    assert note["reason"] == "The stay was changed and costs less."
    assert len(note["corrects"]) == 1

"""One trace through many processes: a booking, from the door to the timer that ends its hold, in Jaeger."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from app.waiting import until
from engines import settings_of
from journeys.steps import CABIN, HOUR, book, ok, open_home, stay
from split_house import SplitHouse

pytestmark = [pytest.mark.split, pytest.mark.timeout(240)]


class Jaeger:
    """A trace as Jaeger's API tells it."""

    def __init__(self, client: httpx2.AsyncClient, trace_id: str) -> None:
        self._client = client
        self._address = f"{settings_of('jaeger')['HOMETRIP_TEST_JAEGER_URL']}/api/traces/{trace_id}"
        self.steps: set[tuple[str, str, str]] = set()
        self.text = ""

    async def look(self) -> None:
        """Service, name and cause (by name) of each step; the cause is empty for the first."""
        answer = await self._client.get(self._address)
        self.text = answer.text
        found: dict[str, Any] = answer.json()["data"][0] if answer.status_code == 200 else {"spans": []}
        names = {span["spanID"]: span["operationName"] for span in found["spans"]}
        self.steps = {
            (
                found["processes"][span["processID"]]["serviceName"],
                span["operationName"],
                "".join(names.get(each["spanID"], "lost") for each in span["references"]),
            )
            for span in found["spans"]
        }


EXPECTED = {
    ("gateway", "POST /api/bookings", ""),
    ("gateway", "forward to booking", "POST /api/bookings"),
    ("booking", "POST /api/bookings", "forward to booking"),
    ("booking", "ask ListingQuestions.terms", "POST /api/bookings"),
    ("listing", "ListingQuestions.terms", "ask ListingQuestions.terms"),
    ("notification", "hear booking.created", "POST /api/bookings"),
    ("booking", "hear booking.hold_ended", "POST /api/bookings"),
    ("payment", "hear booking.expired", "hear booking.hold_ended"),
}


async def test_a_booking_is_one_trace_from_the_door_to_the_timer_that_ends_its_hold(
    house_of_copies: SplitHouse,
) -> None:
    house = house_of_copies
    home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    await house.advance(2 * HOUR)
    subject = {"subject": f"booking/{booking['id']}"}
    told = ok(await house.client.get("/api/sandbox/events", params=subject))["items"]
    (trace_id,) = {envelope["traceparent"][3:35] for envelope in told}
    jaeger = Jaeger(house.client, trace_id)

    async def arrived() -> bool:
        await jaeger.look()
        return jaeger.steps >= EXPECTED

    await until(arrived, 15)
    for secret in ("example.com", "Gus", CABIN["address"]["line1"], guest.tokens["access_token"]):
        assert secret not in jaeger.text

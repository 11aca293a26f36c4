"""The marketplace mix: which requests guests send, how often, and what an answer to each may be.

The same town and seed give the same requests, so that a run can be repeated.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from benchmarks.town import PASSWORD, Guest, Home, Town
from benchmarks.wire import Answer, request

# The shares of the mix, in percent before they are brought to a sum of 100.
MIX: tuple[tuple[str, float], ...] = (
    ("search", 55.0),
    ("listing", 20.0),
    ("calendar", 7.0),
    ("quote", 7.0),
    ("best rated", 5.0),
    ("popular", 5.0),
    ("favourite", 0.5),
    ("book and pay", 0.5),
    ("login", 0.05),
)
# Nights that somebody else has, or that a home does not sell, are a normal outcome of asking.
EXPECTED: dict[str, frozenset[str]] = {
    "quote": frozenset({"dates_taken", "stay_refused"}),
    "book: quote": frozenset({"dates_taken", "stay_refused"}),
    "book: create": frozenset({"dates_taken"}),
}
AHEAD = 300
FAR = (60, 330)
# Sides of the map boxes that guests look at, in degrees of latitude: from a few streets to the whole town.
BOXES = (0.01, 0.03, 0.08, 0.2)
SIGNED_IN = 0.5


class Trip(NamedTuple):
    """A stay that a guest wants: quote, book, pay, and see it confirmed."""

    home: Home
    guest: Guest
    check_in: date
    check_out: date
    key: str

    @property
    def wish(self) -> dict[str, object]:
        return {"check_in": str(self.check_in), "check_out": str(self.check_out), "guests": 1}


class Visit(NamedTuple):
    """One departure: a request of a kind, or a trip, which is several."""

    kind: str
    request: bytes
    trip: Trip | None = None


class Composer:
    """Makes visits up, by chance and in the shares of `mix`."""

    def __init__(self, town: Town, seed: int, mix: Sequence[tuple[str, float]] = MIX) -> None:
        self.town, self.chance = town, random.Random(seed)
        self._kinds, self._weights = [kind for kind, _ in mix], [weight for _, weight in mix]
        self._favourites: set[tuple[str, str]] = set()
        self._makers: dict[str, Callable[[], bytes]] = {
            "search": self._search,
            "listing": self._listing,
            "calendar": self._calendar,
            "quote": self._quote,
            "best rated": self._best_rated,
            "popular": self._popular,
            "favourite": self._favourite,
            "login": self._login,
        }

    def visits(self, count: int) -> list[Visit]:
        kinds = self.chance.choices(self._kinds, self._weights, k=count)
        return [self._visit(kind) for kind in kinds]

    def _visit(self, kind: str) -> Visit:
        if kind == "book and pay":
            return Visit(kind, b"", self.trip())
        return Visit(kind, self._makers[kind]())

    def trip(self) -> Trip:
        home = self.chance.choice(self.town.instant)
        check_in, check_out = self._stay(home, *FAR)
        key = f"{self.chance.getrandbits(128):032x}"
        return Trip(home, self.chance.choice(self.town.guests), check_in, check_out, key)

    def _search(self) -> bytes:
        first = self._day(1, AHEAD)
        until = first + timedelta(days=self.chance.choice((2, 2, 3, 3, 4, 5, 7)))
        path = f"/api/search?check_in={first}&check_out={until}&guests=2&bbox={self._box()}"
        return request("GET", path, token=self._maybe_signed_in())

    def _box(self) -> str:
        """Around a home, so that guests look where there is something to see."""
        home, side = self.chance.choice(self.town.homes), self.chance.choice(BOXES)
        south = home.lat - side * self.chance.random()
        west = home.lng - side * 1.4 * self.chance.random()
        return f"{south:.5f},{west:.5f},{south + side:.5f},{west + side * 1.4:.5f}"

    def _listing(self) -> bytes:
        home = self.chance.choice(self.town.homes)
        return request("GET", f"/api/listings/{home.id}", token=self._maybe_signed_in())

    def _calendar(self) -> bytes:
        home, first = self.chance.choice(self.town.homes), self._day(0, AHEAD)
        path = f"/api/listings/{home.id}/availability?from={first}&to={first + timedelta(days=90)}"
        return request("GET", path, token=self._maybe_signed_in())

    def _quote(self) -> bytes:
        home = self.chance.choice(self.town.homes)
        check_in, check_out = self._stay(home, 2, AHEAD)
        wish = {"check_in": str(check_in), "check_out": str(check_out), "guests": min(2, home.guests)}
        return request("POST", f"/api/listings/{home.id}/quote", wish, token=self._maybe_signed_in())

    def _best_rated(self) -> bytes:
        city = self.town.homes[0].city.replace(" ", "%20")
        return request("GET", f"/api/search?city={city}&sort=rating", token=self._maybe_signed_in())

    def _popular(self) -> bytes:
        return request("GET", "/api/search/popular", token=self._maybe_signed_in())

    def _favourite(self) -> bytes:
        """Half of them take back what was marked before."""
        if self._favourites and self.chance.random() < 0.5:
            guest_id, home_id = self.chance.choice(sorted(self._favourites))
            self._favourites.discard((guest_id, home_id))
            method = "DELETE"
        else:
            guest_id, home_id = (
                self.chance.choice(self.town.guests).id,
                self.chance.choice(self.town.homes).id,
            )
            self._favourites.add((guest_id, home_id))
            method = "POST"
        token = next(guest.token for guest in self.town.guests if guest.id == guest_id)
        return request(method, f"/api/users/{guest_id}/favorites/{home_id}", token=token)

    def _login(self) -> bytes:
        guest = self.chance.choice(self.town.guests)
        return request("POST", "/api/auth/login", {"email": guest.email, "password": PASSWORD})

    def _stay(self, home: Home, first: int, last: int) -> tuple[date, date]:
        check_in = self._day(first, last)
        return check_in, check_in + timedelta(days=max(home.min_nights, self.chance.randint(2, 5)))

    def _day(self, first: int, last: int) -> date:
        return self.town.today + timedelta(days=self.chance.randint(first, last))

    def _maybe_signed_in(self) -> str | None:
        if self.chance.random() >= SIGNED_IN:
            return None
        return self.chance.choice(self.town.guests).token


# For a server that answers everything alike: a trip needs answers that mean something.
WITHOUT_TRIPS = tuple((kind, weight) for kind, weight in MIX if kind != "book and pay")


def refusal_of(kind: str, answer: Answer) -> str | None:
    """The code of a refusal that is a normal outcome for this kind, or None."""
    if answer.status != 409:
        return None
    code = answer.code
    return code if code in EXPECTED.get(kind, ()) else None


def error_of(answer: Answer) -> str | None:
    """None for success; else what went wrong, in a few words."""
    if 200 <= answer.status < 300:
        return None
    if answer.status == 0:
        return answer.body.decode(errors="replace")
    return f"{answer.status} {answer.code}".rstrip()

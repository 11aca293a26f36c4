"""The load generator's arithmetic: when requests leave, what counts as latency, how answers are read."""

from __future__ import annotations

import heapq
import math
import random
from datetime import date

import pytest
from benchmarks.load import OpenLoop, Schedule, Tally, percentile, summary
from benchmarks.mix import MIX, WITHOUT_TRIPS, Composer, error_of, refusal_of
from benchmarks.slots import EVERY, NIGHTS, stays_for_bookings
from benchmarks.town import Guest, Home, Town
from benchmarks.wire import Answer, NotHttp, read_answer, request
from hypothesis import given
from hypothesis import strategies as st

RATES = st.floats(min_value=0.5, max_value=20_000)
TOWN = Town(
    today=date(2030, 1, 1),
    homes=[
        Home(
            f"home-{n}", "Albany", 42.6 + n / 100, -73.7, guests=2, min_nights=1 + 9 * (n % 2), instant=n < 5
        )
        for n in range(10)
    ],
    guests=[Guest(f"guest-{n}", f"guest-{n}@example.com", f"token-{n}") for n in range(4)],
)


# -- when requests leave


@given(rate=RATES, count=st.integers(1, 500), start=st.floats(0, 1e6))
def test_each_departure_is_due_at_its_moment_and_not_before(rate: float, count: int, start: float) -> None:
    schedule = Schedule(start, rate, count)
    for number in {0, count // 2, count - 1}:
        at = schedule.leaves_at(number)
        assert schedule.due(at) >= number + 1
        assert schedule.due(math.nextafter(at, -math.inf)) <= number


@given(rate=RATES, seconds=st.integers(1, 60))
def test_the_rate_is_the_one_asked_for(rate: float, seconds: int) -> None:
    schedule = Schedule(0.0, rate, 10**7)
    assert abs(schedule.due(float(seconds)) - rate * seconds) <= 1


def test_nothing_is_due_before_the_start_and_no_more_than_the_count_after_the_end() -> None:
    schedule = Schedule(10.0, 100, 50)
    assert [schedule.due(at) for at in (0.0, 9.999, 10.0, 10.011, 99.0)] == [0, 0, 1, 2, 50]


@given(rate=RATES, gaps=st.lists(st.floats(0, 2), min_size=1, max_size=50))
def test_every_request_leaves_once_and_in_order_however_unsteady_the_clock(
    rate: float, gaps: list[float]
) -> None:
    left: list[int] = []
    loop = OpenLoop(Schedule(0.0, rate, 300), lambda number, due_at: left.append(number))
    now = 0.0
    for gap in gaps:
        now += gap
        loop.tick(now)
        assert all(late >= 0 for late in loop.late)
    loop.tick(1e9)
    assert left == list(range(300))
    assert loop.over


# -- latency is counted from the moment of departure that was planned


class OneAtATime:
    """A server that answers one request after the other, and stands still for a while."""

    def __init__(self, service: float, stands_still: tuple[float, float]) -> None:
        self.service, self.stop, self.until = service, *stands_still
        self.free_at = 0.0

    def answers_at(self, arrived: float) -> float:
        begun = max(arrived, self.free_at)
        if self.stop <= begun < self.until:
            begun = self.until
        self.free_at = begun + self.service
        return self.free_at


def latencies(server: OneAtATime, *, rate: float, seconds: float) -> list[float]:
    """Of an open loop whose clock ticks every millisecond."""
    answers: list[tuple[float, float]] = []

    def leave(number: int, due_at: float) -> None:
        heapq.heappush(answers, (server.answers_at(now), due_at))

    loop = OpenLoop(Schedule(0.0, rate, round(rate * seconds)), leave)
    for tick in range(round(seconds * 1000) + 1):
        now = tick / 1000
        loop.tick(now)
    return [answered - due_at for answered, due_at in answers]


def test_a_second_of_standing_still_shows_in_all_requests_of_that_second() -> None:
    found = latencies(OneAtATime(0.001, (2.0, 3.0)), rate=100, seconds=10)
    assert len(found) == 1000
    slow = sorted((each for each in found if each > 0.05), reverse=True)
    # A generator that waits for answers would have one slow request here, and a p99 of 1 ms.
    assert 95 <= len(slow) <= 110
    assert slow[0] == pytest.approx(1.0, abs=0.01)
    assert slow[len(slow) // 2] == pytest.approx(0.55, abs=0.05)
    assert percentile(sorted(found), 0.99) > 0.9
    assert percentile(sorted(found), 0.5) < 0.003


def test_more_than_the_server_can_do_shows_as_latency_that_grows() -> None:
    found = latencies(OneAtATime(0.02, (0, 0)), rate=100, seconds=5)
    assert found[-1] == pytest.approx(5.0, abs=0.1)
    assert sorted(found) == found


def test_a_late_generator_is_told_apart_from_a_slow_server_and_still_counted() -> None:
    due: list[float] = []
    loop = OpenLoop(Schedule(0.0, 10, 10), lambda number, due_at: due.append(due_at))
    loop.tick(0.95)
    assert due == pytest.approx([n / 10 for n in range(10)])
    assert loop.late[0] == pytest.approx(0.95)
    assert loop.late[9] == pytest.approx(0.05)


# -- percentiles


@given(values=st.lists(st.floats(0, 100), min_size=1), share=st.sampled_from([0.5, 0.9, 0.99, 0.999, 1.0]))
def test_a_percentile_is_the_least_value_that_the_share_does_not_exceed(
    values: list[float], share: float
) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(each <= found for each in ordered) >= share * len(ordered) - 1e-9
    assert sum(each < found for each in ordered) < share * len(ordered)


def test_percentiles_of_a_thousand_values() -> None:
    ordered = [float(n) for n in range(1, 1001)]
    assert [percentile(ordered, share) for share in (0.5, 0.99, 0.999, 1.0)] == [500, 990, 999, 1000]


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_summary_is_in_milliseconds_and_needs_no_order() -> None:
    values = [n / 1000 for n in range(1, 101)]
    random.Random(7).shuffle(values)
    assert summary(values) == {"p50": 50, "p90": 90, "p99": 99, "p999": 100, "max": 100}


def test_a_tally_counts_by_kind_and_over_all() -> None:
    tally = Tally()
    for seconds in (0.001, 0.002, 0.003):
        tally.note("search", seconds, 100)
    tally.note("listing", 0.1, 900)
    tally.errors["search: 500"] += 1
    found = tally.report()
    assert found["answered"] == 4
    assert found["latency_ms"]["max"] == 100
    assert found["kinds"]["search"]["p50"] == 2
    assert found["median_bytes"] == 100
    assert found["errors"] == {"search: 500": 1}


# -- answers, however they arrive

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n" + b'{"a":"b\\n"}'
MIXED_CASE = b"HTTP/1.1 409 Conflict\r\nContent-Length: 22\r\nX: y\r\n\r\n" + b'{"code":"dates_taken"}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n5;x=y\r\npedia\r\n0\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\nx-request-id: 1\r\n\r\n"
ANSWERS = [
    (PLAIN, Answer(200, b'{"a":"b\\n"}')),
    (MIXED_CASE, Answer(409, b'{"code":"dates_taken"}')),
    (CHUNKED, Answer(200, b"wikipedia")),
    (EMPTY, Answer(204, b"")),
]


@pytest.mark.parametrize(("sent", "meant"), ANSWERS)
def test_an_answer_is_read_whole_and_its_end_is_known(sent: bytes, meant: Answer) -> None:
    assert read_answer(sent) == (meant, len(sent))
    assert read_answer(sent + b"HTTP/1.1 200") == (meant, len(sent))


@pytest.mark.parametrize(("sent", "meant"), ANSWERS)
def test_an_answer_of_which_some_is_missing_is_waited_for(sent: bytes, meant: Answer) -> None:
    assert [read_answer(bytearray(sent[:end])) for end in range(len(sent))] == [None] * len(sent)


@pytest.mark.parametrize("sent", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: y\r\n\r\n", b"x" * 70_000])
def test_what_is_no_answer_is_refused(sent: bytes) -> None:
    with pytest.raises(NotHttp):
        read_answer(sent)


def test_a_request_says_how_long_its_body_is() -> None:
    sent = request("POST", "/api/x", {"a": "é"}, token="t", headers={"idempotency-key": "k"})
    head, _, body = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/x HTTP/1.1\r\nhost: ")
    assert f"content-length: {len(body)}".encode() in head
    assert b"authorization: Bearer t" in head
    assert b"idempotency-key: k" in head
    assert b"content-length: 0" in request("POST", "/x")
    assert b"content-length" not in request("GET", "/x")


def test_an_expected_refusal_is_no_error_and_only_where_it_is_expected() -> None:
    taken = read_answer(MIXED_CASE)
    assert taken is not None
    assert refusal_of("book: create", taken[0]) == "dates_taken"
    assert refusal_of("search", taken[0]) is None
    assert error_of(taken[0]) == "409 dates_taken"
    assert refusal_of("book: create", Answer(409, b'{"code":"price_changed"}')) is None
    assert error_of(Answer(500, b"<html>")) == "500"
    assert error_of(Answer(0, b"connection lost")) == "connection lost"
    assert error_of(Answer(201, b"")) is None


# -- the mix


def test_the_same_seed_sends_the_same_requests_and_another_seed_others() -> None:
    visits = Composer(TOWN, 1).visits(500)
    assert visits == Composer(TOWN, 1).visits(500)
    assert visits != Composer(TOWN, 2).visits(500)


def test_the_shares_of_the_mix_are_kept() -> None:
    visits = Composer(TOWN, 3).visits(20_000)
    whole = sum(weight for _, weight in MIX)
    for kind, weight in MIX:
        count, expected = sum(visit.kind == kind for visit in visits), 20_000 * weight / whole
        assert abs(count - expected) <= 5 * math.sqrt(expected) + 1, kind
    assert all((visit.trip is not None) == (visit.kind == "book and pay") for visit in visits)


def test_trips_are_to_homes_that_can_be_booked_at_once_and_long_enough() -> None:
    for visit in Composer(TOWN, 4).visits(5_000):
        if (trip := visit.trip) is not None:
            assert trip.home.instant
            assert (trip.check_out - trip.check_in).days >= trip.home.min_nights


def test_a_server_that_answers_everything_alike_is_sent_no_trips() -> None:
    assert {visit.kind for visit in Composer(TOWN, 5, WITHOUT_TRIPS).visits(5_000)} == {
        kind for kind, _ in MIX if kind != "book and pay"
    }


def test_favourites_are_taken_back_only_after_they_were_marked() -> None:
    marked: set[bytes] = set()
    for visit in Composer(TOWN, 6, [("favourite", 1.0)]).visits(300):
        method, path, _ = visit.request.split(b" ", 2)
        if method == b"DELETE":
            marked.remove(path)
        else:
            marked.add(path)


def test_durable_bookings_never_want_the_same_night_in_any_turn() -> None:
    nights = set()
    trips = [trip for turn in range(3) for trip in stays_for_bookings(TOWN, 1, turn)]
    for trip in trips:
        assert (trip.check_out - trip.check_in).days == NIGHTS
        assert trip.home.min_nights <= NIGHTS
        for day in range(EVERY):
            night = (trip.home.id, trip.check_in.toordinal() + day)
            assert night not in nights
            nights.add(night)
    assert len(trips) == 5 * len(TOWN.guests)
    assert len({trip.key for trip in trips}) == len(trips)

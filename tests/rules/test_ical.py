"""Calendars of other sites: which nights they take, what is refused, and when an event is gone."""

from __future__ import annotations

import contextlib
import itertools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hometrip.kernel.stay import Stay
from hometrip.services.listing.rules.ical import FeedUnreadable
from hometrip.services.listing.rules.ical_events import Busy, Home, Reading, merged_stays, read_feed
from hometrip.services.listing.rules.ical_export import calendar_text, folded, is_token, token_of
from hometrip.services.listing.rules.ical_merge import after, ahead, as_before, nights_taken

FEEDS = Path(__file__).parent / "feeds"
CABIN = Home("America/New_York", "15:00", "11:00")
TODAY = date(2027, 4, 14)


def may(*days: int) -> list[date]:
    return [date(2027, 5, day) for day in days]


def nights(body: bytes, home: Home = CABIN, today: date = TODAY) -> list[date]:
    found = nights_taken(read_feed(body, home, today, "here.example").events, today)
    return [night for stay in found for night in stay.each_night()]


def feed(*events: str) -> bytes:
    inside = "".join(f"BEGIN:VEVENT\nUID:{n}\n{event}\nEND:VEVENT\n" for n, event in enumerate(events))
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{inside}END:VCALENDAR\n".encode()


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("airbnb", may(10, 11, 12, 13, 20)),
        ("booking_com", may(10, 11, 12, 13, 20)),
        ("vrbo", may(10, 11, 12, 13, 20)),
        ("google", may(6, 10, 11, 12, 13, 21, 27)),
        ("apple", may(10, 11, 12, 13, 20)),
        ("nextcloud", may(10, 11, 12, 13, 18, 20, 22)),
    ],
)
def test_the_calendars_of_the_known_sites_are_read(name: str, taken: list[date]) -> None:
    body = (FEEDS / f"{name}.ics").read_bytes()
    assert nights(body) == taken
    for ending in (b"\n", b"\r\n", b"\r"):
        assert nights(body.replace(b"\r\n", b"\n").replace(b"\n", ending)) == taken


@pytest.mark.parametrize(
    ("event", "taken"),
    [
        ("DTSTART:20270510", [10]),
        ("DTSTART;VALUE=DATE:20270510\nDTEND;VALUE=DATE:20270510", [10]),
        ("DTSTART;VALUE=DATE:20270510\nDURATION:P1W", [10, 11, 12, 13, 14, 15, 16]),
        ("DTSTART:20270510T000000\nDTEND:20270512T000000", [10, 11]),
        ("DTSTART:20270510T150000\nDTEND:20270512T110000", [10, 11]),
        ("DTSTART:20270510T150000\nDTEND:20270512T150000", [10, 11]),
        ("DTSTART:20270510T150000\nDTEND:20270512T150100", [10, 11, 12]),
        ("DTSTART:20270510T200000\nDTEND:20270510T210000", [10]),
        ("DTSTART:20270511T020000\nDTEND:20270511T060000", [10]),
        ("DTSTART:20270511T000000\nDTEND:20270511T110000", [10]),
        ("DTSTART:20270511T020000\nDTEND:20270511T120000", [11]),
        ("DTSTART:20270511T000000", [11]),
        ("DTSTART:20270511T000000\nDTEND:20270512T000000", [11]),
        ("DTSTART:20270511T020000\nDTEND:20270513T020000", [11, 12]),
        ("DTSTART:20270511T060000Z\nDURATION:PT2H\nRRULE:FREQ=DAILY;COUNT=2", [10, 11]),
        ("DTSTART:20270511T030000Z\nDTEND:20270512T030000Z", [10, 11]),
        ("DTSTART;TZID=Asia/Tokyo:20270511T090000\nDTEND;TZID=Asia/Tokyo:20270512T090000", [10, 11]),
        ("DTSTART;TZID=/maker.example/1/Europe/Paris:20270511T050000\nDURATION:PT1H", [10]),
        ("dtstart;value=date:20270510\ndtend;value=date:20270511", [10]),
        ("DTSTART:20270510\nSTATUS:CANCELLED", []),
        ("DTSTART:20270510\nTRANSP:TRANSPARENT", []),
        ("DTSTART:20260510\nDTEND:20260520", []),
        ("DTSTART:20270510\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE;VALUE=DATE:20270511,20270512", [10, 13]),
        # Of whole days, as Exchange and others write them.
        ("DTSTART;VALUE=DATE:20270510\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20270511T000000", [10, 12]),
        ("DTSTART;VALUE=DATE:20270510\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20270511T040000Z", [10, 12]),
        ("DTSTART:20270510T150000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20270511", [10, 12]),
        ("DTSTART:20270510\nRRULE:FREQ=DAILY;COUNT=2\nEXDATE:\nRDATE;VALUE=DATE: ,20270520", [10, 11, 20]),
        ("DTSTART:20270510\nRDATE;VALUE=DATE:20270520,20270522", [10, 20, 22]),
        (
            "DTSTART:20270510\nRDATE;VALUE=PERIOD:20270520T150000/20270522T110000,20270526T150000/P2D",
            [10, 20, 21, 26, 27],
        ),
        ("DTSTART:20270510\nDESCRIPTION:Guests come\nend of the week\n\nbegin at three", [10]),
        ("DTSTART:20200106\nRRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20270518", None),
    ],
)
def test_the_nights_of_an_event_are_those_that_it_touches_at_the_home(
    event: str, taken: list[int] | None
) -> None:
    mondays = [date(2027, 4, 19), date(2027, 4, 26), *may(3, 10, 17)]
    assert nights(feed(event)) == (mondays if taken is None else may(*taken))


@pytest.mark.parametrize("month_day", ["0313", "1106"])
@pytest.mark.parametrize("lasts", ["P2D", "P1DT24H", "P1W"])
def test_days_of_a_duration_are_days_though_clocks_are_changed_in_them(month_day: str, lasts: str) -> None:
    first = date.fromisoformat(f"2027{month_day}")
    event = f"DTSTART;TZID=America/New_York:2027{month_day}T150000\nDURATION:{lasts}"
    taken = nights(feed(event), today=date(2027, 3, 1))
    assert taken == [first + timedelta(days=n) for n in range(7 if lasts == "P1W" else 2)]


@pytest.mark.parametrize(("ends", "taken"), [("110000", [10, 11]), ("110100", [10, 11, 12])])
def test_where_check_in_is_from_midnight_a_stay_is_over_at_check_out(ends: str, taken: list[int]) -> None:
    event = f"DTSTART:20270510T150000\nDTEND:20270512T{ends}"
    assert nights(feed(event), Home("America/New_York", "00:00", "11:00")) == may(*taken)


@pytest.mark.parametrize("hours", [("00:00", "11:00"), ("00:00", "23:00"), ("08:00", "20:00")])
def test_where_check_in_is_before_check_out_a_day_is_that_of_the_night_that_has_begun(
    hours: tuple[str, str],
) -> None:
    event = "DTSTART:20270511T083000\nDTEND:20270511T103000"
    assert nights(feed(event), Home("America/New_York", *hours)) == may(11)


# As Exchange describes New York: under a name of its own, since 1601.
EASTERN = """BEGIN:VCALENDAR
BEGIN:VTIMEZONE
TZID:Eastern Standard Time
BEGIN:STANDARD
DTSTART:16010101T020000
TZOFFSETFROM:-0400
TZOFFSETTO:-0500
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=1SU;BYMONTH=11
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:-0500
TZOFFSETTO:-0400
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=2SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
BEGIN:VEVENT
UID:a
DTSTART;TZID=Eastern Standard Time:{}
DTEND;TZID=Eastern Standard Time:{}
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.parametrize("month", ["05", "11", "12"])
def test_a_zone_under_a_name_of_its_own_is_read_as_it_is_described(month: str) -> None:
    """Summer and winter: up to the hour of check-in no night more, in a day's last hour no other one."""
    for begins, ends in (("10T150000", "12T150000"), ("10T233000", "12T003000")):
        taken = nights(EASTERN.format(f"2027{month}{begins}", f"2027{month}{ends}").encode())
        assert taken == [date(2027, int(month), day) for day in (10, 11)]
    late = nights(EASTERN.format(f"2027{month}10T150000", f"2027{month}12T150100").encode())
    assert len(late) == 3


@pytest.mark.parametrize("broken", ["RRULE:FREQ=HOURLY", "TZOFFSETTO:-9900", "DTSTART:1601"])
def test_of_a_zone_that_cannot_be_followed_the_offset_in_winter_is_left(broken: str) -> None:
    lines = EASTERN.format("20271210T150000", "20271212T150000").splitlines()
    at = lines.index("END:DAYLIGHT")
    body = "\n".join([*lines[: at - 4], broken, *lines[at - 3 :]]).encode()
    assert nights(body) == [date(2027, 12, 10), date(2027, 12, 11)]


def test_a_stay_that_has_begun_is_taken_from_today_on_and_an_endless_one_to_the_horizon() -> None:
    assert nights(feed("DTSTART:20270401\nDTEND:20270416")) == [date(2027, 4, 14), date(2027, 4, 15)]
    assert len(nights(feed("DTSTART:20270401\nDTEND:99991231"))) == 1_100
    assert len(nights(feed("DTSTART:19000101\nRRULE:FREQ=DAILY"))) == 1_100


def test_of_two_events_with_one_uid_the_later_version_counts_and_equals_are_joined() -> None:
    same = "BEGIN:VEVENT\nUID:a\nSEQUENCE:{}\nDTSTART:202705{}\nEND:VEVENT\n"
    frame = "BEGIN:VCALENDAR\n{}END:VCALENDAR\n"
    assert nights(frame.format(same.format(1, 10) + same.format(2, 20)).encode()) == may(20)
    assert nights(frame.format(same.format(1, 10) + same.format(1, 20)).encode()) == may(10, 20)


def test_events_without_a_uid_are_known_by_their_dates() -> None:
    body = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20270510\nEND:VEVENT\nEND:VCALENDAR\n"
    [event] = read_feed(body, CABIN, TODAY, "x").events
    assert "20270510" in event.uid


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\r\n\r\n", b"<html><body>Sign in</body></html>", b"\x00\x01", b"BEGIN:VEVENT\nEND:VEVENT\n",
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20270510\nEND:VEVENT\n",
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20270510\nEND:VCALENDAR\n",
        b"BEGIN:VCALENDAR\nEND:VCALENDAR\nmore", b"END:VCALENDAR\n", b"BEGIN:VCALENDAR\n" * 20,
        feed("SUMMARY:no date"), feed("DTSTART:20270230"), feed("DTSTART:2027-05-10"),
        feed("DTSTART:20270510T250000"),
        feed("DTSTART:20270510\nDTEND:20270509"), feed("DTSTART:20270510\nDURATION:-P1D"),
        feed("DTSTART:20270510\nDURATION:P"), feed("DTSTART:20270510\nRRULE:FREQ=HOURLY"),
        feed("DTSTART:20270510\nRRULE:FREQ=YEARLY;BYWEEKNO=20"), feed("DTSTART:20270510\nRRULE:INTERVAL=2"),
        feed("DTSTART:20270510\nRRULE:FREQ=DAILY;INTERVAL=0"),
        feed("DTSTART:20270510\nRRULE:FREQ=DAILY;COUNT=x"),
        feed("DTSTART:20270510\nRECURRENCE-ID;RANGE=THISANDFUTURE:20270510"), feed("DTSTART;X=\"y:20270510"),
        feed(*["DTSTART:20270510\nRRULE:FREQ=DAILY"] * 30),
        feed(*["DTSTART:19700101\nRRULE:FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2"] * 40),
        feed(*["DTSTART:20270510"] * 20_001),
    ],
)  # fmt: skip
def test_garbage_torn_files_and_floods_are_refused_whole(body: bytes) -> None:
    with pytest.raises(FeedUnreadable):
        read_feed(body, CABIN, TODAY, "x")


@given(
    st.binary(max_size=300)
    | st.text(alphabet='BEGIN:VCALNDRTSU=;,\r\n "0127TZP', max_size=300).map(str.encode)
)
def test_whatever_comes_is_read_or_refused(noise: bytes) -> None:
    for body in (noise, feed("DTSTART:20270510").replace(b"UID:0", noise)):
        with contextlib.suppress(FeedUnreadable):
            read_feed(body, CABIN, TODAY, "x")


# What a series of fetches comes to

GOOD = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(1, 40)), unique_by=lambda pair: pair[0], max_size=4
)
FETCHES = st.lists(st.one_of(GOOD, st.sampled_from(["failed", "empty", "unchanged"])), max_size=20)


@given(FETCHES)
def test_a_uid_goes_when_two_good_fetches_in_a_row_were_without_it_and_never_else(
    fetches: list[object],
) -> None:
    known: list[Busy] = []
    said: list[dict[str, int]] = []  # the model: what each good fetch said, in order
    ever: dict[str, int] = {}
    for fetch in fetches:
        if fetch == "unchanged":
            known = after(known, as_before(known))
            said.append(said[-1] if said else {})
        elif isinstance(fetch, list):
            events = [
                Busy(uid=uid, stays=[Stay(TODAY + timedelta(day), TODAY + timedelta(day + 1))])
                for uid, day in fetch
            ]
            known = after(known, Reading(events, empty=False))
            said.append(dict(fetch))
        else:
            known = after(known, None if fetch == "failed" else Reading([], empty=True))
        ever.update(said[-1] if said else {})
        wanted = {uid: ever[uid] for one in said[-2:] for uid in one}
        assert {event.uid: (event.stays[0].check_in - TODAY).days for event in known} == wanted


@pytest.mark.parametrize("now", ["STATUS:CANCELLED", "TRANSP:TRANSPARENT", "DTSTART:20270401"])
def test_an_event_that_says_it_takes_no_nights_any_more_is_not_waited_for(now: str) -> None:
    known = after([], read_feed(feed("DTSTART:20270510"), CABIN, TODAY, "x"))
    assert [event.uid for event in known] == ["0"]
    free = now if now.startswith("DTSTART") else f"DTSTART:20270510\n{now}"
    assert after(known, read_feed(feed(free), CABIN, TODAY, "x")) == []


def test_what_is_over_is_forgotten_and_what_has_begun_is_kept() -> None:
    events = [
        Busy(uid="a", stays=[Stay(date(2027, 4, 1), TODAY)]),
        Busy(uid="b", stays=[Stay(TODAY, date(2027, 4, 15))]),
    ]
    assert [event.uid for event in ahead(events, TODAY)] == ["b"]


# Export


def test_a_calendar_of_ours_is_plain_whole_days_that_others_read_and_we_do_not() -> None:
    home, at = UUID(int=7), datetime(2027, 1, 1, tzinfo=UTC)
    stays = [Stay(date(2027, 5, 10), date(2027, 5, 14)), Stay(date(2027, 5, 20), date(2027, 5, 21))]
    text = calendar_text(home, stays, "a" * 60 + ".example", at)
    assert text == calendar_text(home, stays, "a" * 60 + ".example", at)
    assert text.count(b"\r\n") == text.count(b"\n")
    assert all(len(line) <= 75 for line in text.split(b"\r\n"))
    assert nights(text) == may(10, 11, 12, 13, 20)
    assert read_feed(text, CABIN, TODAY, "a" * 60 + ".EXAMPLE") == Reading([], empty=False)


def test_a_calendar_that_went_out_before_the_house_moved_is_ours_when_it_comes_back() -> None:
    """Another site gives back what it has read, under another address of ours, for as long as it likes."""
    home, at = UUID(int=7), datetime(2027, 1, 1, tzinfo=UTC)
    text = calendar_text(home, [Stay(date(2027, 5, 10), date(2027, 5, 14))], "before.example", at)
    assert read_feed(text, CABIN._replace(id=home), TODAY, "now.example") == Reading([], empty=False)
    for theirs in (
        text.replace(b"20270514", b"20270515"),
        text.replace(b".hometrip", b".example"),
        calendar_text(UUID(int=8), [Stay(date(2027, 5, 10), date(2027, 5, 14))], "before.example", at),
    ):
        assert len(read_feed(theirs, CABIN._replace(id=home), TODAY, "now.example").events) == 1


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=200))
def test_a_folded_line_is_short_and_whole_again_when_unfolded(line: str) -> None:
    lines = folded(line).split(b"\r\n")
    assert all(len(part) <= 75 for part in lines)
    assert all(part.decode() is not None for part in lines)
    assert b"".join([lines[0], *(part[1:] for part in lines[1:])]).decode() == line


def test_a_token_opens_its_own_home_only() -> None:
    one, other, key = UUID(int=1), UUID(int=2), b"k" * 32
    for link in (0, 1, 2):
        assert is_token(token_of(one, link, key), one, link, key)
        assert not is_token(token_of(one, link, key), other, link, key)
        assert not is_token(token_of(one, link, key), one, link + 1, key)
        assert not is_token(token_of(one, link, b"l" * 32), one, link, key)
        assert not is_token("\udcff", one, link, key)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=12))
def test_merged_ranges_have_the_same_nights_and_do_not_touch(spans: list[tuple[int, int]]) -> None:
    stays = [Stay(TODAY, TODAY + timedelta(length)).moved(first) for first, length in spans]
    found = merged_stays(stays)
    assert {night for stay in stays for night in stay.each_night()} == {
        n for stay in found for n in stay.each_night()
    }
    assert all(one.check_out < two.check_in for one, two in itertools.pairwise(found))

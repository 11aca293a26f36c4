"""What is hidden of what people write to each other, and what is not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hometrip.app.logs import looks_personal
from hometrip.kernel.contacts import without_contacts

MAIL, LINK, NUMBER = "[e-mail address hidden]", "[link hidden]", "[phone number hidden]"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Write to bob@example.com or +1 518 555 0100.", f"Write to {MAIL} or {NUMBER}."),
        ("Call 0049 (30) 1234-5678", f"Call {NUMBER}"),
        ("06 12 34 56 78", NUMBER),
        ("bob (at) gmail (dot) com", MAIL),
        ("bob [at] web.de, please", f"{MAIL}, please"),
        ("see www.example.com/x and airbnb.com/rooms/12", f"see {LINK} and {LINK}"),
        ("https://wa.me/33612345678", LINK),
        ("4242 4242 4242 4242", NUMBER),
        ("06.12.34.56.78", NUMBER),
        ("06/12/34/56/78 or 0151.12.34.567", f"{NUMBER} or {NUMBER}"),
        ("06\u00a012\u202f34\u00a056\u00a078", NUMBER),
        ("+44*7700_900123", NUMBER),
        ("\uff10\uff19\uff10\uff0d\uff11\uff12\uff13\uff14\uff0d\uff15\uff16\uff17\uff18", NUMBER),
        ("077\u200b00 900\u2060123", NUMBER),
        ("bob\uff20example\uff0ecom", MAIL),
        ("Jörg: jörg@müller.de, anna@почта.рф", f"Jörg: {MAIL}, {MAIL}"),
        ("bob at gmail dot com", MAIL),
        ("bob arobase exemple point fr", MAIL),
        ("bob(ät)web(punkt)de", MAIL),
        ("my-house dot com", LINK),
        ("my.house.de, gite.fr or www.db.de", f"{LINK}, {LINK} or {LINK}"),
    ],
)
def test_a_way_past_the_marketplace_is_hidden(written: str, read: str) -> None:
    assert without_contacts(written) == read


def test_links_stay_where_only_who_wrote_them_reads_them() -> None:
    written = "www.example.com, +1 518 555 0100, bob@example.com"
    assert without_contacts(written, links=True) == f"www.example.com, {NUMBER}, {MAIL}"


@pytest.mark.parametrize(
    "written",
    [
        "We come 2027-05-14 - 2027-05-20, at 15:00.",
        "14.05.2027 bis 20.05.2027",
        "3 nights for 1 200 000 yen",
        "12207 Albany, 1 Creek Road",
        "Near the lake.it is quiet, o.k.?",
        "2 beds, 1 bath, 1500 sq.ft., 24/7",
        "Questions @ the door",
        "J.de Vries, Dr.De Luca",
        "2027/05/14 - 2027/05/20",
        "14-05-2027 – 20-05-2027",
        "14. 5. 2027 – 20. 5. 2027",
        "2027. 05. 14. - 2027. 05. 20.",
        "14.05.2027-20.05.2027",
        "As for 0197b1c2-8d7e-7a1c-9b1e-123456789abc",
        "We arrive (at) noon. Thanks, at home: 8.30",
        "Un point de vue, ein Punkt, punto de encuentro",
        "\uff12 adults,\u00a01 child \U0001f468\u200d\U0001f469\u200d\U0001f467",
    ],
)
def test_what_is_none_is_left_as_it_was_written(written: str) -> None:
    assert without_contacts(written) == written


@given(st.text() | st.from_regex(r"[ a-z.@+0-9()/-]{0,60}", fullmatch=True))
def test_what_is_left_holds_nothing_personal_and_is_left_the_second_time(written: str) -> None:
    read = without_contacts(written)
    assert not looks_personal(read)
    assert without_contacts(read) == read


@pytest.mark.parametrize(
    "part", ["a", "a.", "a-", "1", "1 ", "(at)", "a(at)", "@", "+1", "1.", "a at ", "0-", "(at)a."]
)
def test_a_long_text_is_read_soon(part: str) -> None:
    text, began = part * (5_000 // len(part)), time.thread_time()
    without_contacts(text)
    assert time.thread_time() - began < 0.5

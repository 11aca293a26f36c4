"""The reader of Inside Airbnb's files, on the demo's real copy and on all that can be wrong with a file."""

from __future__ import annotations

import csv
import gzip
import io
import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hometrip.app
from hometrip.services.listing.rules.insideairbnb import (
    ColumnsMissing,
    RowRefused,
    SourceDays,
    SourceHome,
    SourceReview,
    cells,
    open_text,
    read_days,
    read_homes,
    read_reviews,
)

DEMO = Path(hometrip.app.__file__).parent / "demo"
HOME = {
    "id": "7",
    "name": "Brick house",
    "latitude": "42.65",
    "longitude": "-73.75",
    "room_type": "Entire home/apt",
    "property_type": "Entire rental unit",
    "accommodates": "4",
    "price": "$1,234.50",
}


def table(*rows: dict[str, str], columns: list[str] | None = None) -> list[str]:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns or list(rows[0]), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().splitlines(keepends=True)


def home(**cells_of_it: str) -> SourceHome:
    (read,) = read_homes(table(HOME | cells_of_it))
    assert isinstance(read, SourceHome)
    return read


def refusal(**cells_of_it: str) -> RowRefused:
    (read,) = read_homes(table(HOME | cells_of_it))
    assert isinstance(read, RowRefused)
    return read


# The demo's real homes


def test_all_homes_of_the_demo_are_read_with_what_a_listing_needs():
    with open_text(DEMO / "listings.csv.gz") as lines:
        homes = list(read_homes(lines))
    assert len(homes) == 421
    assert all(isinstance(read, SourceHome) for read in homes)
    assert len({read.source_id for read in homes}) == 421
    assert all(read.title and read.beds >= 1 and read.guests >= 1 for read in homes)
    assert sum(read.type == "other" for read in homes) <= 2
    assert sum(read.price_minor is None for read in homes) == 37
    assert {read.currency for read in homes if read.price_minor} == {"USD"}
    assert not any("<br" in read.description for read in homes)
    first = homes[0]
    assert (first.title, first.price_minor, first.rating) == ("Luxury 2 bedroom apartment", 7000, 356)
    assert (first.neighbourhood, first.bathrooms, first.review_count) == ("Third Ward", 1.0, 9)


def test_the_demo_has_a_year_of_days_for_every_home():
    with open_text(DEMO / "calendar.csv.gz") as lines:
        runs = list(read_days(lines))
    assert len(runs) == 421
    assert {len(run.dates) for run in runs} == {365}
    assert sum(sum(run.available) for run in runs) == 95_992
    assert runs[0].first_date == date(2024, 11, 5)
    assert (runs[0].prices[0], runs[0].min_nights[0], runs[0].max_nights[0]) == (7000, 28, 1125)


def test_the_demo_has_at_most_twelve_reviews_a_home_in_plain_words():
    with open_text(DEMO / "reviews.csv.gz") as lines:
        reviews = list(read_reviews(lines))
    assert all(isinstance(read, SourceReview) for read in reviews)
    homes = [read.source_id for read in reviews]
    assert 3_000 < len(reviews) <= 12 * 421
    assert max(map(homes.count, set(homes))) == 12
    assert not any("<br" in read.text for read in reviews)


def test_the_demo_is_small_and_says_whose_it_is():
    assert sum(file.stat().st_size for file in DEMO.iterdir()) < 900_000
    said = (DEMO / "ATTRIBUTION.md").read_text()
    assert all(words in said for words in ("insideairbnb.com", "CC BY 4.0", "5 November 2024", "Albany"))


# One home


def test_a_generated_name_becomes_a_title_without_the_star():
    read = home(
        name="Home in Albany · ★4.77 · 3 bedrooms · 2 beds · 1.5 shared baths",
        neighbourhood_cleansed="SIXTH WARD",
    )
    assert read.title == "Home in Albany, Sixth Ward · 3 bedrooms · 2 beds · 1.5 shared baths"
    assert (read.city, read.bedrooms, read.beds) == ("Albany", 3, 2)
    assert (read.bathrooms, read.bathroom_shared) == (1.5, True)
    assert home(name="Loft in Lyon · ★New · Studio · 1 bed · Half-bath").bedrooms == 0


@pytest.mark.parametrize("name", ["Cosy · quiet · near the park", "★★ Star house ★★", "A. 3-bed in town"])
def test_a_title_of_the_host_stays_as_it_is(name):
    assert home(name=name).title == name


def test_a_home_without_a_title_is_called_what_it_is_and_where():
    assert home(name=" ", neighbourhood_cleansed="Le Marais").title == "Apartment in Le Marais"


@pytest.mark.parametrize(
    ("number", "words", "count", "shared"),
    [
        ("1.5", "1.5 shared baths", 1.5, True),
        ("", "1.5 shared baths", 1.5, True),
        ("", "Half-bath", 0.5, False),
        ("", "Shared half-bath", 0.5, True),
        ("", "Private half-bath", 0.5, False),
        ("", "2 baths", 2.0, False),
        ("", "0 shared baths", 0.0, True),
        ("", "", None, False),
        ("1.3", "", None, False),
    ],
)
def test_bathrooms_are_counted_in_halves(number, words, count, shared):
    read = home(bathrooms=number, bathrooms_text=words)
    assert (read.bathrooms, read.bathroom_shared) == (count, shared)


def test_beds_that_nobody_counted_are_told_from_the_bedrooms_or_the_guests():
    assert home(beds="", bedrooms="3").beds == 3
    assert home(beds="0", bedrooms="", accommodates="5").beds == 3


def test_layouts_before_2021_are_read():
    old = home(
        amenities='{TV,"Wireless Internet",Kitchen}', review_scores_rating="93", property_type="Apartment"
    )
    assert old.amenities == ["kitchen", "tv", "wifi"]
    assert (old.rating, old.type) == (465, "rental_unit")
    (bare,) = read_homes(
        table({key: HOME[key] for key in ("id", "latitude", "longitude", "room_type")} | {"beds": "2"})
    )
    assert (bare.guests, bare.price_minor, bare.title) == (2, None, "Other")


def test_what_the_vocabulary_does_not_know_is_counted():
    read = home(amenities='["Wifi", "Fast wifi – 120 Mbps", "Hockey rink", 3]')
    assert (read.amenities, read.amenities_unknown) == (["wifi"], 1)


def test_descriptions_become_plain_text_with_their_paragraphs():
    told = "<b>The space</b><br />Big &amp; bright.<br /><br />< 1 block away<script>x()</script>\x00"
    assert home(description=told).description == "The space\nBig & bright.\n\n< 1 block away"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"id": " "}, "no id"),
        ({"latitude": "north"}, "no coordinates"),
        ({"latitude": "91"}, "no place on earth is at 91.0, -73.75"),
        ({"room_type": "Boat"}, "unknown room type “Boat”"),
        ({"accommodates": "0"}, "no number of guests, and no beds or bedrooms to tell it from"),
    ],
)
def test_a_row_that_is_no_home_is_refused_with_the_reason(wrong, reason):
    refused = refusal(**wrong)
    assert (refused.row, refused.reason) == (2, reason)


def test_a_refusal_names_the_line_on_which_its_row_begins():
    rows = [HOME | {"name": "two\nlines"}, HOME | {"id": "8", "latitude": ""}, HOME | {"id": "9"}]
    first, refused, last = read_homes(table(*rows))
    assert (first.source_id, last.source_id) == ("7", "9")
    assert refused == RowRefused(4, "8", "no coordinates")


# Money


@pytest.mark.parametrize(
    ("written", "currency", "amount"),
    [
        ("$1,234.00", "USD", 123_400),
        ("1.234,00 €", "EUR", 123_400),
        ("CHF 1'234", "CHF", 123_400),
        ("1 234,50 €", "EUR", 123_450),
        ("£95", "GBP", 9_500),
        ("¥12,345", "JPY", 12_345),
        ("$12,345.00", "JPY", 12_345),
        ("₹12,34,567.00", "INR", 123_456_700),
        ("KWD 1.234", "KWD", 1_234),
        ("$1,234", "USD", 123_400),
        ("70.005", "USD", 7_000_500),
        ("$70.0050", "USD", 7_001),
        ("$9.99", "USD", 999),
        ("$.50", "USD", 5_000),
        ("-$5.00", "USD", None),
        ("free", "USD", None),
        ("", "USD", None),
        ("$" + "9" * 5_000, "USD", None),
    ],
)
def test_prices_are_read_as_people_write_them(written, currency, amount):
    assert cells.price(written, currency) == amount


@pytest.mark.parametrize(
    ("written", "country", "currency"),
    [
        ("$90.00", "", "USD"),
        ("$90.00", "CA", "CAD"),
        ("$90.00", "FR", "USD"),
        ("CA$90", "", "CAD"),
        ("90 €", "US", "EUR"),
        ("CHF 90", "", "CHF"),
        ("900 kr", "DK", "DKK"),
        ("900 kr", "", None),
        ("90", "JP", "JPY"),
        ("90", "", None),
    ],
)
def test_the_sign_tells_the_currency_and_the_country_what_the_sign_leaves_open(written, country, currency):
    assert cells.currency_of(written, country) == currency


def test_the_currency_that_is_given_wins():
    (read,) = read_homes(table(HOME), currency="JPY")
    assert (read.price_minor, read.currency) == (1_235, "JPY")


# Days


def days(*rows: tuple[str, str, str, str]) -> list[SourceDays | RowRefused]:
    named = [dict(zip(("listing_id", "date", "available", "price"), row, strict=True)) for row in rows]
    return list(read_days(table(*named)))


def test_days_have_gaps_the_last_of_a_day_wins_and_a_second_run_is_a_second_record():
    first, other, again = days(
        ("1", "2025-01-03", "t", "$10.00"),
        ("1", "2025-01-01", "t", "$10.00"),
        ("1", "2025-01-03", "f", "$12.00"),
        ("2", "2025-01-01", "t", ""),
        ("1", "2025-02-01", "f", "$9.00"),
    )
    assert (first.dates, first.available) == ([date(2025, 1, 1), date(2025, 1, 3)], [True, False])
    assert first.prices == [1_000, 1_200]
    assert (other.source_id, other.prices, other.min_nights) == ("2", [None], [None])
    assert (again.source_id, again.first_date) == ("1", date(2025, 2, 1))


def test_a_day_that_is_none_is_refused_and_the_rest_of_the_home_stays():
    no_date, no_answer, *others = days(
        ("1", "2025-02-30", "t", ""),
        ("1", "2025-01-01", "maybe", ""),
        ("1", "2025-01-02", "t", ""),
        (" ", "2025-01-03", "t", ""),
    )
    rest, no_home = others
    assert no_date == RowRefused(2, "1", "“2025-02-30” is not a date")
    assert no_answer == RowRefused(3, "1", "it says neither free (t) nor taken (f)")
    assert no_home == RowRefused(5, None, "no listing_id")
    assert rest.dates == [date(2025, 1, 2)]


MEASURE = """
from pathlib import Path
from datetime import date, timedelta
from hometrip.services.listing.rules.insideairbnb import read_days

days = [(date(2025, 1, 1) + timedelta(n)).isoformat() for n in range(365)]

def lines(count):
    yield "listing_id,date,available,price,adjusted_price,minimum_nights,maximum_nights\\n"
    for n in range(count):
        yield f"{n // 365},{days[n % 365]},t,${n % 5000}.00,,2,365\\n"

def peak(count):
    read = sum(len(run.dates) for run in read_days(lines(count)))
    assert read == count, read
    # What the process itself had at most: its rusage would begin with what its parent had.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])

few, many = peak(20_000), peak(200_000)
print(few, many)
"""


def test_memory_does_not_grow_with_the_calendar():
    told = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True).stdout
    few, many = map(int, told.split())
    assert many < 200_000, f"{many} KiB"
    assert many - few < 4_000, f"{many - few} KiB more for ten times the rows"


# Files


def test_gzip_is_told_by_its_bytes_and_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    text = "\ufeff" + "".join(table(HOME))
    for name, content in (("a.csv.gz", text.encode()), ("b.csv", gzip.compress(text.encode()))):
        (tmp_path / name).write_bytes(content)
        with open_text(tmp_path / name) as lines:
            assert [read.source_id for read in read_homes(lines)] == ["7"]


def test_a_stream_is_left_open_for_its_owner():
    stream = io.BytesIO(gzip.compress("".join(table(HOME)).encode()))
    with open_text(stream) as lines:
        assert len(list(read_homes(lines))) == 1
    assert not stream.closed


def test_bytes_that_are_not_utf_8_do_not_stop_the_reading():
    lines_of_it = "".join(table(HOME | {"name": "Caf?"})).encode().replace(b"?", b"\xe9")
    with open_text(io.BytesIO(lines_of_it)) as lines:
        assert [read.title for read in read_homes(lines)] == ["Caf\ufffd"]


def test_a_truncated_gzip_gives_what_could_be_read_and_says_so():
    whole = (DEMO / "listings.csv.gz").read_bytes()
    with open_text(io.BytesIO(whole[: len(whole) // 2])) as lines:
        *homes, end = read_homes(lines)
    assert 100 < len(homes) < 421
    assert all(isinstance(read, SourceHome) for read in homes)
    assert isinstance(end, RowRefused)
    assert end.reason == "the file is cut off here; what came before was read"
    with open_text(io.BytesIO(whole[:-4] + b"oops")) as lines:
        assert isinstance(list(read_homes(lines))[-1], RowRefused)


@pytest.mark.parametrize("read", [read_homes, read_days, read_reviews])
@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n\x00\x01", b"{}", gzip.compress(b"name,age\n1,2\n", mtime=0), b"\x1f\x8b"],
)
def test_another_kind_of_file_is_refused_with_the_columns_that_it_lacks(read, content):
    with open_text(io.BytesIO(content)) as lines, pytest.raises(ColumnsMissing) as refused:
        read(lines)
    assert "id" in " ".join(refused.value.facts["missing"])


def test_a_quotation_mark_that_is_never_closed_costs_only_what_it_swallows():
    rows = table(
        *({"listing_id": "1", "id": str(n), "date": "2025-01-01", "comments": "x" * 90} for n in range(4_000))
    )
    rows[1000] = '1,999,2025-01-01,"never closed\n'
    read = list(read_reviews(rows))
    refused = [one for one in read if isinstance(one, RowRefused)]
    assert len(refused) == 1
    assert refused[0].row == 1001
    assert read[-1].id == "3999"


def test_a_line_without_an_end_does_not_fill_the_memory():
    endless = io.BytesIO("".join(table(HOME)).encode() + b"x" * 5_000_000 + b"\n")
    with open_text(endless) as lines:
        assert max(map(len, lines)) <= 1 << 20


# Whatever stands in the cells

COLUMNS = [*HOME, "host_id", "description", "bathrooms", "bathrooms_text", "bedrooms", "beds", "amenities"]
COLUMNS += [
    "minimum_nights",
    "maximum_nights",
    "review_scores_rating",
    "number_of_reviews",
    "country_code",
    "picture_url",
]
ODD = st.sampled_from(
    [
        "",
        "nan",
        "inf",
        "-1",
        "1e999",
        "٣",
        "²",
        "9" * 400,
        "[[[[",
        "{",
        "a · ★4.1 · 2 beds",
        "$",
        "1,2.3,4",
        "\x00",
        "\ud800",
    ]
)
CELL = st.one_of(st.text(max_size=20), ODD, st.sampled_from(list(HOME.values())))


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(COLUMNS, CELL)), max_size=4))
def test_whatever_the_cells_hold_each_row_is_one_home_or_one_refusal(odd):
    rows = [HOME | row for row in odd]
    read = list(read_homes(one_line_each(rows)))
    assert len(read) == len(rows)
    for one in read:
        assert isinstance(one, SourceHome | RowRefused)
        if isinstance(one, SourceHome):
            assert one.guests >= 1
            assert math.isfinite(one.lat + one.lng)
            f"{one.title}{one.description}".encode()


@given(
    st.lists(st.fixed_dictionaries(dict.fromkeys(["listing_id", "id", "date", "comments"], CELL)), max_size=4)
)
def test_whatever_the_cells_hold_each_review_is_one_record_or_one_refusal(rows):
    read = list(read_reviews(one_line_each(rows, ["listing_id", "id", "date", "comments"])))
    assert len(read) == len(rows)


@given(
    st.lists(
        st.fixed_dictionaries(
            dict.fromkeys(["listing_id", "date", "available", "price", "minimum_nights"], CELL)
        )
    )
)
def test_whatever_the_cells_hold_the_days_are_read_or_refused(rows):
    read = list(
        read_days(one_line_each(rows, ["listing_id", "date", "available", "price", "minimum_nights"]))
    )
    assert sum(1 if isinstance(one, RowRefused) else len(one.dates) for one in read) <= len(rows)


@given(st.text())
def test_no_text_at_all_breaks_the_reader(text):
    lines = ["listing_id,id,date,comments\n", *text.splitlines(keepends=True)]
    assert all(isinstance(one, SourceReview | RowRefused) for one in read_reviews(lines))


def one_line_each(rows: list[dict[str, str]], columns: list[str] | None = None) -> Iterator[str]:
    """Every row as one string with all cells quoted, whatever line breaks they hold."""
    named = columns or COLUMNS
    yield ",".join(named) + "\n"
    for row in rows:
        yield ",".join('"' + row.get(name, "").replace('"', '""') + '"' for name in named) + "\n"

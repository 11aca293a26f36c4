"""What every adapter of the search port promises."""

from __future__ import annotations

import asyncio
import itertools
import math
import socket
import sys
import threading
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines import url_of
from hometrip.adapters.search.cable import CableSearch, lend
from hometrip.adapters.search.elasticsearch import ElasticsearchSearch
from hometrip.adapters.search.elasticsearch.indexes import Indexes
from hometrip.adapters.search.elasticsearch.link import Link
from hometrip.adapters.search.tantivy import TantivySearch
from hometrip.adapters.search.tantivy.shelf import Shelf
from hometrip.app.beside.cable import Cable
from hometrip.kernel.errors import Unavailable
from hometrip.ports.search import (
    EARTH_KM,
    Box,
    Circle,
    Question,
    Schema,
    Search,
    edits_of,
    words_of,
)

pytestmark = pytest.mark.slow

HOMES = Schema(
    name="homes",
    text={"title": 3.0, "about": 1.0},
    keywords=("city", "tags"),
    numbers=("price", "guests"),
    place=("lat", "lng"),
)
LOFT = {
    "id": "loft",
    "title": "Luxury Loft in São Paulo",
    "about": "Near the park. Victorian façade.",
    "city": "sao paulo",
    "tags": ["wifi", "kitchen"],
    "price": 12_000,
    "guests": 2,
    "lat": -23.55,
    "lng": -46.63,
}
CABIN = {
    "id": "cabin",
    "title": "Cabin by the lake",
    "about": "A loft bed and a restored kitchen",
    "city": "albany",
    "tags": ["wifi", "pool"],
    "price": 8_000,
    "guests": 4,
    "lat": 42.65,
    "lng": -73.75,
}
ATOLL = {
    "id": "atoll",
    "title": "Bungalow",
    "about": "",
    "city": "suva",
    "tags": [],
    "price": 30_000,
    "guests": 6,
    "lat": -18.1,
    "lng": 179.9,
}
ALL = {"loft", "cabin", "atoll"}


def tantivy(folder: Path) -> Search:
    return TantivySearch(folder)


def elasticsearch(folder: Path) -> Search:
    """The folder of a test stands for indexes of its own."""
    return ElasticsearchSearch(url_for(folder))


def url_for(folder: Path) -> str:
    name = f"test-{uuid5(NAMESPACE_URL, str(folder)).hex[:12]}"
    return urlsplit(url_of("opensearch"))._replace(path=f"/{name}").geturl()


async def sweep(folder: Path) -> None:
    """Away with the indexes of a test."""
    link = Link(url_for(folder))
    for concrete in await Indexes(link).made():
        await link.ask("DELETE", concrete, seconds=10)
    await link.close()


class Borrowed(CableSearch):
    """Tantivy at the other end of a cable, both ends in this process."""

    def __init__(self, folder: Path) -> None:
        self._ends = [Cable(end) for end in socket.socketpair()]
        self._there = TantivySearch(folder)
        self._is_open = False
        lend(self._there, self._ends[1])
        super().__init__(self._ends[0])

    async def declare(self, schema: Schema) -> None:
        if not self._is_open:
            self._is_open = True
            await asyncio.gather(*(end.open() for end in self._ends))
        await super().declare(schema)

    async def close(self) -> None:
        await super().close()
        await self._there.close()
        await asyncio.gather(*(end.close() for end in self._ends))


ADAPTERS: dict[str, Callable[[Path], Search]] = {
    "adapters.search.tantivy": tantivy,
    "adapters.search.cable": Borrowed,
    "adapters.search.elasticsearch": elasticsearch,
}
Opener = Callable[[], Awaitable[Search]]


@pytest.fixture(params=ADAPTERS)
async def open_search(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens the same search again and again; what was open is closed first."""
    opened: list[Search] = []

    async def open_again() -> Search:
        while opened:
            await opened.pop().close()
        opened.append(ADAPTERS[request.param](tmp_path))
        await opened[0].declare(HOMES)
        return opened[0]

    yield open_again
    while opened:
        await opened.pop().close()
    if request.param.endswith("elasticsearch"):
        await sweep(tmp_path)


@pytest.fixture
async def search(open_search: Opener) -> Search:
    fresh = await open_search()
    await fresh.put("homes", [LOFT, CABIN, ATOLL], [1, 1, 1])
    await fresh.flush()
    return fresh


async def ids(search: Search, **question: Any) -> set[str]:
    found = await search.find("homes", Question(**question))
    assert len(found.ids) == len(found.scores) == len(set(found.ids))
    return set(found.ids)


async def scores(search: Search, words: str) -> dict[str, float]:
    found = await search.find("homes", Question(words=words))
    return dict(zip(found.ids, found.scores, strict=True))


async def test_every_record_answers_a_question_that_asks_nothing(search: Search) -> None:
    assert await ids(search) == ALL
    assert await ids(search, words=" ?! ") == ALL
    assert await search.size("homes") == 3


FOUND_BY_WORDS = {
    "loft": {"loft", "cabin"},
    "LOFT luxury": {"loft"},
    "loft bungalow": set(),
    "sao paulo": {"loft"},
    "São": {"loft"},
    "facade": {"loft"},
    "victor": {"loft"},  # the beginning, as the last word
    "victor loft": set(),  # but not as another
    "lfot": {"loft", "cabin"},  # swapped
    "luxry": {"loft"},  # one letter less
    "bungalwo": {"atoll"},
    "bunaglwo": {"atoll"},  # two slips in eight letters
    "bugalwe": set(),  # two slips in seven
    "bes": set(),  # no slip in three, and not a beginning
    "be": {"cabin"},
}


async def test_words_are_found_with_slips_without_accents_and_by_their_beginning(search: Search) -> None:
    assert {words: await ids(search, words=words) for words in FOUND_BY_WORDS} == FOUND_BY_WORDS


async def test_the_score_weighs_the_field_and_how_well_the_word_matches(search: Search) -> None:
    assert await scores(search, "loft") == {"loft": 3.0, "cabin": 1.0}
    assert await scores(search, "lofd") == {"loft": 1.8, "cabin": 0.6}
    assert await scores(search, "lof") == {"loft": 2.4, "cabin": 0.8}
    assert await scores(search, "loft park") == {"loft": 4.0}
    assert set((await scores(search, "")).values()) == {0.0}


async def test_keywords_are_filtered_by_any_and_by_all_of_their_values(search: Search) -> None:
    assert await ids(search, terms={"city": ["albany", "suva"]}) == {"cabin", "atoll"}
    assert await ids(search, terms={"city": []}) == set()
    assert await ids(search, terms={"tags": ["pool", "kitchen"]}) == {"cabin", "loft"}
    assert await ids(search, all_terms={"tags": ["wifi", "pool"]}) == {"cabin"}
    assert await ids(search, all_terms={"tags": []}) == ALL
    assert await ids(search, terms={"city": ["Albany"]}) == set()


async def test_numbers_are_filtered_by_ranges_whose_ends_belong_to_them(search: Search) -> None:
    assert await ids(search, ranges={"price": (8_000, 12_000)}) == {"cabin", "loft"}
    assert await ids(search, ranges={"price": (8_001, None)}) == {"atoll", "loft"}
    assert await ids(search, ranges={"price": (None, 8_000), "guests": (4, 4)}) == {"cabin"}
    assert await ids(search, ranges={"price": (None, None)}) == ALL
    assert await ids(search, ranges={"price": (2, 1)}) == set()
    assert await ids(search, ranges={"price": (-(2**80), 2**80)}) == ALL
    assert await ids(search, ranges={"price": (2**80, None)}) == set()
    assert await ids(search, ranges={"price": (None, -(2**80))}) == set()


async def test_a_record_without_a_field_is_not_found_by_a_filter_on_it(search: Search) -> None:
    await search.put("homes", [{"id": "bare", "title": "Loft", "price": None}], [1])
    await search.flush()
    assert "bare" in await ids(search, words="loft")
    assert "bare" not in await ids(search, ranges={"price": (None, None)})
    assert "bare" not in await ids(search, box=Box(-90, -180, 90, 180))


async def test_a_box_may_cross_the_180th_meridian(search: Search) -> None:
    assert await ids(search, box=Box(40, -80, 45, -70)) == {"cabin"}
    assert await ids(search, box=Box(42.65, -73.75, 42.65, -73.75)) == {"cabin"}
    assert await ids(search, box=Box(-30, 170, 0, -170)) == {"atoll"}
    assert await ids(search, box=Box(-90, 0, 90, -0.1)) == ALL
    assert await ids(search, box=Box(45, -80, 40, -70)) == set()


async def test_a_circle_goes_round_the_poles_and_the_180th_meridian(search: Search) -> None:
    assert await ids(search, circle=Circle(42.7, -73.7, 7)) == {"cabin"}
    assert await ids(search, circle=Circle(42.7, -73.7, 6)) == set()
    assert await ids(search, circle=Circle(-18.1, -179.9, 25)) == {"atoll"}
    assert await ids(search, circle=Circle(89.9, 100, 5_300)) == {"cabin"}
    assert await ids(search, circle=Circle(0, 0, 20_100)) == ALL


async def test_only_those_among_the_ids_that_were_named(search: Search) -> None:
    assert await ids(search, among=["loft", "cabin", "nobody"], words="kitchen") == {"cabin"}
    assert await ids(search, among=[]) == set()


async def test_values_are_counted_over_what_matches(search: Search) -> None:
    assert await search.counts("homes", Question(), ["tags", "city"]) == {
        "tags": {"wifi": 2, "kitchen": 1, "pool": 1},
        "city": {"sao paulo": 1, "albany": 1, "suva": 1},
    }
    assert await search.counts("homes", Question(words="loft", ranges={"guests": (4, None)}), ["tags"]) == {
        "tags": {"wifi": 1, "pool": 1}
    }
    assert await search.counts("homes", Question(circle=Circle(42.7, -73.7, 6)), ["tags"]) == {"tags": {}}


async def test_the_beginning_of_a_title_suggests_it_and_fewer_slips_come_first(search: Search) -> None:
    await search.put("homes", [{"id": "lift", "title": "Lifted high"}], [1])
    await search.flush()
    assert await search.suggest("homes", "title", "lof") == ["loft"]
    assert await search.suggest("homes", "title", "loft") == ["loft", "lift"]
    assert await search.suggest("homes", "title", "lift", limit=1) == ["lift"]
    assert await search.suggest("homes", "title", "luxry lo") == ["loft"]
    assert await search.suggest("homes", "title", "paolo s") == ["loft"]
    assert await search.suggest("homes", "title", "?") == []


async def test_a_late_change_does_not_overwrite_a_newer_one(search: Search) -> None:
    await search.put("homes", [CABIN | {"city": "troy"}], [5])
    await search.put("homes", [CABIN | {"city": "utica"}], [4])
    await search.remove("homes", "cabin", 4)
    await search.flush()
    assert await ids(search, terms={"city": ["troy"]}) == {"cabin"}
    await search.put("homes", [CABIN | {"city": "rome"}], [5])
    await search.flush()
    assert await ids(search, terms={"city": ["rome"]}) == {"cabin"}


async def test_what_was_removed_stays_away_from_a_late_change(search: Search, open_search: Opener) -> None:
    await search.remove("homes", "cabin", 7)
    await search.flush()
    reopened = await open_search()
    await reopened.put("homes", [CABIN], [6])
    await reopened.flush()
    assert await ids(reopened) == {"loft", "atoll"}
    assert await ids(reopened, among=["cabin"]) == set()
    assert await reopened.size("homes") == 2
    await reopened.put("homes", [CABIN], [8])
    await reopened.flush()
    assert await ids(reopened) == ALL


async def test_an_index_that_is_opened_again_has_what_it_had(search: Search, open_search: Opener) -> None:
    reopened = await open_search()
    assert await ids(reopened, words="sao paulo") == {"loft"}
    assert await reopened.size("homes") == 3
    assert await reopened.behind("homes", {"loft": 1, "cabin": 2, "nobody": 1}) == ["cabin", "nobody"]


async def test_an_index_of_another_schema_is_made_anew(
    search: Search, open_search: Opener, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    await search.close()
    name = str(request.node.callspec.params["open_search"])
    changed = ADAPTERS[name](tmp_path)
    try:
        await changed.declare(Schema(name="homes", text={"title": 1.0}))
        assert await changed.size("homes") == 0
        assert await changed.behind("homes", {"loft": 1}) == ["loft"]
    finally:
        await changed.close()


async def test_a_cleared_index_forgets_its_revisions_too(search: Search) -> None:
    await search.put("homes", [CABIN], [9])
    await search.clear("homes")
    assert await ids(search) == set()
    await search.put("homes", [CABIN], [1])
    await search.flush()
    assert await ids(search) == {"cabin"}


async def test_a_change_is_found_within_half_a_second(search: Search) -> None:
    took = []
    for word in ("igloo", "yurt", "wigwam"):
        began = time.monotonic()
        await search.put("homes", [CABIN | {"id": word, "title": word}], [1])
        async with asyncio.timeout(10):
            while await ids(search, words=word) != {word}:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        took.append(time.monotonic() - began)
    assert min(took) < 0.5  # a machine that others use may hold up one of them


async def test_changes_and_questions_at_once_disturb_nobody(search: Search) -> None:
    async def change(n: int) -> None:
        for revision in range(2, 16):
            await search.put("homes", [LOFT | {"id": f"loft{n}", "price": revision}], [revision])
            assert "loft" in await ids(search, words="luxury")
            await asyncio.sleep(0)
            if revision % 5 == 0:
                await search.flush()

    await asyncio.gather(*(change(n) for n in range(10)))
    await search.flush()
    assert len(await ids(search, ranges={"price": (15, 15)})) == 10


async def test_an_index_that_was_not_declared_is_unavailable(search: Search) -> None:
    with pytest.raises(Unavailable):
        await search.find("others", Question())


HOSTILE = st.text(max_size=300) | st.sampled_from(
    ['"', "title:", "*", "a AND", "((((", "\\", "loft~2", "/.*/", "[a TO b]", "\x00", "+-!", "a" * 70_000]
)
ANY_NUMBER = st.none() | st.integers()
DEGREES = st.floats(width=32)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=HOSTILE,
    term=st.text(st.characters(), max_size=50),
    low=ANY_NUMBER,
    high=ANY_NUMBER,
    box=st.none() | st.builds(Box, DEGREES, DEGREES, DEGREES, DEGREES),
    circle=st.none() | st.builds(Circle, DEGREES, DEGREES, DEGREES),
)
async def test_no_question_is_an_error(
    open_search: Opener, words: str, term: str, low: int, high: int, box: Box, circle: Circle
) -> None:
    search = await shared(open_search)
    question = Question(
        words=words,
        terms={"city": [term]},
        all_terms={"tags": [term]},
        ranges={"price": (low, high)},
        box=box,
        circle=circle,
        among=[term],
    )
    nothing, some, suggested = await asyncio.gather(
        search.find("homes", question),
        search.find("homes", Question(words=words, box=box, circle=circle)),
        search.suggest("homes", "title", words),
    )
    assert nothing.ids == []
    assert len(some.ids) == len(some.scores) <= 3
    assert len(suggested) <= 3


_shared: dict[Opener, Search] = {}


async def shared(open_search: Opener) -> Search:
    """One index for all examples of a test."""
    if open_search not in _shared:
        _shared.clear()
        search = _shared[open_search] = await open_search()
        await search.put("homes", [LOFT, CABIN, ATOLL], [1, 1, 1])
        await search.flush()
    return _shared[open_search]


# The same question, answered by looking at every record.


def slips(one: str, other: str) -> int:
    """Letters more, less, other, or neighbours swapped (optimal string alignment)."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        rows.append([i] + [0] * len(other))
        for j, b in enumerate(other, 1):
            least = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                least = min(least, rows[i - 2][j - 2] + 1)
            rows[i][j] = least
    return rows[-1][-1]


def score_of(record: dict[str, Any], words: str) -> float | None:
    score, asked = 0.0, words_of(words)
    for n, word in enumerate(asked):
        best = 0.0
        for field, weight in HOMES.text.items():
            for there in words_of(record[field]):
                if there == word:
                    best = max(best, weight)
                elif n == len(asked) - 1 and there.startswith(word):
                    best = max(best, weight * 0.8)
                elif slips(word, there) <= edits_of(word):
                    best = max(best, weight * 0.6)
        if not best:
            return None
        score += best
    return round(score, 4)


def matches(record: dict[str, Any], question: Question) -> bool:
    one_of = all(record[field] in values for field, values in question.terms.items())
    all_of = all(set(values) <= set(record[field]) for field, values in question.all_terms.items())
    within = all(
        (low is None or record[field] >= low) and (high is None or record[field] <= high)
        for field, (low, high) in question.ranges.items()
    )
    box, circle = question.box, question.circle
    lat, lng = record["lat"], record["lng"]
    if box and not (
        box.south <= lat <= box.north
        and (box.west <= lng <= box.east if box.west <= box.east else lng >= box.west or lng <= box.east)
    ):
        return False
    if circle and math.dist(point(lat, lng), point(circle.lat, circle.lng)) > chord(circle.km):
        return False
    return one_of and all_of and within


def point(lat: float, lng: float) -> tuple[float, float, float]:
    a, b = math.radians(lat), math.radians(lng)
    return math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)


def chord(km: float) -> float:
    return 2 * math.sin(min(km / EARTH_KM / 2, math.pi / 2)) + 1e-9


WORDS = st.lists(
    st.text("abé", min_size=1, max_size=9) | st.sampled_from("apartment lake".split()), max_size=5
)
TEXT = WORDS.map(" ".join)
MOST_RECORDS = 12
_revisions = itertools.count(2)
LAT = st.integers(-88, 88).map(float)
LNG = st.integers(-179, 179).map(float)
RECORD = st.fixed_dictionaries(
    {
        "title": TEXT,
        "about": TEXT,
        "city": st.sampled_from("uvw"),
        "tags": st.sets(st.sampled_from("xyz")).map(sorted),
        "price": st.integers(-3, 9),
        "guests": st.integers(1, 3),
        "lat": LAT,
        "lng": LNG,
    }
)
RANGE = st.tuples(st.none() | st.integers(-4, 9), st.none() | st.integers(-4, 9))
QUESTION = st.builds(
    Question,
    words=st.just("") | TEXT,
    terms=st.just({}) | st.fixed_dictionaries({"city": st.sets(st.sampled_from("uvw")).map(sorted)}),
    all_terms=st.just({}) | st.fixed_dictionaries({"tags": st.sets(st.sampled_from("xyz")).map(sorted)}),
    ranges=st.just({}) | st.fixed_dictionaries({"price": RANGE, "guests": RANGE}),
    box=st.none() | st.builds(Box, LAT, LNG, LAT, LNG),
    circle=st.none() | st.builds(Circle, LAT, LNG, st.integers(1, 12_000).map(lambda km: km + 0.5)),
)


RECORDS = st.lists(RECORD, max_size=MOST_RECORDS)
QUESTIONS = st.lists(QUESTION, min_size=8, max_size=20)
ONE_INDEX = [HealthCheck.function_scoped_fixture]


@settings(max_examples=15, deadline=None, suppress_health_check=ONE_INDEX)
@given(records=RECORDS, questions=QUESTIONS)
async def test_the_same_records_and_scores_as_by_looking_at_each(
    open_search: Opener, records: list[dict[str, Any]], questions: list[Question]
) -> None:
    await finds_as_by_looking(open_search, records, questions)


@pytest.mark.full
@pytest.mark.timeout(1_800)
@settings(max_examples=400, deadline=None, suppress_health_check=ONE_INDEX)
@given(records=RECORDS, questions=QUESTIONS)
async def test_the_same_of_many_records_as_by_looking_at_each(
    open_search: Opener, records: list[dict[str, Any]], questions: list[Question]
) -> None:
    await finds_as_by_looking(open_search, records, questions)


async def finds_as_by_looking(
    open_search: Opener, records: list[dict[str, Any]], questions: list[Question]
) -> None:
    search, now = await shared(open_search), next(_revisions)
    # All that is there must give way, or be gone.
    records = [record | {"id": str(n)} for n, record in enumerate(records)]
    await asyncio.gather(
        search.put("homes", records, [now] * len(records)),
        *(search.remove("homes", name, now) for name in ALL),
        *(search.remove("homes", str(n), now) for n in range(len(records), MOST_RECORDS)),
    )
    await search.flush()
    answers = await asyncio.gather(*(search.find("homes", question) for question in questions))
    for question, found in zip(questions, answers, strict=True):
        expected = {
            record["id"]: score
            for record in records
            if matches(record, question) and (score := score_of(record, question.words)) is not None
        }
        assert dict(zip(found.ids, found.scores, strict=True)) == pytest.approx(expected)


@given(st.text(max_size=100))
def test_words_of_words_are_the_same_words(text: str) -> None:
    assert words_of(" ".join(words_of(text))) == words_of(text)


# Tantivy alone: one process writes a folder.

HOLD = """
import asyncio, sys
from pathlib import Path
from hometrip.adapters.search.tantivy import TantivySearch
from hometrip.adapters.search.tantivy.shelf import Shelf
from hometrip.ports.search import Schema

async def hold():
    search = TantivySearch(Path(sys.argv[1]))
    await search.declare(Schema(name="homes", text={"title": 1.0}))
    await search.put("homes", [{"id": "kept", "title": "kept"}], [1])
    await search.flush()
    await search.put("homes", [{"id": "lost", "title": "lost"}], [1])
    print("ready", flush=True)
    sys.stdin.read()

asyncio.run(hold())
"""


async def test_a_killed_process_leaves_no_lock_and_what_it_lost_is_named(tmp_path: Path) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(tmp_path), stdin=PIPE, stdout=PIPE
    )
    assert holder.stdout
    assert await holder.stdout.readline() == b"ready\n"
    search = TantivySearch(tmp_path)
    with pytest.raises(Unavailable):
        await search.declare(Schema(name="homes", text={"title": 1.0}))
    holder.kill()
    await holder.wait()
    await search.declare(Schema(name="homes", text={"title": 1.0}))
    assert await ids(search) == {"kept"}
    assert await search.behind("homes", {"kept": 1, "lost": 1}) == ["lost"]
    await search.close()


async def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    search = TantivySearch(tmp_path)
    await search.declare(HOMES)
    await search.put("homes", [LOFT], [1])
    await search.close()
    (tmp_path / "homes" / "meta.json").write_text("{")
    await search.declare(HOMES)
    assert await search.behind("homes", {"loft": 1}) == ["loft"]
    await search.close()


async def test_a_write_that_nobody_waits_for_any_more_is_ended_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = TantivySearch(tmp_path)
    await search.declare(HOMES)
    shelf, write = search._shelves["homes"], Shelf._write
    writing, may_end = threading.Event(), threading.Event()

    def held_up(self: Shelf, batch: Any) -> None:
        writing.set()
        may_end.wait()
        write(self, batch)

    monkeypatch.setattr(Shelf, "_write", held_up)
    await search.put("homes", [LOFT | {"id": "first"}], [1])
    given_up = asyncio.ensure_future(shelf.commit())
    await asyncio.to_thread(writing.wait)
    given_up.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    waits_for_it = not given_up.done()
    may_end.set()
    assert waits_for_it, "the thread still writes, so nobody else may"
    with pytest.raises(asyncio.CancelledError):
        await given_up
    await search.put("homes", [LOFT | {"id": "second"}], [2])
    await search.flush()
    assert await ids(search) == {"first", "second"}
    await search.close()


async def test_many_small_changes_end_up_in_one_segment_with_nothing_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hometrip.adapters.search.tantivy.shelf.QUIET", 0.05)
    search = TantivySearch(tmp_path)
    await search.declare(HOMES)
    for n in range(6):
        await search.put("homes", [LOFT | {"id": f"loft{n}", "price": n}], [n])
        await search.flush()
    await search.remove("homes", "loft0", 9)
    index = search._shelves["homes"].index
    async with asyncio.timeout(10):
        while index.searcher().num_segments > 1 or "loft0" in await ids(search):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await ids(search, words="luxury", all_terms={"tags": ["wifi", "kitchen"]}) == {
        f"loft{n}" for n in range(1, 6)
    }
    assert await ids(search, ranges={"price": (4, None)}, box=Box(-30, -50, 0, 0)) == {"loft4", "loft5"}
    assert await search.behind("homes", {"loft0": 9, "loft5": 6}) == ["loft5"]
    await search.close()

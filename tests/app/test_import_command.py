"""`hometrip import`: a publication's homes come in from the command line, as often as one likes."""

from __future__ import annotations

import asyncio
import csv
import gzip
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import Result

from app.test_commands import hometrip, make_account
from app.waiting import until
from harness import START, house_in
from hometrip.app.demo import FOLDER

OWNER = "owner@example.com"
HOMES = 12


def rows(name: str) -> list[dict[str, str]]:
    with FOLDER.joinpath(name).open("rb") as packed, gzip.open(packed, "rt", newline="") as text:
        return list(csv.DictReader(text))


def write(path: Path, table: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first homes of the demo's town, plain: listings.csv, calendar.csv, reviews.csv."""
    folder = tmp_path_factory.mktemp("village")
    homes = rows("listings.csv.gz")[:HOMES]
    known = {home["id"] for home in homes}
    write(folder / "listings.csv", homes)
    write(folder / "calendar.csv", [day for day in rows("calendar.csv.gz") if day["listing_id"] in known])
    write(folder / "reviews.csv", [each for each in rows("reviews.csv.gz") if each["listing_id"] in known])
    return folder


@pytest.fixture(scope="module")
def house_with_an_owner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("owner") / "data"
    make_account(folder, OWNER)
    return folder


@pytest.fixture
def data(tmp_path: Path, house_with_an_owner: Path) -> Path:
    """A house without the demo, with an account that homes can be given to."""
    shutil.copytree(house_with_an_owner, tmp_path / "data")
    return tmp_path / "data"


def bring(data: Path, *words: str | Path) -> Result:
    return hometrip("import", *words, "--owner", OWNER, "--data", data)


def figure(result: Result, line: int) -> list[int]:
    """The numbers in a line of the report."""
    words = result.stdout.strip().splitlines()[line].replace(",", "").split()
    return [int(word) for word in words if word.isdigit()]


def test_homes_days_and_reviews_are_counted_and_a_second_time_changes_nothing(
    data: Path, village: Path
) -> None:
    days = len((village / "calendar.csv").read_text().splitlines()) - 1
    first = bring(data, village)
    assert first.exit_code == 0, first.output
    assert figure(first, 0) == [HOMES, HOMES, 0, 0]
    assert figure(first, 1)[0] == days
    reviews = figure(first, 2)[0]
    assert figure(first, 2) == [reviews, reviews, 0]
    second = bring(data, village)
    assert figure(second, 0) == [HOMES, 0, 0, HOMES]
    assert figure(second, 1)[:2] == [days, 0]
    assert figure(second, 2) == [reviews, 0, reviews]
    assert hometrip("verify", "--data", data).exit_code == 0


def test_files_may_be_named_one_by_one_and_only_the_homes_are_needed(data: Path, village: Path) -> None:
    result = bring(data, village / "listings.csv")
    assert result.exit_code == 0, result.output
    assert figure(result, 0)[:2] == [HOMES, HOMES]
    assert figure(result, 1)[0] == 0


def test_bad_rows_are_left_out_by_number_with_the_reason_and_the_rest_comes_in(
    data: Path, village: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(village, damaged)
    homes = rows_of(village / "listings.csv")
    homes[2]["latitude"] = "north"
    homes[5]["id"] = homes[4]["id"]
    write(damaged / "listings.csv", homes)
    lines = (damaged / "calendar.csv").read_text().splitlines(keepends=True)
    lines[10] = "only,three,cells\n"
    (damaged / "calendar.csv").write_text("".join(lines[:2000]))
    result = bring(data, damaged)
    assert result.exit_code == 0, result.output
    assert figure(result, 0)[:2] == [HOMES - 2, HOMES - 2]
    said = [line.strip() for line in result.stdout.splitlines()]
    assert "calendar, row 11: 3 cells where the header has 6" in said
    assert [line for line in said if re.fullmatch(r"homes, row \d+: no coordinates", line)]
    assert "homes: this id came before" in said
    (total,) = [line for line in said if line.endswith("rows left out")]
    assert int(total.split()[0].replace(",", "")) >= 3


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_file_that_breaks_off_gives_what_came_before(data: Path, village: Path, tmp_path: Path) -> None:
    packed = gzip.compress((village / "listings.csv").read_bytes())
    (tmp_path / "listings.csv.gz").write_bytes(packed[: len(packed) // 2])
    result = bring(data, tmp_path / "listings.csv.gz")
    assert result.exit_code == 0, result.output
    assert 0 < figure(result, 0)[0] < HOMES
    assert "the file is cut off here; what came before was read" in result.stdout


def test_what_is_no_publication_is_a_usage_error(data: Path, tmp_path: Path) -> None:
    for name, content, said in (
        ("listings.csv", b"a,b\n1,2\n", "The first line lacks the columns"),
        ("listings.csv", b"", "The first line lacks the columns"),
        ("listings.csv", b"\x89PNG\r\n\x1a\n\0\0", "The first line lacks the columns"),
        ("listings.csv.gz", b"\x1f\x8b broken", "The first line lacks the columns"),
        ("homes.csv", b"id\n1\n", "there is no listings.csv or listings.csv.gz among"),
    ):
        (tmp_path / name).write_bytes(content)
        result = bring(data, tmp_path / name)
        assert result.exit_code == 2, result.output
        assert said in result.stderr
        assert "Traceback" not in result.output


def test_a_missing_file_or_owner_is_named(data: Path, village: Path) -> None:
    gone = bring(data, village / "nothing.csv")
    assert gone.exit_code == 2
    assert "does not exist" in gone.stderr
    nobody = hometrip("import", village, "--owner", "nobody@example.com", "--data", data)
    assert nobody.exit_code == 1
    assert "there is no account with the address nobody@example.com; name one with --owner" in nobody.stderr
    unnamed = hometrip("import", village, "--data", data)
    assert (unnamed.exit_code, "--owner" in unnamed.stderr) == (1, True)


async def test_dates_move_so_that_the_calendar_begins_today_and_a_running_house_shows_the_homes(
    tmp_path: Path, village: Path
) -> None:
    async with house_in(tmp_path / "data") as house:
        owner = await house.sign_up(OWNER, "Olga Owner")
        result = await asyncio.to_thread(bring, tmp_path / "data", village, "--shift-to-today")
        assert result.exit_code == 0, result.output

        async def all_are_found() -> bool:
            return (await house.client.get("/api/search")).json()["total"] == HOMES

        await until(all_are_found, within=20)
        await house.settle()
        mine = (await owner.get("/api/listings/my-listings", params={"limit": 50})).json()["items"]
        assert len(mine) == HOMES
        today = date.today()  # noqa: DTZ011 - the process that imported went by the wall, in UTC
        source = {day["listing_id"]: day for day in reversed(rows_of(village / "calendar.csv"))}
        assert len(source) == HOMES
        frees = 0
        for home in mine:
            answer = await owner.get(
                f"/api/listings/{home['id']}/availability",
                params={"from": str(today + timedelta(days=350)), "to": str(today + timedelta(days=380))},
            )
            frees += sum(day["free"] for day in answer.json()["days"])
        assert frees > 0
        assert today > START.date() - timedelta(days=365)


@pytest.mark.slow
def test_the_whole_demo_comes_in_from_the_command_line(data: Path) -> None:
    first = bring(data, Path(str(FOLDER)))
    assert first.exit_code == 0, first.output
    assert figure(first, 0) == [421, 421, 0, 0]
    assert figure(first, 1)[0] == 153_665
    assert figure(first, 2) == [3_570, 3_570, 0]
    second = bring(data, Path(str(FOLDER)))
    assert figure(second, 0) == [421, 0, 0, 421]
    assert figure(second, 1)[1] == 0
    assert figure(second, 2) == [3_570, 0, 3_570]


# memory


# The peak of a process alone: what the system tells of a child begins with its parent's.
PEAK = """
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
"""
READ = f"""{PEAK}
import sys
from hometrip.services.listing.rules.insideairbnb import open_text, read_days
days = 0
with open_text(sys.argv[1]) as lines:
    for home in read_days(lines):
        days += len(home.dates)
print(days, peak())
"""
IMPORT = f"""{PEAK}
import sys
from hometrip.app.cli import main
main(["import", *sys.argv[1:]], standalone_mode=False)
print(peak())
"""


def town(homes: int, days: int) -> Iterator[str]:
    yield "listing_id,date,available,price,minimum_nights,maximum_nights\n"
    dates = [(date(2027, 1, 1) + timedelta(days=day)).isoformat() for day in range(days)]
    for home in range(homes):
        for day, on in enumerate(dates):
            yield f"{home + 1},{on},{'tf'[(home + day) % 7 == 0]},${80 + day % 40}.00,2,365\n"


@pytest.mark.slow
def test_a_million_days_are_read_within_200_megabytes(tmp_path: Path) -> None:
    file = tmp_path / "calendar.csv.gz"
    with gzip.open(file, "wt", compresslevel=1) as packed:
        packed.writelines(town(2740, 365))
    told = subprocess.run(
        [sys.executable, "-c", READ, str(file)], capture_output=True, text=True, check=True, timeout=100
    ).stdout.split()
    assert int(told[0]) == 2740 * 365 > 1_000_000
    assert int(told[1]) < 200 * 1024, f"{int(told[1]) // 1024} MiB"


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_million_days_are_imported_within_512_megabytes(data: Path, tmp_path: Path) -> None:
    """The homes of the demo under other ids: the whole command, with search taking them in."""
    folder = tmp_path / "town"
    folder.mkdir()
    sources = rows("listings.csv.gz")
    write(folder / "listings.csv", [sources[n % len(sources)] | {"id": str(n + 1)} for n in range(2740)])
    with (folder / "calendar.csv").open("w") as file:
        file.writelines(town(2740, 365))
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, str(folder), "--owner", OWNER, "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert int(done.stdout.split()[-1]) < 512 * 1024

"""Makes the demo's own copy of a town from a publication of Inside Airbnb.

    python scripts/build_demo.py FOLDER [--into src/hometrip/app/demo]

FOLDER holds `listings.csv.gz`, `calendar.csv.gz` and `reviews.csv.gz` as published. The copy keeps every home
with the columns that the reader uses, under their published names, the whole calendar, and of each home the
newest twelve reviews. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

DEMO = Path(__file__).parent.parent / "src" / "hometrip" / "app" / "demo"
NEWEST = 12
LISTING_COLUMNS = (
    "id last_scraped name description neighborhood_overview picture_url host_id host_name host_is_superhost "
    "neighbourhood_cleansed latitude longitude property_type room_type accommodates bathrooms bathrooms_text "
    "bedrooms beds amenities price minimum_nights maximum_nights number_of_reviews review_scores_rating "
    "license instant_bookable"
).split()
CALENDAR_COLUMNS = "listing_id date available price minimum_nights maximum_nights".split()
REVIEW_COLUMNS = "listing_id id date reviewer_id reviewer_name comments".split()

Row = dict[str, str]


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--into", type=Path, default=DEMO)
    given = options.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    source, target = given.folder, given.into
    write(target / "listings.csv.gz", LISTING_COLUMNS, rows(source / "listings.csv.gz"))
    write(target / "calendar.csv.gz", CALENDAR_COLUMNS, rows(source / "calendar.csv.gz"))
    write(target / "reviews.csv.gz", REVIEW_COLUMNS, newest(rows(source / "reviews.csv.gz")))
    for file in sorted(target.glob("*.csv.gz")):
        print(f"{file.name:20} {file.stat().st_size:>9,} bytes")


def newest(reviews: Iterable[Row]) -> Iterator[Row]:
    """Of each home, in the order of the homes, the newest reviews, newest first."""
    of_home: dict[str, list[Row]] = defaultdict(list)
    for review in reviews:
        of_home[review["listing_id"]].append(review)
    for written in of_home.values():
        yield from sorted(written, key=lambda review: (review["date"], review["id"]), reverse=True)[:NEWEST]


def rows(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as lines:
        yield from csv.DictReader(lines)


def write(path: Path, columns: Sequence[str], kept: Iterable[Row]) -> None:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, extrasaction="ignore", restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(kept)
    path.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()

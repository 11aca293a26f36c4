"""The list of countries against the one that comes with the time zones."""

from __future__ import annotations

from importlib.resources import files

from hometrip.kernel.countries import COUNTRIES


def test_the_countries_are_those_of_iso_3166_and_kosovo() -> None:
    table = files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
    told = {line.split("\t")[0] for line in table.splitlines() if not line.startswith("#")}
    assert told | {"XK"} == COUNTRIES


def test_what_is_kept_free_for_private_use_is_no_country() -> None:
    assert COUNTRIES.isdisjoint({"ZZ", "AA", "EU", "UK", "XX", ""})

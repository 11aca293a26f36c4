"""What helps to search: names of places and homes, what can be filtered, where homes are."""

from __future__ import annotations

from datetime import timedelta

from hometrip.kernel.access import Caller
from hometrip.ports.geocoder import Place
from hometrip.services.search.actions.deps import Deps, Overview
from hometrip.services.search.actions.homes import current
from hometrip.services.search.actions.searches import badges_of
from hometrip.services.search.contract import (
    Destination,
    Destinations,
    Filters,
    Hit,
    Location,
    Suggestion,
    Suggestions,
)
from hometrip.services.search.rules import facets
from hometrip.services.search.rules.asked import folded
from hometrip.services.search.rules.cards import HOMES
from hometrip.services.search.rules.places import Places

MOST_PLACES, MOST_HOMES = 5, 5
MOST_DESTINATIONS = 12
MOST_REMEMBERED = 5_000
# Counting over few homes is done at every change; over many, at most so often.
FEW = 5_000
PAUSE = timedelta(seconds=5)


async def autocomplete(deps: Deps, beginning: str) -> Suggestions:
    """Cities of our homes, the one with the most first; then other places; then homes by their titles."""
    board, known = await current(deps), (await _overview(deps)).places
    elsewhere = await _elsewhere(deps, folded(beginning))
    ours = known.beginning(beginning, MOST_PLACES)
    others: list[Place] = []
    for place in elsewhere:
        # The geocoder forgives slips: a city of ours that it found is one that was meant.
        home_town = known.named(place.name, place.country) if place.kind == "city" else None
        if home_town is None:
            others.append(place)
        elif home_town not in ours:
            ours.append(home_town)
    ids = await deps.index.suggest(HOMES.name, "title", beginning, MOST_HOMES)
    rows = [row for home in ids if (row := board.rows.get(home)) is not None and board.live[row]]
    places = [*map(_of_ours, ours), *map(_of_elsewhere, others)]
    return Suggestions(items=[*places[:MOST_PLACES], *(_of_home(board.hits[row]) for row in rows)])


async def _elsewhere(deps: Deps, beginning: str) -> list[Place]:
    """What the geocoder answers. It is remembered: people type the same beginnings, and places stay."""
    remembered = deps.memory.elsewhere
    if beginning not in remembered:
        if len(remembered) >= MOST_REMEMBERED:
            remembered.clear()
        remembered[beginning] = await deps.geocoder.search(beginning, limit=MOST_PLACES)
    return remembered[beginning]


async def popular(deps: Deps) -> Destinations:
    """The cities with the most homes."""
    return Destinations(items=(await _overview(deps)).places.all[:MOST_DESTINATIONS])


async def filters(deps: Deps, caller: Caller) -> Filters:
    """What can be filtered by, over all homes; and how many of them this caller books at once."""
    known = await _overview(deps)
    badges = await badges_of(deps, known.board, caller)
    return facets.filters_of_guest(known.board, known.filters, badges) if badges else known.filters


async def _overview(deps: Deps) -> Overview:
    board, memory, now = await current(deps), deps.memory, deps.clock.now()
    known = memory.overview
    if known is not None and known.board is board:
        recent = board.size > FEW and now - known.counted_at < PAUSE
        if recent or known.edition == board.edition:
            return known
    places = Places(facets.destinations(board))
    memory.overview = Overview(board, now, places, facets.filters(board))
    return memory.overview


def _of_ours(place: Destination) -> Suggestion:
    return Suggestion(
        kind="place",
        label=f"{place.city}, {place.country}",
        city=place.city,
        country=place.country,
        location=place.location,
        count=place.count,
    )


def _of_elsewhere(place: Place) -> Suggestion:
    parts = (place.name, place.region if place.kind == "city" else "", place.country_name)
    return Suggestion(
        kind="place",
        label=", ".join(dict.fromkeys(part for part in parts if part)),
        city=place.name if place.kind == "city" else None,
        country=place.country,
        location=Location(lat=place.lat, lng=place.lng),
    )


def _of_home(hit: Hit) -> Suggestion:
    return Suggestion(
        kind="listing",
        label=hit.title,
        id=hit.id,
        city=hit.city,
        country=hit.country,
        location=hit.location,
    )

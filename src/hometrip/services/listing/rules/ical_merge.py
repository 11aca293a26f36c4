"""What a fetch of a feed changes in what is known of it: an event goes only when it is surely gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from hometrip.kernel.stay import Stay
from hometrip.services.listing.rules.ical_events import Busy, Reading, merged_stays

# An event is dropped when so many good fetches in a row were without it.
GONE_AFTER = 2


def after(known: Sequence[Busy], reading: Reading | None) -> list[Busy]:
    """What is known after a fetch. A failed one (None) or an empty calendar changes nothing; in any other,
    events are told by their UID: those that moved move, those that were cancelled go, and those that are
    missing are waited for."""
    if reading is None or reading.empty:
        return list(known)
    said = {event.uid for event in reading.events}
    missed = [
        msgspec.structs.replace(event, missing=event.missing + 1)
        for event in known
        if event.uid not in said and event.uid not in reading.idle
    ]
    return [*reading.events, *(event for event in missed if event.missing < GONE_AFTER)]


def as_before(known: Sequence[Busy]) -> Reading:
    """The reading of a calendar that has not changed since the last good fetch."""
    return Reading([event for event in known if not event.missing], empty=False)


def ahead(known: Iterable[Busy], today: date) -> list[Busy]:
    """Without what is over."""
    left = []
    for event in known:
        stays = [stay for stay in event.stays if stay.check_out > today]
        if stays:
            left.append(msgspec.structs.replace(event, stays=stays))
    return left


def nights_taken(known: Iterable[Busy], today: date) -> list[Stay]:
    """The nights from today on that the events take together, as the fewest ranges."""
    stays = [stay for event in ahead(known, today) for stay in event.stays]
    return merged_stays([Stay(max(stay.check_in, today), stay.check_out) for stay in stays])

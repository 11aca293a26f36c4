"""What this service does when it hears of something; each may run twice."""

from __future__ import annotations

from hometrip.services.booking.contract import (
    BookingAccepted,
    BookingCancelled,
    BookingChanged,
    BookingChangeEnded,
    BookingChangePending,
    BookingConfirmed,
    BookingCreated,
    BookingDeclined,
    BookingEvent,
    BookingExpired,
    BookingRequested,
)
from hometrip.services.listing.actions.bulk import EditUnsettled, settle_edit
from hometrip.services.listing.actions.days import BlockUnsettled, note_booking, settle
from hometrip.services.listing.actions.deps import Deps
from hometrip.services.listing.actions.feeds_reading import (
    FeedDue,
    FeedRemoved,
    refresh_when_due,
    release,
    retake,
)
from hometrip.services.listing.actions.files import FilesDropped, delete_files
from hometrip.services.listing.actions.import_jobs import ImportAsked, run_import


async def take_nights_when_requested(deps: Deps, event: BookingRequested) -> None:
    await _note(deps, event, "listing.take_nights_when_requested")


async def take_nights_when_accepted(deps: Deps, event: BookingAccepted) -> None:
    """It may have had none, beside other requests."""
    await _note(deps, event, "listing.take_nights_when_accepted")


async def take_nights_when_created(deps: Deps, event: BookingCreated) -> None:
    await _note(deps, event, "listing.take_nights_when_created")


async def take_nights_when_confirmed(deps: Deps, event: BookingConfirmed) -> None:
    await _note(deps, event, "listing.take_nights_when_confirmed")


async def move_nights_when_changed(deps: Deps, event: BookingChanged) -> None:
    await _note(deps, event, "listing.move_nights_when_changed")


async def hold_nights_when_change_is_asked(deps: Deps, event: BookingChangePending) -> None:
    await _note(deps, event, "listing.hold_nights_when_change_is_asked")


async def free_nights_when_change_ends(deps: Deps, event: BookingChangeEnded) -> None:
    await _note(deps, event, "listing.free_nights_when_change_ends")


async def free_nights_when_declined(deps: Deps, event: BookingDeclined) -> None:
    await _note(deps, event, "listing.free_nights_when_declined")


async def free_nights_when_expired(deps: Deps, event: BookingExpired) -> None:
    await _note(deps, event, "listing.free_nights_when_expired")


async def free_nights_when_cancelled(deps: Deps, event: BookingCancelled) -> None:
    await _note(deps, event, "listing.free_nights_when_cancelled")


async def _note(deps: Deps, event: BookingEvent, effect: str) -> None:
    async with deps.docs.transaction() as tx:
        if await tx.first_time(event, effect):
            await note_booking(tx, event, deps.clock.now())


async def settle_block_when_due(deps: Deps, event: BlockUnsettled) -> None:
    """Every step of it is safe to repeat, and asks a peer: so no mark is kept."""
    await settle(deps, event.block_id)


async def settle_edit_when_due(deps: Deps, event: EditUnsettled) -> None:
    await settle_edit(deps, event.edit_id)


async def retake_nights_when_confirmed(deps: Deps, event: BookingConfirmed) -> None:
    """From now on a clash is with a confirmed booking, which is reported; safe to repeat, as those below."""
    await retake(deps, event.booking.listing_id)


async def retake_nights_when_changed(deps: Deps, event: BookingChanged) -> None:
    await retake(deps, event.booking.listing_id)


async def retake_nights_when_declined(deps: Deps, event: BookingDeclined) -> None:
    await retake(deps, event.booking.listing_id)


async def retake_nights_when_expired(deps: Deps, event: BookingExpired) -> None:
    await retake(deps, event.booking.listing_id)


async def retake_nights_when_cancelled(deps: Deps, event: BookingCancelled) -> None:
    await retake(deps, event.booking.listing_id)


async def retake_nights_when_change_ends(deps: Deps, event: BookingChangeEnded) -> None:
    await retake(deps, event.booking.listing_id)


async def refresh_feed_when_due(deps: Deps, event: FeedDue) -> None:
    await refresh_when_due(deps, event)


async def release_nights_when_removed(deps: Deps, event: FeedRemoved) -> None:
    """Another feed may have wanted them too."""
    await release(deps, event.listing_id, event.feed_id)
    await retake(deps, event.listing_id)


async def delete_files_when_dropped(deps: Deps, event: FilesDropped) -> None:
    await delete_files(deps, event.keys)


async def run_import_when_asked(deps: Deps, event: ImportAsked) -> None:
    """The import itself finds what is done already: so no mark is kept."""
    await run_import(deps, event.import_id)


REACTIONS = (
    take_nights_when_requested,
    take_nights_when_accepted,
    take_nights_when_created,
    take_nights_when_confirmed,
    move_nights_when_changed,
    hold_nights_when_change_is_asked,
    free_nights_when_change_ends,
    free_nights_when_declined,
    free_nights_when_expired,
    free_nights_when_cancelled,
    settle_block_when_due,
    settle_edit_when_due,
    retake_nights_when_confirmed,
    retake_nights_when_changed,
    retake_nights_when_declined,
    retake_nights_when_expired,
    retake_nights_when_cancelled,
    retake_nights_when_change_ends,
    refresh_feed_when_due,
    release_nights_when_removed,
    delete_files_when_dropped,
    run_import_when_asked,
)

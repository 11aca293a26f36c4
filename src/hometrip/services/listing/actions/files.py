"""Files that nothing refers to any more: deleted after the change that let go of them is committed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hometrip.kernel.events import Event
from hometrip.ports.documents import DocumentTx
from hometrip.services.listing.actions.deps import Deps
from hometrip.services.listing.rules.home import Photo


class FilesDropped(Event):
    """These keys are nobody's any more. `dropped_by` is the home or import that had them."""

    name = "listing.files_dropped"
    about = ("listing_files", "dropped_by")

    dropped_by: UUID
    keys: list[str]


async def drop_files(tx: DocumentTx, dropped_by: UUID, keys: Sequence[str]) -> None:
    if keys:
        await tx.emit(FilesDropped(dropped_by=dropped_by, keys=list(keys)))


async def delete_files(deps: Deps, keys: Sequence[str]) -> None:
    for key in keys:
        await deps.blobs.delete(key)


def keys_of(photos: Sequence[Photo]) -> list[str]:
    return [size.key for photo in photos for size in photo.sizes.values()]

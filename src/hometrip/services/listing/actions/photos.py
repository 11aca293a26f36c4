"""Photos of a home: checked and drawn anew in the workshop, kept as files, shown in the host's order."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from hometrip.kernel.access import Caller
from hometrip.kernel.again import nothing_happened
from hometrip.kernel.errors import HomeTripError, Invalid, NotFound, TooLarge, Unavailable
from hometrip.kernel.wire import Answer
from hometrip.ports.documents import DocumentTx, ne
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, home_to_change
from hometrip.services.listing.actions.files import delete_files, drop_files, keys_of
from hometrip.services.listing.rules import texts
from hometrip.services.listing.rules.home import MOST_PHOTOS, Home, Photo, Size
from hometrip.services.listing.rules.shown import PhotoShown, photo_shown
from hometrip.services.pictures import MOST_BYTES, Picture, redrawn

REDRAW_SECONDS = 20.0


class Photos(Answer):
    """All photos of a home in their order; the first is the cover."""

    items: list[PhotoShown]


async def add_photos(deps: Deps, caller: Caller, listing_id: UUID, contents: Sequence[bytes]) -> Photos:
    """Put them behind those that are there: all of them, or none where one is refused."""
    home = await home_to_change(deps.docs, caller, listing_id)
    if not contents:
        raise Invalid.field("photos", "missing", "at least one file is needed")
    _room_for(home, len(contents))
    for content in contents:
        if len(content) > MOST_BYTES:
            raise TooLarge(f"A photo may have at most {MOST_BYTES} bytes.", limit=MOST_BYTES)
    pictures = [await deps.workshop.run(redrawn, content, seconds=REDRAW_SECONDS) for content in contents]
    photos = [await _kept(deps, listing_id, picture) for picture in pictures]
    try:
        async with deps.docs.transaction() as tx:
            home = await home_to_change(tx, caller, listing_id)
            _room_for(home, len(photos))
            home = await _keep(deps, tx, home, [*home.photos, *photos])
    except BaseException as error:
        # Where it is not known whether the home has them now, they stay.
        refused = isinstance(error, HomeTripError) and not isinstance(error, Unavailable)
        if refused or nothing_happened():
            await delete_files(deps, keys_of(photos))
        raise
    return _shown(deps, home)


async def add_drawn_photo(deps: Deps, listing_id: UUID, content: bytes) -> None:
    """Give a home without photos the one that was drawn for it."""
    picture = await deps.workshop.run(redrawn, content, seconds=REDRAW_SECONDS)
    photo = await _kept(deps, listing_id, picture)
    async with deps.docs.transaction() as tx:
        home = await store.home(tx, listing_id)
        if home.photos:
            await drop_files(tx, home.id, keys_of([photo]))
        else:
            await _keep(deps, tx, home, [photo])


def _room_for(home: Home, more: int) -> None:
    if len(home.photos) + more > MOST_PHOTOS:
        raise Invalid.field("photos", "too_many", f"a home has at most {MOST_PHOTOS} photos")


async def _kept(deps: Deps, listing_id: UUID, picture: Picture) -> Photo:
    """The picture's files in their place; nobody knows their keys before the home does."""
    photo_id = deps.new_id()
    sizes: dict[str, Size] = {}
    for name, variant in picture.sizes.items():
        key = f"listing/{listing_id}/{photo_id}-{name}.webp"
        await deps.blobs.put(key, variant.content, "image/webp")
        sizes[name] = Size(key=key, width=variant.width, height=variant.height)
    return Photo(id=photo_id, sizes=sizes)


async def _keep(deps: Deps, tx: DocumentTx, home: Home, photos: list[Photo]) -> Home:
    changed = msgspec.structs.replace(home, photos=photos, updated_at=deps.clock.now())
    return await store.keep_home(tx, changed)


async def order_photos(deps: Deps, caller: Caller, listing_id: UUID, ids: list[UUID]) -> Photos:
    """Every photo of the home must be named once."""
    async with deps.docs.transaction() as tx:
        home = await home_to_change(tx, caller, listing_id)
        known = {photo.id: photo for photo in home.photos}
        if len(ids) != len(known) or set(ids) != set(known):
            raise Invalid.field("ids", "not_the_photos", "must name every photo of the home once")
        photos = [known[photo_id] for photo_id in ids]
        if photos != home.photos:
            home = await _keep(deps, tx, home, photos)
    return _shown(deps, home)


async def change_photo(
    deps: Deps,
    caller: Caller,
    listing_id: UUID,
    photo_id: UUID,
    caption: str | UnsetType,
    cover: bool | UnsetType,
) -> PhotoShown:
    """Give it a caption, or the first place."""
    async with deps.docs.transaction() as tx:
        home = await home_to_change(tx, caller, listing_id)
        photo = _photo(home, photo_id)
        if caption is not UNSET:
            photo = msgspec.structs.replace(photo, caption=texts.one_line(caption)[:300])
        photos = [photo if other.id == photo_id else other for other in home.photos]
        if cover is True:
            photos = [photo, *(other for other in photos if other.id != photo_id)]
        if photos != home.photos:
            await _keep(deps, tx, home, photos)
    return photo_shown(photo, deps.blobs.url)


async def remove_photo(deps: Deps, caller: Caller, listing_id: UUID, photo_id: UUID) -> None:
    async with deps.docs.transaction() as tx:
        home = await home_to_change(tx, caller, listing_id)
        photo = _photo(home, photo_id)
        await _keep(deps, tx, home, [other for other in home.photos if other.id != photo_id])
        await drop_files(tx, home.id, keys_of([photo]))


def _photo(home: Home, photo_id: UUID) -> Photo:
    for photo in home.photos:
        if photo.id == photo_id:
            return photo
    raise NotFound("There is no such photo.")


def _shown(deps: Deps, home: Home) -> Photos:
    return Photos(items=[photo_shown(photo, deps.blobs.url) for photo in home.photos])


async def homes_without_photos(deps: Deps) -> list[Home]:
    """Of those that were imported."""
    found: list[Home] = []
    cursor = None
    while True:
        page = await deps.docs.find(store.HOMES, ne("source", None), limit=500, cursor=cursor)
        found += [home for home in page.items if not home.photos]
        cursor = page.next_cursor
        if cursor is None:
            return found

"""Routes that files come in by: photos, and publications to import."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from litestar import delete, get, patch, post, put
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, MultipartBody
from msgspec import UNSET, Meta, UnsetType

from hometrip.kernel.access import STAFF, USER, Caller
from hometrip.kernel.wire import Request
from hometrip.services.listing import actions
from hometrip.services.listing.actions import Deps
from hometrip.services.listing.actions.import_jobs import Asked, ImportState
from hometrip.services.listing.actions.photos import Photos
from hometrip.services.listing.rules.shown import PhotoShown

PHOTOS_BYTES = 160_000_000
IMPORT_BYTES = 400_000_000


class PhotoOrder(Request):
    """Every photo of the home, the cover first."""

    ids: Annotated[list[UUID], Meta(max_length=10)]


class PhotoEdit(Request):
    """`cover` true gives it the first place."""

    caption: Annotated[str, Meta(max_length=1_000)] | UnsetType = UNSET
    cover: bool | UnsetType = UNSET


@post(
    "/listings/{listing_id:uuid}/photos",
    access=USER,
    limit="upload",
    max_body=PHOTOS_BYTES,
    summary="Add photos: each file of the form, whatever its field is called",
)
async def add_photos(
    listing_id: FromPath[UUID],
    data: MultipartBody[dict[str, Any]],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> Photos:
    return await actions.add_photos(deps, caller, listing_id, await contents_of(data))


@put("/listings/{listing_id:uuid}/photos/order", access=USER, summary="Put the photos in order")
async def order_photos(
    listing_id: FromPath[UUID],
    data: JSONBody[PhotoOrder],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> Photos:
    return await actions.order_photos(deps, caller, listing_id, data.ids)


@patch("/listings/{listing_id:uuid}/photos/{photo_id:uuid}", access=USER, summary="Caption, or cover")
async def change_photo(
    listing_id: FromPath[UUID],
    photo_id: FromPath[UUID],
    data: JSONBody[PhotoEdit],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> PhotoShown:
    return await actions.change_photo(deps, caller, listing_id, photo_id, data.caption, data.cover)


@delete("/listings/{listing_id:uuid}/photos/{photo_id:uuid}", access=USER, summary="Take a photo away")
async def remove_photo(
    listing_id: FromPath[UUID],
    photo_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> None:
    await actions.remove_photo(deps, caller, listing_id, photo_id)


@post(
    "/listings/import",
    access=STAFF,
    status_code=202,
    limit="upload",
    max_body=IMPORT_BYTES,
    summary="Import a publication: files listings, calendar and reviews, plain or gzip",
)
async def import_listings(
    data: MultipartBody[dict[str, Any]],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    source: FromQuery[str] = "insideairbnb",
    shift_to: FromQuery[date | None] = None,
) -> Asked:
    return await actions.ask_import(deps, caller, source, shift_to, await named_contents_of(data))


@get("/listings/import/{import_id:uuid}", access=STAFF, summary="How far an import is, and its report")
async def get_import(import_id: FromPath[UUID], deps: NamedDependency[Deps]) -> ImportState:
    return await actions.import_state(deps, import_id)


async def contents_of(form: dict[str, Any]) -> list[bytes]:
    """Every file of the form, in its order."""
    parts = [part for value in form.values() for part in (value if isinstance(value, list) else [value])]
    return [await part.read() for part in parts if isinstance(part, UploadFile)]


async def named_contents_of(form: dict[str, Any]) -> dict[str, bytes]:
    """The files of the form by the names of their fields."""
    return {name: await part.read() for name, part in form.items() if isinstance(part, UploadFile)}


ROUTES = [
    add_photos,
    order_photos,
    change_photo,
    remove_photo,
    import_listings,
    get_import,
]

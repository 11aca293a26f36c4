"""Routes of homes, their prices and their days."""

from datetime import date
from typing import Annotated
from uuid import UUID

from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta, field

from hometrip.kernel.access import PUBLIC, USER, Caller
from hometrip.kernel.page import DEFAULT_LIMIT, MOST, Page
from hometrip.kernel.wire import Request
from hometrip.services.listing import actions
from hometrip.services.listing.actions import Deps
from hometrip.services.listing.actions.days import Availability, Blocks, BlockShown
from hometrip.services.listing.actions.finding import AmenityWords, Filters, Homes, Places, StructureWords
from hometrip.services.listing.actions.similar import Similar
from hometrip.services.listing.contract import Quote, Wish
from hometrip.services.listing.rules.edits import HomeEdit, NewHome, WholeHome
from hometrip.services.listing.rules.home import Pricing
from hometrip.services.listing.rules.shown import Listing, PricingShown
from hometrip.services.search.contract import SimilarWish

PageLimit = Annotated[int, QueryParameter(ge=1, le=MOST)]


Amount = Annotated[int | None, QueryParameter(ge=0, le=10**15)]


class BlockWish(Request):
    """Nights from `from` to before `to`."""

    first: date = field(name="from")
    until: date = field(name="to")
    reason: Annotated[str, Meta(max_length=500)] = ""


@post("/listings", access=USER, summary="Begin a home: a title is enough")
async def create_listing(
    data: JSONBody[NewHome], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Listing:
    return await actions.create(deps, caller, data)


@get("/listings", access=PUBLIC, fresh_for=0, summary="Published homes, filtered")
async def list_listings(
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    city: FromQuery[str | None] = None,
    country: FromQuery[str | None] = None,
    min_price: Amount = None,
    max_price: Amount = None,
    guests: Annotated[int | None, QueryParameter(ge=1, le=50)] = None,
    structure: FromQuery[str | None] = None,
    type: FromQuery[str | None] = None,  # noqa: A002 - the name of the query's field
    amenities: FromQuery[str | None] = None,
    min_rating: Annotated[float | None, QueryParameter(ge=0, le=5)] = None,
    check_in: FromQuery[date | None] = None,
    check_out: FromQuery[date | None] = None,
    bbox: FromQuery[str | None] = None,
    near: FromQuery[str | None] = None,
    radius_km: Annotated[float | None, QueryParameter(ge=0, le=20_000)] = None,
    currency: Annotated[str | None, QueryParameter(pattern="^[A-Z]{3}$")] = None,
    sort: FromQuery[str] = "newest",
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Homes:
    filters = Filters(
        city, country, min_price, max_price, guests, structure, type, amenities, min_rating,
        check_in, check_out, bbox, near, radius_km, currency,
    )  # fmt: skip
    return await actions.browse(deps, caller, filters, sort, limit, cursor)


@get("/listings/my-listings", access=USER, summary="Homes of mine, co-hosted and drafts too")
async def my_listings(
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[Listing]:
    return await actions.mine(deps, caller, limit, cursor)


@get("/listings/amenities", access=PUBLIC, fresh_for=60, summary="The amenities a home can have, in groups")
async def amenities(caller: NamedDependency[Caller], lang: FromQuery[str | None] = None) -> AmenityWords:
    return actions.amenity_words(lang or caller.locale)


@get("/listings/structures", access=PUBLIC, fresh_for=60, summary="The structures and types of homes")
async def structures(caller: NamedDependency[Caller], lang: FromQuery[str | None] = None) -> StructureWords:
    return actions.structure_words(lang or caller.locale)


@get("/listings/geocode", access=USER, summary="Places by name")
async def geocode(deps: NamedDependency[Deps], q: Annotated[str, QueryParameter(max_length=200)]) -> Places:
    return await actions.places(deps, q)


@get("/listings/{listing_id:uuid}", access=PUBLIC, fresh_for=5, anywhere=True, summary="A home")
async def get_listing(
    listing_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Listing:
    return await actions.show(deps, caller, listing_id)


@patch("/listings/{listing_id:uuid}", access=USER, summary="Change some fields of a home")
async def change_listing(
    listing_id: FromPath[UUID],
    data: JSONBody[HomeEdit],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> Listing:
    return await actions.change(deps, caller, listing_id, data, if_match)


@put("/listings/{listing_id:uuid}", access=USER, summary="Write all fields of a home anew")
async def replace_listing(
    listing_id: FromPath[UUID],
    data: JSONBody[WholeHome],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> Listing:
    return await actions.change(deps, caller, listing_id, data, if_match)


@delete("/listings/{listing_id:uuid}", access=USER, summary="Delete a home without bookings ahead")
async def delete_listing(
    listing_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> None:
    await actions.delete(deps, caller, listing_id, if_match)


@post("/listings/{listing_id:uuid}/publish", access=USER, status_code=200, summary="Let guests see it")
async def publish_listing(
    listing_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Listing:
    return await actions.publish(deps, caller, listing_id)


@patch("/listings/{listing_id:uuid}/toggle-active", access=USER, summary="Pause it, or take it up again")
async def toggle_listing(
    listing_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> Listing:
    return await actions.toggle(deps, caller, listing_id, if_match)


@get("/listings/{listing_id:uuid}/pricing", access=USER, tagged=True, summary="The price list")
async def get_pricing(
    listing_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Response[PricingShown]:
    return _versioned(*await actions.price_list(deps, caller, listing_id))


@put("/listings/{listing_id:uuid}/pricing", access=USER, tagged=True, summary="Write the price list")
async def put_pricing(
    listing_id: FromPath[UUID],
    data: JSONBody[Pricing],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> Response[PricingShown]:
    return _versioned(*await actions.set_prices(deps, caller, listing_id, data, if_match))


def _versioned(pricing: PricingShown, version: int) -> Response[PricingShown]:
    """A price list is sent back as it came: its version is beside it, not in it."""
    return Response(pricing, headers={"ETag": f'"{version}"'})


@get(
    "/listings/{listing_id:uuid}/availability",
    access=PUBLIC,
    fresh_for=0,
    at_hand=actions.days_at_hand,
    anywhere=True,
    summary="Night by night",
)
async def get_availability(
    listing_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    first: Annotated[date | None, QueryParameter(name="from")] = None,
    until: Annotated[date | None, QueryParameter(name="to")] = None,
) -> Availability:
    return await actions.availability(deps, caller, listing_id, first, until)


@get("/listings/{listing_id:uuid}/block-dates", access=USER, summary="Nights that the host keeps")
async def list_blocks(
    listing_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Blocks:
    return await actions.blocks(deps, caller, listing_id)


@post("/listings/{listing_id:uuid}/block-dates", access=USER, summary="Keep nights from guests")
async def block_dates(
    listing_id: FromPath[UUID],
    data: JSONBody[BlockWish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> BlockShown:
    return await actions.block(deps, caller, listing_id, data.first, data.until, data.reason)


@delete("/listings/{listing_id:uuid}/block-dates/{block_id:uuid}", access=USER, summary="Give them back")
async def unblock_dates(
    listing_id: FromPath[UUID],
    block_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> None:
    await actions.unblock(deps, caller, listing_id, block_id)


@post(
    "/listings/{listing_id:uuid}/quote",
    access=PUBLIC,
    status_code=200,
    tells={"quote_id": "/id"},
    anywhere=True,
    summary="The price of a stay",
)
async def quote_stay(
    listing_id: FromPath[UUID],
    data: JSONBody[Wish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> Quote:
    return await actions.quote(deps, caller, listing_id, data)


@get(
    "/listings/{listing_id:uuid}/similar",
    access=PUBLIC,
    fresh_for=5,
    anywhere=True,
    summary="Homes like it; with dates those that are free then",
)
async def similar_homes(
    listing_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    check_in: FromQuery[date | None] = None,
    check_out: FromQuery[date | None] = None,
    guests: Annotated[int | None, QueryParameter(ge=1, le=50)] = None,
    currency: Annotated[str | None, QueryParameter(pattern="^[A-Z]{3}$")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=12)] = 12,
) -> Similar:
    wish = SimilarWish(check_in=check_in, check_out=check_out, guests=guests, currency=currency, limit=limit)
    return await actions.similar(deps, caller, listing_id, wish)


ROUTES = [
    create_listing,
    list_listings,
    my_listings,
    amenities,
    structures,
    geocode,
    get_listing,
    change_listing,
    replace_listing,
    delete_listing,
    publish_listing,
    toggle_listing,
    get_pricing,
    put_pricing,
    get_availability,
    list_blocks,
    block_dates,
    unblock_dates,
    quote_stay,
    similar_homes,
]

"""The plain pages of the house: what runs, the mailbox of the sandbox, the API as a page, and stored
files.
"""

from __future__ import annotations

from functools import cache
from operator import itemgetter
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, select_autoescape
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from hometrip.app.demo import ATTRIBUTION
from hometrip.app.edge.problems import OWN_CODES, STATUSES
from hometrip.app.version import VERSION
from hometrip.app.wiring import House
from hometrip.kernel.access import PUBLIC, Caller
from hometrip.kernel.errors import HomeTripError, Invalid, NotFound, Unavailable
from hometrip.ports.blobs import PRIVATE, Blobs
from hometrip.ports.courier import Courier
from hometrip.services.search.contract import Results

HTML = "text/html"


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("hometrip.app"), autoescape=select_autoescape(default=True))


def page(template: str, **words: Any) -> Response[str]:
    return Response(_templates().get_template(template).render(**words), media_type=HTML)


@get("/", access=PUBLIC, include_in_schema=False)
async def home(house: NamedDependency[House]) -> Response[str]:
    shown = await _popular(house)
    demo_file = house.settings.data / "demo.json"
    return page(
        "home.html",
        version=VERSION,
        sandbox=house.settings.sandbox,
        demo_file=str(demo_file) if demo_file.exists() else "",
        rooms=await _services(house),
        count=shown.total if shown else 0,
        homes=[
            {
                "id": hit.id,
                "title": hit.title,
                "city": hit.city,
                "cover": hit.cover,
                "price": str(hit.nightly),
                "rating": hit.rating,
            }
            for hit in (shown.items if shown else ())
        ],
        attribution=ATTRIBUTION,
    )


async def _services(house: House) -> list[dict[str, str]]:
    """Of each service: its name, whether it answers, and where its records are."""
    if house.elsewhere:
        there = house.elsewhere.instances()
        return [
            {"name": name, "state": "up" if count else "down", "storage": f"{count} running"}
            for name, count in there.items()
        ]
    wrong = await house.ready()
    return [
        {
            "name": name,
            "state": "down" if f"{name} storage" in wrong else "up",
            "storage": type(room.storage).__name__.replace("Sqlite", "SQLite "),
        }
        for name, room in house.rooms.items()
    ]


async def _popular(house: House) -> Results | None:
    """Some homes to begin with; none where search does not answer now."""
    if house.elsewhere is None:
        from hometrip.services.search.actions import search
        from hometrip.services.search.rules.asked import Asked

        asked = Asked(sort="popular", per_page=12)
        # Its homes are in writing: they are read as whoever asks over HTTP reads them.
        answer = msgspec.json.encode(await search(house.rooms["search"].deps, Caller(), asked))
        return msgspec.json.decode(answer, type=Results)
    try:
        found = await house.elsewhere.get("search", "/api/search", {"sort": "popular", "per_page": "12"})
    except Unavailable:
        return None
    return msgspec.json.decode(found, type=Results)


@get("/mailbox", access=PUBLIC, include_in_schema=False)
async def mailbox(house: NamedDependency[House], to: FromQuery[str] = "") -> Response[str]:
    if not house.settings.sandbox:
        raise NotFound
    return page("mailbox.html", to=to, mails=house.shared[Courier].mailbox(to))


@get("/files/{key:path}", access=PUBLIC, include_in_schema=False)
async def stored_file(key: FromPath[str], house: NamedDependency[House]) -> Response[bytes]:
    """A blob by its key. Keys are never reused for another content, so a browser may keep it."""
    key = key.removeprefix("/")
    if key.casefold().startswith(PRIVATE):  # on some disks names are the same in large letters
        raise NotFound
    try:
        blob = await house.shared[Blobs].get(key)
    except Invalid:
        blob = None  # no file can have that key
    if blob is None:
        raise NotFound
    return Response(
        blob.content,
        media_type=blob.content_type,
        headers={
            "Cache-Control": "public, max-age=31536000, immutable",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )


@get("/api/docs", access=PUBLIC, include_in_schema=False)
async def docs(request: Request[Any, Any, Any]) -> Response[str]:
    groups: dict[str, list[dict[str, str]]] = {}
    for route in request.app.routes:
        for handler in getattr(route, "route_handlers", []):
            if not handler.resolve_include_in_schema() or "access" not in handler.opt:
                continue
            for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                words = route.path.split("/")
                tag = words[2] if len(words) > 2 and words[1] == "api" else "operations"
                groups.setdefault(tag, []).append(
                    {
                        "method": method,
                        "path": route.path_format,
                        "access": handler.opt["access"].value,
                        "summary": handler.summary or "",
                    }
                )
    for operations in groups.values():
        operations.sort(key=lambda operation: (operation["path"], operation["method"]))
    return page("docs.html", groups=sorted(groups.items()))


@get("/api/docs/errors", access=PUBLIC, include_in_schema=False)
async def errors() -> Response[str]:
    known = [
        {
            "code": code,
            "status": next((status for family, status in STATUSES if issubclass(kind, family)), 500),
            "meaning": (kind.__doc__ or "").strip().replace("\n    ", " "),
        }
        for code, kind in HomeTripError.by_code.items()
    ]
    known += [{"code": code, "status": status, "meaning": meaning} for code, status, meaning in OWN_CODES]
    return page("errors.html", errors=sorted(known, key=itemgetter("code")))


PAGES: list[Any] = [home, mailbox, stored_file, docs, errors]

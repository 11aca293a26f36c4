"""The one ASGI application of a process: every service's routes behind the ring, and those of the house
itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from litestar import Litestar, Router
from litestar.di import NamedDependency, Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import Scope

from hometrip.adapters.clock.system import SystemClock
from hometrip.app.edge.answers import Answer
from hometrip.app.edge.asked import Asked
from hometrip.app.edge.document import openapi_document
from hometrip.app.edge.doors import (
    admit,
    learn_parameters,
    provide_caller,
    provide_if_match,
    provide_once,
    tag_version,
)
from hometrip.app.edge.exchange import App, RingSettings
from hometrip.app.edge.inside import INSIDE
from hometrip.app.edge.lane import HandlerLane
from hometrip.app.edge.meter import Meter
from hometrip.app.edge.operations import OPERATIONS
from hometrip.app.edge.problems import to_response
from hometrip.app.edge.ring import Ring
from hometrip.app.edge.sandbox import SANDBOX
from hometrip.app.edge.straight import Straight
from hometrip.app.identity import Identity
from hometrip.app.pages import PAGES
from hometrip.app.rooms import service_of
from hometrip.app.settings import Settings
from hometrip.app.tracing import TRACES, traces_page
from hometrip.app.version import VERSION
from hometrip.app.wiring import House
from hometrip.kernel.access import PUBLIC, Caller
from hometrip.ports.cache import Cache
from hometrip.services.auth.contract import AuthQuestions


def identity_of(house: House, service_of: Callable[[str], str] | None = None) -> Identity:
    """Who the house believes callers to be; `service_of` tells whose a service token is."""
    auth = house.ask(AuthQuestions)
    identity = Identity(auth, house.shared[Cache], house.clock, SystemClock(), service_of)
    house.besides["identity"] = identity
    return identity


def ring_of(house: House, identity: Identity, app: App, meter: Meter | None = None) -> Ring:
    """The ring around an application of this house."""

    async def in_house(scope: Any, receive: Any, send: Any) -> None:
        scope["house"] = house
        await app(scope, receive, send)

    return Ring(
        in_house,
        settings=ring_settings(house.settings),
        identity=identity,
        cache=house.shared[Cache],
        tracer=house.tracer,
        meter=meter,
    )


def ring_settings(settings: Settings) -> RingSettings:
    return RingSettings(
        limits=settings.limits,
        anonymous_limit=settings.anonymous_limit,
        account_limit=settings.account_limit,
        seconds=settings.request_seconds,
        max_body=settings.max_body,
        cors_origins=frozenset(origin.encode() for origin in settings.cors_origins),
    )


def litestar_of(house: House, *, door: bool = True) -> Litestar:
    """The routes of the services here, and of the process itself: what people see, where it is the door. Who
    calls it says in which house: `scope["house"]`.
    """
    return routes_for(tuple(house.rooms), door=door, sandbox=house.settings.sandbox)


def straight_of(house: House, *, door: bool = True) -> Straight:
    """The same, as they are served."""
    return _straight(litestar_of(house, door=door))


def anywhere_of(house: House) -> Straight:
    """Of these, what any process of the house may answer, for it needs the storages alone."""
    return _straight(litestar_of(house), anywhere=True)


def lane_of(house: House, ring: Ring, *, door: bool = True) -> HandlerLane:
    """The short way to them, for a ring around them."""
    return HandlerLane(ring, straight_of(house, door=door), house)


@cache
def routes_for(services: tuple[str, ...], *, door: bool, sandbox: bool) -> Litestar:
    """Made once for all houses of this process: it takes longer than all else that a house is opened with."""
    routers = [
        Router(
            "/api",
            route_handlers=list(service_of(name).routes),
            dependencies={"deps": Provide(_deps_of(name), sync_to_thread=False)},
        )
        for name in services
    ]
    handlers: list[Any] = [*OPERATIONS, *TRACES, openapi_document, *(PAGES if door else INSIDE)]
    if door and sandbox:
        handlers.append(traces_page)
        handlers.append(Router("/api/sandbox", route_handlers=list(SANDBOX)))
    # `deps` only because keys and versions are chained behind it; no handler of the process asks for it.
    own = {
        "house": Provide(provide_house, sync_to_thread=False),
        "deps": Provide(provide_nothing, sync_to_thread=False),
    }
    app = Litestar(
        route_handlers=[*routers, Router("/", route_handlers=handlers, dependencies=own)],
        # Not a guard: for those Litestar copies the handler with each request.
        before_request=admit,
        request_class=Asked,
        response_class=Answer,
        dependencies={
            "caller": Provide(provide_caller, sync_to_thread=False),
            "once": Provide(provide_once),
            "if_match": Provide(provide_if_match, sync_to_thread=False),
        },
        exception_handlers={Exception: to_response},
        after_request=tag_version,
        openapi_config=openapi_config(),
        request_max_body_size=None,
        multipart_form_part_limit=20,
        logging_config=None,
        pdb_on_exception=False,
    )
    learn_parameters(app)
    return app


_straight = cache(Straight)


# These ask for the caller, and others ask for them, though none needs to: dependencies in a chain are
# resolved one after the other, while those that stand side by side get a task each, which costs more.


def _deps_of(service: str) -> Callable[..., Any]:
    def provide_deps(scope: Scope, caller: NamedDependency[Caller]) -> Any:
        return scope["house"].rooms[service].deps  # type: ignore[typeddict-item]

    return provide_deps


def provide_house(scope: Scope, caller: NamedDependency[Caller]) -> Any:
    return scope["house"]  # type: ignore[typeddict-item]


def provide_nothing(caller: NamedDependency[Caller]) -> Any:
    return None


def openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="HomeTrip",
        version=VERSION,
        description="The HTTP interface of a HomeTrip marketplace.",
        # Litestar serves it there; `app/edge/document.py` completes it and serves it at /api/openapi.json.
        openapi_router=Router("/api/docs/bare", route_handlers=[], opt={"access": PUBLIC}),
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        use_handler_docstrings=True,
        security=[{"bearer": []}, {}],
        components=Components(
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        ),
        operation_id_creator=operation_id,
    )


def operation_id(handler: Any, method: Any, path: Sequence[Any]) -> str:
    """`get_listings_listing_id_availability`: stable, and readable in generated clients."""
    words = [part if isinstance(part, str) else part.name for part in path]
    plain = "_".join(re.sub(r"\W+", "_", str(word)) for word in words if word != "api")
    return f"{str(method).rpartition('.')[2].lower()}_{plain}".rstrip("_")


def every_handler(app: Litestar) -> list[tuple[str, Any]]:
    """Path and handler of each route, for the tests that hold all of them to something; without those that
    Litestar adds to answer OPTIONS.
    """
    return [
        (route.path, handler)
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if handler.http_methods != {"OPTIONS"}
    ]

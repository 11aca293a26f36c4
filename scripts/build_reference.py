"""Writes the reference pages that come from the code: settings, events, errors, metrics, routes,
states and policies.

`--check` writes nothing and fails where a page is not what the code says.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

import hometrip
from hometrip.app.edge.problems import STATUSES
from hometrip.app.edge.routes import every_handler, litestar_of
from hometrip.app.hearing import event_of
from hometrip.app.metrics import REGISTRY
from hometrip.app.rooms import service_of, settings_kind
from hometrip.app.settings import ENGINES, SERVICES, Settings, load
from hometrip.app.wiring import House
from hometrip.kernel.errors import HomeTripError
from hometrip.kernel.events import Event
from hometrip.services.booking.rules.cancellation import POLICIES, WHOLE_BP, Notice, Part
from hometrip.services.booking.rules.changes import CHANGE_MOVES
from hometrip.services.booking.rules.states import MOVES, Move

# What each setting says, in the order of the page; one that is not here stops the build of it.
SETTINGS_SAY = {
    "data": "the folder where everything is kept that is on no other engine",
    "host": "the address to listen on",
    "port": "the port of the house, or of the gateway where services are processes of their own",
    "processes": "so many processes on one data folder, 1 to 64",
    "public_url": "where people reach the house, for links in mails and calendars; else host and port",
    "demo": "fill an empty data folder with the demo's homes and accounts",
    "sandbox": "play money, a clock that can be moved, a page with every mail; on by itself where everything "
    "stays on this machine",
    "limits": "limits of requests; can be off only in the sandbox",
    "review_listings": "a home waits for staff before it is published",
    "cors_origins": "origins whose pages may ask from a browser, with commas between",
    "log_level": "debug, info, warning or error",
    "log_format": "text or json",
    "anonymous_limit": "requests in 15 minutes of an address that does not sign in",
    "account_limit": "requests in 15 minutes of an account",
    "request_seconds": "how long a request may take, with all that it asks of other services",
    "max_body": "bytes of a body that is no file",
    "database_url": "bookings, money and accounts",
    "documents_url": "homes, profiles and notifications",
    "bus_url": "how events reach their listeners",
    "cache_url": "counters of limits, and what is known for a while",
    "search_url": "the text index of homes",
    "blobs_url": "pictures and other files",
    "registry_url": "where services find each other; Consul keeps settings as well",
    "payments_url": "who takes the money: [how](../how-to/take-real-payments.md)",
    "stripe_secret_key": "the secret or restricted key",
    "stripe_webhook_secret": "the signing secrets of the webhook endpoints, with commas between",
    "stripe_live": "real money is meant: needed with a live key, refused with a test key",
    "courier_url": "who carries mails",
    "geocoder_url": "who knows places by their names",
    "traces_url": "where traces go: [how](../how-to/trace-a-request.md)",
    "auth_access_seconds": "how long an access token is good",
    "auth_refresh_seconds": "how long a refresh token is good",
    "auth_verify_seconds": "how long the link is good that confirms an address",
    "auth_reset_seconds": "how long the link is good that sets a new password",
    "auth_guesses_per_account": "wrong passwords within `guess_seconds` for one account",
    "auth_guesses_per_address": "wrong passwords within `guess_seconds` from one address",
    "auth_guess_seconds": "for how long a wrong password counts",
    "auth_mails_per_address": "mails in an hour that strangers can cause to one address",
    "listing_guest_fee_bp": "the guest's service fee, basis points of the price after its coupon",
    "listing_host_fee_bp": "the host's fee, basis points of what the host is paid",
    "listing_quote_minutes": "how long a quote is good",
    "listing_places_limit": "how many places a search by name answers",
    "listing_public_url": "as `HOMETRIP_PUBLIC_URL`, which it is where it is left out",
    "listing_review_listings": "as `HOMETRIP_REVIEW_LISTINGS`, which it is where it is left out",
    "listing_exchange_rates": "the path of a table of rates [in place of the bundled one](taxes.md)",
    "listing_platform_currency": "the currency of what the marketplace sets, such as penalties of hosts",
    "notification_public_url": "as `HOMETRIP_PUBLIC_URL`, which it is where it is left out",
}

PAGES = Path(__file__).parents[1] / "docs" / "reference"


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    columns = head.split("|")
    lines = [f"| {' | '.join(column.strip() for column in columns)} |", f"|{' --- |' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def sentence(kind: type[Any]) -> str:
    """The docstring on one line; what msgspec and dataclasses make up themselves does not count."""
    text = kind.__dict__.get("__doc__") or ""
    return " ".join(text.split()) if not text.startswith(f"{kind.__name__}(") else ""


def settings_page() -> str:
    house = [
        (f"`HOMETRIP_{field.name.upper()}`", shown(field), SETTINGS_SAY[field.name])
        for field in msgspec.structs.fields(Settings)
        if field.name != "own"
    ]
    own = [
        (
            f"`HOMETRIP_{service.upper()}_{field.name.upper()}`",
            shown(field),
            SETTINGS_SAY[f"{service}_{field.name}"],
        )
        for service in SERVICES
        if (kind := settings_kind(service))
        for field in msgspec.structs.fields(kind)
    ]
    engines = [
        (f"`HOMETRIP_{port.upper()}_URL`", ", ".join(f"`{s}:`" for s in schemes))
        for port, schemes in ENGINES.items()
    ]
    return "\n".join(
        [
            "# Settings\n",
            "Environment variables, or the same names in lower case without `HOMETRIP_` in `hometrip.toml` "
            "(a service's own under its `[name]`); the environment wins, what Consul keeps wins over that, "
            "the command line over all. "
            "Everything that is wrong is named at start, at once, with exit code 2. `hometrip config check` "
            "shows what is in force.\n",
            table("Setting | Default | What it says", house),
            "## Engines\n",
            "A service's own value wins, as `HOMETRIP_BOOKING_DATABASE_URL`.\n",
            table("Setting | Engines", engines),
            "## Of single services\n",
            table("Setting | Default | What it says", own),
        ]
    )


def shown(field: Any) -> str:
    value = field.default
    if value is msgspec.NODEFAULT:
        return "under the data folder" if field.name != "data" else "`./var`"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value}`" if value not in ("", ()) else ""


def events_page() -> str:
    heard: dict[str, list[str]] = {}
    for name in SERVICES:
        for reaction in service_of(name).reactions:
            heard.setdefault(event_of(reaction).name, []).append(f"{name} ({reaction.__name__})")
    rows = [
        (
            f"`{name}`",
            kind.__module__.split(".")[2],
            kind.about[0],
            "; ".join(heard.get(name, [])) or "",
            sentence(kind),
        )
        for name, kind in sorted(Event.by_name.items())
        if kind.__module__.startswith("hometrip.services.")
    ]
    return "# Events\n\nEach in its envelope; a timer is an event that its own service hears.\n\n" + table(
        "Event | By | Subject | Heard by | What it tells", rows
    )


def errors_page() -> str:
    rows = [
        (
            f"`{code}`",
            str(next((status for family, status in STATUSES if issubclass(kind, family)), 500)),
            sentence(kind),
        )
        for code, kind in sorted(HomeTripError.by_code.items())
        if kind.__module__.startswith("hometrip.")
    ]
    return "# Errors\n\nThe `code` of a problem document (RFC 9457) is stable.\n\n" + table(
        "Code | Status | Meaning", rows
    )


def metrics_page() -> str:
    rows = [(f"`{metric.name}`", metric.type, metric.documentation) for metric in REGISTRY.collect()]
    return "# Metrics\n\nAt `/metrics`, as Prometheus text.\n\n" + table(
        "Metric | Type | Meaning", sorted(rows)
    )


def routes_page(house: House) -> str:
    rows = sorted(
        (path, method, handler.opt["access"].value, handler.summary or "")
        for path, handler in every_handler(litestar_of(house))
        if handler.resolve_include_in_schema()
        for method in handler.http_methods - {"OPTIONS", "HEAD"}
    )
    return "# Routes\n\nThe OpenAPI document is at `/api/openapi.json`.\n\n" + table(
        "Route | Who | What", ((f"`{method} {path}`", who, what) for path, method, who, what in rows)
    )


def states_page() -> str:
    return "\n".join(
        [
            "# States and policies\n",
            "The only way from one state to the next, and who may take it; each move writes who, when and "
            "why into the booking's history.\n",
            "## Of a booking\n",
            moves_table(MOVES),
            "## Of a change\n",
            "A dearer change is paid between `accept` and `finish`; a booking has one open change.\n",
            moves_table(CHANGE_MOVES),
            "## Policies of cancellation\n",
            "What comes back of the nights: the first notice that is kept decides, less gives nothing. "
            "Beside it, the cleaning fee comes back until check-in; within 24 hours of a confirmation that "
            "was a week or more before check-in everything does (stays under 28 nights). Nights at a home "
            "that is `non_refundable` cost a tenth less.\n",
            table(
                "Policy | Before check-in | After it, of the nights not stayed",
                (
                    (
                        f"`{name}`",
                        "; ".join(f"{notice_of(notice)}: {share_of(part)}" for notice, part in policy.before)
                        or "nothing",
                        share_of(policy.after),
                    )
                    for name, policy in POLICIES.items()
                ),
            ),
        ]
    )


def moves_table(moves: dict[str, Move]) -> str:
    return table(
        "Move | Out of | To | By",
        (
            (
                f"`{verb}`",
                ", ".join(f"`{state}`" for state in sorted(move.out_of)),
                f"`{'/'.join(filter(None, (move.status, move.awaiting)))}`",
                ", ".join(sorted(move.by)),
            )
            for verb, move in moves.items()
        ),
    )


def notice_of(notice: Notice) -> str:
    if notice.days:
        return f"{notice.days} days"
    return f"{notice.hours} hours" if notice.hours else "until check-in"


def share_of(part: Part) -> str:
    if not part.bp:
        return "nothing"
    share = "all" if part.bp == WHOLE_BP else f"{part.bp // 100} %"
    return f"{share} but {part.less} night{'s' * (part.less > 1)}" if part.less else share


def load_everything() -> None:
    """Errors and metrics are known once their modules are loaded; those of engines outside load late."""
    for module in pkgutil.walk_packages(hometrip.__path__, "hometrip."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)


async def pages() -> dict[str, str]:
    load_everything()
    with tempfile.TemporaryDirectory() as folder:
        house = House(load({}, {"data": Path(folder)}))
        try:
            routes = routes_page(house)
        finally:
            await house.stop()
    return {
        "settings.md": settings_page(),
        "events.md": events_page(),
        "errors.md": errors_page(),
        "metrics.md": metrics_page(),
        "routes.md": routes,
        "states.md": states_page(),
    }


def main() -> int:
    made = asyncio.run(pages())
    if "--check" in sys.argv:
        stale = [name for name, text in made.items() if not same(PAGES / name, text)]
        if stale:
            print(f"stale: {', '.join(stale)}; run scripts/build_reference.py", file=sys.stderr)
        return bool(stale)
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (PAGES / name).write_text(text)
    return 0


def same(file: Path, text: str) -> bool:
    return file.exists() and file.read_text() == text


if __name__ == "__main__":
    sys.exit(main())

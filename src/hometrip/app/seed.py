"""The demo: real homes of a real town, three accounts, and a picture drawn for each home."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import secrets
import zlib
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import msgspec

from hometrip.app.demo import FOLDER
from hometrip.app.importing import DEMO_HOST, import_files
from hometrip.app.memory import give_back
from hometrip.app.picture import picture_of
from hometrip.app.settings import Settings
from hometrip.app.wiring import House
from hometrip.kernel.errors import HomeTripError
from hometrip.ports.workshop import Workshop
from hometrip.services.auth import actions as auth
from hometrip.services.listing import actions as listing

log = logging.getLogger("hometrip.seed")

# One home in three is the demo host's; the others belong to accounts that nobody can sign in to.
SHARE_OF_DEMO_HOST = 3
DRAWINGS_AT_ONCE = 2


class DemoAccount(msgspec.Struct, frozen=True):
    role: str
    email: str
    password: str


ACCOUNTS = (("guest", "guest@demo.hometrip.test"), ("host", DEMO_HOST), ("admin", "admin@demo.hometrip.test"))
NAMES = {"guest": "Gwen Guest", "host": "Hugo Host", "admin": "Ada Admin"}


async def seed(house: House, *, wait_for_pictures: bool = False) -> bool:
    """Fill an empty house with the demo; go on with one that was broken off. True when something was made."""
    done = house.settings.data / "demo-done"
    made = False
    if not done.exists():
        if not _accounts_file(house.settings).exists() and await auth.any_account(_deps(house, "auth")):
            return False
        log.info("making the demo")
        accounts = _accounts(house.settings)
        hosts = await _create(house, accounts)
        await _homes(house, hosts)
        await house.settle(within=None)
        done.touch()
        made = True
    if _accounts_file(house.settings).exists():
        _note_address(house.settings)
        drawing = house.in_background(draw_missing_pictures(house), "pictures")
        if wait_for_pictures:
            await drawing
    return made


def _deps(house: House, service: str) -> Any:
    return house.rooms[service].deps


def _accounts_file(settings: Settings) -> Path:
    return settings.data / "demo.json"


def _accounts(settings: Settings) -> list[DemoAccount]:
    """Passwords are made on the spot and written for the owner of the folder alone, before they are used."""
    file = _accounts_file(settings)
    if not file.exists():
        accounts = [DemoAccount(role, email, secrets.token_urlsafe(12)) for role, email in ACCOUNTS]
        _write_accounts(file, {"url": settings.url, "accounts": msgspec.to_builtins(accounts)})
    return msgspec.convert(json.loads(file.read_text())["accounts"], list[DemoAccount])


def _note_address(settings: Settings) -> None:
    """The house may have moved, or be reached in another way than when its demo was made."""
    file = _accounts_file(settings)
    written = json.loads(file.read_text())
    if written.get("url") != settings.url:
        _write_accounts(file, written | {"url": settings.url})


def _write_accounts(file: Path, written: dict[str, Any]) -> None:
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(written, out, indent=2)
    fresh.replace(file)


async def _create(house: House, accounts: list[DemoAccount]) -> dict[str, UUID]:
    ids = {}
    for account in accounts:
        known = await auth.account_id(_deps(house, "auth"), account.email)
        ids[account.role] = known or await auth.create_account(
            _deps(house, "auth"),
            email=account.email,
            password=account.password,
            name=NAMES[account.role],
            locale="en",
            roles=["admin"] if account.role == "admin" else [],
            verified=True,
        )
    return ids


async def _homes(house: House, hosts: dict[str, UUID]) -> None:
    today = house.clock.now().date()
    with _packed("listings") as homes, _packed("calendar") as days, _packed("reviews") as reviews:
        others = await _other_hosts(house, homes)

        def owner_of(source_host: str) -> UUID:
            return hosts["host"] if _is_demo_hosts(source_host) else others[source_host]

        report = await import_files(
            house, [homes, days, reviews], owner_of=owner_of, shift_to=today, show=True
        )
    log.info("demo homes are in", extra={"report": "; ".join(report.lines())})


def _packed(name: str) -> IO[bytes]:
    return FOLDER.joinpath(f"{name}.csv.gz").open("rb")


def _is_demo_hosts(source_host: str) -> bool:
    return zlib.crc32(source_host.encode()) % SHARE_OF_DEMO_HOST == 0


async def _other_hosts(house: House, homes: IO[bytes]) -> dict[str, UUID]:
    """An account for every other host of the publication; without a password, so nobody can sign in to it."""
    import csv
    import io

    with gzip.open(homes) as unpacked:
        rows = csv.DictReader(io.TextIOWrapper(unpacked, "utf-8"))
        names = {row["host_id"]: row["host_name"] for row in rows if not _is_demo_hosts(row["host_id"])}
    homes.seek(0)
    hosts = {}
    for number, (source_host, name) in enumerate(names.items()):
        email = f"host-{number}@demo.hometrip.test"
        known = await auth.account_id(_deps(house, "auth"), email)
        hosts[source_host] = known or await auth.create_account(
            _deps(house, "auth"),
            email=email,
            password=None,
            name=name or "Host",
            locale="en",
            roles=[],
            verified=True,
        )
    return hosts


async def draw_missing_pictures(house: House) -> None:
    """Draw a picture for each home that has none, through the same path as an uploaded photo."""
    homes = await listing.homes_without_photos(_deps(house, "listing"))
    if homes:
        log.info("drawing pictures", extra={"homes": len(homes)})
    slots = asyncio.Semaphore(DRAWINGS_AT_ONCE)

    async def draw(home: Any) -> None:
        async with slots:
            await _draw(house, home)

    await asyncio.gather(*(draw(home) for home in homes))
    if homes:
        give_back()
        log.info("pictures are drawn", extra={"homes": len(homes)})


async def _draw(house: House, home: Any) -> None:
    try:
        picture = await house.shared[Workshop].run(
            picture_of, home.id.int % 2**31, home.type, home.structure, home.bedrooms, list(home.amenities)
        )
        await listing.add_drawn_photo(_deps(house, "listing"), home.id, picture)
    except HomeTripError as error:
        # A home without its picture is still a home; the next start tries again.
        log.warning("a picture was not drawn", extra={"listing_id": str(home.id)}, exc_info=error)

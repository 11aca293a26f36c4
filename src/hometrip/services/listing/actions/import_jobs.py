"""Imports that staff ask for: the files are kept until the work is done, which goes on after a restart."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import HomeTripError, Invalid, NotFound, Unavailable
from hometrip.kernel.events import Event
from hometrip.kernel.wire import Answer
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps
from hometrip.services.listing.actions.files import drop_files
from hometrip.services.listing.actions.importing import import_homes
from hometrip.services.listing.rules.arrivals import SOURCE
from hometrip.services.listing.rules.report import ImportReport

FILES = ("listings", "calendar", "reviews")


class ImportAsked(Event):
    """This service's own: an import waits to be done."""

    name = "listing.import_asked"
    about = ("listing_import", "import_id")

    import_id: UUID


class Asked(Answer):
    id: UUID


class ImportState(Answer):
    """`state` is queued, running, done or failed (`why` says it); `total` is 0 where nobody knows it yet.

    `phase` is homes, calendar, publish or reviews.
    """

    id: UUID
    source: str
    state: str
    phase: str
    done: int
    total: int
    report: ImportReport
    created_at: datetime
    why: str | None = None
    ended_at: datetime | None = None


async def ask_import(
    deps: Deps, caller: Caller, source: str, shift_to: date | None, files: Mapping[str, bytes]
) -> Asked:
    """Keep the files and begin soon. The homes will be the caller's."""
    if source != SOURCE:
        raise Invalid.field("source", "unknown_source", f"must be {SOURCE}")
    if "listings" not in files:
        raise Invalid.field("listings", "missing", "the file of the homes is needed")
    if unknown := sorted(set(files) - set(FILES)):
        raise Invalid.field(unknown[0][:60], "unknown_field", f"must be one of {', '.join(FILES)}")
    asked = deps.new_id()
    keys = {name: f"import/{asked}/{name}" for name in files}
    for name, content in files.items():
        await deps.blobs.put(keys[name], content, "text/csv")
    async with deps.docs.transaction() as tx:
        record = store.imports.Import(
            id=asked,
            source=source,
            asked_by=caller.id,
            created_at=deps.clock.now(),
            files=keys,
            shift_to=shift_to,
        )
        await tx.insert(store.imports.IMPORTS, record)
        await tx.emit(ImportAsked(import_id=asked))
    return Asked(id=asked)


async def import_state(deps: Deps, import_id: UUID) -> ImportState:
    found = await _import(deps, import_id)
    return ImportState(
        id=found.id,
        source=found.source,
        state=found.state,
        phase=found.phase,
        done=found.done,
        total=found.total,
        report=found.report,
        created_at=found.created_at,
        why=found.why or None,
        ended_at=found.ended_at,
    )


async def _import(deps: Deps, import_id: UUID) -> store.imports.Import:
    found = await deps.docs.get(store.imports.IMPORTS, import_id)
    if found is None:
        raise NotFound("There is no such import.")
    return found


async def run_import(deps: Deps, import_id: UUID) -> None:
    """Do the work from the beginning; what was done before a crash is found as it should be."""
    found = await _import(deps, import_id)
    if found.state in (store.imports.DONE, store.imports.FAILED):
        return
    opened: list[io.BytesIO | None] = []
    for name in FILES:
        blob = await deps.blobs.get(found.files[name]) if name in found.files else None
        opened.append(io.BytesIO(blob.content) if blob else None)
    homes, days, reviews = opened
    assert homes is not None  # it was put before the import was written down

    async def note(done: int, total: int | None, phase: str) -> None:
        async with deps.docs.transaction() as tx:
            await store.imports.change(
                tx, import_id, state=store.imports.RUNNING, done=done, total=total or 0, phase=phase
            )

    try:
        report = await import_homes(
            deps,
            homes,
            days,
            reviews,
            owners=lambda _: found.asked_by,
            shift_to=found.shift_to,
            progress=note,
        )
    except Unavailable:
        raise  # tried again later
    except HomeTripError as refused:
        await _end(deps, found, store.imports.FAILED, ImportReport(), refused.detail)
    else:
        await _end(deps, found, store.imports.DONE, report, "")


async def _end(deps: Deps, found: store.imports.Import, state: str, report: ImportReport, why: str) -> None:
    async with deps.docs.transaction() as tx:
        await store.imports.change(
            tx, found.id, state=state, report=report, why=why, ended_at=deps.clock.now(), files={}
        )
        await drop_files(tx, found.id, list(found.files.values()))

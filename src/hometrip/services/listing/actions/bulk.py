"""Many homes at once: one edit of their days, made whole or not at all, and one look at their calendars."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import date
from uuid import UUID, uuid5

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Invalid, Unavailable, VersionMismatch
from hometrip.kernel.events import Event
from hometrip.kernel.once import NO_KEY, Once
from hometrip.kernel.page import Page
from hometrip.kernel.stay import local_date
from hometrip.kernel.wire import Answer, written
from hometrip.ports.documents import Change, DocumentReader, DocumentTx, one_of
from hometrip.services.booking.contract import BlockEdit, DatesTaken, NightsTaken
from hometrip.services.listing import store
from hometrip.services.listing.actions.days import SETTLE_AFTER, days_between
from hometrip.services.listing.actions.deps import Deps
from hometrip.services.listing.actions.feeds_reading import retake
from hometrip.services.listing.actions.ready import days_in_writing
from hometrip.services.listing.rules.bulk import (
    DaysEdit,
    EditMade,
    EditRefused,
    HomeEdited,
    HomePlan,
    HomeProblem,
    edited_days,
    must_be_whole,
    nights_of,
    planned,
    problem_at,
    told,
)
from hometrip.services.listing.rules.calendar import BLOCKED, BOOKED, Calendar
from hometrip.services.listing.rules.days import Day
from hometrip.services.listing.rules.home import Home
from hometrip.services.listing.store import PLACED, Block, Edit

LONGEST_LOOK = 90
# Where others write to the same calendars meanwhile, the edit is laid over what they wrote.
_TRIES = 5
_EDITS = UUID("5d1f0c5e-6f0b-4d0e-9a58-3f7b6c1f2a90")


class EditUnsettled(Event):
    """A timer: an edit of many homes is still on its way to booking."""

    name = "listing.edit_unsettled"
    about = ("listing_edit", "edit_id")

    edit_id: UUID


class HomeDays(Answer):
    """One home's line of a calendar of many."""

    listing_id: UUID
    title: str
    status: str
    days: list[Day]


async def calendars(
    deps: Deps, caller: Caller, first: date | None, until: date | None, limit: int, cursor: str | None
) -> Page[HomeDays]:
    """The caller's homes, co-hosted ones too, the newest first, night by night from `first` on; 90 days at
    most. Without it from today on, where that is earliest: in no home tonight is left out."""
    now = deps.clock.now()
    page = await store.of_host(deps.docs, caller.id, limit, cursor)
    today = min((local_date(now, home.time_zone) for home in page.items), default=now.date())
    span = days_between(first or today, until, LONGEST_LOOK)
    if span.nights > LONGEST_LOOK:
        raise Invalid.field("to", "too_far", f"must be at most {LONGEST_LOOK} days after from")
    days = {
        each.id: each for each in await deps.docs.get_many(store.CALENDARS, [one.id for one in page.items])
    }
    return Page(
        [
            HomeDays(
                listing_id=home.id,
                title=home.title,
                status=home.status,
                days=written(days_in_writing(home, days[home.id], span, now), list[Day]),
            )
            for home in page.items
            if home.id in days
        ],
        page.next_cursor,
    )


async def edit_days(deps: Deps, caller: Caller, asked: DaysEdit, once: Once = NO_KEY) -> EditMade:
    """Made at all of the homes, or `EditRefused` with each one's problem.

    Booking owns the nights. Where some are to be taken or given back, the edit is written down first, so that
    it is settled later, whatever happens on the way; what was asked twice with one key is one edit.
    """
    must_be_whole(asked)
    edit = Edit(
        id=_id_of(once) if once else deps.new_id(),
        account_id=caller.id,
        asked=asked,
        plans=[],
        once=once,
        created_at=deps.clock.now(),
    )
    drafts = {} if await _is_begun(deps, edit) else await _drafts(deps, caller, asked)
    async with deps.docs.transaction() as tx:
        await tx.once(once)
        begun = await tx.get(store.EDITS, edit.id)
        if begun is None:
            plans = [
                drafts.get(_state_of(home, days)) or await _plan(deps, tx, asked, home, days)
                for home, days in await _homes_of(deps, tx, caller, asked)
            ]
            edit = msgspec.structs.replace(edit, plans=plans)
            if not _changes_nights(edit):
                return await _made(deps, tx, edit)
            await tx.insert(store.EDITS, edit)
            await tx.emit_later(EditUnsettled(edit_id=edit.id), deps.clock.now() + SETTLE_AFTER)
    made = await _carry_out(deps, begun or edit)
    with suppress(Unavailable):  # what other sites have of the nights is taken by the next fetch otherwise
        for plan in (begun or edit).plans:
            if plan.release:
                await retake(deps, plan.listing_id)
    return made


def _id_of(once: Once) -> UUID:
    return uuid5(_EDITS, f"{once.scope}\n{once.key}")


async def _is_begun(deps: Deps, edit: Edit) -> bool:
    """Is it on its way already? What it was answered is answered again."""
    if not edit.once:
        return False
    async with deps.docs.transaction() as tx:
        await tx.once(edit.once)
        return await tx.get(store.EDITS, edit.id) is not None


def _changes_nights(edit: Edit) -> bool:
    return any(plan.take or plan.release for plan in edit.plans)


async def _homes_of(
    deps: Deps, reader: DocumentReader, caller: Caller, asked: DaysEdit
) -> list[tuple[Home, Calendar]]:
    """All the homes of the edit; `EditRefused` where one is not theirs or something is in the way."""
    found = {home.id: (home, days) for home, days in await store.homes_and_days(reader, asked.listing_ids)}
    problems = []
    for listing_id in asked.listing_ids:
        home, days = found.get(listing_id, (None, None))
        if home is None or days is None or not caller.one_of(*home.hosts):
            problem: HomeProblem | None = HomeProblem(
                listing_id=listing_id, code="not_found", detail="there is no such listing"
            )
        else:
            today = local_date(deps.clock.now(), home.time_zone)
            problem = problem_at(home, days, asked, nights_of(asked, today), today)
        problems += [problem] if problem else []
    if problems:
        raise EditRefused(problems=problems)
    return [found[listing_id] for listing_id in asked.listing_ids]


def _nights(deps: Deps, home: Home, asked: DaysEdit) -> list[date]:
    return nights_of(asked, local_date(deps.clock.now(), home.time_zone))


async def _drafts(deps: Deps, caller: Caller, asked: DaysEdit) -> dict[tuple[UUID, int, int], HomePlan]:
    """Plans made before it is this edit's turn to write, while others do: good for homes and days that have
    not changed since."""
    drafts: dict[tuple[UUID, int, int], HomePlan] = {}
    for home, days in await _homes_of(deps, deps.docs, caller, asked):
        drafts[_state_of(home, days)] = await _plan(deps, deps.docs, asked, home, days)
        await asyncio.sleep(0)
    return drafts


def _state_of(home: Home, days: Calendar) -> tuple[UUID, int, int]:
    return home.id, home.version, days.version


async def _plan(deps: Deps, reader: DocumentReader, asked: DaysEdit, home: Home, days: Calendar) -> HomePlan:
    reasons: dict[UUID, str] = {}
    if asked.block is False:
        spans = [span.id for span in days.spans if span.kind == BLOCKED]
        reasons = {block.id: block.reason for block in await reader.get_many(store.BLOCKS, spans)}
    return planned(days, asked, _nights(deps, home, asked), deps.new_id, reasons)


async def _carry_out(deps: Deps, edit: Edit) -> EditMade:
    """Have booking take and give back the nights, then write the days down; safe to repeat."""
    try:
        await deps.booking.edit_blocks(
            [
                BlockEdit(
                    listing_id=plan.listing_id,
                    release=plan.release,
                    take={block.id: block.stay for block in plan.take},
                )
                for plan in edit.plans
            ]
        )
    except DatesTaken as refusal:
        async with deps.docs.transaction() as tx:
            await _forget(tx, edit)
        raise EditRefused(problems=_taken(edit, refusal)) from refusal
    for tries_left in reversed(range(_TRIES)):
        try:
            async with deps.docs.transaction() as tx:
                await tx.once(edit.once)
                await _forget(tx, edit)
                return await _made(deps, tx, edit)
        except VersionMismatch:
            if not tries_left:
                raise
    raise AssertionError("unreachable")


def _taken(edit: Edit, refusal: DatesTaken) -> list[HomeProblem]:
    """A booking of this moment may be known to nobody by name yet: then every home is in question."""
    told = msgspec.convert(refusal.facts.get("taken", []), list[NightsTaken])
    known = told or [NightsTaken(listing_id=plan.listing_id, nights=[]) for plan in edit.plans]
    detail = "guests have these nights" if told else "nights were booked at this moment; ask again"
    return [
        HomeProblem(listing_id=one.listing_id, code=BOOKED, detail=detail, nights=one.nights) for one in known
    ]


async def _forget(tx: DocumentTx, edit: Edit) -> None:
    await tx.withdraw(f"{EditUnsettled.name}:listing_edit/{edit.id}")
    await tx.delete(store.EDITS, edit.id)


async def _made(deps: Deps, tx: DocumentTx, edit: Edit) -> EditMade:
    """Every home's new days and one event of each."""
    made: list[HomeEdited] = []
    plans = {plan.listing_id: plan for plan in edit.plans}
    released: list[UUID] = []
    blocks: list[Block] = []
    for home, days in await store.homes_and_days(tx, list(plans)):
        plan, nights = plans[home.id], _nights(deps, home, edit.asked)
        released, blocks = released + plan.release, blocks + _blocks(plan, edit)
        changed = edited_days(days, edit.asked, nights, plan)
        if changed != days:
            await store.keep_calendar(tx, home, changed)
        priced = edit.asked.price is not msgspec.UNSET
        if priced or changed.prices != days.prices:
            await store.note_asked(tx, home.id, deps.clock.now())
            if priced and changed != days:
                # They are a part of the price list: whoever would write the one of before is told so (412).
                await tx.change(store.HOMES, home.id, Change(set={"updated_at": deps.clock.now()}))
        made.append(told(nights, days, changed))
        await asyncio.sleep(0)  # it takes a while, in which others are answered
    for at in range(0, len(released), 500):
        await tx.delete_where(store.BLOCKS, one_of("id", released[at : at + 500]))
        await asyncio.sleep(0)
    for at in range(0, len(blocks), 500):
        await tx.insert_many(store.BLOCKS, blocks[at : at + 500])
        await asyncio.sleep(0)
    answer = EditMade(items=made)
    await tx.answer(edit.once, answer)
    return answer


def _blocks(plan: HomePlan, edit: Edit) -> list[Block]:
    return [
        Block(
            id=block.id,
            listing_id=plan.listing_id,
            check_in=block.stay.check_in,
            check_out=block.stay.check_out,
            reason=block.reason,
            state=PLACED,
            created_at=edit.created_at,
        )
        for block in plan.take
    ]


async def settle_edit(deps: Deps, edit_id: UUID) -> None:
    """Bring an edit to its end that was left half way, by a crash or a peer that did not answer."""
    edit = await deps.docs.get(store.EDITS, edit_id)
    if edit is not None:
        try:
            await _carry_out(deps, edit)
        except EditRefused:
            return  # nothing was taken: the host sees that nothing has changed

"""Pictures of what was damaged, by the host who claims part of a deposit: for guest, host and staff alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.again import nothing_happened
from hometrip.kernel.errors import HomeTripError, Invalid, NotFound, TooLarge, Unavailable
from hometrip.kernel.once import NO_KEY, Once
from hometrip.ports.blobs import PRIVATE, Blob
from hometrip.ports.database import Reader
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import ClaimRecord, claim_of
from hometrip.services.payment.actions.deps import Deps, lock_books
from hometrip.services.pictures import MOST_BYTES, Variant, redrawn

MOST_PICTURES = 10
REDRAW_SECONDS = 20.0
# Until it is decided.
UNDECIDED = ("open", "with_staff")


async def add_pictures(
    deps: Deps,
    caller: Caller,
    booking_id: UUID,
    claim_id: UUID,
    contents: Sequence[bytes],
    once: Once = NO_KEY,
) -> ClaimRecord:
    """By the host, while the claim is not decided: all of them, or none where one is refused."""
    once = _of_files(once, contents)
    async with deps.db.transaction() as tx:
        claim = await _claim_to_prove(tx, caller, booking_id, claim_id)
        await tx.once(once)
        _room_for(claim, len(contents))
    _must_fit(contents)
    drawn = [
        (await deps.workshop.run(redrawn, content, "pictures", seconds=REDRAW_SECONDS)).sizes["large"]
        for content in contents
    ]
    kept = [await _kept(deps, claim_id, one) for one in drawn]
    try:
        async with deps.db.transaction() as tx:
            await lock_books(tx, booking_id)
            claim = await _claim_to_prove(tx, caller, booking_id, claim_id)
            await tx.once(once)
            _room_for(claim, len(kept))
            pictures = [*(claim.pictures or ()), *kept]
            await store.move_claim(tx, claim_id, claim.status, pictures=pictures)
            answer = claim_of(replace(claim, pictures=pictures))
            await tx.answer(once, answer)
    except BaseException as error:
        # Where it is not known whether the claim has them now, they stay.
        refused = isinstance(error, HomeTripError) and not isinstance(error, Unavailable)
        if refused or nothing_happened():
            for picture in kept:
                await deps.blobs.delete(picture.key)
        raise
    return answer


async def picture(deps: Deps, caller: Caller, booking_id: UUID, claim_id: UUID, picture_id: UUID) -> Blob:
    """For the guest, the host and staff; `NotFound` to everybody else."""
    async with deps.db.read() as db:
        held, claim = await store.deposit_of(db, booking_id), await store.claim_on(db, booking_id)
    if held is None or claim is None or claim.id != claim_id:
        raise NotFound
    caller.must_be_one_of(held.guest_id, held.host_id)
    key = next((one.key for one in claim.pictures or () if one.id == picture_id), None)
    found = None if key is None else await deps.blobs.get(key)
    if found is None:
        raise NotFound
    return found


def _of_files(once: Once, contents: Sequence[bytes]) -> Once:
    """The same files are the same request, whatever the form that they came in looked like."""
    sums = [hashlib.sha256(content).hexdigest() for content in contents]
    return replace(once, fingerprint=hashlib.sha256(" ".join(sums).encode()).hexdigest()) if once else once


async def _kept(deps: Deps, claim_id: UUID, drawn: Variant) -> store.ClaimPicture:
    """The file in its place; nobody knows its key before the claim does, and nobody is told it."""
    key = f"{PRIVATE}payment/{claim_id}/{deps.new_id()}.webp"
    await deps.blobs.put(key, drawn.content, "image/webp")
    return store.ClaimPicture(id=deps.new_id(), key=key, width=drawn.width, height=drawn.height)


async def _claim_to_prove(db: Reader, caller: Caller, booking_id: UUID, claim_id: UUID) -> store.Claim:
    held, claim = await store.deposit_of(db, booking_id), await store.claim_on(db, booking_id)
    if held is None or claim is None or claim.id != claim_id:
        raise NotFound
    caller.must_be(held.host_id, held.guest_id)
    if claim.status not in UNDECIDED:
        raise rules.NotClaimable.as_it_is(claim.status)
    return claim


def _must_fit(contents: Sequence[bytes]) -> None:
    if not contents:
        raise Invalid.field("pictures", "missing", "at least one file is needed")
    if any(len(content) > MOST_BYTES for content in contents):
        raise TooLarge(f"A picture may have at most {MOST_BYTES} bytes.", limit=MOST_BYTES)


def _room_for(claim: store.Claim, more: int) -> None:
    if len(claim.pictures or ()) + more > MOST_PICTURES:
        raise Invalid.field("pictures", "too_many", f"a claim has at most {MOST_PICTURES} pictures")

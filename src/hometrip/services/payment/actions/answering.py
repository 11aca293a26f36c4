"""What staff answer a cardholder's bank that asks for the money back: words, facts of the stay, a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.again import nothing_happened
from hometrip.kernel.errors import (
    HomeTripError,
    Invalid,
    NotFound,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from hometrip.kernel.once import NO_KEY, Once
from hometrip.ports.blobs import PRIVATE, Blob
from hometrip.ports.database import Reader
from hometrip.ports.payments import EVIDENCE_BYTES, ProviderRefused
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import DisputeRecord, dispute_of
from hometrip.services.payment.actions.deps import Deps, lock_books
from hometrip.services.payment.actions.disputing import settle_dispute
from hometrip.services.pictures import MOST_BYTES, jpeg_of, kind_of

REDRAW_SECONDS = 20.0
PDF, JPEG = "application/pdf", "image/jpeg"
ENDINGS = {PDF: "pdf", JPEG: "jpg"}


async def answer_dispute(
    deps: Deps, caller: Caller, dispute_id: UUID, text: str, once: Once = NO_KEY
) -> DisputeRecord:
    """By staff (not about a stay of their own), once: their words with what is known of the stay, and the
    file. `DisputeAnswered` where the bank takes none any more."""
    async with deps.db.transaction() as tx:
        known = await _of_others(tx, caller, dispute_id)
        stay = await store.stay_of(tx, known.booking_id)
        await tx.once(once)
    _must_wait(known)
    try:
        evidence = _evidence(text, stay) | await _filed(deps, known)
        said = text + evidence.get("uncategorized_file", "")
        digest = hashlib.sha256(said.encode()).hexdigest()[:32]
        dispute = await deps.payments.send_evidence(
            known.provider_id, evidence, key=f"evidence:{known.id}:{digest}"
        )
    except ProviderRefused as refusal:
        # Perhaps it was answered in another way, or the time for it is over.
        now = await settle_dispute(deps, known.payment_id, await deps.payments.get_dispute(known.provider_id))
        if now.status == "needs_response":
            raise
        raise rules.DisputeAnswered(f"the dispute is {now.status}", state=now.status) from refusal
    await settle_dispute(deps, known.payment_id, dispute)
    async with deps.db.transaction() as tx:
        await tx.once(once)
        await store.change_chargeback(tx, known.id, evidence=text)
        answer = dispute_of(await store.chargeback(tx, known.id))
        await tx.answer(once, answer)
    return answer


async def attach(
    deps: Deps, caller: Caller, dispute_id: UUID, contents: Sequence[bytes], once: Once = NO_KEY
) -> DisputeRecord:
    """By staff (not about a stay of their own), while an answer is taken: this one file, in the place of the
    one before. A picture is drawn anew, as banks read it; a PDF goes on as it is."""
    once = _of_files(once, contents)
    async with deps.db.transaction() as tx:
        known = await _of_others(tx, caller, dispute_id)
        await tx.once(once)
    _must_wait(known)
    content, kind = await _readable(deps, contents)
    file = store.EvidenceFile(f"{PRIVATE}payment/{dispute_id}/{deps.new_id()}", kind, len(content))
    await deps.blobs.put(file.key, content, kind)
    try:
        async with deps.db.transaction() as tx:
            await lock_books(tx, known.booking_id)
            before = await store.chargeback(tx, dispute_id)
            await tx.once(once)
            _must_wait(before)
            await store.change_chargeback(tx, dispute_id, file=file)
            answer = dispute_of(replace(before, file=file))
            await tx.answer(once, answer)
    except BaseException as error:
        # Where it is not known whether the dispute has it now, it stays.
        refused = isinstance(error, HomeTripError) and not isinstance(error, Unavailable)
        if refused or nothing_happened():
            await deps.blobs.delete(file.key)
        raise
    if before.file is not None:
        await deps.blobs.delete(before.file.key)
    return answer


async def evidence_file(deps: Deps, caller: Caller, dispute_id: UUID) -> Blob:
    """For staff, but for those whose stay it is."""
    async with deps.db.read() as db:
        known = await _of_others(db, caller, dispute_id)
    found = None if known.file is None else await deps.blobs.get(known.file.key)
    if found is None:
        raise NotFound
    return found


async def _of_others(db: Reader, caller: Caller, dispute_id: UUID) -> store.Chargeback:
    known = await store.chargeback(db, dispute_id)
    payment = await store.payment(db, known.payment_id)
    caller.must_be_none_of(payment.guest_id, payment.host_id)
    return known


def _must_wait(known: store.Chargeback) -> None:
    if known.status != "needs_response":
        raise rules.DisputeAnswered(f"the dispute is {known.status}", state=known.status)


def _of_files(once: Once, contents: Sequence[bytes]) -> Once:
    """The same file is the same request, whatever the form that it came in looked like."""
    digest = hashlib.sha256(b" ".join(contents)).hexdigest()
    return replace(once, fingerprint=digest) if once else once


async def _readable(deps: Deps, contents: Sequence[bytes]) -> tuple[bytes, str]:
    """As banks take it, and what it is."""
    if len(contents) != 1:
        raise Invalid.field("file", "one_file", "exactly one file is needed")
    [content] = contents
    if content.startswith(b"%PDF-"):
        if len(content) > EVIDENCE_BYTES:
            raise TooLarge(f"A PDF may have at most {EVIDENCE_BYTES} bytes.", limit=EVIDENCE_BYTES)
        return content, PDF
    if kind_of(content) is None:
        raise UnsupportedMedia("The file must be a PDF, or a JPEG, PNG, WebP or AVIF picture.")
    if len(content) > MOST_BYTES:
        raise TooLarge(f"A picture may have at most {MOST_BYTES} bytes.", limit=MOST_BYTES)
    return await deps.workshop.run(jpeg_of, content, "file", seconds=REDRAW_SECONDS), JPEG


async def _filed(deps: Deps, known: store.Chargeback) -> dict[str, str]:
    """The file, by the provider's name for it."""
    if known.file is None:
        return {}
    found = await deps.blobs.get(known.file.key)
    if found is None:
        raise Unavailable("The file of this dispute was replaced just now.")
    digest = hashlib.sha256(found.content).hexdigest()[:32]
    name, key = f"evidence.{ENDINGS[known.file.content_type]}", f"file:{known.id}:{digest}"
    return {"uncategorized_file": await deps.payments.keep_evidence(found.content, name, key=key)}


def _evidence(text: str, stay: store.Stay | None) -> dict[str, str]:
    """In Stripe's words."""
    if stay is None:
        return {"uncategorized_text": text}
    facts = stay.facts
    return {
        "uncategorized_text": text,
        "product_description": (
            f"{facts.title}: a stay of {rules.counted(facts.nights, 'night')} "
            f"for {rules.counted(facts.guests, 'guest')}, "
            f"{facts.check_in.isoformat()} to {facts.check_out.isoformat()}"
        ),
        "service_date": facts.check_in.isoformat(),
        "cancellation_policy_disclosure": (
            f"The cancellation policy {facts.cancellation_policy} was shown, and agreed to, when the stay "
            f"was booked."
        ),
    }

"""Banks that ask for their cardholders' money back, and what becomes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

import msgspec

from hometrip.adapters.payments.sandbox.book import Book
from hometrip.adapters.payments.sandbox.cards import Plastic
from hometrip.adapters.payments.sandbox.words import dispute_object, refusal
from hometrip.kernel.clock import DAY
from hometrip.kernel.money import Money
from hometrip.ports.payments import EVIDENCE_BYTES, ProviderDispute, ProviderIntent

ANSWER = 7 * DAY
# Evidence with one of these words decides, as in Stripe's test mode; any other is reviewed by the bank.
WORDS = {"winning_evidence": "won", "losing_evidence": "lost"}
_OVER = ("won", "lost")
_FILES = (b"%PDF-", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


class Disputes(Book):
    """What is not answered within seven days is lost; what is under review, the bank decides."""

    async def get_dispute(self, dispute_id: str) -> ProviderDispute:
        with self._transaction():
            self._disputes_come_due()
            return self._disputed(dispute_id)

    async def keep_evidence(self, content: bytes, name: str, *, key: str) -> str:
        asked = ["file", name, hashlib.sha256(content).hexdigest()]
        return self._once(key, asked, lambda: self._kept(content), str)

    async def send_evidence(
        self, dispute_id: str, evidence: Mapping[str, str], *, key: str
    ) -> ProviderDispute:
        asked = ["evidence", dispute_id, dict(evidence)]
        return self._once(key, asked, lambda: self._answered(dispute_id, evidence), ProviderDispute)

    async def disputes_since(self, since: datetime) -> list[ProviderDispute]:
        with self._transaction():
            self._disputes_come_due()
            rows = self._db.execute(
                "SELECT dispute FROM disputes WHERE created >= ? ORDER BY created, id", (since.timestamp(),)
            )
            return [msgspec.json.decode(dispute, type=ProviderDispute) for (dispute,) in rows]

    async def decide_dispute(self, dispute_id: str, status: str) -> ProviderDispute:
        """The bank's part: "won" or "lost"."""
        with self._transaction(inside=True):
            return self._decided(self._disputed(dispute_id), status)

    def _dispute(self, intent: ProviderIntent, card: Plastic, amount: Money | None = None) -> None:
        """Of the whole payment, or of so much."""
        now = self._clock.now()
        dispute = ProviderDispute(
            id=f"dp_{self._new_id().hex}",
            intent_id=intent.id,
            amount=amount or intent.captured,
            status="needs_response",
            reason=card.dispute,
            withdrawn=not card.inquiry,
            due_by=now + ANSWER,
        )
        row = (dispute.id, now.timestamp(), (now + ANSWER).timestamp(), msgspec.json.encode(dispute))
        self._db.execute("INSERT INTO disputes VALUES (?, ?, ?, ?)", row)
        self._announce("charge.dispute.created", dispute_object(dispute))
        if dispute.withdrawn:
            self._move(-dispute.amount, by_bank=True)
            self._announce("charge.dispute.funds_withdrawn", dispute_object(dispute))

    def _answered(self, dispute_id: str, evidence: Mapping[str, str]) -> ProviderDispute:
        self._disputes_come_due()
        dispute = self._disputed(dispute_id)
        if dispute.status != "needs_response":
            raise refusal("dispute_closed", f"the dispute is {dispute.status}")
        file = evidence.get("uncategorized_file")
        if file and not self._db.execute("SELECT 1 FROM files WHERE id = ?", (file,)).fetchone():
            raise refusal("resource_missing", f"there is no file {file!r}")
        self._set(dispute, "under_review")
        reviewed = self._disputed(dispute_id)
        self._announce("charge.dispute.updated", dispute_object(reviewed))
        told = evidence.get("uncategorized_text", "")
        decision = next((status for word, status in WORDS.items() if word in told), None)
        return reviewed if decision is None else self._decided(reviewed, decision)

    def _kept(self, content: bytes) -> str:
        if not content.startswith(_FILES) or len(content) > EVIDENCE_BYTES:
            raise refusal("file_upload_invalid", "a PDF, JPEG or PNG that is not too large")
        file_id = f"file_{self._new_id().hex}"
        self._db.execute("INSERT INTO files VALUES (?, ?)", (file_id, content))
        return file_id

    def _decided(self, dispute: ProviderDispute, status: str) -> ProviderDispute:
        if dispute.status in _OVER:
            return dispute
        decided = self._set(dispute, status)
        if dispute.withdrawn and status == "won":
            self._move(dispute.amount)
            self._announce("charge.dispute.funds_reinstated", dispute_object(decided))
        self._announce("charge.dispute.closed", dispute_object(decided))
        return decided

    def _set(self, dispute: ProviderDispute, status: str) -> ProviderDispute:
        # A lost inquiry has taken the money after all.
        withdrawn = dispute.withdrawn or status == "lost"
        if withdrawn and not dispute.withdrawn:
            self._move(-dispute.amount, by_bank=True)
        after = msgspec.structs.replace(dispute, status=status, withdrawn=withdrawn)
        row = (msgspec.json.encode(after), dispute.id)
        self._db.execute("UPDATE disputes SET due = NULL, dispute = ? WHERE id = ?", row)
        return after

    def _disputes_come_due(self) -> None:
        now = self._clock.now().timestamp()
        due = self._db.execute("SELECT dispute FROM disputes WHERE due <= ? ORDER BY due, id", (now,))
        for (body,) in due.fetchall():
            dispute = msgspec.json.decode(body, type=ProviderDispute)
            # An inquiry that nobody answers is closed and takes nothing.
            self._decided(dispute, "lost" if dispute.withdrawn else "won")

    def _disputed(self, dispute_id: str) -> ProviderDispute:
        row = self._db.execute("SELECT dispute FROM disputes WHERE id = ?", (dispute_id,)).fetchone()
        if row is None:
            raise refusal("resource_missing", f"there is no dispute {dispute_id!r}")
        return msgspec.json.decode(row[0], type=ProviderDispute)

    def _left_by_bank(self, intent: ProviderIntent) -> int:
        """How much of it a bank has not taken; nothing while one is about to decide."""
        rows = self._db.execute("SELECT dispute FROM disputes")
        told = [msgspec.json.decode(body, type=ProviderDispute) for (body,) in rows]
        taken = [one for one in told if one.intent_id == intent.id and one.withdrawn and one.status != "won"]
        if any(one.status not in _OVER for one in taken):
            return 0
        return intent.captured.amount - sum(one.amount.amount for one in taken)

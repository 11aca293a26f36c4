"""Money that the sandbox sends back: at once, later, or in vain, as the card will have it."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from hometrip.adapters.payments.sandbox.disputes import Disputes
from hometrip.adapters.payments.sandbox.words import changed, refund_object, refusal
from hometrip.kernel.money import Money
from hometrip.ports.payments import ProviderRefund

# Between what a bank is told of a refund and what it makes of it.
LATER = timedelta(minutes=1)


class Refunds(Disputes):
    """A `later` refund is pending and then succeeds; one that `fails` has succeeded before it comes back."""

    async def refund(self, intent_id: str, amount: Money, *, key: str) -> ProviderRefund:
        asked = ["refund", intent_id, amount]
        return self._once(key, asked, lambda: self._refund(intent_id, amount), ProviderRefund)

    async def get_refund(self, refund_id: str) -> ProviderRefund:
        with self._transaction():
            self._refunds_come_due()
            row = self._db.execute("SELECT refund FROM refunds WHERE id = ?", (refund_id,)).fetchone()
            if row is None:
                raise refusal("resource_missing", f"there is no refund {refund_id!r}")
            return msgspec.json.decode(row[0], type=ProviderRefund)

    def _refund(self, intent_id: str, amount: Money) -> ProviderRefund:
        account = self._account(intent_id)
        intent, left = account.intent, account.intent.captured - account.intent.refunded
        if amount.currency != left.currency or not 0 < amount.amount <= left.amount:
            raise refusal("charge_already_refunded", f"{left} can be refunded, not {amount}", intent)
        if intent.refunded.amount + amount.amount > self._left_by_bank(intent):
            raise refusal("charge_disputed", "the cardholder's bank holds this money", intent)
        self._move(-amount)
        does = account.card.refund if account.card else ""
        refund = ProviderRefund(
            id=f"re_{self._new_id().hex}",
            intent_id=intent_id,
            amount=amount,
            status="pending" if does == "later" else "succeeded",
        )
        after = changed(intent, refunded=intent.refunded + amount)
        self._keep(msgspec.structs.replace(account, intent=after), "")
        due = (self._clock.now() + LATER).timestamp() if does else None
        becomes = "failed" if does == "fails" else "succeeded"
        row = (refund.id, due, becomes, msgspec.json.encode(refund))
        self._db.execute("INSERT INTO refunds VALUES (?, ?, ?, ?)", row)
        self._announce("refund.created", refund_object(refund, after))
        return refund

    def _refunds_come_due(self) -> None:
        now = self._clock.now().timestamp()
        due = self._db.execute("SELECT becomes, refund FROM refunds WHERE due <= ? ORDER BY due, id", (now,))
        for becomes, body in due.fetchall():
            refund = msgspec.structs.replace(msgspec.json.decode(body, type=ProviderRefund), status=becomes)
            row = (msgspec.json.encode(refund), refund.id)
            self._db.execute("UPDATE refunds SET due = NULL, refund = ? WHERE id = ?", row)
            account = self._account(refund.intent_id)
            intent = account.intent
            if becomes == "failed":
                self._move(refund.amount)
                intent = changed(intent, refunded=intent.refunded - refund.amount)
                self._keep(msgspec.structs.replace(account, intent=intent), "")
            kind = "refund.failed" if becomes == "failed" else "refund.updated"
            self._announce(kind, refund_object(refund, intent))

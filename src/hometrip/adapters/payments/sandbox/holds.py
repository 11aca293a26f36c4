"""Authorisations in the sandbox: nothing is held on a card for ever."""

from __future__ import annotations

import msgspec

from hometrip.adapters.payments.sandbox.book import Account, Book
from hometrip.adapters.payments.sandbox.words import changed
from hometrip.kernel.clock import DAY
from hometrip.ports.payments import ProviderIntent

# As Stripe's for most cards; those of Visa, charged in their owner's absence, end after five.
HELD_FOR = 7 * DAY


class Holds(Book):
    """What is authorised and not captured within seven days is cancelled, and that is told."""

    def _hold(self, account: Account) -> ProviderIntent:
        intent = changed(account.intent, status="requires_capture")
        until = (self._clock.now() + HELD_FOR).timestamp()
        self._db.execute("INSERT OR REPLACE INTO holds VALUES (?, ?)", (intent.id, until))
        held = msgspec.structs.replace(account, intent=intent)
        return self._keep(held, "payment_intent.amount_capturable_updated")

    def _held_no_more(self, intent_id: str) -> None:
        self._db.execute("DELETE FROM holds WHERE id = ?", (intent_id,))

    def _holds_come_due(self) -> None:
        now = self._clock.now().timestamp()
        due = self._db.execute("SELECT id FROM holds WHERE due <= ? ORDER BY due, id", (now,))
        for (intent_id,) in due.fetchall():
            self._held_no_more(intent_id)
            account = self._account(intent_id)
            lapsed = changed(account.intent, status="canceled", lapsed=True)
            self._keep(msgspec.structs.replace(account, intent=lapsed), "payment_intent.canceled")

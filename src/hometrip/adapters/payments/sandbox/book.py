"""The sandbox's book: a small SQLite file that keeps what it was asked, answered and has to tell."""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from hometrip.adapters.payments.sandbox.cards import Plastic
from hometrip.adapters.payments.sandbox.words import About, Told, intent_object, refusal
from hometrip.kernel.clock import Clock
from hometrip.kernel.ids import NewId
from hometrip.kernel.money import Money
from hometrip.ports.payments import EVENTS_KEPT, MOVES, ProviderDown, ProviderIntent

T = TypeVar("T")
Weather = Literal["fine", "down", "answers_lost"]

_GIVE_UP = 3 * 86_400  # seconds for which an event is offered; Stripe tries for three days as well

_TABLES = """
CREATE TABLE IF NOT EXISTS intents (
    id TEXT PRIMARY KEY, changed_at REAL NOT NULL, account BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS intents_changed ON intents (changed_at);
CREATE TABLE IF NOT EXISTS holds (id TEXT PRIMARY KEY, due REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS holds_due ON holds (due);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, answer BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS balance (currency TEXT PRIMARY KEY, amount INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS methods (
    id TEXT PRIMARY KEY, customer TEXT NOT NULL, card BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS methods_of ON methods (customer);
CREATE TABLE IF NOT EXISTS hosts (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL UNIQUE, account BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refunds (
    id TEXT PRIMARY KEY, due REAL, becomes TEXT NOT NULL, refund BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS refunds_due ON refunds (due) WHERE due IS NOT NULL;
CREATE TABLE IF NOT EXISTS transfers (
    id TEXT PRIMARY KEY, created REAL NOT NULL, transfer BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS disputes (
    id TEXT PRIMARY KEY, created REAL NOT NULL, due REAL, dispute BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (id TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS webhooks (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE, created INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS webhooks_created ON webhooks (created);
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, created INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS events_created ON events (created);
"""


class Account(msgspec.Struct, frozen=True):
    """An intent as the provider keeps it. `card` is the one that was confirmed with last; its bank waits
    for an answer where the intent requires an action. It is kept for the `customer` once it has paid."""

    intent: ProviderIntent
    capture: str
    customer: str = ""
    keep: bool = True
    card: Plastic | None = None


class Book:
    """Every method but `_once` and `_transaction` runs within the transaction that one of those two opens."""

    weather: Weather = "fine"

    def __init__(self, path: Path | str, clock: Clock, new_id: NewId, secret: bytes) -> None:
        """`secret` signs the webhooks."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._clock, self._new_id, self._secret = clock, new_id, secret
        self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        # NORMAL keeps everything when the process is killed; only a power cut could lose the last moments,
        # and no real money moves here. So a write takes microseconds and needs no thread.
        self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_TABLES}")

    def _account(self, intent_id: str) -> Account:
        row = self._db.execute("SELECT account FROM intents WHERE id = ?", (intent_id,)).fetchone()
        if row is None:
            raise refusal("resource_missing", f"there is no payment intent {intent_id!r}")
        return msgspec.json.decode(row[0], type=Account)

    def _keep(self, account: Account, event: str) -> ProviderIntent:
        self._db.execute(
            "INSERT OR REPLACE INTO intents VALUES (?, ?, ?)",
            (account.intent.id, self._clock.now().timestamp(), msgspec.json.encode(account)),
        )
        if event:
            self._announce(event, intent_object(account.intent))
        return account.intent

    def _announce(self, kind: str, about: dict[str, Any], account: str | None = None) -> None:
        created = int(self._clock.now().timestamp())
        event = Told(
            id=f"evt_{self._new_id().hex}", type=kind, created=created, data=About(about), account=account
        )
        body = msgspec.json.encode(event)
        self._db.execute(
            "INSERT INTO webhooks (id, created, body) VALUES (?, ?, ?)", (event.id, created, body)
        )
        self._db.execute("DELETE FROM webhooks WHERE created < ?", (created - _GIVE_UP,))
        if kind in MOVES:
            self._db.execute("INSERT INTO events (created, body) VALUES (?, ?)", (created, body))
            kept = created - EVENTS_KEPT.total_seconds()
            self._db.execute("DELETE FROM events WHERE created < ?", (kept,))

    def _keep_card(self, account: Account) -> str | None:
        """The token under which the customer's card is found again; the same card has one token."""
        if account.card is None or not account.customer or not account.keep:
            return None
        return self._keep_for(account.customer, account.card)

    def _keep_for(self, customer: str, plastic: Plastic) -> str:
        card = msgspec.json.encode(plastic)
        digest = hmac.digest(self._secret, customer.encode() + card, "sha256")
        token = f"pm_{digest.hex()[:24]}"
        self._db.execute("INSERT OR REPLACE INTO methods VALUES (?, ?, ?)", (token, customer, card))
        return token

    def _kept_card(self, token: str, customer: str) -> Plastic | None:
        row = self._db.execute(
            "SELECT card FROM methods WHERE id = ? AND customer = ?", (token, customer)
        ).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=Plastic)

    def _move(self, amount: Money, *, by_bank: bool = False) -> None:
        """What the provider holds for us; it never pays out more than came in. What a bank takes back, it
        takes all the same, and what comes in is taken also where that has left us owing."""
        self._db.execute("INSERT OR IGNORE INTO balance VALUES (?, 0)", (amount.currency,))
        moved = self._db.execute(
            "UPDATE balance SET amount = amount + ? WHERE currency = ? AND (? OR amount + ? >= 0)",
            (amount.amount, amount.currency, by_bank or amount.amount > 0, amount.amount),
        )
        if not moved.rowcount:
            raise refusal("balance_insufficient", f"the balance does not cover {-amount}")

    def _once(self, key: str, asked: list[Any], act: Callable[[], T], kind: type[T]) -> T:
        """What `act` answers, kept for the key; `ProviderRefused` for the key of another request."""
        fingerprint = hmac.digest(self._secret, msgspec.json.encode(asked), "sha256")
        with self._transaction():
            kept = self._db.execute("SELECT fingerprint, answer FROM answers WHERE key = ?", (key,))
            if row := kept.fetchone():
                if not hmac.compare_digest(row[0], fingerprint):
                    raise refusal("idempotency_key_in_use", "this key was used for another request")
                return msgspec.json.decode(row[1], type=kind)
            answer = act()
            self._db.execute(
                "INSERT INTO answers VALUES (?, ?, ?)", (key, fingerprint, msgspec.json.encode(answer))
            )
            return answer

    @contextmanager
    def _transaction(self, *, inside: bool = False) -> Iterator[None]:
        """`inside` the provider there is no weather."""
        if self.weather == "down" and not inside:
            raise ProviderDown
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as reason:
            raise ProviderDown from reason
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException as reason:
            if self._db.in_transaction:  # a full disk has ended it already
                self._db.execute("ROLLBACK")
            if isinstance(reason, sqlite3.Error):
                raise ProviderDown from reason
            raise
        if self.weather == "answers_lost" and not inside:
            raise ProviderDown

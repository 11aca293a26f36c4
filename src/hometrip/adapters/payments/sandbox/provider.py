"""The sandbox itself: intents, refunds and transfers in a small SQLite file of its own."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from hometrip.adapters.payments.sandbox.cards import (
    BY_TOKEN,
    Behaviour,
    behaviour_of,
)
from hometrip.adapters.payments.sandbox.signature import check, sign
from hometrip.kernel.clock import Clock
from hometrip.kernel.ids import NewId
from hometrip.kernel.money import Money, zero
from hometrip.ports.payments import (
    BadSignature,
    Card,
    ProviderDown,
    ProviderEvent,
    ProviderIntent,
    ProviderRefund,
    ProviderRefused,
    ProviderTransfer,
)

T = TypeVar("T")
Weather = Literal["fine", "down", "answers_lost"]

_GIVE_UP = 3 * 86_400  # seconds for which an event is offered; Stripe tries for three days as well
_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_CANCELABLE = (*_OPEN, "processing", "requires_capture")

_TABLES = """
CREATE TABLE IF NOT EXISTS intents (
    id TEXT PRIMARY KEY, changed_at REAL NOT NULL, account BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS intents_changed ON intents (changed_at);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, answer BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS balance (currency TEXT PRIMARY KEY, amount INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS webhooks (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE, created INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS webhooks_created ON webhooks (created);
"""


class Webhook(NamedTuple):
    """One event on its way out; the signature is fresh each time it is asked for."""

    id: str
    body: bytes
    signature: str


class Account(msgspec.Struct, frozen=True):
    """An intent as the provider keeps it; `asked` is what the card does once its bank has been answered."""

    intent: ProviderIntent
    capture: str
    asked: Behaviour | None = None


class SandboxPayments:
    """Keeps the promises of `Payments` without a network, and remembers across restarts of the process.

    - The same commands give the same answers: what a card does depends on the card alone.
    - Each change of an intent, refund or transfer queues one signed webhook: `undelivered`, `delivered`.
    - `weather` lets one see what happens when the provider is "down" (nothing is done), or when its
      "answers_lost" (what was asked is done, the answer never comes).
    - A card number is looked at and forgotten: only a keyed hash of a request is kept, for its key.
    """

    weather: Weather = "fine"

    def __init__(self, path: Path | str, clock: Clock, new_id: NewId, secret: bytes) -> None:
        """`secret` signs the webhooks."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._clock, self._new_id, self._secret = clock, new_id, secret
        self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        # NORMAL keeps everything when the process is killed; only a power cut could lose the last moments,
        # and no real money moves here. So a write takes microseconds and needs no thread.
        self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_TABLES}")

    async def create_intent(
        self, amount: Money, *, capture: str, metadata: Mapping[str, str], key: str
    ) -> ProviderIntent:
        if amount.amount <= 0 or capture not in ("automatic", "manual"):
            raise _refusal("parameter_invalid", "an amount over 0, captured automatic or manual")
        asked = ["create", amount, capture, dict(metadata)]
        return self._once(key, asked, lambda: self._open(amount, capture, metadata), ProviderIntent)

    async def confirm_intent(
        self, intent_id: str, *, method: str | None = None, card: Card | None = None, key: str
    ) -> ProviderIntent:
        asked = ["confirm", intent_id, method, card]
        return self._once(key, asked, lambda: self._confirm(intent_id, method, card), ProviderIntent)

    async def get_intent(self, intent_id: str) -> ProviderIntent:
        with self._transaction():
            return self._account(intent_id).intent

    async def capture_intent(self, intent_id: str, *, key: str) -> ProviderIntent:
        return self._once(key, ["capture", intent_id], lambda: self._capture(intent_id), ProviderIntent)

    async def cancel_intent(self, intent_id: str, *, key: str) -> ProviderIntent:
        return self._once(key, ["cancel", intent_id], lambda: self._cancel(intent_id), ProviderIntent)

    async def refund(self, intent_id: str, amount: Money, *, key: str) -> ProviderRefund:
        asked = ["refund", intent_id, amount]
        return self._once(key, asked, lambda: self._refund(intent_id, amount), ProviderRefund)

    async def transfer(
        self, amount: Money, *, destination: str, metadata: Mapping[str, str], key: str
    ) -> ProviderTransfer:
        asked = ["transfer", amount, destination, dict(metadata)]
        return self._once(key, asked, lambda: self._transfer(amount, destination, metadata), ProviderTransfer)

    async def intents_since(self, since: datetime) -> list[ProviderIntent]:
        with self._transaction():
            rows = self._db.execute(
                "SELECT account FROM intents WHERE changed_at >= ? ORDER BY changed_at, id",
                (since.timestamp(),),
            )
            return [msgspec.json.decode(account, type=Account).intent for (account,) in rows]

    def webhook(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        check(body, signature, self._secret, now)
        try:
            event = msgspec.json.decode(body, type=_Event)
        except msgspec.DecodeError as reason:
            raise BadSignature("the body is signed, but it is no event") from reason
        created = datetime.fromtimestamp(event.created, UTC)
        return ProviderEvent(id=event.id, type=event.type, created=created, object=event.data.object)

    async def ready(self) -> None:
        with self._transaction():
            self._db.execute("SELECT 1 FROM balance LIMIT 1")

    async def undelivered(self) -> list[Webhook]:
        """Up to 100 events of the last three days that were not taken yet, oldest first."""
        rows = self._db.execute("SELECT id, body FROM webhooks ORDER BY number LIMIT 100").fetchall()
        now = self._clock.now()
        return [Webhook(number, body, sign(body, self._secret, now)) for number, body in rows]

    async def delivered(self, webhook_id: str) -> None:
        """It was taken (answered with 200); it is not offered again."""
        self._db.execute("DELETE FROM webhooks WHERE id = ?", (webhook_id,))

    async def close(self) -> None:
        self._db.close()

    # What each command does, within the transaction that keeps its answer.

    def _open(self, amount: Money, capture: str, metadata: Mapping[str, str]) -> ProviderIntent:
        intent_id = f"pi_{self._new_id().hex}"
        tail = hmac.new(self._secret, intent_id.encode(), hashlib.sha256).hexdigest()[:24]
        none = zero(amount.currency)
        intent = ProviderIntent(
            id=intent_id,
            status="requires_payment_method",
            amount=amount,
            client_secret=f"{intent_id}_secret_{tail}",
            captured=none,
            refunded=none,
            metadata=dict(metadata),
            created=self._clock.now(),
        )
        return self._keep(Account(intent, capture), "payment_intent.created")

    def _confirm(self, intent_id: str, method: str | None, card: Card | None) -> ProviderIntent:
        account = self._account(intent_id)
        if account.intent.status not in _OPEN:
            raise _unexpected(account.intent, "confirmed")
        if method is None and card is None:
            if account.asked is None:
                raise _refusal("parameter_missing", "a payment method is needed", account.intent)
            return self._charge(account, account.asked)
        behaviour = self._behaviour(method, card)
        return self._ask(account, behaviour) if behaviour.asks_first else self._charge(account, behaviour)

    def _behaviour(self, method: str | None, card: Card | None) -> Behaviour:
        if card is not None:
            return behaviour_of(card, self._clock.now())
        known = BY_TOKEN.get(method or "")
        if known is None:
            raise _refusal("resource_missing", f"there is no payment method {method!r}")
        return known

    def _ask(self, account: Account, behaviour: Behaviour) -> ProviderIntent:
        asking = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
        intent = _changed(account.intent, status="requires_action", next_action=asking, last_error=None)
        return self._keep(Account(intent, account.capture, behaviour), "payment_intent.requires_action")

    def _charge(self, account: Account, behaviour: Behaviour) -> ProviderIntent:
        intent = _changed(account.intent, next_action=None, last_error=behaviour.decline)
        if behaviour.decline:
            intent = _changed(intent, status="requires_payment_method")
            return self._keep(Account(intent, account.capture), "payment_intent.payment_failed")
        if account.capture == "manual":
            intent = _changed(intent, status="requires_capture")
            return self._keep(Account(intent, account.capture), "payment_intent.amount_capturable_updated")
        return self._take(Account(intent, account.capture))

    def _take(self, account: Account) -> ProviderIntent:
        intent = _changed(account.intent, status="succeeded", captured=account.intent.amount)
        self._move(intent.amount)
        return self._keep(Account(intent, account.capture), "payment_intent.succeeded")

    def _capture(self, intent_id: str) -> ProviderIntent:
        account = self._account(intent_id)
        if account.intent.status != "requires_capture":
            raise _unexpected(account.intent, "captured")
        return self._take(account)

    def _cancel(self, intent_id: str) -> ProviderIntent:
        account = self._account(intent_id)
        if account.intent.status not in _CANCELABLE:
            raise _unexpected(account.intent, "cancelled")
        intent = _changed(account.intent, status="canceled", next_action=None)
        return self._keep(Account(intent, account.capture), "payment_intent.canceled")

    def _refund(self, intent_id: str, amount: Money) -> ProviderRefund:
        account = self._account(intent_id)
        intent, left = account.intent, account.intent.captured - account.intent.refunded
        if amount.currency != left.currency or not 0 < amount.amount <= left.amount:
            raise _refusal("charge_already_refunded", f"{left} can be refunded, not {amount}", intent)
        self._move(-amount)
        refund = ProviderRefund(
            id=f"re_{self._new_id().hex}", intent_id=intent_id, amount=amount, status="succeeded"
        )
        changed = _changed(intent, refunded=intent.refunded + amount)
        self._keep(Account(changed, account.capture), "")
        self._announce("refund.created", _refund_object(refund, changed))
        return refund

    def _transfer(self, amount: Money, destination: str, metadata: Mapping[str, str]) -> ProviderTransfer:
        if amount.amount <= 0 or not destination:
            raise _refusal("parameter_invalid", "an amount over 0 and a destination")
        self._move(-amount)
        transfer = ProviderTransfer(id=f"tr_{self._new_id().hex}", amount=amount, status="paid")
        facts = {"id": transfer.id, "object": "transfer", "destination": destination, **_money(amount)}
        self._announce("transfer.created", {**facts, "metadata": dict(metadata)})
        return transfer

    # The file.

    def _account(self, intent_id: str) -> Account:
        row = self._db.execute("SELECT account FROM intents WHERE id = ?", (intent_id,)).fetchone()
        if row is None:
            raise _refusal("resource_missing", f"there is no payment intent {intent_id!r}")
        return msgspec.json.decode(row[0], type=Account)

    def _keep(self, account: Account, event: str) -> ProviderIntent:
        self._db.execute(
            "INSERT OR REPLACE INTO intents VALUES (?, ?, ?)",
            (account.intent.id, self._clock.now().timestamp(), msgspec.json.encode(account)),
        )
        if event:
            self._announce(event, _intent_object(account.intent))
        return account.intent

    def _announce(self, kind: str, about: dict[str, Any]) -> None:
        created = int(self._clock.now().timestamp())
        event = _Event(id=f"evt_{self._new_id().hex}", type=kind, created=created, data=_About(about))
        self._db.execute(
            "INSERT INTO webhooks (id, created, body) VALUES (?, ?, ?)",
            (event.id, created, msgspec.json.encode(event)),
        )
        self._db.execute("DELETE FROM webhooks WHERE created < ?", (created - _GIVE_UP,))

    def _move(self, amount: Money) -> None:
        """What the provider holds for us; it never pays out more than came in."""
        self._db.execute("INSERT OR IGNORE INTO balance VALUES (?, 0)", (amount.currency,))
        moved = self._db.execute(
            "UPDATE balance SET amount = amount + ? WHERE currency = ? AND amount + ? >= 0",
            (amount.amount, amount.currency, amount.amount),
        )
        if not moved.rowcount:
            raise _refusal("balance_insufficient", f"the balance does not cover {-amount}")

    def _once(self, key: str, asked: list[Any], act: Callable[[], T], kind: type[T]) -> T:
        """What `act` answers, kept for the key; `ProviderRefused` for the key of another request."""
        fingerprint = hmac.digest(self._secret, msgspec.json.encode(asked), "sha256")
        with self._transaction():
            kept = self._db.execute("SELECT fingerprint, answer FROM answers WHERE key = ?", (key,))
            if row := kept.fetchone():
                if not hmac.compare_digest(row[0], fingerprint):
                    raise _refusal("idempotency_key_in_use", "this key was used for another request")
                return msgspec.json.decode(row[1], type=kind)
            answer = act()
            self._db.execute(
                "INSERT INTO answers VALUES (?, ?, ?)", (key, fingerprint, msgspec.json.encode(answer))
            )
            return answer

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self.weather == "down":
            raise ProviderDown
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as reason:
            raise ProviderDown from reason
        try:
            yield
        except BaseException as reason:
            self._db.execute("ROLLBACK")
            if isinstance(reason, sqlite3.Error):
                raise ProviderDown from reason
            raise
        self._db.execute("COMMIT")
        if self.weather == "answers_lost":
            raise ProviderDown


class _About(msgspec.Struct):
    object: dict[str, Any]


class _Event(msgspec.Struct, kw_only=True):
    id: str
    object: str = "event"
    type: str
    created: int
    data: _About
    livemode: bool = False


def _changed(intent: ProviderIntent, **fields: Any) -> ProviderIntent:
    return msgspec.structs.replace(intent, **fields)


def _refusal(code: str, detail: str, intent: ProviderIntent | None = None) -> ProviderRefused:
    facts = {"status": intent.status} if intent else {}
    return ProviderRefused(detail, provider_code=code, **facts)


def _unexpected(intent: ProviderIntent, wish: str) -> ProviderRefused:
    return _refusal("payment_intent_unexpected_state", f"a {intent.status} intent cannot be {wish}", intent)


def _money(amount: Money) -> dict[str, Any]:
    return {"amount": amount.amount, "currency": amount.currency.lower()}


def _intent_object(intent: ProviderIntent) -> dict[str, Any]:
    error = intent.last_error
    return {
        "id": intent.id,
        "object": "payment_intent",
        **_money(intent.amount),
        "amount_received": intent.captured.amount,
        "status": intent.status,
        "client_secret": intent.client_secret,
        "last_payment_error": error and {"type": "card_error", **msgspec.to_builtins(error)},
        "next_action": intent.next_action,
        "metadata": intent.metadata,
    }


def _refund_object(refund: ProviderRefund, intent: ProviderIntent) -> dict[str, Any]:
    return {
        "id": refund.id,
        "object": "refund",
        **_money(refund.amount),
        "payment_intent": intent.id,
        "status": refund.status,
        "metadata": intent.metadata,
    }

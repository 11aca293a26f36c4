"""Hosts' accounts in the sandbox, and money sent to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from hometrip.adapters.payments.sandbox.book import Book
from hometrip.adapters.payments.sandbox.words import refusal, transfer_object
from hometrip.kernel.money import Money
from hometrip.ports.payments import ProviderAccount, ProviderTransfer


class Sent(msgspec.Struct, frozen=True):
    transfer: ProviderTransfer
    destination: str


class Hosts(Book):
    """A host's account can be paid once its link was opened; whoever has none is paid all the same."""

    async def transfer(
        self, amount: Money, *, destination: str, metadata: Mapping[str, str], key: str
    ) -> ProviderTransfer:
        asked = ["transfer", amount, destination, dict(metadata)]
        return self._once(key, asked, lambda: self._transfer(amount, destination, metadata), ProviderTransfer)

    async def get_transfer(self, transfer_id: str) -> ProviderTransfer:
        with self._transaction():
            return self._sent(transfer_id).transfer

    async def transfers_since(self, since: datetime) -> list[ProviderTransfer]:
        with self._transaction():
            rows = self._db.execute(
                "SELECT transfer FROM transfers WHERE created >= ? ORDER BY created, id", (since.timestamp(),)
            )
            return [msgspec.json.decode(sent, type=Sent).transfer for (sent,) in rows]

    async def reverse_transfer(self, transfer_id: str) -> ProviderTransfer:
        """What staff may do by hand at the provider: the money comes back."""
        with self._transaction(inside=True):
            sent = self._sent(transfer_id)
            back = msgspec.structs.replace(sent.transfer, status="failed")
            if sent.transfer.status != "failed":
                row = (msgspec.json.encode(Sent(back, sent.destination)), transfer_id)
                self._db.execute("UPDATE transfers SET transfer = ? WHERE id = ?", row)
                self._move(back.amount)
                self._announce("transfer.reversed", transfer_object(back, sent.destination))
            return back

    async def open_account(self, owner: str, *, key: str) -> ProviderAccount:
        return self._once(key, ["account", owner], lambda: self._open_account(owner), ProviderAccount)

    async def get_account(self, account_id: str) -> ProviderAccount:
        with self._transaction():
            return self._host(account_id)

    async def account_link(self, account_id: str, *, back_to: str) -> str:
        """Who opens it is known by that, and comes back at once."""
        with self._transaction():
            account = self._host(account_id)
            if not account.can_be_paid:
                ready = msgspec.structs.replace(account, can_be_paid=True, missing=[])
                row = (msgspec.json.encode(ready), account_id)
                self._db.execute("UPDATE hosts SET account = ? WHERE id = ?", row)
                about = {"id": account_id, "object": "account", "payouts_enabled": True}
                self._announce("account.updated", about, account_id)
        return back_to

    def _transfer(self, amount: Money, destination: str, metadata: Mapping[str, str]) -> ProviderTransfer:
        if amount.amount <= 0 or not destination:
            raise refusal("parameter_invalid", "an amount over 0 and a destination")
        row = self._db.execute("SELECT account FROM hosts WHERE id = ?", (destination,)).fetchone()
        if row and not msgspec.json.decode(row[0], type=ProviderAccount).can_be_paid:
            raise refusal(
                "insufficient_capabilities_for_transfer", "the account's owner has not told everything"
            )
        self._move(-amount)
        transfer = ProviderTransfer(
            id=f"tr_{self._new_id().hex}", amount=amount, status="paid", metadata=dict(metadata)
        )
        row = (transfer.id, self._clock.now().timestamp(), msgspec.json.encode(Sent(transfer, destination)))
        self._db.execute("INSERT INTO transfers VALUES (?, ?, ?)", row)
        self._announce("transfer.created", transfer_object(transfer, destination))
        return transfer

    def _sent(self, transfer_id: str) -> Sent:
        row = self._db.execute("SELECT transfer FROM transfers WHERE id = ?", (transfer_id,)).fetchone()
        if row is None:
            raise refusal("resource_missing", f"there is no transfer {transfer_id!r}")
        return msgspec.json.decode(row[0], type=Sent)

    def _open_account(self, owner: str) -> ProviderAccount:
        row = self._db.execute("SELECT account FROM hosts WHERE owner = ?", (owner,)).fetchone()
        if row is not None:
            return msgspec.json.decode(row[0], type=ProviderAccount)
        account = ProviderAccount(
            id=f"acct_{self._new_id().hex}", can_be_paid=False, missing=["external_account"]
        )
        self._db.execute(
            "INSERT INTO hosts VALUES (?, ?, ?)", (account.id, owner, msgspec.json.encode(account))
        )
        return account

    def _host(self, account_id: str) -> ProviderAccount:
        row = self._db.execute("SELECT account FROM hosts WHERE id = ?", (account_id,)).fetchone()
        if row is None:
            raise refusal("resource_missing", f"there is no account {account_id!r}")
        return msgspec.json.decode(row[0], type=ProviderAccount)

"""That the provider is to be asked about a payment: later, in case its answer is lost, or now, for what is
wanted of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from hometrip.ports.database import Tx
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.deps import Deps, PaymentLookDue


async def look_later(deps: Deps, tx: Tx, payment_id: UUID, **fields: Any) -> None:
    """Mark that an answer of the provider is awaited, and look for it when it has not come after a while."""
    now = deps.clock.now()
    await store.change_payment(tx, payment_id, asked_at=now, **fields)
    await tx.emit_later(PaymentLookDue(payment_id=payment_id), now + rules.wait(0))


async def want(deps: Deps, tx: Tx, payment_id: UUID, wish: str) -> None:
    """Have the provider "capture" or "cancel" it, as soon as this transaction is committed."""
    await store.change_payment(tx, payment_id, wanted=wish)
    await look_now(deps, tx, payment_id)


async def look_now(deps: Deps, tx: Tx, payment_id: UUID) -> None:
    """Beside the look that a confirmation has set for later, which stays."""
    key = f"{PaymentLookDue.name}:now:{payment_id}"
    await tx.emit_later(PaymentLookDue(payment_id=payment_id), deps.clock.now(), key=key)


async def close_later(deps: Deps, tx: Tx, payment_id: UUID, within: timedelta) -> None:
    """Have the provider cancel it after so long, unless it is paid by then."""
    key = f"{PaymentLookDue.name}:closes:{payment_id}"
    await tx.emit_later(
        PaymentLookDue(payment_id=payment_id, closes=True), deps.clock.now() + within, key=key
    )

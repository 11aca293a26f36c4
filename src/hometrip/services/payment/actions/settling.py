"""What a cancellation, a change or a settled disagreement gives back: at once, or, while a cardholder's bank
has the money, once that has decided."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hometrip.kernel.money import Money, total, zero
from hometrip.kernel.split import Split
from hometrip.ports.database import Tx
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.deps import Deps
from hometrip.services.payment.actions.refunding import give_back, share_anew


async def give_or_wait(
    deps: Deps,
    tx: Tx,
    booking_id: UUID,
    amount: Money,
    split: Split,
    *,
    keeps: bool,
    of: Money | None = None,
    **why: Any,
) -> None:
    """`amount` of what was taken for the booking goes back. Each share `keeps` the split, or gives it; `why`
    has its reason and cause, its lines of the price, and the payment where it is about one alone.

    What banks keep for good counts as given back, but for what booking knew of: all that it was told of or,
    where it knew of so much `of` the price, what that is without.
    """
    if why.get("payment_id") is None:
        amount += await _known_lost(tx, booking_id, amount.currency, of)
    made = store.Settlement(
        id=deps.new_id(), booking_id=booking_id, amount=amount, split=split, keeps=keeps, **why
    )
    if await store.is_set_aside(tx, booking_id):
        await store.add_settlement(tx, made)
    else:
        await _settle(deps, tx, made)


async def settle_what_waits(deps: Deps, tx: Tx, booking_id: UUID) -> None:
    """The bank has decided; what it kept has gone back already."""
    if not await store.is_set_aside(tx, booking_id):
        for waiting in await store.take_settlements(tx, booking_id):
            await _settle(deps, tx, waiting)


async def reckoned_with(tx: Tx, booking_id: UUID, currency: str) -> Money:
    """What booking knows to be left of a stay's price: what waits has gone back, and what banks have it has
    not heard of."""
    lost = await _known_lost(tx, booking_id, currency)
    paid = total((one.captured - one.promised_back for one in await taken_for(tx, booking_id)), currency)
    waits = await store.settlements_of(tx, booking_id)
    back = total((one.amount if one.payment_id else one.amount - lost for one in waits), currency)
    return max(paid - lost - back, zero(currency))


async def _known_lost(tx: Tx, booking_id: UUID, currency: str, of: Money | None = None) -> Money:
    """What banks keep of a stay's price, as booking was told: nothing that one of them may still change."""
    taken = await taken_for(tx, booking_id)
    disputed = total((one.disputed for one in taken), currency)
    lost = disputed + Money(sum((await store.shares_of_banks(tx, booking_id)).values()), currency)
    if of is None:
        return lost
    without = total((one.captured - one.promised_back for one in taken), currency) - of
    return min(lost, max(without, zero(currency)))


async def taken_for(tx: Tx, booking_id: UUID, payment_id: UUID | None = None) -> list[store.Payment]:
    """What was captured of a stay's price, the earliest first; all of it or one payment."""
    return [
        one
        for one in await store.payments_of(tx, booking_id)
        if one.status == rules.SUCCEEDED and one.part != rules.DEPOSIT and payment_id in (None, one.id)
    ]


async def _settle(deps: Deps, tx: Tx, this: store.Settlement) -> None:
    taken, currency = await taken_for(tx, this.booking_id, this.payment_id), this.amount.currency
    stay = await store.stay_of(tx, this.booking_id)
    hosts = [one.host_id for one in (*taken, stay) if one]
    if not hosts:
        return
    captured, left, lost = (
        total((getattr(one, name) for one in taken), currency) for name in ("captured", "left", "disputed")
    )
    shares = await store.shares(tx, this.booking_id)
    has = rules.split_of(shares, hosts[0], currency)
    back = max(this.amount - lost, zero(currency))
    if this.keeps:
        # Of what is not all there no more is kept than there is; what nobody keeps goes back as well.
        kept = rules.within(this.split, captured - this.amount)
        back = max(back, left - rules.total_of(kept))
        there = left - min(back, left)
        short = there < rules.total_of(kept)
        # Staff who settle a dispute may leave a host more than is there: the marketplace bears it.
        unheard = short and this.reason != "dispute"
        kept = rules.at_most(kept, has) if unheard or (short and lost) else kept
        # Booking had not heard of what staff gave back meanwhile: each keeps so much less.
        kept = rules.within(kept, there) if unheard else kept
    else:
        back = min(back, left)
        kept = rules.left_of(has, rules.part_of(this.split, back))
    if not taken:  # the stay costs nothing
        await share_anew(deps, tx, this.booking_id, rules.back_to_kept(shares, back, kept, hosts[0]))
        return
    why: dict[str, Any] = {"reason": this.reason, "cause": this.cause, "price": this.lines or ()}
    await give_back(deps, tx, taken, back, kept, tells=back > left, **why)

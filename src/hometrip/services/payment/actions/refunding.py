"""Money that is to go back: what is promised, of which payments, and which shares give it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.money import Money, total
from hometrip.kernel.once import NO_KEY, Once
from hometrip.kernel.split import Split
from hometrip.ports.database import Tx
from hometrip.services.listing.contract import QuoteLine
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import RefundRecord, refund_of
from hometrip.services.payment.actions.deps import Deps, lock_books
from hometrip.services.payment.actions.papering import CREDIT_NOTE, issue
from hometrip.services.payment.actions.paying_out import replan
from hometrip.services.payment.actions.sending import send_promised


class _Told(NamedTuple):
    """Why a refund is made, what made it (each cause makes one), and what booking is told of it."""

    reason: str
    cause: str
    kept: Split | None = None
    granted: bool = False


async def refund(
    deps: Deps, caller: Caller, payment_id: UUID, amount: Money | None, reason: str, once: Once = NO_KEY
) -> RefundRecord:
    """Staff (not about a stay of their own) give back part of a payment, or all that is left of it. Each
    share gives in proportion."""
    refund_id = deps.new_id()
    async with deps.db.transaction() as tx:
        await tx.once(once)
        await lock_books(tx, await store.booking_of(tx, payment_id))
        payment = await store.payment(tx, payment_id)
        caller.must_be_none_of(payment.guest_id, payment.host_id)
        left = payment.left
        if not payment.captured or payment.part == rules.DEPOSIT:
            raise rules.NotRefundable
        back = rules.refund_within(amount, left)
        shares = await store.shares(tx, payment.booking_id)
        lines = rules.shared_back(shares, await store.balances(tx, payment.booking_id), back)
        kept = await _kept(tx, payment, shares, lines)
        told_as = _Told(reason, f"{caller.service or caller.id}:{refund_id}", kept, granted=True)
        made = await _promise(deps, tx, payment, refund_id, back, lines, told_as)
        await _credit(deps, tx, payment, refund_id, back, lines)
        await replan(deps, tx, payment.booking_id)
        answer = refund_of(made, payment.booking_id)
        await tx.answer(once, answer)
    return answer


async def give_back(
    deps: Deps,
    tx: Tx,
    payments: list[store.Payment],
    amount: Money,
    kept: Split,
    *,
    reason: str,
    cause: str,
    price: Sequence[QuoteLine] = (),
    tells: bool = False,
) -> None:
    """Exactly `amount` of a booking's payments goes back, the latest first, and each share falls to what it
    keeps. Where part of it went back before, only what is left can. `price`: what comes back of its lines.
    Where it `tells`, and of a stay that is over, booking hears whose the rest is."""
    host_id, booking_id, currency = payments[0].host_id, payments[0].booking_id, amount.currency
    left = total((one.left for one in payments), currency)
    back = min(amount, left)
    shares = await store.shares(tx, booking_id)
    lines = rules.back_to_kept(shares, back, kept, host_id)
    if not back:
        await share_anew(deps, tx, booking_id, lines, payments[0])
        return
    stay = await store.stay_of(tx, booking_id)
    after = await _kept(tx, payments[0], shares, lines) if tells or (stay and stay.over) else None
    first, rest = deps.new_id(), back
    for number, payment in enumerate(reversed(payments)):
        part = min(rest, payment.left)
        if part:
            refund_id = deps.new_id() if lines == [] else first
            this = cause if lines else f"{cause}:{number}"
            await _promise(deps, tx, payment, refund_id, part, lines, _Told(reason, this, after))
            if lines:
                await _credit(deps, tx, payment, refund_id, back, lines, price)
            rest, lines = rest - part, []


async def _kept(
    tx: Tx, payment: store.Payment, shares: dict[str, int], lines: list[rules.Posting]
) -> Split | None:
    """Whose the rest is then, as booking is told. What a bank that has not decided has of it is still there:
    booking does not hear of it if that comes back. While what booking has told waits for a bank, it knows
    better itself."""
    if await store.settlement_waits(tx, payment.booking_id):
        return None
    there = Counter(shares)
    there.update(await store.shares_of_banks(tx, payment.booking_id))
    return rules.split_after(there, lines, payment.host_id, payment.captured.currency)


async def share_anew(
    deps: Deps, tx: Tx, booking_id: UUID, lines: list[rules.Posting], paid: store.Payment | None = None
) -> None:
    """Nothing goes back; what there is, or what a stay that costs nothing is worth, is others' now. Of what
    was `paid` a credit note over nothing says by how much each share is less, or more."""
    now, entry_id = deps.clock.now(), deps.new_id()
    entry = rules.entry(entry_id, now, rules.SHARED_ANEW, booking_id, entry_id, lines)
    await store.write(tx, entry)
    if paid is not None and entry.postings:
        await _credit(deps, tx, paid, entry_id, paid.captured * 0, entry.postings)


async def give_payment_back(deps: Deps, tx: Tx, payment: store.Payment, *, reason: str, cause: str) -> None:
    """What is left of one payment goes back, and each share gives what it got of it."""
    left = payment.left
    if left:
        shares = await store.shares(tx, payment.booking_id)
        kept = rules.less(rules.split_of(shares, payment.host_id, left.currency), payment.split)
        await give_back(deps, tx, [payment], left, kept, reason=reason, cause=cause)


async def _credit(
    deps: Deps,
    tx: Tx,
    payment: store.Payment,
    refund_id: UUID,
    back: Money,
    lines: list[rules.Posting],
    price: Sequence[QuoteLine] = (),
) -> None:
    gives = {line.account: -line.amount.amount for line in lines}
    split = rules.split_of(gives, payment.host_id, back.currency)
    await issue(deps, tx, CREDIT_NOTE, refund_id, payment, back, split, price)


async def _promise(
    deps: Deps,
    tx: Tx,
    payment: store.Payment,
    refund_id: UUID,
    amount: Money,
    lines: list[rules.Posting],
    why: _Told,
) -> store.Refund:
    now = deps.clock.now()
    made = store.Refund(
        id=refund_id,
        payment_id=payment.id,
        amount=amount,
        reason=why.reason,
        cause=why.cause,
        status="initiated",
        created_at=now,
    )
    await store.promise_back(tx, payment.id, amount)
    entry = rules.entry(deps.new_id(), now, "refund_promised", payment.booking_id, refund_id, lines)
    await store.write(tx, entry)
    await send_promised(deps, tx, payment, made, why.kept, granted=why.granted)
    return made

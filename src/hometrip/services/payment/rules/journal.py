"""The journal's arithmetic: entries, and the story that a booking's entries tell.

The journal's sign: a debit is positive, a credit negative. So `provider_clearing` (money that the provider
holds for us) is positive; what we owe or have earned (`guest`, `host_payable:<host>`, `tax_payable:<area>`,
`platform_revenue`, `deposit_held`, `disputed`) is negative, and so is `own_bank`: what we paid out of our own
because the provider would not. Each entry sums to zero in each currency.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from hometrip.kernel.errors import HomeTripError
from hometrip.kernel.money import Money, total
from hometrip.kernel.split import Split

CLEARING = "provider_clearing"
GUEST = "guest"
REVENUE = "platform_revenue"
DISPUTED = "disputed"
OWN_BANK = "own_bank"
TAX = "tax_payable:"
HOST = "host_payable:"
HELD_ACCOUNTS = (GUEST, HOST, "deposit_held", DISPUTED)

# What a bank takes of a damage deposit, and gives back; both are found among the entries of its dispute.
DEPOSIT_DISPUTED, DEPOSIT_WON = "dispute_of_deposit", "dispute_of_deposit_won"
OUT_TO_HOSTS = ("payout", "payout_returned", "offset_given", "offset_taken")
# What is no share of the price of the stay: a change or a cancellation does not touch it.
BESIDES_THE_STAY = (*OUT_TO_HOSTS, "penalty", "deposit_claim", DEPOSIT_DISPUTED, DEPOSIT_WON)


class Unbalanced(HomeTripError):
    """A journal entry must sum to zero in each currency."""

    code = "unbalanced_entry"


class Posting(msgspec.Struct, frozen=True):
    """One line of an entry: debit over zero, credit under it."""

    account: str
    amount: Money


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a booking's money. `kind` and `reference` (a payment, refund or pay-out)
    name it: no movement is written twice."""

    id: UUID
    at: datetime
    kind: str
    booking_id: UUID
    reference: UUID
    postings: list[Posting]


def entry(
    entry_id: UUID, at: datetime, kind: str, booking_id: UUID, reference: UUID, postings: Iterable[Posting]
) -> Entry:
    """The entry, without empty lines; `Unbalanced` if it does not sum to zero in each currency."""
    lines = [posting for posting in postings if posting.amount]
    if wrong := {currency: left for currency, left in balance(lines).items() if left}:
        raise Unbalanced(f"the {kind} entry is off by {wrong}", off=wrong)
    return Entry(id=entry_id, at=at, kind=kind, booking_id=booking_id, reference=reference, postings=lines)


def balance(postings: Iterable[Posting]) -> dict[str, int]:
    """The sum of each currency; all zero in a journal that is right."""
    sums: Counter[str] = Counter()
    for posting in postings:
        sums[posting.amount.currency] += posting.amount.amount
    return dict(sums)


def host_payable(host_id: UUID) -> str:
    return f"{HOST}{host_id}"


def tax_payable(area: str) -> str:
    return f"{TAX}{area}"


def owed(split: Split, host_id: UUID) -> dict[str, Money]:
    """Whose a total is, by account."""
    taxes = {tax_payable(area): amount for area, amount in split.taxes.items()}
    return {host_payable(host_id): split.payout, REVENUE: split.platform, **taxes}


def capture(paid: Money, split: Split, host_id: UUID) -> list[Posting]:
    """The guest's money has come: the provider holds it, and it is owed to the host, us and the tax
    offices."""
    return [
        Posting(CLEARING, paid),
        *(Posting(account, -part) for account, part in owed(split, host_id).items()),
    ]


def back_to_kept(shares: Mapping[str, int], refund: Money, kept: Split, host_id: UUID) -> list[Posting]:
    """After a cancellation: each share falls to what it keeps, and the guest is owed the refund.

    `shares` are the booking's accounts without what was paid out. A host who was paid more than is kept owes
    the difference: `host_payable` is then positive. Where the shares and the refund do not meet (part of it
    was refunded earlier), the platform bears the difference.
    """
    keeps = {account: part.amount for account, part in owed(kept, host_id).items()}
    accounts = {name for name in (*shares, *keeps) if name.startswith((HOST, TAX))}
    currency = refund.currency
    lines = [
        Posting(name, Money(-shares.get(name, 0) - keeps.get(name, 0), currency)) for name in sorted(accounts)
    ]
    rest = refund - total((line.amount for line in lines), currency)
    return [*lines, Posting(REVENUE, rest), Posting(GUEST, -refund)]


def shared_back(
    shares: Mapping[str, int], balances: Mapping[str, int], refund: Money, to: str = GUEST
) -> list[Posting]:
    """A refund without a rule of its own: each share gives in proportion to what it is of the price.

    `shares` are those of the price, whatever was paid out of it, `balances` are with that: a share gives no
    more than it has; what is missing after a pay-out, and what rounding leaves, the platform bears. Of a tax
    goes back what goes back of what is left of the price, whoever bears that.
    """
    given = {
        name: -part for name, part in sorted(shares.items()) if part < 0 and name.startswith((HOST, TAX))
    }
    ours = -shares.get(REVENUE, 0)
    whole, left = sum(given.values()) + max(0, ours), sum(given.values()) + ours
    lines = []
    for name, share in given.items():
        of = max(left if name.startswith(TAX) else whole, 1)
        gives = min(min(refund.amount, of) * share // of, max(0, -balances.get(name, 0)))
        lines.append(Posting(name, Money(gives, refund.currency)))
    rest = refund - total((line.amount for line in lines), refund.currency)
    return [*lines, Posting(REVENUE, rest), Posting(to, -refund)]


def disputed(
    shares: Mapping[str, int], balances: Mapping[str, int], amount: Money, taken: Money, owed: Money
) -> list[Posting]:
    """The cardholder's bank has taken it, for now: it is nobody's until that is decided. So much of it was
    still there to be `taken` from the shares, and so much the guest was `owed`; the rest the guest has twice,
    and the platform bears it."""
    return [
        *shared_back(shares, balances, taken, to=DISPUTED),
        Posting(GUEST, owed),
        Posting(REVENUE, amount - taken - owed),
        Posting(DISPUTED, taken - amount),
    ]


def dispute_won(taken: Iterable[Posting]) -> list[Posting]:
    """Each share gets back what the dispute took of it."""
    return [Posting(line.account, -line.amount) for line in taken]


def charged_back(amount: Money) -> list[Posting]:
    """The dispute is lost: the guest has it, from their bank."""
    return [Posting(DISPUTED, amount), Posting(CLEARING, -amount)]


def held_back(amount: Money) -> list[Posting]:
    """Part of a damage deposit was taken; it is nobody's yet."""
    return [Posting(CLEARING, amount), Posting("deposit_held", -amount)]


def claimed(amount: Money, host_id: UUID) -> list[Posting]:
    """What was taken of a damage deposit is the host's."""
    return [Posting("deposit_held", amount), Posting(host_payable(host_id), -amount)]


def penalty(amount: Money, host_id: UUID) -> list[Posting]:
    """A host who cancels owes us that; the next pay-outs are less by it."""
    return [Posting(host_payable(host_id), amount), Posting(REVENUE, -amount)]


def refunded(amount: Money) -> list[Posting]:
    """The provider has sent it back to the guest."""
    return [Posting(GUEST, amount), Posting(CLEARING, -amount)]


def refund_returned(amount: Money) -> list[Posting]:
    """A refund that was sent has come back: the guest is owed it again."""
    return [Posting(line.account, -line.amount) for line in refunded(amount)]


def paid_otherwise(amount: Money) -> list[Posting]:
    """What the provider would not send the guest has from us, by a way of our own."""
    return [Posting(GUEST, amount), Posting(OWN_BANK, -amount)]


def paid_out(amount: Money, host_id: UUID) -> list[Posting]:
    """The provider has sent it to the host."""
    return [Posting(host_payable(host_id), amount), Posting(CLEARING, -amount)]


def returned(amount: Money, host_id: UUID) -> list[Posting]:
    """A pay-out that the provider could not make: owed again."""
    return [Posting(line.account, -line.amount) for line in paid_out(amount, host_id)]


class Story(msgspec.Struct, frozen=True):
    """Where a booking's money is, in one currency: captured = refunded + charged_back + paid_out + fees +
    taxes + held. What a bank takes may be more than is left: the platform bears it. `disputed`, of what is
    held, is with a bank for now."""

    captured: int
    refunded: int
    paid_out: int
    fees: int
    taxes: int
    held: int
    owed_to_guest: int
    charged_back: int = 0
    disputed: int = 0


def story(entries: Iterable[Entry], currency: str) -> Story:
    """Told by the entries alone, each movement by the accounts it touches."""
    clearing: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for each in entries:
        for posting in each.postings:
            if posting.amount.currency == currency:
                kinds = clearing if posting.account == CLEARING else others
                kinds[each.kind if kinds is clearing else posting.account] += posting.amount.amount
    held = {name: -sum_ for name, sum_ in others.items() if name.startswith(HELD_ACCOUNTS)}
    return Story(
        captured=clearing["capture"],
        refunded=-clearing["refund"] - clearing["refund_returned"] - others[OWN_BANK],
        charged_back=-clearing["chargeback"],
        paid_out=-sum(clearing[kind] for kind in OUT_TO_HOSTS),
        fees=-others[REVENUE],
        taxes=-sum(left for name, left in others.items() if name.startswith(TAX)),
        held=sum(held.values()),
        disputed=-others[DISPUTED],
        owed_to_guest=held.get(GUEST, 0),
    )


def story_holds(entries: list[Entry]) -> list[str]:
    """What is wrong with one booking's entries, in words; they are read in their order, and each moment
    counts."""
    wrong = [
        f"entry {each.id} ({each.kind}) does not sum to zero"
        for each in entries
        if any(balance(each.postings).values())
    ]
    for currency in sorted({posting.amount.currency for each in entries for posting in each.postings}):
        for count in range(1, len(entries) + 1):
            wrong += _wrong_at(story(entries[:count], currency), entries[count - 1], currency)
    return wrong


def _wrong_at(told: Story, last: Entry, currency: str) -> list[str]:
    where = f"booking {last.booking_id} after {last.kind} ({currency})"
    parts = told.refunded + told.charged_back + told.paid_out + told.fees + told.taxes + told.held
    found = {
        f"{where}: captured {told.captured}, but its parts are {parts}": parts != told.captured,
        f"{where}: refunded {told.refunded} of {told.captured}": told.refunded > told.captured,
        f"{where}: the guest is owed {told.owed_to_guest}": told.owed_to_guest < 0,
        # A change may have made less of taxes that a bank has for now.
        f"{where}: the taxes are {told.taxes}": told.taxes < -max(told.disputed, 0),
    }
    return [words for words, is_so in found.items() if is_so]

"""Taxes and exchange rates: what staff write of the first, and both as prices need them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from uuid import UUID

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Conflict, Unavailable, VersionMismatch
from hometrip.kernel.wire import Answer
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps
from hometrip.services.listing.rules import rates, texts
from hometrip.services.listing.rules.rates import Rates, read_rates
from hometrip.services.listing.rules.tax_examples import EXAMPLES
from hometrip.services.listing.rules.taxes import Area, Taxes, TaxRule, TaxTerms, checked, spot

BUNDLED = Path(rates.__file__).with_name("eurofxref.csv")


class TaxShown(TaxTerms):
    id: UUID
    version: int


class TaxList(Answer):
    items: list[TaxShown]


class TooManyTaxes(Conflict):
    """There is no room for another tax; one that is over may be deleted."""

    code = "too_many_taxes"


async def taxes_now(deps: Deps) -> Taxes:
    """The taxes that are switched on, with the rates of the day."""
    enabled = await store.taxes.every(deps.docs, enabled_only=True)
    return Taxes([rule.terms for rule in enabled], rates_now(deps)) if enabled else _NONE


_NONE = Taxes(())
# The table that was read last from a path: it stays in force while a new one is being written.
_good: dict[str, Rates] = {}


def rates_now(deps: Deps) -> Rates:
    """The rates of the table as it is now; `Unavailable` where the one that was set cannot be read."""
    path = deps.settings.exchange_rates or str(BUNDLED)
    try:
        _good[path] = _table(path, Path(path).stat().st_mtime_ns)
    except (OSError, ValueError) as unreadable:
        if path not in _good:
            raise Unavailable("The table of exchange rates cannot be read.") from unreadable
    return _good[path]


def platform_rate(deps: Deps, currency: str) -> str | None:
    """What one of the platform's currency is in another, where that is known; nobody waits for it."""
    if currency == deps.settings.platform_currency:
        return None
    with suppress(Unavailable):
        rate = rates_now(deps).rate(deps.settings.platform_currency, currency)
        return None if rate is None else rates.written(rate)
    return None


@lru_cache(maxsize=4)
def _table(path: str, _changed_ns: int) -> Rates:
    return read_rates(Path(path).read_text("utf-8"))


async def write_examples(deps: Deps) -> None:
    """Lay the shipped examples, all switched off, into a table of taxes in which nothing was written yet."""
    async with deps.docs.transaction() as tx:
        if await tx.count(store.taxes.TAX_RULES) == 0:
            now = deps.clock.now()
            rules = [TaxRule(id=deps.new_id(), terms=terms, changed_at=now) for terms in EXAMPLES]
            await tx.insert_many(store.taxes.TAX_RULES, rules)


async def list_taxes(deps: Deps) -> TaxList:
    return _list(await store.taxes.every(deps.docs))


async def add_tax(deps: Deps, caller: Caller, terms: TaxTerms) -> TaxShown:
    """`Invalid` for a rule that cannot be; `TooManyTaxes`."""
    rule = TaxRule(
        id=deps.new_id(), terms=_clean(terms), changed_at=deps.clock.now(), changed_by=caller.account_id
    )
    async with deps.docs.transaction() as tx:
        if await tx.count(store.taxes.TAX_RULES) >= store.taxes.MOST_TAXES:
            raise TooManyTaxes
        return _shown(await tx.insert(store.taxes.TAX_RULES, rule))


async def write_tax(
    deps: Deps, caller: Caller, tax_id: UUID, terms: TaxTerms, if_match: int | None
) -> TaxShown:
    terms = _clean(terms)
    async with deps.docs.transaction() as tx:
        old = await store.taxes.tax(tx, tax_id)
        if if_match not in (None, old.version):
            raise VersionMismatch(version=old.version)
        return _shown(await tx.replace(store.taxes.TAX_RULES, _changed(deps, caller, old, terms)))


async def delete_tax(deps: Deps, tax_id: UUID) -> None:
    async with deps.docs.transaction() as tx:
        await store.taxes.tax(tx, tax_id)
        await tx.delete(store.taxes.TAX_RULES, tax_id)


async def switch_taxes(deps: Deps, caller: Caller, area: Area, *, enabled: bool) -> TaxList:
    """Switch all rules of an area and of what lies in it on or off; answers them."""
    of = spot(area.country, area.region, area.city)
    async with deps.docs.transaction() as tx:
        rules = [rule for rule in await store.taxes.every(tx) if _lies_in(rule.terms.area, of)]
        for at, rule in enumerate(rules):
            if rule.terms.enabled != enabled:
                terms = msgspec.structs.replace(rule.terms, enabled=enabled)
                rules[at] = await tx.replace(store.taxes.TAX_RULES, _changed(deps, caller, rule, terms))
    return _list(rules)


def _lies_in(area: Area, around: tuple[str, str, str]) -> bool:
    here = spot(area.country, area.region, area.city)
    return all(wanted in ("", told) for wanted, told in zip(around, here, strict=True))


def _changed(deps: Deps, caller: Caller, rule: TaxRule, terms: TaxTerms) -> TaxRule:
    return msgspec.structs.replace(
        rule, terms=terms, changed_at=deps.clock.now(), changed_by=caller.account_id
    )


def _clean(terms: TaxTerms) -> TaxTerms:
    area = msgspec.structs.replace(
        terms.area, region=texts.one_line(terms.area.region), city=texts.one_line(terms.area.city)
    )
    return checked(msgspec.structs.replace(terms, area=area, label=texts.one_line(terms.label)))


def _list(rules: Iterable[TaxRule]) -> TaxList:
    return TaxList(items=[_shown(rule) for rule in rules])


def _shown(rule: TaxRule) -> TaxShown:
    fields = {name: getattr(rule.terms, name) for name in TaxTerms.__struct_fields__}
    return TaxShown(id=rule.id, version=rule.version, **fields)

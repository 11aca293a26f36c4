"""Whether what can be found still is what the listing service says."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from hometrip.kernel.stay import ONE_NIGHT
from hometrip.services.listing.contract import SearchCard
from hometrip.services.search import store
from hometrip.services.search.actions.deps import Deps
from hometrip.services.search.rules.cards import HOMES
from hometrip.services.search.store import Shown

PAGE, COMPARED_DAYS = 200, 300


async def verify(deps: Deps) -> list[str]:
    """A line for each home that is shown otherwise than it is: hidden, too long, with other nights or prices.

    The text index is looked at where this process holds it.
    """
    found: list[str] = []
    after: UUID | None = None
    while ids := await deps.listing.all_ids(after, PAGE):
        cards = {card.id: card for card in await deps.listing.search_cards(ids)}
        shown = {home.id: home for home in await store.some(deps.documents, ids)}
        today = deps.clock.now().date()
        found += [
            f"listing {home_id}: {wrong}"
            for home_id in ids
            if (wrong := difference(cards.get(home_id), shown.get(home_id), today))
        ]
        if deps.memory.filled:
            revisions = {str(home.id): home.in_index for home in shown.values() if home.card}
            behind = await deps.index.behind(HOMES.name, revisions)
            found += [f"listing {home_id}: the text index is behind" for home_id in behind]
        after = ids[-1]
    return found


def difference(card: SearchCard | None, home: Shown | None, today: date) -> str:
    """What is wrong with how a home is shown; nothing where it is right."""
    shown = home.card if home else None
    if card is None or not card.published:
        return "is shown and should not be" if shown else ""
    if shown is None:
        return "is not shown and should be"
    # A board begins with the day that it is at the home, which may be tomorrow already.
    since = max(today, card.board_from, shown.board_from)
    until = min(since + COMPARED_DAYS * ONE_NIGHT, _reaches(card), _reaches(shown))
    if _days(card, since, until) != _days(shown, since, until):
        return "other nights or prices are shown than it has"
    same = all(getattr(card, name) == getattr(shown, name) for name in _COMPARED)
    return "" if same else "is stale"


_COMPARED = ("title", "guests", "nightly", "currency", "rating", "charges")


def _reaches(card: SearchCard) -> date:
    return card.board_from + len(card.prices) * ONE_NIGHT


def _days(card: SearchCard, since: date, until: date) -> tuple[bytes, list[int], list[int]]:
    """From that day on, as far as both boards reach: that of a home which nobody touches ends some day."""
    begin, end = (max((day - card.board_from).days, 0) for day in (since, until))
    return card.taken[begin:end], card.prices[begin:end], card.min_nights[begin:end]

"""What stays at each home cost besides their nights, in columns beside those of the board."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hometrip.services.listing.contract import Charges, SearchCard

# Days, guests, or nights, of which no stay has so many.
_NEVER = 1_000_000
# No area of a tax has it.
NOWHERE = ("", "", "")

MONEY = ("extra_guest", "pet", "cleaning")
SHARES = ("weekly_bp", "monthly_bp", "policy_bp", "early_bp", "late_bp")
OTHERS = ("early_days", "late_days", "included", "surely", "known_until", "zone", "spot")


class Charged:
    """By row: `charged.of("cleaning", rows)`. What no home ever had need not be looked at."""

    def __init__(self) -> None:
        self.spots = [NOWHERE]
        self.all_known_until = 1 << 30  # no price of a night before this day is unknown, as an ordinal
        self.all_surely = _NEVER  # stays of so many nights are nowhere too long
        self._numbers = {NOWHERE: 0}
        self._columns: dict[str, NDArray[Any]] = {}
        self._had: set[str] = set()
        self.grow(0)

    def grow(self, room: int) -> None:
        for names, kind in ((MONEY, np.int64), (SHARES, np.int32), (OTHERS, np.int32)):
            for name in names:
                longer = np.zeros(room, kind)
                if (old := self._columns.get(name)) is not None:
                    longer[: len(old)] = old
                self._columns[name] = longer

    def put(self, row: int, card: SearchCard, zone: int) -> None:
        """`zone` is the number of the home's time zone on the board. Of a card without charges nothing is
        known to be sure."""
        values = dict.fromkeys(self._columns, 0)
        if card.charges is not None:
            values |= _values(card.charges) | {"zone": zone, "spot": self._spot(card.charges.spot)}
            values["known_until"] = card.board_from.toordinal() + len(card.prices)
            if values["surely"] < card.rules.max_nights:
                self.all_surely = min(self.all_surely, values["surely"])
        self.all_known_until = min(self.all_known_until, values["known_until"])
        for name, value in values.items():
            self._columns[name][row] = value
        self._had.update(name for name in (*MONEY, *SHARES) if values[name])

    def has(self, *names: str) -> bool:
        """Did any home ever have one of these?"""
        return not self._had.isdisjoint(names)

    def of(self, name: str, rows: NDArray[np.intp]) -> NDArray[Any]:
        return self._columns[name].take(rows)

    def _spot(self, spot: tuple[str, str, str]) -> int:
        if spot not in self._numbers:
            self.spots.append(spot)
        return self._numbers.setdefault(spot, len(self._numbers))


def _values(charges: Charges) -> dict[str, int]:
    early_days, early_bp = charges.early or (_NEVER, 0)
    late_days, late_bp = charges.late or (-_NEVER, 0)
    return {
        "extra_guest": charges.extra_guest,
        "pet": charges.pet,
        "cleaning": charges.cleaning,
        "weekly_bp": charges.weekly_bp,
        "monthly_bp": charges.monthly_bp,
        "policy_bp": charges.policy_bp,
        "early_days": early_days,
        "early_bp": early_bp,
        "late_days": late_days,
        "late_bp": late_bp,
        "included": _NEVER if charges.included is None else charges.included,
        "surely": charges.surely_nights,
    }

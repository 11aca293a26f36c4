"""Money, days and counts as the reader writes them. Babel is loaded by the first mail, not by the start."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from hometrip.kernel import texts
from hometrip.kernel.errors import Invalid
from hometrip.kernel.money import Money, digits_of
from hometrip.kernel.stay import zone_of
from hometrip.services.notification.rules.kinds import LOCALES

if TYPE_CHECKING:
    from babel import Locale


class Formats(NamedTuple):
    """How one reader writes: `language` is one that there are words in, `locale` may be of a country."""

    language: str
    locale: Locale
    zone: ZoneInfo

    def money(self, amount: Money) -> str:
        from babel.numbers import format_currency

        units = Decimal(amount.amount).scaleb(-digits_of(amount.currency))
        return format_currency(units, amount.currency, locale=self.locale)

    def day(self, day: date) -> str:
        """`Wednesday, June 16, 2027`"""
        from babel.dates import format_date

        return format_date(day, "full", locale=self.locale)

    def days(self, first: date, last: date) -> str:
        """`Jun 16 – 20, 2027`"""
        from babel.dates import format_interval

        return format_interval(first, last, "yMMMd", locale=self.locale)

    def clock_time(self, shown: str) -> str:
        """`15:00` as `3:00 PM`"""
        from babel.dates import format_time

        return format_time(time.fromisoformat(shown), "short", locale=self.locale)

    def instant(self, at: datetime) -> str:
        """On the reader's own clock: `April 14, 2027, 11:00 AM (Central European Summer Time)`"""
        from babel.dates import format_date, format_time, get_timezone_name

        here = at.astimezone(self.zone)
        day = format_date(here, "long", locale=self.locale)
        shown = format_time(here, "short", tzinfo=self.zone, locale=self.locale)
        return f"{day}, {shown} ({get_timezone_name(here, locale=self.locale)})"

    def counted(self, forms: Mapping[str, str], n: int) -> str:
        """The form of the words that goes with the number, by the language's own rule of plurals."""
        return forms.get(self.locale.plural_form(n), forms["other"]).format(n=n)


@lru_cache(maxsize=256)
def formats(locale: str, time_zone: str = "UTC") -> Formats:
    """For what an account says of itself; what is not known reads as English, in UTC."""
    from babel import Locale, UnknownLocaleError

    language = locale[:2].lower()
    if language not in LOCALES:
        language, locale = "en", "en"
    try:
        known = Locale.parse(locale.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        known = Locale(language)
    try:
        zone = zone_of(time_zone)
    except Invalid:
        zone = zone_of("UTC")
    return Formats(language, known, zone)


def one_line(text: str, most: int = 200) -> str:
    """Somebody else's words within ours: no line break, nothing that is not seen, not too long."""
    plain = texts.one_line(text)
    return plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"

"""What is decided about profiles and settings from values alone."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import available_timezones

from msgspec import Meta, field

from hometrip.kernel.contacts import without_contacts
from hometrip.kernel.errors import FieldError, Invalid
from hometrip.kernel.money import CURRENCIES
from hometrip.kernel.record import Frozen
from hometrip.kernel.texts import one_line, visible
from hometrip.kernel.wire import Request

Language = Literal["en", "fr", "es", "de"]
Channel = Literal["email", "sms", "push", "in_app"]
Theme = Literal["system", "light", "dark"]
Kind = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]
Muting = Annotated[dict[Kind, dict[Channel, bool]], Meta(max_length=100)]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
LanguageTag = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$")]

LONGEST_NAME = 100


class QuietHours(Frozen):
    """Local times between which only what is urgent is sent; the end may be on the next morning."""

    on: bool = True
    since: TimeOfDay = field(name="from", default="22:00")
    until: TimeOfDay = field(name="to", default="08:00")


class Wishes(Frozen):
    """How an account wants to be spoken to. `notifications` holds what differs from yes, or says so."""

    language: str = "en"
    currency: str = "EUR"
    theme: str = "system"
    time_zone: str = "UTC"
    notifications: dict[str, dict[str, bool]] = {}
    quiet_hours: QuietHours = QuietHours()


class ProfileEdit(Request):
    """Everything of a profile that its owner writes."""

    display_name: Annotated[str, Meta(min_length=1, max_length=200)]
    bio: Annotated[str, Meta(max_length=2000)] = ""
    hometown: Annotated[str, Meta(max_length=100)] = ""
    languages: Annotated[list[LanguageTag], Meta(max_length=20)] = []


class QuietHoursEdit(Request):
    on: bool
    since: TimeOfDay = field(name="from")
    until: TimeOfDay = field(name="to")


class SettingsEdit(Request):
    """All settings of an account."""

    language: Language
    currency: Annotated[str, Meta(min_length=3, max_length=3)]
    theme: Theme
    time_zone: Annotated[str, Meta(max_length=64)]
    notifications: Muting
    quiet_hours: QuietHoursEdit


def wishes_of(edit: SettingsEdit) -> Wishes:
    """The settings as they are kept; `Invalid` names every field that cannot be."""
    wrong = []
    if edit.currency not in CURRENCIES:
        wrong.append(FieldError("currency", "unknown_currency", "not a currency of ISO 4217"))
    if edit.time_zone not in time_zones():
        wrong.append(FieldError("time_zone", "unknown_time_zone", "not a time zone of the IANA database"))
    if wrong:
        raise Invalid.fields(wrong)
    quiet = edit.quiet_hours
    return Wishes(
        language=edit.language,
        currency=edit.currency,
        theme=edit.theme,
        time_zone=edit.time_zone,
        notifications={
            kind: {str(channel): wanted for channel, wanted in channels.items()}
            for kind, channels in edit.notifications.items()
        },
        quiet_hours=QuietHours(on=quiet.on, since=quiet.since, until=quiet.until),
    )


@cache
def time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def muted(wishes: Wishes) -> list[str]:
    """`kind:channel` of everything that is not wanted."""
    return sorted(
        f"{kind}:{channel}"
        for kind, channels in wishes.notifications.items()
        for channel, wanted in channels.items()
        if not wanted
    )


def display_name(given: str) -> str:
    """The name on one line, without what cannot be seen; as at sign-up, no way past the marketplace."""
    name = one_line(given)
    if not name or len(name) > LONGEST_NAME:
        raise Invalid.field("display_name", "bad_name", f"a name has 1 to {LONGEST_NAME} characters")
    if without_contacts(name) != name:
        raise Invalid.field("display_name", "contact", "must hold no e-mail address, phone number or link")
    return name


def first_name(display_name: str) -> str:
    """What others see of a name."""
    return display_name.split()[0]


def paragraphs(given: str) -> str:
    """A text as it was written, without what cannot be seen and blank ends."""
    return visible(given).strip()


def since(account_id: UUID) -> datetime:
    """When the account was made: a version 7 id begins with its milliseconds."""
    return datetime.fromtimestamp((account_id.int >> 80) / 1000, UTC)

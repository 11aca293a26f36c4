"""What the actions of notification stand on."""

from __future__ import annotations

from dataclasses import dataclass

from hometrip.kernel.clock import Clock
from hometrip.kernel.ids import NewId
from hometrip.kernel.service import Settings
from hometrip.ports.courier import Courier
from hometrip.ports.documents import Documents
from hometrip.services.auth.contract import AuthQuestions
from hometrip.services.listing.contract import ListingQuestions
from hometrip.services.user.contract import UserQuestions


class NotificationSettings(Settings, frozen=True):
    """`public_url` is where the pages are, for the links in mails."""

    public_url: str = "http://127.0.0.1:3001"


@dataclass(frozen=True)
class Deps:
    db: Documents
    clock: Clock
    new_id: NewId
    courier: Courier
    settings: NotificationSettings
    auth: AuthQuestions
    user: UserQuestions
    listing: ListingQuestions

"""What auth stands on, and what can be set about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hometrip.kernel.clock import Clock
from hometrip.kernel.ids import NewId
from hometrip.kernel.service import Settings
from hometrip.ports.cache import Cache
from hometrip.ports.database import Database
from hometrip.ports.secrets import Secrets


class AuthSettings(Settings, frozen=True, kw_only=True):
    """Lives in seconds; guesses are failed attempts within `guess_seconds`, mails within an hour."""

    access_seconds: int = 7 * 24 * 3600
    refresh_seconds: int = 30 * 24 * 3600
    verify_seconds: int = 3 * 24 * 3600
    reset_seconds: int = 3600
    guesses_per_account: int = 10
    guesses_per_address: int = 100
    guess_seconds: int = 3600
    mails_per_address: int = 10


@dataclass(frozen=True)
class Deps:
    db: Database
    cache: Cache
    clock: Clock
    new_id: NewId
    secrets: Secrets
    settings: AuthSettings

    def now(self) -> datetime:
        return self.clock.now()

    @property
    def access_life(self) -> timedelta:
        return timedelta(seconds=self.settings.access_seconds)

    @property
    def refresh_life(self) -> timedelta:
        return timedelta(seconds=self.settings.refresh_seconds)

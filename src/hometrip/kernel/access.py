"""Who is calling, and who may: the words that routes and actions use."""

from __future__ import annotations

from enum import Enum
from uuid import UUID

import msgspec

from hometrip.kernel.errors import Forbidden, NotFound, Unauthenticated

STAFF_ROLES = frozenset({"support", "moderator", "admin"})


class Access(Enum):
    """What a route demands at the door; whose record it is, the action decides (404 to strangers)."""

    PUBLIC = "public"
    USER = "user"
    STAFF = "staff"
    ADMIN = "admin"
    SERVICE = "service"


PUBLIC, USER, STAFF, ADMIN, SERVICE = Access


class Caller(msgspec.Struct, frozen=True):
    """Who sent the request. An anonymous caller has no `account_id`; a service has its name in `service`."""

    account_id: UUID | None = None
    session_id: UUID | None = None
    roles: frozenset[str] = frozenset()
    service: str = ""
    address: str = ""
    user_agent: str = ""
    locale: str = "en"

    @property
    def id(self) -> UUID:
        """The account; `Unauthenticated` for anyone without one."""
        if self.account_id is None:
            raise Unauthenticated
        return self.account_id

    @property
    def session(self) -> UUID:
        if self.session_id is None:
            raise Unauthenticated
        return self.session_id

    @property
    def is_staff(self) -> bool:
        return bool(self.roles & STAFF_ROLES)

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    def one_of(self, *accounts: UUID) -> bool:
        """Is the caller one of these accounts, or staff?"""
        return self.account_id in accounts or self.is_staff

    def must_be_one_of(self, *accounts: UUID) -> None:
        """A stranger learns nothing: `NotFound`."""
        if not self.one_of(*accounts):
            raise NotFound

    def must_be(self, account: UUID, *seen_by: UUID) -> None:
        """Nobody else may do this: `Forbidden` to those who see it (staff too), `NotFound` to strangers."""
        if self.account_id != account:
            self.must_be_one_of(*seen_by)
            raise Forbidden

    def must_be_none_of(self, *accounts: UUID) -> None:
        """Staff do not decide of what is their own: `Forbidden`."""
        if self.account_id in accounts:
            raise Forbidden

    def admit(self, access: Access) -> None:
        """`Unauthenticated` or `Forbidden` where the route's demand is not met."""
        if access is PUBLIC:
            return
        if access is SERVICE:
            if not self.service:
                raise (Forbidden if self.account_id else Unauthenticated)
            return
        if self.account_id is None:
            raise Unauthenticated
        if (access is STAFF and not self.is_staff) or (access is ADMIN and not self.is_admin):
            raise Forbidden

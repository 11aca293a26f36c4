"""What others may know of accounts and sessions: events, errors, and the questions that auth answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from hometrip.kernel.errors import Conflict, Forbidden, Invalid, TooMany, Unauthenticated
from hometrip.kernel.events import Event
from hometrip.kernel.wire import Answer

# The claims and the header of every access token.
ISSUER = AUDIENCE = "hometrip"
ALGORITHM = "EdDSA"

# Where the 16 bytes of a revoked session's id are announced.
REVOKED_CHANNEL = "sessions:revoked"

VERIFY_EMAIL, RESET_PASSWORD = "verify_email", "reset_password"


class AccountEvent(Event):
    about = ("user", "user_id")

    user_id: UUID


class UserCreated(AccountEvent):
    """An account signed up; its address is not verified yet. `verified` is True for seeded accounts."""

    name = "user.created"

    display_name: str
    locale: str
    verified: bool = False


class UserVerified(AccountEvent):
    """The address is its owner's. Name and language are those of the sign-up that was verified."""

    name = "user.verified"

    display_name: str = ""
    locale: str = ""


class VerificationRequested(AccountEvent):
    """A new verification mail is wanted."""

    name = "user.verification_requested"


class SignupRepeated(AccountEvent):
    """Somebody signed up with the address of this account: its owner is told, nobody else."""

    name = "user.signup_repeated"


class PasswordResetRequested(AccountEvent):
    name = "user.password_reset_requested"

    request_id: UUID


class UserLoggedIn(AccountEvent):
    name = "user.logged_in"

    session_id: UUID


class UserLoggedOut(AccountEvent):
    name = "user.logged_out"

    session_id: UUID


class UserPasswordChanged(AccountEvent):
    name = "user.password_changed"


class UserNewDevice(AccountEvent):
    """A login from a device that this account was not seen on before."""

    name = "user.new_device"

    session_id: UUID
    device: str
    at: datetime


class SessionRevoked(AccountEvent):
    name = "session.revoked"

    session_id: UUID


class BadCredentials(Unauthenticated):
    """The e-mail address or the password is not right."""

    code = "bad_credentials"


class BadToken(Unauthenticated):
    """This token is not valid, was used before, or has expired."""

    code = "bad_token"


class NotVerified(Forbidden):
    """The e-mail address of this account is not verified yet; a new mail can be asked for."""

    code = "email_not_verified"


class AccountClosed(Forbidden):
    """This account is suspended or banned."""

    code = "account_closed"


class WeakPassword(Invalid):
    """The password is too short, too long or too common."""

    code = "weak_password"


class AddressTaken(Conflict):
    """There is an account with this e-mail address."""

    code = "address_taken"


class AccountLocked(TooMany):
    """Too many failed attempts; `retry_after` seconds from now another may be made."""

    code = "account_locked"


class WrongPassword(Conflict):
    """The present password is not right."""

    code = "wrong_password"


class Address(Answer):
    """Where and how to reach an account's owner."""

    user_id: UUID
    email: str
    display_name: str
    locale: str
    verified: bool


class AuthQuestions(Protocol):
    async def addresses(self, user_ids: list[UUID]) -> list[Address]:
        """Of those that exist; accounts that are closed too."""

    async def account_of(self, email: str) -> UUID | None:
        """Of the open account whose verified address this is; `Invalid` where it is no address."""

    async def helpers(self) -> list[UUID]:
        """The accounts of support and admins, of those that are open: who is told what staff are to do."""

    async def mail_token(self, user_id: UUID, purpose: str, request_id: UUID | None) -> str:
        """The token for a link in a mail, never to be stored in an event or a log; `NotFound` where it would
        be of no use (any more). `purpose` is `VERIFY_EMAIL`, or `RESET_PASSWORD` with its `request_id`.
        """

    async def public_keys(self) -> dict[str, Any]:
        """The JWKS with which access tokens are verified."""

    async def revoked_sessions(self, since: datetime) -> list[UUID]:
        """Sessions that were revoked after `since`."""

"""Accounts: how they come to be, are verified, and change their passwords."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import NotFound
from hometrip.kernel.wire import Answer
from hometrip.ports.database import Tx
from hometrip.services.auth.actions import guessing, passwords, sessions
from hometrip.services.auth.actions.deps import Deps
from hometrip.services.auth.actions.sessions import Tokens
from hometrip.services.auth.contract import (
    RESET_PASSWORD,
    VERIFY_EMAIL,
    Address,
    AddressTaken,
    BadToken,
    PasswordResetRequested,
    SignupRepeated,
    UserCreated,
    UserPasswordChanged,
    UserVerified,
    VerificationRequested,
    WrongPassword,
)
from hometrip.services.auth.rules import emails, mail_tokens, names
from hometrip.services.auth.rules import passwords as password_rules
from hometrip.services.auth.rules.mail_tokens import MailToken
from hometrip.services.auth.store import accounts as store
from hometrip.services.auth.store import mail as mail_store
from hometrip.services.auth.store.accounts import Account

# Of staff, those who do what guests and hosts are owed; moderators look after homes and reviews.
HELPERS = frozenset({"support", "admin"})


class Me(Answer):
    """`status` is active; `factors` are the second factors that are on."""

    id: UUID
    email: str
    name: str
    status: str
    roles: list[str]
    locale: str
    factors: list[str]
    created_at: datetime


async def sign_up(deps: Deps, *, email: str, password: str, name: str, locale: str) -> None:
    """An account that waits for its address to be verified. Whether there was one cannot be told from here.

    The owner of a verified account is written to; a sign-up that was never verified is replaced by this one,
    so that a stranger who was there first with another password gains nothing from the owner's verification.
    """
    address = emails.normalised(email)
    called, language = names.display_name(name), names.locale(locale)
    password_rules.check(password, address.partition("@")[0], address, called)
    hashed = await passwords.hashed(password)
    account = Account(
        id=deps.new_id(),
        email=address,
        email_key=emails.key(address),
        name=called,
        locale=language,
        password_hash=hashed,
        roles=[],
        status="active",
        verified_at=None,
        created_at=deps.now(),
    )
    may_mail = await guessing.may_mail(deps, account.email_key)
    async with deps.db.read() as reader:
        known = await store.by_email(reader, account.email_key)
    if known is None:
        # Two at once: the unique index refuses the second, which goes on like one that comes later.
        with contextlib.suppress(AddressTaken):
            await _create(deps, account)
            return
    async with deps.db.transaction() as tx:
        await _sign_up_again(tx, account, may_mail=may_mail)


async def _sign_up_again(tx: Tx, wanted: Account, *, may_mail: bool) -> None:
    again = await store.sign_up_again(
        tx, wanted.email_key, password_hash=wanted.password_hash, name=wanted.name, locale=wanted.locale
    )
    known = await store.by_email(tx, wanted.email_key)
    if known is not None and may_mail:
        await tx.emit((VerificationRequested if again else SignupRepeated)(user_id=known.id))


async def _create(deps: Deps, account: Account) -> None:
    async with deps.db.transaction() as tx:
        await store.add(tx, account)
        created = UserCreated(
            user_id=account.id,
            display_name=account.name,
            locale=account.locale,
            verified=account.verified_at is not None,
        )
        await tx.emit(created)


async def create_account(
    deps: Deps,
    *,
    email: str,
    password: str | None,
    name: str,
    locale: str,
    roles: list[str],
    verified: bool,
) -> UUID:
    """An account made by the house itself; nobody can sign in to one without a password.

    Raises `AddressTaken` where there is one with this address.
    """
    address, now = emails.normalised(email), deps.now()
    account = Account(
        id=deps.new_id(),
        email=address,
        email_key=emails.key(address),
        name=names.display_name(name),
        locale=names.locale(locale),
        password_hash=await passwords.hashed(password) if password is not None else None,
        roles=sorted(roles),
        status="active",
        verified_at=now if verified else None,
        created_at=now,
    )
    await _create(deps, account)
    return account.id


async def account_id(deps: Deps, email: str) -> UUID | None:
    """Of the account with this address, if there is one."""
    async with deps.db.read() as reader:
        account = await store.by_email(reader, emails.key(emails.normalised(email)))
    return account.id if account else None


async def account_of(deps: Deps, email: str) -> UUID | None:
    async with deps.db.read() as reader:
        account = await store.by_email(reader, emails.key(emails.normalised(email)))
    usable = account is not None and account.status == "active" and account.verified_at is not None
    return account.id if account and usable else None


async def any_account(deps: Deps) -> bool:
    """Has anybody an account here yet?"""
    async with deps.db.read() as reader:
        return await store.any_at_all(reader)


async def verify_email(deps: Deps, caller: Caller, token: str) -> Tokens:
    """The address is its owner's: the account may be used, and its first session begins.

    Raises `BadToken` for a token that is over, was used, or belongs to an earlier sign-up.
    """
    opened = mail_tokens.opened(_mail_secret(deps), token, VERIFY_EMAIL, deps.now())
    async with deps.db.transaction() as tx:
        account = await store.held(tx, opened.account_id)
        if account is None or opened.state != mail_tokens.sign_up_state(account.password_hash or ""):
            raise BadToken
        sessions.must_be_open(account)
        if not await _verify(deps, tx, account):
            raise BadToken
        return await sessions.open_session(deps, tx, account, caller)


async def _verify(deps: Deps, tx: Tx, account: Account) -> bool:
    first = await store.verify(tx, account.id, deps.now())
    if first:
        await tx.emit(UserVerified(user_id=account.id, display_name=account.name, locale=account.locale))
    return first


async def resend_verification(deps: Deps, email: str) -> None:
    """Another mail, if there is an account here that waits for it. The answer does not tell."""
    account, request_id = await _mail_wanted(deps, email), deps.new_id()
    waits = account is not None and account.verified_at is None
    async with deps.db.transaction() as tx:
        life = timedelta(seconds=deps.settings.verify_seconds)
        found = account.id if account and waits else None
        await mail_store.ask(tx, request_id, found, VERIFY_EMAIL, deps.now(), life)
        if found:
            await tx.emit(VerificationRequested(user_id=found))


async def forgot_password(deps: Deps, email: str) -> None:
    """A mail with a link to a new password, if there is an account here. The answer does not tell."""
    account, request_id = await _mail_wanted(deps, email), deps.new_id()
    async with deps.db.transaction() as tx:
        life = timedelta(seconds=deps.settings.reset_seconds)
        found = account.id if account else None
        await mail_store.ask(tx, request_id, found, RESET_PASSWORD, deps.now(), life)
        if found:
            await tx.emit(PasswordResetRequested(user_id=found, request_id=request_id))


async def _mail_wanted(deps: Deps, email: str) -> Account | None:
    """Whom to write to: nobody where there is no account, or it has been written to too often."""
    key = emails.key(emails.normalised(email))
    may_mail = await guessing.may_mail(deps, key)
    async with deps.db.read() as reader:
        account = await store.by_email(reader, key)
    return account if may_mail and account and account.status == "active" else None


async def reset_password(deps: Deps, token: str, password: str) -> None:
    """A new password for who can read the account's mail. Ends every session; the link works once.

    It verifies the address, too. Raises `BadToken`, `WeakPassword` (the link can be used again then).
    """
    opened = mail_tokens.opened(_mail_secret(deps), token, RESET_PASSWORD, deps.now())
    async with deps.db.read() as reader:
        account = await store.get(reader, opened.account_id)
    if account is None:
        raise BadToken
    sessions.must_be_open(account)
    _check(password, account)
    hashed = await passwords.hashed(password)
    async with deps.db.transaction() as tx:
        if not await mail_store.use(tx, UUID(bytes=opened.state), account.id, deps.now()):
            raise BadToken
        await _set_password(deps, tx, account, hashed)
        await _verify(deps, tx, account)
        ended = await sessions.revoke_all(deps, tx, account.id)
    await guessing.forgive(deps, account.email_key)
    await sessions.announce(deps, ended)


async def change_password(deps: Deps, caller: Caller, old: str, new: str) -> None:
    """Another password for who knows the present one; ends the other sessions.

    Raises `WrongPassword`, `WeakPassword`, `AccountLocked`.
    """
    async with deps.db.read() as reader:
        account = await sessions.alive(reader, caller)
    _check(new, account)
    right, _ = await guessing.try_password(deps, caller, f"change {account.id}", old, account.password_hash)
    if not right:
        raise WrongPassword
    hashed = await passwords.hashed(new)
    async with deps.db.transaction() as tx:
        now = await sessions.alive(tx, caller)
        if now.password_hash != account.password_hash:
            raise WrongPassword
        await _set_password(deps, tx, account, hashed)
        ended = await sessions.revoke_all(deps, tx, account.id, but=caller.session)
    await sessions.announce(deps, ended)


async def _set_password(deps: Deps, tx: Tx, account: Account, hashed: str) -> None:
    await store.change(tx, account.id, password_hash=hashed)
    await mail_store.close(tx, account.id, RESET_PASSWORD, deps.now())
    await tx.emit(UserPasswordChanged(user_id=account.id))


def _check(password: str, account: Account) -> None:
    password_rules.check(password, account.email.partition("@")[0], account.email, account.name)


async def me(deps: Deps, caller: Caller) -> Me:
    account = await sessions.seen(deps, caller)
    return Me(
        id=account.id,
        email=account.email,
        name=account.name,
        status=account.status,
        roles=account.roles,
        locale=account.locale,
        factors=[],
        created_at=account.created_at,
    )


async def addresses(deps: Deps, user_ids: list[UUID]) -> list[Address]:
    async with deps.db.read() as reader:
        found = await store.get_many(reader, user_ids)
    return [
        Address(
            user_id=account.id,
            email=account.email,
            display_name=account.name,
            locale=account.locale,
            verified=account.verified_at is not None,
        )
        for account in found
    ]


async def helpers(deps: Deps) -> list[UUID]:
    async with deps.db.read() as reader:
        found = await store.with_roles(reader)
    return [one.id for one in found if one.status == "active" and not HELPERS.isdisjoint(one.roles)]


async def mail_token(deps: Deps, user_id: UUID, purpose: str, request_id: UUID | None) -> str:
    now = deps.now()
    async with deps.db.read() as reader:
        account = await store.get(reader, user_id)
        until = None
        if request_id is not None:
            until = await mail_store.open_until(reader, request_id, user_id, purpose)
    if account is None or purpose not in mail_tokens.PURPOSES:
        raise NotFound
    if purpose == VERIFY_EMAIL:
        until = now + timedelta(seconds=deps.settings.verify_seconds)
        state = mail_tokens.sign_up_state(account.password_hash or "")
    else:
        state = request_id.bytes if request_id else bytes(16)
    # A request that is over gets a link that is over: the mail about it may be late.
    return mail_tokens.sealed(_mail_secret(deps), MailToken(purpose, user_id, until or now, state))


def _mail_secret(deps: Deps) -> bytes:
    return deps.secrets.secret("mail-tokens")

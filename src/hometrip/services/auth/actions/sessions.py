"""Sessions: opened by a login, carried on by refresh tokens, ended by logout, revocation or theft."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, MINUTE
from hometrip.kernel.errors import NotFound, Unauthenticated, Unavailable
from hometrip.kernel.page import Page
from hometrip.kernel.wire import Answer
from hometrip.ports.database import Reader, Tx
from hometrip.services.auth.actions import guessing, keys
from hometrip.services.auth.actions.deps import Deps
from hometrip.services.auth.contract import (
    REVOKED_CHANNEL,
    AccountClosed,
    BadCredentials,
    BadToken,
    NotVerified,
    SessionRevoked,
    UserLoggedIn,
    UserLoggedOut,
    UserNewDevice,
)
from hometrip.services.auth.rules import devices, emails, refresh_tokens
from hometrip.services.auth.rules.refresh_tokens import Kept, Use
from hometrip.services.auth.store import accounts as account_store
from hometrip.services.auth.store import sessions as store
from hometrip.services.auth.store.accounts import Account
from hometrip.services.auth.store.sessions import Session

# Ended sessions are kept so long: access tokens of theirs may still be about, and stolen ones be shown.
KEEP_ENDED = 30 * DAY
# "Last seen" is written at most so often.
SEEN_EVERY = MINUTE
# Whose devices are looked for where there is no account: the same work, and none are found.
NOBODY = UUID(int=0)


class Tokens(Answer):
    """`expires_in` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int


class SessionShown(Answer):
    """`device` as its owner would call it; `current` marks the session that asks."""

    id: UUID
    device: str
    address: str
    created_at: datetime
    last_seen: datetime
    current: bool


async def login(deps: Deps, caller: Caller, email: str, password: str) -> Tokens:
    """Tokens of a new session. Costs one hash whether or not the account exists.

    Raises `BadCredentials` alike for an unknown address and a wrong password, `AccountLocked`, and for the
    right password `AccountClosed` or `NotVerified`.
    """
    key = emails.key(emails.normalised(email))
    place = devices.place_mark(caller.user_agent, caller.address)
    async with deps.db.read() as reader:
        account = await account_store.by_email(reader, key)
        marks = await store.known_marks(reader, account.id if account else NOBODY)
    right, newer = await guessing.try_password(
        deps,
        caller,
        key,
        password,
        account.password_hash if account else None,
        device=place if place in marks else None,
    )
    if not right or account is None:
        raise BadCredentials
    async with deps.db.transaction() as tx:
        account = await _still(tx, account)
        if newer:
            await account_store.change(tx, account.id, password_hash=newer)
        return await open_session(deps, tx, account, caller)


async def _still(tx: Tx, verified: Account) -> Account:
    """The account as it is now, if the password that was just verified is still its own."""
    account = await account_store.held(tx, verified.id)
    if account is None or account.password_hash != verified.password_hash:
        raise BadCredentials
    must_be_open(account)
    if account.verified_at is None:
        raise NotVerified
    return account


def must_be_open(account: Account) -> None:
    if account.status != "active":
        raise AccountClosed


async def open_session(deps: Deps, tx: Tx, account: Account, caller: Caller) -> Tokens:
    """A session with its first tokens, and word of it; a device that was not seen before is told of."""
    now = deps.now()
    session = Session(
        id=deps.new_id(),
        account_id=account.id,
        device=devices.describe(caller.user_agent),
        address=caller.address[:64],
        newest=1,
        created_at=now,
        last_seen_at=now,
        expires_at=now + deps.refresh_life,
    )
    await store.forget(tx, now - KEEP_ENDED)
    await store.add(tx, session)
    family = devices.family_mark(caller.user_agent)
    known = await store.known_marks(tx, account.id)
    place = devices.place_mark(caller.user_agent, caller.address)
    await store.remember_marks(tx, account.id, [family, place], now)
    await tx.emit(UserLoggedIn(user_id=account.id, session_id=session.id))
    if known and family not in known:
        await tx.emit(UserNewDevice(user_id=account.id, session_id=session.id, device=session.device, at=now))
    chance = secrets.token_bytes(32)
    fingerprint = refresh_tokens.fingerprint(chance)
    await store.add_token(tx, fingerprint, session.id, session.newest, now, session.expires_at)
    return await _tokens(deps, tx, account, session, chance)


async def _tokens(deps: Deps, reader: Reader, account: Account, session: Session, chance: bytes) -> Tokens:
    now, life = deps.now(), deps.settings.access_seconds
    key = await keys.signing_key(deps, reader)
    return Tokens(
        access_token=key.access_token(account, session, now, now + timedelta(seconds=life)),
        refresh_token=refresh_tokens.token_of(chance),
        token_type="Bearer",
        expires_in=life,
    )


async def refresh(deps: Deps, caller: Caller, refresh_token: str) -> Tokens:
    """New tokens for the newest refresh token; for ten seconds the one before it gets the same again.

    Any other use of a used token revokes its session: somebody has a copy. Raises `BadToken`,
    `AccountClosed`.
    """
    chance = refresh_tokens.raw(refresh_token)
    fingerprint = refresh_tokens.fingerprint(chance)
    now, fresh = deps.now(), secrets.token_bytes(32)
    async with deps.db.transaction() as tx:
        kept = await store.token(tx, fingerprint)
        if kept is None or kept.revoked_at is not None:
            raise BadToken
        use = refresh_tokens.judge(Kept(kept.number, kept.newest, kept.used_at, kept.expires_at), now)
        if use is Use.EXPIRED:
            raise BadToken
        if use is not Use.STOLEN:
            if use is Use.ROTATE:
                await _rotate(deps, tx, kept, chance, fresh, caller)
            else:
                fresh = refresh_tokens.locked(bytes(kept.successor), chance)
            account, session = await _owner(tx, kept.session_id)
            return await _tokens(deps, tx, account, session, fresh)
        await _revoke(tx, kept.account_id, [kept.session_id], now)
    await announce(deps, [kept.session_id])
    raise BadToken


async def _rotate(deps: Deps, tx: Tx, kept: Any, chance: bytes, fresh: bytes, caller: Caller) -> None:
    now, number = deps.now(), kept.number + 1
    expires_at = now + deps.refresh_life
    successor = refresh_tokens.locked(fresh, chance)
    await store.use_token(tx, bytes(kept.fingerprint), now, successor)
    fingerprint = refresh_tokens.fingerprint(fresh)
    await store.add_token(tx, fingerprint, kept.session_id, number, now, expires_at)
    await store.change(
        tx,
        kept.session_id,
        newest=number,
        last_seen_at=now,
        expires_at=expires_at,
        address=caller.address[:64],
    )


async def _owner(tx: Tx, session_id: UUID) -> tuple[Account, Session]:
    session = await store.session(tx, session_id)
    account = await account_store.get(tx, session.account_id) if session else None
    if session is None or account is None:
        raise BadToken
    must_be_open(account)
    return account, session


async def logout(deps: Deps, caller: Caller) -> None:
    await _end(deps, caller.id, [caller.session], logged_out=caller.session)


async def logout_all(deps: Deps, caller: Caller) -> None:
    async with deps.db.read() as reader:
        living = await store.living(reader, caller.id, deps.now())
    await _end(deps, caller.id, [one.id for one in living], logged_out=caller.session)


async def end_session(deps: Deps, caller: Caller, session_id: UUID) -> None:
    """`NotFound` unless it is a living session of the caller's account."""
    async with deps.db.read() as reader:
        living = await store.living(reader, caller.id, deps.now())
    if session_id not in {one.id for one in living}:
        raise NotFound
    await _end(deps, caller.id, [session_id])


async def _end(deps: Deps, account_id: UUID, ids: list[UUID], logged_out: UUID | None = None) -> None:
    async with deps.db.transaction() as tx:
        ended = await _revoke(tx, account_id, ids, deps.now())
        if logged_out in ended:
            await tx.emit(UserLoggedOut(user_id=account_id, session_id=logged_out))
    await announce(deps, ended)


async def _revoke(tx: Tx, account_id: UUID, ids: Iterable[UUID], now: datetime) -> list[UUID]:
    """Those of the sessions that were alive, each with word of its end."""
    ended = [session_id for session_id in ids if await store.revoke(tx, session_id, now)]
    for session_id in ended:
        await tx.emit(SessionRevoked(user_id=account_id, session_id=session_id))
    return ended


async def revoke_all(deps: Deps, tx: Tx, account_id: UUID, *, but: UUID | None = None) -> list[UUID]:
    """End every session of an account but one; give what it answers to `announce` after the commit."""
    living = await store.living(tx, account_id, deps.now())
    return await _revoke(tx, account_id, [one.id for one in living if one.id != but], deps.now())


async def announce(deps: Deps, ids: Iterable[UUID]) -> None:
    """Tell every process at once; whoever misses it asks `revoked_sessions` within seconds."""
    with suppress(Unavailable):  # the sessions have ended all the same
        for session_id in ids:
            await deps.cache.announce(REVOKED_CHANNEL, session_id.bytes)


async def alive(reader: Reader, caller: Caller) -> Account:
    """The caller's account, if the session is still alive here, where it is known first.

    In a transaction nobody else changes the account until that ends.
    """
    account = await account_store.held(reader, caller.id)
    session = await store.session(reader, caller.session)
    if session is None or session.revoked_at is not None or account is None:
        raise Unauthenticated("this session has ended")
    return account


async def list_sessions(deps: Deps, caller: Caller) -> Page[SessionShown]:
    async with deps.db.read() as reader:
        await alive(reader, caller)
        living = await store.living(reader, caller.id, deps.now())
    return Page(
        [
            SessionShown(
                id=one.id,
                device=one.device,
                address=one.address,
                created_at=one.created_at,
                last_seen=one.last_seen_at,
                current=one.id == caller.session_id,
            )
            for one in living
        ]
    )


async def seen(deps: Deps, caller: Caller) -> Account:
    """The caller's account; the session is noted as seen now, at most once a minute."""
    async with deps.db.read() as reader:
        account = await alive(reader, caller)
        session = await store.session(reader, caller.session)
    now = deps.now()
    if session is not None and session.last_seen_at + SEEN_EVERY < now:
        async with deps.db.transaction() as tx:
            await store.change(tx, session.id, last_seen_at=now)
    return account


async def revoked_sessions(deps: Deps, since: datetime) -> list[UUID]:
    async with deps.db.read() as reader:
        return await store.revoked_since(reader, since)

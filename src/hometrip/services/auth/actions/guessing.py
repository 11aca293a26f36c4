"""Slows guessing down: per account and per address, without locking out owners on devices that are known.

Whether an account exists changes nothing here: counters go by what was typed, and every try costs a hash.
"""

from __future__ import annotations

import hashlib

from hometrip.kernel.access import Caller
from hometrip.services.auth.actions import passwords
from hometrip.services.auth.actions.deps import Deps
from hometrip.services.auth.contract import AccountLocked


async def try_password(
    deps: Deps, caller: Caller, who: str, password: str, known: str | None, *, device: bytes | None = None
) -> tuple[bool, str | None]:
    """Is it right, and the hash to keep from now on if it should be another one?

    `who` names the account that is tried. `device` is a mark of one that its owner has used before: it has
    tries of its own, so that others' failures do not lock it out. Raises `AccountLocked`.

    A try is counted before it is verified, in the turn for a thread: of many at once none slips through, and
    right ones at once do not lock each other out.
    """
    account = _account_key(who, device)
    address = f"auth:guess:address:{caller.address}"
    limit, seconds = deps.settings.guesses_per_account, deps.settings.guess_seconds
    async with passwords.turn():
        if device is None:
            await _refuse_address(deps, address)
        tried = await deps.cache.hit(account, limit, seconds)
        if not tried.allowed:
            raise AccountLocked(retry_after=_whole(tried.reset_after))
        right, newer = await passwords.verified(password, known)
        if right:
            await deps.cache.forgive(account)
        else:
            await deps.cache.hit(address, deps.settings.guesses_per_address, seconds)
    return right, newer


async def _refuse_address(deps: Deps, address: str) -> None:
    looked = await deps.cache.hit(
        address, deps.settings.guesses_per_address, deps.settings.guess_seconds, cost=0
    )
    if looked.remaining < 1:
        raise AccountLocked(retry_after=_whole(looked.reset_after))


async def forgive(deps: Deps, who: str) -> None:
    """The owner has proved to be the owner in another way."""
    await deps.cache.forgive(_account_key(who, None))


async def may_mail(deps: Deps, who: str) -> bool:
    """May another mail that a stranger can cause go to this address? The answer must not tell."""
    allowance = await deps.cache.hit(f"auth:mail:{_digest(who)}", deps.settings.mails_per_address, 3600)
    return allowance.allowed


def _account_key(who: str, device: bytes | None) -> str:
    place = device.hex() if device else "anywhere"
    return f"auth:guess:{_digest(who)}:{place}"


def _digest(who: str) -> str:
    """Keys hold no addresses: a cache may be shared, and read by more people than the database."""
    return hashlib.sha256(who.encode()).hexdigest()[:32]


def _whole(seconds: float) -> int:
    return max(1, round(seconds))

"""Who a credential belongs to: keys and ended sessions that other processes know of are learnt by asking."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from harness import TestHouse
from hometrip.adapters.cache.memory import MemoryCache
from hometrip.adapters.clock.system import SystemClock
from hometrip.app.identity import REFRESH_SECONDS, Identity
from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Unauthenticated, Unavailable
from hometrip.services.auth.actions import rotate_keys
from hometrip.services.auth.contract import AuthQuestions
from journeys.steps import ok


async def elsewhere(house: TestHouse) -> Identity:
    """The edge of another process: the same auth service, and a cache that hears nothing of this one's."""
    auth = house.house.peers.ask(AuthQuestions)
    identity = Identity(auth, MemoryCache(house.clock), house.clock, SystemClock())
    await identity.refresh()
    return identity


def caller(identity: Identity, headers: dict[str, str]) -> Caller:
    credential = headers["Authorization"].encode()
    return identity.caller(credential, address="127.0.0.1", user_agent="trial", locale="de")


async def test_a_caller_is_known_from_the_token_alone(house: TestHouse) -> None:
    ann = await house.sign_up()
    found = caller(await elsewhere(house), ann.headers)
    assert found.account_id == ann.id
    assert (found.address, found.user_agent, found.locale) == ("127.0.0.1", "trial", "de")
    assert not found.is_staff
    staff = await house.staff()
    assert caller(await elsewhere(house), staff.headers).is_admin


async def test_a_session_that_ended_in_another_process_is_found_by_the_next_refresh(house: TestHouse) -> None:
    ann = await house.sign_up()
    identity = await elsewhere(house)
    assert caller(identity, ann.headers).account_id == ann.id
    await house.advance(3600)
    await identity.refresh()
    assert (await ann.post("/api/auth/logout")).status_code in (200, 204)
    await house.settle()
    assert caller(identity, ann.headers).account_id == ann.id
    await identity.refresh()
    with pytest.raises(Unauthenticated):
        caller(identity, ann.headers)
    assert REFRESH_SECONDS <= 5


async def test_a_process_that_starts_later_knows_the_sessions_that_ended_before(house: TestHouse) -> None:
    ann, bob = await house.sign_up(), await house.sign_up("bob@example.com", "Bob")
    assert (await ann.post("/api/auth/logout")).status_code in (200, 204)
    await house.settle()
    await house.advance(6 * 86_400)
    identity = await elsewhere(house)
    with pytest.raises(Unauthenticated):
        caller(identity, ann.headers)
    assert caller(identity, bob.headers).account_id == bob.id


async def test_a_new_key_is_learnt_and_the_old_one_goes_on(house: TestHouse) -> None:
    ann = await house.sign_up()
    identity = await elsewhere(house)
    await rotate_keys(house.deps("auth"))
    await house.advance(60)
    own: Any = house.opened.ring
    await own._identity.refresh()
    again = await house.sign_in(ann.email)
    with pytest.raises(Unauthenticated):
        caller(identity, again.headers)
    await identity.refresh()
    assert caller(identity, ann.headers).account_id == ann.id
    assert caller(identity, again.headers).account_id == ann.id
    ok(await again.get("/api/auth/me"))


class Silent:
    """An auth service that does not answer."""

    async def revoked_sessions(self, since: datetime) -> list[UUID]:
        raise Unavailable

    async def public_keys(self) -> dict[str, Any]:
        raise Unavailable


async def test_what_is_known_goes_on_being_used_while_auth_does_not_answer(house: TestHouse) -> None:
    ann = await house.sign_up()
    identity: Any = await elsewhere(house)
    answering, identity._auth = identity._auth, Silent()
    with pytest.raises(Unavailable):
        await identity.refresh()
    assert caller(identity, ann.headers).account_id == ann.id
    # What ended meanwhile is learnt once it answers again.
    assert (await ann.post("/api/auth/logout")).status_code in (200, 204)
    await house.advance(3600)
    identity._auth = answering
    await identity.refresh()
    with pytest.raises(Unauthenticated):
        caller(identity, ann.headers)

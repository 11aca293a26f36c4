"""Guessing passwords: slowed down, without telling who has an account and without locking owners out."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from harness import PASSWORD, TestHouse, house_in
from hometrip.kernel.access import Caller
from hometrip.kernel.errors import HomeTripError
from hometrip.services.auth import actions
from hometrip.services.auth.actions import Tokens, passwords
from hometrip.services.auth.contract import AccountLocked, BadCredentials

# For guesses that meet while others are being checked, and for what that costs; to be counted needs no time.
SLOWLY = pytest.mark.usefixtures("real_hashes")

ANN, NOBODY = "ann@example.com", "nobody@example.com"
HOME = Caller(address="10.1.1.1", user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
CAFE = Caller(address="10.2.2.2", user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")


def thief(number: int) -> Caller:
    return Caller(address=f"192.0.2.{number}", user_agent="curl/8.0")


async def account(house: TestHouse, email: str = ANN) -> None:
    await actions.create_account(
        house.deps("auth"), email=email, password=PASSWORD, name="Ann", locale="en", roles=[], verified=True
    )


async def attempt(house: TestHouse, caller: Caller, email: str, password: str) -> str:
    try:
        await actions.login(house.deps("auth"), caller, email, password)
    except HomeTripError as refusal:
        return refusal.code
    return "in"


@SLOWLY
@pytest.mark.parametrize("email", [ANN, NOBODY])
async def test_ten_wrong_guesses_an_hour_from_anywhere_whether_or_not_there_is_an_account(
    house: TestHouse, email: str
) -> None:
    await account(house)
    tries = [attempt(house, thief(n % 250), email, f"guess number {n}") for n in range(60)]
    seen = await asyncio.gather(*tries)
    assert seen.count("bad_credentials") == 10
    assert seen.count("account_locked") == 50


async def test_the_right_password_is_not_even_tried_while_a_stranger_is_locked_out(house: TestHouse) -> None:
    await account(house)
    for n in range(10):
        await attempt(house, thief(n), ANN, "wrong every time")
    assert await attempt(house, thief(99), ANN, PASSWORD) == "account_locked"
    with pytest.raises(AccountLocked) as refusal:
        await actions.login(house.deps("auth"), thief(98), ANN, PASSWORD)
    assert 3500 < refusal.value.facts["retry_after"] <= 3600
    await house.advance(3600)
    assert await attempt(house, thief(99), ANN, PASSWORD) == "in"


async def test_an_owner_on_a_known_device_is_not_locked_out_by_others(house: TestHouse) -> None:
    await account(house)
    assert await attempt(house, HOME, ANN, PASSWORD) == "in"
    for n in range(12):
        await attempt(house, thief(n), ANN, "wrong every time")
    assert await attempt(house, HOME, ANN, PASSWORD) == "in"
    assert await attempt(house, CAFE, ANN, PASSWORD) == "account_locked"
    # The owner's coming in gives the thieves nothing.
    assert await attempt(house, thief(1), ANN, "wrong every time") == "account_locked"


async def test_a_known_device_has_ten_guesses_too(house: TestHouse) -> None:
    await account(house)
    await attempt(house, HOME, ANN, PASSWORD)
    seen = [await attempt(house, HOME, ANN, "wrong every time") for _ in range(12)]
    assert seen == ["bad_credentials"] * 10 + ["account_locked"] * 2


async def test_a_password_that_is_right_at_last_clears_the_count(house: TestHouse) -> None:
    await account(house)
    for _ in range(3):
        for _ in range(9):
            assert await attempt(house, CAFE, ANN, "wrong every time") == "bad_credentials"
        assert await attempt(house, CAFE, ANN, PASSWORD) == "in"


@SLOWLY
async def test_many_that_are_right_at_once_all_come_in(house: TestHouse) -> None:
    await account(house)
    seen = await asyncio.gather(*(attempt(house, thief(n), ANN, PASSWORD) for n in range(40)))
    assert seen == ["in"] * 40


async def test_one_address_that_tries_many_accounts_is_slowed_down(tmp_path: Path) -> None:
    own = {"auth": {"guesses_per_address": "6"}}
    async with house_in(tmp_path, own=own) as house:
        await account(house)
        await account(house, "bob@example.com")
        await attempt(house, HOME, ANN, PASSWORD)
        at_home = Caller(address=HOME.address, user_agent="curl/8.0")
        seen = [await attempt(house, at_home, f"{n}@example.com", "the same for all") for n in range(9)]
        assert seen == ["bad_credentials"] * 6 + ["account_locked"] * 3
        assert await attempt(house, at_home, "bob@example.com", PASSWORD) == "account_locked"
        assert await attempt(house, CAFE, "bob@example.com", PASSWORD) == "in"
        assert await attempt(house, HOME, ANN, PASSWORD) == "in"


async def test_a_reset_password_lets_its_owner_in_at_once(house: TestHouse) -> None:
    await account(house)
    for n in range(11):
        await attempt(house, thief(n), ANN, "wrong every time")
    await house.client.post("/api/auth/forgot-password", json={"email": ANN})
    await house.settle()
    token = house.link_token((await house.mails(ANN))[0])
    await actions.reset_password(house.deps("auth"), token, "another battery, please")
    assert await attempt(house, CAFE, ANN, "another battery, please") == "in"


async def test_a_session_does_not_help_to_guess_the_password(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    codes = []
    for _ in range(12):
        body = {"old_password": "wrong every time", "new_password": "another battery, please"}
        codes.append((await ann.post("/api/auth/change-password", body)).json()["code"])
    assert codes == ["wrong_password"] * 10 + ["account_locked"] * 2


async def test_a_locked_account_says_when_to_come_back(house: TestHouse) -> None:
    for _ in range(11):
        answer = await house.client.post("/api/auth/login", json={"email": NOBODY, "password": "wrong"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 3000


@SLOWLY
async def test_a_line_that_is_too_long_is_refused_at_its_end(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account(house)
    monkeypatch.setattr(passwords, "LONGEST_LINE", 5)
    seen = await asyncio.gather(*(attempt(house, thief(n), ANN, PASSWORD) for n in range(20)))
    assert seen.count("in") == 5
    assert seen.count("sign_in_busy") == 15
    assert await attempt(house, thief(1), ANN, PASSWORD) == "in"


@SLOWLY
async def test_who_gives_up_waiting_leaves_the_line(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account(house)
    monkeypatch.setattr(passwords, "LONGEST_LINE", 12)
    waiting = [asyncio.create_task(attempt(house, thief(n), ANN, PASSWORD)) for n in range(12)]
    await asyncio.sleep(0)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    seen = await asyncio.gather(*(attempt(house, thief(n), ANN, PASSWORD) for n in range(12)))
    assert seen == ["in"] * 12


async def cost(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.process_time()
    await work()
    return time.process_time() - began


@SLOWLY
async def test_work_does_not_tell_who_has_an_account(tmp_path: Path) -> None:
    """A login costs one hash, known or not: compared by the processor's time, so load does not matter."""
    own = {"auth": {"guesses_per_account": "1000", "guesses_per_address": "1000"}}
    async with house_in(tmp_path, own=own) as house:
        await account(house)
        await house.settle()
        known, unknown = [], []
        for _ in range(15):
            known.append(await cost(lambda: attempt(house, CAFE, ANN, "wrong every time")))
            unknown.append(await cost(lambda: attempt(house, CAFE, NOBODY, "wrong every time")))
        assert 0.7 < statistics.median(known) / statistics.median(unknown) < 1.4


async def test_a_login_answers_tokens_or_raises(house: TestHouse) -> None:
    await account(house)
    assert isinstance(await actions.login(house.deps("auth"), HOME, ANN, PASSWORD), Tokens)
    with pytest.raises(BadCredentials):
        await actions.login(house.deps("auth"), HOME, ANN, PASSWORD + " ")

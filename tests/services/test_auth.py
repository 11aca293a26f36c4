"""Accounts through the door: signing up, verifying, signing in, sessions, and passwords that are lost."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from typing import Any
from uuid import UUID

import bcrypt
import pytest
from sqlalchemy import select, update

from harness import PASSWORD, Person, TestHouse
from hometrip.app.tokens import TokenReader
from hometrip.services.auth import actions
from hometrip.services.auth.actions import keys
from hometrip.services.auth.actions.passwords import NOBODY
from hometrip.services.auth.contract import AddressTaken
from hometrip.services.auth.store.tables import accounts, refresh_tokens, sessions, signing_keys

ANN = "ann@example.com"
NEW = "another battery, please"


async def post(house: TestHouse, path: str, **body: Any) -> Any:
    return await house.client.post(f"/api/auth/{path}", json=body)


async def sign_up(house: TestHouse, email: str = ANN, password: str = PASSWORD, name: str = "Ann") -> Any:
    return await post(house, "signup", email=email, password=password, name=name, locale="en")


async def mail(house: TestHouse, kind: str, to: str = ANN) -> list[dict[str, Any]]:
    """Mails of a kind, the newest first."""
    await house.settle()
    return [one for one in await house.mails(to) if one["kind"] == kind]


async def kinds(house: TestHouse, to: str = ANN) -> list[str]:
    await house.settle()
    return sorted(one["kind"] for one in await house.mails(to))


async def events(house: TestHouse, user_id: UUID) -> list[str]:
    await house.settle()
    return [envelope.name for envelope in await house.house.history(f"user/{user_id}")]


# signing up


async def test_from_sign_up_to_the_first_answer_that_knows_me(either_house: TestHouse) -> None:
    house = either_house
    answer = await sign_up(house, name="  Ann   Archer ")
    assert (answer.status_code, answer.json()) == (202, {"status": "verification_sent"})
    token = house.link_token((await mail(house, "verify_email"))[0])
    answer = await post(house, "verify-email", token=token)
    assert answer.status_code == 200
    tokens = answer.json()
    assert tokens.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 7 * 24 * 3600)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = (await house.client.get("/api/auth/me", headers=headers)).json()
    assert me | {"id": "", "created_at": ""} == {
        "id": "",
        "email": ANN,
        "name": "Ann Archer",
        "status": "active",
        "roles": [],
        "locale": "en",
        "factors": [],
        "created_at": "",
    }
    assert await events(house, UUID(me["id"])) == ["user.created", "user.verified", "user.logged_in"]


async def test_a_verification_link_works_once(house: TestHouse) -> None:
    await sign_up(house)
    token = house.link_token((await mail(house, "verify_email"))[0])
    assert (await post(house, "verify-email", token=token)).status_code == 200
    again = await post(house, "verify-email", token=token)
    assert (again.status_code, again.json()["code"]) == (401, "bad_token")


async def test_of_many_that_follow_a_link_at_once_one_gets_tokens(house: TestHouse) -> None:
    await sign_up(house)
    token = house.link_token((await mail(house, "verify_email"))[0])
    answers = await asyncio.gather(*(post(house, "verify-email", token=token) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19


async def test_a_verification_link_ends_after_three_days(house: TestHouse) -> None:
    await sign_up(house)
    token = house.link_token((await mail(house, "verify_email"))[0])
    await house.advance(3 * 24 * 3600 + 1)
    assert (await post(house, "verify-email", token=token)).status_code == 401
    await post(house, "resend-verification", email=ANN)
    token = house.link_token((await mail(house, "verify_email"))[0])
    assert (await post(house, "verify-email", token=token)).status_code == 200


async def test_a_known_address_gets_the_same_answer_and_its_owner_a_mail_that_says_so(
    house: TestHouse,
) -> None:
    ann = await house.sign_up(ANN)
    before = len(await house.mails(ANN))
    known = await sign_up(house, "ANN@Example.com", "a stranger's own words")
    unknown = await sign_up(house, "bob@example.com", "a stranger's own words")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    await house.settle()
    assert len(await house.mails(ANN)) == before + 1
    assert (await events(house, ann.id))[-1] == "user.signup_repeated"
    await house.sign_in(ANN)


async def test_who_signs_up_again_before_verifying_gets_another_mail(house: TestHouse) -> None:
    await sign_up(house)
    await sign_up(house)
    assert len(await mail(house, "verify_email")) == 2


async def test_verifying_confirms_the_sign_up_that_the_mail_was_about(house: TestHouse) -> None:
    """A stranger who signs up first with somebody's address does not get in when its owner verifies."""
    await sign_up(house, password="some stranger words", name="Stranger")
    strangers = house.link_token((await mail(house, "verify_email"))[0])
    await house.advance(60)
    await sign_up(house, password=PASSWORD, name="Ann Archer")
    owners = house.link_token((await mail(house, "verify_email"))[0])
    assert (await post(house, "verify-email", token=strangers)).status_code == 401
    assert (await post(house, "verify-email", token=owners)).status_code == 200
    assert (await post(house, "login", email=ANN, password="some stranger words")).status_code == 401
    ann = await house.sign_in(ANN)
    assert (await ann.get("/api/auth/me")).json()["name"] == "Ann Archer"
    await house.settle()
    assert (await ann.get(f"/api/users/{ann.id}")).json()["display_name"] == "Ann Archer"


async def test_of_many_sign_ups_at_once_one_account_comes_to_be(house: TestHouse) -> None:
    answers = await asyncio.gather(*(sign_up(house) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}
    async with house.deps("auth").db.read() as reader:
        assert len(await reader.rows(select(accounts.c.id))) == 1


async def test_a_field_that_cannot_be_is_named(house: TestHouse) -> None:
    body = {"email": "ann.archer@example.com", "password": PASSWORD, "name": "Ann Archer", "locale": "en"}
    for field, value, code in (
        ("email", "ann@localhost", "bad_address"),
        ("email", "ann@example.com\r\nBcc: bob@example.com", "bad_address"),
        ("password", "too short", "too_short"),
        ("password", "Password123!", "too_common"),
        ("password", "ann.archer1", "too_common"),
        ("name", "\u200b \t", "bad_name"),
        ("name", "ann@example.com", "contact"),
        ("name", "Ann 06.12.34.56.78", "contact"),
    ):
        answer = await post(house, "signup", **(body | {field: value}))
        assert answer.status_code == 422
        assert [(error["field"], error["code"]) for error in answer.json()["errors"]] == [(field, code)]


async def test_no_text_breaks_a_sign_up_or_a_login(house: TestHouse) -> None:
    """Lone surrogates, zero bytes and the like are refused or taken as they are: never an error of ours."""
    for text in (r"\ud800" * 12, r"\u0000" * 12, r"\uffff" * 12, "é" * 12, "🔑" * 12):
        for path, body in (
            ("login", f'{{"email":"ann@example.com","password":"{text}"}}'),
            (
                "signup",
                f'{{"email":"ann@example.com","password":"x{text}y","name":"Ann","locale":"{text[:30]}"}}',
            ),
        ):
            answer = await house.client.post(
                f"/api/auth/{path}", content=body.encode(), headers={"Content-Type": "application/json"}
            )
            assert answer.status_code < 500, (path, text, answer.text)


async def test_a_language_that_is_not_spoken_here_is_english(house: TestHouse) -> None:
    ann = await house.sign_up("ann@example.com", locale="pt-BR")
    bea = await house.sign_up("bea@example.com", locale="de-AT")
    assert (await ann.get("/api/auth/me")).json()["locale"] == "en"
    assert (await bea.get("/api/auth/me")).json()["locale"] == "de"


async def test_nothing_that_opens_an_account_is_stored_or_logged(
    house: TestHouse, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        ann = await house.sign_up(ANN)
        await post(house, "forgot-password", email=ANN)
        link = house.link_token((await mail(house, "password_reset"))[0])
    secret = [PASSWORD, link, ann.tokens["access_token"], ann.tokens["refresh_token"]]
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    history = await house.house.history(f"user/{ann.id}")
    told = "\n".join(f"{envelope.name} {bytes(envelope.data).decode()}" for envelope in history)
    assert history
    for text in (*secret, ANN):
        assert text not in told
    for text in secret:
        assert text not in logged
    for file in (house.house.settings.data / "databases").rglob("auth.db*"):
        kept = file.read_bytes()
        assert not [text for text in secret if text.encode() in kept]


# signing in


async def test_a_wrong_password_and_an_unknown_address_are_answered_alike(house: TestHouse) -> None:
    await house.sign_up(ANN)
    wrong = await post(house, "login", email=ANN, password="not the right one")
    unknown = await post(house, "login", email="nobody@example.com", password="not the right one")
    assert wrong.status_code == unknown.status_code == 401
    told = [answer.json() | {"request_id": ""} for answer in (wrong, unknown)]
    assert told[0] == told[1]
    assert told[0]["code"] == "bad_credentials"


async def test_an_address_is_the_same_in_capitals(house: TestHouse) -> None:
    ann = await house.sign_up("Ann@Example.com")
    assert (await house.sign_in(" aNN@EXAMPLE.COM ")).id == ann.id


async def test_an_account_that_is_not_verified_says_so_to_who_knows_its_password(house: TestHouse) -> None:
    await sign_up(house)
    right = await post(house, "login", email=ANN, password=PASSWORD)
    wrong = await post(house, "login", email=ANN, password="not the right one")
    assert (right.status_code, right.json()["code"]) == (403, "email_not_verified")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_credentials")


async def test_a_suspended_account_neither_signs_in_nor_goes_on(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    async with house.deps("auth").db.transaction() as tx:
        await tx.execute(update(accounts).values(status="suspended"))
    login = await post(house, "login", email=ANN, password=PASSWORD)
    refreshed = await post(house, "refresh", refresh_token=ann.tokens["refresh_token"])
    assert [answer.status_code for answer in (login, refreshed)] == [403, 403]
    assert login.json()["code"] == "account_closed"


@pytest.mark.usefixtures("real_hashes")
async def test_a_bcrypt_hash_is_accepted_and_replaced_at_login(house: TestHouse) -> None:
    await house.sign_up(ANN)
    long = "a pass phrase that goes on beyond the seventy-two bytes that bcrypt looks at, and on"
    old = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    db = house.deps("auth").db
    async with db.transaction() as tx:
        await tx.execute(update(accounts).values(password_hash=old))
    assert (await post(house, "login", email=ANN, password="another " + long)).status_code == 401
    await house.sign_in(ANN, long)
    async with db.read() as reader:
        kept = await reader.value(select(accounts.c.password_hash))
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    await house.sign_in(ANN, long)
    assert (await post(house, "login", email=ANN, password=long[:72])).status_code == 401


@pytest.mark.usefixtures("real_hashes")
async def test_the_stand_in_for_unknown_accounts_costs_what_a_real_hash_costs(house: TestHouse) -> None:
    await house.sign_up(ANN)
    async with house.deps("auth").db.read() as reader:
        kept = await reader.value(select(accounts.c.password_hash))
    assert NOBODY.split("$")[:4] == kept.split("$")[:4]
    assert [len(part) for part in NOBODY.split("$")] == [len(part) for part in kept.split("$")]


async def test_an_account_without_a_password_is_nobodys_to_sign_in_to(house: TestHouse) -> None:
    deps = house.deps("auth")
    made = {"email": ANN, "password": None, "name": "Ann", "locale": "en", "roles": [], "verified": True}
    user_id = await actions.create_account(deps, **made)
    for password in ("", "None", "null"):
        assert (await post(house, "login", email=ANN, password=password)).status_code == 401
    assert await actions.account_id(deps, "ANN@example.com") == user_id
    with pytest.raises(AddressTaken):
        await actions.create_account(deps, **made)


async def test_an_empty_house_has_no_account(house: TestHouse) -> None:
    assert not await actions.any_account(house.deps("auth"))
    await sign_up(house)
    assert await actions.any_account(house.deps("auth"))


async def test_a_login_from_a_kind_of_device_that_was_not_seen_before_is_told(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    before = await kinds(house)
    await house.sign_in(ANN)
    assert await kinds(house) == before
    firefox = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    for _ in range(2):
        await house.client.post("/api/auth/login", json={"email": ANN, "password": PASSWORD}, headers=firefox)
    assert await kinds(house) == sorted([*before, "new_device"])
    assert (await events(house, ann.id)).count("user.new_device") == 1


async def test_a_token_says_what_roles_its_account_has(house: TestHouse) -> None:
    admin = await house.staff("admin")
    assert (await admin.get("/api/auth/me")).json()["roles"] == ["admin"]


# refreshing


async def refresh(house: TestHouse, token: str) -> Any:
    return await post(house, "refresh", refresh_token=token)


async def works(house: TestHouse, tokens: dict[str, Any]) -> bool:
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return (await house.client.get("/api/auth/me", headers=headers)).status_code == 200


async def test_a_refresh_token_is_good_for_new_tokens_again_and_again(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    tokens, seen = ann.tokens, set()
    for _ in range(5):
        seen.add(tokens["refresh_token"])
        answer = await refresh(house, tokens["refresh_token"])
        assert answer.status_code == 200
        tokens = answer.json()
        assert await works(house, tokens)
        await house.advance(20 * 24 * 3600)
    assert len(seen) == 5
    async with house.deps("auth").db.read() as reader:
        assert len(await reader.rows(select(sessions.c.id))) == 1


async def test_of_a_hundred_refreshes_at_once_all_get_the_same_successor(house: TestHouse) -> None:
    """An honest client with many tabs stays signed in, and there is one living token afterwards."""
    ann = await house.sign_up(ANN)
    answers = await asyncio.gather(*(refresh(house, ann.tokens["refresh_token"]) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert await works(house, answers[-1].json())
    async with house.deps("auth").db.read() as reader:
        unused = select(refresh_tokens.c.number).where(refresh_tokens.c.used_at.is_(None))
        assert [row.number for row in await reader.rows(unused)] == [2]


async def test_the_token_just_before_answers_for_ten_seconds(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    first = (await refresh(house, ann.tokens["refresh_token"])).json()
    await house.advance(9)
    again = await refresh(house, ann.tokens["refresh_token"])
    assert again.json()["refresh_token"] == first["refresh_token"]
    assert await works(house, again.json())


async def test_a_token_used_twice_ends_its_session_for_everybody(either_house: TestHouse) -> None:
    house = either_house
    ann = await house.sign_up(ANN)
    elsewhere = await house.sign_in(ANN)
    newer = (await refresh(house, ann.tokens["refresh_token"])).json()
    await house.advance(11)
    stolen = await refresh(house, ann.tokens["refresh_token"])
    assert (stolen.status_code, stolen.json()["code"]) == (401, "bad_token")
    assert (await refresh(house, newer["refresh_token"])).status_code == 401
    assert not await works(house, newer)
    assert not await works(house, ann.tokens)
    assert await works(house, elsewhere.tokens)
    assert (await events(house, ann.id)).count("session.revoked") == 1


async def test_a_thief_and_an_owner_never_both_stay(house: TestHouse) -> None:
    """Whoever comes first, the chain has one end: the next use of the other's copy ends the session."""
    ann = await house.sign_up(ANN)
    stolen = ann.tokens["refresh_token"]
    thief = (await refresh(house, stolen)).json()
    owner = (await refresh(house, stolen)).json()
    assert thief["refresh_token"] == owner["refresh_token"]
    owner = (await refresh(house, owner["refresh_token"])).json()
    await house.advance(11)
    assert (await refresh(house, thief["refresh_token"])).status_code == 401
    assert (await refresh(house, owner["refresh_token"])).status_code == 401


async def test_a_token_that_is_two_behind_is_stolen_even_within_the_grace(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    second = (await refresh(house, ann.tokens["refresh_token"])).json()
    third = (await refresh(house, second["refresh_token"])).json()
    assert (await refresh(house, ann.tokens["refresh_token"])).status_code == 401
    assert (await refresh(house, third["refresh_token"])).status_code == 401


async def test_a_refresh_token_ends_after_thirty_days_without_use(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    await house.advance(30 * 24 * 3600)
    assert (await refresh(house, ann.tokens["refresh_token"])).status_code == 401


async def test_an_access_token_refreshes_nothing_and_a_refresh_token_opens_nothing(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    assert (await refresh(house, ann.tokens["access_token"])).status_code in (401, 422)
    assert not await works(house, {"access_token": ann.tokens["refresh_token"]})


# leaving


async def test_after_logout_the_session_is_over_and_others_go_on(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    elsewhere = await house.sign_in(ANN)
    assert (await ann.post("/api/auth/logout")).status_code == 204
    assert not await works(house, ann.tokens)
    assert (await refresh(house, ann.tokens["refresh_token"])).status_code == 401
    assert await works(house, elsewhere.tokens)
    assert (await events(house, ann.id))[-2:] == ["session.revoked", "user.logged_out"]


async def test_logout_everywhere_ends_every_session(house: TestHouse) -> None:
    people = [await house.sign_up(ANN), await house.sign_in(ANN), await house.sign_in(ANN)]
    assert (await people[0].post("/api/auth/logout-all")).status_code == 204
    assert [await works(house, person.tokens) for person in people] == [False] * 3


async def test_a_list_of_sessions_shows_where_and_when(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    await house.advance(3600)
    phone = await house.sign_in(ANN)
    items = (await phone.get("/api/auth/sessions")).json()["items"]
    assert [item["current"] for item in items] == [True, False]
    assert items[0].keys() == {"id", "device", "address", "created_at", "last_seen", "current"}
    assert items[0]["address"] == "127.0.0.1"
    await house.advance(3600)
    await ann.get("/api/auth/me")
    items = (await ann.get("/api/auth/sessions")).json()["items"]
    assert [item["current"] for item in items] == [True, False]
    assert items[0]["last_seen"] == "2027-04-14T11:00:00Z"


async def test_an_owner_ends_one_session_and_a_stranger_none(house: TestHouse) -> None:
    ann, bob = await house.sign_up(ANN), await house.sign_up("bob@example.com")
    phone = await house.sign_in(ANN)
    items = (await ann.get("/api/auth/sessions")).json()["items"]
    phones = next(item["id"] for item in items if not item["current"])
    assert (await bob.delete(f"/api/auth/sessions/{phones}")).status_code == 404
    assert await works(house, phone.tokens)
    assert (await ann.delete(f"/api/auth/sessions/{phones}")).status_code == 204
    assert not await works(house, phone.tokens)
    assert (await ann.delete(f"/api/auth/sessions/{phones}")).status_code == 404
    assert await works(house, ann.tokens)


async def test_revoked_sessions_are_answered_to_who_asks_since_before(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    before = house.clock.now()
    await house.advance(5)
    await ann.post("/api/auth/logout")
    deps = house.deps("auth")
    assert len(await actions.revoked_sessions(deps, before)) == 1
    assert await actions.revoked_sessions(deps, house.clock.now()) == []


# passwords that change


async def test_a_changed_password_ends_the_other_sessions(house: TestHouse) -> None:
    ann, elsewhere = await house.sign_up(ANN), await house.sign_in(ANN)
    answer = await ann.post("/api/auth/change-password", {"old_password": PASSWORD, "new_password": NEW})
    assert answer.status_code == 200
    assert await works(house, ann.tokens)
    assert not await works(house, elsewhere.tokens)
    assert (await post(house, "login", email=ANN, password=PASSWORD)).status_code == 401
    await house.sign_in(ANN, NEW)
    assert "password_changed" in await kinds(house)


async def test_who_does_not_know_the_present_password_changes_nothing(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    wrong = await ann.post("/api/auth/change-password", {"old_password": NEW, "new_password": NEW})
    weak = await ann.post(
        "/api/auth/change-password", {"old_password": PASSWORD, "new_password": "password12"}
    )
    assert (wrong.status_code, wrong.json()["code"]) == (409, "wrong_password")
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    await house.sign_in(ANN)


async def test_a_lost_password_is_replaced_by_a_link_that_works_once(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    answer = await post(house, "forgot-password", email="ANN@example.com")
    assert answer.status_code == 202
    token = house.link_token((await mail(house, "password_reset"))[0])
    weak = await post(house, "reset-password", token=token, password="1234567890")
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    answers = await asyncio.gather(
        *(post(house, "reset-password", token=token, password=NEW) for _ in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]
    assert not await works(house, ann.tokens)
    assert (await post(house, "login", email=ANN, password=PASSWORD)).status_code == 401
    await house.sign_in(ANN, NEW)


async def test_a_reset_link_ends_after_an_hour(house: TestHouse) -> None:
    await house.sign_up(ANN)
    await post(house, "forgot-password", email=ANN)
    token = house.link_token((await mail(house, "password_reset"))[0])
    await house.advance(3600)
    assert (await post(house, "reset-password", token=token, password=NEW)).status_code == 401


async def test_once_the_password_changed_no_older_link_works(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    await post(house, "forgot-password", email=ANN)
    token = house.link_token((await mail(house, "password_reset"))[0])
    await ann.post("/api/auth/change-password", {"old_password": PASSWORD, "new_password": NEW})
    answer = await post(house, "reset-password", token=token, password="yet another battery")
    assert answer.status_code == 401


async def test_a_reset_proves_the_address_too(house: TestHouse) -> None:
    await sign_up(house, password="some stranger words")
    verify = house.link_token((await mail(house, "verify_email"))[0])
    await post(house, "forgot-password", email=ANN)
    token = house.link_token((await mail(house, "password_reset"))[0])
    assert (await post(house, "reset-password", token=token, password=NEW)).status_code == 200
    assert (await post(house, "verify-email", token=verify)).status_code == 401
    await house.sign_in(ANN, NEW)


@pytest.mark.parametrize("path", ["forgot-password", "resend-verification"])
async def test_asking_for_a_mail_never_tells_who_has_an_account(house: TestHouse, path: str) -> None:
    await house.sign_up(ANN)
    await sign_up(house, "waiting@example.com")
    answers = [await post(house, path, email=to) for to in (ANN, "waiting@example.com", "nobody@example.com")]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}


async def test_nobody_is_drowned_in_mails_that_strangers_ask_for(house: TestHouse) -> None:
    await house.sign_up(ANN)
    for _ in range(12):
        answers = [await post(house, path, email=ANN) for path in ("forgot-password", "resend-verification")]
        assert {answer.status_code for answer in answers} == {202}
    assert 1 <= len(await mail(house, "password_reset")) <= 10


async def test_a_link_of_one_purpose_serves_no_other(house: TestHouse) -> None:
    await sign_up(house)
    verify = house.link_token((await mail(house, "verify_email"))[0])
    await post(house, "forgot-password", email=ANN)
    reset = house.link_token((await mail(house, "password_reset"))[0])
    assert (await post(house, "reset-password", token=verify, password=NEW)).status_code == 401
    assert (await post(house, "verify-email", token=reset)).status_code == 401


# keys


async def jwks(house: TestHouse) -> list[str]:
    keys = (await house.client.get("/api/auth/.well-known/jwks.json")).json()["keys"]
    assert all(key.keys() == {"kty", "crv", "x", "kid", "alg", "use"} for key in keys)
    return [key["kid"] for key in keys]


def kid_of(token: str) -> str:
    header = token.partition(".")[0]
    kid: str = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    return kid


async def test_a_new_key_is_known_to_all_before_it_signs(house: TestHouse) -> None:
    ann = await house.sign_up(ANN)
    (old,) = await jwks(house)
    new = await actions.rotate_keys(house.deps("auth"))
    assert await jwks(house) == [new, old]
    assert kid_of((await house.sign_in(ANN)).tokens["access_token"]) == old
    await house.advance(10)
    later = await post(house, "login", email=ANN, password=PASSWORD)
    assert kid_of(later.json()["access_token"]) == new
    reader = TokenReader(await actions.public_keys(house.deps("auth")), house.clock)
    for tokens in (ann.tokens, later.json()):
        assert reader.read(tokens["access_token"]).account_id == ann.id


async def test_an_old_key_verifies_until_its_last_token_has_ended(house: TestHouse) -> None:
    (old,) = await jwks(house)
    new = await actions.rotate_keys(house.deps("auth"))
    await house.advance(7 * 24 * 3600)
    assert await jwks(house) == [new, old]
    await house.advance(10)
    assert await jwks(house) == [new]
    third = await actions.rotate_keys(house.deps("auth"))
    async with house.deps("auth").db.read() as reader:
        assert {row.kid for row in await reader.rows(select(signing_keys.c.kid))} == {new, third}


async def test_private_keys_are_not_kept_in_the_clear(house: TestHouse) -> None:
    async with house.deps("auth").db.read() as reader:
        kept = await reader.row(select(signing_keys))
    assert "d" not in kept.public
    assert kept.public["x"].encode() not in bytes(kept.sealed)
    assert len(kept.sealed) == 12 + 32 + 16


async def test_a_key_whose_secret_is_lost_is_replaced_at_the_start(house: TestHouse) -> None:
    deps = house.deps("auth")
    before = await jwks(house)
    await actions.ensure_key(deps)
    assert await jwks(house) == before
    async with deps.db.transaction() as tx:
        await tx.execute(update(signing_keys).values(sealed=bytes(60)))
    await actions.ensure_key(deps)
    assert len(await jwks(house)) == 2
    async with deps.db.read() as reader:
        assert (await keys.signing_key(deps, reader)).kid not in before


# what other services tell


async def test_a_new_name_and_language_are_known_here_too(house: TestHouse) -> None:
    ann: Person = await house.sign_up(ANN)
    await ann.put(f"/api/users/{ann.id}", {"display_name": "Ann Baker"})
    settings = (await ann.get(f"/api/users/{ann.id}/settings")).json()
    del settings["version"]
    await ann.put(f"/api/users/{ann.id}/settings", settings | {"language": "fr"})
    await house.settle()
    me = (await ann.get("/api/auth/me")).json()
    assert (me["name"], me["locale"]) == ("Ann Baker", "fr")
    (address,) = await actions.addresses(house.deps("auth"), [ann.id])
    assert (address.display_name, address.locale, address.verified) == ("Ann Baker", "fr", True)

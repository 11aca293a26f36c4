"""Who may ask a service: those of the house that have declared it, by a short-lived token of their own."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import make_dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from app.waiting import until
from harness import TestHouse
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.peers.http import HttpPeers
from hometrip.adapters.registry.static import StaticRegistry
from hometrip.adapters.secrets.files import FileSecrets
from hometrip.app import credentials
from hometrip.app.credentials import Claims, NotAService, ServiceKeys, key_of, publish, signed
from hometrip.app.peering import CALLERS, Peering
from hometrip.app.rooms import deps_fields, service_of
from hometrip.app.settings import SERVICES
from hometrip.kernel.access import Caller
from hometrip.kernel.errors import NotFound
from hometrip.kernel.service import Service
from hometrip.ports.engine import Unfit
from hometrip.ports.peer import Refused
from hometrip.ports.registry import Instance
from hometrip.services.auth.rules.access_tokens import Claims as UserClaims
from hometrip.services.auth.rules.access_tokens import signed as signed_for_user
from hometrip.services.listing.contract import ListingQuestions, Wish
from hometrip.services.payment.contract import PaymentQuestions
from peer_processes import ASKER, OWNER, Answers, Neighbours, Sums, listening, neighbours


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def near(answers: Answers, tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path, answers.find, [Sums]) as made:
        yield made


# who may ask


def forged(folder: Path, **changes: Any) -> str:
    """A token of the asker, made with its own key but for what is changed."""
    at = int(SystemClock().now().timestamp())
    key = changes.pop("key", None) or key_of(FileSecrets(folder, ASKER))
    claims = Claims(ASKER, OWNER, at, at + 60)
    return signed(key, msgspec.structs.replace(claims, **changes))


def now(seconds: int = 0) -> int:
    return int(SystemClock().now().timestamp()) + seconds


class Stranger(OKPKey):
    """A key that passes itself off under the id of another."""

    like = ""

    def thumbprint(self) -> str:
        return self.like


def stranger(folder: Path) -> OKPKey:
    key = Stranger.import_key(Ed25519PrivateKey.generate())
    key.like = key_of(FileSecrets(folder, ASKER)).thumbprint()
    return key


def user_token() -> str:
    key = OKPKey.import_key(Ed25519PrivateKey.generate())
    claims = UserClaims(sub=uuid4(), sid=uuid4(), roles=["admin"], iat=now(), exp=now(60))
    return signed_for_user(key, "kid", claims)


def unsigned(folder: Path) -> str:
    head, payload, _ = forged(folder).split(".")
    plain = base64.urlsafe_b64decode(head + "==").replace(b"EdDSA", b"none")
    return f"{base64.urlsafe_b64encode(plain).decode().rstrip('=')}.{payload}."


BAD_CREDENTIALS: dict[str, Callable[[Path], str]] = {
    "none at all": lambda _: "",
    "not a token": lambda _: "Service x",
    "a token as a bearer": lambda folder: f"Bearer {forged(folder)}",
    "a user's token": lambda _: f"Service {user_token()}",
    "another key": lambda folder: f"Service {forged(folder, key=stranger(folder))}",
    "a key nobody knows": lambda folder: (
        f"Service {forged(folder, key=OKPKey.import_key(Ed25519PrivateKey.generate()))}"
    ),
    "no signature": lambda folder: f"Service {unsigned(folder)}",
    "for another service": lambda folder: f"Service {forged(folder, aud='listing')}",
    "of a service that is not there": lambda folder: f"Service {forged(folder, iss='nobody')}",
    "of a name that is a path": lambda folder: f"Service {forged(folder, iss='../payment-peers')}",
    "in the name of another": lambda folder: f"Service {forged(folder, iss=OWNER)}",
    "expired": lambda folder: f"Service {forged(folder, iat=now(-100), exp=now(-40))}",
    "of tomorrow": lambda folder: f"Service {forged(folder, iat=now(86_400), exp=now(86_460))}",
    "for a year": lambda folder: f"Service {forged(folder, exp=now(31_536_000))}",
    "endless": lambda _: f"Service {'x' * 5000}",
    "of other letters": lambda _: "Service é",
}


@pytest.mark.parametrize("bad", BAD_CREDENTIALS)
async def test_who_has_no_good_credential_is_refused(bad: str, near: Neighbours, answers: Answers) -> None:
    url = near.registry.instances(OWNER)[0].url
    credential = BAD_CREDENTIALS[bad](near.folder)
    headers = {b"Authorization": credential.encode("latin-1")} if credential else {}
    async with httpx2.AsyncClient() as client:
        told = await client.post(
            f"{url}/peers/Sums/add", content=msgspec.msgpack.encode([1]), headers=headers
        )
    assert told.status_code == 401
    assert told.headers["content-type"] == "application/problem+json"
    assert told.headers["www-authenticate"] == "Service"
    assert told.json()["code"] == "not_a_service"
    assert answers.asked == []


async def test_a_caller_whose_credential_is_not_taken_knows_that_nothing_has_happened(
    near: Neighbours, answers: Answers
) -> None:
    peers = near.peers_of(lambda _: forged(near.folder, aud="listing"))
    with pytest.raises(Refused):
        await peers.ask(Sums).add(1)
    assert answers.asked == []
    await peers.close()


async def test_a_service_that_has_not_declared_to_ask_is_refused(near: Neighbours, answers: Answers) -> None:
    publish(near.folder, ["review"])
    other = ServiceKeys(near.folder, "review")
    url = near.registry.instances(OWNER)[0].url
    async with httpx2.AsyncClient() as client:
        headers = {"Authorization": f"Service {other.token_for(OWNER)}"}
        told = await client.post(f"{url}/peers/Sums/double", content=b"\x91\x01", headers=headers)
    assert told.status_code == 403
    assert msgspec.msgpack.decode(told.content)["code"] == "peer_not_declared"
    peers = near.peers_of(other.token_for)
    with pytest.raises(Refused, match="not declared"):
        await peers.ask(Sums).double(1)
    await peers.close()
    assert answers.asked == []


async def test_a_good_credential_opens_nothing_but_what_is_answered(near: Neighbours) -> None:
    url = near.registry.instances(OWNER)[0].url
    headers = {"Authorization": f"Service {near.asker.token_for(OWNER)}"}
    async with httpx2.AsyncClient(headers=headers) as client:
        for method, path in (
            ("GET", "/peers/Sums/double"),
            ("POST", "/peers/Sums/__init__"),
            ("POST", "/peers/Sums/find"),
            ("POST", "/peers/Sums/double/"),
            ("POST", "/peers/"),
        ):
            told = await client.request(method, url + path)
            assert told.status_code == 404, path


def declared(services: list[Service]) -> dict[str, frozenset[str]]:
    """Who has which peer in its `Deps`, and so may ask it."""
    protocols = {protocol for service in services for protocol in service.answers}
    return {
        protocol.__name__: frozenset(
            service.name for service in services if protocol in deps_fields(service).values()
        )
        for protocol in protocols
    }


def test_the_services_that_may_ask_are_those_that_declare_it() -> None:
    assert declared([service_of(name) for name in SERVICES]) == CALLERS


def test_a_service_that_declares_one_more_peer_is_found() -> None:
    user = service_of("user")
    asks = make_dataclass("Deps", [("more", PaymentQuestions)], bases=(user.deps,), kw_only=True, frozen=True)
    others = [service_of(name) for name in SERVICES if name != "user"]
    found = declared([*others, msgspec.structs.replace(user, deps=asks)])
    assert found["PaymentQuestions"] == {"booking", "user"}


async def test_a_service_of_the_house_is_asked_through_its_contract(house: TestHouse, tmp_path: Path) -> None:
    folder, registry = tmp_path / "keys", StaticRegistry()
    publish(folder, ["search", "listing"])
    listing = Peering(
        house.house.answering,
        ServiceKeys(folder, "listing").sender_of,
        protocols=service_of("listing").answers,
    )
    peers = HttpPeers(registry, ServiceKeys(folder, "search").token_for)
    wish = Wish(check_in=date(2027, 6, 1), check_out=date(2027, 6, 3), guests=1)
    async with listening(listing) as url:
        await registry.register(Instance("listing", "listing-1", url))
        assert await peers.ask(ListingQuestions).all_ids(None, 10) == []
        with pytest.raises(NotFound):
            await peers.ask(ListingQuestions).quote(Caller(), UUID(int=1), wish)
        await peers.close()


# the keys


def wall() -> MovableClock:
    return MovableClock(SystemClock(), frozen_at=SystemClock().now())


def test_a_token_is_renewed_at_half_its_life_and_ends_with_it(tmp_path: Path) -> None:
    publish(tmp_path, [ASKER, OWNER])
    clock = wall()
    asker, answerer = (ServiceKeys(tmp_path, name, wall=clock) for name in (ASKER, OWNER))
    first = asker.token_for(OWNER)
    clock.move_to(clock.now() + timedelta(seconds=29))
    assert asker.token_for(OWNER) == first
    clock.move_to(clock.now() + timedelta(seconds=2))
    assert asker.token_for(OWNER) != first
    assert answerer.sender_of(first) == ASKER
    clock.move_to(clock.now() + timedelta(seconds=40))
    with pytest.raises(NotAService):
        answerer.sender_of(first)


def test_a_token_for_one_service_is_of_no_use_at_another(tmp_path: Path) -> None:
    publish(tmp_path, [ASKER, OWNER, "listing"])
    token = ServiceKeys(tmp_path, ASKER).token_for(OWNER)
    assert ServiceKeys(tmp_path, OWNER).sender_of(token) == ASKER
    with pytest.raises(NotAService):
        ServiceKeys(tmp_path, "listing").sender_of(token)


def test_a_verified_token_is_remembered_and_only_so_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "REMEMBERED", 3)
    publish(tmp_path, [ASKER])
    answerer = ServiceKeys(tmp_path, OWNER)
    for number in range(10):
        assert answerer.sender_of(forged(tmp_path, iat=now(-number), exp=now(60 - number))) == ASKER
    assert answerer.remembered == 3
    with pytest.raises(NotAService):
        answerer.sender_of(forged(tmp_path, aud="listing"))
    assert answerer.remembered == 3


async def test_a_key_file_that_changes_is_noticed_within_seconds(tmp_path: Path) -> None:
    publish(tmp_path, [ASKER])
    answerer = ServiceKeys(tmp_path, OWNER)
    token = forged(tmp_path)
    assert answerer.sender_of(token) == ASKER
    path = tmp_path / "trusted" / f"{ASKER}.json"
    kept = path.read_bytes()

    def accepted() -> bool:
        try:
            return answerer.sender_of(token) == ASKER
        except NotAService:
            return False

    path.unlink()
    await until(lambda: not accepted())
    assert answerer.remembered == 0
    path.write_bytes(b"not a key")
    assert not accepted()
    path.write_bytes(kept)
    await until(accepted)


def test_after_a_new_key_the_old_one_is_still_known_and_a_third_replaces_the_first(tmp_path: Path) -> None:
    tokens = []
    for _ in range(3):
        (tmp_path / f"{ASKER}-peers.key").unlink(missing_ok=True)
        assert [path.name for path in publish(tmp_path, [ASKER])] == [f"{ASKER}.json"]
        assert publish(tmp_path, [ASKER]) == []
        tokens.append(forged(tmp_path))
    answerer = ServiceKeys(tmp_path, OWNER)
    assert [answerer.sender_of(token) for token in tokens[1:]] == [ASKER, ASKER]
    with pytest.raises(NotAService):
        answerer.sender_of(tokens[0])


def test_no_private_key_is_among_the_public_ones(tmp_path: Path) -> None:
    publish(tmp_path, [ASKER])
    [jwk] = msgspec.json.decode((tmp_path / "trusted" / f"{ASKER}.json").read_bytes())["keys"]
    assert "d" not in jwk
    assert (tmp_path / f"{ASKER}-peers.key").stat().st_mode & 0o077 == 0


async def test_a_service_that_the_others_cannot_know_says_so_at_its_start(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="hometrip keys services"):
        await ServiceKeys(tmp_path, ASKER).open()
    publish(tmp_path, [ASKER])
    await ServiceKeys(tmp_path, ASKER).open()

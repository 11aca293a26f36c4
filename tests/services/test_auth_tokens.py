"""Access tokens at the edge: which are believed, and which never are."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import assume, given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.app.tokens import TokenReader
from hometrip.kernel.clock import utc
from hometrip.services.auth.contract import AUDIENCE, ISSUER, BadToken
from hometrip.services.auth.rules.access_tokens import Claims, UnknownKey, public_jwk, signed

NOW = utc(2027, 4, 14, 9)
ANN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
SESSION = UUID("01890a5d-ac96-774b-bcce-b302099a8058")
KEY, OTHER = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")
KID, OTHER_KID = KEY.thumbprint(), OTHER.thumbprint()
HEADER = {"alg": "EdDSA", "kid": KID, "typ": "at+jwt"}
JWKS = {"keys": [public_jwk(KEY, KID)]}
BOTH = {"keys": [public_jwk(OTHER, OTHER_KID), public_jwk(KEY, KID)]}


def seconds(at: datetime) -> int:
    return int(at.timestamp())


CLAIMS: dict[str, Any] = {
    "sub": str(ANN),
    "sid": str(SESSION),
    "roles": ["admin"],
    "iat": seconds(NOW),
    "exp": seconds(NOW) + 3600,
    "iss": ISSUER,
    "aud": AUDIENCE,
}


def good() -> str:
    claims = Claims(sub=ANN, sid=SESSION, roles=["admin"], iat=CLAIMS["iat"], exp=CLAIMS["exp"])
    return signed(KEY, KID, claims)


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(claims: Any = CLAIMS, header: dict[str, Any] = HEADER, key: Any = KEY) -> str:
    """Any header and any payload, signed with Ed25519 all the same."""
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{part(key.private_key.sign(text.encode()))}"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(SystemClock(), frozen_at=NOW)


@pytest.fixture
def reader(clock: MovableClock) -> TokenReader:
    return TokenReader(JWKS, clock)


def test_a_token_tells_whose_it_is_and_until_when(reader: TokenReader) -> None:
    for _ in range(2):
        read = reader.read(good())
        assert (read.account_id, read.session_id, read.roles) == (ANN, SESSION, frozenset({"admin"}))
        assert read.expires_at == NOW + timedelta(hours=1)


def test_a_forgery_with_the_right_key_and_claims_is_no_forgery(reader: TokenReader) -> None:
    assert reader.read(forged()).account_id == ANN


def test_a_token_is_over_at_its_end_remembered_or_not(reader: TokenReader, clock: MovableClock) -> None:
    token = good()
    reader.read(token)
    clock.move_to(NOW + timedelta(seconds=3599))
    assert reader.read(token)
    clock.move_to(NOW + timedelta(seconds=3600))
    for candidate in (token, forged(), token):
        with pytest.raises(BadToken):
            reader.read(candidate)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


WRONG_CLAIMS: dict[str, Any] = {
    **{f"without {name}": without(name) for name in ("sub", "sid", "roles", "iat", "exp")},
    "another audience": CLAIMS | {"aud": "elsewhere"},
    "several audiences": CLAIMS | {"aud": [AUDIENCE, "elsewhere"]},
    "another issuer": CLAIMS | {"iss": "elsewhere"},
    "a refresh token's look": CLAIMS | {"aud": "hometrip-refresh"},
    "expired": CLAIMS | {"exp": seconds(NOW)},
    "never ends": CLAIMS | {"exp": 10**30},
    "ends far away": CLAIMS | {"exp": 10**17},
    "ends at a text": CLAIMS | {"exp": str(CLAIMS["exp"])},
    "ends at nothing": CLAIMS | {"exp": None},
    "ends at a fraction": CLAIMS | {"exp": CLAIMS["exp"] + 0.5},
    "an account that is none": CLAIMS | {"sub": "admin"},
    "an account that is a number": CLAIMS | {"sub": 1},
    "roles as a text": CLAIMS | {"roles": "admin"},
    "roles of numbers": CLAIMS | {"roles": [1]},
    "a list": [CLAIMS],
    "a text": "admin",
    "nothing": None,
    "no JSON": b"{",
    "not even text": b"\xff\xfe",
}


@pytest.mark.parametrize("claims", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS.keys())
def test_a_signature_does_not_make_wrong_claims_right(reader: TokenReader, claims: Any) -> None:
    with pytest.raises(BadToken):
        reader.read(forged(claims))


WRONG_HEADERS: dict[str, dict[str, Any]] = {
    "no algorithm": HEADER | {"alg": "none"},
    "no algorithm, shouted": HEADER | {"alg": "NONE"},
    "another algorithm": HEADER | {"alg": "HS256"},
    "its other name": HEADER | {"alg": "Ed25519"},
    "an algorithm of another kind": HEADER | {"alg": None},
    "a list of algorithms": HEADER | {"alg": ["EdDSA"]},
    "another type": HEADER | {"typ": "JWT"},
    "an unknown key": HEADER | {"kid": OTHER_KID},
    "a path for a key": HEADER | {"kid": "../../../../dev/null"},
    "a query for a key": HEADER | {"kid": "' OR 1=1 --"},
    "an address for a key": HEADER | {"kid": "http://127.0.0.1/keys"},
    "an empty key id": HEADER | {"kid": ""},
    "a key id of another kind": HEADER | {"kid": 0},
    "a list of key ids": HEADER | {"kid": [KID]},
    "no key id": {"alg": "EdDSA", "typ": "at+jwt"},
    "no type": {"alg": "EdDSA", "kid": KID},
    "its own key brought along": HEADER | {"jwk": OTHER.as_dict(private=False)},
    "an address of keys brought along": HEADER | {"jku": "http://127.0.0.1/jwks.json"},
    "a certificate brought along": HEADER | {"x5c": ["MII"]},
    "a critical extension": HEADER | {"crit": ["exp"], "exp": 0},
    "an unencoded payload": HEADER | {"b64": False, "crit": ["b64"]},
    "compressed": HEADER | {"zip": "DEF"},
}


@pytest.mark.parametrize("header", WRONG_HEADERS.values(), ids=WRONG_HEADERS.keys())
def test_a_header_cannot_choose_how_it_is_believed(reader: TokenReader, header: dict[str, Any]) -> None:
    for key in (KEY, OTHER):
        with pytest.raises(BadToken):
            reader.read(forged(header=header, key=key))


def test_a_token_without_a_signature_is_refused(reader: TokenReader) -> None:
    for header in (HEADER, HEADER | {"alg": "none"}):
        for signature in ("", "AA", part(bytes(64))):
            with pytest.raises(BadToken):
                reader.read(f"{part(header)}.{part(CLAIMS)}.{signature}")


def test_the_public_key_is_no_secret_to_sign_with(reader: TokenReader) -> None:
    """Key confusion: an HMAC made with what everybody knows."""
    public = KEY.public_key.public_bytes_raw()
    for secret in (
        public,
        part(public).encode(),
        json.dumps(public_jwk(KEY, KID)).encode(),
        KEY.as_pem(private=False),
    ):
        for alg in ("HS256", "EdDSA"):
            text = f"{part(HEADER | {'alg': alg})}.{part(CLAIMS)}"
            with pytest.raises(BadToken):
                reader.read(f"{text}.{part(hmac.digest(secret, text.encode(), hashlib.sha256))}")


def test_keys_of_other_kinds_are_neither_believed_nor_used(clock: MovableClock) -> None:
    """Even in the JWKS: only Ed25519 keys verify here."""
    others = {
        "ES256": ECKey.import_key(ec.generate_private_key(ec.SECP256R1())),
        "RS256": RSAKey.import_key(rsa.generate_private_key(65537, 2048)),
        "HS256": OctKey.generate_key(256),
    }
    jwks = {"keys": [{**key.as_dict(), "kid": alg} for alg, key in others.items()]}
    reader = TokenReader({"keys": jwks["keys"] + JWKS["keys"]}, clock)
    for alg, key in others.items():
        token = jws.serialize_compact(
            {"alg": alg, "kid": alg, "typ": "at+jwt"}, json.dumps(CLAIMS), key, algorithms=[alg]
        )
        with pytest.raises(BadToken):
            reader.read(token)
    assert reader.read(good())


def test_another_key_under_a_known_name_is_refused(reader: TokenReader) -> None:
    with pytest.raises(BadToken):
        reader.read(forged(key=OTHER))


@given(st.integers(0, 10_000), st.integers(0, 6))
def test_with_any_bit_flipped_a_token_is_refused(where: int, bit: int) -> None:
    reader, token = TokenReader(JWKS, MovableClock(SystemClock(), frozen_at=NOW)), good()
    reader.read(token)
    where %= len(token)
    flipped = token[:where] + chr(ord(token[where]) ^ (1 << bit)) + token[where + 1 :]
    with pytest.raises(BadToken):
        reader.read(flipped)


def test_every_other_last_character_is_refused(reader: TokenReader) -> None:
    """The last character of a signature has bits that say nothing: they must be as they were all the same."""
    token = good()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for other in alphabet.replace(token[-1], ""):
        with pytest.raises(BadToken):
            reader.read(token[:-1] + other)


@pytest.mark.parametrize(
    "change", ["{}=", "{}==", " {}", "{}\n", "{}.", ".{}", "{}.e30", "Bearer {}", "{}\x00", "{}é"]
)
def test_what_is_put_around_a_token_spoils_it(reader: TokenReader, change: str) -> None:
    with pytest.raises(BadToken):
        reader.read(change.format(good()))


def test_a_huge_token_is_refused_at_once(reader: TokenReader) -> None:
    began = time.perf_counter()
    for huge in ("a" * 10_000_000, "." * 1_000_000, f"{part(HEADER)}.{'A' * 5_000_000}.{'A' * 86}"):
        with pytest.raises(BadToken):
            reader.read(huge)
    deep = part(b"[" * 2000 + b"]" * 2000)
    with pytest.raises(BadToken):
        reader.read(f"{deep}.{deep[:900]}.{part(bytes(64))}")
    assert time.perf_counter() - began < 1


@given(st.text(max_size=200))
def test_no_text_is_taken_for_a_token(text: str) -> None:
    with pytest.raises(BadToken):
        TokenReader(JWKS, MovableClock(SystemClock(), frozen_at=NOW)).read(text)


@given(st.binary(max_size=120), st.binary(max_size=120), st.binary(max_size=70))
def test_no_three_parts_are_taken_for_a_token(header: bytes, payload: bytes, signature: bytes) -> None:
    reader = TokenReader(JWKS, MovableClock(SystemClock(), frozen_at=NOW))
    assume(signature)
    with pytest.raises(BadToken):
        reader.read(f"{part(header)}.{part(payload)}.{part(signature)}")


def test_after_a_rotation_both_keys_verify_until_the_old_one_goes(reader: TokenReader) -> None:
    old, new = good(), forged(header=HEADER | {"kid": OTHER_KID}, key=OTHER)
    reader.read(old)
    with pytest.raises(UnknownKey):
        reader.read(new)
    reader.renew(BOTH)
    assert reader.read(old) == reader.read(new)
    reader.renew({"keys": [public_jwk(OTHER, OTHER_KID)]})
    assert reader.read(new)
    with pytest.raises(UnknownKey):
        reader.read(old)


def test_only_so_many_tokens_are_remembered(clock: MovableClock) -> None:
    reader = TokenReader(JWKS, clock, remembered=3)
    tokens = [forged(CLAIMS | {"exp": CLAIMS["exp"] + n}) for n in range(20)]
    for token in tokens:
        reader.read(token)
    assert reader.remembered == 3
    assert [reader.read(token).account_id for token in tokens] == [ANN] * 20


def test_reading_from_memory_takes_less_than_five_microseconds() -> None:
    reader, token = TokenReader(JWKS, MovableClock(SystemClock(), frozen_at=NOW)), good()
    reader.read(token)
    runs = []
    for _ in range(20):
        began = time.perf_counter()
        for _ in range(1000):
            reader.read(token)
        runs.append((time.perf_counter() - began) / 1000)
    assert min(runs) < 5e-6

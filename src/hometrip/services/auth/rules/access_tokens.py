"""Access tokens: JSON Web Tokens signed with Ed25519, and the one way in which they are read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey

from hometrip.services.auth.contract import ALGORITHM, AUDIENCE, ISSUER, BadToken

LONGEST = 4096
_TYPE = "at+jwt"


class AccessToken(msgspec.Struct, frozen=True):
    """What a valid token says."""

    account_id: UUID
    session_id: UUID
    roles: frozenset[str]
    expires_at: datetime


class UnknownKey(BadToken):
    """The token names a key that is not known here (any more, or yet)."""


class Claims(msgspec.Struct, frozen=True):
    """RFC 7519 and 9068. Times are whole seconds since 1970."""

    sub: UUID
    sid: UUID
    roles: list[str]
    iat: int
    exp: int
    iss: str = ISSUER
    aud: str = AUDIENCE


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a header has here: no key, no address of one, no extension can be brought along."""

    alg: str
    kid: str
    typ: str


class OneAlgorithm(jws.JWSRegistry):
    """Only Ed25519 signatures, whatever a header asks for."""

    def get_alg(self, name: str) -> Any:
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(f"{name} is not accepted")
        return self.algorithms[name]


_REGISTRY = OneAlgorithm()


def signed(key: OKPKey, kid: str, claims: Claims) -> str:
    header = {"alg": ALGORITHM, "kid": kid, "typ": _TYPE}
    return jws.serialize_compact(header, msgspec.json.encode(claims), key, registry=_REGISTRY)


def read(token: str, keys: Mapping[str, OKPKey], now: datetime) -> AccessToken:
    """What the token says, if one of these keys signed it for HomeTrip and its time is not over.

    Raises `BadToken` for everything else, `UnknownKey` among it.
    """
    header = _part(token, Header)
    if header.alg != ALGORITHM or header.typ != _TYPE:
        raise BadToken
    key = keys.get(header.kid)
    if key is None:
        raise UnknownKey
    try:
        payload = jws.deserialize_compact(token, key, registry=_REGISTRY).payload
        claims = msgspec.json.decode(payload or b"", type=Claims)
    except (JoseError, msgspec.DecodeError, ValueError) as reason:
        raise BadToken from reason
    if claims.iss != ISSUER or claims.aud != AUDIENCE or claims.exp <= now.timestamp():
        raise BadToken
    try:
        expires_at = datetime.fromtimestamp(claims.exp, UTC)
    except (OverflowError, ValueError, OSError) as reason:
        raise BadToken from reason
    return AccessToken(claims.sub, claims.sid, frozenset(claims.roles), expires_at)


def _part(token: str, kind: type[Header]) -> Header:
    """The header, of a token that is spelt in the one way in which tokens are given out."""
    parts = token.split(".")
    if len(token) > LONGEST or len(parts) != 3 or not token.isascii():
        raise BadToken
    try:
        header, _, _ = (_canonical(part) for part in parts)
        return msgspec.json.decode(header, type=kind)
    except (binascii.Error, ValueError) as reason:
        raise BadToken from reason


def _canonical(part: str) -> bytes:
    """Base64 has several spellings of the same bytes; a token is what was given out, to the bit."""
    decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise ValueError("not canonical")
    return decoded


def public_jwk(key: OKPKey, kid: str) -> dict[str, Any]:
    """A public key as the JWKS has it."""
    return {**key.as_dict(private=False), "kid": kid, "alg": ALGORITHM, "use": "sig"}


def keys_of(jwks: Mapping[str, Any]) -> dict[str, OKPKey]:
    """The Ed25519 keys of a JWKS by their ids; keys of other kinds are left out."""
    return {
        jwk["kid"]: OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x")})
        for jwk in jwks["keys"]
        if jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519" and "kid" in jwk
    }

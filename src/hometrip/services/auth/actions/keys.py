"""The keys that sign access tokens: made here, kept encrypted, replaced without a restart."""

from __future__ import annotations

import logging
import os
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import OKPKey

from hometrip.kernel.clock import SECOND
from hometrip.kernel.errors import Unavailable
from hometrip.ports.database import Reader
from hometrip.services.auth.actions.deps import Deps
from hometrip.services.auth.rules.access_tokens import Claims, public_jwk, signed
from hometrip.services.auth.store import keys as store
from hometrip.services.auth.store.accounts import Account
from hometrip.services.auth.store.sessions import Session

log = logging.getLogger("hometrip.auth")

_NONCE = 12
# A key is published so long before it signs: every reader of tokens renews its keys more often than that.
AHEAD = 10 * SECOND


class SigningKey:
    """A private key, ready to sign."""

    def __init__(self, kid: str, key: OKPKey) -> None:
        self.kid, self._key = kid, key

    def access_token(self, account: Account, session: Session, now: datetime, expires_at: datetime) -> str:
        claims = Claims(
            sub=account.id,
            sid=session.id,
            roles=account.roles,
            iat=int(now.timestamp()),
            exp=int(expires_at.timestamp()),
        )
        return signed(self._key, self.kid, claims)


async def signing_key(deps: Deps, reader: Reader) -> SigningKey:
    """The key that signs now, whichever process made it."""
    kept = await store.signing_at(reader, deps.now())
    if kept is None:
        raise Unavailable("there is no signing key yet")
    return _unsealed(deps.secrets.secret("signing-keys"), kept.kid, bytes(kept.sealed))


async def rotate_keys(deps: Deps) -> str:
    """Make a new key that signs in ten seconds, and answer its id.

    The keys before it verify until the last token that they signed has expired.
    """
    return await _make_key(deps, deps.now() + AHEAD)


async def _make_key(deps: Deps, signs_from: datetime) -> str:
    private = Ed25519PrivateKey.generate()
    key = OKPKey.import_key(private)
    kid = key.thumbprint()
    nonce = os.urandom(_NONCE)
    cipher = AESGCM(deps.secrets.secret("signing-keys"))
    sealed = nonce + cipher.encrypt(nonce, private.private_bytes_raw(), kid.encode())
    over = deps.now() - deps.access_life
    async with deps.db.transaction() as tx:
        await store.replace(tx, kid, sealed, public_jwk(key, kid), signs_from, over)
    return kid


async def ensure_key(deps: Deps) -> None:
    """There is a key that can sign. One whose secret was lost is replaced, and all sign in again."""
    async with deps.db.read() as reader:
        kept = await store.signing_at(reader, deps.now())
    if kept is not None:
        try:
            _unsealed(deps.secrets.secret("signing-keys"), kept.kid, bytes(kept.sealed))
            return
        except InvalidTag:
            log.error("the signing key cannot be decrypted: making another one")
    await _make_key(deps, deps.now())


async def public_keys(deps: Deps) -> dict[str, Any]:
    """The JWKS: the key that signs, and those whose tokens may still be about."""
    async with deps.db.read() as reader:
        return {"keys": await store.public(reader, deps.now() - deps.access_life)}


@lru_cache(maxsize=8)
def _unsealed(secret: bytes, kid: str, sealed: bytes) -> SigningKey:
    raw = AESGCM(secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], kid.encode())
    return SigningKey(kid, OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(raw)))

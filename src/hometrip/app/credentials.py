"""How the services of a house of many processes know each other: each signs short-lived tokens with a key of
its own, and verifies those of the others with their public keys. No password is shared.

A service's private key is one of its secrets. Its public key is in a folder that all of them read,
`<secrets>/trusted/<service>.json`, a JWK Set: made by `publish` where the secrets are, carried to other
machines by whoever runs them.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.secrets.files import FileSecrets
from hometrip.kernel.clock import SECOND, SKEW, Clock
from hometrip.kernel.errors import Unauthenticated
from hometrip.ports.engine import Unfit
from hometrip.ports.secrets import Secrets
from hometrip.services.auth.contract import ALGORITHM
from hometrip.services.auth.rules.access_tokens import OneAlgorithm, public_jwk

log = logging.getLogger("hometrip.credentials")

LIFE = timedelta(seconds=60)
LONGEST = 1024
REMEMBERED = 1000
LOOK_SECONDS = 1.0
SECRET, TRUSTED = "peers", "trusted"
# The key before the present one stays, for the processes that have not been started again yet.
KEPT = 2

_TYPE = "service+jwt"
_NAME = re.compile(r"[a-z][a-z-]{0,30}")
_REGISTRY = OneAlgorithm()


class NotAService(Unauthenticated):
    """This needs the credential of one of the services of this house, made for the service that is asked."""

    code = "not_a_service"


class Claims(msgspec.Struct, frozen=True):
    """Who says it (a service), to whom, and for how long; seconds since 1970."""

    iss: str
    aud: str
    iat: int
    exp: int


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`kid` is `<service>.<thumbprint of its key>`."""

    alg: str
    kid: str
    typ: str


class Trusted(msgspec.Struct, frozen=True):
    """The public keys of a service as its file had them when it was last looked at."""

    keys: Mapping[str, OKPKey]
    mark: tuple[int, int, int]


class ServiceKeys:
    """What the service `name` proves itself with, and how it knows the others. `folder` is that of the
    secrets. Tokens age by `wall`, the time on the wall. A changed key file is noticed within two seconds.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        secrets: Secrets | None = None,
        trusted: Path | None = None,
        wall: Clock | None = None,
    ) -> None:
        self.name, self._wall = name, wall or SystemClock()
        self._secrets = secrets or FileSecrets(folder, name)
        self._files = KeyFiles(trusted or folder / TRUSTED)
        self._made: dict[str, tuple[str, int]] = {}
        self._read: OrderedDict[str, tuple[Claims, Trusted]] = OrderedDict()
        self._key: OKPKey | None = None

    async def open(self) -> None:
        """Raises `Unfit` where the others cannot know this service."""
        if key_of(self._secrets).thumbprint() not in (self._files.trusted(self.name) or NOBODY).keys:
            raise Unfit(
                f"{self._files.path_of(self.name)} does not have the public key of {self.name}: run "
                "`hometrip keys services` where its secrets are, and put the file there on every machine"
            )

    @property
    def remembered(self) -> int:
        """How many tokens of others need no verification now."""
        return len(self._read)

    def token_for(self, service: str) -> str:
        """A token that proves to that service, and to no other, who is asking; renewed at half its life."""
        now = int(self._wall.now().timestamp())
        made = self._made.get(service)
        if made is None or made[1] <= now:
            self._key = self._key or key_of(self._secrets)
            claims = Claims(self.name, service, now, now + int(LIFE / SECOND))
            made = self._made[service] = signed(self._key, claims), now + int(LIFE / SECOND / 2)
        return made[0]

    def sender_of(self, token: str) -> str:
        """The service that made the token for this one. Raises `NotAService`."""
        now = self._wall.now().timestamp()
        if known := self._read.get(token):
            claims, trusted = known
            if claims.exp + SKEW / SECOND > now and self._files.trusted(claims.iss) is trusted:
                self._read.move_to_end(token)
                return claims.iss
            del self._read[token]
        service, kid = issuer_of(token)
        now_trusted = self._files.trusted(service)
        key = now_trusted.keys.get(kid) if now_trusted else None
        if now_trusted is None or key is None:
            raise NotAService
        claims = verified(token, key)
        if claims.iss != service or claims.aud != self.name or not is_timely(claims, now):
            raise NotAService
        self._read[token] = claims, now_trusted
        if len(self._read) > REMEMBERED:
            self._read.popitem(last=False)
        return service


class KeyFiles:
    """The folder of public keys. A file is looked at again when somebody asks and a second has passed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[float, Trusted]] = {}

    def path_of(self, service: str) -> Path:
        return self._folder / f"{service}.json"

    def trusted(self, service: str) -> Trusted | None:
        """The same object for as long as the file does not change; None where there is no such file."""
        looked, known = self._known.get(service, (0.0, None))
        now = time.monotonic()
        if known is not None and now - looked < LOOK_SECONDS:
            return known
        try:
            stat = self.path_of(service).stat()
            mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if known is None or known.mark != mark:
                known = Trusted(public_keys(self.path_of(service)), mark)
        except FileNotFoundError:
            self._known.pop(service, None)
            return None
        except (OSError, ValueError, KeyError, TypeError, JoseError) as reason:
            log.error("keys cannot be read", extra={"of": service}, exc_info=reason)
            self._known.pop(service, None)
            return None
        self._known[service] = now, known
        return known


NOBODY = Trusted({}, (0, 0, 0))


def key_of(secrets: Secrets) -> OKPKey:
    """The private key of the service whose secrets these are."""
    return OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(secrets.secret(SECRET)))


def publish(folder: Path, services: Iterable[str], trusted: Path | None = None) -> list[Path]:
    """Make the private keys that are missing among the secrets in `folder`, and write the public ones; the
    files that were written. May be run again at any time, also by several at once.
    """
    into = trusted or folder / TRUSTED
    into.mkdir(mode=0o755, parents=True, exist_ok=True)
    done = []
    for service in services:
        key, path = key_of(FileSecrets(folder, service)), into / f"{service}.json"
        jwk = public_jwk(key, key.thumbprint())
        before = written(path)["keys"] if path.exists() else []
        if before and before[0] == jwk:
            continue
        kept = [jwk, *(other for other in before if other != jwk)][:KEPT]
        fresh = path.with_suffix(f".{secrets.token_hex(4)}.new")
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode({"keys": kept})))
        fresh.replace(path)
        done.append(path)
    return done


def public_keys(path: Path) -> dict[str, OKPKey]:
    """The Ed25519 keys of a file by their thumbprints; keys of other kinds are left out."""
    keys = [
        OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x")})
        for jwk in written(path)["keys"]
        if jwk["kty"] == "OKP" and jwk["crv"] == "Ed25519"
    ]
    return {key.thumbprint(): key for key in keys}


def written(path: Path) -> dict[str, Any]:
    """What a file of keys holds: a JWK Set, or one JWK. `ValueError` for anything else."""
    found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    return found if "keys" in found else {"keys": [found]}


def signed(key: OKPKey, claims: Claims) -> str:
    header = {"alg": ALGORITHM, "kid": f"{claims.iss}.{key.thumbprint()}", "typ": _TYPE}
    return jws.serialize_compact(header, msgspec.json.encode(claims), key, registry=_REGISTRY)


def issuer_of(token: str) -> tuple[str, str]:
    """The service that a token says it is of, and the id of its key; nothing is verified yet."""
    head = token.split(".", 1)[0]
    try:
        if len(token) > LONGEST or not token.isascii():
            raise NotAService
        header = msgspec.json.decode(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)), type=Header)
    except (binascii.Error, ValueError) as reason:
        raise NotAService from reason
    service, _, kid = header.kid.partition(".")
    # The name becomes the name of a file.
    if header.alg != ALGORITHM or header.typ != _TYPE or not _NAME.fullmatch(service):
        raise NotAService
    return service, kid


def verified(token: str, key: OKPKey) -> Claims:
    """What the token says, if the key signed it."""
    try:
        payload = jws.deserialize_compact(token, key, registry=_REGISTRY).payload
        return msgspec.json.decode(payload or b"", type=Claims)
    except (JoseError, ValueError) as reason:
        raise NotAService from reason


def is_timely(claims: Claims, now: float) -> bool:
    """Made for one minute, which is neither over nor yet to come."""
    skew = SKEW / SECOND
    return claims.iat - skew <= now < claims.exp + skew and claims.exp - claims.iat <= LIFE / SECOND

"""Reads access tokens for the edge: a signature is verified once, and then remembered until it expires."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from hometrip.kernel.clock import Clock
from hometrip.services.auth.contract import BadToken
from hometrip.services.auth.rules.access_tokens import AccessToken, keys_of, read

REMEMBERED = 10_000


class TokenReader:
    """Verifies access tokens against a JWKS; the tokens that were used last are remembered.

    Whether a token's session was revoked since is not known here: ask with its `session_id`.
    """

    def __init__(self, jwks: Mapping[str, Any], clock: Clock, *, remembered: int = REMEMBERED) -> None:
        self._clock, self._most = clock, remembered
        self._jwks, self._keys = jwks, keys_of(jwks)
        self._read: OrderedDict[str, AccessToken] = OrderedDict()

    @property
    def remembered(self) -> int:
        """How many tokens need no verification now."""
        return len(self._read)

    def renew(self, jwks: Mapping[str, Any]) -> None:
        """Use these keys from now on; what was verified with a key that is gone is verified no more."""
        if jwks == self._jwks:
            return
        keys = keys_of(jwks)
        if not self._keys.keys() <= keys.keys():
            self._read.clear()
        self._jwks, self._keys = jwks, keys

    def read(self, token: str) -> AccessToken:
        """What the token says. Raises `BadToken`; its kind `UnknownKey` may pass with newer keys."""
        now = self._clock.now()
        known = self._read.get(token)
        if known is None:
            known = read(token, self._keys, now)
            self._read[token] = known
            if len(self._read) > self._most:
                self._read.popitem(last=False)
        elif known.expires_at <= now:
            del self._read[token]
            raise BadToken
        else:
            self._read.move_to_end(token)
        return known

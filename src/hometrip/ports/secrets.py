"""The secrets port: random keys that are made at the first start and then kept."""

from __future__ import annotations

from typing import Protocol

from hometrip.kernel.errors import Unavailable

LENGTH = 32


class SecretsDown(Unavailable):
    """A key of the house cannot be read or kept now: the disk is full or damaged, or a right is missing."""

    code = "secrets_down"


class Secrets(Protocol):
    """`secret` answers 32 random bytes, the same ones for the same name ever after, also after a restart.

    Names are local to the service that asks. Kept where only the owner of the house can read them. What is
    kept and is no whole key is never used: `SecretsDown`, as where none can be kept.
    """

    def secret(self, name: str) -> bytes: ...

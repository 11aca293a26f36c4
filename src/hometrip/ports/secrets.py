"""The secrets port: random keys that are made at the first start and then kept."""

from __future__ import annotations

from typing import Protocol


class Secrets(Protocol):
    """`secret` answers 32 random bytes, the same ones for the same name ever after, also after a restart.

    Names are local to the service that asks. Kept where only the owner of the house can read them.
    """

    def secret(self, name: str) -> bytes: ...

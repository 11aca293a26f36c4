"""The cable between two processes of one house."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Cable(Protocol):
    """`call` waits for an answer of the other end, `tell` for nothing. What is said is plain: numbers, texts,
    bytes, lists and maps of them. `Unavailable` where the other end is gone or silent.
    """

    def on(self, name: str, heed: Callable[..., Any], *, apart: bool = False) -> None:
        """`heed` is called with what is said of a `name`; what it returns, or what that awaits, is answered.

        What is said first is heard first. One that waits holds up all that follows, if not `apart`.
        """

    def tell(self, name: str, *args: Any) -> None: ...

    async def call(self, name: str, *args: Any) -> Any: ...

    @property
    def is_gone(self) -> bool: ...

"""Peers within one process: a direct call whose arguments and answer are copied, so that nothing is
shared.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import msgspec

from hometrip.adapters.peers.exchange import Answering, Find, exchange, pack, questions
from hometrip.kernel.errors import HomeTripError, Unavailable, rebuild, tell
from hometrip.ports.peer import Refused

P = TypeVar("P")


class LocalPeers:
    """`find` gives the function that answers a method. With `twice`, as the loopback runner wants it, each
    question is asked a second time and each error is rebuilt from its code.

    The caller's deadline ends a call by cancelling the task that they share.
    """

    def __init__(self, find: Find, *, twice: bool = False) -> None:
        self._find, self._twice = find, twice

    def ask(self, protocol: type[P]) -> P:
        proxy = type(f"Local{protocol.__name__}", (), {"__slots__": ()})
        for method in questions(protocol):
            setattr(proxy, method, staticmethod(self._caller(protocol, method)))
        return cast(P, proxy())

    def _caller(self, protocol: type[Any], method: str) -> Answering:
        carried = exchange(protocol, method)
        find, asked_twice = self._find, self._twice and not carried.is_command
        found: list[Answering] = []

        async def call(*args: Any, **named: Any) -> Any:
            if not found:
                answering = find(protocol, method)
                if answering is None:
                    raise Refused(f"nobody answers {protocol.__name__}.{method}")
                found.append(answering)
            packed = pack(carried.given(args, named))
            try:
                answer = (
                    await found[0](*carried.arguments.decode(packed)) if carried.names else await found[0]()
                )
                if asked_twice:
                    answer = await found[0](*carried.arguments.decode(packed))
            except Refused as refused:
                # Whom the peer asked has refused; the peer itself was reached, and may have done something.
                raise Unavailable(refused.detail, **refused.facts) from refused
            return carried.answer.decode(pack(answer))

        return _rebuilding(call) if self._twice else call


def _rebuilding(call: Answering) -> Answering:
    async def rebuilt(*args: Any, **named: Any) -> Any:
        try:
            return await call(*args, **named)
        except HomeTripError as error:
            raise rebuild(msgspec.convert(msgspec.to_builtins(tell(error)), type(tell(error)))) from error

    return rebuilt

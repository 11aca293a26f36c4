"""Peers within one process: a direct call whose arguments and answer are copied, so that nothing is
shared.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast, get_type_hints

import msgspec

from hometrip.kernel.errors import HomeTripError, rebuild, tell
from hometrip.ports.peer import Refused

P = TypeVar("P")
Answering = Callable[..., Awaitable[Any]]
Find = Callable[[type[Any], str], Answering | None]

_pack = msgspec.msgpack.Encoder().encode


class Exchange(msgspec.Struct, frozen=True):
    """How one method of a peer Protocol is carried: its arguments as a tuple, its answer as its type."""

    names: tuple[str, ...]
    defaults: dict[str, Any]
    arguments: msgspec.msgpack.Decoder[Any]
    answer: msgspec.msgpack.Decoder[Any]
    is_command: bool


def exchange(protocol: type[Any], method: str) -> Exchange:
    """Read from the method's signature; every parameter and the answer must be annotated."""
    function = getattr(protocol, method)
    hints = get_type_hints(function)
    answer = hints.pop("return")
    parameters = inspect.signature(function).parameters
    names = tuple(name for name in parameters if name != "self")
    return Exchange(
        names,
        {
            name: parameters[name].default
            for name in names
            if parameters[name].default is not inspect.Parameter.empty
        },
        # Built at run time from the signature, which a type checker cannot follow.
        msgspec.msgpack.Decoder(tuple.__class_getitem__(tuple(hints[name] for name in names))),
        msgspec.msgpack.Decoder(answer),
        getattr(function, "is_command", False),
    )


def questions(protocol: type[Any]) -> list[str]:
    return [name for name, member in vars(protocol).items() if inspect.iscoroutinefunction(member)]


class LocalPeers:
    """`find` gives the function that answers a method. With `twice`, as the loopback runner wants it, each
    question is asked a second time and each error is rebuilt from its code."""

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
            filled = carried.defaults | named
            given = (*args, *(filled[name] for name in carried.names[len(args) :]))
            packed = _pack(given)
            answer = await found[0](*carried.arguments.decode(packed)) if carried.names else await found[0]()
            if asked_twice:
                answer = await found[0](*carried.arguments.decode(packed))
            return carried.answer.decode(_pack(answer))

        return _rebuilding(call) if self._twice else call


def _rebuilding(call: Answering) -> Answering:
    async def rebuilt(*args: Any, **named: Any) -> Any:
        try:
            return await call(*args, **named)
        except HomeTripError as error:
            raise rebuild(msgspec.convert(msgspec.to_builtins(tell(error)), type(tell(error)))) from error

    return rebuilt

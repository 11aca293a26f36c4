"""How a call of a peer is carried, read from the signature of its method; and what is said around it when it
is carried over HTTP.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, get_type_hints

import msgspec

Answering = Callable[..., Awaitable[Any]]
Find = Callable[[type[Any], str], Answering | None]

PATH = "/peers/"
MEDIA = "application/msgpack"
# Of the arguments of a call; an answer may be larger.
MOST_BYTES = 1_000_000

# What goes with a call: the milliseconds that are left for it, and what it belongs to.
DEADLINE = "x-hometrip-deadline-ms"
CORRELATION, CAUSATION, TRACE = "x-request-id", "x-hometrip-causation", "traceparent"
# Says that the answer's body is an error: of the method, or of a door before it, where nothing has happened.
TOLD = "x-hometrip-told"
RAISED, REFUSED = "raised", "refused"

pack = msgspec.msgpack.Encoder().encode


class Exchange(msgspec.Struct, frozen=True):
    """How one method of a peer Protocol is carried: its arguments as a tuple, its answer as its type."""

    names: tuple[str, ...]
    defaults: dict[str, Any]
    arguments: msgspec.msgpack.Decoder[Any]
    answer: msgspec.msgpack.Decoder[Any]
    is_command: bool

    def given(self, args: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        """Every argument in the order of the signature, with the Protocol's defaults."""
        if len(args) == len(self.names):
            return tuple(args)
        filled = {**self.defaults, **named}
        return (*args, *(filled[name] for name in self.names[len(args) :]))

    def may_repeat(self, given: Sequence[Any]) -> bool:
        """Is a second call harmless: of a question always, of a command with a key?"""
        return not self.is_command or ("key" in self.names and bool(given[self.names.index("key")]))


_READ: dict[tuple[type[Any], str], Exchange] = {}


def exchange(protocol: type[Any], method: str) -> Exchange:
    """Read once from the method's signature; every parameter and the answer must be annotated."""
    if (protocol, method) not in _READ:
        _READ[protocol, method] = _read(protocol, method)
    return _READ[protocol, method]


def _read(protocol: type[Any], method: str) -> Exchange:
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


def owner_of(protocol: type[Any]) -> str:
    """The service whose contract a peer protocol is in: `hometrip.services.<name>.contract`."""
    return protocol.__module__.split(".")[2]

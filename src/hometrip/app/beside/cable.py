"""What two processes of one house say to each other over a pair of sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec

from hometrip.kernel.errors import HomeTripError, Unavailable

log = logging.getLogger("hometrip.beside")

# Nobody waits for longer: the other process may stand still.
ANSWER_SECONDS = 10.0
_SIZE = 4
_CALL, _ANSWER, _FAILURE, _WORD = range(4)
_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode


class Cable:
    """`call` waits for an answer of the other end, `tell` for nothing; what is said first is heard first.

    As `ports.cable` says; where the other end is gone, `gone` is called once.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._heeded: dict[str, tuple[Callable[..., Any], bool]] = {}
        self._apart: set[asyncio.Task[None]] = set()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._numbers = count()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._unsaid: list[bytes] = []
        self.gone: Callable[[], None] = lambda: None

    def on(self, name: str, heed: Callable[..., Any], *, apart: bool = False) -> None:
        self._heeded[name] = heed, apart

    async def open(self) -> None:
        reader, self._writer = await asyncio.open_unix_connection(sock=self._end)
        for frame in self._unsaid:
            self._writer.write(frame)
        self._unsaid.clear()
        self._reading = asyncio.create_task(self._read(reader), name="cable")

    async def close(self) -> None:
        self.gone = lambda: None
        if self._reading is None:
            self._end.close()
            return
        for task in (ending := {self._reading, *self._apart}):
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def tell(self, name: str, *args: Any) -> None:
        self._say([_WORD, 0, name, args])

    async def call(self, name: str, *args: Any) -> Any:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._say([_CALL, number, name, args])
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer
        except TimeoutError as late:
            raise Unavailable("the other process of the house does not answer") from late
        finally:
            del self._waiting[number]

    @property
    def is_gone(self) -> bool:
        return self._reading is not None and self._reading.done()

    def _say(self, frame: list[Any]) -> None:
        body = _encode(frame)
        whole = len(body).to_bytes(_SIZE, "big") + body
        if self._writer is None:
            self._unsaid.append(whole)
        elif self.is_gone:
            raise Unavailable("the other process of the house is gone")
        else:
            self._writer.write(whole)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(_SIZE), "big")
                await self._heed(*_decode(await reader.readexactly(size)))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            assert self._writer is not None
            self._writer.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(Unavailable("the other process of the house is gone"))
            self.gone()

    async def _heed(self, kind: int, number: int, name: Any, args: Any) -> None:
        if kind in (_ANSWER, _FAILURE):
            answer = self._waiting.get(number)
            if answer is not None and not answer.done():
                if kind == _ANSWER:
                    answer.set_result(args)
                else:
                    answer.set_exception(Unavailable(args))
            return
        heed, apart = self._heeded.get(name, (_unknown, False))
        answering = self._answer(kind, number, name, heed, args)
        if apart:
            task = asyncio.create_task(answering, name="cable")
            self._apart.add(task)
            task.add_done_callback(self._apart.discard)
        else:
            await answering

    async def _answer(self, kind: int, number: int, name: str, heed: Callable[..., Any], args: Any) -> None:
        try:
            found = heed(*args)
            if asyncio.iscoroutine(found):
                found = await found
            said = [_ANSWER, number, "", found]
        except HomeTripError as error:
            said = [_FAILURE, number, "", error.detail]
        except Exception as error:
            # Whatever it is, the other end waits for an answer, and what else is said must still be heard.
            log.exception("what the other process said was not heeded", extra={"said": name})
            said = [_FAILURE, number, "", f"the other process failed: {type(error).__name__}"]
        if kind == _CALL:
            with contextlib.suppress(Unavailable):
                self._say(said)


def _unknown(*_: Any) -> None:
    raise LookupError("nothing is known of that here")

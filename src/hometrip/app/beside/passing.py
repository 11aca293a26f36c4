"""Clients' connections that go from one process to another, with what was read on them."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import deque
from collections.abc import Callable

log = logging.getLogger("hometrip.beside")

_SIZE = 4
_A_READ, _MOST_FILES = 1 << 16, 8


class Giving:
    """`give` never waits: what the other end has no room for yet is kept until it has."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[int | None, memoryview]] = deque()
        self._is_waiting = False

    def give(self, connection: int, heard: bytes) -> None:
        """The connection by the number of its file, which is ours to close."""
        self._queue.append((connection, memoryview(len(heard).to_bytes(_SIZE, "big") + heard)))
        if not self._is_waiting:
            self._send()

    def close(self) -> None:
        """Who was not passed on yet is hung up on."""
        self._wait(waiting=False)
        while self._queue:
            connection, _ = self._queue.popleft()
            if connection is not None:
                os.close(connection)
        self._end.close()

    def _send(self) -> None:
        try:
            while self._queue:
                connection, left = self._queue[0]
                if connection is None:
                    sent = self._end.send(left)
                else:
                    sent = socket.send_fds(self._end, [left], [connection])
                    os.close(connection)
                if sent < len(left):
                    self._queue[0] = None, left[sent:]
                else:
                    self._queue.popleft()
        except BlockingIOError:
            self._wait(waiting=True)
        except OSError as reason:
            log.warning("a connection cannot be passed on", extra={"reason": reason.strerror})
            self.close()
        else:
            self._wait(waiting=False)

    def _wait(self, *, waiting: bool) -> None:
        if waiting and not self._is_waiting:
            self._loop.add_writer(self._end, self._send)
        elif self._is_waiting and not waiting:
            self._loop.remove_writer(self._end)
        self._is_waiting = waiting


class Taking:
    """Hands every connection that comes to `take`, with what was read on it, until the other end is gone."""

    def __init__(self, end: socket.socket, take: Callable[[socket.socket, bytes], None]) -> None:
        end.setblocking(False)
        self._end, self._take = end, take
        self._files: deque[int] = deque()
        self._said = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(end, self._read)

    def close(self) -> None:
        if self._end.fileno() >= 0:
            self._loop.remove_reader(self._end)
            self._end.close()
        while self._files:
            os.close(self._files.popleft())

    def _read(self) -> None:
        try:
            said, files, _, _ = socket.recv_fds(self._end, _A_READ, _MOST_FILES)
        except BlockingIOError:
            return
        except OSError:
            said, files = b"", []
        for file in files:
            os.set_inheritable(file, False)
        self._files += files
        if not said:
            self.close()
            return
        self._said += said
        while len(self._said) >= _SIZE:
            end = _SIZE + int.from_bytes(self._said[:_SIZE], "big")
            if len(self._said) < end:
                return
            heard = bytes(self._said[_SIZE:end])
            del self._said[:end]
            self._take(socket.socket(fileno=self._files.popleft()), heard)

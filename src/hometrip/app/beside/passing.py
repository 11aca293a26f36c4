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


class Passage:
    """One end of a pair of sockets: `give` sends a connection to the other end, and what comes from there
    goes where `returns_to` says, with what was read on it. Where the other end is gone, `is_gone`, and who
    was not passed on yet is hung up on.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._take: Callable[[socket.socket, bytes], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._giving: deque[tuple[int | None, memoryview]] = deque()
        self._is_waiting = self.is_gone = False
        self._files: deque[int] = deque()
        self._said = bytearray()

    def returns_to(self, take: Callable[[socket.socket, bytes], None]) -> None:
        """Before this, what comes waits."""
        self._take = take
        if not self.is_gone:
            self._loop.add_reader(self._end, self._read)

    def give(self, connection: int, heard: bytes) -> None:
        """The connection by the number of its file, which is ours to close. What the other end has no room
        for yet is kept until it has.
        """
        self._giving.append((connection, memoryview(len(heard).to_bytes(_SIZE, "big") + heard)))
        if self.is_gone:
            self._hang_up()
        elif not self._is_waiting:
            self._send()

    def close(self) -> None:
        if not self.is_gone:
            self.is_gone = True
            self._wait(waiting=False)
            self._loop.remove_reader(self._end)
            self._end.close()
        self._hang_up()

    def _hang_up(self) -> None:
        files = [connection for connection, _ in self._giving if connection is not None]
        for file in (*files, *self._files):
            os.close(file)
        self._giving.clear()
        self._files.clear()

    # giving

    def _send(self) -> None:
        try:
            while self._giving:
                connection, left = self._giving[0]
                if connection is None:
                    sent = self._end.send(left)
                else:
                    sent = socket.send_fds(self._end, [left], [connection])
                    os.close(connection)
                if sent < len(left):
                    self._giving[0] = None, left[sent:]
                else:
                    self._giving.popleft()
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

    # taking

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
            assert self._take is not None
            self._take(socket.socket(fileno=self._files.popleft()), heard)

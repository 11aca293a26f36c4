"""The command `hometrip` in processes of its own, forked from one that has imported it and done nothing else:
to import takes longer than what most tests do with it.

A fork is as the command would be: its words, settings, folder and output are its own, it has no other files
open, and it ends as Python ends. Where the system has no handles of processes, the command itself is started.
Tests of the command line as people type it (tutorial, backup, moving) start that everywhere, and the
processes of a house are started by the house.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Protocol

HOMETRIP = Path(sys.executable).parent / "hometrip"
APP = "cli logs migrate opening run seed split verify".split()
ENGINES = "database.sqlite documents.sqlite".split()
LONGEST_REQUEST = 1 << 20


class Running(Protocol):
    """What `subprocess.Popen` and `Fork` have in common."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


def started(words: Sequence[str], env: Mapping[str, str], out: IO[bytes], err: IO[bytes]) -> Running:
    """`hometrip` with these words and nothing but this environment."""
    if not hasattr(os, "pidfd_open"):
        return subprocess.Popen([HOMETRIP, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env)
    return Fork(words, env, out, err)


def ran(words: Sequence[str], env: Mapping[str, str], within: float) -> subprocess.CompletedProcess[str]:
    """It has ended, and this is what it said."""
    with TemporaryFile() as out, TemporaryFile() as err:
        process = started(words, env, out, err)
        try:
            code = process.wait(within)
        except BaseException:
            process.kill()
            raise
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode().replace("\r\n", "\n"))
    return subprocess.CompletedProcess(list(words), code, *said)


class Fork:
    """A process that the parent of all of them has forked and waits for; to us it tells the end."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str], out: IO[bytes], err: IO[bytes]) -> None:
        self._told, theirs = socket.socketpair()
        with theirs:
            request = json.dumps({"words": list(words), "env": dict(env), "folder": str(Path.cwd())}).encode()
            files = [theirs.fileno(), out.fileno(), err.fileno()]
            socket.send_fds(_parent(), [request], files)
        self.pid = int(self._line())
        self._code: int | None = None

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None:
            try:
                self._told.settimeout(timeout)
                self._code = int(self._line())
            except (TimeoutError, BlockingIOError) as late:
                raise subprocess.TimeoutExpired(str(HOMETRIP), timeout or 0) from late
            self._told.close()
        return self._code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _line(self) -> str:
        return self._told.recv(100).decode()

    def __del__(self) -> None:
        self._told.close()


@cache
def _parent() -> socket.socket:
    """Where this process asks for forks. Who forks ends when this one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        number = theirs.fileno()
        command = [sys.executable, "-P", __file__, str(number)]
        # A process of several threads is not to be forked, and numpy begins some by itself.
        env = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[number], env=env)
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _forking(asked: socket.socket) -> list[str] | None:
    """In each fork, the words of its command; in their parent None, once nobody asks any more."""
    heard = selectors.DefaultSelector()
    heard.register(asked, selectors.EVENT_READ)
    while True:
        for key, _ in heard.select():
            if key.fileobj is not asked:
                _tell_the_end(heard, key)
                continue
            request, files, _, _ = socket.recv_fds(asked, LONGEST_REQUEST, 3)
            if not request:
                return None
            pid = os.fork()
            if not pid:
                heard.close()
                return _become(json.loads(request), *files[1:])
            for file in files[1:]:
                os.close(file)
            os.write(files[0], str(pid).encode())
            heard.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, socket.socket(fileno=files[0])))


def _tell_the_end(heard: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    pid, teller = key.data
    heard.unregister(key.fileobj)
    os.close(key.fd)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with teller:
        try:
            teller.send(str(code).encode())
        except BrokenPipeError:
            return  # nobody waits for it


def _become(request: dict[str, object], out: int, err: int) -> list[str]:
    """The process that was asked for, as far as there is to do before its command."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, 1 << 16)
    os.chdir(str(request["folder"]))
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    time.tzset()
    return list(request["words"])  # type: ignore[call-overload]


def _import() -> None:
    from hometrip.app.rooms import service_of
    from hometrip.app.settings import SERVICES

    for name in APP:
        importlib.import_module(f"hometrip.app.{name}")
    for name in ENGINES:
        importlib.import_module(f"hometrip.adapters.{name}")
    for name in SERVICES:
        service_of(name)


if __name__ == "__main__":
    _import()
    asking = socket.socket(fileno=int(sys.argv[1]))
    words = _forking(asking)
    if words is not None:
        asking.detach()
        from hometrip.app.cli import main

        sys.argv = [str(HOMETRIP), *words]
        main()

"""Running the house: serve it on a port until told to stop, then stop in order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import faulthandler
import gc
import logging
import os
import resource
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from hometrip.app.kept import follow
from hometrip.app.memory import give_back
from hometrip.app.opening import Open, lock_of, open_house
from hometrip.app.serving.front import Front
from hometrip.app.serving.shares import Shares, memory
from hometrip.app.settings import BadSettings, Settings

log = logging.getLogger("hometrip.run")

DRAIN_SECONDS = 20.0
LEAVE_SECONDS = 1.2
# Whatever holds a stop up, the process is gone by then.
GONE_SECONDS = 30.0
OTHERS_SECONDS = 5.0
OPEN_FILES = 65_536
ROOM_BYTES = 64 << 20

Begin = Callable[[Open], Coroutine[Any, Any, None]]


async def serve(settings: Settings) -> None:
    """`hometrip up`: until SIGTERM or SIGINT, then drained within 30 s."""
    async with open_house(settings) as opened:
        if settings.processes == 1:
            await _serve(opened, _front(opened), _open)
        else:
            await _serve_with_others(opened)


async def _serve_with_others(opened: Open) -> None:
    """The first of several processes on one folder; the others begin when it is ready."""
    from hometrip.app.beside.first import Beside
    from hometrip.app.split import bound

    settings = opened.house.settings
    opened.sock, counts = bound(settings), memory(settings.processes)
    opened.shares = Shares(counts, 0)
    server = _front(opened)
    beside = Beside(opened, server, counts)

    async def open_with_others(opened: Open) -> None:
        await _open(opened)
        beside.start()

    await _serve(opened, server, open_with_others, beside.stop)


async def serve_beside(settings: Settings, place: int, files: Sequence[int]) -> None:
    """One of the others, by its place among them and the numbers of the files that it inherits."""
    from hometrip.app.beside.cable import Cable
    from hometrip.app.beside.second import open_beside

    sock, counts, cable, passing = files
    own = (socket.socket(fileno=number) for number in (sock, cable, passing))
    shared, between, giving = own
    async with open_beside(settings, shared, Cable(between), giving) as opened:
        opened.shares = Shares(counts, place)
        await _serve(opened, _front(opened), _open_beside)


async def serve_service(settings: Settings, name: str) -> None:
    """`hometrip serve <service>`: one service, found by the others through the registry."""
    from hometrip.app.apart import open_service

    async with open_service(settings, name) as opened:
        await _serve(opened, _front(opened), _join)


async def serve_gateway(settings: Settings, shared: int | None = None) -> None:
    """`hometrip serve gateway`: the door of a house of many processes; on the socket with that number, where
    it shares its port with other gateways.
    """
    from hometrip.app.apart import open_gateway

    async with open_gateway(settings, socket.socket(fileno=shared) if shared else None) as opened:
        await _serve(opened, _front(opened), _join)


async def _nothing() -> None:
    return


async def _serve(
    opened: Open, server: Front, begin: Begin, end: Callable[[], Awaitable[None]] = _nothing
) -> None:
    """`begin` once it listens; at a stop, `end` before what is under way has ended."""
    _more_files()
    settings, stopping, loop = opened.house.settings, asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    serving = asyncio.create_task(server.serve(), name="server")
    try:
        await _until_listening(settings, serving)
        opening = opened.house.in_background(begin(opened), "opening")
        opened.house.in_background(follow(opened), "settings")
        stop = asyncio.create_task(stopping.wait(), name="stop")
        await asyncio.wait({serving, stop, opening}, return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            await opening
            await asyncio.wait({serving, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        _gone_by(GONE_SECONDS)
        opened.house.close_for_business()
        await _leave(opened)
        await end()
        await _drain(opened, server, serving)


def end_with(parent: int) -> None:
    """Stop this process when the one that started it is gone: after a `kill -9` nobody else would."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        log.warning("the process that started this one is gone")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _gone_by(seconds: float) -> None:
    """End this process after so many seconds, whatever it still waits for: what was answered is on the
    disk.
    """

    def end() -> None:
        log.error("did not stop in time", extra={"seconds": seconds})
        faulthandler.dump_traceback(all_threads=True)
        os._exit(1)

    last = threading.Timer(seconds, end)
    last.daemon = True
    last.start()


def _front(opened: Open) -> Front:
    settings = opened.house.settings
    place: dict[str, Any] = {"host": settings.host, "port": settings.port, "sock": opened.sock}
    place["elsewhere"] = opened.elsewhere
    place["shares"] = opened.shares
    if opened.is_alone:
        place["leave_seconds"] = 0.0  # nobody else will answer what comes now
    return Front(opened.app, opened.ring, opened.lane, **place)


async def _open(opened: Open) -> None:
    """The demo, where it is wanted, goes on after a stop in the middle of it."""
    from hometrip.app.seed import seed  # knows several services, which a process of one need not load

    house = opened.house
    if house.settings.demo:
        await seed(house)
    _spare_the_collector()
    house.open_for_business()
    print(f"HomeTrip is ready at {house.settings.url}", flush=True)


async def _join(opened: Open) -> None:
    """One process of many: ready once it has joined the others, and its engines answer."""
    house = opened.house
    await opened.join()
    said: dict[str, str] = {}
    while wrong := {name: why for name, why in (await house.ready()).items() if name != "house"}:
        if wrong != said:
            log.info("not ready yet", extra={"wrong": wrong})
            said = wrong
        await asyncio.sleep(0.1)
    _spare_the_collector()
    house.open_for_business()
    await opened.register()
    print(f"HomeTrip is ready at {house.settings.url}", flush=True)


async def _open_beside(opened: Open) -> None:
    _spare_the_collector()
    opened.house.open_for_business()
    print(f"HomeTrip is ready beside, at {opened.house.settings.url}", flush=True)


async def _leave(opened: Open) -> None:
    """Whoever shares out the work is told first, and given the time to hear of it."""
    if await opened.leave():
        await asyncio.sleep(LEAVE_SECONDS)


def _spare_the_collector() -> None:
    """What is there now stays: the collector need not walk over it again and again while people wait."""
    give_back()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def _until_listening(settings: Settings, serving: asyncio.Task[None]) -> None:
    for _ in range(1000):
        if serving.done():
            await serving
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(settings.host, settings.port)
            writer.close()
            return
        await asyncio.sleep(0.01)
    raise OSError(f"{settings.host}:{settings.port} does not answer")


async def _drain(opened: Open, server: Front, serving: asyncio.Task[None]) -> None:
    """Take no new connection, let running requests end."""
    server.stop()
    for _ in range(int(DRAIN_SECONDS / 0.05)):
        if not opened.busy:
            break
        await asyncio.sleep(0.05)
    with contextlib.suppress(asyncio.CancelledError, TimeoutError):
        await asyncio.wait_for(serving, 3)


def check_place(settings: Settings) -> None:
    """Names at once what would stop the house from starting here: the port, the folder, the disk."""
    wrong = []
    with contextlib.suppress(OSError), lock_of(settings) as mine:
        if not mine:
            wrong.append(f"HOMETRIP_DATA: another HomeTrip is running in {settings.data}")
    if reason := _unusable(settings):
        wrong.append(
            f"HOMETRIP_PORT: {settings.host}:{settings.port} cannot be used ({reason}); "
            "stop what listens there, or choose another one with --port"
        )
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        probe_file = settings.data / ".writable"
        try:
            probe_file.write_bytes(b"x" * 65_536)
        finally:
            probe_file.unlink(missing_ok=True)
        if (free := shutil.disk_usage(settings.data).free) < ROOM_BYTES:
            wrong.append(
                f"HOMETRIP_DATA: the disk of {settings.data} is full: {free >> 20} MiB are free, "
                f"and HomeTrip needs {ROOM_BYTES >> 20} MiB to start"
            )
    except OSError as reason:
        wrong.append(f"HOMETRIP_DATA: {settings.data} cannot be written to ({reason.strerror})")
    if wrong:
        raise BadSettings(wrong)


def _unusable(settings: Settings) -> str:
    """Why nothing can listen at the port. Of several processes of which the first was killed, the others give
    it up a moment later.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    until = time.monotonic() + (OTHERS_SECONDS if settings.processes > 1 else 0)
    while True:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, settings.port))
            except OSError as reason:
                if reason.errno != errno.EADDRINUSE or time.monotonic() >= until:
                    return reason.strerror or str(reason)
            else:
                return ""
        time.sleep(0.05)


def _more_files() -> None:
    """A connection is an open file; take what the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def event_loop() -> asyncio.AbstractEventLoop:
    """uvloop where it is to be had: it halves the cost of a connection."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()

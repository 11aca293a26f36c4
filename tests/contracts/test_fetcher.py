"""What every fetcher promises, held against each adapter with real servers on this machine."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest
from aiohttp import web

from hometrip.adapters.fetcher.reach import PUBLIC, Reach, admitted, is_public
from hometrip.adapters.fetcher.web import Looker, WebFetcher
from hometrip.kernel.errors import HomeTripError
from hometrip.ports.fetcher import (
    FAILURES,
    Fetched,
    Fetcher,
    FetchRefused,
    FetchStatus,
    FetchTooLarge,
    FetchTooSlow,
    FetchUnreachable,
    Limits,
    Mark,
)
from web_server import LOOPBACK, WebServer, hanging, web_server

ADAPTERS = [WebFetcher]  # hometrip.adapters.fetcher.web, with hometrip.adapters.fetcher.reach


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.__name__)
def fetcher(request: pytest.FixtureRequest) -> Fetcher:
    return request.param(LOOPBACK)


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    async with web_server() as opened:
        yield opened


def redirect(to: str, status: int = 302):
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": to})

    return answer


def packed(body: bytes, coding: str):
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Encoding": coding})

    return answer


# What it reads


async def test_a_page_is_read_and_then_only_when_it_has_changed(fetcher: Fetcher, server: WebServer) -> None:
    server.pages["/feed"] = b"one"
    first = await fetcher.get(server.url("/feed"))
    assert first.body == b"one"
    assert first.mark.etag
    assert await fetcher.get(server.url("/feed"), known=first.mark) == Fetched(None, first.mark)
    server.pages["/feed"] = b"two"
    assert (await fetcher.get(server.url("/feed"), known=first.mark)).body == b"two"


async def test_the_time_of_the_last_change_is_asked_for_too(fetcher: Fetcher, server: WebServer) -> None:
    then = "Wed, 14 Apr 2027 09:00:00 GMT"

    async def dated(request: web.Request) -> web.StreamResponse:
        if request.headers.get("If-Modified-Since") == then:
            return web.Response(status=304)
        return web.Response(body=b"x", headers={"Last-Modified": then})

    server.pages["/feed"] = dated
    first = await fetcher.get(server.url("/feed"))
    assert first.mark == Mark(modified=then)
    assert (await fetcher.get(server.url("/feed"), known=first.mark)).body is None


async def test_nothing_of_the_house_is_sent(
    fetcher: Fetcher, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")

    async def baker(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/end", "Set-Cookie": "a=b; Path=/"})

    server.pages |= {"/feed": baker, "/end": b"x"}
    await fetcher.get(server.url("/feed"))
    await fetcher.get(server.url("/feed"))
    assert len(server.asked) == 4
    sent = {name.lower() for request in server.asked for name in request.headers}
    assert sent == {"host", "accept", "accept-encoding", "user-agent", "connection"}


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_packed_pages_are_opened(fetcher: Fetcher, server: WebServer, coding: str) -> None:
    body = b"BEGIN:VCALENDAR\r\n" * 1_000
    server.pages["/feed"] = packed(gzip.compress(body) if coding == "gzip" else zlib.compress(body), coding)
    assert (await fetcher.get(server.url("/feed"))).body == body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed_five_times_and_no_more(
    fetcher: Fetcher, server: WebServer, status: int
) -> None:
    server.pages |= {f"/{n}": redirect(f"/{n + 1}", status) for n in range(6)} | {"/6": b"far", "/1x": b""}
    assert (await fetcher.get(server.url("/1"))).body == b"far"
    with pytest.raises(FetchUnreachable):
        await fetcher.get(server.url("/0"))


# What it does not bear


async def test_a_page_of_the_full_size_is_read_and_one_more_byte_is_not(
    fetcher: Fetcher, server: WebServer
) -> None:
    async def chunked(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        for _ in range(int(request.query["n"])):
            await answer.write(b"x" * 1_000)
        return answer

    server.pages |= {"/full": b"x" * 50_000, "/over": b"x" * 50_001, "/chunked": chunked}
    limits = Limits(size=50_000)
    assert len((await fetcher.get(server.url("/full"), limits=limits)).body or b"") == 50_000
    assert len((await fetcher.get(server.url("/chunked?n=50"), limits=limits)).body or b"") == 50_000
    for path in ("/over", "/chunked?n=51", "/chunked?n=100000"):
        with pytest.raises(FetchTooLarge) as refused:
            await fetcher.get(server.url(path), limits=limits)
        assert refused.value.facts == {"bytes": 50_000}
        assert refused.value.detail == "The answer has more than 50,000 bytes."  # hosts read it


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_bomb_is_refused_before_it_swells(fetcher: Fetcher, server: WebServer, coding: str) -> None:
    pack = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS if coding == "gzip" else zlib.MAX_WBITS)
    zeros = bytes(1_000_000)
    bomb = b"".join(pack.compress(zeros) for _ in range(60)) + pack.flush()
    assert len(bomb) < 400_000
    server.pages["/bomb"] = packed(bomb, coding)
    tracemalloc.start()
    try:
        with pytest.raises(FetchTooLarge):
            await fetcher.get(server.url("/bomb"))
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(b"x" * 5_000)[:-9], "gzip"),
        (gzip.compress(gzip.compress(b"x", mtime=0)), "gzip, gzip"),
        (b"not packed", "gzip"),
        (b"x", "br"),
    ],
    ids=["cut off", "packed twice", "not packed", "unknown coding"],
)
async def test_what_cannot_be_opened_is_no_page(
    fetcher: Fetcher, server: WebServer, body: bytes, coding: str
) -> None:
    server.pages["/feed"] = packed(body, coding)
    with pytest.raises(FetchUnreachable):
        await fetcher.get(server.url("/feed"))


async def test_a_server_that_hangs_or_drips_is_left_in_time(fetcher: Fetcher, server: WebServer) -> None:
    async def dripping(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x")
            await asyncio.sleep(0.02)

    server.pages |= {"/hang": hanging, "/drip": dripping, "/led": redirect("/drip")}
    for path in ("/hang", "/drip", "/led"):
        began = time.perf_counter()
        with pytest.raises(FetchTooSlow) as late:
            await fetcher.get(server.url(path), limits=Limits(seconds=0.2))
        assert time.perf_counter() - began < 1
        assert late.value.detail == "The answer was not whole within 0.2 seconds."


@pytest.mark.parametrize("status", [204, 206, 304, 401, 404, 410, 429, 500])
async def test_another_status_than_200_is_told(fetcher: Fetcher, server: WebServer, status: int) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    server.pages["/feed"] = answer
    with pytest.raises(FetchStatus) as refused:
        await fetcher.get(server.url("/feed"))
    assert refused.value.facts == {"answered": status}


async def test_whoever_does_not_answer_in_http_is_unreachable(fetcher: Fetcher) -> None:
    async def gibberish(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n" * 3)
        writer.close()

    mail = await asyncio.start_server(gibberish, "127.0.0.1", 0)
    port = mail.sockets[0].getsockname()[1]
    with pytest.raises(FetchUnreachable):
        await fetcher.get(f"http://127.0.0.1:{port}/")
    mail.close()
    await mail.wait_closed()
    with pytest.raises(FetchUnreachable):
        await fetcher.get(f"http://127.0.0.1:{port}/")


# Where it does not go

INSIDE = """
127.0.0.1 127.1.2.3 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.127.255.254
169.254.169.254 169.254.170.2 100.100.100.200 192.0.0.192 168.63.129.16 192.0.2.1 192.88.99.1 198.18.0.1
198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
::1 :: ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 2002:7f00:1::
2002:808:808::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 3fff::1 fc00::1 fd00:ec2::254
fe80::1 fe80::a9fe:a9fe febf::1 fec0::1 ff02::1 100::1 5f00::1
""".split()
OUTSIDE = (
    "8.8.8.8 1.1.1.1 93.184.215.14 172.15.0.1 172.32.0.1 100.63.0.1 2606:4700::1111 2a00:1450:4001::1".split()
)


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_not_public_and_not_admitted(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not PUBLIC.allows(address)
    host = f"[{address}]" if ":" in address else address
    for scheme in ("http", "https"):
        with pytest.raises(FetchRefused):
            admitted(f"{scheme}://{host}/feed.ics", PUBLIC)


@pytest.mark.parametrize("address", OUTSIDE)
def test_addresses_outside_are_public_and_admitted(address: str) -> None:
    assert is_public(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    assert admitted(f"https://{host}/feed.ics#part", PUBLIC).path == "/feed.ics"


REFUSED = """
ftp://example.com/ file:///etc/passwd gopher://example.com/ javascript:alert(1) data:text/calendar,x
//example.com/ http:///feed http:feed feed.ics https://example.com:8443/ http://example.com:22/ http://example.com:0/
http://user@example.com/ http://user:word@example.com/ http://:word@example.com/ http://@example.com/
http://example.com@127.0.0.1/ http://127.0.0.1@example.com/ http://2130706433/ http://0x7f000001/ http://0x7f.1/
http://0177.0.0.1/ http://017700000001/ http://127.1/ http://127.0.1/ http://127.0.0.1./ http://0/ http://0./
http://127.0.0.1:80/ http://[::1]/ http://[::ffff:7f00:1]/ http://[0:0:0:0:0:ffff:127.0.0.1]/
http://[fe80::1%25eth0]/ http://[::1%25lo]/ http://[64:ff9b::127.0.0.1]/ http://134744072/ http://8.8.2056/
http://0x8.8.8.8/ http://example.com../ http://example.com:99999/ http://example.com:x/ http://[::1/ http://./
http://①②⑦.⓪.⓪.①/ http://127。0。0。1/
""".split()


@pytest.mark.parametrize(
    "url",
    [
        *REFUSED,
        "http://example.com\\@127.0.0.1/",
        "http://exam\tple.com/",
        "http://a/\r\nX: y",
        "",
        "x" * 9_000,
    ],
)
async def test_other_schemes_ports_and_disguises_are_refused(url: str) -> None:
    with pytest.raises(FetchRefused):
        admitted(url, PUBLIC)
    with pytest.raises(FetchRefused):
        await WebFetcher().get(url)


def knows(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, 80))
    except OSError:
        return False


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost.", "[::1]", "LOCALHOST"])
async def test_this_machine_is_refused_under_every_name_and_never_asked(server: WebServer, host: str) -> None:
    server.pages["/feed"] = b"secret"
    # Some machines do not know all of these names: then nobody is asked either.
    with pytest.raises(FetchUnreachable if host.endswith(".") and not knows(host) else FetchRefused):
        await WebFetcher(Reach(ports=None)).get(server.url("/feed", host))
    assert server.asked == []


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.2:{port}/secret",
        "http://[::1]:{port}/secret",
        "//0.0.0.0:{port}/secret",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "http://user:word@127.0.0.1:{port}/secret",
    ],
)
async def test_redirects_do_not_lead_inside(fetcher: Fetcher, server: WebServer, to: str) -> None:
    server.pages |= {"/feed": redirect(to.format(port=server.port)), "/secret": b"secret"}
    with pytest.raises(FetchRefused):
        await fetcher.get(server.url("/feed"))
    assert [request.path for request in server.asked] == ["/feed"]


class Rebinding(Looker):
    """A name server that says something else each time it is asked."""

    told: list[list[str]] = []

    async def look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[tuple[int, str]]:
        return [(socket.AF_INET6 if ":" in each else socket.AF_INET, each) for each in type(self).told.pop(0)]


async def test_the_connection_goes_to_an_address_that_was_looked_at(server: WebServer) -> None:
    server.pages["/feed"] = b"secret"
    Rebinding.told = [["127.0.0.1"], ["127.0.0.2"]]
    rebound = WebFetcher(LOOPBACK, Rebinding)
    assert (await rebound.get(server.url("/feed", "feeds.example.com"))).body == b"secret"
    assert Rebinding.told == [["127.0.0.2"]]  # asked once for one connection: no second answer is believed
    with pytest.raises(FetchRefused):
        await rebound.get(server.url("/feed", "feeds.example.com"))
    assert len(server.asked) == 1


async def test_one_address_inside_among_a_names_addresses_refuses_the_name(server: WebServer) -> None:
    server.pages["/feed"] = b"secret"
    for told in (["127.0.0.1", "10.0.0.1"], ["8.8.8.8", "127.0.0.2"], ["::ffff:127.0.0.1"], ["fe80::1%lo"]):
        Rebinding.told = [told]
        with pytest.raises(FetchRefused):
            await WebFetcher(LOOPBACK, Rebinding).get(server.url("/feed", "feeds.example.com"))
    assert server.asked == []


class Lying(Rebinding):
    """What comes of a name is not held to anything: the last look, at the socket, is all that is left."""

    def __init__(self, _: Reach) -> None:
        super().__init__(Reach(besides=frozenset({ip_address("127.0.0.1")})))


async def test_the_socket_itself_is_looked_at_last(server: WebServer) -> None:
    server.pages["/feed"] = b"secret"
    Lying.told = [["127.0.0.1"]]
    with pytest.raises(FetchRefused):
        await WebFetcher(Reach(ports=None), Lying).get(server.url("/feed", "feeds.example.com"))
    assert server.asked == []


async def test_a_name_that_nobody_has_is_unreachable() -> None:
    class Nameless(Looker):
        async def look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[tuple[int, str]]:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with pytest.raises(FetchUnreachable):
        await WebFetcher(PUBLIC, Nameless).get("http://nobody.example.com/feed.ics")


def test_every_failure_has_a_name_of_its_own() -> None:
    assert len({failure.code for failure in FAILURES}) == len(FAILURES)
    assert all(issubclass(failure, HomeTripError) for failure in FAILURES)

"""The head of a stranger's request: what is read, and that what could be read in two ways is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hometrip.kernel.errors import Malformed
from hometrip.services.gateway.rules import heads
from hometrip.services.gateway.rules.heads import MOST_HEADERS, heard_in

HOST = b"\r\nHost: g"


def test_a_head_is_read_as_it_was_written() -> None:
    heard = heard_in(b"GET /a%2Fb?c=%20&d HTTP/1.1\r\nHost: g\r\nX-One:  a b\t\r\nx-TWO:\r\nX-One: c")
    assert (heard.method, heard.raw_path, heard.query, heard.path) == ("GET", b"/a%2Fb", b"c=%20&d", "/a/b")
    assert heard.block.headers == [(b"host", b"g"), (b"x-one", b"a b"), (b"x-two", b""), (b"x-one", b"c")]
    assert (heard.block.length, heard.keeps, heard.old, heard.block.waits) == (0, True, False, False)


def test_what_was_read_once_is_not_read_again() -> None:
    first, second = (heard_in(b"GET /%d HTTP/1.1\r\nHost: once\r\nX-A: b" % number) for number in range(2))
    assert first.block is second.block
    assert first.raw_path != second.raw_path


def test_what_is_remembered_is_bounded() -> None:
    for number in range(3 * heads._MOST_KNOWN):
        heard_in(b"GET / HTTP/1.1\r\nHost: g\r\nX-Number: %d" % number)
        assert len(heads._blocks) <= heads._MOST_KNOWN
        assert len(heads._lines) <= heads._MOST_KNOWN
    heard_in(b"GET / HTTP/1.1\r\nHost: g\r\nX-Long: " + b"a" * 60_000)
    assert max(map(len, heads._blocks)) <= heads._MOST_BLOCK
    assert max(map(len, heads._lines)) <= heads._MOST_LINE


@pytest.mark.parametrize(
    ("lines", "length", "keeps", "waits"),
    [
        (b"Content-Length: 5", 5, True, False),
        (b"content-LENGTH:5", 5, True, False),
        (b"Transfer-Encoding: chunked", None, True, False),
        (b"Transfer-Encoding: Chunked", None, True, False),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", None, False, False),
        (b"Content-Length: 5\r\nExpect: 100-continue", 5, True, True),
        (b"Expect: 100-continue", 0, True, False),
        (b"Connection: close", 0, False, False),
        (b"Connection: keep-alive, Close", 0, False, False),
        (b"Connection: keep-alive", 0, True, False),
    ],
)
def test_where_the_body_ends_and_what_becomes_of_the_connection(
    lines: bytes, length: int | None, keeps: bool, waits: bool
) -> None:
    heard = heard_in(b"POST / HTTP/1.1" + HOST + b"\r\n" + lines)
    assert (heard.block.length, heard.keeps, heard.block.waits) == (length, keeps, waits)
    if length is None:
        assert b"content-length" not in heard.block.named


def test_an_absolute_address_is_a_path() -> None:
    for target, path, query in [
        (b"http://other.test/a?b", b"/a", b"b"),
        (b"HTTPS://user@other.test:80", b"/", b""),
        (b"http://other.test?b", b"/", b"b"),
        (b"//other.test/a", b"//other.test/a", b""),
    ]:
        heard = heard_in(b"GET " + target + b" HTTP/1.1" + HOST)
        assert (heard.raw_path, heard.query) == (path, query)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b",
        b"GET / HTTP/2.0\r\nHost: g",
        b"GET / HTTP/1.10\r\nHost: g",
        b"GET / http/1.1\r\nHost: g",
        b"GET  / HTTP/1.1\r\nHost: g",
        b"GET / HTTP/1.1 \r\nHost: g",
        b"GET\t/ HTTP/1.1\r\nHost: g",
        b"G@T / HTTP/1.1\r\nHost: g",
        b"GET a HTTP/1.1\r\nHost: g",
        b"GET ftp://a/b HTTP/1.1\r\nHost: g",
        b"GET /a#b HTTP/1.1\r\nHost: g",
        b"GET /\x80 HTTP/1.1\r\nHost: g",
        b"GET / HTTP/1.1\r\nHost: g\r\n",
        b"GET / HTTP/1.1\r\nHost : g",
        b"GET / HTTP/1.1\r\nHost: g\r\n folded",
        b"GET / HTTP/1.1\r\nHost: g\r\nX: a\nY: b",
        b"GET / HTTP/1.1\r\nHost: g\r\nX: a\rY: b",
        b"GET / HTTP/1.1\r\nHost: g\r\nX: \x00",
        b"GET / HTTP/1.1\r\nHost: g\r\nX",
        b"GET / HTTP/1.1\r\nHost: g\r\nContent-Length: 1\r\nContent-Length: 1",
        b"GET / HTTP/1.1\r\nHost: g\r\nContent-Length: 1,1",
        b"GET / HTTP/1.1\r\nHost: g\r\nContent-Length:",
        b"GET / HTTP/1.1\r\nHost: g\r\nContent-Length: 0x1",
        b"GET / HTTP/1.1\r\nHost: g\r\nContent-Length: \xb2",
        b"GET / HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: gzip, chunked",
        b"GET / HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"GET / HTTP/1.0\r\nHost: g\r\nTransfer-Encoding: chunked",
        b"GET / HTTP/1.1\r\nHost: g" + b"\r\nX: y" * MOST_HEADERS,
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(head: bytes) -> None:
    with pytest.raises(Malformed):
        heard_in(head)


PIECES = st.sampled_from(
    [
        *(
            b"GET ",
            b"/",
            b" HTTP/1.1",
            b"\r\n",
            b"\n",
            b"\r",
            b"Host: g",
            b":",
            b" ",
            b"\t",
            b"\0",
            b"a",
            b"\x0b",
        ),
        *(b"Content-Length: 4", b"Transfer-Encoding: chunked", b"Transfer-Encoding", b"X: y", b"\xff"),
    ]
)


@given(st.lists(PIECES, max_size=14).map(b"".join), st.booleans())
def test_what_is_read_is_line_for_line_what_was_sent(noise: bytes, begun: bool) -> None:
    head = b"POST / HTTP/1.1\r\nHost: g\r\n" + noise if begun else noise
    for _ in range(2):  # the second time from what is remembered
        try:
            heard = heard_in(head)
        except Malformed:
            continue
        first, *lines = head.split(b"\r\n")
        assert first.split(b" ")[2] in (b"HTTP/1.0", b"HTTP/1.1")
        told = [line.partition(b":") for line in lines]
        if heard.block.length is not None:
            assert [(name.lower(), value.strip(b" \t")) for name, _, value in told] == heard.block.headers
        for name, value in heard.block.headers:
            assert re.fullmatch(rb"[!#$%&'*+\-.^_`|~0-9a-z]+", name)
            assert not re.search(rb"[\0-\x08\n-\x1f\x7f]", value)
        codings = [value for name, value in heard.block.headers if name == b"transfer-encoding"]
        lengths = [value for name, value in heard.block.headers if name == b"content-length"]
        assert len(codings) + len(lengths) <= 1
        assert (heard.block.length is None) == bool(codings)

"""The fetcher port: reads what strangers publish on the web, without becoming a way into the house."""

from __future__ import annotations

from typing import Protocol

import msgspec

from hometrip.kernel.errors import HomeTripError, Invalid, Unavailable


class FetchRefused(Invalid):
    """This address is not fetched: only http and https, to public addresses, on their usual ports."""

    code = "fetch_refused"


class FetchUnreachable(Unavailable):
    """Nobody answers at this address, or not in HTTP."""

    code = "fetch_unreachable"


class FetchTooSlow(Unavailable):
    """The answer was not whole within the time allowed; `seconds` is that time."""

    code = "fetch_too_slow"


class FetchTooLarge(Unavailable):
    """The answer is larger than is read; `bytes` is how much is."""

    code = "fetch_too_large"


class FetchStatus(Unavailable):
    """The answer is not the thing asked for; `answered` is its HTTP status."""

    code = "fetch_status"


# Everything that `get` raises.
FAILURES: tuple[type[HomeTripError], ...] = (
    FetchRefused,
    FetchUnreachable,
    FetchTooSlow,
    FetchTooLarge,
    FetchStatus,
)


class Limits(msgspec.Struct, frozen=True):
    """`size` is bytes after decompression, `seconds` all of it from looking up the name to the last byte."""

    size: int = 2_000_000
    seconds: float = 10.0
    redirects: int = 5


class Mark(msgspec.Struct, frozen=True):
    """What a server said of the state that it sent, to ask later whether it is still that one."""

    etag: str = ""
    modified: str = ""


class Fetched(msgspec.Struct, frozen=True):
    """`body` is None where nothing has changed since `known`."""

    body: bytes | None
    mark: Mark = Mark()


class Fetcher(Protocol):
    """GETs what an address has. The address comes from strangers and is not trusted.

    - Only http and https, without user or password, on ports 80 and 443; only to public addresses: a name
      whose addresses are not all public is refused, in whatever form it is written, and the connection is
      made to one of the addresses that were looked at, and no other. Each redirect is held to the same.
    - Nothing is sent that belongs to the house: no cookies, no credentials; no proxy is asked.
    - The body is read up to `limits.size` bytes and not one more, however well it was compressed.
    - Raises one of `FAILURES`, and nothing else. What a refused address leads to is not told.
    """

    async def get(self, url: str, *, known: Mark = Mark(), limits: Limits = Limits()) -> Fetched: ...

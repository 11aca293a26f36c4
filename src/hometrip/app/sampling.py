"""Which traces are written down, by the url of the traces' engine."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import msgspec

# Of the traces that begin here, where the url tells no other share.
SHARE, SHARE_IN_SANDBOX = 0.1, 1.0
SLOW_SECONDS = 1.0


class Sampling(msgspec.Struct, frozen=True):
    """The share (0 to 1) of traces, and after how many seconds a request or event is slow."""

    share: float
    slow: float


def sampling_of(url: str, *, sandbox: bool) -> Sampling:
    """Read from `…?sample=0.1&slow=1`."""
    told = dict(parse_qsl(urlsplit(url).query))
    usual = SHARE_IN_SANDBOX if sandbox else SHARE
    return Sampling(float(told.get("sample", usual)), float(told.get("slow", SLOW_SECONDS)))


def bad_sampling(url: str) -> list[str]:
    """What is wrong with a url's sampling, in words."""
    try:
        found = sampling_of(url, sandbox=False)
    except ValueError:
        return ["HOMETRIP_TRACES_URL: sample and slow are numbers, as in ?sample=0.1&slow=1"]
    if not 0 <= found.share <= 1:
        return ["HOMETRIP_TRACES_URL: sample is a share between 0 and 1"]
    return [] if found.slow > 0 else ["HOMETRIP_TRACES_URL: slow is more than 0 seconds"]

"""Adapters that bring much with them and are seldom used: loaded when they are first needed."""

from __future__ import annotations

from hometrip.ports.fetcher import Fetched, Limits, Mark


class LateFetcher:
    """The fetcher on the web. Most houses never fetch anything, and its client weighs much."""

    async def get(self, url: str, *, known: Mark = Mark(), limits: Limits = Limits()) -> Fetched:
        from hometrip.adapters.fetcher.web import WebFetcher

        return await WebFetcher().get(url, known=known, limits=limits)

"""Who a credential belongs to: verified here, with auth's public keys, remembered until it expires."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from hometrip.app.tokens import TokenReader
from hometrip.kernel.access import Caller
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import Unauthenticated, Unavailable
from hometrip.ports.cache import Cache
from hometrip.services.auth.contract import AuthQuestions

log = logging.getLogger("hometrip.identity")

REVOKED_CHANNEL = "sessions:revoked"
REFRESH_SECONDS = 4.0
FIRST_SECONDS = 0.2
LONGEST_TOKEN = timedelta(days=8)


class Identity:
    """Answers callers from memory; the keys and the revoked sessions are asked for in the background.

    A revoked session is felt at once where it is announced, and within 5 seconds everywhere. Tokens age by
    `wall`, the time on the wall: moving the sandbox's clock past a stay must not sign everybody out.
    """

    def __init__(
        self,
        auth: AuthQuestions,
        cache: Cache,
        clock: Clock,
        wall: Clock,
        service_of: Callable[[str], str] | None = None,
    ) -> None:
        """`service_of` tells whose service token it is (`Unauthenticated` for a bad one); without it there
        are no other processes of this house, and nobody passes for one.
        """
        self._auth, self._cache, self._clock, self._wall = auth, cache, clock, wall
        self._service_of = service_of
        self._reader: TokenReader | None = None
        self._revoked: set[UUID] = set()
        self._asked: datetime | None = None
        self._refreshing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Goes on asking where auth does not answer yet; until it does, nobody is believed."""
        self._cache.hear(REVOKED_CHANNEL, lambda message: self._revoked.add(UUID(bytes=message)))
        with contextlib.suppress(Unavailable):
            await self.refresh()
        self._refreshing = asyncio.create_task(self._keep_fresh(), name="identity")

    async def stop(self) -> None:
        if self._refreshing:
            self._refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._refreshing

    async def refresh(self) -> None:
        now = self._clock.now()
        moved = now - self._wall.now()
        since = (self._asked or now - LONGEST_TOKEN - max(moved, timedelta())) - timedelta(seconds=30)
        self._revoked.update(await self._auth.revoked_sessions(since))
        keys = await self._auth.public_keys()
        if self._reader is None:
            self._reader = TokenReader(keys, self._wall)
        else:
            self._reader.renew(keys)
        self._asked = now

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS if self.knows_keys else FIRST_SECONDS)
            try:
                await self.refresh()
            except Unavailable as away:
                level = logging.WARNING if self.knows_keys else logging.DEBUG
                log.log(level, "auth does not answer", extra={"reason": away.detail})
            except Exception as error:
                # The keys and revocations that are known go on being used, and are asked for again.
                log.warning("auth does not answer", exc_info=error)

    @property
    def knows_keys(self) -> bool:
        """Have auth's public keys arrived?"""
        return self._reader is not None

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""
        if not self.knows_keys:
            raise Unavailable("auth has not told its keys yet")

    def sender(self, token: bytes) -> str:
        """The service of this house that sent a request with this token; nothing for everybody else."""
        if not token or self._service_of is None:
            return ""
        return self._service_of(token.decode("latin-1"))

    def caller(self, credential: bytes, *, address: str, user_agent: str, locale: str) -> Caller:
        scheme, _, token = credential.decode("latin-1").partition(" ")
        if scheme.lower() == "service" and self._service_of is not None:
            return Caller(service=self._service_of(token.strip()), address=address, user_agent=user_agent)
        if scheme.lower() != "bearer" or self._reader is None:
            raise Unauthenticated("the Authorization header must be `Bearer <access token>`")
        read = self._reader.read(token.strip())
        if read.session_id in self._revoked:
            raise Unauthenticated("this session has ended")
        return Caller(
            account_id=read.account_id,
            session_id=read.session_id,
            roles=read.roles,
            address=address,
            user_agent=user_agent,
            locale=locale,
        )

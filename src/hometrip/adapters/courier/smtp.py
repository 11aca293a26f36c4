"""A courier that hands e-mail to an SMTP server: a connection for each letter, with TLS unless told not."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import math
import ssl
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from hometrip.adapters.courier.smtp_letter import address_of, letter, mailbox
from hometrip.ports.courier import CourierDown, Message, Undeliverable
from hometrip.ports.engine import Finding, Unfit

# A letter from the greeting to the server's word for it.
SEND_SECONDS = 20.0
READY_SECONDS = 2.0
CONNECTIONS = 4
# A provider is not asked whether it is there more often than this.
STILL_READY_SECONDS = 10.0
# How many letters this process knows that it has sent.
REMEMBERED = 10_000
PORTS = {"starttls": 587, "tls": 465, "none": 25}


class SmtpCourier:
    """`send` returns what the server said when it took the letter.

    - A server that refuses the address or the letter for good (5xx) makes it `Undeliverable`; one that is
      away, slow, puts off (4xx), or refuses us (our account, our sender) is `CourierDown`.
    - A letter whose connection broke after it was sent may have been taken. It is tried again with the same
      Message-ID, by which the next server can tell; what this process knows to be taken it never sends again.
    """

    def __init__(self, url: str) -> None:
        """`smtp://account:password@host:587?from=HomeTrip <no-reply@example.com>&tls=starttls` (or `tls`,
        which `smtps://` is too, or `none`, as by itself on loopback). Certificates are verified; `ca=` names
        a file with the authorities to trust instead of the machine's, `timeout=` the seconds for a letter.
        """
        parts = urlsplit(url)
        told = dict(parse_qsl(parts.query))
        host = parts.hostname or "localhost"
        usual = "tls" if parts.scheme == "smtps" else "none" if _is_loopback(host) else "starttls"
        self._tls = told.get("tls", usual)
        self._port = parts.port or PORTS.get(self._tls, 587)
        self.where = f"{host}:{self._port}"
        self._seconds = float(told.get("timeout", SEND_SECONDS))
        self._sender = _sender(told.get("from", unquote(parts.username or "")))
        self._options: dict[str, Any] = {
            "hostname": host,
            "port": self._port,
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "local_hostname": self._sender.domain if self._sender else "localhost",
            "use_tls": self._tls == "tls",
            "start_tls": self._tls == "starttls",
        }
        self._authorities = told.get("ca")
        self._context: ssl.SSLContext | None = None
        self._lines = asyncio.Semaphore(CONNECTIONS)
        self._sending: dict[UUID, asyncio.Task[str]] = {}
        self._taken: OrderedDict[UUID, str] = OrderedDict()
        self._answered = -math.inf

    # living

    async def open(self) -> None:
        if wrong := [finding for finding in await self.examine() if not finding.fine]:
            raise Unfit("; ".join(f"{each.detail}: {each.advice}" for each in wrong))

    async def examine(self) -> list[Finding]:
        if wrong := self._wrong_url():
            return [
                Finding("url", fine=False, detail=wrong[0], advice=f"{wrong[1]} in the url of the courier")
            ]
        try:
            async with self._line(self._seconds) as line:
                reachable = Finding("reachable", fine=True, detail=f"the server answers at {self.where}")
                return [reachable, await self._may_send(line)]
        except CourierDown as reason:
            advice = f"start the server at {self.where}, or mend the url of the courier"
            return [Finding("reachable", fine=False, detail=reason.detail, advice=advice)]

    def _wrong_url(self) -> tuple[str, str] | None:
        """What is wrong with it, and what to do."""
        if self._tls not in PORTS:
            return f"there is no tls={self._tls}", f"use one of {', '.join(PORTS)}"
        if self._sender is None:
            return "there is no sender", "name one, as from=HomeTrip <no-reply@example.com>,"
        if self._options["password"] and self._tls == "none" and not _is_loopback(self._options["hostname"]):
            return "the password would go in the open", "use tls=starttls or tls=tls"
        try:
            self._trust()
        except OSError:
            return (
                f"the authorities in {self._authorities} cannot be read",
                "name a file of certificates as ca=",
            )
        return None

    async def _may_send(self, line: SMTP) -> Finding:
        assert self._sender is not None
        sender = self._sender.addr_spec
        try:
            await line.mail(sender)
            await line.rset()
        except SMTPResponseException as refusal:
            advice = "let the account send as that address, or name another in from="
            detail = f"the server refuses {sender} as the sender: {_said(refusal)}"
            return Finding("rights", fine=False, detail=detail, advice=advice)
        return Finding("rights", fine=True, detail=f"letters may be sent from {sender}")

    async def ready(self) -> None:
        if time.monotonic() - self._answered > STILL_READY_SECONDS:
            async with self._line(min(READY_SECONDS, self._seconds)):
                self._answered = time.monotonic()

    async def close(self) -> None:
        """Letters on their way get there, or have had their time."""
        await asyncio.gather(*self._sending.values(), return_exceptions=True)

    # sending

    async def send(self, message: Message) -> str:
        if message.channel != "email":
            raise Undeliverable("this courier carries e-mail only", channel=message.channel)
        if self._sender is None:
            raise CourierDown("the courier has no sender")
        to = address_of(message.to)
        text = letter(message, self._sender, to)
        if message.id in self._taken:
            return self._taken[message.id]
        if message.id not in self._sending:
            sending = asyncio.create_task(self._send(message.id, to, text), name=f"letter {message.id}")
            self._sending[message.id] = sending
            sending.add_done_callback(lambda done: self._sent(message.id, done))
        # A caller that gives up does not break off what others may be waiting for, and what may be taken.
        return await asyncio.shield(self._sending[message.id])

    async def _send(self, id_: UUID, to: str, text: bytes) -> str:
        async with self._lines:
            said = await self._deliver(to, text)
        self._taken[id_] = said
        while len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)
        return said

    def _sent(self, id_: UUID, done: asyncio.Task[str]) -> None:
        self._sending.pop(id_, None)
        if not done.cancelled():
            done.exception()  # looked at, in case that nobody waits any more

    async def _deliver(self, to: str, text: bytes) -> str:
        assert self._sender is not None
        options = [] if to.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
        async with self._line(self._seconds) as line:
            try:
                _, said = await line.sendmail(self._sender.addr_spec, to, text, mail_options=options)
            except SMTPRecipientsRefused as refused:
                raise _verdict(refused.recipients[0]) from refused
            except SMTPDataError as refused:
                raise _verdict(refused) from refused
            except SMTPNotSupported as refused:
                raise Undeliverable("the server takes no address with letters beyond ASCII") from refused
            except SMTPResponseException as refused:
                # 552: it is too large. What else is said to the sender, is not the letter's fault.
                raise (_verdict(refused) if refused.code == 552 else _down(refused)) from refused
        self._answered = time.monotonic()
        return f"smtp: {said}"[:200]

    @contextlib.asynccontextmanager
    async def _line(self, seconds: float) -> AsyncIterator[SMTP]:
        """A connection, greeted, encrypted and signed in; everything with it ends within so many seconds."""
        try:
            line = SMTP(timeout=seconds, tls_context=self._trust(), **self._options)
        except OSError as reason:
            raise CourierDown(f"the authorities in {self._authorities} cannot be read") from reason
        try:
            async with asyncio.timeout(seconds):
                await line.connect()
                yield line
            # The letter is taken; how the server says goodbye changes nothing.
            with contextlib.suppress(SMTPException, OSError):
                await line.quit(timeout=min(1.0, seconds))
        except (Undeliverable, CourierDown) as verdict:
            if isinstance(verdict, CourierDown):
                self._answered = -math.inf
            raise
        except (SMTPException, OSError, TimeoutError, ValueError) as reason:
            self._answered = -math.inf
            raise self._away(reason) from reason
        finally:
            line.close()

    def _trust(self) -> ssl.SSLContext | None:
        if self._context is None and self._tls != "none":
            self._context = ssl.create_default_context(cafile=self._authorities)
        return self._context

    def _away(self, reason: Exception) -> CourierDown:
        if isinstance(reason, SMTPAuthenticationError):
            return CourierDown(f"the server at {self.where} refuses our account: {_said(reason)}")
        if isinstance(reason, SMTPResponseException):
            return CourierDown(f"the server at {self.where} refuses us: {_said(reason)}")
        if type(reason) in (SMTPException, SMTPNotSupported):
            return CourierDown(f"the server at {self.where} offers no TLS or no way to sign in that we know")
        causes = (reason, reason.__cause__, reason.__context__)
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            return CourierDown(f"the certificate of {self.where} cannot be trusted")
        return CourierDown(f"the server at {self.where} does not answer ({type(reason).__name__})")


def _verdict(refusal: Any) -> Exception:
    """Of an answer about this letter: 5xx is for good, 4xx is for now."""
    return Undeliverable(_said(refusal)) if 500 <= refusal.code < 600 else _down(refusal)


def _down(refusal: Any) -> CourierDown:
    return CourierDown(f"the server does not take it now: {_said(refusal)}")


def _said(refusal: Any) -> str:
    return f"{refusal.code} {' '.join(refusal.message.split())}"[:200]


def _sender(text: str) -> Address | None:
    name, address = parseaddr(text)
    try:
        return mailbox(name, address_of(address))
    except (Undeliverable, ValueError):
        return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

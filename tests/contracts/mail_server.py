"""A small SMTP server for tests: takes letters, and can refuse, be slow, speak TLS, or die at any command."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import NamedTuple


class Letter(NamedTuple):
    sender: str
    to: str
    raw: bytes
    encrypted: bool
    account: str

    @property
    def parsed(self) -> EmailMessage:
        made = message_from_bytes(self.raw.replace(b"\r\n", b"\n"), policy=policy.default)
        assert isinstance(made, EmailMessage)
        return made


class MailServer:
    def __init__(
        self,
        *,
        tls: str = "none",
        context: ssl.SSLContext | None = None,
        account: tuple[str, str] | None = None,
    ) -> None:
        self._tls, self._context, self._account = tls, context, account
        self.letters: list[Letter] = []
        # What is answered to a command (MAIL, RCPT, DATA, `.` for the letter's end) in place of yes.
        self.refusals: dict[str, str] = {}
        # The connection ends when this command comes; for `.` after the letter has been taken.
        self.dies_at = ""
        self.silent_at = ""
        self.extensions = ["SIZE 1000000"]
        self.commands: list[str] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._visits: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> MailServer:
        secure = self._context if self._tls == "tls" else None
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", self.port, ssl=secure)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)

    def close(self) -> None:
        if self._server:
            self._server.close()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                await Talk(self, reader, writer, self._tls == "tls").go()
        finally:
            self._visits.discard(visit)
            writer.transport.abort()


class Talk:
    """One connection."""

    def __init__(
        self, server: MailServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, encrypted: bool
    ) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._encrypted, self._account, self._sender, self._to = encrypted, "", "", ""
        self._known: dict[str, Callable[[str], str]] = {
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "AUTH": self._auth,
            "RSET": lambda _: "250 2.0.0 forgotten",
            "NOOP": lambda _: "250 2.0.0 yes",
        }

    async def go(self) -> None:
        await self._meet("CONNECT")
        await self._say(self._server.refusals.get("CONNECT", "220 mail.example ready"))
        while line := (await self._reader.readline()).decode().strip():
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            self._server.commands.append(line)
            await self._meet(verb)
            if verb in ("EHLO", "HELO"):
                await self._hello()
            elif verb == "STARTTLS":
                await self._say("220 go ahead")
                await self._writer.start_tls(self._server._context)
                self._encrypted = True
            elif verb == "DATA":
                await self._data()
            elif verb == "QUIT":
                await self._say("221 bye")
                return
            else:
                await self._say(self._server.refusals.get(verb) or self._known[verb](rest))

    async def _meet(self, verb: str) -> None:
        if self._server.dies_at == verb:
            raise EOFError
        if self._server.silent_at == verb:
            await asyncio.Event().wait()

    async def _say(self, line: str) -> None:
        self._writer.write(f"{line}\r\n".encode())
        await self._writer.drain()

    async def _hello(self) -> None:
        server = self._server
        offers = list(server.extensions)
        if server._tls == "starttls" and not self._encrypted:
            offers.append("STARTTLS")
        if server._account:
            offers.append("AUTH PLAIN")
        lines = ["mail.example", *offers]
        for line in lines[:-1]:
            await self._say(f"250-{line}")
        await self._say(f"250 {lines[-1]}")

    def _mail(self, rest: str) -> str:
        if self._server._account and not self._account:
            return "530 5.7.0 sign in first"
        self._sender = rest.partition(":")[2].split(" ")[0].strip("<>")
        return "250 2.1.0 yes"

    def _rcpt(self, rest: str) -> str:
        self._to = rest.partition(":")[2].strip().strip("<>")
        return "250 2.1.5 yes"

    def _auth(self, rest: str) -> str:
        given = tuple(base64.b64decode(rest.split(" ")[1]).decode().split("\0")[1:])
        if given != self._server._account:
            return "535 5.7.8 wrong account or password"
        self._account = given[0]
        return "235 2.7.0 welcome"

    async def _data(self) -> None:
        if refusal := self._server.refusals.get("DATA"):
            await self._say(refusal)
            return
        await self._say("354 go on")
        lines = []
        while (line := await self._reader.readline()) != b".\r\n":
            if not line:
                raise EOFError
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        if refusal := self._server.refusals.get("."):
            await self._say(refusal)
            return
        letter = Letter(self._sender, self._to, b"".join(lines), self._encrypted, self._account)
        self._server.letters.append(letter)
        await self._meet(".")
        await self._say(f"250 2.0.0 queued as {len(self._server.letters)}")

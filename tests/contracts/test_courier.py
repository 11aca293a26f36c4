"""What every courier promises: `hometrip.adapters.courier.folder` and `hometrip.adapters.courier.smtp`."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote
from uuid import uuid4

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from contracts.mail_server import MailServer
from hometrip.adapters.courier.folder import FolderCourier
from hometrip.adapters.courier.smtp import SmtpCourier
from hometrip.adapters.courier.smtp_letter import letter, mailbox
from hometrip.kernel.clock import utc
from hometrip.ports.courier import Courier, CourierDown, Message, Undeliverable
from hometrip.ports.engine import Unfit

AT = utc(2027, 4, 14, 9)


class Post(Protocol):
    """A courier together with what has arrived: `arrived` answers the messages of an address."""

    courier: Courier

    def arrived(self, to: str) -> list[dict[str, Any]]: ...

    def close_road(self) -> None: ...


class FolderPost:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.courier = FolderCourier(folder)

    def arrived(self, to: str) -> list[dict[str, Any]]:
        return self.courier.mailbox(to)

    def close_road(self) -> None:
        self.folder.rename(self.folder.with_name("away"))


class SmtpPost:
    def __init__(self, server: MailServer) -> None:
        self.server = server
        self.courier = SmtpCourier(smtp_url(server))

    def arrived(self, to: str) -> list[dict[str, Any]]:
        return [shown(letter.parsed, letter.to) for letter in self.server.letters if letter.to == to]

    def close_road(self) -> None:
        self.server.close()


def shown(letter: Any, to: str) -> dict[str, Any]:
    return {
        "to": to,
        "subject": letter["Subject"],
        "text": letter.get_body(("plain",)).get_content().replace("\r\n", "\n"),
        "html": letter.get_body(("html",)).get_content().removesuffix("\n"),
        "headers": dict(letter.items()),
    }


def smtp_url(server: MailServer, rest: str = "", account: str = "", host: str = "127.0.0.1") -> str:
    sender = quote("HomeTrip <no-reply@stay.example>")
    return f"smtp://{account}{host}:{server.port}?from={sender}{rest}"


@pytest.fixture(params=["folder", "smtp"])
async def post(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Post]:
    if request.param == "folder":
        yield FolderPost(tmp_path / "mail")
        return
    async with MailServer() as server:
        yield SmtpPost(server)


def message(to: str = "ann@example.com", at: datetime = AT, **changes: Any) -> Message:
    plain = Message(
        id=uuid4(),
        channel="email",
        to=to,
        kind="verify_email",
        subject="Confirm",
        text="Follow https://stay.example/verify?token=abc.\n",
        html='<a href="https://stay.example/verify?token=abc&amp;n=1">Confirm</a>',
        at=at,
    )
    return msgspec.structs.replace(plain, **changes)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


# promises of every courier


async def test_a_message_arrives_as_it_was_sent(post: Post) -> None:
    sent = message(subject="Ça, c'est à vous ✓", headers={"List-Unsubscribe": "<https://stay.example/u>"})
    answer = await post.courier.send(sent)
    (mail,) = post.arrived("ann@example.com")
    assert answer
    assert mail["subject"] == sent.subject
    assert mail["text"] == sent.text
    assert mail["html"] == sent.html
    assert mail["headers"]["List-Unsubscribe"] == "<https://stay.example/u>"


async def test_the_same_message_twice_arrives_once(post: Post) -> None:
    sent = message()
    first = await post.courier.send(sent)
    assert await post.courier.send(sent) == first
    assert await post.courier.send(msgspec.structs.replace(sent, at=AT + timedelta(minutes=5))) == first
    assert len(post.arrived("ann@example.com")) == 1


async def test_the_same_message_many_times_at_once_arrives_once(post: Post) -> None:
    sent = message()
    await asyncio.gather(*(post.courier.send(sent) for _ in range(8)))
    assert len(post.arrived("ann@example.com")) == 1


async def test_nobody_gets_somebody_elses_mail(post: Post) -> None:
    await post.courier.send(message("ann@example.com"))
    await post.courier.send(message("joann@example.com"))
    assert [mail["to"] for mail in post.arrived("ann@example.com")] == ["ann@example.com"]


@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r", "\u2028", "\x85", "\x0b", "\x00"])
async def test_a_line_break_in_a_subject_makes_no_second_header(post: Post, line_break: str) -> None:
    await post.courier.send(message(subject=f"Hello{line_break}Bcc: all@example.com"))
    (mail,) = post.arrived("ann@example.com")
    assert mail["subject"] == "Hello Bcc: all@example.com"


@pytest.mark.parametrize(
    "to", ["", "  ", "ann@example.com\r\nBcc: all@example.com", "ann@example.com\n", "a\x00b@example.com"]
)
async def test_what_is_no_address_is_refused_for_good(post: Post, to: str) -> None:
    with pytest.raises(Undeliverable):
        await post.courier.send(message(to))
    assert post.arrived("all@example.com") == []


async def test_a_courier_that_cannot_take_messages_now_says_so(post: Post) -> None:
    post.close_road()
    with pytest.raises(CourierDown):
        await post.courier.send(message())
    with pytest.raises(CourierDown):
        await post.courier.ready()


async def test_a_courier_that_can_is_ready(post: Post) -> None:
    await post.courier.ready()


# the folder's own


async def test_a_mail_is_a_file_with_every_field(tmp_path: Path) -> None:
    sent = message(
        text="Your code is 123456. Pay 654321.00 or see https://stay.example/c/777777 now (https://b.example)."
    )
    await FolderCourier(tmp_path).send(sent)
    (file,) = files(tmp_path)
    assert json.loads(file.read_text()) == {
        "id": str(sent.id),
        "to": "ann@example.com",
        "kind": "verify_email",
        "channel": "email",
        "subject": "Confirm",
        "text": sent.text,
        "html": sent.html,
        "links": [
            "https://stay.example/c/777777",
            "https://b.example",
            "https://stay.example/verify?token=abc&n=1",
        ],
        "codes": ["123456"],
        "headers": {},
        "at": "2027-04-14T09:00:00Z",
    }


async def test_the_mailbox_is_newest_first_and_knows_no_case(tmp_path: Path) -> None:
    courier = FolderCourier(tmp_path)
    for minutes in (2, 1, 3):
        await courier.send(message("Ann@Example.com", AT + timedelta(minutes=minutes), subject=str(minutes)))
    await courier.send(message("bob@example.com", AT, subject="0"))
    assert [mail["subject"] for mail in courier.mailbox("ANN@example.COM")] == ["3", "2", "1"]
    assert [mail["subject"] for mail in courier.mailbox()] == ["3", "2", "1", "0"]
    assert [mail["subject"] for mail in courier.mailbox(limit=2)] == ["3", "2"]


async def test_mail_is_there_after_a_restart_and_still_sent_once(tmp_path: Path) -> None:
    sent = message()
    await FolderCourier(tmp_path).send(sent)
    again = FolderCourier(tmp_path)
    await again.send(msgspec.structs.replace(sent, subject="another"))
    assert [mail["subject"] for mail in again.mailbox("ann@example.com")] == ["Confirm"]


async def test_mail_that_another_process_sends_is_seen_at_once(tmp_path: Path) -> None:
    reader, sender = FolderCourier(tmp_path), FolderCourier(tmp_path)
    assert reader.mailbox("ann@example.com") == []
    for number in range(1, 4):
        await sender.send(message(at=AT + timedelta(minutes=number), subject=str(number)))
        assert reader.mailbox("ann@example.com")[0]["subject"] == str(number)


async def test_an_unfinished_file_is_no_mail(tmp_path: Path) -> None:
    (tmp_path / f".{uuid4().hex}").write_text('{"id": ')
    assert FolderCourier(tmp_path).mailbox() == []


async def test_mail_that_was_thrown_away_is_gone(tmp_path: Path) -> None:
    courier = FolderCourier(tmp_path)
    await courier.send(message())
    await courier.send(message(at=AT + timedelta(minutes=1), subject="kept"))
    files(tmp_path)[0].unlink()
    assert [mail["subject"] for mail in courier.mailbox("ann@example.com")] == ["kept"]


async def test_the_sandbox_can_see_what_becomes_of_refused_mail(tmp_path: Path) -> None:
    with pytest.raises(Undeliverable, match="550"):
        await FolderCourier(tmp_path).send(message("Undeliverable@example.com"))


# SMTP's own


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer() as opened:
        yield opened


async def test_a_letter_is_whole_and_the_same_however_often_it_is_sent(server: MailServer) -> None:
    sent = message(
        "ann@exämple.com",
        subject="Grüße " * 30,
        headers={"List-Unsubscribe": f"<https://stay.example/u/{'x' * 300}>", "X-Kind": "grüße"},
    )
    await SmtpCourier(smtp_url(server)).send(sent)
    await SmtpCourier(smtp_url(server)).send(sent)
    first, again = server.letters
    parsed = first.parsed
    assert (first.sender, first.to) == ("no-reply@stay.example", "ann@xn--exmple-cua.com")
    assert str(parsed["From"]) == "HomeTrip <no-reply@stay.example>"
    assert str(parsed["Subject"]) == ("Grüße " * 30).strip()
    assert parsed["Message-ID"] == again.parsed["Message-ID"] == f"<{sent.id}@stay.example>"
    assert parsed["Date"].datetime == AT
    assert parsed["X-Kind"] == "grüße"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in parsed.walk()] == [
        *("multipart/alternative", "text/plain", "text/html")
    ]
    assert f"List-Unsubscribe: <https://stay.example/u/{'x' * 300}>\r\n".encode() in first.raw
    assert first.raw.isascii()
    assert max(len(line) for line in first.raw.split(b"\r\n")) <= 998


async def test_lines_of_dots_and_endless_lines_arrive_as_they_were(server: MailServer) -> None:
    text = ".\n..\n.hidden\n" + "word " * 2000 + "\n"
    await SmtpCourier(smtp_url(server)).send(message(text=text, html=""))
    assert server.letters[0].parsed.get_content().replace("\r\n", "\n") == text


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Bcc", "all@example.com"),
        ("From", "boss@example.com"),
        ("Content-Type", "text/html"),
        ("X-A\r\nBcc", "all@example.com"),
        ("X-A: b", "c"),
        ("", "x"),
    ],
)
async def test_a_message_cannot_bring_headers_that_are_the_letters_own(
    server: MailServer, header: str, value: str
) -> None:
    with pytest.raises(Undeliverable):
        await SmtpCourier(smtp_url(server)).send(message(headers={header: value}))
    assert server.letters == []


@pytest.mark.parametrize(
    "value", ["<u>\r\nBcc: all@example.com", "a\nb", "\r\n\r\nbody", "ü\u2028Bcc: x@example.com"]
)
async def test_a_line_break_in_a_header_makes_no_second_one(server: MailServer, value: str) -> None:
    await SmtpCourier(smtp_url(server)).send(message(headers={"X-Note": value}))
    (letter,) = server.letters
    assert letter.parsed["Bcc"] is None
    assert letter.parsed.get_body(("plain",)) is not None


@given(subject=st.text(), value=st.text(), text=st.text())
def test_no_text_whatever_makes_another_header(subject: str, value: str, text: str) -> None:
    made = message(subject=subject, text=text, html=text + "<p>", headers={"X-Note": value})
    raw = letter(made, mailbox("HomeTrip", "no-reply@stay.example"), "ann@example.com")
    head = raw.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert sorted(set(names) - {b"Content-Transfer-Encoding"}) == sorted(
        b"X-Note From To Subject Date Message-ID Auto-Submitted Content-Type MIME-Version".split()
    )
    assert len(names) == len(set(names))
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert raw.isascii()


@pytest.mark.parametrize(
    "to",
    [
        *(
            "ann",
            "ann@",
            "@example.com",
            "ann@example.com,bob@example.com",
            "ann@example.com bob@example.com",
        ),
        *(
            "<ann@example.com>",
            "Ann <ann@example.com>",
            "ann@example.com> SIZE=1",
            "a@b@c",
            "ann@example..com",
        ),
    ],
)
async def test_what_is_no_single_address_never_comes_to_the_server(server: MailServer, to: str) -> None:
    with pytest.raises(Undeliverable):
        await SmtpCourier(smtp_url(server)).send(message(to))
    assert server.commands == []


async def test_an_address_beyond_ascii_goes_where_the_server_takes_it(server: MailServer) -> None:
    with pytest.raises(Undeliverable, match="ASCII"):
        await SmtpCourier(smtp_url(server)).send(message("änn@example.com"))
    server.extensions += ["SMTPUTF8", "8BITMIME"]
    await SmtpCourier(smtp_url(server)).send(message("änn@example.com"))
    assert [letter.to for letter in server.letters] == ["änn@example.com"]


async def test_only_email_goes_by_smtp(server: MailServer) -> None:
    with pytest.raises(Undeliverable):
        await SmtpCourier(smtp_url(server)).send(message("+33123456789", channel="sms"))


@pytest.mark.parametrize(
    ("command", "answer", "verdict"),
    [
        ("RCPT", "550 5.1.1 there is no such mailbox", Undeliverable),
        ("RCPT", "450 4.2.1 greylisted, come again", CourierDown),
        ("RCPT", "452 4.2.2 the mailbox is full", CourierDown),
        (".", "554 5.7.1 this looks like spam", Undeliverable),
        (".", "451 4.3.0 try again", CourierDown),
        ("DATA", "554 5.5.1 no valid recipients", Undeliverable),
        ("MAIL", "552 5.3.4 too large", Undeliverable),
        ("MAIL", "550 5.7.1 you may not send as that", CourierDown),
        ("CONNECT", "421 4.3.2 too busy", CourierDown),
        ("CONNECT", "554 5.7.1 we do not know you", CourierDown),
    ],
)
async def test_what_the_server_refuses_is_told_for_good_or_for_now(
    server: MailServer, command: str, answer: str, verdict: type[Exception]
) -> None:
    server.refusals[command] = answer
    courier = SmtpCourier(smtp_url(server))
    sent = message()
    with pytest.raises(verdict, match=answer[:3]):
        await courier.send(sent)
    server.refusals.clear()
    await courier.send(sent)
    assert len(server.letters) == 1


@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("trouble", ["dies", "silent"])
async def test_a_server_that_dies_or_says_nothing_is_down_in_time(
    server: MailServer, command: str, trouble: str
) -> None:
    setattr(server, "dies_at" if trouble == "dies" else "silent_at", command)
    courier = SmtpCourier(smtp_url(server, "&timeout=0.3"))
    began = time.monotonic()
    with pytest.raises(CourierDown):
        await courier.send(message())
    assert time.monotonic() - began < 2
    server.dies_at = server.silent_at = ""
    await courier.send(message())
    assert len(server.letters) == 1


async def test_a_server_that_dies_after_it_took_the_letter_gets_one_it_can_recognise(
    server: MailServer,
) -> None:
    server.dies_at = "."
    courier, sent = SmtpCourier(smtp_url(server)), message()
    with pytest.raises(CourierDown):
        await courier.send(sent)
    server.dies_at = ""
    await courier.send(sent)
    first, again = server.letters
    assert first.raw.replace(boundary(first.raw), b"") == again.raw.replace(boundary(again.raw), b"")


def boundary(raw: bytes) -> bytes:
    return raw.partition(b'boundary="')[2].partition(b'"')[0]


@pytest.mark.parametrize("trouble", ["dies_at", "silent_at"])
async def test_a_letter_that_was_taken_is_sent_however_the_server_says_goodbye(
    server: MailServer, trouble: str
) -> None:
    setattr(server, trouble, "QUIT")
    assert await SmtpCourier(smtp_url(server)).send(message()) == "smtp: 2.0.0 queued as 1"


async def test_a_caller_that_gives_up_does_not_break_a_letter_off(server: MailServer) -> None:
    courier, sent = SmtpCourier(smtp_url(server)), message()
    asked = asyncio.create_task(courier.send(sent))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await courier.close()
    await courier.send(sent)
    assert len(server.letters) == 1


async def test_being_ready_is_not_asked_of_the_provider_all_the_time(server: MailServer) -> None:
    courier = SmtpCourier(smtp_url(server))
    for _ in range(5):
        await courier.ready()
    assert server.commands.count("QUIT") == 1


# TLS


class Certificates(NamedTuple):
    authority: Path
    server: ssl.SSLContext
    elsewhere: ssl.SSLContext


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority of our own, a certificate of this machine, and one of another."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of a test")])
    root = signed(name, name, key, key, x509.BasicConstraints(ca=True, path_length=0))
    (folder / "authority.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    contexts = []
    for which, host in enumerate(
        [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("other.example")]
    ):
        own = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"server {which}")])
        made = signed(subject, name, own, key, x509.SubjectAlternativeName([host]))
        file = folder / f"{which}.pem"
        file.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        contexts.append(context)
    return Certificates(folder / "authority.pem", *contexts)


def signed(subject: Any, issuer: Any, key: Any, by: Any, says: Any) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(says, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .sign(by, hashes.SHA256())
    )


ACCOUNT = ("us@stay.example", "secret-word")


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_letters_go_encrypted_and_signed_in(certificates: Certificates, tls: str) -> None:
    async with MailServer(tls=tls, context=certificates.server, account=ACCOUNT) as server:
        url = smtp_url(server, f"&tls={tls}&ca={certificates.authority}", "us%40stay.example:secret-word@")
        courier = SmtpCourier(url)
        await courier.open()
        await courier.send(message())
        (letter,) = server.letters
        assert (letter.encrypted, letter.account) == (True, "us@stay.example")
        assert [finding.what for finding in await courier.examine()] == ["reachable", "rights"]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest.mark.parametrize("wrong", ["authority", "host"])
async def test_a_certificate_that_cannot_be_trusted_gets_no_letter_and_no_password(
    certificates: Certificates, tls: str, wrong: str
) -> None:
    context = certificates.elsewhere if wrong == "host" else certificates.server
    ours = f"&ca={certificates.authority}" if wrong == "host" else ""
    async with MailServer(tls=tls, context=context, account=ACCOUNT) as server:
        courier = SmtpCourier(smtp_url(server, f"&tls={tls}{ours}", "us%40stay.example:secret-word@"))
        with pytest.raises(CourierDown, match=r"certificate .* cannot be trusted"):
            await courier.send(message())
        assert server.letters == []
        assert not any(command.startswith("AUTH") for command in server.commands)


async def test_a_server_without_tls_gets_no_letter_where_tls_is_wanted(server: MailServer) -> None:
    courier = SmtpCourier(smtp_url(server, "&tls=starttls"))
    with pytest.raises(CourierDown, match="no TLS"):
        await courier.send(message())
    assert not any(command.startswith("MAIL") for command in server.commands)


# an SMTP server that cannot be used


async def unfit(url: str) -> str:
    courier = SmtpCourier(url)
    with pytest.raises(Unfit) as refusal:
        await courier.open()
    assert "secret-word" not in refusal.value.detail
    return refusal.value.detail


async def test_what_is_wrong_with_a_server_is_said_at_the_start(server: MailServer) -> None:
    async with MailServer(account=ACCOUNT) as strict:
        wrong_account = smtp_url(strict, account="somebody:secret-word@")
        assert "refuses our account: 535" in await unfit(wrong_account)
    server.refusals["MAIL"] = "550 5.7.1 you may not send as that"
    assert "refuses no-reply@stay.example as the sender: 550" in await unfit(smtp_url(server))
    server.close()
    assert f"127.0.0.1:{server.port} does not answer" in await unfit(smtp_url(server))


async def test_what_is_wrong_with_the_url_is_said_at_the_start() -> None:
    assert "no sender" in await unfit("smtp://127.0.0.1:25")
    assert "no tls=maybe" in await unfit("smtp://127.0.0.1:25?from=a@b.example&tls=maybe")
    assert "in the open" in await unfit("smtp://us:secret-word@mail.example?from=a@b.example&tls=none")
    assert "/nowhere/ca.pem cannot be read" in await unfit(
        "smtps://127.0.0.1?from=a@b.example&ca=/nowhere/ca.pem"
    )

"""A message as e-mail: addresses that are some, and headers in which no text can begin another."""

from __future__ import annotations

import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from hometrip.ports.courier import Message, Undeliverable

_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
# What can be written without quotes; others exist on paper, and no provider gives them out.
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\\\"@\x00-\x20\x7f]{1,64}@[^\s<>()\[\],;:\\\"@\x00-\x20\x7f]{1,253}")
_NAME = re.compile(r"[!-9;-~]{1,70}")
# A message may bring these and whatever begins with List- or X-; the rest is the letter's own.
_FREE = frozenset({"reply-to", "references", "in-reply-to", "precedence", "feedback-id"})
# Longer lines may be broken off on the way (RFC 5322 allows 998).
_LONGEST = 900


def address_of(text: str) -> str:
    """The address, its domain as it is written in the DNS. Raises `Undeliverable` for what is none."""
    address = text.strip(" ")
    if not _ADDRESS.fullmatch(address):
        raise Undeliverable("this is not an address")
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError as wrong:
        raise Undeliverable("this is not an address") from wrong


def mailbox(name: str, address: str) -> Address:
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def letter(message: Message, sender: Address, to: str) -> bytes:
    """The whole text to send. The same message is the same letter, however often it is made: by its
    Message-ID a server knows it again.
    """
    international = not to.isascii()
    policy = SMTPUTF8 if international else SMTP.clone(cte_type="7bit")
    made = EmailMessage(policy)
    made["From"] = sender
    made["To"] = mailbox("", to)
    made["Subject"] = _one_line(message.subject)
    made["Date"] = format_datetime(message.at)
    made["Message-ID"] = f"<{message.id}@{sender.domain}>"
    made["Auto-Submitted"] = "auto-generated"
    lines = []
    for name, value in message.headers.items():
        _check_name(name)
        line = f"{name}: {_one_line(value)}"
        if line.isascii() and len(line) <= _LONGEST:
            # As it is: to fold a long address would write it in a way that few can read.
            lines.append(f"{line}\r\n")
        else:
            made[name] = _one_line(value)
    made.set_content(message.text)
    if message.html:
        made.add_alternative(message.html, subtype="html")
    return "".join(lines).encode("ascii") + made.as_bytes()


def _check_name(name: str) -> None:
    small = name.lower()
    if not _NAME.fullmatch(name) or not (small in _FREE or small.startswith(("list-", "x-"))):
        raise Undeliverable("a message may not bring this header", header=name[:70])


def _one_line(text: str) -> str:
    """A header's value can hold no line break, of whatever kind, and so can hold no second header."""
    return _BREAKS.sub(" ", text).strip()

"""The line to Stripe: its library on an HTTP client that does not block, and its errors in our words."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import msgspec
import stripe

from hometrip.adapters.payments.stripe.words import Page, Record
from hometrip.kernel.again import something_happens
from hometrip.ports.payments import ProviderDown, ProviderRefused

T = TypeVar("T")
R = TypeVar("R", bound=Record)
# One request, of Stripe's `v1` services; of a list, of where to go on as well.
Ask = Callable[[Any], Awaitable[Any]]
AskFrom = Callable[[Any, dict[str, str]], Awaitable[Any]]

# What each request is written for. The library would follow its own release; a new one is taken on purpose.
API_VERSION = "2026-10-28.endive"
EXTENDED = "extended"
STRIPE, FILES = "https://api.stripe.com", "https://files.stripe.com"

# A charge waits for banks; a request that is not answered by then may have happened all the same.
ANSWER_SECONDS = 25.0
CONNECT_SECONDS = 5.0
READY_SECONDS = 2.0
# A provider that has answered is not asked whether it is there more often than this.
STILL_READY_SECONDS = 30.0

REFUSALS = {
    "amount_too_large": "that is more than there is",
    "amount_too_small": "the amount is smaller than the provider takes",
    "balance_insufficient": "the balance does not cover it",
    "charge_already_refunded": "nothing is left that could be refunded",
    "charge_disputed": "the cardholder's bank holds this money",
    "idempotency_key_in_use": "this key was used for another request",
    "payment_intent_unexpected_state": "the payment is in another state by now",
    "resource_missing": "the provider knows nothing of this",
}

log = logging.getLogger("hometrip.payments.stripe")
# What the library itself would log holds what was sent; and it would tell Stripe about this machine.
logging.getLogger("stripe").setLevel(logging.WARNING)
stripe.enable_telemetry = False


class StripeLink:
    """One request after the other, bounded in time. What Stripe refuses for good is `ProviderRefused`, with
    its code and no message of its own; what may have happened, or may go later, is `ProviderDown`."""

    def __init__(self, url: str, secret_key: str) -> None:
        """`stripe:`, or `stripe:?api=http://127.0.0.1:12111` for a stand-in such as stripe-mock; with
        `holds=extended` of an account that may hold money on cards for longer than it must."""
        asked = dict(parse_qsl(urlsplit(url).query))
        self.base, self.holds = asked.get("api", STRIPE).rstrip("/"), asked.get("holds", "")
        self._key = secret_key
        self._http: Any = None
        self._client: Any = None
        self._answered = -math.inf

    @property
    def live(self) -> bool:
        return self._key.partition("_")[2].startswith("live")

    @property
    def wrong(self) -> str:
        """What is wrong with the url and the key, in words; nothing where they may be used."""
        parts = urlsplit(self.base)
        if not self._key.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
            return "HOMETRIP_STRIPE_SECRET_KEY is no secret key of Stripe's (sk_test_… or sk_live_…)"
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return f"api={self.base} is no address"
        if self.holds not in ("", EXTENDED):
            return f"holds={self.holds} is not known in HOMETRIP_PAYMENTS_URL; {EXTENDED} is"
        if self.base != STRIPE and self.live:
            return "a live key is for Stripe alone; leave api= out of HOMETRIP_PAYMENTS_URL"
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            return f"the key would go in the open to {parts.hostname}; use https"
        return ""

    async def ask(self, ask: Ask, kind: type[T], *, seconds: float = ANSWER_SECONDS) -> T:
        """The answer, read as `kind`."""
        something_happens()
        try:
            async with asyncio.timeout(seconds):
                answer = await ask(self._services())
            read = msgspec.convert(answer.to_dict(for_json=True), type=kind, strict=False)
        except stripe.StripeError as error:
            raise self._named(error) from None
        except (TimeoutError, aiohttp.ClientError, OSError):
            raise ProviderDown from None
        except (AttributeError, KeyError, TypeError, ValueError) as garbage:
            # What is no answer of Stripe's (of a proxy in between, say) the library falls over.
            log.error("an answer of the provider cannot be read", exc_info=garbage)
            raise ProviderDown from None
        self._answered = time.monotonic()
        return read

    async def ask_all(self, ask: AskFrom, kind: type[R]) -> AsyncIterator[R]:
        """Every record of a list, page by page; `ask` gets the services and where to go on."""
        after: dict[str, str] = {}
        pages: type[Page[R]] = Page[kind]  # type: ignore[valid-type]
        while True:
            page = await self.ask(partial(_from, ask, after), pages)
            for record in page.data:
                yield record
            if not page.has_more or not page.data:
                return
            after = {"starting_after": page.data[-1].id}

    async def ready(self) -> None:
        if time.monotonic() - self._answered > STILL_READY_SECONDS:
            await self.ask(lambda v1: v1.balance.retrieve_async(), dict[str, Any], seconds=READY_SECONDS)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close_async()
        self._http = self._client = None

    def _services(self) -> Any:
        if self._client is None:
            limits = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
            self._http = stripe.AIOHTTPClient(timeout=limits)
            self._client = stripe.StripeClient(
                self._key,
                http_client=self._http,
                stripe_version=API_VERSION,
                base_addresses={"api": self.base, "files": FILES if self.base == STRIPE else self.base},
                max_network_retries=1,
            )
        return self._client.v1

    def _named(self, error: stripe.StripeError) -> Exception:
        """The same in our words. Stripe's own message is for developers, and is not passed on; its request id
        is in the log, under which Stripe shows it."""
        status, told = error.http_status or 0, _error_of(error)
        seen = {"code": told.code, "type": told.type, "status": status, "request": error.request_id}
        if isinstance(error, stripe.CardError) and told.payment_intent is not None:
            return Declined(told.payment_intent)
        if status in (400, 402, 404) and not isinstance(error, stripe.RateLimitError):
            code = "idempotency_key_in_use" if told.type == "idempotency_error" else told.code
            log.warning("refused by the provider", extra=seen)
            return ProviderRefused(
                REFUSALS.get(code, "the provider refuses this"), provider_code=code or "refused"
            )
        # 401 and 403 are about our key and not about what was asked: it is asked again once that is mended.
        log.error("no answer of the provider", extra=seen)
        if status in (401, 403):
            return ProviderDown("the provider does not take our key, or does not give it this right")
        return ProviderDown()


class Declined(Exception):
    """A card was declined; the intent as Stripe tells it then."""

    def __init__(self, intent: dict[str, Any]) -> None:
        self.intent = intent


class _Told(msgspec.Struct):
    code: str = ""
    type: str = ""
    payment_intent: dict[str, Any] | None = None


def _error_of(error: stripe.StripeError) -> _Told:
    body = error.json_body if isinstance(error.json_body, dict) else {}
    try:
        return msgspec.convert(body.get("error", {}), type=_Told)
    except msgspec.ValidationError:
        return _Told()


def _from(ask: AskFrom, after: dict[str, str], v1: Any) -> Awaitable[Any]:
    return ask(v1, after)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

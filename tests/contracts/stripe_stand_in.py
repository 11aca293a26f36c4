"""A stand-in for Stripe on loopback, which answers as it is told to and writes down what it was asked.

stripe-mock judges whether a request is one of Stripe's, but it never refuses one. What Stripe documents of
its refusals is answered here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from hometrip.adapters.payments.stripe import StripePayments

INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "status": "succeeded",
    "amount": 10_000,
    "amount_received": 10_000,
    "currency": "eur",
    "created": 1_800_000_000,
    "client_secret": "pi_1_secret_x",
    "latest_charge": {"id": "ch_1", "object": "charge", "amount_refunded": 0},
    "metadata": {},
}


class Asked:
    def __init__(self, request: web.Request, body: str) -> None:
        self.method, self.path, self.headers = request.method, request.path, request.headers
        self.body = body
        self.fields = dict(parse_qsl(body or request.query_string, keep_blank_values=True))


class StandIn:
    """`answers`: by "METHOD /path" a status and a body, or several to be given one after the other. Anything
    else is answered by an empty list or by the intent. `slow`: nothing is answered at all."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, Any] = {}
        self.slow = False
        self.payments: StripePayments

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(Asked(request, await request.text()))
        if self.slow:
            await asyncio.Event().wait()
        answer = self.answers.get(f"{request.method} {request.path}")
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is None:
            one = "payment_intents" in request.path
            answer = (200, INTENT if one else {"object": "list", "data": [], "has_more": False})
        status, body = answer
        headers = {"Request-Id": "req_1", "stripe-should-retry": "false"}
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, headers=headers)
        return web.json_response(body, status=status, headers=headers)

    def posts(self) -> list[Asked]:
        return [one for one in self.asked if one.method == "POST"]


@asynccontextmanager
async def stand_in(secret: str) -> AsyncIterator[StandIn]:
    stripe = StandIn()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stripe.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    url = f"stripe:?api=http://{host}:{port}"
    stripe.payments = StripePayments(url, secret_key="sk_test_123", webhook_secrets=[secret])
    try:
        yield stripe
    finally:
        await stripe.payments.close()
        await runner.cleanup()


def error(code: str, kind: str = "invalid_request_error", **more: Any) -> dict[str, Any]:
    words = "Raw words of the provider about acct_1 and req_2"
    return {"error": {"type": kind, "code": code, "message": words, **more}}


def declined(decline_code: str, code: str = "card_declined") -> dict[str, Any]:
    """A declined card, as Stripe tells it: 402, with the intent as it is then."""
    why = {
        "type": "card_error",
        "code": code,
        "decline_code": decline_code,
        "message": "Your card has insufficient funds.",
    }
    intent = {
        **INTENT,
        "status": "requires_payment_method",
        "amount_received": 0,
        "latest_charge": "ch_1",
        "last_payment_error": why,
    }
    return {"error": {**why, "payment_intent": intent}}

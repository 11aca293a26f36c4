"""The payment service's table of contents."""

from __future__ import annotations

from hometrip.kernel.pace import FIRST
from hometrip.kernel.service import Service
from hometrip.services.payment import actions, api, contract, reactions, store

SERVICE = Service(
    name="payment",
    port=4005,
    deps=actions.Deps,
    haste=FIRST,
    routes=api.ROUTES,
    reactions=reactions.REACTIONS,
    answers={contract.PaymentQuestions: actions},
    storage=store.tables,
    starts=[actions.begin_to_hear, actions.tell_of_lost],
)

"""Payments by Stripe, put into a house by its settings."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from engines import url_of
from harness import house_in
from hometrip.adapters.payments.stripe import StripePayments
from hometrip.app.cli import main
from hometrip.app.settings import BadSettings, load
from hometrip.ports.payments import Payments
from journeys.steps import book, ok, open_home, problem, stay

KEY, SECRET = "sk_test_51abcdef", "whsec_51abcdef"
GIVEN = {"HOMETRIP_PAYMENTS_URL": "stripe:"}
KEYS = {"HOMETRIP_STRIPE_SECRET_KEY": KEY, "HOMETRIP_STRIPE_WEBHOOK_SECRET": SECRET}


def wrong(**more: str) -> list[str]:
    try:
        load(GIVEN | {f"HOMETRIP_STRIPE_{name.upper()}": value for name, value in more.items()})
    except BadSettings as bad:
        return bad.wrong
    return []


def test_keys_that_are_missing_are_named_at_once() -> None:
    assert [line.partition(":")[0] for line in wrong()] == sorted(KEYS)
    assert wrong(secret_key=KEY, webhook_secret=f"{SECRET},whsec_of_connect") == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"secret_key": "pk_test_1"}, "STRIPE_SECRET_KEY"),
        ({"secret_key": "sk_live_1"}, "STRIPE_SECRET_KEY"),
        ({"secret_key": "rk_live_1"}, "STRIPE_SECRET_KEY"),
        ({"secret_key": KEY, "live": "on"}, "STRIPE_LIVE"),
        ({"webhook_secret": "sk_test_1"}, "STRIPE_WEBHOOK_SECRET"),
        ({"webhook_secret": f"{SECRET},x"}, "STRIPE_WEBHOOK_SECRET"),
    ],
)
def test_a_key_for_other_money_than_was_meant_is_named_and_not_shown(
    given: dict[str, str], named: str
) -> None:
    [said] = wrong(**{"secret_key": KEY, "webhook_secret": SECRET, **given})
    assert said.startswith(f"HOMETRIP_{named}:")
    assert all(value not in said for value in given.values() if value != "on" and value != "x")


def test_a_live_key_needs_its_own_word() -> None:
    assert wrong(secret_key="sk_live_1", webhook_secret=SECRET, live="on") == []


def test_with_real_money_the_sandbox_is_off() -> None:
    settings = load(GIVEN | KEYS)
    assert not settings.sandbox
    with pytest.raises(BadSettings, match="a real provider is configured for payments"):
        load(GIVEN | KEYS | {"HOMETRIP_SANDBOX": "on"})


def test_config_check_does_not_show_the_keys(tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["config", "check", "--data", str(tmp_path)], env=GIVEN | KEYS)
    assert shown.exit_code == 0, shown.output
    assert "stripe_secret_key" in shown.output
    assert "51abcdef" not in shown.output
    (tmp_path / "hometrip.toml").write_text('stripe_secret_key = ["sk_test_51abcdef"]\n')
    env = {"HOMETRIP_CONFIG": str(tmp_path / "hometrip.toml")}
    refused = CliRunner().invoke(main, ["config", "check", "--data", str(tmp_path)], env=env)
    assert refused.exit_code == 2
    assert "51abcdef" not in refused.output


async def test_a_house_takes_payments_by_stripe(tmp_path: Path) -> None:
    where = f"stripe:?api={url_of('stripe')}"
    keys = {"stripe_secret_key": KEY, "stripe_webhook_secret": (SECRET,)}
    async with house_in(tmp_path, payments_url=where, **keys) as house:
        assert isinstance(house.house.shared[Payments], StripePayments)
        host = await house.sign_up("host@example.com", "Hanna Host")
        guest = await house.sign_up("guest@example.com", "Gus Guest")
        home = await open_home(host)
        booking = ok(await book(guest, home["id"], stay(house)), 201)
        intent = ok(await guest.post("/api/payments/intent", {"booking_id": booking["id"]}), 201)
        assert intent["client_secret"]
        account = ok(await host.post("/api/stripe-connect/account"), 201)
        link = ok(
            await host.post("/api/stripe-connect/account/link", {"back_to": "https://example.com"}), 201
        )
        assert (account["can_be_paid"], link["url"].startswith("https://")) == (False, True)
        ready = await house.house.ready()
        assert "payments" not in ready
        body = msgspec.json.encode(
            {
                "id": "evt_1",
                "object": "event",
                "type": "account.updated",
                "created": int(house.clock.now().timestamp()),
                "data": {"object": {"id": account["id"], "object": "account"}},
            }
        )
        moment = int(house.clock.now().timestamp())
        digest = hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={moment},v1={digest}"}
        ok(await house.client.post("/api/webhook/stripe", content=body, headers=headers))
        problem(
            await house.client.post("/api/webhook/stripe", content=body + b" ", headers=headers),
            400,
            "bad_signature",
        )
        await house.settle()

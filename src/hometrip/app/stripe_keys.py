"""Whether Stripe's keys are there, and are for the money that is meant. No word here holds a key."""

from __future__ import annotations

from collections.abc import Sequence

# Settings that no command shows.
SECRET = frozenset({"stripe_secret_key", "stripe_webhook_secret"})

KINDS = ("sk_test_", "rk_test_", "sk_live_", "rk_live_")


def bad_stripe(key: str, webhook_secrets: Sequence[str], *, live: bool) -> list[str]:
    """Everything that is wrong, a line each; nothing where payments by Stripe can be taken."""
    return [*_bad_key(key, live=live), *_bad_webhook_secrets(webhook_secrets)]


def _bad_key(key: str, *, live: bool) -> list[str]:
    if not key:
        return ["HOMETRIP_STRIPE_SECRET_KEY: is missing; Stripe's dashboard shows it (sk_test_…)"]
    if not key.startswith(KINDS):
        return ["HOMETRIP_STRIPE_SECRET_KEY: is no secret key of Stripe's, such as sk_test_…"]
    is_live = key.startswith(KINDS[2:])
    if is_live and not live:
        return ["HOMETRIP_STRIPE_SECRET_KEY: is a live key; HOMETRIP_STRIPE_LIVE=on says that it is meant"]
    if live and not is_live:
        return ["HOMETRIP_STRIPE_LIVE: is on, but HOMETRIP_STRIPE_SECRET_KEY is a test key"]
    return []


def _bad_webhook_secrets(secrets: Sequence[str]) -> list[str]:
    if not secrets:
        return [
            "HOMETRIP_STRIPE_WEBHOOK_SECRET: is missing; the endpoint's page at Stripe shows it (whsec_…)"
        ]
    if not all(secret.startswith("whsec_") for secret in secrets):
        return ["HOMETRIP_STRIPE_WEBHOOK_SECRET: is no signing secret of Stripe's, such as whsec_…"]
    return []

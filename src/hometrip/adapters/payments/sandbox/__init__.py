"""The built-in payment provider: offline, deterministic, and with Stripe's test cards."""

from __future__ import annotations

from hometrip.adapters.payments.sandbox.provider import SandboxPayments, Webhook

__all__ = ["SandboxPayments", "Webhook"]

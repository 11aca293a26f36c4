"""Payments by Stripe, through Stripe's own library."""

from __future__ import annotations

from hometrip.adapters.payments.stripe.provider import StripePayments

__all__ = ["StripePayments"]

"""The kinds of lines that a price has, in the order of a quote, and which of them belong together.

Quotes, taxes, refunds and mails ask by these names. A new kind begins here; tests name what else it needs.
"""

from __future__ import annotations

# Paid for the nights: what a tax on "nights" is of.
FOR_NIGHTS = ("nights", "length_discount", "early_bird", "last_minute", "non_refundable", "extra_guests")
# What the host's payout and the service fee are reckoned of, less a coupon.
SUBTOTAL = (*FOR_NIGHTS, "pets", "cleaning")
# With these, what a tax on "nights_and_fees" is of.
WITH_FEES = (*SUBTOTAL, "coupon", "service_fee")
KINDS = (*WITH_FEES, "tax")

"""Why a stay is refused, in a sentence; and what an error says of itself."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import hometrip.app.edge.routes  # noqa: F401 - with it, all errors of the house are known
from hometrip.kernel.errors import HomeTripError
from hometrip.services.listing.contract import StayRefused
from hometrip.services.listing.rules import refusal as refusal_rules
from hometrip.services.listing.rules.refusal import Refusal
from hometrip.services.listing.rules.saying import said

SENTENCES = [
    ("guests", 1, "This home is for at most 1 guest."),
    ("guests", 4, "This home is for at most 4 guests."),
    ("pets", False, "This home takes no pets."),
    ("min_nights", 2, "A stay here has at least 2 nights."),
    ("max_nights", 1, "A stay here has at most 1 night."),
    ("check_in_day", [5, 0, 4], "Check-in here is only on Monday, Friday or Saturday."),
    ("check_out_day", [6], "Check-out here is only on Sunday."),
    ("notice", 0, "This check-in has passed."),
    ("notice", 24, "This home is booked at least 24 hours before check-in."),
    ("window", 90, "This home can be booked up to 90 days ahead."),
    ("preparation", 1, "The host keeps 1 night free beside every booking."),
]


@pytest.mark.parametrize(("rule", "value", "sentence"), SENTENCES)
def test_a_refusal_is_a_sentence(rule: str, value: Any, sentence: str) -> None:
    assert said(Refusal(rule, value)) == sentence


def test_every_rule_that_refuses_a_stay_has_its_sentence_and_is_told_to_callers() -> None:
    rules = set(re.findall(r'Refusal\("(\w+)"', inspect.getsource(refusal_rules)))
    assert rules == {rule for rule, _, _ in SENTENCES}
    assert rules <= set(re.findall(r"\w+", inspect.getdoc(StayRefused) or ""))


def test_what_an_error_says_of_itself_is_said_to_its_end() -> None:
    assert len(HomeTripError.by_code) > 60
    for kind in HomeTripError.by_code.values():
        error = kind.__new__(kind)
        HomeTripError.__init__(error)
        assert error.detail.endswith("."), (kind, error.detail)
        assert "\n" not in error.detail

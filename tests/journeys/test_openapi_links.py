"""T14 along the document's links: what one answer tells is asked with next, and nothing falls over."""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter, defaultdict, deque
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Flaky

from figures import Figure
from server import Server

pytestmark = pytest.mark.slow
# A booking from its quote to its payment, and what can be done with it then: each must have gone well.
THE_WAY = (
    "post_listings_listing_id_quote",
    "post_bookings",
    "post_payments_intent",
    "post_payments_payment_id_confirm",
    "post_bookings_booking_id_cancel",
)
# What a guest means by it, in the place of what no guest would write.
MEANT = {
    "post_payments_payment_id_confirm": {"payment_method": "pm_card_visa"},
    "post_bookings_booking_id_cancel": {},
}
# The routes of stays and their money, and those that lead to them.
OF_A_HOME = r"/\{listing_id\}(/quote|/availability|/pricing|/block-dates)?"
ROUTES = rf"^/api/(search$|listings({OF_A_HOME})?$|(bookings|payments|coupons))"
# Those of the way itself: a short walk comes to its end.
SHORT = (
    r"^/api/(search|listings/\{listing_id\}/quote|bookings(/\{booking_id\}(/cancel)?)?"
    r"|payments/(intent|\{payment_id\}(/confirm)?))$"
)


def tokens_of(server: Server) -> dict[str, str]:
    tokens = {}
    for role, account in server.accounts().items():
        login = {"email": account["email"], "password": account["password"]}
        tokens[role] = httpx2.post(f"{server.url}/api/auth/login", json=login).json()["access_token"]
    return tokens


# Parameters of the path, and fields of the body.
Told = tuple[dict[str, Any], dict[str, Any]]


class Walk:
    """People who go on from what they were answered. Mostly they mean what they write; the rest is as it
    comes.
    """

    def __init__(self, server: Server, document: dict[str, Any], seed: int) -> None:
        self._tokens, self._choose = tokens_of(server), random.Random(seed)
        self._links = {
            described["operationId"]: [
                link
                for answer in described["responses"].values()
                for link in answer.get("links", {}).values()
            ]
            for methods in document["paths"].values()
            for described in methods.values()
        }
        # What was told lately, by the operation that it can be asked with.
        self._told: defaultdict[str, deque[Told]] = defaultdict(lambda: deque(maxlen=4))
        self.went_well: Counter[str] = Counter()
        self.steps = 0
        self.fell: list[str] = []

    @property
    def misses(self) -> list[str]:
        return [name for name in THE_WAY if not self.went_well[name]]

    def mean(self, case: Any) -> None:
        name = operation_of(case)
        if self._choose.random() < 0.15:
            return
        if told := self._told[name]:
            parameters, body = self._choose.choice(told)
            case.path_parameters = case.path_parameters | parameters
            if isinstance(case.body, dict):
                case.body = case.body | body
        if not case.path_parameters and case.method == "GET":
            case.query = {}
        if isinstance(case.body, dict) or name in MEANT:
            case.body = self._meant(name, case.body)

    def _meant(self, name: str, body: Any) -> Any:
        if name in MEANT:
            return MEANT[name]
        if name == "post_bookings":
            linked = ("listing_id", "check_in", "check_out", "guests", "quote_id")
            return {field: body[field] for field in linked if field in body}
        if name in ("post_listings_listing_id_quote", "post_bookings_calculate_price"):
            return {field: body[field] for field in body if field == "listing_id"} | self._stay()
        return body

    def _stay(self) -> dict[str, Any]:
        first = datetime.now(UTC).date() + timedelta(days=self._choose.randint(5, 200))
        until = first + timedelta(days=self._choose.choice((3, 5, 7, 30)))
        return {"check_in": str(first), "check_out": str(until), "guests": 1}

    def _filled(self, told: dict[str, str], answer: Any) -> dict[str, Any]:
        """What the expressions of a link find in the answer; of `/items/0/id`, any item's will do."""
        found = {}
        for name, expression in told.items():
            value = answer.json()
            for part in expression.partition("#/")[2].split("/"):
                if isinstance(value, list):
                    value = self._choose.choice(value) if value else None
                else:
                    value = (value or {}).get(part)
            if value is not None:
                found[name] = value
        return found

    def headers(self, case: Any) -> dict[str, str]:
        access = case.operation.definition.raw["x-access"]
        role = "guest" if self._choose.random() < 0.8 else self._choose.choice(sorted(self._tokens))
        if access in ("staff", "admin"):
            role = "admin"
        return {"Authorization": f"Bearer {self._tokens[role]}"}

    def saw(self, case: Any, answer: Any) -> None:
        self.steps += 1
        if answer.status_code >= 500:
            self.fell.append(f"{case.operation.label}: {answer.status_code} {answer.text[:300]}")
        elif answer.status_code < 300:
            name = operation_of(case)
            self.went_well[name] += 1
            for link in self._links[name]:
                parameters, body = (
                    self._filled(link.get(part, {}), answer) for part in ("parameters", "requestBody")
                )
                if parameters or body:
                    self._told[link["operationId"]].append((parameters, body))


def operation_of(case: Any) -> str:
    return str(case.operation.definition.raw["operationId"])


def walk(server: Server, routes: str, steps: int, seed: int) -> Walk:
    schema = schemathesis.openapi.from_url(f"{server.url}/api/openapi.json")
    schema.config.update(base_url=server.url)
    schema = schema.include(path_regex=routes)
    walked = Walk(server, schema.raw_schema, seed)

    class Machine(schema.as_state_machine()):  # type: ignore[misc]  # made from the document
        def before_call(self, case: Any) -> None:
            walked.mean(case)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": walked.headers(case)}

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            walked.saw(case, response)

    one = settings(
        max_examples=8,
        stateful_step_count=12,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=False,
    )
    round_ = 0
    while not walked.fell and (walked.steps < steps or (walked.misses and walked.steps < 8 * steps)):
        round_ += 1
        # The server remembers, so the same requests do not get the same answers, which is called flaky.
        with contextlib.suppress(Flaky):
            hypothesis.seed(seed * 1_000_000 + round_)(Machine).run(settings=one)
    return walked


@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("routes", "steps"),
    [
        pytest.param(SHORT, 100, id="short"),
        pytest.param(ROUTES, 20_000, id="long", marks=pytest.mark.full),
    ],
)
def test_whoever_follows_the_links_of_the_document_never_makes_the_server_fail(
    served: Server, routes: str, steps: int, figure: Figure
) -> None:
    seed = int(os.environ.get("HOMETRIP_TEST_SEED", "1"))
    walked = walk(served, routes, steps, seed)
    assert walked.fell == []
    assert walked.misses == []
    assert served.verify().returncode == 0
    figure(
        f"T14: {walked.steps:,} steps along the links, {sum(walked.went_well.values()):,} of them went well "
        f"with {len(walked.went_well)} operations, no 5xx, verify clean",
        seed=seed,
    )

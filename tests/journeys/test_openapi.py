"""The served OpenAPI document against the served routes: whatever it allows, nothing falls over."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from server import Server

pytestmark = pytest.mark.slow
# What the client itself refuses to put on the wire never reaches the server.
UNSENDABLE = (
    httpx2.InvalidURL,
    httpx2.LocalProtocolError,
    UnicodeEncodeError,
    TypeError,
    ValueError,
    AttributeError,
)


@pytest.fixture(scope="module")
def document(served: Server) -> dict[str, Any]:
    answer = httpx2.get(f"{served.url}/api/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_the_document_is_openapi_31_and_names_every_route_once(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    ids = [
        operation["operationId"]
        for path in document["paths"].values()
        for method, operation in path.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]
    assert len(ids) == len(set(ids)) > 60


@pytest.mark.timeout(1_800)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("examples", [2, pytest.param(40, marks=pytest.mark.full)])
def test_no_request_that_the_document_describes_makes_the_server_fail(
    served: Server, document: dict[str, Any], examples: int
) -> None:
    schema = schemathesis.openapi.from_dict(document)
    failures = []
    with httpx2.Client(base_url=served.url) as client:
        for result in schema.get_all_operations():
            operation = result.ok()
            if operation.path.startswith("/api/sandbox/clock"):
                continue
            failures += probe(client, operation, examples)
    assert failures == []


def probe(client: httpx2.Client, operation: Any, examples: int) -> list[str]:
    """A few generated requests; the failures in words."""
    failures: list[str] = []

    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    def send(case: Any) -> None:
        asked = case.as_transport_kwargs(base_url=str(client.base_url))
        allowed = ("method", "url", "params", "headers", "json", "data", "content", "files", "cookies")
        asked = {name: value for name, value in asked.items() if name in allowed and value is not None}
        if isinstance(asked.get("data"), bytes):
            asked["content"] = asked.pop("data")
        try:
            answer = client.request(**asked)
        except UNSENDABLE:
            return
        if answer.status_code >= 500:
            failures.append(f"{operation.label}: {answer.status_code} {answer.text[:200]}")

    from hypothesis import given

    given(case=operation.as_strategy())(send)()
    return failures[:1]

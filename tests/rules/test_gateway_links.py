"""What the OpenAPI document says can be asked next, with what an operation has answered."""

from __future__ import annotations

from typing import Any

from hometrip.services.gateway.rules.links import with_links


def json_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def operation(name: str, answers: dict[str, Any], takes: str = "", **more: Any) -> dict[str, Any]:
    body = {"requestBody": json_of({"oneOf": [ref(takes), {"type": "null"}]})} if takes else {}
    return {"operationId": name, "responses": {"default": {}, "200": json_of(answers)}, **body, **more}


def fields(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}}


def town() -> dict[str, Any]:
    """Homes that are quoted, and bookings that are made of quotes."""
    page = {"properties": {"items": {"type": "array", "items": ref("Booking")}}}
    return {
        "paths": {
            "/api/homes/{home_id}": {"get": operation("home", ref("Home"))},
            "/api/homes/{home_id}/quote": {
                "post": operation("quote", ref("Quote"), **{"x-tells": {"quote_id": "/id"}})
            },
            "/api/bookings": {
                "get": operation("bookings", page),
                "post": operation("book", ref("Booking"), takes="Wish"),
            },
            "/api/bookings/{booking_id}": {"get": operation("booking", ref("Booking"))},
            "/api/bookings/{booking_id}/cancel": {"post": operation("cancel", ref("Booking"))},
            "/api/payments": {"post": operation("pay", fields("id"), takes="Opening")},
        },
        "components": {
            "schemas": {
                "Home": fields("id", "title"),
                "Quote": fields("id", "home_id", "check_in", "total"),
                "Wish": fields("home_id", "quote_id", "check_in", "message"),
                "Booking": fields("id", "home_id", "check_in", "status"),
                "Opening": fields("booking_id"),
            }
        },
    }


def links(document: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    [described] = [
        described
        for methods in document["paths"].values()
        for described in methods.values()
        if described["operationId"] == name
    ]
    found: dict[str, dict[str, Any]] = described["responses"]["200"].get("links", {})
    return {
        to: {part: value for part, value in link.items() if part != "operationId"}
        for to, link in found.items()
    }


def test_a_record_leads_to_whatever_has_its_id_in_its_path_or_body() -> None:
    path, body = {"parameters": {"booking_id": "$response.body#/id"}}, {"booking_id": "$response.body#/id"}
    found = links(with_links(town()), "book")
    assert found == {"booking": path, "cancel": path, "pay": {"requestBody": body}}


def test_of_a_page_the_first_item_leads_on() -> None:
    found = links(with_links(town()), "bookings")
    assert found["cancel"] == {"parameters": {"booking_id": "$response.body#/items/0/id"}}
    assert list(found) == ["booking", "cancel", "pay"]


def test_its_own_page_leads_to_the_pages_of_what_it_names_and_no_further() -> None:
    found = links(with_links(town()), "booking")
    assert found["home"] == {"parameters": {"home_id": "$response.body#/home_id"}}
    assert "quote" not in found


def test_what_an_operation_declares_is_asked_with_together_with_the_fields_of_the_same_name() -> None:
    same = {name: f"$response.body#/{name}" for name in ("check_in", "home_id")}
    assert links(with_links(town()), "quote") == {
        "book": {"requestBody": {**same, "quote_id": "$response.body#/id"}}
    }


def test_what_is_done_with_a_record_does_not_repeat_its_links() -> None:
    assert links(with_links(town()), "cancel") == {}


def test_links_are_written_anew_each_time() -> None:
    document = with_links(town())
    del document["paths"]["/api/payments"]
    assert list(links(with_links(document), "book")) == ["booking", "cancel"]


def test_a_document_without_any_of_this_stays_as_it_is() -> None:
    bare = {"paths": {"/health": {"get": {}}}, "components": {}}
    assert with_links({**bare}) == bare

"""A body that is refused is told everything that is wrong with it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
import pytest

from harness import TestHouse
from hometrip.app.edge.routes import every_handler, litestar_of
from hometrip.app.edge.wrong import MOST, wrong_fields


class Season(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    first_day: date
    nights: Annotated[int, msgspec.Meta(ge=1)] = 1

    def __post_init__(self) -> None:
        if self.nights == 13:
            raise ValueError("nobody stays 13 nights")


class Home(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: Annotated[str, msgspec.Meta(max_length=5)]
    beds: int
    seasons: Annotated[list[Season], msgspec.Meta(max_length=30)] | None = None
    best: Season | None = None
    price: int | str = 0


SUMMER = {"firstDay": "2026-06-01"}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"title": "Barn", "beds": 2, "seasons": [SUMMER], "best": None, "price": "much"}, []),
        ({}, [("title", "required"), ("beds", "required")]),
        ({"title": 5, "beds": "2"}, [("title", "wrong_type"), ("beds", "wrong_type")]),
        (
            {"title": "Windmill", "beds": 1, "view": 1},
            [("title", "invalid_value"), ("view", "unknown_field")],
        ),
        (
            {"beds": 1.5, "seasons": [SUMMER, {"nights": 0}, 7], "best": {"firstDay": "soon", "last": 1}},
            [
                ("title", "required"),
                ("beds", "wrong_type"),
                ("seasons[1].firstDay", "required"),
                ("seasons[1].nights", "invalid_value"),
                ("seasons[2]", "wrong_type"),
                ("best.firstDay", "invalid_value"),
                ("best.last", "unknown_field"),
            ],
        ),
        ({"title": "Barn", "beds": 1, "seasons": [SUMMER] * 31}, [("seasons", "invalid_value")]),
        ({"title": "Barn", "beds": 1, "best": SUMMER | {"nights": 13}}, [("best", "invalid_value")]),
        ({"title": "Barn", "beds": 1, "price": []}, [("price", "wrong_type")]),
        ([], [("body", "wrong_type")]),
    ],
)
def test_each_wrong_field_is_told_with_its_place(given: Any, wrong: list[tuple[str, str]]) -> None:
    assert [(each.field, each.code) for each in wrong_fields(Home, given)] == wrong


def test_nobody_is_told_more_than_can_be_mended_at_once() -> None:
    body = {"title": "Barn", "beds": 1, "seasons": [{}] * 1000}
    assert len(wrong_fields(Home, body)) == MOST


async def test_every_body_that_a_route_takes_is_told_of_all_that_it_misses_and_has_besides(
    house: TestHouse,
) -> None:
    handlers = every_handler(litestar_of(house.house))
    kinds = {field.annotation for _, handler in handlers if (field := handler.parsed_data_field)}
    records = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    assert len(records) > 40
    for record in records:
        needed = [each.encode_name for each in msgspec.structs.fields(record) if each.required]
        assert [each.field for each in wrong_fields(record, {"not a field": 1})] == [*needed, "not a field"]

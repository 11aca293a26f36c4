"""Hits in writing: what is put together from parts is what encoding the whole would give."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.services.listing.contract import Offer
from hometrip.services.search.contract import Explained, Hit, Location
from hometrip.services.search.rules.cards import offered, stay_in_writing, told_of, with_score

NIGHTLY = Money(12_345, "USD")
# Texts that look like the parts which a hit is put together from.
texts = st.text(max_size=40) | st.sampled_from(['"nightly":{"amount":12345,"currency":"USD"}', "\\", '",}{'])
scores = st.none() | st.builds(
    Explained, **{name: st.floats(0, 1) for name in Explained.__struct_fields__}
)  # fmt: skip


@given(
    title=texts,
    cover=st.none() | texts,
    offer=st.builds(
        Offer,
        st.just(UUID(int=1)),
        st.builds(Money, st.integers(0, 10**12), st.just("EUR")),
        st.builds(Money, st.integers(0, 10**12), st.just("EUR")),
        st.none() | st.builds(Money, st.integers(1, 10**12), st.just("EUR")),
    ),
    nights=st.integers(1, 365),
    score=scores,
)
def test_a_hit_is_written_with_its_stay_and_its_score(
    title: str, cover: str | None, offer: Offer, nights: int, score: Explained | None
) -> None:
    hit = Hit(
        id=UUID(int=1),
        title=title,
        city=title,
        country="US",
        location=Location(lat=42.65, lng=-73.75),
        structure="house",
        type="entire",
        guests=4,
        bedrooms=2,
        beds=2,
        bathrooms=1.5,
        review_count=3,
        instant_book=True,
        nightly=NIGHTLY,
        cover=cover,
    )
    stay = Stay(date(2027, 4, 14), date(2027, 4, 14) + timedelta(days=nights))
    told = told_of(hit)
    shown = msgspec.structs.replace(hit, explain=score)
    assert told.whole == msgspec.json.encode(hit)
    assert with_score(told.whole[:-1], score) == msgspec.json.encode(shown)
    assert msgspec.json.decode(
        offered(told, stay_in_writing(stay), offer, score), type=Hit
    ) == msgspec.structs.replace(
        shown,
        nightly=offer.nightly,
        was=offer.was,
        total=offer.total,
        check_in=stay.check_in,
        check_out=stay.check_out,
        nights=nights,
    )

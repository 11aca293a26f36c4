"""How several processes of a house share out the connections of a crowd."""

from __future__ import annotations

import os

from hometrip.app.serving.shares import Shares, memory


def test_who_has_most_connections_leaves_the_next_to_those_who_have_fewer() -> None:
    counts = memory(3)
    first, second, third = (Shares(counts, place) for place in range(3))
    first.join()
    first.add(100)
    assert (first.ahead, first.room) == (0, 4 + 12)  # there is nobody else
    second.join()
    assert (first.ahead, first.room) == (100, 4)
    assert (second.ahead, second.room) == (-100, 104)
    second.add(110)
    third.join()
    third.add(95)
    assert (first.ahead, first.room) == (5, 11)
    first.leave(2)  # it has fallen
    third.add(-1)
    assert (first.ahead, second.ahead) == (-10, 10)
    second.leave()
    assert first.ahead == 0
    os.close(counts)

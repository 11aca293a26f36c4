"""All that is done in simulated lives, each with how often."""

from __future__ import annotations

from lives import guests, hosts, staff
from lives.around import (
    Act,
    answer_bank,
    at_once,
    bring_webhooks,
    nap,
    pay_owed,
    reopen,
    to_a_moment,
    wait,
    weather,
)
from lives.falls import fall

ACTS: tuple[tuple[int, Act], ...] = (
    (5, guests.book),
    (16, guests.book_and_pay),
    (10, guests.pay),
    (8, hosts.answer_request),
    (9, guests.change),
    (6, hosts.answer_change),
    (7, guests.cancel),
    (4, hosts.give_more),
    (3, hosts.disagree),
    (3, hosts.settle_disagreement),
    (3, answer_bank),
    (4, guests.claim),
    (2, hosts.come_or_go),
    (3, hosts.block),
    (2, hosts.price_anew),
    (2, hosts.make_coupon),
    (2, hosts.edit),
    (5, bring_webhooks),
    (1, hosts.other_site),
    (2, pay_owed),
    (2, weather),
    (2, reopen),
    (2, fall),
    (3, guests.withdraw),
    (3, staff.judge),
    (3, staff.pause),
    (2, staff.open_account),
    (2, staff.send_by_hand),
    (5, wait(0.05, 0.6)),
    (6, wait(1, 30)),
    (9, to_a_moment),
    (2, nap),
    (5, at_once),
    (5, wait(24, 24 * 9)),
)

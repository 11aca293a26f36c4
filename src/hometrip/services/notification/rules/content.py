"""What a notification says to its reader: words, rows of facts and lines of a price, before any layout."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from hometrip.kernel.money import Money
from hometrip.services.listing.contract import QuoteLine
from hometrip.services.notification.rules.facts import Around, Facts, Reader, Visit
from hometrip.services.notification.rules.formats import Formats, formats, one_line
from hometrip.services.notification.rules.kinds import kind_of
from hometrip.services.notification.rules.wording import Language, language, say

Rows = list[tuple[str, str]]
MOST_STAYS = 10
OF_THE_HOST = frozenset({"payout", "kept", "paid_out"})

_CODE = re.compile(r"[a-z]+(_[a-z0-9]+)+")


class Content(NamedTuple):
    """Plain text throughout. `lines` are the price, line by line; the total stands apart."""

    language: str
    colon: str
    subject: str
    preview: str
    heading: str
    paragraphs: list[str]
    rows: Rows
    lines: Rows
    total: tuple[str, str] | None
    button: str
    link: str
    note: str
    why: str
    site: str


class Telling(NamedTuple):
    """Everything that a part of the content may speak of."""

    facts: Facts
    around: Around
    formats: Formats
    language: Language


def content(kind: str, facts: Facts, reader: Reader, around: Around) -> Content:
    """The whole message of that kind."""
    how = formats(reader.locale, reader.time_zone)
    telling = Telling(facts, around, how, language(how.language))
    words, values = telling.language.kinds[kind], _values(telling)
    shows = kind_of(kind).shows
    paragraphs = (say(paragraph, values) for paragraph in words.paragraphs)
    return Content(
        language=how.language,
        colon=telling.language.labels["colon"],
        subject=one_line(say(words.subject, values)),
        preview=say(words.preview, values),
        heading=say(words.heading, values),
        paragraphs=[paragraph for paragraph in paragraphs if paragraph],
        rows=[row for part in shows if _is_for(part, facts) for row in _ROWS.get(part, _no_rows)(telling)],
        lines=_price(telling) if "price" in shows and _is_whole(facts) else [],
        total=_total(telling) if "price" in shows and _is_whole(facts) else None,
        button=words.button,
        link=around.link,
        note=say(words.note, values),
        why=telling.language.labels["why"],
        site=around.site,
    )


def _is_for(part: str, facts: Facts) -> bool:
    """What a stay brings its host, its host is told."""
    return not (facts.as_co_host and part in OF_THE_HOST)


def headline(kind: str, facts: Facts, locale: str, time_zone: str) -> tuple[str, str]:
    """Title and text within the application, from the facts alone."""
    how = formats(locale, time_zone)
    telling = Telling(facts, Around(), how, language(how.language))
    words, values = telling.language.kinds[kind], _values(telling)
    return one_line(say(words.subject, values)), say(words.preview, values)


def _values(telling: Telling) -> dict[str, str]:
    """The values that words may name; only those that the facts have."""
    facts, around, how, _ = telling
    labels = telling.language.labels
    values = {
        "by": facts.by,
        "co_host": "yes" if facts.as_co_host else "",
        "why": _reason(telling),
        "reference": one_line(facts.reference, 200),
        "guest": one_line(around.guest, 40) or labels["a_guest"],
        "host": one_line(around.host, 40) or labels["a_host"],
        "other": one_line(around.other, 40) or labels["somebody"],
        "before": how.days(facts.before.check_in, facts.before.check_out) if facts.before else "",
    }
    if facts.amount is not None:  # nothing is an amount too
        values["amount"] = how.money(facts.amount)
        values["gross"] = how.money(facts.gross or facts.amount)
        values["set_off"] = "yes" if facts.set_off else ""
        values["refunded"] = "yes" if facts.amount.amount else ""
        values["kept"] = "yes" if facts.kept and facts.kept.amount else ""
        values["penalty"] = how.money(facts.penalty) if facts.penalty else ""
    values["beside_requests"] = "yes" if facts.beside_requests else ""
    if facts.at:
        values["due"] = how.instant(facts.at)
    if facts.home:
        values |= {"title": one_line(facts.home.title), "calendar": one_line(facts.feed, 100)}
    if facts.visit:
        values |= _of_visit(facts.visit, telling)
    return values


def _of_visit(visit: Visit, telling: Telling) -> dict[str, str]:
    how = telling.formats
    return {
        "title": one_line(visit.title),
        "dates": how.days(visit.check_in, visit.check_out),
        "total": how.money(visit.total),
        "payout": how.money(visit.payout),
        "deadline": how.instant(visit.hold_until) if visit.hold_until else "",
    }


def _reason(telling: Telling) -> str:
    """A known code in words, or what somebody wrote; a code that nobody knows says nothing to a reader."""
    why = telling.facts.why
    if why in telling.language.reasons:
        return telling.language.reasons[why]
    return "" if _CODE.fullmatch(why) else one_line(why, 500)


def _stay(telling: Telling) -> Rows:
    visit, home, how = telling.facts.visit, telling.around.home, telling.formats
    if visit is None:
        return []
    labels = telling.language.labels
    check_in, check_out = how.day(visit.check_in), how.day(visit.check_out)
    hours = visit if visit.check_in_from else home
    if hours:
        check_in += ", " + labels["from_time"].format(time=how.clock_time(hours.check_in_from))
        check_out += ", " + labels["by_time"].format(time=how.clock_time(hours.check_out_by))
    counts = telling.language.counts
    party = f"{how.counted(counts['nights'], visit.nights)}, {how.counted(counts['guests'], visit.guests)}"
    return [
        (labels["home"], one_line(visit.title)),
        (labels["check_in"], check_in),
        (labels["check_out"], check_out),
        (labels["stay"], party),
    ]


def _address(telling: Telling) -> Rows:
    home = telling.around.home
    return [(telling.language.labels["address"], one_line(home.address))] if home and home.address else []


def _device(telling: Telling) -> Rows:
    labels, facts = telling.language.labels, telling.facts
    when = [(labels["when"], telling.formats.instant(facts.at))] if facts.at else []
    return [(labels["device"], one_line(facts.device, 120) or labels["unknown"]), *when]


def _calendar(telling: Telling) -> Rows:
    """Which calendar of which home, and the first of the nights that both have sold."""
    facts, labels, days = telling.facts, telling.language.labels, telling.formats.days
    if facts.home is None:
        return []
    twice = [
        (labels["booked_twice"], days(stay.check_in, stay.check_out)) for stay in facts.stays[:MOST_STAYS]
    ]
    return [(labels["home"], one_line(facts.home.title)), (labels["calendar"], one_line(facts.feed)), *twice]


def _amount_row(label: str, amount: Callable[[Facts], Money | None]) -> Callable[[Telling], Rows]:
    def row(telling: Telling) -> Rows:
        money = amount(telling.facts)
        return [(telling.language.labels[label], telling.formats.money(money))] if money is not None else []

    return row


def _paid_out(telling: Telling) -> Rows:
    """What was earned and what was taken of it for other stays, where anything was; and the rest."""
    (labels, how), facts = (telling.language.labels, telling.formats), telling.facts
    rows = _amount_row("paid_out", lambda facts: facts.amount)(telling)
    if not facts.set_off:
        return rows
    taken = [
        (
            labels[f"set_off_{one.why}"].format(
                stay=f"{one_line(one.title)}, {how.days(one.stay.check_in, one.stay.check_out)}"
            ),
            how.money(-one.amount),
        )
        for one in facts.set_off
    ]
    return [*_amount_row("earned", lambda facts: facts.gross)(telling), *taken, *rows]


def _no_rows(_: Telling) -> Rows:
    return []


_ROWS: dict[str, Callable[[Telling], Rows]] = {
    "stay": _stay,
    "address": _address,
    "device": _device,
    "calendar": _calendar,
    "payout": _amount_row("payout", lambda facts: facts.visit.payout if facts.visit else None),
    "kept": _amount_row("kept", lambda facts: facts.kept),
    "paid_out": _paid_out,
    "refund": _amount_row("refund", lambda facts: facts.amount),
}


def _is_whole(facts: Facts) -> bool:
    """Is it about the whole price? A half, or what a change costs, is not what its lines add up to."""
    return facts.visit is None or facts.amount in (None, facts.visit.total)


def _price(telling: Telling) -> Rows:
    visit = telling.facts.visit
    return (
        [(_label(line, telling), telling.formats.money(line.amount)) for line in visit.lines] if visit else []
    )


def _total(telling: Telling) -> tuple[str, str] | None:
    visit = telling.facts.visit
    return (telling.language.labels["total"], telling.formats.money(visit.total)) if visit else None


def _label(line: QuoteLine, telling: Telling) -> str:
    """`3 nights × €100.00`. What a tax is called is said by the place that takes it."""
    counts, how = telling.language.counts, telling.formats
    if line.kind in counts and line.quantity is not None:
        label = how.counted(counts[line.kind], line.quantity)
    else:
        label = telling.language.lines.get(line.kind, one_line(line.label))
    return f"{label} × {how.money(line.unit)}" if line.unit is not None and line.kind in counts else label

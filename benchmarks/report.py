"""How the figures of a run are brought together and written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

Found = Mapping[str, Any]


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median and the range: machines are noisy, and one figure would hide that."""
    return {"median": round(median(values), 3), "least": min(values), "most": max(values)}


def over_rounds(rounds: Sequence[Found]) -> dict[str, Any]:
    """What several rounds of the same load have in common."""
    if not all(found["latency_ms"] for found in rounds):
        return {"errors": errors_of(rounds)}
    return {
        "rate": spread([found["rate"] for found in rounds]),
        "latency_ms": {
            name: spread([found["latency_ms"][name] for found in rounds])
            for name in ("p50", "p99", "p999", "max")
        },
        "server_cpu_per_1000": spread([found["server_cpu_per_1000"] for found in rounds]),
        "generator_cpu_per_1000": spread([found["generator_cpu_per_1000"] for found in rounds]),
        "peak_memory_mb": max(found["peak_memory_mb"] for found in rounds),
        "late_ms_most": max((found["late_ms"]["max"] for found in rounds if "late_ms" in found), default=0.0),
        "errors": errors_of(rounds),
    }


def errors_of(rounds: Sequence[Found]) -> dict[str, int]:
    errors: dict[str, int] = {}
    for found in rounds:
        for kind, count in found["errors"].items():
            errors[kind] = errors.get(kind, 0) + count
    return errors


def markdown(run: Found) -> str:
    parts = [f"# Marketplace mix, {run['date']}", machine_line(run["machine"])]
    if run["only"]:
        parts.append(f"Only requests of the kind “{run['only']}”, not the mix.")
    if not run["verify"]["clean"]:
        parts.append("**Worthless: `hometrip verify` did not find the data in order after the load.**")
    parts.append(_start(run["start"]))
    parts.append(_mix_table(run))
    parts.append(_kinds_table(run["rounds"][-1]["ours"]))
    parts.append(_bookings_table(run))
    if run.get("found_rate"):
        parts.append(_rates_table(run["found_rate"]))
    parts.append(
        "After the load, `hometrip verify` said:\n\n```\n" + run["verify"]["lines"].strip() + "\n```"
    )
    return "\n\n".join(parts) + "\n"


def machine_line(machine: Found) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_mb']} MB, {machine['system']}; "
        f"load before {machine['load_before'][0]}. Python {machine['python']}, SQLite {machine['sqlite']}, "
        f"{libraries}. Commit {machine['commit']}."
    )


def _start(start: Found) -> str:
    return (
        f"First start, with the demo made: {start['first_seconds']:.1f} s to the first 200. "
        f"Second start: {start['second_seconds']:.2f} s. At rest 10 s later: {start['resting_mb']:.0f} MB "
        f"in {_counted(start['processes'], 'process', 'processes')}."
    )


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _mix_table(run: Found) -> str:
    rows = [_mix_row("HomeTrip", run["ours"]), _mix_row("Granian alone", run["granian"])]
    if ceiling := run.get("ceiling"):
        rows.append(_mix_row("generator's ceiling", over_rounds([ceiling])))
    head = ["", "a second", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "errors"]
    head += ["CPU s / 1,000", "generator's", "peak MB"]
    return f"{len(run['rounds'])} rounds of {run['seconds']} s; median, and (least to most).\n\n" + table(
        head, rows
    )


def _mix_row(name: str, found: Found) -> tuple[str, ...]:
    errors = sum(found["errors"].values())
    if "latency_ms" not in found:
        return (name, *("-" for _ in range(5)), str(errors), "-", "-", "-")
    latency = found["latency_ms"]
    return (
        name,
        shown(found["rate"], 0),
        *(shown(latency[each], 2) for each in ("p50", "p99", "p999", "max")),
        str(errors),
        shown(found["server_cpu_per_1000"], 3),
        shown(found["generator_cpu_per_1000"], 3),
        f"{found['peak_memory_mb']:.0f}",
    )


def shown(value: Found, digits: int) -> str:
    middle = f"{value['median']:,.{digits}f}"
    if value["least"] == value["most"]:
        return middle
    return f"{middle} ({value['least']:,.{digits}f} to {value['most']:,.{digits}f})"


def _kinds_table(ours: Found) -> str:
    rows = [
        (kind, f"{found['answered']:,}", *(f"{found[each]:.2f}" for each in ("p50", "p90", "p99", "max")))
        for kind, found in ours["kinds"].items()
    ]
    lines = ["The last round by kind of request.", table(("", "answers", "p50", "p90", "p99", "max"), rows)]
    if trips := ours.get("trips"):
        paid = ours["paid_to_confirmed_ms"]
        lines.append(
            f"{trips['confirmed']} trips from quote to confirmed: p50 {trips['p50']:.0f} ms, "
            f"p99 {trips['p99']:.0f} ms; from paid to seen confirmed p50 {paid['p50']:.0f} ms, "
            f"max {paid['max']:.0f} ms."
        )
    if ours["expected_refusals"]:
        refused = ", ".join(f"{kind} {count}" for kind, count in ours["expected_refusals"].items())
        lines.append(f"Refusals that are a normal outcome: {refused}.")
    if ours["errors"]:
        wrong = ", ".join(f"{kind} ({count})" for kind, count in ours["errors"].items())
        lines.append(f"Errors: {wrong}.")
    return "\n\n".join(lines)


def _bookings_table(run: Found) -> str:
    ours, raw, grouped = run["bookings"], run["raw_sqlite"], run["raw_sqlite_grouped"]
    rows = [
        ("HomeTrip, 64 guests at once", shown(ours["rate"], 0), str(sum(ours["errors"].values()))),
        ("raw SQLite, a commit each", shown(raw, 0), ""),
        ("raw SQLite, 64 a commit", shown(grouped, 0), ""),
    ]
    share = ours["rate"]["median"] / grouped["median"]
    return (
        "Durable bookings: three nights, an idempotency key, history, outbox.\n\n"
        + table(("", "bookings a second", "errors"), rows)
        + f"\n\nHomeTrip does {share:.2f} of raw SQLite with grouped commits, and "
        f"{ours['rate']['median'] / raw['median']:.2f} of raw SQLite with a commit each."
    )


def _rates_table(found: Found) -> str:
    rows = [
        (
            f"{step['asked_rate']:,.0f}",
            f"{step['rate']:,.0f}",
            *(f"{step['latency_ms'].get(each, float('nan')):.2f}" for each in ("p50", "p99", "p999")),
            str(sum(step["errors"].values())),
            f"{step['server_cpu_per_1000']:.3f}",
            "yes" if step["good"] else "no",
        )
        for step in found["steps"]
    ]
    head = ("asked", "answered", "p50 ms", "p99 ms", "p99.9 ms", "errors", "CPU s / 1,000", "good")
    return (
        f"Highest rate with p99 of 20 ms or less and no error: **{found['highest']:,.0f} a second**.\n\n"
        + table(head, rows)
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose source reads well too."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * width if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    return "\n".join([line(head), "| " + " | ".join(rule) + " |", *(line(row) for row in rows)])

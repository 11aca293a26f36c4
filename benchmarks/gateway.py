"""S2: our gateway with everything on before a raw back end, beside nginx and gateways in Express.

python -m benchmarks.gateway [--rounds 5] [--seconds 5] [--rate 400] [--high 5000]
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import beside, processes, rounds
from benchmarks.beside import say
from benchmarks.plain import PlainJob
from benchmarks.processes import HOMETRIP, Served, free_port, serving
from benchmarks.town import Asked, sign_up
from benchmarks.wire import request

OURS, NGINX, USUAL, TUNED, BACK = (
    "HomeTrip",
    "nginx",
    "Express, as usual",
    "Express, tuned",
    "the back end alone",
)
# What a listing's answer has.
BODY = '{"id":"0190f0c2","title":"' + "x" * 1_900 + '"}'
PATH = "/api/listings/0190f0c2-7a51-7c9e-8000-000000000000"
ACCOUNTS = 32
# Every request is counted, and none is refused: the limit is what no run reaches.
UNREACHED = "1000000000"
# Who serves what is not auth: the raw back end answers for all of them.
BEHIND = ("user", "listing", "booking", "payment", "search", "notification")
# A side that can answer less than this share of the high rate is not asked for it.
ENOUGH = 1.05


def options() -> argparse.Namespace:
    parser = rounds.options("Our gateway beside nginx and Express, before a raw back end")
    parser.add_argument("--rate", type=float, default=400.0, help="of the load that all of them carry [400]")
    parser.add_argument("--high", type=float, default=5000.0, help="of the load of those who can [5000]")
    return parser.parse_args()


@contextlib.asynccontextmanager
async def our_gateway(
    folder: Path, back: int, engines: Mapping[str, str]
) -> AsyncIterator[tuple[Served, list[str]]]:
    """`hometrip serve gateway` before `hometrip serve auth`, whose keys it verifies, and the raw back end in
    place of all other services; with it access tokens of accounts. It counts requests in Redis.
    """
    data = folder / "house"
    async with (
        processes.hometrip(data, "--no-demo", settings={"HOMETRIP_DEMO": "off"}) as house,
        processes.lines_to(house) as lines,
    ):
        tokens = await _accounts(Asked(lines))
    await processes.output(str(HOMETRIP), "keys", "services", "--data", str(data))
    auth_port, gate_port = free_port(), free_port()
    listed = "&".join(
        [f"auth=http://127.0.0.1:{auth_port}", *(f"{name}=http://127.0.0.1:{back}" for name in BEHIND)]
    )
    settings = {name: engines[name] for name in ("HOMETRIP_BUS_URL", "HOMETRIP_CACHE_URL")} | {
        "HOMETRIP_REGISTRY_URL": f"static:?{listed}",
        "HOMETRIP_LIMITS": "on",
        "HOMETRIP_ANONYMOUS_LIMIT": UNREACHED,
        "HOMETRIP_ACCOUNT_LIMIT": UNREACHED,
    }
    auth = [str(HOMETRIP), "serve", "auth", "--data", str(data), "--port", str(auth_port)]
    gate = [str(HOMETRIP), "serve", "gateway", "--data", str(data), "--port", str(gate_port)]
    async with (
        serving(auth, auth_port, "/ready", folder / "auth.log", settings),
        serving(gate, gate_port, "/ready", folder / "gateway.log", settings) as served,
    ):
        yield served, tokens


async def _accounts(ask: Asked) -> list[str]:
    return [(await sign_up(ask, number)).token for number in range(ACCOUNTS)]


def asked(tokens: list[str]) -> list[bytes]:
    """Half of the guests who look are signed in; browsers say what they take and where they come from."""
    told = {
        "accept": "application/json",
        "accept-language": "en-GB,en;q=0.9",
        "origin": "http://127.0.0.1:3000",
    }
    with_token = [request("GET", PATH, token=token, headers=told) for token in tokens]
    return [each for one in with_token for each in (one, request("GET", PATH, headers=told))]


async def measure(given: argparse.Namespace, folder: Path) -> tuple[str, Any]:
    async with contextlib.AsyncExitStack() as stack:
        back = await stack.enter_async_context(beside.nginx_back_end(folder, BODY))
        engines = stack.enter_context(beside.engines("redis", "rabbitmq"))
        ours, tokens = await stack.enter_async_context(our_gateway(folder, back.port, engines))
        nginx = await stack.enter_async_context(beside.nginx_proxy(folder, back.port))
        words = [str(back.port), beside.SECRET]
        usual, tuned = [
            await stack.enter_async_context(_express(how, words, folder)) for how in ("plain", "tuned")
        ]
        theirs = [beside.signed_token(f"account-{number}") for number in range(ACCOUNTS)]
        sides = {
            OURS: (ours, asked(tokens)),
            NGINX: (nginx, asked(theirs)),
            USUAL: (usual, asked(theirs)),
            TUNED: (tuned, asked(theirs)),
            BACK: (back, asked(theirs)),
        }
        for name, (served, requests) in sides.items():
            await _checked(name, served, requests)
        return await _rounds(given, sides)


@contextlib.asynccontextmanager
async def _express(how: str, words: list[str], folder: Path) -> AsyncIterator[Served]:
    async with beside.express("gateway.js", how, *words, folder=folder) as served:
        yield served


async def _checked(name: str, served: Served, requests: list[bytes]) -> None:
    """Each side gives the back end's answer to both kinds of requests, and is warm after it."""
    async with processes.lines_to(served, 2) as lines:
        for each in requests[:2]:
            answer = await lines.answer(each)
            if (answer.status, answer.body) != (200, BODY.encode()):
                raise processes.Failed(f"{name} answered {answer.status}: {answer.body[:200]!r}")
    await processes.load(served, PlainJob(served.port, requests, 1.0), "benchmarks.plain")


async def _rounds(
    given: argparse.Namespace, sides: Mapping[str, tuple[Served, list[bytes]]]
) -> tuple[str, Any]:
    def loads(rate: float, names: list[str]) -> dict[str, rounds.Load]:
        return {name: partial(_load, *sides[name], given.seconds, rate) for name in names}

    most = await rounds.in_turns("most", loads(0.0, [*sides]), given.rounds)
    low = await rounds.in_turns(f"{given.rate:,.0f}/s", loads(given.rate, [*sides]), given.rounds)
    able = [name for name in sides if rounds.middle(most[name], "rate") >= given.high * ENOUGH]
    high = await rounds.in_turns(f"{given.high:,.0f}/s", loads(given.high, able), given.rounds)
    return _told(given, most, low, high), {"most": most, "low": low, "high": high}


async def _load(
    served: Served, requests: list[bytes], seconds: float, rate: float, turn: int
) -> dict[str, Any]:
    job = PlainJob(served.port, requests, seconds, rate=rate)
    return await processes.load(served, job, "benchmarks.plain")


def _told(given: argparse.Namespace, most: Any, low: Any, high: Any) -> str:
    rate = {name: rounds.middle(told, "rate") for name, told in most.items()}
    added = {
        share: rounds.middle(low[OURS], "latency_ms", share) - rounds.middle(low[BACK], "latency_ms", share)
        for share in ("p50", "p99")
    }
    parts = [
        "As many as can be answered: 64 clients, each sends the next request when the last is answered.",
        rounds.compared(most),
        f"HomeTrip's gateway does {rate[OURS] / rate[TUNED]:.2f} of the tuned Express gateway (goal 7), "
        f"{rate[OURS] / rate[USUAL]:.2f} of the usual one, and {rate[OURS] / rate[NGINX]:.2f} of nginx "
        "(goal 0.4).",
        f"Open load, {given.rate:,.0f} a second.",
        rounds.compared(low),
        f"HomeTrip's gateway adds {added['p50']:.2f} ms at p50 and {added['p99']:.2f} ms at p99 to what "
        "the back end alone takes.",
    ]
    if high:
        parts += [
            f"Open load, {given.high:,.0f} a second, of those who can answer so many.",
            rounds.compared(high),
        ]
    if OURS not in high:
        parts.append(f"HomeTrip's gateway cannot answer {given.high:,.0f} a second on these cores.")
    parts.append("\n".join(filter(None, map(rounds.errors_told, (most, low, high)))))
    return "\n\n".join(filter(None, parts))


def main() -> None:
    given = options()
    say("our gateway, nginx, two gateways in Express and a raw back end, one process each")
    rounds.record("gateway", "The gateway beside others", given, lambda folder: measure(given, folder))


if __name__ == "__main__":
    main()

"""The command line of scripts/engines."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import getting
import running
from built import Consul, Jaeger, StripeMock, Toxiproxy
from debian import Nginx, Postgres, RabbitMQ, Redis
from downloaded import S3, Mongo, Node, OpenSearch
from places import EngineSet, NotInstalled, Trouble
from recipe import Recipe

# In this order settings are printed; where two engines serve one port, the last is used.
KINDS: tuple[type[Recipe], ...] = (
    *(Mongo, Postgres, Redis, RabbitMQ, OpenSearch, Consul, S3, Jaeger, StripeMock, Toxiproxy),
    *(Nginx, Node),
)
RECIPES = {kind.name: kind() for kind in KINDS}
SERVERS = [recipe for recipe in RECIPES.values() if recipe.ports]


def main() -> int:
    told = _arguments()
    recipes = [RECIPES[name] for name in told.names]
    try:
        if told.command == "get":
            getting.get(recipes or list(RECIPES.values()))
            return 0
        return COMMANDS[told.command](EngineSet(told.set), recipes, told)
    except Trouble as reason:
        print(reason, file=sys.stderr)
        return reason.exit_code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/engines",
        description=__doc__,
        epilog=_list(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command, does in DOES.items():
        one = commands.add_parser(command, help=does, description=does)
        one.add_argument(
            "names", nargs="*" if command in ANY else "+", choices=[*RECIPES, []], metavar="NAME", default=[]
        )
        if command != "get":
            one.add_argument(
                "--set",
                default=os.environ.get("HOMETRIP_TEST_ENGINES_SET", "default"),
                help="a set of engines apart from all others",
            )
        if command == "stop":
            one.add_argument("--forget", action="store_true", help="remove their data too")
    return parser.parse_args()


def _start(engines: EngineSet, recipes: list[Recipe], _: argparse.Namespace) -> int:
    recipes = recipes or SERVERS
    _each(recipes, lambda recipe: running.start(engines, recipe))
    return _print(engines, recipes)


def _stop(engines: EngineSet, recipes: list[Recipe], told: argparse.Namespace) -> int:
    step = running.forget if told.forget else running.stop
    _each(recipes or SERVERS, lambda recipe: step(engines, recipe))
    if told.forget and not recipes:
        engines.remove()
    return 0


def _kill(engines: EngineSet, recipes: list[Recipe], _: argparse.Namespace) -> int:
    _each(recipes, lambda recipe: running.kill(engines, recipe))
    return 0


def _restart(engines: EngineSet, recipes: list[Recipe], told: argparse.Namespace) -> int:
    _each(recipes, lambda recipe: running.stop(engines, recipe))
    return _start(engines, recipes, told)


def _status(engines: EngineSet, recipes: list[Recipe], _: argparse.Namespace) -> int:
    """1 where one that was named does not run."""
    all_run = True
    for recipe in recipes or SERVERS:
        place = engines.find(recipe.name)
        if place and place.running():
            ports = ", ".join(
                f"{port}" if name == "main" else f"{port} ({name})" for name, port in place.ports.items()
            )
            print(f"{recipe.name:12} runs as process {place.pid} on {ports}")
            continue
        all_run = False
        print(f"{recipe.name:12} {'is stopped' if recipe.installed() else 'is not installed'}")
    return int(bool(recipes) and not all_run)


def _settings(engines: EngineSet, recipes: list[Recipe], _: argparse.Namespace) -> int:
    found = [(recipe, engines.find(recipe.name)) for recipe in recipes or SERVERS]
    return _print(engines, [recipe for recipe, place in found if place and place.running()])


def _program(_engines: EngineSet, recipes: list[Recipe], _: argparse.Namespace) -> int:
    for recipe in recipes:
        if not recipe.installed():
            raise NotInstalled(f"{recipe.name} is not installed: scripts/engines get {recipe.name}")
        print(recipe.program())
    return 0


def _print(engines: EngineSet, recipes: list[Recipe]) -> int:
    lines: dict[str, str] = {}
    for recipe in recipes:
        place = engines.find(recipe.name)
        lines |= recipe.settings(place) if place else {}
    for name, value in lines.items():
        print(f"{name}={value}")
    return 0


def _each(recipes: list[Recipe], step: Callable[[Recipe], object]) -> None:
    """At the same time; raises one `Trouble` with all that went wrong."""
    with ThreadPoolExecutor(max(1, len(recipes))) as several:
        outcomes = [several.submit(step, recipe) for recipe in recipes]
    wrong = [
        (recipe, reason) for recipe, one in zip(recipes, outcomes, strict=True) if (reason := one.exception())
    ]
    if wrong:
        words = [
            str(reason) if isinstance(reason, Trouble) else f"{recipe.name}: {reason!r}"
            for recipe, reason in wrong
        ]
        kind = NotInstalled if all(isinstance(reason, NotInstalled) for _, reason in wrong) else Trouble
        raise kind("\n".join(words))


def _list() -> str:
    return "engines:\n" + "\n".join(f"  {recipe.name:12} {recipe.purpose}" for recipe in RECIPES.values())


DOES = {
    "get": "install or build what is missing (all, where none is named)",
    "start": "start those that do not run, and print the settings that use them",
    "stop": "stop them; their data stays",
    "restart": "stop and start on the same ports with the same data",
    "kill": "end without a goodbye, as a power cut would",
    "status": "say what runs where",
    "settings": "print the settings that use what runs",
    "program": "print where a program is that its users start (nginx, node, consul, …)",
}
ANY = ("get", "start", "stop", "status", "settings")
COMMANDS = {
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "kill": _kill,
    "status": _status,
    "settings": _settings,
    "program": _program,
}

if __name__ == "__main__":
    sys.exit(main())

"""The shape of the code: seven files a service, budgets of lines, one code an error, one access a route."""

from __future__ import annotations

import ast
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from harness import TestHouse
from hometrip.app.edge.problems import STANDARD
from hometrip.app.edge.routes import every_handler, litestar_of
from hometrip.app.hearing import event_of
from hometrip.app.listeners import HEARD
from hometrip.app.rooms import service_of
from hometrip.app.settings import SERVICES
from hometrip.kernel.access import Access
from hometrip.kernel.errors import HomeTripError
from hometrip.kernel.events import Event
from hometrip.services.listing.contract import StayRefused

SOURCE = Path(__file__).parents[2] / "src" / "hometrip"
BUDGETS = {
    "contract": 150,
    "rules": 300,
    "store": 300,
    "actions": 400,
    "api": 300,
    "reactions": 150,
    "service": 40,
}
# A contract is a list of records, a service one of reactions; those that much is told to may be longer.
LONGER = {
    ("listing", "contract"): 400,
    ("listing", "reactions"): 160,
    ("booking", "contract"): 370,
    ("payment", "contract"): 285,
    ("payment", "service"): 45,
    ("auth", "contract"): 180,
    ("search", "contract"): 175,
}
# What several adapters of one port have in common; each of them is held to the port's suite.
SHARED_BY_ADAPTERS = {
    "bus/telling",
    "database/prepared",
    "documents/declared",
    "documents/fields",
    "documents/sql",
    "documents/words",
    "peers/exchange",
}
OTHERS = 400
FUNCTION = 40


@cache
def nodes_of(file: Path) -> list[ast.AST]:
    """All of a file's syntax tree; a file is read once."""
    return list(ast.walk(ast.parse(file.read_text())))


@pytest.fixture(scope="module", autouse=True)
def trees_are_let_go() -> Iterator[None]:
    """A million nodes, which the collector would walk over until the end of the run."""
    yield
    nodes_of.cache_clear()


def foreign_files(service: Path) -> list[str]:
    """What lies in a service's folder besides its seven files (or packages of their names) and templates."""
    allowed = set(BUDGETS) | {"__init__"}
    return sorted(
        entry.name
        for entry in service.iterdir()
        if entry.name != "__pycache__"
        and not (entry.suffix == ".py" and entry.stem in allowed)
        and not (entry.is_dir() and entry.name in allowed)
        and not (entry.is_dir() and entry.name == "templates" and not list(entry.rglob("*.py")))
    )


def too_long(root: Path) -> list[str]:
    """Files over their budget; a package's files have the budget of its name each."""
    found = []
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).parts
        lines = len(file.read_text().splitlines())
        if parts[0] == "services" and len(parts) > 2:
            word = parts[2].removesuffix(".py")
            budget = LONGER.get((parts[1], word), BUDGETS.get(word, OTHERS))
        else:
            budget = OTHERS
        if lines > budget:
            found.append(f"{'/'.join(parts)}: {lines} lines, budget {budget}")
    return found


def long_functions(root: Path) -> list[str]:
    found = []
    for file in sorted(root.rglob("*.py")):
        for node in nodes_of(file):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if (lines := node.end_lineno - node.lineno + 1) > FUNCTION:
                    found.append(f"{file.relative_to(root)}:{node.lineno} {node.name}: {lines} lines")
    return found


def hidden_facts(root: Path) -> list[str]:
    """Facts of errors whose name every problem document has already: nobody would be told them."""
    errors = {name for name, _ in coded(SOURCE)} - {"AlreadyAnswered"}
    found = []
    for file in sorted(root.rglob("*.py")):
        for node in nodes_of(file):
            match node:
                case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name)) if name in errors:
                    hidden = [fact.arg for fact in node.keywords if fact.arg in STANDARD]
                    found += [f"{file.relative_to(root)}:{node.lineno} {name}: {fact}" for fact in hidden]
    return found


def error_codes(root: Path) -> Counter[str]:
    return Counter(code for _, code in coded(root))


def coded(root: Path) -> Iterator[tuple[str, str]]:
    """Every class that derives from an error and has a `code = "…"`, with that."""
    for file in root.rglob("*.py"):
        for node in nodes_of(file):
            if isinstance(node, ast.ClassDef) and node.bases:
                for statement in node.body:
                    match statement:
                        case ast.Assign(targets=[ast.Name("code")], value=ast.Constant(str(code))):
                            yield node.name, code


def test_a_service_has_its_seven_files_and_no_other() -> None:
    rooms = [*SERVICES, "gateway"]
    assert {name: foreign_files(SOURCE / "services" / name) for name in rooms} == {name: [] for name in rooms}


def test_an_eighth_file_is_found(tmp_path: Path) -> None:
    for name in ("actions.py", "rules.py", "utils.py"):
        (tmp_path / name).touch()
    assert foreign_files(tmp_path) == ["utils.py"]


def test_every_file_keeps_its_budget() -> None:
    assert too_long(SOURCE) == []


def test_a_file_over_its_budget_is_found(tmp_path: Path) -> None:
    rules = tmp_path / "services" / "booking" / "rules.py"
    rules.parent.mkdir(parents=True)
    rules.write_text("x = 1\n" * 301)
    assert too_long(tmp_path) == ["services/booking/rules.py: 301 lines, budget 300"]


def test_every_function_keeps_its_budget() -> None:
    assert long_functions(SOURCE) == []


def test_a_long_function_is_found(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("def long():\n" + "    x = 1\n" * 41)
    assert long_functions(tmp_path) == ["long.py:1 long: 42 lines"]


def test_error_codes_are_unique() -> None:
    assert [code for code, times in error_codes(SOURCE).items() if times > 1] == []


def test_a_code_used_twice_is_found(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text("class Gone(NotFound):\n    code = 'gone'\n")
    assert error_codes(tmp_path)["gone"] == 2


def test_what_an_error_tells_a_person_is_whole_sentences() -> None:
    for name in SERVICES:
        service_of(name)
    assert [kind for kind in HomeTripError.by_code.values() if not kind.meaning.endswith(".")] == []
    assert StayRefused().detail == "A rule of the home refuses this stay."


def test_no_fact_of_an_error_has_the_name_of_a_standard_member() -> None:
    assert hidden_facts(SOURCE) == []


def test_a_fact_that_the_standard_member_hides_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("raise rules.WrongState('no', status='gone', left=1)\nStep(status='x')\n")
    assert hidden_facts(tmp_path) == ["a.py:1 WrongState: status"]


def test_event_names_are_unique_and_spell_their_subject() -> None:
    names = Counter(kind.name for kind in all_events(Event) if kind.name)
    assert [name for name, times in names.items() if times > 1] == []
    for kind in all_events(Event):
        if kind.name:
            word, field = kind.about
            assert word, kind
            assert field in kind.__struct_fields__, kind


def all_events(kind: type[Event]) -> list[type[Event]]:
    for name in SERVICES:
        service_of(name)
    ours = (child for child in kind.__subclasses__() if child.__module__.startswith("hometrip."))
    return [kind, *(deeper for child in ours for deeper in all_events(child))]


def heard_of(services: Iterable[str]) -> dict[str, set[str]]:
    return {
        name: {event_of(reaction).name for reaction in service_of(name).reactions}
        for name in services
        if service_of(name).reactions
    }


def test_what_publishers_know_of_listeners_is_what_the_services_declare() -> None:
    assert {name: set(names) for name, names in HEARD.items()} == heard_of(SERVICES)


def test_a_listener_that_publishers_do_not_know_of_is_found() -> None:
    known = {name: set(names) - {"payment.succeeded"} for name, names in HEARD.items()}
    assert known != heard_of(SERVICES)


async def test_every_route_declares_who_may_use_it(house: TestHouse) -> None:
    handlers = every_handler(litestar_of(house.house))
    assert len(handlers) > 60
    assert [path for path, handler in handlers if not isinstance(handler.opt.get("access"), Access)] == []


async def test_a_route_without_access_is_found(house: TestHouse) -> None:
    from litestar import Litestar, get

    @get("/open", sync_to_thread=False)
    def open_door() -> str:
        return "anyone"

    handlers = every_handler(Litestar([open_door], openapi_config=None))
    assert {path for path, handler in handlers if not isinstance(handler.opt.get("access"), Access)} == {
        "/open"
    }


@pytest.mark.parametrize(
    "port", sorted(path.name for path in (SOURCE / "adapters").iterdir() if path.is_dir())
)
def test_every_adapter_is_held_to_a_contract_suite(port: str) -> None:
    if port in ("__pycache__", "sqlite", "postgres"):  # what both storage ports share; held by their suites
        return
    suite = Path(__file__).parents[1] / "contracts" / f"test_{port}.py"
    assert suite.exists(), f"{port} has adapters and no contract suite"
    text = suite.read_text()
    found = [path for path in (SOURCE / "adapters" / port).iterdir() if path.suffix in ("", ".py")]
    stems = {path.stem for path in found}
    for adapter in found:
        # `sqlite_fields.py` is a part of `sqlite.py`.
        part = adapter.stem.partition("_")[0] in stems - {adapter.stem}
        if adapter.name.startswith("__") or part or f"{port}/{adapter.stem}" in SHARED_BY_ADAPTERS:
            continue
        assert f"adapters.{port}.{adapter.stem}" in text, (
            f"{suite.name} does not run on {port}/{adapter.name}"
        )


def said_with(path: Path) -> Iterator[tuple[int, str]]:
    """The keys of every `extra={…}` in a file, and in which line each is."""
    for node in nodes_of(path):
        if isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict):
            for key in node.value.keys:
                if isinstance(key, ast.Constant):
                    yield key.lineno, str(key.value)


def test_no_log_line_takes_a_name_that_the_record_has_itself() -> None:
    """`logging` raises a `KeyError` for it: what was to be told of then ends whatever wanted to tell."""
    taken = {*vars(logging.makeLogRecord({})), "message", "asctime"}
    wrong = [
        f"{path.relative_to(SOURCE)}:{line}: {key}"
        for path in SOURCE.rglob("*.py")
        for line, key in said_with(path)
        if key in taken
    ]
    assert wrong == []

"""Who may know whom: read from the source, TYPE_CHECKING blocks too, and proved in fresh processes.

A room is a folder. What a module knows is every import in it: at the top, inside functions, for the type
checker. What it loads is the part that runs when it is imported.
"""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = sorted((ROOT / "lunalux_core").rglob("*.py"))
TUI = sorted((ROOT / "lunalux_tui").rglob("*.py"))

FORMATS = tuple(
    f"lunalux_core.{room}"
    for room in ("documents", "macros", "worldbook", "presets", "regex", "chatlogs", "cards", "wire")
)
"""Rooms of values and files: they may be used by everything and use nothing above them."""

PLACES = ("chat", "market", "account", "create", "settings")
"""The screens of the app; each is a room of its own."""


class When(IntEnum):
    """When an import runs: with the module, when a function is called, or never."""

    LOADED = 0
    LATER = 1
    TYPES = 2


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> tuple[tuple[str, When], ...]:
    """(module or name, when) for every import of a file."""

    def walk(node: ast.AST, when: When) -> Iterator[tuple[str, When]]:
        for child in ast.iter_child_nodes(node):
            inside = when
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                inside = When.TYPES
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                inside = max(when, When.LATER)
            if isinstance(child, ast.Import):
                yield from ((alias.name, when) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"relative import in {path}"
                yield from ((f"{child.module}.{alias.name}", when) for alias in child.names)
            yield from walk(child, inside)

    return tuple(walk(ast.parse(path.read_text("utf-8")), When.LOADED))


def is_in(name: str, *rooms: str) -> bool:
    return any(name == room or name.startswith(room + ".") for room in rooms)


def users_of(*modules: str, among: Iterable[Path], until: When = When.TYPES) -> set[str]:
    """Who imports one of the modules, counting imports that run at `until` or earlier."""
    return {
        name_of(path)
        for path in among
        for imported, when in imports(path)
        if when <= until and is_in(imported, *modules)
    }


def within(names: set[str], *allowed: str) -> set[str]:
    """The names that are outside the allowed packages."""
    return {name for name in names if not is_in(name, *allowed)}


def room(name: str, among: Iterable[Path]) -> list[Path]:
    found = [path for path in among if is_in(name_of(path), name)]
    assert found, f"no room {name}"
    return found


# -- the two halves --------------------------------------------------------------------------------------


def test_the_core_needs_no_terminal() -> None:
    assert not users_of("lunalux_tui", "textual", "rich", "typer", "textual_image", among=CORE)


def test_the_backend_is_reached_over_http_only() -> None:
    users = within(users_of("lunalux_core.backend", among=[*CORE, *TUI]), "lunalux_core.backend")
    operators = {user for user in users if user.startswith("lunalux_tui.cli.admin")}
    assert users - operators <= {"lunalux_core.client.transport", "lunalux_tui.cli.serve"}
    loading = users_of("lunalux_core.backend", among=[*CORE, *TUI], until=When.LOADED)
    assert not within(loading, "lunalux_core.backend")


def test_the_backend_knows_nothing_of_the_client() -> None:
    backend = room("lunalux_core.backend", CORE)
    above = ("library", "chat", "client", "runtime", "market", "account", "dialogue", "groups", "display")
    for forbidden in above:
        assert not users_of(f"lunalux_core.{forbidden}", among=backend), forbidden
    assert not users_of("lunalux_core.client", among=room("lunalux_core.llm", CORE))


# -- the formats -----------------------------------------------------------------------------------------


def test_formats_know_no_library_no_models_and_no_turn() -> None:
    above = ("library", "llm", "dialogue", "chat", "config", "client", "backend", "importing", "groups")
    for name in FORMATS:
        for forbidden in above:
            users = users_of(f"lunalux_core.{forbidden}", among=room(name, CORE))
            assert users <= FORMAT_EXCEPTIONS.get(forbidden, set()), forbidden


FORMAT_EXCEPTIONS: Mapping[str, set[str]] = {
    # None today. A name here needs its reason beside it.
}


def test_pure_modules_do_no_input_or_output() -> None:
    pure = [
        path
        for path in CORE
        if (is_in(name_of(path), *FORMATS) and not is_in(name_of(path), *RUNS_PATTERNS))
        or name_of(path)
        in {
            "lunalux_core.dialogue.turn",
            "lunalux_core.dialogue.workflow",
            "lunalux_core.groups.turn_order",
            "lunalux_core.backend.money.billing",
        }
    ]
    assert pure
    assert not users_of("os", "socket", "subprocess", "httpx", "sqlite3", "shutil", "tempfile", among=pure)
    for path in pure:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = getattr(node, "func", None)
            assert not (isinstance(called, ast.Name) and called.id == "open"), name_of(path)


RUNS_PATTERNS = (
    # Patterns of strangers run in a process that can be killed.
    "lunalux_core.regex.engine",
    "lunalux_core.regex.engine_process",
    "lunalux_core.regex.engine_worker",
)


# -- heavy libraries and SQL -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modules", "allowed"),
    [
        (
            ("boto3", "botocore"),
            (
                "lunalux_core.backend.running.aws",
                "lunalux_core.backend.accounts.cognito",
                "lunalux_core.backend.storage",
            ),
        ),
        (("fastapi", "starlette"), ("lunalux_core.backend", "lunalux_core.character_api")),
        (
            ("sqlite3",),
            ("lunalux_core.sqlite_thread", "lunalux_core.database", "lunalux_core.backend.storage.sqlite"),
        ),
        (
            ("PIL",),
            (
                "lunalux_core.backend.market.thumbnails",
                "lunalux_core.backend.market.thumbnail_worker",
                "lunalux_core.cards.card_pictures",
                "lunalux_tui.render.picture_drawing",
            ),
        ),
    ],
)
def test_heavy_libraries_stay_where_they_belong(modules: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    assert not within(users_of(*modules, among=[*CORE, *TUI]), *allowed)


SQL_ROOMS = (
    "lunalux_core.library",
    "lunalux_core.sqlite_thread",  # the statements that every SQLite file needs: WAL, begin, commit
    "lunalux_core.database",
    "lunalux_core.backend.storage",
)


def test_sql_is_in_the_library_and_in_the_storage_only() -> None:
    found = set()
    for path in [*CORE, *TUI]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"execute", "executemany", "executescript"}:
                found.add(name_of(path))
    assert not within(found, *SQL_ROOMS), "SQL belongs into lunalux_core/library"


# -- the app ---------------------------------------------------------------------------------------------


def test_what_several_screens_use_knows_no_screen() -> None:
    """`parts`, `render` and `theme` are below the places, and the places below the app."""
    for name in ("parts", "render", "theme"):
        below = room(f"lunalux_tui.{name}", TUI)
        for place in PLACES:
            assert not users_of(f"lunalux_tui.{place}", among=below), (name, place)
        users = users_of("lunalux_tui.app", among=below)
        assert users <= {"lunalux_tui.parts.host"}  # it names what the first frame was opened with


def test_only_the_app_knows_its_class() -> None:
    """Everybody else knows `parts.host.Host`, so that a screen can be read, and tested, without the app."""
    users = users_of("lunalux_tui.app.app", among=TUI)
    assert users <= {"lunalux_tui.app.start", "lunalux_tui.app.declared_actions"}


def test_the_command_line_knows_no_screen() -> None:
    for place in ("parts", *PLACES):
        users = users_of(f"lunalux_tui.{place}", among=room("lunalux_tui.cli", TUI))
        assert users <= {"lunalux_tui.cli.doctor"}, place  # it tells what the terminal can do with pictures


# -- circles ---------------------------------------------------------------------------------------------

MOST_IN_A_CIRCLE = 2
"""Two modules that know each other can be read together; more cannot."""


def graph(until: When) -> dict[str, set[str]]:
    """Which of our modules each of our modules imports."""
    modules = {name_of(path): path for path in [*CORE, *TUI]}
    found = {}
    for name, path in modules.items():
        known = set()
        for imported, when in imports(path):
            if when <= until:
                known.add(imported if imported in modules else imported.rpartition(".")[0])
        found[name] = {one for one in known if one in modules and one != name}
    return found


def circles(arrows: Mapping[str, set[str]]) -> list[set[str]]:
    """Sets of modules from each of which every other can be reached (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in arrows[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            place = stack.index(node)
            members = set(stack[place:])
            del stack[place:]
            if len(members) > 1:
                found.append(members)

    for node in arrows:
        if node not in index:
            visit(node)
    return found


def test_no_circle_is_larger_than_two_modules() -> None:
    large = [sorted(members) for members in circles(graph(When.TYPES)) if len(members) > MOST_IN_A_CIRCLE]
    assert not large


def test_nothing_is_loaded_in_a_circle() -> None:
    assert not circles(graph(When.LOADED))


def test_the_drawing_is_current() -> None:
    spec = importlib.util.spec_from_file_location("drawing", ROOT / "docs" / "drawing.py")
    assert spec is not None and spec.loader is not None
    drawing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawing)
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert drawing.page(text) == text, "run `python docs/drawing.py`"


# -- budgets ---------------------------------------------------------------------------------------------


def modules_after(code: str) -> set[str]:
    """All modules that are loaded in a fresh process after `code`."""
    script = f"{code}\nimport sys; print(' '.join(sorted(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return set(result.stdout.split("\n")[-2].split())


def loaded_by(code: str) -> set[str]:
    """Top-level modules that are loaded in a fresh process after `code`."""
    return {module.partition(".")[0] for module in modules_after(code)}


def run_main(*arguments: str) -> str:
    return (
        f"import sys; sys.argv = ['lunalux', *{list(arguments)!r}]\n"
        "from lunalux_tui.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )


def test_version_loads_nothing_heavy() -> None:
    heavy = {"pydantic", "httpx", "textual", "boto3", "fastapi", "typer", "rich", "asyncio", "sqlite3"}
    assert not loaded_by(run_main("--version")) & heavy


def test_a_list_loads_no_network_and_no_screen() -> None:
    heavy = {"httpx", "textual", "boto3", "fastapi", "PIL", "keyring"}
    assert not loaded_by(run_main("character", "list", "--json")) & heavy


def test_a_turn_loads_nothing_for_what_is_not_there() -> None:
    """No memory, tracker, document, profile, plug-in or template of the library, no server of a model."""
    spare = {
        "lunalux_core.library.bank_documents",
        "lunalux_core.library.memories",
        "lunalux_core.library.profiles",
        "lunalux_core.library.templates",
        "lunalux_core.library.trackers",
        "lunalux_core.llm.servers.local",
        "lunalux_core.llm.token_counts",
        "lunalux_core.plugins.runner",
        "lunalux_core.dialogue.assembly.sillytavern",
        "lunalux_core.dialogue.nodes.plugin",
        "lunalux_core.dialogue.nodes.text_template",
        "lunalux_core.dialogue.shortening",
    }
    first = modules_after(run_main("chat", "Marigold", "-m", "Good evening"))  # the starters are put in
    again = modules_after(run_main("chat", "Marigold", "-m", "And then?"))
    assert "lunalux_core.dialogue.nodes.output" in first & again  # the turn went through to its end
    assert not again & spare
    assert not again & {"pydantic", "httpx", "textual", "rich"}
    for part in ("memory", "bank", "trackers"):
        assert not any(module.startswith(f"lunalux_core.{part}.") for module in again)

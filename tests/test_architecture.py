"""Who may import whom (DESIGN 4), read from the source and proved in fresh processes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = sorted((ROOT / "lunalux_core").rglob("*.py"))
TUI = sorted((ROOT / "lunalux_tui").rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, whether it is imported when the file is) for every import that runs."""
    tree = ast.parse(path.read_text("utf-8"))

    def walk(node: ast.AST, at_top: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, at_top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"relative import in {path}"
                yield from ((f"{child.module}.{alias.name}", at_top) for alias in child.names)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(child, at_top and not inside)

    yield from walk(tree, True)


def users_of(*modules: str, among: list[Path]) -> set[str]:
    return {
        name_of(path)
        for path in among
        for imported, _ in imports(path)
        if any(imported == module or imported.startswith(module + ".") for module in modules)
    }


def within(names: set[str], *allowed: str) -> set[str]:
    """The names that are outside the allowed packages."""
    return {n for n in names if not any(n == a or n.startswith(a + ".") for a in allowed)}


def test_the_core_needs_no_terminal() -> None:
    assert not users_of("lunalux_tui", "textual", "rich", "typer", "textual_image", among=CORE)


def test_the_backend_is_reached_over_http_only() -> None:
    users = within(users_of("lunalux_core.backend", among=[*CORE, *TUI]), "lunalux_core.backend")
    assert users <= {"lunalux_core.client.transport", "lunalux_tui.cli.serve", "lunalux_tui.cli.admin"}
    for path in [*CORE, *TUI]:
        if name_of(path).startswith("lunalux_core.backend"):
            continue
        for imported, at_top in imports(path):
            assert not (imported.startswith("lunalux_core.backend") and at_top), name_of(path)


def test_the_backend_knows_nothing_of_the_client() -> None:
    for forbidden in ("library", "chat", "client", "runtime", "market", "account"):
        assert not {
            user
            for user in users_of(f"lunalux_core.{forbidden}", among=CORE)
            if user.startswith("lunalux_core.backend")
        }, forbidden
    assert not {u for u in users_of("lunalux_core.client", among=CORE) if u.startswith("lunalux_core.llm")}


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
        (("fastapi", "starlette"), ("lunalux_core.backend",)),
        (("sqlite3",), ("lunalux_core.database", "lunalux_core.backend.storage.sqlite")),
        (
            ("PIL",),
            (
                "lunalux_core.backend.market.thumbnails",
                "lunalux_core.backend.market.thumbnail_worker",
                "lunalux_core.cards.pictures",
                "lunalux_tui.render.drawing",
            ),
        ),
    ],
)
def test_heavy_libraries_stay_where_they_belong(modules: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    assert not within(users_of(*modules, among=[*CORE, *TUI]), *allowed)


def test_pure_modules_do_no_input_or_output() -> None:
    pure = [
        path
        for path in CORE
        if name_of(path).startswith(("lunalux_core.cards.", "lunalux_core.wire."))
        or name_of(path)
        in {
            "lunalux_core.dialogue.turn",
            "lunalux_core.dialogue.workflow",
            "lunalux_core.backend.money.billing",
        }
    ]
    assert pure
    assert not users_of("os", "socket", "subprocess", "httpx", "sqlite3", "shutil", "tempfile", among=pure)
    for path in pure:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = getattr(node, "func", None)
            assert not (isinstance(called, ast.Name) and called.id == "open"), name_of(path)


def test_widgets_know_no_screens() -> None:
    widgets = [path for path in TUI if name_of(path).startswith("lunalux_tui.widgets")]
    assert not users_of("lunalux_tui.screens", "lunalux_tui.dialogs", among=widgets)


def loaded_by(code: str) -> set[str]:
    """Top-level modules that are loaded in a fresh process after `code`."""
    script = f"{code}\nimport sys; print(' '.join(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split("\n")[-2].split())


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

"""Writes the reference pages from the code: `python docs/make.py`. A test checks that they are current."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from lunalux_core.settings import DECLARATIONS
from lunalux_tui.cli import NOUNS, Nouns

FOLDER = Path(__file__).resolve().parent

EXIT_CODES = (
    (0, "done"),
    (1, "failed"),
    (2, "wrong usage"),
    (3, "sign-in needed, or the session was taken over"),
    (4, "payment refused"),
    (5, "not found"),
    (6, "network or server unreachable"),
    (7, "some items of a batch failed"),
    (130, "interrupted"),
)


def settings_page() -> str:
    """docs/settings.md"""
    lines = [
        "# Settings",
        "",
        "Settings come from `config.toml` (`lunalux paths` tells where it is), then from environment",
        "variables, then from flags; the later one wins. `lunalux settings set KEY VALUE` edits the file and",
        "keeps your comments. A bad value is told with its key, file and allowed values, and the default is",
        "used.",
        "",
        "| key | default | allowed | environment | what it does |",
        "| --- | --- | --- | --- | --- |",
    ]
    for known in DECLARATIONS.values():
        default = ", ".join(known.default) if isinstance(known.default, tuple) else known.default
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        env = f"`{known.env}`" if known.env else ""
        lines.append(
            f"| `{known.key}` | {f'`{shown}`' if shown else ''} | {known.allowed} | {env} | {known.help} |"
        )
    lines += [
        "",
        "`[models.NAME]` tables hold saved models (`lunalux model add` writes them), `[keys]` holds your",
        "own key bindings by binding id.",
        "",
    ]
    return "\n".join(lines)


def cli_page() -> str:
    """docs/cli.md"""
    lines = [
        "# The command line",
        "",
        "`lunalux` without a command opens the app. Every command that prints data takes `--json`; progress,",
        "warnings and errors go to stderr. With `--json` an error is",
        '`{"error": {"code", "message"}}` on stderr.',
        "",
        "| exit code | meaning |",
        "| --- | --- |",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES),
        "",
    ]
    group = Nouns(name="lunalux")
    context = typer.Context(group, info_name="lunalux")
    for noun in group.list_commands(context):
        lines += [f"## lunalux {noun}", "", NOUNS[noun], ""]
        for usage, text, options in commands(group.get_command(context, noun), f"lunalux {noun}", context):
            lines += [f"### `{usage}`", "", *text, "", *options, ""]
    return "\n".join(lines).rstrip() + "\n"


def commands(command: Any, path: str, parent: Any) -> Iterator[tuple[str, list[str], list[str]]]:
    """(usage, help lines, option lines) of a command and all below it."""
    context = typer.Context(command, info_name=path.rpartition(" ")[2], parent=parent)
    subcommands = getattr(command, "commands", None)
    if subcommands:
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), f"{path} {name}", context)
        return
    pieces = [path]
    options = []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            pieces.append(parameter.metavar or (parameter.name or "").upper())
        elif parameter.name != "help":
            names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
            help = getattr(parameter, "help", None) or ""
            options.append(f"- {names}{': ' + help if help else ''}")
    text = (command.help or "").strip().splitlines()
    yield " ".join(pieces), text, options


PAGES = {"settings.md": settings_page, "cli.md": cli_page}


def main() -> None:
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"docs/{name}\n")


if __name__ == "__main__":
    main()

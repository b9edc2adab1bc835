"""`lunalux script`: run an STscript without a chat, and replay scenarios of scripts."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lunalux_tui import i18n
from lunalux_tui.cli import output
from lunalux_tui.cli.conversation import read_file
from lunalux_tui.cli.shelf_commands import scenario_command
from lunalux_tui.cli.stdin import input_text

if TYPE_CHECKING:
    from lunalux_core.stscript.host import AppCall
    from lunalux_core.stscript.interpreter import ScriptOutcome

script_app = typer.Typer(help="Run and test scripts (STscript).", no_args_is_help=True, add_completion=False)
commands = {"script": script_app}


CONVERSATION = typer.Option("", metavar="ID", help="Run it on this conversation (id, or its beginning).")


@script_app.callback()
def _script() -> None:
    """Run and test scripts (STscript)."""


@script_app.command()
def run(
    path: Path = typer.Argument(metavar="FILE", help="A file with a script; - for stdin."),
    conversation: str = CONVERSATION,
    as_json: bool = typer.Option(
        False, "--json", help="Print an object: pipe, locals, globals, echo, aborted, error."
    ),
) -> None:
    """Run a script and print what its last command gave.

    What it shows goes to stderr. With --conversation it works on that chat: its lines and variables, replies
    of the model, texts for the prompt. Without one, commands that need a chat are refused before it runs.

    Example: echo '/add 1 2 | /echo' | lunalux script run -
    """
    from lunalux_core.stscript.commands.command_table import everything
    from lunalux_core.stscript.interpreter import Interpreter

    piped = str(path) == "-"
    text = input_text() if piped else _script_text(path)
    # The input cannot hold the script and its answers.
    asks = not piped and output.talks()
    if conversation:
        from lunalux_tui.cli.run import with_runtime
        from lunalux_tui.cli.script_surface import run_on_conversation

        outcome, echoes = with_runtime(
            lambda runtime: run_on_conversation(runtime, conversation, text, asks=asks)
        )
        print_outcome(outcome, echoes, as_json=as_json)
        return
    host = TerminalHost(asks=asks)
    outcome = asyncio.run(Interpreter(host, everything(host.offers)).run(text))
    print_outcome(outcome, host.echoes, as_json=as_json)


def print_outcome(outcome: ScriptOutcome, echoes: list[str], *, as_json: bool) -> None:
    """Print what a script left behind. Raises what it failed with."""
    if as_json:
        output.print_json(_document(outcome, echoes))
    elif outcome.error is None and outcome.pipe:
        output.print_text(outcome.pipe)
    if outcome.abort_shown is not None and not as_json:
        output.note(outcome.abort_shown)
    # Once more, after the document that tells it in full: the exit code comes of it.
    if outcome.error is not None:
        raise outcome.error


scenario_command(
    script_app,
    "scripts",
    "Replay a file of script scenarios and print a JSON array of results.\n\n"
    "Example: lunalux script test --scenarios stscript.json",
)


def _script_text(path: Path) -> str:
    from lunalux_core.documents.json_text import decode_text

    text, notes = decode_text(read_file(path))
    for remark in notes:
        output.note(f"{path.name}: {i18n.note(remark)}")
    return text


def _document(outcome: ScriptOutcome, echoes: list[str]) -> dict[str, Any]:
    error = outcome.error
    told = None
    if error is not None:
        message, hint = output.sentence(error)
        told = {
            "stage": "execution" if outcome.ran else "parser",
            "code": error.code,
            "message": message,
            "hint": hint,
            "command": error.params.get("command") or None,
            "line": error.params.get("line"),
            "column": error.params.get("column"),
        }
    return {
        "pipe": outcome.pipe,
        "locals": outcome.local,
        "globals": outcome.global_,
        "echo": echoes,
        "aborted": outcome.aborted,
        "abort_shown": outcome.abort_shown,
        "error": told,
    }


class TerminalHost:
    """The command line as scripts see it: it shows on stderr, and asks where somebody sits at a terminal.

    Args:
        asks: whether there is somebody to ask.
    """

    def __init__(self, *, asks: bool) -> None:
        self.offers: Collection[str] = ("input", "popup", "buttons") if asks else ()
        self.echoes: list[str] = []

    async def echo(self, text: str, severity: str, title: str) -> None:
        self.echoes.append(text)
        output.note(f"{title}: {text}" if title else text)

    async def perform(self, call: AppCall) -> str:
        if call.name == "buttons":
            return _chosen(call)
        if call.name == "popup":
            output.note(call.text)
            # A popup has nothing to answer: it waits until it has been read.
            output.answer("⏎ ")
            return call.text
        typed = output.answer(f"{call.text} ".lstrip()).rstrip("\r\n")
        return typed or call.named.get("default", "")

    async def quick_reply(self, name: str, named: Mapping[str, str]) -> str | None:
        return None


def _chosen(call: AppCall) -> str:
    """One of the labels, by its number; "" for anything else."""
    from lunalux_core.chat.scripts.arguments import listed

    labels = listed(call.named.get("labels", ""))
    if not labels:
        return ""
    output.note(call.text)
    for number, label in enumerate(labels, 1):
        output.note(f"{number}. {label}")
    typed = output.answer("> ").strip()
    return labels[int(typed) - 1] if typed.isdecimal() and 0 < int(typed) <= len(labels) else ""

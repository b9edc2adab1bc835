"""`lunalux regex`: the shelf of scripts, and `regex test`."""

from __future__ import annotations

from pathlib import Path

import typer

from lunalux_core.errors import InvalidInput
from lunalux_tui.cli import output
from lunalux_tui.cli.shelf_commands import JSON, print_scenarios, read_json, shelf_app
from lunalux_tui.cli.stdin import input_text
from lunalux_tui.i18n import note, t

TARGETS = ("store", "display", "prompt")


regex_app = shelf_app("regex", "Manage and test regex scripts.")
commands = {"regex": regex_app}


@regex_app.command()
def test(
    file: Path | None = typer.Argument(None, help="A regex script (one object, or an array)."),
    text: str | None = typer.Option(None, help="Text to run it on; else stdin."),
    placement: int = typer.Option(2, help="1 user input, 2 reply, 5 worldbook, 6 reasoning."),
    target: str = typer.Option("store", help="store, display or prompt."),
    depth: int | None = typer.Option(None, min=0, help="Depth of the message; 0 is the last one."),
    scenarios: Path | None = typer.Option(None, "--scenarios", help="Replay a file of scenarios instead."),
    as_json: bool = JSON,
) -> None:
    """Run a script on a text and print the result.

    echo "Hello *there*" | lunalux regex test script.json --target display
    """
    if scenarios is not None:
        from lunalux_core.scenarios.regex import replay

        print_scenarios(scenarios, replay)
        return
    if file is None:
        raise InvalidInput(
            "USAGE", "There is no script to test.", "Name a file, or --scenarios FILE.", kind="script"
        )
    if target not in TARGETS:
        raise output.not_known("--target", target, TARGETS)
    # 3 is SillyTavern's place for slash commands: nothing here runs there.
    if placement not in {1, 2, 5, 6}:
        raise output.not_known("--placement", str(placement), ("1", "2", "5", "6"))
    from lunalux_core.regex.engine import EcmaEngine
    from lunalux_core.regex.script import read_scripts
    from lunalux_core.regex.substitution import run_scripts

    engine = EcmaEngine()
    try:
        result = run_scripts(
            read_scripts(read_json(file)),
            input_text() if text is None else text,
            placement=placement,
            target=target,  # type: ignore[arg-type]
            depth=depth,
            engine=engine,
        )
    finally:
        # It has a helper process, which is ended with the command.
        engine.close()
    if as_json:
        skipped = [{"name": entry.name, "reason": entry.reason} for entry in result.skipped]
        output.print_json({"text": result.text, "applied": list(result.applied), "skipped": skipped})
        return
    output.print_text(result.text)
    for entry in result.skipped:
        reason = note(entry.detail) if entry.detail else t(f"cli.script_stays.{entry.reason}")
        output.say("script_skipped", name=entry.name, reason=reason)

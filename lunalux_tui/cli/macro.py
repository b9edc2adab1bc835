"""`lunalux macro test`."""

from __future__ import annotations

from pathlib import Path

import typer

from lunalux_tui.cli.shelf_commands import print_scenarios

macro_app = typer.Typer(help="Test macros.", no_args_is_help=True, add_completion=False)
commands = {"macro": macro_app}


@macro_app.callback()
def _macro() -> None:
    """Test macros."""


@macro_app.command()
def test(
    scenarios: Path = typer.Option(..., "--scenarios", help="A file of scenarios to replay."),
    as_json: bool = typer.Option(False, "--json", help="The result is a JSON array in any case."),
) -> None:
    """Replay a file of macro scenarios and print a JSON array of results.

    Example: lunalux macro test --scenarios macros.json
    """
    from lunalux_core.scenarios.macros import replay

    print_scenarios(scenarios, replay)

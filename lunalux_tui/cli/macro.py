"""`lunalux macro test`."""

from __future__ import annotations

import typer

from lunalux_tui.cli.shelf_commands import scenario_command

macro_app = typer.Typer(help="Test macros.", no_args_is_help=True, add_completion=False)
commands = {"macro": macro_app}


# Without it Typer takes an only command for the whole noun, and `test` would be no word.
@macro_app.callback()
def _macro() -> None:
    """Test macros."""


scenario_command(
    macro_app,
    "macros",
    "Replay a file of macro scenarios and print a JSON array of results.\n\n"
    "Example: lunalux macro test --scenarios macros.json",
)

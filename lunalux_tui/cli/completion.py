"""`lunalux completion`: the scripts that complete commands, options and names in a shell."""

from __future__ import annotations

import typer

from lunalux_core.errors import InvalidInput
from lunalux_tui.cli import output

completion_app = typer.Typer(
    help="Shell completion: show its script, or install it.", no_args_is_help=True, add_completion=False
)
commands = {"completion": completion_app}

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
SHELL = typer.Argument("", metavar="SHELL", help=f"{', '.join(SHELLS)}; the one in use by default.")


@completion_app.command()
def show(shell: str = SHELL) -> None:
    """Print the completion script of a shell.

    Example: source <(lunalux completion show bash)
    """
    from lunalux_tui.cli.shells import script

    output.print_text(script(_checked(shell)), end="")


@completion_app.command()
def install(shell: str = SHELL) -> None:
    """Install completion for a shell, for this user.

    Example: lunalux completion install zsh
    """
    from lunalux_tui.cli.shells import install as install_script

    chosen, path = install_script(_checked(shell))
    output.say("completion_installed", shell=chosen, path=path)


def _checked(shell: str) -> str:
    if not shell:
        import os
        from pathlib import Path

        shell = Path(os.environ.get("SHELL", "")).name
    if shell not in SHELLS:
        raise InvalidInput(
            "USAGE",
            f"The shell {shell!r} is not known.",
            f"Name one of {', '.join(SHELLS)}.",
            kind="shell",
            value=repr(shell),
            choices=", ".join(SHELLS),
        )
    return shell

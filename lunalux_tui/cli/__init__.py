"""The command line: one module a noun, imported only when that noun is called.

See docs/spec/design.md: The command line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from lunalux_core import __version__
from lunalux_core.errors import LunaluxError
from lunalux_tui.cli import output
from lunalux_tui.cli.plain_values import use_plain_values

NOUNS: Mapping[str, str] = {
    "chat": "Talk with a character: opens the app, or answers one message.",
    "import": "Import character cards: files, folders, globs, addresses, or a list on stdin.",
    "character": "List, show, export, delete and validate characters.",
    "conversation": "List, show, export, import and delete conversations.",
    "memory": "See, correct, write and carry over what a story remembers.",
    "tracker": "Sheets of a story that revise themselves: clothes, places, plot threads.",
    "bank": "Documents that replies may draw on.",
    "note": "Show and set the author's note of a conversation.",
    "persona": "Who you play: list, show, add, edit, use and delete personas.",
    "tag": "Tags of your own for characters, and folders.",
    "group": "Bring characters together in groups: members, order, rules.",
    "worldbook": "Manage and test worldbooks (lorebooks).",
    "preset": "Manage and show presets.",
    "template": "Manage and test templates for text completion.",
    "regex": "Manage and test regex scripts.",
    "macro": "Test macros.",
    "quickreply": "Manage and run quick replies.",
    "script": "Run and test scripts (STscript).",
    "market": "Browse, search, download, like and publish community characters.",
    "account": "Sign up, in and out; your profile.",
    "wallet": "Balances, history, coupons and invites.",
    "model": "List, add, remove, test and choose models.",
    "lab": "The same turns with other models, presets and seeds, compared and tested.",
    "profile": "Name what replies are made with, and put it in use.",
    "plugin": "List, enable, disable and run plug-ins.",
    "settings": "Show and change settings.",
    "paths": "Show where configuration, data and cache live.",
    "backup": "Save the whole library as one file.",
    "restore": "Bring a saved library back.",
    "mirror": "Keep the library as files, both ways.",
    "doctor": "Check terminal, storage, keyring, model and backend.",
    "web": "Use the app in the browser of this computer.",
    "api": "Serve characters as models to any client of OpenAI's protocol.",
    "serve": "Run the backend over HTTP for many users.",
    "admin": "Operate a backend: tables, ranking, coupons, models, users.",
    "completion": "Shell completion: show its script, or install it.",
}
COMPLETE = "_LUNALUX_COMPLETE"
"""Set by the completion scripts of shells, which call the program to be told what fits."""

# Only where the module has another name: `import` is a word of Python, and some nouns share a module.
MODULES: Mapping[str, str] = {
    "import": "import_",
    "backup": "library",
    "restore": "library",
    "paths": "settings",
}


HELP = ["-h", "--help"]


class Nouns(TyperGroup):
    """Commands by name, each imported when it is asked for."""

    def about(self, noun: str) -> str:
        """What a noun is for, told without importing it."""
        return NOUNS[noun]

    def get_help(self, ctx: Any) -> str:
        return _help(self, ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As Typer does; for a noun that is not there, the nearest one is told."""
        from difflib import get_close_matches

        word = args[0]
        is_command = word in NOUNS or word.startswith("-")
        if near := [] if is_command else get_close_matches(word, self.list_commands(ctx), 1, 0.5):
            ctx.fail(f"No such command '{word}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        return [noun for noun in NOUNS if _exists(noun)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in NOUNS or not _exists(cmd_name):
            return None
        noun = _module(cmd_name).commands[cmd_name]
        noun.rich_markup_mode = None  # plain help, as everywhere: no boxes in a pipe, no Rich to load
        command = _dressed(use_plain_values(typer.main.get_command(noun)))
        command.name = cmd_name
        # Only for completion: what completes a value imports the settings and the library.
        if COMPLETE in os.environ:
            from lunalux_tui.cli.completion_values import teach

            teach(cmd_name, command)
        return command


def _help(command: Any, ctx: Any) -> str:
    """The help of a command, in the language of the settings."""
    from lunalux_tui.cli.help import help_of

    _speak()
    return help_of(command, ctx)


def _dressed(command: Any) -> Any:
    """Let a command, and those below it, show its help as we lay it out."""
    command.get_help = lambda ctx: _help(command, ctx)
    for below in getattr(command, "commands", {}).values():
        _dressed(below)
    return command


app = typer.Typer(
    cls=Nouns,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,  # `lunalux completion` is the one way
    context_settings={"help_option_names": HELP},
)


@app.callback()
def _lunalux(
    version: bool = typer.Option(False, "--version", "-V", help="Show the version and exit.", is_eager=True),
) -> None:
    """Lunalux: talk with AI characters in the terminal. Without a command it opens the app."""
    if version:
        output.print_text(f"lunalux {__version__}")
        raise typer.Exit(output.DONE)


def run_cli(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. An output that cannot be written is reported in a
    sentence; a pipe whose reader went away is not."""
    as_json = "--json" in arguments
    with output.guarded() as out:
        code = _run(list(arguments), as_json)
        # While it can still be told: at its own end Python would write a traceback over a full disk.
        out.flush()
        if out.lost is not None and not isinstance(out.lost, BrokenPipeError):
            _speak()
            output.report(output.unwritable(out.lost), as_json=as_json)
            # A command that failed by itself keeps its own code.
            code = code or output.FAILED
        sys.stderr.flush()
    return code


def _run(arguments: list[str], as_json: bool) -> int:
    # Without the parser, which a version does not need.
    if arguments in (["--version"], ["-V"]):
        output.print_text(f"lunalux {__version__}")
        return output.DONE
    # Shells ask for completions without arguments, too; theirs are in the environment.
    if not arguments and COMPLETE not in os.environ:
        command = typer.main.get_command(app)
        sys.stderr.write(command.get_help(command.make_context("lunalux", [], resilient_parsing=True)) + "\n")
        return output.USAGE
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    try:
        command = use_plain_values(typer.main.get_command(app))
        if COMPLETE in os.environ:
            from lunalux_tui.cli.shells import take_over

            take_over()
        else:
            # Here for all commands: some tell things to people and open nothing that knows the settings.
            _speak()
        # Not in Typer's own mode, which prints errors its own way and ends the process.
        result = command.main(arguments, prog_name="lunalux", standalone_mode=False)
        return result if isinstance(result, int) else output.DONE
    except LunaluxError as error:
        _speak()
        output.report(error, as_json=as_json)
        return output.exit_code(error)
    except KeyboardInterrupt:
        return output.INTERRUPTED
    except typer.Abort:
        return output.INTERRUPTED
    except SystemExit as ended:  # completion ends like this
        return ended.code if isinstance(ended.code, int) else output.DONE
    except Exception as error:
        return _ended(error, as_json)


def _speak() -> None:
    """Use the person's language."""
    from lunalux_core.config.settings import load_settings
    from lunalux_tui import i18n

    with suppress(Exception):  # what is wrong with the settings is told by who uses them
        i18n.use(load_settings().lang)


def _ended(error: Exception, as_json: bool) -> int:
    """Report wrong usage, as Typer found it, or an internal fault, whose details go to a file."""
    _speak()
    # By their method: the classes of wrong usage are inside Typer and have no public name.
    message = getattr(error, "format_message", None)
    if message is None:
        from lunalux_core.config.paths import Paths
        from lunalux_core.diagnostics.crash import crashed

        output.report(crashed(error, Paths.find()), as_json=as_json)
        return output.FAILED
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{message()}\n")
    else:
        from lunalux_tui.cli.usage import usage_error

        output.report(usage_error(str(message())), as_json=as_json)
    return output.USAGE


def _module(noun: str) -> Any:
    return import_module(f"lunalux_tui.cli.{MODULES.get(noun, noun)}")


def _exists(noun: str) -> bool:
    from importlib.util import find_spec

    return find_spec(f"lunalux_tui.cli.{MODULES.get(noun, noun)}") is not None

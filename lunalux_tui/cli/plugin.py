"""`lunalux plugin`: list, enable, disable."""

from __future__ import annotations

import typer

from lunalux_core.errors import NotFound
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.run import with_runtime

plugin_app = typer.Typer(
    help="List, enable and disable plug-ins.", no_args_is_help=True, add_completion=False
)
commands = {"plugin": plugin_app}

JSON = typer.Option(False, "--json", help="Print one JSON document.")
NAME = typer.Argument(metavar="NAME", help="Name as `plugin list` shows it.")


@plugin_app.command("list")
def list_plugins(as_json: bool = JSON) -> None:
    """Every plug-in at hand, those that run first and in their order. Nothing of them is executed.

    Example: lunalux plugin list --json
    """

    async def work(runtime: Runtime) -> None:
        found = runtime.plugins.available()
        if as_json:
            output.print_json(
                [
                    {"name": p.name, "origin": p.origin, "enabled": p.enabled, "problem": p.problem or None}
                    for p in found
                ]
            )
        else:
            output.print_table(
                ["on", "name", "from", "problem"],
                [["on" if p.enabled else "", p.name, p.origin, p.problem] for p in found],
            )

    with_runtime(work)


@plugin_app.command()
def enable(name: str = NAME, as_json: bool = JSON) -> None:
    """Let a plug-in run from now on. A file that changes afterwards must be enabled again.

    Example: lunalux plugin enable dice
    """

    async def work(runtime: Runtime) -> None:
        entry = runtime.plugins.entry(name)
        kept = [one for one in runtime.settings.plugins if one.partition("@")[0] != name]
        _store(runtime, [*kept, entry])
        _tell(name, True, as_json)

    with_runtime(work)


@plugin_app.command()
def disable(name: str = NAME, as_json: bool = JSON) -> None:
    """Stop a plug-in from running.

    Example: lunalux plugin disable dice
    """

    async def work(runtime: Runtime) -> None:
        kept = [one for one in runtime.settings.plugins if one.partition("@")[0] != name]
        if len(kept) == len(runtime.settings.plugins):
            raise NotFound(
                "PLUGIN_NOT_ENABLED",
                f"The plug-in {name!r} is not enabled.",
                "`lunalux plugin list` shows them all.",
                name=name,
            )
        _store(runtime, kept)
        _tell(name, False, as_json)

    with_runtime(work)


def _store(runtime: Runtime, entries: list[str]) -> None:
    from lunalux_core.config_file import set_value

    set_value(runtime.paths.config_file, "plugins.enabled", ",".join(entries))


def _tell(name: str, enabled: bool, as_json: bool) -> None:
    if as_json:
        output.print_json({"name": name, "enabled": enabled})
    else:
        output.note(f"{name} is {'on' if enabled else 'off'}.")

"""`lunalux plugin`: list, enable, disable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from lunalux_core.errors import NotFound
from lunalux_core.runtime import Runtime
from lunalux_tui.cli import output
from lunalux_tui.cli.run import in_runtime

if TYPE_CHECKING:
    from lunalux_core.plugins.api import Command, Scene

plugin_app = typer.Typer(
    help="List, enable, disable and run plug-ins.", no_args_is_help=True, add_completion=False
)
commands = {"plugin": plugin_app}

JSON = typer.Option(False, "--json", help="Print one JSON document.")
NAME = typer.Argument(metavar="NAME", help="Name as `plugin list` shows it.")


@plugin_app.command("list")
@in_runtime
async def list_plugins(runtime: Runtime, as_json: bool = JSON) -> None:
    """Every plug-in at hand, those that run first and in their order. Nothing of them is executed.

    Example: lunalux plugin list --json
    """
    plugins = runtime.plugins.available()
    if as_json:
        output.print_json(
            [
                {
                    "id": p.name,
                    "name": p.name,
                    "origin": p.origin,
                    "enabled": p.enabled,
                    "problem": p.problem or None,
                }
                for p in plugins
            ]
        )
    else:
        output.print_table(
            ["on", "name", "from", "problem"],
            [[output.label("on") if p.enabled else "", p.name, p.origin, p.problem] for p in plugins],
        )


@plugin_app.command()
@in_runtime
async def enable(runtime: Runtime, name: str = NAME, as_json: bool = JSON) -> None:
    """Let a plug-in run from now on. A file that changes afterwards must be enabled again.

    Example: lunalux plugin enable dice
    """
    name = _named(runtime, name)
    entry = runtime.plugins.entry(name)
    # After the @ stands the digest of the file that was trusted; a plug-in has one entry.
    others = [plugin for plugin in runtime.settings.plugins if plugin.partition("@")[0] != name]
    _store(runtime, [*others, entry])
    _tell(name, True, as_json)


@plugin_app.command()
@in_runtime
async def disable(runtime: Runtime, name: str = NAME, as_json: bool = JSON) -> None:
    """Stop a plug-in from running.

    Example: lunalux plugin disable dice
    """
    name = _named(runtime, name)
    others = [plugin for plugin in runtime.settings.plugins if plugin.partition("@")[0] != name]
    if len(others) == len(runtime.settings.plugins):
        raise NotFound(
            "PLUGIN_NOT_ENABLED",
            f"The plug-in {name!r} is not enabled.",
            "`lunalux plugin list` shows them all.",
            name=name,
        )
    _store(runtime, others)
    _tell(name, False, as_json)


@plugin_app.command()
@in_runtime
async def run(
    runtime: Runtime,
    name: str = NAME,
    command: str = typer.Argument("", help="Name of the command; without one the plug-in's are listed."),
    text: str = typer.Argument("", help="What is typed so far, as the command shall see it."),
    conversation: str = typer.Option("", help="Id of the conversation the command shall see."),
    as_json: bool = JSON,
) -> None:
    """Run a command of a plug-in that is enabled.

    Example: lunalux plugin run dice roll
    """
    name = _named(runtime, name)
    offered = [command for plugin, command in runtime.plugins.commands() if plugin == name]
    if not command:
        # A plug-in that does not run offers nothing, which is told instead of an empty list.
        _check_enabled(runtime, name)
        _list_commands(offered, as_json)
        return
    chosen = _named_command(offered, name, command)
    outcome = await runtime.plugins.run(name, chosen, await _scene(runtime, conversation, text))
    if as_json:
        output.print_json({"notice": outcome.notice, "typed": outcome.typed})
    else:
        for line in filter(None, (outcome.notice, outcome.typed)):
            output.print_text(line)


def _named(runtime: Runtime, name: str) -> str:
    """The full name of a plug-in at hand. Raises NotFound (PLUGIN_UNKNOWN), with the nearest names."""
    from lunalux_core.library.name_lookup import full_name, nearest

    names = [plugin.name for plugin in runtime.plugins.available()]
    whole = full_name(name, names)
    if whole is not None:
        return whole
    near = nearest(name, names)
    if near:
        message = f"There is no plug-in {name!r}."
        raise NotFound("PLUGIN_UNKNOWN", message, f"Did you mean {near}?", kind="near", name=name, near=near)
    runtime.plugins.entry(name)  # tells where a plug-in would be looked for
    return name


def _named_command(offered: list[Command], name: str, command: str) -> Command:
    """Raises NotFound (PLUGIN_COMMAND_UNKNOWN), with the nearest names."""
    from lunalux_core.library.name_lookup import full_name, nearest

    by_name = {offer.name: offer for offer in offered}
    whole = full_name(command, by_name)
    if whole is not None:
        return by_name[whole]
    near = nearest(command, by_name)
    raise NotFound(
        "PLUGIN_COMMAND_UNKNOWN",
        f"The plug-in {name!r} has no command {command!r}, or is not enabled.",
        f"Did you mean {near}?"
        if near
        else f"`lunalux plugin run {name}` lists them; `lunalux plugin list` shows what is enabled.",
        name=name,
        command=command,
        **({"kind": "near", "near": near} if near else {}),
    )


def _check_enabled(runtime: Runtime, name: str) -> None:
    """Raises NotFound: PLUGIN_UNKNOWN, PLUGIN_NOT_ENABLED."""
    if name in {entry.partition("@")[0] for entry in runtime.settings.plugins}:
        return
    # For what it raises where there is no such plug-in at all.
    runtime.plugins.entry(name)
    raise NotFound(
        "PLUGIN_NOT_ENABLED",
        f"The plug-in {name!r} is not enabled.",
        f"`lunalux plugin enable {name}` enables it.",
        name=name,
    )


def _list_commands(offered: list[Command], as_json: bool) -> None:
    if as_json:
        output.print_json([{"id": c.name, "name": c.name, "title": c.title, "help": c.help} for c in offered])
    else:
        output.print_table(["name", "title", "help"], [[c.name, c.title, c.help] for c in offered])


async def _scene(runtime: Runtime, conversation_id: str, text: str) -> Scene:
    from lunalux_core.plugins.api import Line, Scene

    if not conversation_id:
        return Scene("", "", "", typed=text)
    conversation = await runtime.library.conversations.named(conversation_id)
    page = await runtime.library.conversations.page(conversation.id, limit=20)
    lines = tuple(Line(m.role, m.name, m.content) for m in page)
    if conversation.group_id:
        name = (await runtime.library.groups.get(conversation.group_id)).name
    else:
        name = (await runtime.library.characters.get(conversation.character_id)).name
    return Scene(conversation.character_id, name, conversation.id, lines, text)


def _store(runtime: Runtime, entries: list[str]) -> None:
    from lunalux_core.config.config_file import set_value

    set_value(runtime.paths.config_file, "plugins.enabled", ",".join(entries))


def _tell(name: str, enabled: bool, as_json: bool) -> None:
    if as_json:
        output.print_json({"id": name, "name": name, "enabled": enabled})
    else:
        output.say("switched_on" if enabled else "switched_off", name=name)

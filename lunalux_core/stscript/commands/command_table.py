"""All commands of scripts: `core` is SillyTavern's list, `everything` ours too."""

from __future__ import annotations

from collections.abc import Iterable

from lunalux_core.stscript.commands import (
    app_commands,
    flow_commands,
    likeness,
    list_commands,
    maths_commands,
    output_commands,
    text_commands,
    variable_commands,
)
from lunalux_core.stscript.commands.declaration import Command, Registry

_ALL: tuple[Command, ...] = (
    *output_commands.COMMANDS,
    *variable_commands.COMMANDS,
    *flow_commands.COMMANDS,
    *maths_commands.COMMANDS,
    *text_commands.COMMANDS,
    *list_commands.COMMANDS,
    *likeness.COMMANDS,
    *app_commands.COMMANDS,
)


def core() -> Registry:
    """SillyTavern's commands, read to the letter as it does: for replaying what it was seen to do."""
    return Registry.of((command for command in _ALL if not command.ours), whole_quotes=False)


def everything(offers: Iterable[str] = ()) -> Registry:
    """All commands, those of our own too, for a host that offers some on the app."""
    return Registry.of(_ALL, offers)

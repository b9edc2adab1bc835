"""All commands of scripts: `core` is SillyTavern's list, `everything` ours too."""

from __future__ import annotations

from collections.abc import Iterable

from lunalux_core.stscript.commands import app, flow, likeness, lists, maths, output, text, variables
from lunalux_core.stscript.commands.declaration import Command, Registry

_ALL: tuple[Command, ...] = (
    *output.COMMANDS,
    *variables.COMMANDS,
    *flow.COMMANDS,
    *maths.COMMANDS,
    *text.COMMANDS,
    *lists.COMMANDS,
    *likeness.COMMANDS,
    *app.COMMANDS,
)


def core() -> Registry:
    """SillyTavern's commands, read to the letter as it does: for replaying what it was seen to do."""
    return Registry.of((command for command in _ALL if not command.ours), whole_quotes=False)


def everything(offers: Iterable[str] = ()) -> Registry:
    """All commands, those of our own too, for a host that offers some on the app."""
    return Registry.of(_ALL, offers)

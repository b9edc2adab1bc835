"""The tags of a character: typed freely, or chosen from those the market knows."""

from __future__ import annotations

from lunalux_tui.actions import Action, bindings
from lunalux_tui.parts.form_field import LineField


class TagsField(LineField):
    """Tags between commas; enter opens the list."""

    ACTIONS = (Action("create.tags", "screen.tags", "enter,down", footer=1),)
    BINDINGS = bindings(ACTIONS)

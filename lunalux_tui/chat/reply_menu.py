"""The menu of a quick reply: dialogs one behind another, until a reply is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lunalux_core.stscript.reply_menu import MenuEntry, menu_of
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row

if TYPE_CHECKING:
    from lunalux_core.stscript.quick_reply_files import QuickReplySet
    from lunalux_tui.chat.protocols import Asker

ITSELF = "itself"


async def chosen_in_menu(
    view: Asker, entry: MenuEntry, sets: Sequence[QuickReplySet], *, itself: bool = True
) -> MenuEntry | None:
    """The reply that the person wants; the given one where its menu is empty, None where they leave it.

    Args:
        itself: whether the menu offers the reply that opens it, too.
    """
    while entries := menu_of(entry, sets):
        rows = [_row(str(number), inner, sets) for number, inner in enumerate(entries)]
        if itself and entry.reply.message:
            rows.insert(0, Row(ITSELF, _label(entry), entry.chosen.message, entry.of.name))
        chosen = await view.ask(PickDialog(_label(entry), rows, two_lines=True))
        if not chosen:
            return None
        if chosen == ITSELF:
            return entry
        # What opens a further menu was not used yet, so that menu offers it.
        entry, itself = entries[int(chosen)], True
    return entry


def _label(entry: MenuEntry) -> str:
    return entry.reply.label or entry.reply.title or entry.reply.message


def _row(identity: str, entry: MenuEntry, sets: Sequence[QuickReplySet]) -> Row:
    more = " ▸" if menu_of(entry, sets) else ""
    return Row(identity, _label(entry) + more, entry.reply.title or entry.chosen.message, entry.of.name)

"""Changes to messages that are stored: their words, their place, which version of them is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lunalux_core.library.conversations import Message, children, load_message, select_message
from lunalux_core.library.message_edits import (
    cut_messages,
    delete_branch,
    delete_one,
    edit_as_branch,
    edit_message,
    set_hidden,
    set_mark,
    set_scene,
    truncate_after,
)
from lunalux_core.library.undo import ReplayedChange, redo, undo
from lunalux_core.text import well_formed

if TYPE_CHECKING:
    from lunalux_core.database import Connection, Database


class MessageEdits:
    """What a person does to stored messages without asking a model; each call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def edit(self, message_id: str, content: str) -> None:
        """Change the words of a message in place."""
        content = well_formed(content)
        await self._database.write(lambda c: edit_message(c, message_id, content))

    async def edit_as_branch(self, message_id: str, content: str, *, shown: bool = True) -> str:
        """Put other words beside a message, and show them or leave it shown; returns the new message's id."""
        content = well_formed(content)
        return await self._database.write(lambda c: edit_as_branch(c, message_id, content, shown=shown))

    async def swipe(self, message_id: str, step: int) -> Message | None:
        """Show the next (+1) or previous (-1) swipe; None past the last, where the caller may generate."""

        def change(connection: Connection) -> Message | None:
            message = load_message(connection, message_id)
            siblings = children(connection, message.conversation_id, message.parent_id)
            place = message.swipe + step
            if place >= len(siblings):
                return None
            chosen = siblings[max(place, 0)]
            if message.speaker:
                from lunalux_core.groups.group_openings import carry_openings

                carry_openings(connection, message, load_message(connection, chosen))
            select_message(connection, chosen)
            return load_message(connection, chosen)

        return await self._database.write(change)

    async def delete(self, message_id: str, *, only_this: bool = False) -> None:
        """Delete a message with all that follows it, or it alone."""
        await self._database.write(
            lambda c: delete_one(c, message_id) if only_this else delete_branch(c, message_id)
        )

    async def cut(self, conversation_id: str, message_ids: Sequence[str]) -> None:
        """Take messages out of the branch with their versions, as one change; what followed moves up."""
        await self._database.write(lambda c: cut_messages(c, conversation_id, message_ids))

    async def truncate(self, message_id: str) -> None:
        """Go on from this message; what followed stays in the tree as a branch."""
        await self._database.write(lambda c: truncate_after(c, message_id))

    async def hide(self, message_id: str, hidden: bool = True) -> None:
        """Keep a message out of the prompt, or let it in again."""
        await self._database.write(lambda c: set_hidden(c, message_id, hidden))

    async def mark(self, message_id: str, name: str) -> None:
        """Give a place of the story a name; "" takes it away."""
        await self._database.write(lambda c: set_mark(c, message_id, name))

    async def end_scene(self, message_id: str, ends: bool = True) -> None:
        """Say that a scene ends with a message, so that what stands before is remembered by itself."""
        await self._database.write(lambda c: set_scene(c, message_id, ends))

    async def undo(self, conversation_id: str) -> ReplayedChange | None:
        """Take the last edit, deletion, cut or *continue* back; None when there is none."""
        return await self._database.write(lambda c: undo(c, conversation_id))

    async def redo(self, conversation_id: str) -> ReplayedChange | None:
        """Do again what was undone last."""
        return await self._database.write(lambda c: redo(c, conversation_id))

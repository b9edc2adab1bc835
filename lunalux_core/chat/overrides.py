"""Reading and changing what a chat has in the place of its card's texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunalux_core.dialogue.chat_texts import ChatOverrides
from lunalux_core.library.conversations import load_conversation, set_conversation

if TYPE_CHECKING:
    from collections.abc import Callable

    from lunalux_core.database import Connection
    from lunalux_core.library import Library


async def change_overrides(
    library: Library, conversation_id: str, change: Callable[[ChatOverrides], ChatOverrides]
) -> ChatOverrides:
    """Give a chat other texts; the next turn sends them. Raises NotFound."""

    def work(connection: Connection) -> ChatOverrides:
        place = load_conversation(connection, conversation_id)
        before = ChatOverrides.read(place.metadata)
        after = change(before)
        if after != before:
            set_conversation(connection, conversation_id, metadata=after.into(place.metadata))
        return after

    return await library.database.write(work)

"""A character with its conversations as one archive of Backyard."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from lunalux_core.chat.conversation_files import conversation_log
from lunalux_core.chatlogs.byaf import scenario_messages

if TYPE_CHECKING:
    from lunalux_core.library import Library
    from lunalux_core.library.characters import Character


async def byaf_file(library: Library, character: Character) -> bytes:
    """The bytes of the archive: a scenario for each conversation, the oldest first; branches beyond swipes
    stay here."""
    from lunalux_core.cards.byaf import theirs, write_byaf
    from lunalux_core.cards.card import Card

    chats: list[dict[str, Any]] = []
    for conversation in sorted(
        await library.conversations.list(character.id),
        key=lambda conversation: (conversation.created_at, conversation.title),
    ):
        log = await conversation_log(library, conversation.id)
        chat: dict[str, Any] = {"messages": scenario_messages(log, theirs)}
        if conversation.title:
            chat["title"] = conversation.title
        chats.append(chat)
    picture = library.characters.picture_path(character.summary)
    there = picture is not None and picture.is_file()
    content = await asyncio.to_thread(picture.read_bytes) if picture is not None and there else None
    return await asyncio.to_thread(write_byaf, Card.parse(character.document), chats, content)

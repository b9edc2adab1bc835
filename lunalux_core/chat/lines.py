"""A line that a person writes: their own, a narrator's, or that of somebody in the story."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunalux_core.dialogue.turn import TurnOptions
from lunalux_core.errors import InvalidInput
from lunalux_core.library.characters import load_character
from lunalux_core.library.conversations import BY_SOMEBODY, Conversation, Message, new_message
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.dialogue.turn_input import TurnReader

LONGEST_NAME = 200


def new_line(
    connection: Connection,
    reader: TurnReader,
    conversation: Conversation,
    parent: Message | None,
    text: str,
    options: TurnOptions,
) -> Message:
    """The message of a line as `options.voice` speaks it, not stored yet.

    Raises:
        InvalidInput: LINE_EMPTY, LINE_UNNAMED.
    """
    if not text.strip() and not options.pictures:
        raise InvalidInput("LINE_EMPTY", "There are no words to store.", "Write something first.")
    voice = options.voice
    if voice.kind == "narrator":
        name = clean_line(voice.name, LONGEST_NAME) or reader.narrator(connection, conversation)
        return new_message(conversation.id, parent, "system", name, text)
    person = reader.user_name(connection, conversation, options)
    if voice.kind == "person":
        return new_message(conversation.id, parent, "user", person, text)
    name = clean_line(voice.name, LONGEST_NAME)
    if not name:
        raise InvalidInput("LINE_UNNAMED", "A line of somebody needs their name.", "Name who says it.")
    # Whoever speaks in the person's own name is the person.
    if name.casefold() == person.casefold():
        return new_message(conversation.id, parent, "user", person, text)
    return _said_by(connection, conversation, parent, name, text)


def _said_by(
    connection: Connection, conversation: Conversation, parent: Message | None, name: str, text: str
) -> Message:
    """A line of the character, of a member, or of somebody who has no card."""
    if conversation.group_id:
        from lunalux_core.library.groups import load_group

        for member in load_group(connection, conversation.group_id).members:
            if member.name.casefold() == name.casefold():
                speaker = member.character_id
                return new_message(conversation.id, parent, "assistant", member.name, text, speaker=speaker)
    else:
        own = load_character(connection, conversation.character_id).name
        if own.casefold() == name.casefold():
            return new_message(conversation.id, parent, "assistant", own, text)
    return new_message(conversation.id, parent, "assistant", name, text, extra={BY_SOMEBODY: True})

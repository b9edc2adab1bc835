"""Who is to reply: the one character of a conversation, or members of a group.

Only groups need the machinery of groups; it is imported when one is met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunalux_core.dialogue.turn import TurnOptions
from lunalux_core.errors import InvalidInput
from lunalux_core.library.conversations import Conversation, Message

if TYPE_CHECKING:
    from lunalux_core.database import Connection


def speakers(
    connection: Connection, conversation: Conversation, said: Message | None, options: TurnOptions
) -> list[str]:
    """Who answers, in order: the one character (as ""), or members of the group; nobody unasked if manual."""
    if not conversation.group_id:
        return [""]
    from lunalux_core.groups.answering import answering

    return answering(connection, conversation.group_id, said, options.speaker)


def called_up(
    connection: Connection, conversation: Conversation, said: Message | None, options: TurnOptions
) -> list[str]:
    """Who speaks where the person says nothing new, in order; in a manual order one at random.

    Raises:
        InvalidInput: NOT_A_GROUP, EVERYBODY_MUTED. NotFound: MEMBER_NOT_FOUND.
    """
    if not conversation.group_id:
        raise InvalidInput(
            "NOT_A_GROUP", "Only a group has members that can be asked to speak.", "Write something instead."
        )
    from lunalux_core.groups.answering import answering

    chosen = answering(connection, conversation.group_id, said, options.speaker, asked=True)
    if not chosen:
        raise InvalidInput(
            "EVERYBODY_MUTED",
            "Nobody in this group may speak.",
            "Let a member speak again, or ask one by name.",
        )
    return chosen


def is_directed(connection: Connection, conversation: Conversation, options: TurnOptions) -> bool:
    """Whether a model is to name who speaks: in a group of that order, where the person asks nobody."""
    if not conversation.group_id or options.speaker:
        return False
    from lunalux_core.library.groups import load_group

    return load_group(connection, conversation.group_id).order == "director"


def addressed(
    connection: Connection, conversation: Conversation, said: Message | None, options: TurnOptions
) -> str:
    """The member of a group whose card a single prompt is about, even if all are muted; "" elsewhere."""
    if not conversation.group_id:
        return ""
    from lunalux_core.groups.answering import answering, first_member

    # In a manual group nobody answers unasked, but a prompt needs somebody whose card it is about.
    chosen = speakers(connection, conversation, said, options) or answering(
        connection, conversation.group_id, said, asked=True
    )
    return chosen[0] if chosen else first_member(connection, conversation.group_id)


def still_speaks(connection: Connection, conversation: Conversation, speaker: str) -> bool:
    """Whether a member that waited for its place in a round is there and not muted."""
    from lunalux_core.library.groups import load_group

    member = load_group(connection, conversation.group_id).member(speaker)
    return member is not None and not member.muted

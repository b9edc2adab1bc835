"""Which actions of the chat screen make sense now; the others are hidden from the keys and the palette."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunalux_tui.chat.action_declarations import DIRECTING_ACTIONS, GROUP_ACTIONS

if TYPE_CHECKING:
    from lunalux_tui.chat.opener import OpenChat

_DIRECTING = frozenset(action.method for action in DIRECTING_ACTIONS)
_LATER_REPLIES = frozenset(
    {"begin_with", "prose", "overrides", "out_of_character", "profiles", "reply_sets", "reply_buttons"}
)
"""Of the actions that direct the story, those for later replies: they need not wait for this one."""
# They change messages that the reply is being written into.
_NOT_WHILE_BUSY = frozenset(
    {"regenerate", "continue_reply", "impersonate", "swipe", "edit", "delete", "truncate"}
    | (_DIRECTING - _LATER_REPLIES)
)
_IN_A_CONVERSATION = frozenset(
    {
        "tree",
        "rename",
        "export",
        "modes",
        "note",
        "books",
        "copy",
        "copy_code",
        "undo",
        "redo",
        "hide",
        "mark",
    }
    | {"scripts", "raw", "inspect", "attach", "memory", "memories_here", "always_in"}
    | _DIRECTING
    | _NOT_WHILE_BUSY
)
_IN_A_GROUP = frozenset(action.method for action in GROUP_ACTIONS if action.id != "group.new")


def available(action: str, chat: OpenChat, *, busy: bool, waiting: bool, question: str) -> bool | None:
    """Whether an action can be done now; None for one that does not depend on the chat.

    Args:
        busy: whether a reply is coming or a script runs.
        waiting: whether a group goes on by itself in some seconds.
        question: the subject of the question above the prompt, "" where there is none.
    """
    match action:
        case "stop":
            return busy or waiting
        case "move_in":
            return question == "moving-in"
        case "answer_scripts":
            return question == "scripts-question"
        case "answer_memory":
            return question == "memory-question"
        case "edit_character":
            return chat.character is not None
        case "detach":
            return bool(chat.pictures)
        case "conversations" | "new_conversation":
            return bool(chat.row_id)
    if action in _IN_A_GROUP:
        return chat.group is not None and not (busy and action == "speak")
    if action in _IN_A_CONVERSATION:
        return chat.conversation is not None and not (busy and action in _NOT_WHILE_BUSY)
    return None

"""Which object does each action of the chat screen, and among which workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lunalux_tui.parts.screen import Handler

if TYPE_CHECKING:
    from lunalux_tui.chat.action_objects import ActionObjects

DIALOG = "dialog"
"""Group of the worker that waits for an answer; another question takes its place."""
EDIT = "edit"
"""Group of the workers that change messages; they wait for each other in the library."""


def edit(method: Callable[[ActionObjects], Callable[..., Any]]) -> Handler[ActionObjects]:
    """A change of messages."""
    return Handler(method, EDIT, exclusive=False)


HANDLERS: Mapping[str, Handler[ActionObjects]] = {
    "stop": Handler(lambda objects: objects.turns.stop),
    "regenerate": Handler(lambda objects: objects.messages.regenerate),
    "impersonate": Handler(lambda objects: objects.messages.impersonate),
    "copy": Handler(lambda objects: objects.messages.copy),
    "copy_code": Handler(lambda objects: objects.messages.copy_code),
    "fold": Handler(lambda objects: objects.messages.fold),
    "swipe": edit(lambda objects: objects.messages.swipe),
    "edit": edit(lambda objects: objects.messages.edit),
    "delete": edit(lambda objects: objects.messages.delete),
    "truncate": edit(lambda objects: objects.messages.truncate),
    "hide": edit(lambda objects: objects.messages.hide),
    "undo": edit(lambda objects: objects.messages.undo),
    "redo": edit(lambda objects: objects.messages.redo),
    "mark": Handler(lambda objects: objects.messages.mark, DIALOG),
    # -- conversations
    "conversations": Handler(lambda objects: objects.conversations.choose, DIALOG),
    "new_conversation": Handler(lambda objects: objects.conversations.new, DIALOG),
    "rename": Handler(lambda objects: objects.conversations.rename, DIALOG),
    "tree": Handler(lambda objects: objects.conversations.tree, DIALOG),
    "search": Handler(lambda objects: objects.conversations.search, DIALOG),
    "personas": Handler(lambda objects: objects.conversations.personas, DIALOG),
    "modes": Handler(lambda objects: objects.conversations.modes, DIALOG),
    "note": Handler(lambda objects: objects.conversations.note, DIALOG),
    "inspect": Handler(lambda objects: objects.conversations.inspect, DIALOG),
    "books": Handler(lambda objects: objects.conversations.books, DIALOG),
    "start_page": Handler(lambda objects: objects.conversations.start_page, DIALOG),
    # -- models
    "models": Handler(lambda objects: objects.models.choose, DIALOG),
    "profiles": Handler(lambda objects: objects.models.profiles, DIALOG),
    "preset": Handler(lambda objects: objects.models.preset, DIALOG),
    # -- directing
    "repeat_instruction": Handler(lambda objects: objects.directing.repeat),
    "expand": Handler(lambda objects: objects.directing.expand),
    "answer": Handler(lambda objects: objects.directing.answer),
    "store": edit(lambda objects: objects.directing.store),
    "narrate": edit(lambda objects: objects.directing.narrate),
    "instruct": Handler(lambda objects: objects.directing.instruct, DIALOG),
    "rewrite": Handler(lambda objects: objects.directing.rewrite, DIALOG),
    "several": Handler(lambda objects: objects.directing.several, DIALOG),
    "speak_as": Handler(lambda objects: objects.directing.speak_as, DIALOG),
    "in_person": Handler(lambda objects: objects.directing.in_person, DIALOG),
    "overrides": Handler(lambda objects: objects.directing.overrides, DIALOG),
    "out_of_character": Handler(lambda objects: objects.directing.out_of_character, DIALOG),
    "begin_with": Handler(lambda objects: objects.directing.begin_with, DIALOG),
    "quick_replies": Handler(lambda objects: objects.quick_replies.choose, DIALOG),
    "reply_sets": Handler(lambda objects: objects.reply_places.choose, DIALOG),
    # -- pictures, files, scripts of cards
    "attach": Handler(lambda objects: objects.pictures.attach, DIALOG),
    "detach": Handler(lambda objects: objects.pictures.detach, "pictures"),
    "export": Handler(lambda objects: objects.files.export, DIALOG),
    "import_chat": Handler(lambda objects: objects.files.import_chat, DIALOG),
    "import_cards": Handler(lambda objects: objects.files.import_named, DIALOG),
    "move_in": Handler(lambda objects: objects.moving_in.answer, DIALOG),
    "scripts": Handler(lambda objects: objects.scripts.choose, DIALOG),
    "answer_scripts": Handler(lambda objects: objects.scripts.answer, "scripts"),
    # -- memory
    "memory": Handler(lambda objects: objects.memory.pane, DIALOG),
    "memories_here": Handler(lambda objects: objects.memory.covering, DIALOG),
    "always_in": edit(lambda objects: objects.memory.keep_message),
    "answer_memory": Handler(lambda objects: objects.memory.answer, "memory"),
    # -- groups
    "new_group": Handler(lambda objects: objects.groups.new, DIALOG),
    "speak": Handler(lambda objects: objects.groups.speak, DIALOG),
    "members": Handler(lambda objects: objects.groups.members, DIALOG),
    "group_order": Handler(lambda objects: objects.groups.order, DIALOG),
    "auto_mode": Handler(lambda objects: objects.auto_mode.switch, "auto"),
    "auto_delay": Handler(lambda objects: objects.groups.auto_delay, DIALOG),
    "rename_group": Handler(lambda objects: objects.groups.rename, DIALOG),
    "delete_group": Handler(lambda objects: objects.groups.delete_open, DIALOG),
    # -- the list of characters
    "edit_row": Handler(lambda objects: objects.roster.edit),
    "favourite": Handler(lambda objects: objects.roster.favourite, "roster"),
    "tag_characters": Handler(lambda objects: objects.roster.tag, DIALOG),
    "narrow_by_tags": Handler(lambda objects: objects.roster.narrow, DIALOG),
    "sort_characters": Handler(lambda objects: objects.roster.sort, DIALOG),
    "export_characters": Handler(lambda objects: objects.roster.export, DIALOG),
    "undo_roster": Handler(lambda objects: objects.roster.undo, "roster"),
    "delete_character": Handler(lambda objects: objects.roster.delete, DIALOG),
}
"""By the name of the action; what moves the focus or shows and hides is done by the screen itself."""

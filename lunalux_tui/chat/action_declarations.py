"""What can be done on the chat screen: while writing, and while browsing the messages.

See docs/spec/formats.md: Built-in presets and the output contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from textual import events

from lunalux_tui.actions import Action, bindings, keys_of
from lunalux_tui.chat.transcript.transcript import Transcript
from lunalux_tui.parts.drawn import keymap_of

if TYPE_CHECKING:
    from lunalux_tui.chat.prompt_field import Prompt

CHAT_ACTIONS = (
    Action("chat.stop", "stop", "escape"),
    Action("chat.regenerate", "regenerate", "ctrl+r", footer=30),
    Action("chat.previous_swipe", "swipe(-1)", "alt+left"),
    Action("chat.next_swipe", "swipe(1)", "alt+right"),
    Action("chat.continue", "continue_reply", "alt+c", priority=True),
    Action("chat.edit", "edit", "alt+e", priority=True),
    Action("chat.impersonate", "impersonate", "alt+m", priority=True),
    Action("chat.start", "start_page", "alt+h", priority=True),
    Action("chat.find_character", "find_character", "ctrl+o", footer=31),
    Action("chat.conversations", "conversations", "ctrl+l", footer=32),
    Action("chat.new_conversation", "new_conversation", "ctrl+n", footer=35),
    Action("chat.rename", "rename"),
    Action("chat.tree", "tree", "ctrl+t", footer=36),
    Action("chat.search", "search", "ctrl+f", footer=37, priority=True),
    Action("chat.models", "models", "ctrl+g", footer=34),
    Action("chat.attach", "attach", "alt+p", priority=True),
    Action("chat.detach", "detach", "alt+u", priority=True),
    Action("chat.edit_character", "edit_character"),
    Action("chat.personas", "personas"),
    Action("chat.modes", "modes"),
    Action("chat.preset", "preset"),
    Action("chat.note", "note", "alt+o", priority=True),
    Action("chat.books", "books", "alt+k,alt+b", priority=True),
    Action("chat.inspect", "inspect", "alt+i", priority=True),
    Action("chat.scripts", "scripts", "alt+r", priority=True),
    Action("chat.scripts_allow", "answer_scripts(True)", "alt+y", priority=True),
    Action("chat.scripts_refuse", "answer_scripts(False)", "alt+n", priority=True),
    Action("chat.move_in", "move_in(True)", "alt+y", priority=True, palette=False),
    Action("chat.stay_out", "move_in(False)", "alt+n", priority=True, palette=False),
    Action("chat.memory", "memory", "alt+j", priority=True),
    Action("chat.memory_agree", "answer_memory(True)", "alt+y", priority=True, palette=False),
    Action("chat.memory_refuse", "answer_memory(False)", "alt+n", priority=True, palette=False),
    Action("chat.export", "export"),
    Action("chat.import_cards", "import_cards"),
    Action("chat.import_chat", "import_chat"),
    Action("chat.toggle_list", "toggle_list", "ctrl+b", footer=38),
    Action("chat.focus_prompt", "focus_prompt", palette=False),
    Action("chat.suggestion_1", "suggestion(1)", "alt+1", priority=True, palette=False),
    Action("chat.suggestion_2", "suggestion(2)", "alt+2", priority=True, palette=False),
    Action("chat.suggestion_3", "suggestion(3)", "alt+3", priority=True, palette=False),
)

REPLY_KEYS = tuple(
    Action(f"directing.reply_{n}", f"quick_reply({n - 4})", f"alt+{n}", priority=True, palette=False)
    for n in range(4, 10)
)
"""The digits after those of the suggestions."""

DIRECTING_ACTIONS = (
    Action("directing.instruct", "instruct", "alt+d", priority=True),
    Action("directing.repeat", "repeat_instruction"),
    Action("directing.rewrite", "rewrite", "alt+w", priority=True),
    Action("directing.expand", "expand", "alt+x", priority=True),
    Action("directing.in_person", "in_person"),
    Action("directing.several", "several", "alt+v", priority=True),
    Action("directing.prose", "prose", "alt+t", priority=True),
    Action("directing.answer", "answer"),
    Action("directing.store", "store"),
    Action("directing.narrate", "narrate"),
    Action("directing.speak_as", "speak_as"),
    Action("directing.quick_replies", "quick_replies", "alt+q", priority=True),
    Action("directing.reply_sets", "reply_sets"),
    Action("directing.reply_buttons", "reply_buttons"),
    *REPLY_KEYS,
    Action("directing.overrides", "overrides"),
    Action("directing.out_of_character", "out_of_character"),
    Action("directing.begin_with", "begin_with"),
    Action("directing.profiles", "profiles"),
)

# Many terminals send alt with a letter as escape and that letter, which the prompt would take as text.
SPEAK = Action("group.speak", "speak", "alt+s", footer=33, priority=True)
GROUP_ACTIONS = (
    Action("group.new", "new_group"),
    SPEAK,
    Action("group.members", "members", "alt+g", footer=39, priority=True),
    Action("group.order", "group_order"),
    Action("group.auto", "auto_mode", "alt+a", priority=True),
    Action("group.auto_delay", "auto_delay"),
    Action("group.rename", "rename_group"),
    Action("group.delete", "delete_group"),
)

BROWSE_ACTIONS = (
    Action("browse.up", "browse(-1)", "up,k", palette=False),
    Action("browse.down", "browse(1)", "down,j", palette=False),
    Action("browse.first", "screen.end(True)", "home,g,ctrl+home", palette=False),
    Action("browse.last", "screen.end(False)", "end,G,ctrl+end", palette=False),
    Action("browse.write", "screen.focus_prompt", "i", footer=1, palette=False),
    Action("browse.previous_swipe", "screen.swipe(-1)", "left", footer=2, palette=False),
    Action("browse.next_swipe", "screen.swipe(1)", "right", footer=3, palette=False),
    Action("browse.regenerate", "screen.regenerate", "r", footer=4, palette=False),
    Action("browse.edit", "screen.edit", "e", footer=5),
    Action("browse.edit_branch", "screen.edit(True)", "E"),
    Action("browse.delete", "screen.delete", "d", footer=6),
    Action("browse.delete_one", "screen.delete(True)", "D"),
    Action("browse.truncate", "screen.truncate", "x", footer=7),
    Action("browse.continue", "screen.continue_reply", "c", footer=8, palette=False),
    Action("browse.speak", "screen.speak", "s", palette=False),
    Action("browse.impersonate", "screen.impersonate", "m", palette=False),
    Action("browse.rewrite", "screen.rewrite", "w", palette=False),
    Action("browse.copy", "screen.copy", "y", footer=9),
    Action("browse.copy_code", "screen.copy_code", "Y"),
    Action("browse.inspect", "screen.inspect", "p", palette=False),
    Action("browse.books", "screen.books", "W", palette=False),
    Action("browse.raw", "screen.raw", "v"),
    Action("browse.hide", "screen.hide", "H"),
    Action("browse.mark", "screen.mark", "b"),
    Action("browse.memories", "screen.memories_here", "M"),
    Action("browse.always_in", "screen.always_in", "a"),
    Action("browse.fold", "screen.fold", "enter,space", footer=10),
    Action("browse.undo", "screen.undo", "u", footer=11),
    Action("browse.redo", "screen.redo", "U"),
    Action("browse.help", "app.help", "question_mark", palette=False),
)


class WritingScreen(Protocol):
    """The screen, as where one writes."""

    @property
    def focused(self) -> object: ...

    @property
    def prompt(self) -> Prompt: ...

    def action_focus_prompt(self) -> None: ...

    def set_focus(self, widget: Prompt) -> None: ...


class ChatTranscript(Transcript):
    """The transcript with the keys of browsing."""

    ACTIONS = BROWSE_ACTIONS
    BINDINGS = bindings(BROWSE_ACTIONS)

    def action_browse(self, step: int) -> None:
        self.select_step(step)

    def on_key(self, event: events.Key) -> None:
        """A character that is no key here begins, or continues, what the person writes."""
        # Keys typed in one burst wait here already when the first of them has moved the focus.
        browsing = self.screen.focused is self
        if event.character and event.is_printable and not (browsing and self._is_key(event.key)):
            event.prevent_default()
            event.stop()
            self._writing().put(event.character)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self._writing().on_paste(event)

    def _is_key(self, key: str) -> bool:
        """Whether a key does something here, or would for another message."""
        declared = (name for action in self.ACTIONS for name in keys_of(action, keymap_of(self)))
        return key in declared or key in self.screen.active_bindings

    def _writing(self) -> Prompt:
        """The prompt, with the focus."""
        screen = cast("WritingScreen", self.screen)
        if screen.focused is not screen.prompt:
            screen.action_focus_prompt()
            # At once and not later, as `focus` would: the next key of a burst is no key of browsing any more.
            screen.set_focus(screen.prompt)
        return screen.prompt

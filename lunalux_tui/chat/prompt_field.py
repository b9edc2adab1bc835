"""The prompt: where the person writes.

Enter sends and ctrl+j makes a new line, or the other way round by a setting, for people who type with an
input method. Nothing typed is ever lost: every pause posts the draft, a failed turn gives the text back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from textual import events
from textual.actions import parse
from textual.message import Message
from textual.reactive import var
from textual.timer import Timer
from textual.widgets import TextArea

from lunalux_core.text import clean
from lunalux_tui.actions import Action, bindings, keys_of
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import keymap_of
from lunalux_tui.parts.files import importable_paths

PAUSE = 0.6
"""Seconds without a key after which the draft is kept."""


LONG_PASTE = 20_000
"""Characters from which on a paste is told, since little of it is in view."""


class Completion(Protocol):
    """What completes a text that begins with a slash, as it is typed."""

    def follow(self) -> None:
        """Show what fits the text."""

    def press(self, key: str) -> bool:
        """Use a key; False where it means nothing now."""


class Prompt(TextArea):
    """A text field that grows with its text."""

    WRITING = (
        Action("prompt.send", "enter", "enter", footer=1, palette=False),
        Action("prompt.newline", "newline", "ctrl+j,shift+enter,alt+enter", palette=False),
        Action("prompt.offer", "offer", "tab", footer=2, palette=False),
    )
    MOVES = (
        Action("prompt.page_up", "page('up')", "pageup", palette=False),
        Action("prompt.page_down", "page('down')", "pagedown", palette=False),
        Action("prompt.first", "page('first')", "ctrl+home", palette=False),
        Action("prompt.last", "page('last')", "ctrl+end", palette=False),
        Action("prompt.previous_swipe", "swipe(-1)", "left", palette=False),
        Action("prompt.next_swipe", "swipe(1)", "right", palette=False),
    )
    ACTIONS = (*WRITING, *MOVES)
    BINDINGS = bindings(WRITING)  # keys that move the conversation belong to the text while there is one

    enter_sends: var[bool] = var(True)

    @dataclass
    class Submitted(Message):
        """The person sends this."""

        text: str

    @dataclass
    class Paused(Message):
        """The person stopped typing; this is the draft."""

        text: str

    @dataclass
    class FilesPasted(Message):
        """Files were dropped on the terminal, or their paths pasted; `text` is what came."""

        paths: list[str]
        text: str

    @dataclass
    class Paged(Message):
        """The conversation is to be scrolled: up, down, to the first or the last message."""

        way: str

    @dataclass
    class Swiped(Message):
        """An arrow in the empty prompt: the version before (-1) or after (1) is wanted."""

        step: int

    class Left(Message):
        """Escape was pressed here."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id,
            soft_wrap=True,
            show_line_numbers=False,
            tab_behavior="focus",
            compact=True,
            placeholder=t("prompt.placeholder"),
        )
        self.earlier: Sequence[str] = ()
        self.completion: Completion | None = None
        self.attached = False
        """Whether pictures go with the text, which may then be empty."""
        self._slash = False
        self._offers: Sequence[str] = ()
        self._recalled: int | None = None
        self._pause: Timer | None = None

    def retranslate(self) -> None:
        self.placeholder = t("prompt.placeholder")

    @property
    def offers(self) -> Sequence[str]:
        """Texts that a key takes into the empty prompt, one after the other."""
        return self._offers

    @offers.setter
    def offers(self, texts: Sequence[str]) -> None:
        if texts != self._offers:
            self._offers = texts
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "offer":
            return bool(self._offers) and (not self.text or self.text in self._offers)
        return super().check_action(action, parameters)

    def rewrite(self, text: str) -> None:
        """Put another text in the place of what stands here; one undo brings that back."""
        # One before and one behind: neither what was typed earlier nor what is typed next is undone with it.
        self.history.checkpoint()
        self.replace(text, (0, 0), self.document.end, maintain_selection_offset=False)
        self.history.checkpoint()
        self.move_cursor(self.document.end)
        self._recalled = None

    def action_offer(self) -> None:
        """Take the first of the texts on offer; from one of them go on to the next, at last to none."""
        place = self._offers.index(self.text) + 1 if self.text in self._offers else 0
        self.rewrite(self._offers[place] if place < len(self._offers) else "")

    def fill(self, text: str) -> None:
        """Put a text in, the cursor at its end. What stood here is forgotten."""
        self.load_text(text)
        self.move_cursor(self.document.end)
        self._recalled = None

    def action_enter(self) -> None:
        self._send() if self.enter_sends else self._break()

    def action_newline(self) -> None:
        self._break() if self.enter_sends else self._send()

    def _break(self) -> None:
        self.insert("\n")

    def _send(self) -> None:
        if self.text.strip() or self.attached:  # while a reply comes, whoever runs turns says that it does
            self.post_message(self.Submitted(self.text))

    def take(self, text: str) -> None:
        """Remove a text that was sent; what was typed after it stays."""
        if self.text.startswith(text):
            self.fill(self.text[len(text) :])

    def point_at(self, text: str, line: int, column: int) -> None:
        """Put the cursor to a place (from 1) of a text, if it still stands here."""
        if self.text == text:
            self.move_cursor((line - 1, column - 1))

    def on_key(self, event: events.Key) -> None:
        # Keys that send are acted on here, not by a binding: bindings run at the app, where the letters
        # typed just before may not have arrived yet.
        # The list above the prompt comes first: while it is open, arrows, tab and enter mean its rows.
        completion = self._completing()
        if completion is not None and completion.press(event.key):
            event.prevent_default()
            event.stop()
            return
        send, newline, offer = (keys_of(action, keymap_of(self)) for action in self.WRITING)
        if event.key in send or event.key in newline:
            event.prevent_default()
            event.stop()
            self.action_enter() if event.key in send else self.action_newline()
        elif event.key in {"up", "down"} and (not self.text or self._recalled is not None):
            event.prevent_default()
            event.stop()
            self._recall(-1 if event.key == "up" else 1)
        elif event.key in offer and self.check_action("offer", ()):
            event.prevent_default()
            event.stop()
            self.action_offer()
        elif self._moves_the_conversation(event.key):
            event.prevent_default()
            event.stop()
        elif event.key == "escape":
            event.prevent_default()
            event.stop()
            self.post_message(self.Left())
        # A text that was brought back and is written on is none of the earlier ones any more.
        elif event.key not in {"up", "down"}:
            self._recalled = None

    def _moves_the_conversation(self, key: str) -> bool:
        """Scroll or swipe by a key that means nothing to the text: pages always, others while it is empty."""
        ends = {"home": "page('first')", "end": "page('last')"} if not self.text else {}
        named = (action.method for action in self.MOVES if key in keys_of(action, keymap_of(self)))
        method = next(named, ends.get(key, ""))
        if not method or (method.startswith("swipe") and self.text):
            return False
        _, name, (value,) = parse(method)
        if name == "page":
            self.action_page(str(value))
        else:
            self.action_swipe(int(str(value)))
        return True

    def action_page(self, way: str) -> None:
        """Scroll the conversation: up, down, first or last."""
        self.post_message(self.Paged(way))

    def action_swipe(self, step: int) -> None:
        """The version before or after of the last message."""
        self.post_message(self.Swiped(step))

    def on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        if paths := importable_paths(event.text):
            self.post_message(self.FilesPasted(paths, event.text))
            return
        self.put(event.text)

    def put(self, text: str) -> None:
        """Insert a text from outside in place of the selection; a long one is told."""
        text = clean(text)
        start, end = sorted((self.selection.start, self.selection.end))
        self.replace(text, start, end, maintain_selection_offset=False)
        # The field has to grow first.
        self.call_after_refresh(self.scroll_cursor_visible)
        if len(text) >= LONG_PASTE:
            self.notify(t("prompt.long_paste", n=f"{len(text):,}"), markup=False)

    def _recall(self, step: int) -> None:
        """Show an earlier text of the person's, or the empty prompt below the newest."""
        if not self.earlier:
            return
        place = len(self.earlier) if self._recalled is None else self._recalled
        place = min(max(place + step, 0), len(self.earlier))
        self.fill(self.earlier[place] if place < len(self.earlier) else "")
        self._recalled = place if place < len(self.earlier) else None

    def _completing(self) -> Completion | None:
        """What completes the text, where there is anything to complete or was at the last key."""
        before, self._slash = self._slash, self.document[0].startswith("/")
        return self.completion if before or self._slash else None

    def before_cursor(self) -> str:
        """What stands before the cursor, "" while something is selected."""
        return self.get_text_range((0, 0), self.cursor_location) if self.selection.is_empty else ""

    def complete(self, fragment: str, word: str) -> None:
        """Put a word in the place of a fragment that ends at the cursor."""
        row, column = self.cursor_location
        self.replace(word, (row, column - len(fragment)), (row, column), maintain_selection_offset=False)
        self.focus()

    def on_text_area_changed(self) -> None:
        if completion := self._completing():
            completion.follow()
        if self._offers:
            self.refresh_bindings()
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE, self._paused)

    def _paused(self) -> None:
        self._pause = None
        self.post_message(self.Paused(self.text))

"""Giving an action a key: the key that is pressed is the answer."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.app import ComposeResult
from textual.widgets import Static

from lunalux_tui.actions import Action, key_name
from lunalux_tui.parts.dialog import Dialog, question
from lunalux_tui.parts.told import Told

NEVER = {"escape", "tab", "shift+tab", "ctrl+c", "ctrl+q", "ctrl+p"}
"""Keys that must go on doing what they do, so that nobody locks themselves out."""


class PressDialog(Dialog[str]):
    """Answers the pressed key, or None for escape. A key that is taken must be pressed twice.

    Args:
        taken: what a key does already, by key.
    """

    def __init__(self, action: Action, taken: Mapping[str, str]) -> None:
        super().__init__(action.label, hint=question("press.hint", action=action.help))
        self._taken = taken
        self._asked = ""

    def compose_body(self) -> ComposeResult:
        yield Told(question("press.wait"), id="verdict")

    async def on_event(self, event: events.Event) -> None:
        """Keys are caught before any binding sees them, the app's own too."""
        if isinstance(event, events.Key) and event.key != "escape":
            event.stop()
            event.prevent_default()
            self._pressed(event.key)
            return
        await super().on_event(event)

    def _pressed(self, key: str) -> None:
        if key in NEVER:
            self._say(question("press.never", pressed=key_name(key)))
        elif key in self._taken and key != self._asked:
            self._asked = key
            self._say(question("press.taken", pressed=key_name(key), action=self._taken[key]))
        else:
            self.dismiss(key)

    def _say(self, text: str) -> None:
        verdict = self.query_one("#verdict", Static)
        verdict.update(text)
        verdict.add_class("-error")

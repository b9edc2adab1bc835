"""The footer: the keys that can be used now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lunalux_tui.actions import UNBOUND, key_name, reachable
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.theme.styles import MUTED, PANEL

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.timer import Timer

KEPT = range(60, 81)
CLOSE = 90
"""Places in the footer that stay longest: help and commands, the answer of a dialog; the way out is never
left out."""


def _weight(place: int) -> int:
    """How early a key is left out where there is no room for all."""
    if place == CLOSE:
        return 0
    return place if place in KEPT else 100 + place


CHECK_SECONDS = 0.1
"""How long after a frame the keys are looked at again: letters typed in a row pay for it once."""


class KeyBar(Bar):
    """One line of keys. It follows the focus; a key can be clicked too."""

    GROUND = PANEL

    _parts: Sequence[Part] | None = None
    """What is shown; None where the keys have changed since. Textual draws the bar with each frame of
    whatever changes, and to find the keys every binding asks the screen whether it can be used: too much for
    each letter that is typed."""
    _check: Timer | None = None

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._updated)

    def _updated(self, _screen: Screen[object]) -> None:
        self._parts = None
        self.refresh()

    def retranslate(self) -> None:
        self._parts = None
        super().retranslate()

    def left(self) -> Sequence[Part]:
        if self._parts is None:
            self._parts = self._usable_keys()
        elif self._check is None and not getattr(self.screen, "streaming", False):
            # What an action depends on may have changed without a word to the screen.
            self._check = self.set_timer(CHECK_SECONDS, self._check_keys)
        return self._parts

    def _check_keys(self) -> None:
        self._check = None
        if not self.app.is_running:  # it ends, and its screens have gone already
            return
        parts = self._usable_keys()
        if parts != self._parts:
            self._parts = parts
            self.refresh()

    def _usable_keys(self) -> Sequence[Part]:
        keys: dict[str, str] = {}
        for entry in self.screen.active_bindings.values():
            binding = entry.binding
            # A binding without a key of its own stands under a name that no keyboard sends.
            if binding.show and entry.enabled and binding.id and not binding.key.startswith(UNBOUND):
                keys.setdefault(binding.id, binding.key)
        actions = {action.id: action for action in reachable(self.app, self.screen)}
        parts: dict[str, Part] = {}
        for action_id in sorted(
            keys.keys() & actions.keys(), key=lambda action_id: actions[action_id].footer
        ):
            label, place = actions[action_id].label, actions[action_id].footer
            key = keys[action_id]
            part = Part(f"{key_name(key)} {label}", MUTED, f"app.simulate_key('{key}')", _weight(place))
            parts.setdefault(label, part)  # the nearest of two keys for the same thing
        return list(parts.values())

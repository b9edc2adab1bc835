"""The footer: the keys that work here and now, drawn from the declared actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lunalux_tui.actions import UNBOUND, key_name, reachable
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.theme.styles import MUTED, PANEL

if TYPE_CHECKING:
    from textual.screen import Screen


KEPT = 60
"""Places in the footer from this one on are never left out: help and commands must always be in view."""


class KeyBar(Bar):
    """One line of keys. It follows the focus; a key can be clicked too."""

    GROUND = PANEL

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._updated)

    def _updated(self, _screen: Screen[object]) -> None:
        self.refresh()

    def left(self) -> Sequence[Part]:
        keys: dict[str, str] = {}
        for entry in self.screen.active_bindings.values():
            binding = entry.binding
            if binding.show and entry.enabled and binding.id and not binding.key.startswith(UNBOUND):
                keys.setdefault(binding.id, binding.key)
        actions = {action.id: action for action in reachable(self.app, self.screen)}
        parts: dict[str, Part] = {}
        for action_id in sorted(
            keys.keys() & actions.keys(), key=lambda action_id: actions[action_id].footer
        ):
            label, place = actions[action_id].label, actions[action_id].footer
            key, weight = keys[action_id], 0 if place >= KEPT else place
            part = Part(f"{key_name(key)} {label}", MUTED, f"app.simulate_key('{key}')", weight)
            parts.setdefault(label, part)  # the nearest of two keys for the same thing
        return list(parts.values())

"""The footer: the keys that can be used now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lunalux_tui.actions import UNBOUND, actions_of, key_name
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.theme.styles import MUTED, PANEL

if TYPE_CHECKING:
    from textual.dom import DOMNode
    from textual.geometry import Region
    from textual.screen import Screen
    from textual.strip import Strip
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

    _parts: Sequence[Part] = ()
    _check: Timer | None = None

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._updated)

    def _updated(self, _screen: Screen[object]) -> None:
        self.refresh()

    def left(self) -> Sequence[Part]:
        self._parts = self._usable_keys()
        return self._parts

    def render_lines(self, crop: Region) -> list[Strip]:
        # What an action depends on may have changed with what is drawn beside, without a word to the screen.
        # Later, since every binding asks the screen whether it can be used: too much for each letter.
        if self._drawn is not None and self._check is None and not getattr(self.screen, "streaming", False):
            self._check = self.set_timer(CHECK_SECONDS, self._check_keys)
        return super().render_lines(crop)

    def _check_keys(self) -> None:
        self._check = None
        # Not where the app ends, and its screens have gone already.
        if self.app.is_running and self._usable_keys() != self._parts:
            self.refresh()

    def _usable_keys(self) -> Sequence[Part]:
        keys: dict[str, str] = {}
        nodes: dict[DOMNode, None] = {}
        for node, binding, enabled, _ in self.screen.active_bindings.values():
            # A binding without a key of its own stands under a name that no keyboard sends.
            if binding.show and enabled and binding.id and not binding.key.startswith(UNBOUND):
                keys.setdefault(binding.id, binding.key)
                nodes[node] = None
        usable = [action for action in actions_of(*nodes) if action.id in keys]
        parts: dict[str, Part] = {}
        for action in sorted(usable, key=lambda action: action.footer):
            label, place, key = action.label, action.footer, keys[action.id]
            part = Part(f"{key_name(key)} {label}", MUTED, f"app.simulate_key('{key}')", _weight(place))
            parts.setdefault(label, part)  # the nearest of two keys for the same thing
        return list(parts.values())

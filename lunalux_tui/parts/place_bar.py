"""The line of places at the top: chat, market, create, you, settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from textual.screen import Screen

from lunalux_tui.actions import Action, first_key
from lunalux_tui.parts.drawn import Bar, Part, keymap_of
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, PANEL

if TYPE_CHECKING:
    from lunalux_tui.parts.host import Host


class PlaceBar(Bar):
    """One line, as long as the width allows: with all names, with the name of this place alone, or keys.

    On a screen of a few lines it is not shown (`.-tiny` in app.tcss).
    """

    GROUND = PANEL

    def left(self) -> Sequence[Part]:
        places = [action for action in cast("Host", self.app).ACTIONS if action.method.startswith("app.go(")]
        here = f"go.{getattr(cast('Screen[Any]', self.screen), 'PLACE', '')}"
        forms = (
            [self._part(place, here, keyed=True, named=True) for place in places],
            [self._part(place, here, keyed=place.id != here, named=True) for place in places],
            [self._part(place, here, keyed=True, named=place.id == here) for place in places],
            [self._part(place, here, keyed=place.id != here, named=place.id == here) for place in places],
        )
        width = self.size.width - 2
        return next((parts for parts in forms if self._length(parts) <= width), forms[-1])

    def _part(self, place: Action, here: str, *, keyed: bool, named: bool) -> Part:
        key = first_key(place, keymap_of(self)) if keyed else ""
        words = " ".join(part for part in (key, place.label if named or not key else "") if part)
        style = ACCENT | BOLD if place.id == here else MUTED
        return Part(words, style, place.method, 0 if place.id == here else 1)

"""Jump mode: a letter on everything that can be gone to or clicked; pressing it goes there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.screen import ModalScreen, Screen
from textual.strip import Strip
from textual.widget import Widget

from lunalux_tui.parts.drawn import Bar, palette_of
from lunalux_tui.parts.screen import KeyBar
from lunalux_tui.theme.styles import BOLD, REVERSE

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


@dataclass(frozen=True, slots=True)
class Target:
    """A place on the screen: a widget to focus, or an action of a bar to run."""

    place: Offset
    widget: Widget
    action: str = ""


class Letter(Widget):
    """One letter over its target."""

    ALLOW_SELECT = False

    DEFAULT_CSS = "Letter { position: absolute; width: 3; height: 1; }"

    def __init__(self, letter: str, place: Offset) -> None:
        super().__init__()
        self._letter = letter
        self.styles.offset = (place.x, place.y)

    def render_line(self, y: int) -> Strip:
        return palette_of(self).strip(((f" {self._letter.upper()} ", BOLD | REVERSE),), 3)


class JumpScreen(ModalScreen[Target | None]):
    """Shows the letters over the screen below; any other key leaves everything as it is."""

    CSS = "JumpScreen { background: $background 50%; }"
    BINDINGS: ClassVar = []

    def __init__(self, below: Screen[object]) -> None:
        super().__init__()
        self._targets = dict(zip(LETTERS, targets(below), strict=False))

    def compose(self) -> ComposeResult:
        for letter, target in self._targets.items():
            yield Letter(letter, target.place)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        self.dismiss(self._targets.get(event.key.lower()))

    def on_click(self) -> None:
        self.dismiss(None)


def targets(screen: Screen[object]) -> Iterator[Target]:
    """What can be gone to on a screen, from the top left to the bottom right."""
    found = [Target(_corner(widget), widget) for widget in screen.focus_chain if _seen(widget, screen)]
    for bar in screen.query(Bar):
        if _seen(bar, screen) and not isinstance(bar, KeyBar):  # what stands there has a key
            corner = bar.region.offset
            found += [Target(Offset(corner.x + x, corner.y), bar, action) for x, _, action in bar.zones]
    yield from sorted(found, key=lambda target: (target.place.y, target.place.x))


def _seen(widget: Widget, screen: Screen[object]) -> bool:
    return widget.display and widget.region.area > 0 and bool(screen.region.intersection(widget.region).area)


def _corner(widget: Widget) -> Offset:
    """Where the letter of a widget stands: at its content, not on its border."""
    return widget.content_region.offset


async def go_to(target: Target) -> None:
    """Focus the widget of a target, or run its action."""
    if target.action:
        await target.widget.run_action(target.action)
    else:
        target.widget.focus()

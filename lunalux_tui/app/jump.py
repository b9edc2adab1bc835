"""Jump mode: a letter on everything that can be focused or clicked; pressing it goes there.

Where there are more places than letters, each has two of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.screen import ModalScreen, Screen
from textual.strip import Strip
from textual.widget import Widget

from lunalux_tui.parts.drawn import Bar, palette_of
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.place_bar import PlaceBar
from lunalux_tui.theme.styles import BOLD, REVERSE

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


@dataclass(frozen=True, slots=True)
class Target:
    """A place on the screen: a widget to focus, or an action of a bar to run."""

    place: Offset
    widget: Widget
    action: str = ""


@runtime_checkable
class Jumpable(Protocol):
    """A widget in which several places can be gone to."""

    def jump_places(self) -> Iterator[tuple[Offset, str]]:
        """Where they are in the view, and the action of the widget that goes there."""


class Letter(Widget):
    """The letters of one target, on the margin before it."""

    ALLOW_SELECT = False

    DEFAULT_CSS = "Letter { position: absolute; height: 1; }"

    def __init__(self, letters: str, place: Offset) -> None:
        super().__init__()
        self.letters = letters
        self.styles.offset = (place.x, place.y)
        self.styles.width = len(letters)

    def render_line(self, y: int) -> Strip:
        return palette_of(self).strip(((self.letters.upper(), BOLD | REVERSE),), len(self.letters))


class JumpScreen(ModalScreen[Target | None]):
    """Shows the letters over the screen below; any other key leaves everything as it is."""

    CSS = "JumpScreen { background: $background 50%; }"
    BINDINGS: ClassVar = []

    def __init__(self, below: Screen[object]) -> None:
        super().__init__()
        self._targets = labelled(list(targets(below)))
        self._typed = ""

    def compose(self) -> ComposeResult:
        for letters, target in self._targets.items():
            yield Letter(letters, target.place)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        self._typed += event.key.lower()
        if self._typed in self._targets:
            self.dismiss(self._targets[self._typed])
            return
        goes_on = {label for label in self._targets if label.startswith(self._typed)}
        if not goes_on:
            self.dismiss(None)
        for letter in self.query(Letter):
            letter.display = letter.letters in goes_on

    def on_click(self) -> None:
        self.dismiss(None)


def labelled(targets: Sequence[Target]) -> Mapping[str, Target]:
    """The targets by their letters: one each while there are enough, else two."""
    if len(targets) <= len(LETTERS):
        return dict(zip(LETTERS, targets, strict=False))
    # 676 of them: no screen has more places.
    pairs = ("".join(pair) for pair in itertools.product(LETTERS, repeat=2))
    return dict(zip(pairs, targets, strict=False))


def targets(screen: Screen[object]) -> Iterator[Target]:
    """What can be gone to on a screen, from the top left to the bottom right."""
    by_place: dict[Offset, Target] = {}
    for widget in screen.query("*"):
        if _seen(widget, screen):
            for target in _targets_in(widget):
                by_place.setdefault(target.place, target)
    for widget in screen.focus_chain:
        if _seen(widget, screen):
            place = _corner(widget)
            if (
                place in by_place
            ):  # the first of the places in it: the widget itself has the other end of the line
                place += Offset(max(widget.content_region.width - 1, 0), 0)
            by_place.setdefault(place, Target(place, widget))
    yield from sorted(by_place.values(), key=lambda target: (target.place.y, target.place.x))


def _targets_in(widget: Widget) -> Iterator[Target]:
    """Places inside of a widget."""
    corner = widget.content_region.offset
    if isinstance(widget, Jumpable):
        for place, action in widget.jump_places():
            yield Target(corner + place, widget, action)
    elif isinstance(widget, Bar) and not isinstance(widget, KeyBar | PlaceBar):  # what stands there has a key
        for x, _, action in widget.zones:
            yield Target(Offset(corner.x + max(x - 1, 0), corner.y), widget, action)


def _seen(widget: Widget, screen: Screen[object]) -> bool:
    return widget.display and widget.region.area > 0 and bool(screen.region.intersection(widget.region).area)


def _corner(widget: Widget) -> Offset:
    """Where the letter of a widget stands: at its content, not on its border."""
    return widget.content_region.offset


async def go_to(target: Target) -> None:
    """Focus the widget of a target, or run its action."""
    if target.action:
        target.widget.focus()
        await target.widget.run_action(target.action)
    else:
        target.widget.focus()

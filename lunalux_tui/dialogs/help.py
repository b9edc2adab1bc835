"""Help: what this screen is, and every key that works on it, drawn from the declared actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from lunalux_tui.actions import Action, key_name, keys_of
from lunalux_tui.dialogs.base import Dialog, question
from lunalux_tui.i18n import t
from lunalux_tui.render.layout import lay_out
from lunalux_tui.render.styles import ACCENT, BOLD, HEADING, MUTED, SURFACE, Line
from lunalux_tui.render.wrap import wrap
from lunalux_tui.widgets.lines import palette_of

KEYS_WIDTH = 18


class HelpDialog(Dialog[None]):
    """Shows help for a place in the app."""

    SIZE = "-tall -broad"

    def __init__(self, place: str, actions: Sequence[Action], keymap: Mapping[str, str]) -> None:
        super().__init__(question("help.title", place=t(f"place.{place}.title")))
        self._place = place
        self._actions = actions
        self._keymap = keymap

    def compose_body(self) -> ComposeResult:
        yield HelpText(t(f"place.{self._place}.help"), self._actions, self._keymap)


class HelpText(ScrollView, can_focus=True):
    """The text of help, scrolled by keys and wheel."""

    def __init__(self, text: str, actions: Sequence[Action], keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._text = text
        self._actions = actions
        self._keymap = keymap
        self._lines: list[Line] = []

    def on_mount(self) -> None:
        self.focus()

    def on_resize(self) -> None:
        width = max(self.size.width - 2, 20)
        self._lines = [*lay_out(self._text, width, base=SURFACE).lines, (), *self._keys(width)]
        self.virtual_size = Size(self.size.width, len(self._lines))

    def _keys(self, width: int) -> Iterator[Line]:
        group = ""
        for action in self._actions:
            if action.group != group:
                if group:
                    yield ()
                group = action.group
                yield ((t(f"group.{group}"), HEADING | BOLD | SURFACE),)
            names = " ".join(key_name(key) for key in keys_of(action, self._keymap))
            left = " " + names + " " * max(KEYS_WIDTH - 1 - cell_len(names), 1)
            yield from wrap(
                [(action.help, SURFACE), (f"  {action.id}", MUTED | SURFACE)],
                width,
                [(left, ACCENT | SURFACE)],
                [(" " * KEYS_WIDTH, SURFACE)],
            )

    def render_line(self, y: int) -> Strip:
        line = self.scroll_offset.y + y
        runs = self._lines[line] if line < len(self._lines) else ()
        width = self.size.width
        used = sum(cell_len(text) for text, _ in runs)
        return palette_of(self).strip((*runs, (" " * max(width - used, 0), SURFACE)), width)

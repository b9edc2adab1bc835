"""Help: what this screen is, and every key that works on it, drawn from the declared actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from textual.app import ComposeResult

from lunalux_tui.actions import Action, key_name, keys_of
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import Dialog, question
from lunalux_tui.parts.text_view import TextView
from lunalux_tui.render.layout import lay_out
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.styles import ACCENT, BOLD, HEADING, MUTED, SURFACE, Line

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


class HelpText(TextView):
    """What the screen is for, then its keys."""

    def __init__(self, text: str, actions: Sequence[Action], keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._text = text
        self._actions = actions
        self._keymap = keymap

    def on_mount(self) -> None:
        self.focus()

    def lay(self, width: int) -> list[Line]:
        return [*lay_out(self._text, width, base=SURFACE).lines, (), *self._keys(width)]

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

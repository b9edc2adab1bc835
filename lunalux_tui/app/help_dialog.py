"""Help: the keys of what has the focus, what this screen is, every other key; narrowed while one types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from lunalux_tui.actions import Action, key_name, keys_of
from lunalux_tui.i18n import has, t
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.dialog import CANCEL, Dialog, question
from lunalux_tui.parts.text_view import TextView
from lunalux_tui.render.layout import lay_out
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.styles import ACCENT, BOLD, HEADING, MUTED, SURFACE, Line

KEYS_WIDTH = 18
PALETTE = "app.palette"


class HelpDialog(Dialog[None]):
    """Shows help for a place or a dialog, first of all for what has the focus there.

    Args:
        title: of the place, or of the dialog.
        text: what it is for.
        actions: everything that can be done, the focused widget's first.
    """

    SIZE = "-tall -broad"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll(-1)", show=False, priority=True),
        Binding("down", "scroll(1)", show=False, priority=True),
        Binding("pageup", "scroll(-12)", show=False, priority=True),
        Binding("pagedown", "scroll(12)", show=False, priority=True),
    ]
    ACTIONS: ClassVar[tuple[Action, ...]] = (CANCEL,)

    def __init__(self, title: str, text: str, actions: Sequence[Action], keymap: Mapping[str, str]) -> None:
        super().__init__(question("help.title", place=title))
        self._text = text
        self._actions = actions
        self._keymap = keymap

    def compose_body(self) -> ComposeResult:
        yield OneLineInput(placeholder=t("help.narrow"), compact=True, id="narrow")
        yield HelpText(self._text, self._actions, self._keymap)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Changed, "#narrow")
    def _narrow(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one(HelpText).narrow(event.value)

    def action_scroll(self, lines: int) -> None:
        self.query_one(HelpText).scroll_relative(y=lines, animate=False)


class HelpText(TextView):
    """The keys of what has the focus, what the screen is for, the other keys; or those that fit words."""

    def __init__(self, text: str, actions: Sequence[Action], keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._text = text
        self._actions = actions
        self._keymap = keymap
        self._words: Sequence[str] = ()

    def narrow(self, words: str) -> None:
        """Show the actions alone whose keys or words hold all of `words`."""
        self._words = words.casefold().split()
        self.lay_again()
        self.scroll_home(animate=False)

    def lay(self, width: int) -> list[Line]:
        groups: dict[str, list[Action]] = {}
        for action in self._actions:
            if self._fits(action):
                groups.setdefault(action.group, []).append(action)
        if self._words:
            lines = [line for group, actions in groups.items() for line in self._group(group, actions, width)]
            return lines or [((t("dialog.nothing"), MUTED | SURFACE),)]
        first, *others = groups.items()
        lines = [*self._group(*first, width)]
        if self._text:
            lines += [*lay_out(self._text, width, base=SURFACE).lines, ()]
        return [*lines, *(line for group, actions in others for line in self._group(group, actions, width))]

    def _fits(self, action: Action) -> bool:
        text = (
            f"{action.label} {action.help} {action.id} {self._keys(action)} {' '.join(self._names(action))}"
        )
        return all(word in text.casefold() for word in self._words)

    def _names(self, action: Action) -> list[str]:
        return keys_of(action, self._keymap)

    def _keys(self, action: Action) -> str:
        """The keys of an action; the palette's for one that has none."""
        names = [key_name(key) for key in self._names(action)]
        if names or not action.palette:
            return " ".join(names)
        palette = [action for action in self._actions if action.id == PALETTE]
        return " ".join(f"{key_name(key)} …" for action in palette for key in self._names(action)[:1])

    def _group(self, group: str, actions: Sequence[Action], width: int) -> Iterator[Line]:
        yield ((t(f"group.{group}"), HEADING | BOLD | SURFACE),)
        if not self._words and has(f"help.about.{group}"):
            yield from wrap(
                [(t(f"help.about.{group}"), MUTED | SURFACE)], width, [(" ", SURFACE)], [(" ", SURFACE)]
            )
        for action in actions:
            names = self._keys(action)
            left = " " + names + " " * max(KEYS_WIDTH - 1 - cell_len(names), 1)
            yield from wrap(
                [(action.help, SURFACE), (f"  {action.id}", MUTED | SURFACE)],
                width,
                [(left, ACCENT | SURFACE)],
                [(" " * KEYS_WIDTH, SURFACE)],
            )
        yield ()

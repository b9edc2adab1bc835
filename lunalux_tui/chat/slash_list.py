"""The list of slash commands above the prompt: it follows what is typed, and completes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from textual import on

from lunalux_core.dialogue.direction import is_script
from lunalux_tui.i18n import t
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.theme.styles import SURFACE

if TYPE_CHECKING:
    from lunalux_core.stscript.commands.declaration import Command, Registry

MOST = 8
"""Rows in view; a third of the screen at most."""

# A command begins the text, stands after a pipe, or begins a closure.
_NAME = re.compile(r"(?:^|\||\{:)\s*/([\w-]*)$")
_COMMAND = re.compile(r"(?:^|\||\{:)\s*/([\w-]+)\s[^|]*$")


class TypedText(Protocol):
    """Where the person writes."""

    def before_cursor(self) -> str:
        """What stands before the cursor, "" while something is selected."""

    def complete(self, fragment: str, word: str) -> None:
        """Put a word in the place of a fragment that ends at the cursor."""


class SlashList(Rows, can_focus=False):
    """Shows the commands that fit, or what the one is for whose arguments are being written."""

    DEFAULT_CSS = "SlashList { display: none; } SlashList.-open { display: block; }"

    def __init__(self, typed: TypedText) -> None:
        super().__init__(ground=SURFACE, id="slash-list")
        self._typed = typed
        self._fragment: str | None = None
        """The beginning of a name before the cursor, None where there is none to complete."""
        self._left = ""
        """The text at which the list was closed."""

    @cached_property
    def _registry(self) -> Registry:
        from lunalux_core.stscript.commands.command_table import everything
        from lunalux_tui.chat.slash_host import OFFERS

        return everything(OFFERS)

    def follow(self) -> None:
        """Show what fits the text before the cursor."""
        before = self._typed.before_cursor()
        if not is_script(before):
            self._fragment, self._left = None, ""
            self._show([])
            return
        name, command = _NAME.search(before), _COMMAND.search(before)
        fragment = name[1] if name and before != self._left else None
        if fragment is None:
            self._fragment = None
            named = self._registry.get(command[1]) if command else None
            self._show([_row(named, named.name)] if named and before != self._left else [])
        elif fragment != self._fragment or not self.rows:
            self._fragment, self._left = fragment, ""
            self._show(self._fitting(fragment))

    def _show(self, rows: Sequence[Row]) -> None:
        self.always_here = self._fragment is not None
        self.set_class(bool(rows), "-open")
        if rows or self.rows:
            self.styles.height = min(len(rows), MOST, max(self.screen.size.height // 3, 1))
            self.set_rows(rows, at=rows[0].id if rows else None)

    def _fitting(self, fragment: str) -> list[Row]:
        """The commands of a beginning: the one of that very name first, those on the chat before others."""
        ranked: list[tuple[int, bool, int, Row]] = []
        for place, command in enumerate(self._registry):
            fit = _fit(command, fragment.lower()) if self._registry.offered(command.name) else None
            if fit is not None:
                ranked.append((fit[0], not command.app, place, _row(command, fit[1])))
        return [row for *_, row in sorted(ranked, key=lambda entry: entry[:3])]

    def press(self, key: str) -> bool:
        """Use a key; False where it means nothing to the list."""
        # The message that tells of the last letter may come after this key.
        self.follow()
        if self._fragment is None or not self.rows:
            return False
        if key in {"up", "down"}:
            self.cursor = (self.cursor + (1 if key == "down" else -1)) % len(self.rows)
        elif key == "escape":
            self._left, self._fragment = self._typed.before_cursor(), None
            self._show([])
        # A name that is typed whole is sent by enter, not completed.
        elif key == "tab" or (key == "enter" and self.chosen != self._fragment):
            self._take(self.chosen)
        else:
            return False
        return True

    def _take(self, name: str) -> None:
        self._typed.complete(self._fragment or "", f"{name} ")

    @on(Rows.Chosen)
    def _clicked(self, event: Rows.Chosen) -> None:
        event.stop()
        if self._fragment is not None:
            self._take(event.id)

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()


def _fit(command: Command, fragment: str) -> tuple[int, str] | None:
    """How well a command fits, 0 best, and the name by which it does."""
    names = (command.name, *command.aliases)
    if fragment in names:
        return 0, fragment
    if begun := next((name for name in names if name.startswith(fragment)), ""):
        return (1 if begun == command.name else 2), begun
    return (3, command.name) if len(fragment) > 1 and fragment in command.name else None


def _row(command: Command, name: str) -> Row:
    return Row(name, f"/{name:<14} {t(command.help_key)}")

"""Asking for a path: what fits what is typed stands under it, and tab completes it."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import Input

from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings, keys_of
from lunalux_tui.i18n import t
from lunalux_tui.parts.answer_field import AnswerField
from lunalux_tui.parts.ask_dialog import AskDialog
from lunalux_tui.parts.drawn import keymap_of
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.theme.styles import SURFACE

MOST = 300
"""Names of a folder that are listed."""
LAST = "paths.last"
"""Key of the program's memory: the folder of the path that was named last."""


@dataclass(frozen=True, slots=True)
class PathMatch:
    """A file or a folder that fits: the whole text of the field with it, and its name alone."""

    text: str
    name: str
    folder: bool


def fitting(text: str) -> Sequence[PathMatch]:
    """What is in the folder that `text` names so far and begins as it ends, in any case; folders first.

    Hidden names show when their dot is typed. What cannot be looked into holds nothing.
    """
    head, tail = _split(text)
    try:
        with os.scandir(Path(head).expanduser() if head else Path()) as entries:
            fittings = [
                PathMatch(head + entry.name + (os.sep if folder else ""), entry.name, folder)
                for entry in entries
                if entry.name.casefold().startswith(tail.casefold())
                and (tail.startswith(".") or not entry.name.startswith("."))
                # Last, because it may ask the disk once more: only about names that fit.
                and (folder := entry.is_dir(), True)[1]
            ]
    except (OSError, ValueError, RuntimeError):
        return ()
    return sorted(fittings, key=lambda fitting: (not fitting.folder, fitting.name.casefold()))[:MOST]


def _split(text: str) -> tuple[str, str]:
    """The folder of a text with its last separator, and what is typed after it."""
    # Windows takes both signs.
    cut = max(text.rfind(os.sep), text.rfind("/")) + 1
    return text[:cut], text[cut:]


def longest(fittings: Sequence[PathMatch], text: str) -> str:
    """The text as far as all that fits goes on alike; the whole of it where one thing fits."""
    if len(fittings) == 1:
        return fittings[0].text
    head, tail = _split(text)
    columns = zip(*(fitting.name for fitting in fittings), strict=False)
    alike = itertools.takewhile(lambda signs: len(set(signs)) == 1, columns)
    common = "".join(signs[0] for signs in alike)
    # Names that begin alike only without regard to case have less in common than what is typed.
    return head + common if len(common) > len(tail) else text


class PathField(AnswerField):
    """A path; tab completes it, the arrows walk through what fits."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (
        *AnswerField.ACTIONS,
        Action("path.complete", "complete", "tab", footer=79, palette=False),
        Action("path.up", "walk(-1)", "up", palette=False),
        Action("path.down", "walk(1)", "down", palette=False),
    )
    BINDINGS = bindings(ACTIONS)

    class Complete(Message):
        """Tab was pressed."""

    @dataclass
    class Walk(Message):
        """An arrow was pressed."""

        step: int

    def on_key(self, event: events.Key) -> None:
        # Here and not by a binding: letters typed just before may not have arrived when bindings run.
        if event.key in keys_of(self.ACTIONS[-3], keymap_of(self)):
            event.prevent_default()
            event.stop()
            self.action_complete()

    def action_complete(self) -> None:
        self.post_message(self.Complete())

    def action_walk(self, step: int) -> None:
        self.post_message(self.Walk(step))


class PathDialog(AskDialog[str]):
    """Answers a path as it is written (or several, as a terminal pastes them), or None.

    With an empty field, the folder that was used last, the home and `offers` are listed.

    Args:
        offers: rows of places that are worth a look, by their paths.
    """

    SIZE = "-wide"

    def __init__(
        self,
        title: str,
        *,
        value: str = "",
        hint: str = "",
        placeholder: str = "",
        offers: Sequence[Row] = (),
    ) -> None:
        super().__init__(title, value=value, hint=hint, placeholder=placeholder)
        self._offers = offers
        self._matches: Sequence[PathMatch] = ()
        self._walked = False

    def compose_body(self) -> ComposeResult:
        yield PathField(self._value, placeholder=self._placeholder, id="answer")
        rows = Rows(ground=SURFACE, id="path-rows")
        # The field keeps the focus and passes the arrows on, so the row has to show its cursor without it.
        rows.can_focus = False
        rows.always_here = True
        yield rows

    @property
    def rows(self) -> Rows:
        return self.query_one("#path-rows", Rows)

    @property
    def field(self) -> Input:
        return self.query_one("#answer", Input)

    def on_mount(self) -> None:
        super().on_mount()
        self._look(self.field.value)

    @on(Input.Changed, "#answer")
    def _typed(self, event: Input.Changed) -> None:
        self._walked = False
        self._look(event.value)

    @work(group="path", exclusive=True, exit_on_error=False)
    async def _look(self, text: str) -> None:
        # A folder may be on a slow disk; a later look at another one takes the place of this one.
        self._matches = await asyncio.to_thread(fitting, text) if text.strip() else await self._beginnings()
        offered = self._offers if not text.strip() else ()
        rows = [*offered, *map(_row, self._matches)]
        self.rows.empty = t("path.none")
        self.rows.set_rows(rows, at=rows[0].id if rows else None)

    async def _beginnings(self) -> Sequence[PathMatch]:
        last = await self.runtime.library.state.get(LAST, "")
        beginnings = [last if isinstance(last, str) else "", "~" + os.sep, str(Path.cwd()) + os.sep]
        return [PathMatch(text, text, True) for text in dict.fromkeys(beginnings) if text]

    @on(PathField.Complete)
    def _complete(self) -> None:
        """As far as it is clear, else the row under the cursor."""
        if not self.is_current:  # the key came while the dialog was closing: its field may be gone already
            return
        text = self.field.value
        # Once somebody has walked to a row with the arrows, tab means that row.
        wanted = longest(self._matches, text) if text.strip() and self._matches and not self._walked else text
        if wanted == text and self.rows.chosen:
            wanted = self.rows.chosen
        self._put(wanted)

    def _put(self, text: str) -> None:
        self.field.value = text
        self.field.cursor_position = len(text)

    @on(PathField.Walk)
    def _walk(self, event: PathField.Walk) -> None:
        self._walked = True
        self.rows.action_move(event.step)

    @on(Rows.Chosen, "#path-rows")
    def _clicked(self, event: Rows.Chosen) -> None:
        event.stop()
        self._put(event.id)
        self.field.focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        """What is written; with nothing written, the row that was walked to."""
        event.prevent_default()  # not the answer of a plain line: the folder is remembered first
        event.stop()
        if not self.is_current:
            return
        text = self.field.value.strip() or (self.rows.chosen if self._walked or self._offers else "")
        if text:
            self._answer_with(text)

    @work(group="path", exclusive=True, exit_on_error=False)
    async def _answer_with(self, text: str) -> None:
        folder = await asyncio.to_thread(_folder_of, text)
        if folder:
            await self.runtime.library.state.set(LAST, folder)
        self.dismiss(text)


def _row(fitting: PathMatch) -> Row:
    return Row(fitting.text, clean_line(fitting.name, 200), mark="▸" if fitting.folder else " ")


def _folder_of(text: str) -> str:
    """The folder of a path that is there, as it is written; "" for anything else."""
    try:
        there = Path(text).expanduser()
        if there.is_dir():
            return text.rstrip("/" + os.sep) + os.sep
        return _split(text)[0] if there.parent.is_dir() else ""
    except (OSError, ValueError, RuntimeError):
        return ""

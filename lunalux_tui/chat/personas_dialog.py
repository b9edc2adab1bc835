"""Who the person plays: a name and a description, several to choose from."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from textual import work
from textual.app import ComposeResult
from textual.widgets import Input, Label, Static, TextArea

from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.dialog import CANCEL, question
from lunalux_tui.parts.draft_dialog import DraftDialog, offer
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row
from lunalux_tui.parts.told import Told

if TYPE_CHECKING:
    from lunalux_core.library.personas import Persona
    from lunalux_core.runtime import Runtime


NO_BOOK, BOOK = "none", "book:"
"""Ids of rows: no worldbook, and the beginning of one with a name."""


class PersonasDialog(PickDialog):
    """Answers the id of the persona to play, or None; makes, changes and deletes in place."""

    ACTIONS = (
        Action("personas.new", "new", "ctrl+n", footer=81, priority=True, palette=False),
        Action("personas.edit", "edit", "ctrl+e", footer=82, priority=True, palette=False),
        Action("personas.delete", "delete", "ctrl+d", footer=83, priority=True, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    TWO_LINES = True
    ABOUT_A_ROW = frozenset({"edit", "delete"})

    def __init__(self, runtime: Runtime, current: str = "") -> None:
        super().__init__(question("personas.title"), current=current, hint=question("personas.hint"))
        self._runtime = runtime
        self._personas: dict[str, Persona] = {}

    def on_mount(self) -> None:
        super().on_mount()
        self._begin()

    @work(exit_on_error=False)
    async def _begin(self) -> None:
        await self._read()

    async def _read(self) -> None:
        personas = await self._runtime.library.personas.list()
        self._personas = {persona.id: persona for persona in personas}
        # Where the conversation names nobody, the one for new conversations plays.
        if not self._current:
            self._current = next((persona.id for persona in personas if persona.chosen), "")
            self.rows.current = self._current
        rows = [
            Row(
                persona.id,
                persona.name,
                persona.description,
                right=persona.worldbook,
                mark="✓" if persona.chosen else "",
            )
            for persona in personas
        ]
        self.rows.empty = question("personas.none")
        self.show(rows)

    @work(exit_on_error=False)
    async def action_new(self) -> None:
        await self._edit(None)

    @work(exit_on_error=False)
    async def action_edit(self) -> None:
        await self._edit(self._personas.get(self.rows.chosen))

    async def _edit(self, persona: Persona | None) -> None:
        library = self._runtime.library
        books = [book.name for book in await library.worldbooks.list()]
        before = NOBODY
        if persona is not None:  # blanks at the ends are no words that were written here
            before = PersonaText(persona.name.strip(), persona.description.strip(), persona.worldbook)
        key = f"persona:{persona.id if persona else 'new'}"

        async def keep(text: PersonaText) -> None:
            await library.drafts.keep(key, "" if text == before else json.dumps(text))

        dialog = PersonaDialog(before, books, draft=_drafted(await library.drafts.get(key)), keep=keep)
        text = await self.app.push_screen_wait(dialog)
        await keep(dialog.unsaved if text is None else text)  # until it stands where it belongs
        if text is None:
            if dialog.unsaved != before:
                self.notify(question("draft_kept"), markup=False)
            return
        saved = await library.personas.save(text.name, text.description, persona.id if persona else None)
        await library.personas.bind(saved.id, text.worldbook)
        await library.drafts.keep(key, "")
        await self._read()

    @work(exit_on_error=False)
    async def action_delete(self) -> None:
        persona = self._personas.get(self.rows.chosen)
        if persona is None:
            return
        asked = question("personas.delete", name=clean_line(persona.name, 80))
        if await self.app.push_screen_wait(ConfirmDialog(question("personas.delete_title"), asked)):
            await self._runtime.library.personas.delete(persona.id)
            await self._runtime.library.drafts.keep(f"persona:{persona.id}", "")
            await self._read()


class PersonaText(NamedTuple):
    """What a person writes of a persona; the worldbook is named, "" for none."""

    name: str
    description: str
    worldbook: str


NOBODY = PersonaText("", "", "")


def _drafted(stored: str) -> PersonaText | None:
    """What was kept; None where nothing was, or another version of the program kept it otherwise."""
    with suppress(ValueError, TypeError):
        text = PersonaText(*json.loads(stored))
        return text if all(isinstance(part, str) for part in text) else None
    return None


class PersonaDialog(DraftDialog[PersonaText]):
    """Asks for name, description and the worldbook that goes with this part.

    Args:
        books: names of the worldbooks there are.
        draft: what was not saved last time; one undo in the description shows the stored one again.
        keep: keeps what is being written.
    """

    ACTIONS = (
        Action("dialog.save", "save", "ctrl+s", footer=80, priority=True, palette=False),
        Action("personas.book", "book", "ctrl+b", footer=81, priority=True, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    SIZE = "-wide"

    def __init__(
        self,
        persona: PersonaText = NOBODY,
        books: Sequence[str] = (),
        *,
        draft: PersonaText | None = None,
        keep: Callable[[PersonaText], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(question("persona.title"), hint=question("unsaved") if draft else "")
        self._persona = persona
        self._draft = draft
        self.keep = keep
        self._books = books
        self.unsaved = draft or persona
        self._book = self.unsaved.worldbook

    def compose_body(self) -> ComposeResult:
        yield Label(question("persona.name"), markup=False)
        yield OneLineInput(self.unsaved.name, id="persona-name")
        yield Label(question("persona.description"), markup=False)
        yield TextArea(
            self._persona.description,
            soft_wrap=True,
            show_line_numbers=False,
            compact=True,
            tab_behavior="focus",
            id="persona-description",
        )
        yield Told(self._bound(), id="persona-book")

    def on_mount(self) -> None:
        if self._draft is not None:
            offer(self.query_one("#persona-description", TextArea), self._draft.description)

    def _bound(self) -> str:
        """The line that names the worldbook."""
        if not self._book:
            return question("persona.book_none")
        there = self._book in self._books
        return question("persona.book" if there else "persona.book_gone", name=clean_line(self._book, 80))

    @work(exit_on_error=False)
    async def action_book(self) -> None:
        rows = [Row(NO_BOOK, question("persona.no_book")), *(Row(BOOK + name, name) for name in self._books)]
        dialog = PickDialog(
            question("persona.book_title"),
            rows,
            current=BOOK + self._book if self._book else NO_BOOK,
            hint=question("persona.book_hint" if self._books else "persona.book_empty"),
        )
        chosen = await self.app.push_screen_wait(dialog)
        if chosen is not None:
            self._book = chosen.removeprefix(BOOK) if chosen != NO_BOOK else ""
            self.query_one("#persona-book", Static).update(self._bound())
            self.keep_soon()

    def written(self) -> PersonaText:
        """What stands here."""
        name = self.query_one("#persona-name", Input).value.strip()
        return PersonaText(name, self.query_one("#persona-description", TextArea).text.strip(), self._book)

    def action_save(self) -> None:
        written = self.written()
        if not written.name:
            self.query_one("#persona-name", Input).focus()
            self.notify(question("persona.name_missing"), severity="warning", markup=False)
            return
        self.dismiss(written)

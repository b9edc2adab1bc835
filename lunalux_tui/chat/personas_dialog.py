"""Who the person plays: a name and a description, several to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.widgets import Input, Label, Static, TextArea

from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.dialog import CANCEL, Dialog, question
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
        answer = await self.app.push_screen_wait(PersonaDialog(persona, books))
        if answer is not None:
            name, description, book = answer
            saved = await library.personas.save(name, description, persona.id if persona else None)
            await library.personas.bind(saved.id, book)
            await self._read()

    @work(exit_on_error=False)
    async def action_delete(self) -> None:
        persona = self._personas.get(self.rows.chosen)
        if persona is None:
            return
        asked = question("personas.delete", name=clean_line(persona.name, 80))
        if await self.app.push_screen_wait(ConfirmDialog(question("personas.delete_title"), asked)):
            await self._runtime.library.personas.delete(persona.id)
            await self._read()


class PersonaDialog(Dialog[tuple[str, str, str]]):
    """Asks for name, description and the worldbook that goes with this part; "" for none.

    Args:
        books: names of the worldbooks there are.
    """

    ACTIONS = (
        Action("dialog.save", "save", "ctrl+s", footer=80, priority=True, palette=False),
        Action("personas.book", "book", "ctrl+b", footer=81, priority=True, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    SIZE = "-wide"

    def __init__(self, persona: Persona | None, books: Sequence[str] = ()) -> None:
        super().__init__(question("persona.title"))
        self._persona = persona
        self._books = books
        self._book = persona.worldbook if persona else ""

    def compose_body(self) -> ComposeResult:
        persona = self._persona
        yield Label(question("persona.name"), markup=False)
        yield Input(persona.name if persona else "", id="persona-name")
        yield Label(question("persona.description"), markup=False)
        yield TextArea(
            persona.description if persona else "",
            soft_wrap=True,
            show_line_numbers=False,
            compact=True,
            tab_behavior="focus",
            id="persona-description",
        )
        yield Told(self._bound(), id="persona-book")

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

    def action_save(self) -> None:
        name = self.query_one("#persona-name", Input).value.strip()
        if not name:
            self.query_one("#persona-name", Input).focus()
            self.notify(question("persona.name_missing"), severity="warning", markup=False)
            return
        self.dismiss((name, self.query_one("#persona-description", TextArea).text.strip(), self._book))

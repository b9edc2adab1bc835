"""Who the person plays: a name and a description, several to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.widgets import Input, Label, TextArea

from lunalux_tui.actions import Action, bindings
from lunalux_tui.dialogs.base import CANCEL, Dialog, question
from lunalux_tui.dialogs.pick import PickDialog
from lunalux_tui.widgets.rows import Row

if TYPE_CHECKING:
    from lunalux_core.library.personas import Persona
    from lunalux_core.runtime import Runtime


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
        self._personas = {one.id: one for one in personas}
        if not self._current:
            self._current = next((one.id for one in personas if one.chosen), "")
            self.rows.current = self._current
        rows = [Row(one.id, one.name, one.description, mark="✓" if one.chosen else "") for one in personas]
        self.rows.empty = question("personas.none")
        self.show(rows)

    @work(exit_on_error=False)
    async def action_new(self) -> None:
        await self._edit(None)

    @work(exit_on_error=False)
    async def action_edit(self) -> None:
        await self._edit(self._personas.get(self.rows.chosen))

    async def _edit(self, persona: Persona | None) -> None:
        answer = await self.app.push_screen_wait(PersonaDialog(persona))
        if answer is not None:
            name, description = answer
            await self._runtime.library.personas.save(name, description, persona.id if persona else None)
            await self._read()

    @work(exit_on_error=False)
    async def action_delete(self) -> None:
        if self.rows.chosen:
            await self._runtime.library.personas.delete(self.rows.chosen)
            await self._read()


class PersonaDialog(Dialog[tuple[str, str]]):
    """Asks for name and description."""

    ACTIONS = (Action("dialog.save", "save", "ctrl+s", footer=80, priority=True, palette=False), CANCEL)
    BINDINGS = bindings(ACTIONS)
    SIZE = "-wide"

    def __init__(self, persona: Persona | None) -> None:
        super().__init__(question("persona.title"))
        self._persona = persona

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

    def action_save(self) -> None:
        name = self.query_one("#persona-name", Input).value.strip()
        if not name:
            self.query_one("#persona-name", Input).focus()
            self.notify(question("persona.name_missing"), severity="warning", markup=False)
            return
        self.dismiss((name, self.query_one("#persona-description", TextArea).text.strip()))

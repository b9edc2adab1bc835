"""The character editor, driven over real files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chat_world import Driven, open_app
from textual.widgets import Input, TextArea

from lunalux_tui.create.screen import CreateScreen
from lunalux_tui.parts.ask_dialog import AskDialog
from lunalux_tui.parts.form_field import FieldBox


class Editor:
    """The editor on a running app."""

    def __init__(self, driven: Driven) -> None:
        self.driven = driven

    @property
    def screen(self) -> CreateScreen:
        screen = self.driven.app.screen
        assert isinstance(screen, CreateScreen)
        return screen

    async def section(self, name: str) -> None:
        """Go to a part and into it."""
        self.screen.show_section(name, enter=True)
        await self.driven.until(
            lambda: self.screen.section_view.stands and not self.screen.sections.has_focus
        )
        await self.driven.settle()

    def box(self, field: str) -> FieldBox:
        return next(box for box in self.screen.section_view.query(FieldBox) if box.field == field)

    async def write(self, field: str, text: str) -> None:
        """Put a text into a field, as a paste does."""
        control = self.box(field).field_control
        assert isinstance(control, Input | TextArea)
        control.focus()
        if isinstance(control, TextArea):
            control.load_text(text)
        else:
            control.value = text
        await self.driven.settle()
        assert self.box(field).text == text

    async def answer(self, text: object, field: str = "#answer") -> None:
        """Write into the dialog that is open, and press enter."""
        await self.driven.until(lambda: self.driven.app.screen.query(field))
        self.driven.app.screen.query_one(field, Input).value = str(text)
        await self.driven.press("enter")

    async def asked(self) -> None:
        await self.driven.until(lambda: isinstance(self.driven.app.screen, AskDialog))

    async def back(self) -> None:
        """Wait until the editor is in front again."""
        await self.driven.until(lambda: isinstance(self.driven.app.screen, CreateScreen))

    @property
    def data(self) -> dict[str, object]:
        """`data` of the document."""
        found: dict[str, object] = dict(self.screen.draft.document["data"])
        return found


@asynccontextmanager
async def open_editor(size: tuple[int, int] = (120, 40)) -> AsyncIterator[Editor]:
    """The app with the editor in front."""
    async with open_app(size) as driven:
        driven.app.action_go("create")
        await driven.until(lambda: getattr(driven.app.screen, "ready", False))
        yield Editor(driven)

"""A worldbook of the library: its entries, the one under the cursor, and the live test of all of them.

Every change is kept on a pause of typing and when the screen is left; undo brings it back while it is open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import getters, work
from textual.app import ComposeResult
from textual.timer import Timer

from lunalux_core.cards.card import Card
from lunalux_core.editor.draft import Draft, Snapshot
from lunalux_tui.actions import Action, bindings, first_key
from lunalux_tui.create.open_draft import PAUSE
from lunalux_tui.create.sections import BY_ID
from lunalux_tui.create.sections.worldbook_section import WorldbookSection
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import keymap_of
from lunalux_tui.parts.kept_head import KeptHead
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.screen import LunaScreen

if TYPE_CHECKING:
    from lunalux_core.library.shelf import ShelfItem

BOOK_ACTIONS = (
    Action("books.leave", "leave", "escape", footer=30, palette=False),
    Action("books.test", "test_book", "f10", footer=20, priority=True),
    Action("books.undo", "undo", "ctrl+z", footer=21, priority=True),
    Action("books.redo", "redo", "ctrl+y,ctrl+shift+z", priority=True),
)


class BookScreen(LunaScreen[None]):
    """Edits a worldbook of the library, with the section of the character editor for the book of a card."""

    PLACE = "book"
    AUTO_FOCUS = ""
    CSS_PATH: ClassVar = "screen.tcss"
    ACTIONS = BOOK_ACTIONS
    BINDINGS = bindings(ACTIONS)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-middle"), (32, "-tall")]  # noqa: RUF012

    section_view = getters.query_one(WorldbookSection)
    head = getters.query_one(KeptHead)

    def __init__(self, item: ShelfItem) -> None:
        super().__init__()
        self._item = item
        self.draft = draft_of(item)
        self._saved_document = self.draft.document
        self._pause: Timer | None = None

    def compose(self) -> ComposeResult:
        yield KeptHead()
        yield WorldbookSection(BY_ID["book"])
        yield KeyBar()

    def on_mount(self) -> None:
        self.head.name_shown = self._item.name
        self.section_view.once_it_stands(self.section_view.enter)

    @property
    def book(self) -> Any:
        """The document as it is now."""
        return self.draft.card.get("character_book")

    # -- what the section asks of its screen (`sections.editor_host.EditorHost`) ----------------------------

    def touched(self) -> None:
        """The book changed: keep it when typing pauses."""
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE, self._keep_soon)
        self._show_state()

    def tell_undo(self, key: str, **params: object) -> None:
        self.notify(t(key, **params), title="", markup=False, timeout=4)

    def show_section(self, section_id: str, *, enter: bool = False, at: str = "") -> None:
        """There is one section here."""

    def key_of(self, action: Action) -> str:
        return first_key(action, keymap_of(self))

    # -- keeping -------------------------------------------------------------------------------------

    def _show_state(self) -> None:
        # Compared by identity: every change makes a new document, and undo restores an old one.
        self.head.kept = self.draft.document is self._saved_document
        self.refresh_bindings()

    def _keep_soon(self) -> None:
        self._pause = None
        self._keep()

    @work(group="keep", exit_on_error=False)
    async def _keep(self) -> None:
        await self.keep_draft()

    async def keep_draft(self) -> None:
        """Store the book as it is; called when the program ends, too."""
        document = self.draft.document
        if document is self._saved_document:
            return
        await self.runtime.library.worldbooks.save(self._item.id, document=self.book)
        # Not `self.draft.document`, which may have changed while this one was stored.
        self._saved_document = document
        self._show_state()

    # -- actions -------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "undo":
            return self.draft.can_undo
        if action == "redo":
            return self.draft.can_redo
        return True

    def action_undo(self) -> None:
        self._after_undo(self.draft.undo())

    def action_redo(self) -> None:
        self._after_undo(self.draft.redo())

    def _after_undo(self, place: str | None) -> None:
        if place is not None:
            self.section_view.read()
            self.section_view.reveal(place)
            self.touched()

    def action_test_book(self) -> None:
        self.section_view.once_it_stands(self.section_view.show_trial)

    async def action_leave(self) -> None:
        """Leave the entry, then the search, then the book, which is stored."""
        field = self.section_view.field
        if self.section_view.stands and (not self.section_view.rows.has_focus or field.value):
            field.value = ""
            self.section_view.back()
            self.section_view.rows.focus()
            return
        await self.keep_draft()
        self.dismiss(None)


def draft_of(item: ShelfItem) -> Draft:
    """The draft of a card that has only this book, so that the character editor can edit it. Books in other
    formats are converted to SillyTavern's.

    Raises:
        InvalidInput: WORLDBOOK_UNKNOWN, when it is no worldbook at all.
    """
    from lunalux_core.worldbook.book_reader import read_book, write_book

    document = item.document
    if not (isinstance(document, dict) and isinstance(document.get("entries"), dict | list)):
        document = write_book(read_book(document, item.name).book)
    card = Card.new(item.name, character_book=document).document
    return Draft(Snapshot(card, card), Snapshot(card, card))

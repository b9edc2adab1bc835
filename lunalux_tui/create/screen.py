"""The character editor: parts at the left, the form of one at the right, the JSON beside it if wanted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual import events, getters, on, work
from textual.app import ComposeResult
from textual.widget import Widget
from textual.worker import Worker

from lunalux_core.editor.draft import Draft
from lunalux_core.editor.draft_checks import check
from lunalux_core.errors import LunaluxError
from lunalux_tui.actions import Action, bindings, first_key
from lunalux_tui.create.card_file_actions import CardFileActions
from lunalux_tui.create.draft_head import CreateHead
from lunalux_tui.create.json_view import JsonView
from lunalux_tui.create.library_actions import LibraryActions
from lunalux_tui.create.open_draft import OpenDraft
from lunalux_tui.create.section_rows import SectionRows
from lunalux_tui.create.section_views import SectionViews
from lunalux_tui.create.sections import BY_ID, SECTIONS, Section, section_of
from lunalux_tui.create.sections.editor_section import EditorSection
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Column, SideBySide, keymap_of
from lunalux_tui.parts.files import importable_paths
from lunalux_tui.parts.form_field import FieldBox
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.picture import Picture
from lunalux_tui.parts.place_bar import PlaceBar
from lunalux_tui.parts.rows import Rows
from lunalux_tui.parts.screen import Handler, LunaScreen

if TYPE_CHECKING:
    from lunalux_tui.chat.chat_host import ChatHost
    from lunalux_tui.parts.dialog import Dialog

Answer = TypeVar("Answer")

CREATE_ACTIONS = (
    Action("create.save", "save", "ctrl+s", footer=20, priority=True),
    Action("create.chat", "chat", "ctrl+t", footer=21, priority=True),
    Action("create.preview", "preview", "ctrl+b", footer=22, priority=True),
    Action("create.open", "open", "ctrl+o", footer=23, priority=True),
    Action("create.editor", "editor", "ctrl+g", footer=24, priority=True),
    Action("create.undo", "undo", "ctrl+z", footer=25, priority=True),
    Action("create.redo", "redo", "ctrl+y,ctrl+shift+z", priority=True),
    Action("create.sections", "sections", "escape", footer=10, palette=False),
    Action("create.next_section", "section(1)", "ctrl+pagedown,alt+pagedown", priority=True),
    Action("create.previous_section", "section(-1)", "ctrl+pageup,alt+pageup", priority=True),
    Action("create.problems", "problems"),
    Action("create.import", "import", "ctrl+l", priority=True),
    Action("create.export", "export"),
    Action("create.publish", "publish"),
    Action("create.picture", "picture"),
    Action("create.no_picture", "no_picture"),
    Action("create.copy_json", "copy_json"),
    Action("create.save_json", "save_json"),
    Action("create.clear", "clear"),
    Action("create.discard", "discard"),
    Action("create.test_book", "test_book", "f10", footer=26, priority=True),
)


HANDLERS: Mapping[str, Handler[CreateScreen]] = {
    "open": Handler(lambda screen: screen.library.choose, "dialog"),
    "save": Handler(lambda screen: screen.library.save_and_tell, "dialog"),
    "clear": Handler(lambda screen: screen.library.clear),
    "discard": Handler(lambda screen: screen.library.discard),
    "publish": Handler(lambda screen: screen.library.publish, "dialog"),
    "tags": Handler(lambda screen: screen.library.choose_tags, "dialog"),
    "import": Handler(lambda screen: screen.files.ask_and_bring, "dialog"),
    "picture": Handler(lambda screen: screen.files.choose_picture, "dialog"),
    "no_picture": Handler(lambda screen: screen.files.take_picture_away),
    "export": Handler(lambda screen: screen.files.export, "dialog"),
    "save_json": Handler(lambda screen: screen.files.save_json, "dialog"),
    "copy_json": Handler(lambda screen: screen.files.copy_json, "copy"),
}
"""Which of the screen's objects does an action, and among which workers."""


class CreateScreen(LunaScreen[None]):
    """Shows parts, form and JSON of `open_draft`; the views write into it and call `touched`.

    What takes time or asks something is done by `files` and `library`, each in a worker.
    """

    PLACE = "create"
    AUTO_FOCUS = "#create-sections"
    CSS_PATH: ClassVar = "screen.tcss"
    ACTIONS = CREATE_ACTIONS
    BINDINGS = bindings(ACTIONS)
    HANDLERS = HANDLERS
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-roomy")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-middle"), (32, "-tall")]  # noqa: RUF012

    PREVIEW: ClassVar[str] = "-preview"
    """Class of the screen while the JSON is in view."""

    files: CardFileActions
    library: LibraryActions

    head = getters.query_one(CreateHead)
    preview = getters.query_one(JsonView)
    sections = getters.query_one(SectionRows)
    section_views = getters.query_one(SectionViews)

    def __init__(self) -> None:
        super().__init__()
        self.open_draft = OpenDraft(self)
        self.files = CardFileActions(self, self.open_draft)
        self.library = LibraryActions(self, self.open_draft)
        self.section = SECTIONS[0]
        self._wanted: str | None = None
        self.ready = False
        """Whether a draft is open and shown."""

    def compose(self) -> ComposeResult:
        yield PlaceBar()
        yield CreateHead()
        with SideBySide(id="create-body"):
            with Column(id="create-side"):
                yield SectionRows(id="create-sections")
                yield Picture(id="create-picture")
            yield SectionViews(id="create-main")
            yield JsonView(id="create-json")
        yield KeyBar()

    def on_mount(self) -> None:
        self._mark_sections(True)
        self._begin()

    @work(group="open", exclusive=True, exit_on_error=False)
    async def _begin(self) -> None:
        await self.open_draft.take_up(self._wanted)
        if self._wanted is not None and self._wanted != self.draft.character_id:  # asked for meanwhile
            await self.open_draft.take_up(self._wanted)
        self.ready = True
        self._show(self.section)

    async def edit_character(self, character_id: str) -> None:
        """Change a character of the library; what is written now waits as its own draft."""
        if not self.ready:
            self._wanted = character_id
            return
        await self.open_draft.take_up(character_id)
        self.show_section(SECTIONS[0].id)

    # -- the draft ---------------------------------------------------------------------------------

    @property
    def draft(self) -> Draft:
        return self.open_draft.draft

    def touched(self) -> None:
        """The draft changed: show it everywhere, and keep it."""
        self.open_draft.touched()
        self._preview_later()

    async def keep_draft(self) -> None:
        """Store what is written; called when the program ends, too."""
        await self.open_draft.keep()

    def keep_in_background(self) -> Worker[None]:
        return self.run_in("keep", self.open_draft.keep, exclusive=False)

    def on_screen_suspend(self) -> None:
        self.open_draft.left()

    def on_screen_resume(self) -> None:
        if self.ready:
            self.show_draft_state()

    def show_draft(self) -> None:
        """Show the draft after it changed as a whole."""
        self.show_draft_state()
        self._show_picture()
        self._read_pane()
        self._preview_later()

    def draft_replaced(self) -> None:
        """The draft changed as a whole: show all of it, and keep it."""
        self.show_draft()
        self.touched()

    def show_draft_state(self) -> None:
        """The line at the top, and the marks in the list of parts."""
        if not self.is_mounted:
            return
        # An untouched form has nothing wrong in it yet.
        problems = () if self.draft.blank else check(self.draft.document)
        self.head.show(self.draft, problems, kept=self.open_draft.kept)
        self.refresh_bindings()
        self.sections.show(self.draft.document, problems)

    def _show_picture(self) -> None:
        """The picture under the list of parts."""
        picture = self.draft.snapshot.picture
        name = self.draft.card.name
        self.query_one("#create-picture", Picture).show(
            picture.data if picture else None, who=name or "?", seed=self.draft.character_id or name
        )

    def _read_pane(self) -> None:
        if self.ready and self.section_view.stands:
            self.section_view.read()

    def action_undo(self) -> None:
        self._went(self.draft.undo())

    def action_redo(self) -> None:
        self._went(self.draft.redo())

    def _went(self, place: str | None) -> None:
        if place is None:
            self.notify(t("create.nothing_undone"), markup=False, timeout=2)
            return
        self.draft_replaced()
        self.reveal(place)

    def tell_undo(self, key: str, **params: object) -> None:
        """Say what was done, and that it can be taken back."""
        self.notify(t(key, **params), title="", markup=False, timeout=4)

    # -- JSON --------------------------------------------------------------------------------------

    def _preview_later(self) -> None:
        """Let the JSON follow the draft, where it is in view."""
        if self.has_class(self.PREVIEW):
            self.preview.show_later(self.draft.document)

    def action_preview(self) -> None:
        """Show or hide the JSON beside the form."""
        self.toggle_class(self.PREVIEW)
        if self.has_class(self.PREVIEW):
            self.preview.show_document(self.draft.document)
            # There it covers the form, so that keys have to go to it.
            if self.has_class("-narrow"):
                self.preview.focus()

    # -- sections ----------------------------------------------------------------------------------

    @property
    def section_view(self) -> EditorSection:
        """What is shown at the right."""
        return self.section_views.view(self.section)

    def show_section(self, section_id: str, *, enter: bool = False, at: str = "") -> None:
        """Show a part; `enter` puts the cursor into it, at the place `at` if one is named."""
        if section_id not in BY_ID or not self.ready:
            return
        self._show(BY_ID[section_id])
        if enter:
            self.action_enter()
        if at:
            self._mark_sections(False)
            self.section_view.once_it_stands(partial(self.section_view.reveal, at))

    def _show(self, section: Section) -> None:
        self.section = section
        self.section_views.show(section)
        self.sections.current = section.id
        if self.sections.chosen != section.id:
            self.sections.set_rows(self.sections.rows, at=section.id)
        self.refresh_bindings()

    @on(Rows.Moved, "#create-sections")
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()
        if self.ready:
            self._follow_cursor()

    def _follow_cursor(self) -> None:
        """Show what the cursor of the list is on; keys may come faster than parts are shown."""
        if self.sections.has_focus and self.sections.chosen not in ("", self.section.id):
            self._show(BY_ID[self.sections.chosen])

    @on(Rows.Chosen, "#create-sections")
    def _chosen(self, event: Rows.Chosen) -> None:
        event.stop()
        self.show_section(event.id, enter=True)

    def action_enter(self) -> None:
        """Into the part that is shown, or that the cursor is on."""
        if self.ready:
            self._follow_cursor()
            self._mark_sections(False)
            self.section_view.once_it_stands(self.section_view.enter)

    def action_sections(self) -> None:
        """One step back: out of an entry, out of the JSON, to the list of parts."""
        if self.preview.has_focus:
            if self.has_class("-narrow"):
                self.remove_class(self.PREVIEW)
            self.call_after_refresh(self.action_enter)
            return
        if (
            self.ready
            and self.section_view.stands
            and not self.sections.has_focus
            and self.section_view.back()
        ):
            return
        self._mark_sections(True)
        self.sections.focus()

    def _mark_sections(self, in_sections: bool) -> None:
        """Whether the cursor is in the list of parts.

        Only a narrow screen and one with the JSON look different then: elsewhere the styles of some hundred
        fields are not worked out again.
        """
        shown = self.has_class("-narrow") or self.has_class(self.PREVIEW)
        self.set_class(in_sections, "-sections", update=shown)

    def action_section(self, step: int) -> None:
        """The part before or after."""
        at = SECTIONS.index(self.section)
        self.show_section(SECTIONS[(at + step) % len(SECTIONS)].id, enter=not self.sections.has_focus)

    def action_problems(self) -> None:
        self.show_section("finish", enter=True)

    def action_test_book(self) -> None:
        """Try the worldbook on a text."""
        from lunalux_tui.create.sections.worldbook_section import WorldbookSection

        self.show_section("book", enter=True)
        view = self.section_view
        if isinstance(view, WorldbookSection):
            view.once_it_stands(view.show_trial)

    def reveal(self, place: str) -> None:
        self.show_section(section_of(place), at=place)

    @property
    def long_box(self) -> FieldBox | None:
        return self.section_view.long_box if self.ready and self.section_view.stands else None

    def set_focus(
        self, widget: Widget | None, scroll_visible: bool = True, from_app_focus: bool = False
    ) -> None:
        """Fields bring themselves into view, their names with them."""
        of_box = widget is not None and isinstance(widget.parent, FieldBox)
        super().set_focus(widget, scroll_visible and not of_box, from_app_focus)

    # -- what can be done now ----------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "sections":
            return not self.ready or not self.sections.has_focus
        if action == "undo":
            return self.draft.can_undo
        if action == "redo":
            return self.draft.can_redo
        if action == "editor":
            return self.ready and self.long_box is not None
        if action == "test_book":
            return self.section.id == "book"
        if action == "no_picture":
            return self.draft.snapshot.picture is not None
        if action == "discard":
            return bool(self.draft.character_id) and self.draft.changed
        if action == "clear":
            return not self.draft.character_id and self.draft.changed
        return True

    def key_of(self, action: Action) -> str:
        """See `actions.first_key`."""
        return first_key(action, keymap_of(self))

    def retranslate(self) -> None:
        if self.ready:
            self.show_draft_state()
            self._read_pane()  # what is wrong with a field is told in words, too

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def on_paste(self, event: events.Paste) -> None:
        """A card file that is dropped anywhere but into a text comes into the form."""
        if paths := importable_paths(event.text):
            await self.files.bring(paths[0])

    # -- what takes time or asks something ---------------------------------------------------------

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_chat(self) -> None:
        """Save, and talk with the character at once."""
        if identity := await self.library.save():
            self.lunalux.open_character(identity)

    async def bring(self, written: str) -> None:
        """Read the card file that is named."""
        await self.files.bring(written)

    def action_editor(self) -> None:
        """Open the text in the person's own editor."""
        from lunalux_tui.create.external_editor import edit_box

        try:
            if (box := self.long_box) is not None:
                edit_box(self.app, box)
        except LunaluxError as error:
            self.show_failure(error)

    async def ask(self, dialog: Dialog[Answer]) -> Answer | None:
        return await self.app.push_screen_wait(dialog)

    def copy(self, text: str) -> bool:
        # These terminals have no clipboard sequence (OSC 52), and would say nothing.
        if os.environ.get("TERM", "") in ("", "dumb", "linux") and not self.app.is_headless:
            return False
        self.app.copy_to_clipboard(text)
        return True

    async def show_in_chat(self, character_id: str) -> None:
        """Let the chat screen show the character under its new name."""
        chat = cast("ChatHost", self.app).chat
        await chat.objects.roster.refresh()
        if chat.character is not None and chat.character.id == character_id:
            chat.open_chat.character = (await self.runtime.library.characters.get(character_id)).summary
            chat.header.character = chat.character_name

"""The character editor: parts at the left, the form of one at the right, the JSON beside it if wanted."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import events, getters, on, work
from textual.app import ComposeResult
from textual.widget import Widget

from lunalux_core.editor.checks import check, tokens
from lunalux_core.editor.fields import of_section
from lunalux_core.editor.greetings import greetings
from lunalux_core.editor.worldbook import BookView
from lunalux_tui.actions import Action, bindings, key_name, keys_of
from lunalux_tui.create.actions import CREATE_ACTIONS
from lunalux_tui.create.file_actions import CreateFiles
from lunalux_tui.create.head import CreateHead
from lunalux_tui.create.json_view import JsonView
from lunalux_tui.create.sections import BY_ID, SECTIONS, Section, section_of
from lunalux_tui.create.sections.base import EditorSection
from lunalux_tui.parts.drawn import Beside, Column, keymap_of
from lunalux_tui.parts.files import importable_paths
from lunalux_tui.parts.form_field import FieldBox
from lunalux_tui.parts.keybar import KeyBar
from lunalux_tui.parts.picture import Picture
from lunalux_tui.parts.rows import Row, Rows


class SectionRows(Rows):
    """The list of parts."""

    ACTIONS = (Action("create.enter", "screen.enter", "enter,right,l,tab", footer=1, palette=False),)
    BINDINGS = bindings(ACTIONS)


class CreateScreen(CreateFiles):
    """Write a character, or change one of the library."""

    PLACE = "create"
    AUTO_FOCUS = "#create-sections"
    CSS_PATH: ClassVar = "screen.tcss"
    ACTIONS = CREATE_ACTIONS
    BINDINGS = bindings(ACTIONS)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-middle"), (32, "-tall")]  # noqa: RUF012

    sections = getters.query_one("#create-sections", Rows)

    def __init__(self) -> None:
        super().__init__()
        self.section = SECTIONS[0]
        self._panes: dict[str, EditorSection] = {}
        self._wanted: str | None = None
        self.ready = False
        """Whether a draft is open and shown."""

    def compose(self) -> ComposeResult:
        yield CreateHead()
        with Beside(id="create-body"):
            with Column(id="create-side"):
                yield SectionRows(id="create-sections")
                yield Picture(id="create-picture")
            yield Column(id="create-main")
            yield JsonView(id="create-json")
        yield KeyBar()

    def on_mount(self) -> None:
        self.add_class("-sections")
        self._begin()

    @work(group="open", exclusive=True, exit_on_error=False)
    async def _begin(self) -> None:
        await self.take_up(self._wanted)
        if self._wanted is not None and self._wanted != self.draft.character_id:  # asked for meanwhile
            await self.take_up(self._wanted)
        self.ready = True
        self._show(self.section)

    async def edit_character(self, character_id: str) -> None:
        """Change a character of the library; what is written now waits as its own draft."""
        if not self.ready:
            self._wanted = character_id
            return
        await self.take_up(character_id)
        self.show_section(SECTIONS[0].id)

    # -- sections ----------------------------------------------------------------------------------

    @property
    def pane(self) -> EditorSection:
        """What is shown at the right."""
        return self._panes[self.section.id]

    def show_section(self, section_id: str, *, enter: bool = False, at: str = "") -> None:
        """Show a part; `enter` puts the cursor into it, at the place `at` if one is named."""
        if section_id not in BY_ID or not self.ready:
            return
        self._show(BY_ID[section_id])
        if enter:
            self.action_enter()
        if at:
            self.remove_class("-sections")
            self.pane.once_it_stands(partial(self.pane.reveal, at))

    def _show(self, section: Section) -> None:
        self.section = section
        if section.id not in self._panes:
            made = section.make()
            self._panes[section.id] = made
            self.query_one("#create-main").mount(made)
        elif self.pane.stands:
            self.pane.come_up()
        for known, pane in self._panes.items():
            pane.display = known == section.id
        self.sections.current = section.id
        if self.sections.chosen != section.id:
            self.sections.set_rows(self.sections.rows, at=section.id)
        self.refresh_bindings()

    def read_panes(self) -> None:
        if self.ready and self.pane.stands:
            self.pane.read()

    def tell_state(self) -> None:
        super().tell_state()
        self._list_sections()

    def _list_sections(self) -> None:
        found = check(self.draft.document)
        rows = []
        for one in SECTIONS:
            levels = {problem.level for problem in found if section_of(problem.field) == one.id}
            mark = "✗" if "error" in levels else "⚠" if "warning" in levels else " "
            rows.append(Row(one.id, one.title, right=self._amount(one), mark=mark))
        self.sections.set_rows(rows)

    def _amount(self, section: Section) -> str:
        """How much is in a part."""
        document = self.draft.document
        match section.id:
            case "greetings":
                return f"{len([one for one in greetings(document) if one.text.strip()]) or ''}"
            case "book":
                return f"{len(BookView(document)) or ''}"
        count = sum(tokens(known.shown(document)) for known in of_section(section.id) if known.sent)
        return f"{count:,}" if count else ""

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
            self.remove_class("-sections")
            self.pane.once_it_stands(self.pane.enter)

    def action_sections(self) -> None:
        """One step back: out of an entry, out of the JSON, to the list of parts."""
        if self.preview.has_focus:
            if self.has_class("-narrow"):
                self.remove_class(self.PREVIEW)
            self.call_after_refresh(self.action_enter)
            return
        if self.ready and self.pane.stands and not self.sections.has_focus and self.pane.back():
            return
        self.add_class("-sections")
        self.sections.focus()

    def action_section(self, step: int) -> None:
        """The part before or behind."""
        at = SECTIONS.index(self.section)
        self.show_section(SECTIONS[(at + step) % len(SECTIONS)].id, enter=not self.sections.has_focus)

    def action_problems(self) -> None:
        self.show_section("finish", enter=True)

    def action_test_book(self) -> None:
        """Try the worldbook on a text."""
        from lunalux_tui.create.sections.worldbook import WorldbookSection

        self.show_section("book", enter=True)
        pane = self.pane
        if isinstance(pane, WorldbookSection):
            pane.once_it_stands(pane.show_trial)

    def reveal(self, place: str) -> None:
        self.show_section(section_of(place), at=place)

    @property
    def long_box(self) -> FieldBox | None:
        return self.pane.long_box if self.ready and self.pane.stands else None

    def set_focus(
        self, widget: Widget | None, scroll_visible: bool = True, from_app_focus: bool = False
    ) -> None:
        """Fields bring themselves into view, their names with them."""
        of_box = widget is not None and isinstance(widget.parent, FieldBox)
        super().set_focus(widget, scroll_visible and not of_box, from_app_focus)

    # -- what can be done now ----------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "sections":
            return not self.ready or not self.sections.has_focus or self.has_class(self.PREVIEW)
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
        """The first key of an action, as people write it."""
        keys = keys_of(action, keymap_of(self))
        return key_name(keys[0]) if keys else ""

    def retranslate(self) -> None:
        if self.ready:
            self.tell_state()
            self.read_panes()  # what is wrong with a field is told in words, too

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def on_paste(self, event: events.Paste) -> None:
        """A card file that is dropped anywhere but into a text comes into the form."""
        if paths := importable_paths(event.text):
            await self.bring(paths[0])

    def on_screen_resume(self) -> None:
        if self.ready:
            self.tell_state()

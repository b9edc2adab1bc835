"""The worldbook of the character: its entries, the one under the cursor, and the test of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual import getters, on, work
from textual.app import ComposeResult
from textual.timer import Timer
from textual.widgets import Input

from lunalux_core.editor.card_worldbook import BookView, Slot
from lunalux_tui.actions import Action, bindings
from lunalux_tui.create.sections import Section
from lunalux_tui.create.sections.editor_section import EditorSection
from lunalux_tui.create.sections.worldbook_entry import EntryForm, EntryRows, Setting, shown
from lunalux_tui.create.sections.worldbook_test import FIRES, Trial
from lunalux_tui.i18n import t
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.drawn import Column, SideBySide
from lunalux_tui.parts.form_field import FieldBox
from lunalux_tui.parts.rows import Row, Rows

PLACE = "book"
REST = 0.04
"""Seconds the cursor rests before its entry is shown; a list is run through faster than forms are drawn."""
COMING_UP = 0.1
OFF, CONSTANT, KEYED = "◌", "◆", "·"

ACTIONS = (
    Action("book.open", "open", "enter", footer=1, palette=False),
    Action("book.add", "add", "a,insert", footer=2),
    Action("book.duplicate", "duplicate", "c", footer=6),
    Action("book.toggle", "switch", "space", footer=3),
    Action("book.remove", "remove", "d,delete", footer=4),
    Action("book.up", "shift(-1)", "K,shift+up,alt+up", footer=7),
    Action("book.down", "shift(1)", "J,shift+down,alt+down", footer=8),
    Action("book.search", "search", "slash", footer=5),
)
NEEDS_ENTRY = {"open", "duplicate", "switch", "remove", "shift"}
OF_LIST = {"open", "add", "duplicate", "switch", "remove", "shift", "search"}


class WorldbookSection(EditorSection):
    """The list at the left, the entry at the right, the test under them; one of them where it is narrow."""

    ACTIONS = ACTIONS
    BINDINGS = bindings(ACTIONS)

    rows = getters.query_one("#book-rows", Rows)
    form = getters.query_one(EntryForm)
    trial = getters.query_one(Trial)
    field = getters.query_one("#book-search", Input)

    def compose(self) -> ComposeResult:
        with SideBySide(id="book-body"):
            with Column(id="book-list"):
                yield OneLineInput(placeholder=t("create.book.search"), compact=True, id="book-search")
                yield Rows(ground=0, id="book-rows", enter=False)
            yield EntryForm()
        yield Trial()

    def __init__(self, section: Section) -> None:
        super().__init__(section)
        self._seen: Any = None
        self._resting: Timer | None = None
        self._origin: tuple[Any, BookView] | None = None
        self.view = BookView({})

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in NEEDS_ENTRY and (not self.stands or self.chosen is None):
            return False
        return self.stands and self.rows.has_focus if action in OF_LIST else True

    def retranslate(self) -> None:
        self.field.placeholder = t("create.book.search")
        self.show()

    # -- showing -----------------------------------------------------------------------------------

    @property
    def origin(self) -> BookView:
        """The book as it was when the editing began."""
        begun = self.draft.snapshot.origin
        if self._origin is None or self._origin[0] is not begun:
            self._origin = (begun, BookView(begun))
        return self._origin[1]

    @property
    def chosen(self) -> Slot | None:
        key = self.rows.chosen
        return next((slot for slot in self.view.slots if str(slot.key) == key), None)

    def read(self) -> None:
        self.view = BookView(self.draft.document)
        if self.view.raw is not self._seen:
            self._seen = self.view.raw
            self.trial.later()
        self._list()
        self._entry_soon()

    def come_up(self) -> None:
        self.form.display = False  # the list first, ready for keys, in a frame of its own
        self.read()
        self._entry_soon(COMING_UP)

    def show(self, at: int | str | None = None) -> None:
        """Show the list as the search narrows it, the cursor on `at` or where it was; and the entry there."""
        self._list(at)
        self._show_entry()

    def _list(self, at: int | str | None = None) -> None:
        words = self.field.value
        firing = self.trial.firing
        rows = [self._row(slot, firing) for slot in self.view.find(words)]
        self.rows.empty = t("create.book.nothing" if words.strip() else "create.book.empty")
        self.rows.set_rows(rows, at=None if at is None else str(at))

    def _entry_soon(self, seconds: float = REST) -> None:
        """The entry under the cursor, once the list is drawn and the cursor rests."""
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(seconds, self._show_entry)

    def _row(self, slot: Slot, firing: frozenset[str]) -> Row:
        fires = str(slot.uid) in firing
        mark = FIRES if fires else OFF if not slot.enabled else CONSTANT if slot.constant else KEYED
        title = slot.title or t("create.book.untitled")
        right = "" if slot.enabled else t("create.book.off")
        return Row(str(slot.key), title, mark=mark, strong=fires, right=right)

    def _show_entry(self) -> None:
        if self._resting is not None:
            self._resting.stop()
            self._resting = None
        slot = self.chosen
        self.form.show(slot)
        self._tell_why()

    def _tell_why(self) -> None:
        if (slot := self.chosen) is not None:
            self.trial.tell(slot.title or t("create.book.untitled"), slot.uid)

    @on(Trial.Done)
    def _tried(self, event: Trial.Done) -> None:
        event.stop()
        firing = self.trial.firing
        # Only the marks of the list are others now; the entry is left alone, somebody may be writing in it.
        self.rows.set_rows([self._row(slot, firing) for slot in self.view.find(self.field.value)])
        self._tell_why()

    @on(Rows.Moved, "#book-rows")
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()
        self._entry_soon()

    @on(Rows.Moved)
    @on(Rows.Chosen, "#entry-rows")
    def _elsewhere(self, event: Rows.Moved) -> None:
        event.stop()

    @on(Rows.Moved, "#trial-rows")
    def _look_at(self, event: Rows.Moved) -> None:
        """The whole reason of the result under the cursor."""
        if event.rows.has_focus and (slot := self._of_result(event.id)) is not None:
            self.trial.tell(slot.title or t("create.book.untitled"), slot.uid)

    def _of_result(self, row: str) -> Slot | None:
        """The entry that a row of the test is about."""
        uid = row.partition(" ")[2]
        return next((slot for slot in self.view.slots if str(slot.uid) == uid), None)

    @on(Rows.Chosen, "#trial-rows")
    def _go_to(self, event: Rows.Chosen) -> None:
        """From a result to its entry."""
        event.stop()
        if (slot := self._of_result(event.id)) is not None:
            self.field.value = ""
            self.show(slot.key)
            self.rows.focus()

    @on(Input.Changed, "#book-search")
    def _searched(self, event: Input.Changed) -> None:
        event.stop()
        self.show()

    @on(Input.Submitted, "#book-search")
    def _search_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.rows.focus()

    # -- what is done to the list ------------------------------------------------------------------

    def _edit(self, edits: Any, key: int | str | None, *, joined: bool = False) -> None:
        place = f"{PLACE} {key}" if key is not None else PLACE
        self.draft.edit(edits, place, joined=joined)
        self.view = BookView(self.draft.document)
        self._seen = self.view.raw
        self.trial.later()
        self.host.touched()

    @on(Rows.Chosen, "#book-rows")
    def action_open(self) -> None:
        """Into the entry."""
        if self.chosen is not None:
            self._show_entry()
            self.add_class("-entry")
            self.call_after_refresh(self._into_form)

    def _into_form(self) -> None:
        boxes = {box.field: box for box in self.form.query(FieldBox)}
        name = "comment" if not boxes["comment"].text and not boxes["keys"].text else "content"
        boxes[name].target.focus()

    def action_add(self) -> None:
        """One more, ready to be written."""
        edits, key = self.view.added()
        self.field.value = ""
        self._edit(edits, key)
        self.show(key)
        self.action_open()

    def action_duplicate(self) -> None:
        if (slot := self.chosen) is not None:
            edits, key = self.view.added(slot.entry, after=slot)
            self._edit(edits, key)
            self.show(key)

    def action_switch(self) -> None:
        """Switch the entry off or on."""
        if (slot := self.chosen) is not None:
            self._edit(self.view.changed(slot, self.origin, disabled=slot.enabled), slot.key)
            self.show()

    def action_remove(self) -> None:
        if (slot := self.chosen) is not None:
            place = self.rows.cursor
            self._edit(self.view.removed(slot), slot.key)
            self.show()
            # On what came up from below, so that several can be removed one after the other.
            self.rows.cursor = min(place, max(len(self.rows.rows) - 1, 0))
            self.host.tell_undo("create.book.removed")

    def action_shift(self, step: int) -> None:
        """One place up or down in the file; where texts stand in the prompt is the entry's order."""
        if (slot := self.chosen) is not None and (change := self.view.moved(slot, step)) is not None:
            self._edit(change[0], change[1])
            self.show(change[1])

    def action_search(self) -> None:
        self.field.focus()

    def show_trial(self) -> None:
        """To the test."""
        self.remove_class("-entry")  # where it is narrow, the entry hides the test
        self.add_class("-trial")
        self.call_after_refresh(self.query_one("#trial-box", FieldBox).target.focus)

    # -- what is done to an entry ------------------------------------------------------------------

    @on(EntryForm.Edited)
    def _entry_edited(self, event: EntryForm.Edited) -> None:
        event.stop()
        self.change(event.changes, joined=event.joined)

    def change(self, changes: Any, *, joined: bool = False) -> None:
        """Other values for the entry under the cursor."""
        slot = self.form.slot
        # Looked up again by its key: the form may show the entry as it was some changes ago.
        slot = self.view.at(slot.key) if slot is not None else None
        if slot is None:
            return
        self._edit(self.view.changed(slot, self.origin, **changes), slot.key, joined=joined)
        self.show(slot.key)

    @on(EntryRows.Change)
    def _change(self, event: EntryRows.Change) -> None:
        event.stop()
        setting, value = event.setting, getattr(self.form.entry, event.setting.name)
        match setting.kind:
            case "flag":
                self.change({setting.name: not value})
            case "optional flag":
                states: Sequence[bool | None] = (None, True, False)
                self.change({setting.name: states[(states.index(value) + event.step) % 3]})
            case "choice":
                at = setting.choices.index(value) if value in setting.choices else 0
                self.change({setting.name: setting.choices[(at + event.step) % len(setting.choices)]})
            case _:
                self._ask(setting, value)

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def _ask(self, setting: Setting, value: Any) -> None:
        from lunalux_tui.create.entry_value import entry_value_dialog
        from lunalux_tui.parts.ask_dialog import ask_kept

        ask, slot = self.app.push_screen_wait, self.form.slot
        if slot is None:
            return
        written = shown(setting, value) if value not in (None, "", ()) else ""
        dialog = entry_value_dialog(setting, written)
        if setting.kind not in ("text", "texts"):  # a number is no words
            if (answer := await ask(dialog)) is not None:
                self.change({setting.name: answer.value})
            return
        key = f"entry:{self.draft.key}:{slot.key}:{setting.name}"
        draft = self.host.runtime.library.drafts.of(key, written)
        if (words := await ask_kept(ask, dialog, draft)) is not None:
            self.change({setting.name: words.value})
            await draft.forget()

    # -- getting about -----------------------------------------------------------------------------

    def reveal(self, place: str) -> None:
        self.field.value = ""
        key = place.partition(" ")[2]
        self.show(key or None)

    def enter(self) -> None:
        self.rows.focus()

    def back(self) -> bool:
        if self.rows.has_focus:
            return False
        self.remove_class("-entry")
        if self.has_class("-trial") and self.trial.has_focus_within:
            self.remove_class("-trial")
        if self.field.has_focus and self.field.value:
            self.field.value = ""
        self.call_after_refresh(self.rows.focus)
        return True

"""The first messages: the one a chat opens with, others to swipe to, and those for groups."""

from __future__ import annotations

from textual import getters, on
from textual.app import ComposeResult

from lunalux_core.editor import greetings as edits
from lunalux_core.editor.draft_checks import check_greeting, tokens
from lunalux_core.editor.greetings import Greeting, GreetingKind, greetings
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.create.sections.editor_section import EditorSection, show_remark
from lunalux_tui.i18n import t
from lunalux_tui.parts.form_field import FieldBox
from lunalux_tui.parts.rows import Row, Rows

MARKS = {"first": "●", "alternate": "○", "group": "◇"}
PLACE = "greetings"
LISTED = 9
"""Rows of the list that are in view at most."""

ACTIONS = (
    Action("greetings.write", "write", "enter", footer=1, palette=False),
    Action("greetings.add", "add", "a,insert", footer=2),
    Action("greetings.add_group", "add('group')", "A", footer=4),
    Action("greetings.remove", "remove", "d,delete", footer=3),
    Action("greetings.up", "shift(-1)", "K,shift+up,alt+up", footer=5),
    Action("greetings.down", "shift(1)", "J,shift+down,alt+down", footer=6),
)


class GreetingsSection(EditorSection):
    """The list, and the words of the one under the cursor."""

    ACTIONS = ACTIONS
    BINDINGS = bindings(ACTIONS)

    rows = getters.query_one("#greeting-rows", Rows)
    box = getters.query_one(FieldBox)

    def compose(self) -> ComposeResult:
        yield Rows(ground=0, id="greeting-rows", enter=False)
        yield FieldBox("greeting", "create.greeting", "text", id="greeting-box")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.stands and self.rows.has_focus if action in {"write", "add", "remove", "shift"} else True

    @property
    def chosen(self) -> Greeting:
        by_id = {greeting.id: greeting for greeting in greetings(self.draft.document)}
        return by_id.get(self.rows.chosen) or next(iter(by_id.values()))

    def read(self) -> None:
        self.show()

    def show(self, at: str | None = None) -> None:
        """Show the list, the cursor on `at` or where it was."""
        rows = []
        number = 0
        for greeting in greetings(self.draft.document):
            # Those for groups are a list of their own in the card, so they are counted apart.
            number = number + 1 if greeting.kind != "group" else greeting.place + 1
            title = clean_line(greeting.text, 200) or t("create.greeting.empty")
            label = t(f"create.greeting.kind.{greeting.kind}", n=number)
            rows.append(
                Row(
                    greeting.id,
                    title,
                    right=f"{label} · {tokens(greeting.text):,}",
                    mark=MARKS[greeting.kind],
                )
            )
        self.rows.styles.height = min(len(rows), LISTED)
        self.rows.set_rows(rows, at=at)
        self._show_text()

    def _show_text(self) -> None:
        greeting = self.chosen
        self.box.show(greeting.text)
        show_remark(self.box, check_greeting(greeting.text, first=greeting.kind == "first"))

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        event.stop()
        self._show_text()

    @on(Rows.Chosen)
    def action_write(self) -> None:
        """Into the words."""
        self.box.target.focus()

    @on(FieldBox.Edited)
    def _edited(self, event: FieldBox.Edited) -> None:
        event.stop()
        greeting = self.chosen
        changes = edits.rewritten(self.draft.document, greeting, event.text)
        # Joined with what was typed before, so that one undo takes back a stretch and not a letter.
        self.draft.edit(changes, f"{PLACE} {greeting.id}", joined=True)
        self.show()
        self.host.touched()

    def action_add(self, kind: GreetingKind = "alternate") -> None:
        """One more, ready to be written."""
        changes, greeting = edits.added(self.draft.document, kind)
        self.draft.edit(changes, f"{PLACE} {greeting.id}")
        self.show(greeting.id)
        self.host.touched()
        self.action_write()

    def action_remove(self) -> None:
        greeting = self.chosen
        self.draft.edit(edits.removed(self.draft.document, greeting), f"{PLACE} {greeting.id}")
        self.show()
        self.host.touched()
        self.host.tell_undo("create.greeting.removed")

    def action_shift(self, step: int) -> None:
        """One place up or down; what comes to the top is what chats open with."""
        change = edits.moved(self.draft.document, self.chosen, step)
        if change is not None:
            self.draft.edit(change[0], f"{PLACE} {change[1].id}")
            self.show(change[1].id)
            self.host.touched()

    def reveal(self, place: str) -> None:
        self.show(place.partition(" ")[2])

    def enter(self) -> None:
        # As all parts with a text: letters typed right behind are words, and no keys of the list.
        self.action_write()

    def back(self) -> bool:
        if self.rows.has_focus:
            return False
        self.rows.focus()
        return True

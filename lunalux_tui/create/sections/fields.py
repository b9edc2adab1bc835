"""A part of the form that is plain fields."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from lunalux_core.editor.checks import check_field
from lunalux_core.editor.fields import BY_ID, ROLES, of_section
from lunalux_tui.create.sections.base import EditorSection, say
from lunalux_tui.create.sections.tags_field import TagsField
from lunalux_tui.i18n import t
from lunalux_tui.parts.form_field import FieldBox

KINDS = {"text": "text", "texts": "text", "role": "choice"}


class FieldsSection(EditorSection):
    """The fields of a section, one under the other."""

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False, classes="fields"):
            for known in of_section(self.section.id):
                words, kind = f"create.field.{known.id}", KINDS.get(known.kind, "line")
                control = TagsField(t(f"{words}.hint")) if known.kind == "tags" else None
                yield FieldBox(known.id, words, kind, ROLES if kind == "choice" else (), control=control)

    def read(self) -> None:
        document = self.draft.document
        for box in self.query(FieldBox):
            known = BY_ID[box.field]
            shown = known.shown(document)
            if known.kind not in ("tags", "texts") or known.value(box.text) != known.value(shown):
                box.show(shown)
            self._judge(box)

    def _judge(self, box: FieldBox) -> None:
        known = BY_ID[box.field]
        say(box, check_field(known, box.text), count=known.kind == "text")

    @on(FieldBox.Edited)
    def _edited(self, event: FieldBox.Edited) -> None:
        event.stop()
        known = BY_ID[event.box.field]
        self._judge(event.box)
        try:
            self.draft.write(known, event.text)
        except ValueError:
            return  # told at the field; the last good number stays
        self.host.touched()

    def reveal(self, place: str) -> None:
        for box in self.query(FieldBox):
            if box.field == place:
                box.target.focus()

    def enter(self) -> None:
        next(iter(self.query(FieldBox))).target.focus()

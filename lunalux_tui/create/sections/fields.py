"""A part of the form that is plain fields."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from lunalux_core.editor.card_fields import BY_ID, ROLES, of_section
from lunalux_core.editor.draft_checks import check_field
from lunalux_tui.create.sections.editor_section import EditorSection, show_remark
from lunalux_tui.create.sections.tags_field import TagsField
from lunalux_tui.i18n import t
from lunalux_tui.parts.form_field import FieldBox

KINDS = {"text": "text", "texts": "text", "role": "choice"}


class FieldsSection(EditorSection):
    """The fields of a section, one under the other."""

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False, classes="fields"):
            for field in of_section(self.section.id):
                words, kind = f"create.field.{field.id}", KINDS.get(field.kind, "line")
                control = TagsField(t(f"{words}.hint")) if field.kind == "tags" else None
                yield FieldBox(field.id, words, kind, ROLES if kind == "choice" else (), control=control)

    def read(self) -> None:
        document = self.draft.document
        for box in self.query(FieldBox):
            field = BY_ID[box.field]
            text = field.shown(document)
            # A list stays as it is typed while it means the same: "a, b," must not be tidied under the
            # cursor.
            if field.kind not in ("tags", "texts") or field.value(box.text) != field.value(text):
                box.show(text)
            self._judge(box)

    def _judge(self, box: FieldBox) -> None:
        field = BY_ID[box.field]
        problem = None if self.draft.blank else check_field(field, box.text)
        show_remark(box, problem, count=field.kind == "text")  # an untouched form has nothing wrong in it yet

    @on(FieldBox.Edited)
    def _edited(self, event: FieldBox.Edited) -> None:
        event.stop()
        field = BY_ID[event.box.field]
        self._judge(event.box)
        try:
            self.draft.write(field, event.text)
        except ValueError:
            return  # told at the field; the last good number stays
        self.host.touched()

    def reveal(self, place: str) -> None:
        for box in self.query(FieldBox):
            if box.field == place:
                box.target.focus()

    def enter(self) -> None:
        next(iter(self.query(FieldBox))).target.focus()

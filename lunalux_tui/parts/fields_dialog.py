"""A form of a few fields, declared by its caller: lines, texts, choices, numbers.

What was written and not saved is kept, and offered the next time; what cannot be saved is told under the
fields.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input, Label, TextArea

from lunalux_core.library.cells import object_in
from lunalux_core.text import clean
from lunalux_tui import i18n
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.answer_field import OneLineInput, in_one_line
from lunalux_tui.parts.dialog import CANCEL
from lunalux_tui.parts.draft_dialog import DraftDialog, offer
from lunalux_tui.parts.form_dialog import FormDialog
from lunalux_tui.parts.form_field import ChoiceField, LongPaste, TextField

if TYPE_CHECKING:
    from textual.app import App

    from lunalux_core.library.drafts import Drafts

Values = Mapping[str, str]
Save = Callable[[Values], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class FormField:
    """One field. Its words are in the catalogue under the form's: `NAME`, `NAME_hint`, `NAMEs.CHOICE`.

    `low` and `high` bound a number.
    """

    name: str
    kind: Literal["line", "text", "choice", "number"] = "line"
    choices: Sequence[str] = ()
    low: int = 0
    high: int = 10_000


class FieldsDialog(FormDialog[Values], DraftDialog[Values]):
    """Answers the values by name after they were saved, or None: then `unsaved` are what was not saved.

    Args:
        words: start of the keys of its words in the catalogue.
        values: what is stored.
        save: stores what is written; what it raises is told, and the dialog stays.
        draft: what was not saved last time; one undo in a text shows the stored one again.
        keep: keeps what is being written.
    """

    ACTIONS = (Action("fields.save", "save", "ctrl+s", footer=80, priority=True, palette=False), CANCEL)
    BINDINGS = bindings(ACTIONS)
    CSS = """
    FieldsDialog #dialog { width: 84; height: auto; padding: 0 1; }
    FieldsDialog #dialog #fields { height: auto; max-height: 8; }
    FieldsDialog.-tall #dialog #fields { max-height: 14; }
    FieldsDialog.-high #dialog #fields { max-height: 28; }
    FieldsDialog #dialog .field { height: 1; }
    FieldsDialog #dialog .field ChoiceField { width: 1fr; }
    FieldsDialog #dialog TextArea { height: 8; max-height: 12; margin: 0 1; }
    FieldsDialog #dialog #outcome { margin: 0 1; }
    FieldsDialog.-short #dialog TextArea { height: 5; margin: 0 1; }
    """

    def __init__(
        self,
        title: str,
        fields: Sequence[FormField],
        words: str,
        values: Values,
        save: Save,
        *,
        hint: str = "",
        draft: Values | None = None,
        keep: Callable[[Values], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(title, hint=t("dialog.unsaved") if draft else hint)
        # Three heights instead of the two of other dialogs: the fields get their room by them (CSS above).
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (22, "-tall"), (37, "-high")]
        self._fields = fields
        self._words = words
        self._values = values
        self._save = save
        self.keep = keep
        self._draft = draft or {}
        self.unsaved: Values = {**values, **self._draft}

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="fields", can_focus=False):
            for field in self._fields:
                yield from self._row(field)

    def _row(self, field: FormField) -> Iterator[Widget]:
        label = Label(t(f"{self._words}.{field.name}"), classes="label", markup=False)
        control = self._control(field)
        control.id = f"field-{field.name}"
        if field.kind == "text":
            yield label
            yield control
            return
        with Horizontal(classes="field"):
            yield label
            yield control

    def _control(self, field: FormField) -> Widget:
        stored = self._values.get(field.name, "")
        written = self._draft.get(field.name, stored)
        hint = f"{self._words}.{field.name}_hint"
        placeholder = t(hint) if i18n.has(hint) else ""
        if field.kind == "choice":
            choice = ChoiceField(field.choices, f"{self._words}.{field.name}s")
            choice.value = written
            return choice
        if field.kind == "text":
            text = TextField(placeholder)
            text.load_text(stored)
            offer(text, written)
            return text
        return OneLineInput(in_one_line(written), placeholder=placeholder, compact=True)

    def on_mount(self) -> None:
        self.query_one(f"#field-{self._fields[0].name}").focus()

    def _value(self, field: FormField) -> str:
        control = self.query_one(f"#field-{field.name}")
        if isinstance(control, TextArea):
            return clean(control.text).strip()
        assert isinstance(control, Input | ChoiceField)
        return control.value.strip()

    def written(self) -> dict[str, str]:
        """What stands in the fields."""
        return {field.name: self._value(field) for field in self._fields}

    def _wrong_number(self) -> FormField | None:
        for field in self._fields:
            if field.kind == "number":
                text = self._value(field)
                # The length before the value: Python refuses to read a number of thousands of digits.
                if not (text.isdecimal() and len(text) < 9 and field.low <= int(text) <= field.high):
                    return field
        return None

    @on(LongPaste)
    def _pasted_too_much(self, event: LongPaste) -> None:
        event.stop()
        self.say(t("fields.too_long"), error=True)

    @on(Input.Submitted)
    def _next(self, event: Input.Submitted) -> None:
        """Enter leads to the next field."""
        event.stop()
        self.focus_next()

    def action_save(self) -> None:
        wrong = self._wrong_number()
        if wrong is None:
            self.send(self._store())
            return
        self.query_one(f"#field-{wrong.name}").focus()
        name = t(f"{self._words}.{wrong.name}")
        self.say(t("fields.number", name=name, low=wrong.low, high=wrong.high), error=True)

    async def _store(self) -> None:
        values = self.written()
        await self._save(values)
        self.finish(values)


async def ask_fields(
    app: App[Any],
    drafts: Drafts,
    key: str,
    title: str,
    fields: Sequence[FormField],
    words: str,
    values: Values,
    save: Save,
    *,
    hint: str = "",
) -> Values | None:
    """Show a form whose unsaved words are kept under `key`; the values after they were saved, or None."""

    async def keep(written: Values) -> None:
        # The fields give their texts without blanks at the ends, so that stored ones are compared like that.
        changed = {name: text for name, text in written.items() if text != values.get(name, "").strip()}
        await drafts.keep(key, json.dumps(changed, ensure_ascii=False) if changed else "")

    names = {field.name for field in fields}
    stored = object_in(await drafts.get(key))
    # The kept words may come from a version whose form had other fields.
    draft = {name: str(text) for name, text in stored.items() if name in names}
    dialog = FieldsDialog(title, fields, words, values, save, hint=hint, draft=draft, keep=keep)
    saved: Values | None = await app.push_screen_wait(dialog)
    await keep({} if saved is not None else dialog.unsaved)
    return saved

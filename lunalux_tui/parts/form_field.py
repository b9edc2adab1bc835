"""A field of a long form: its name and size, the text itself, and one line about what is wrong with it.

A text that would hold up the terminal (a line of tens of thousands of characters, hundreds of kilobytes) is
shown by its beginning and edited elsewhere; see `too_long`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from lunalux_core.text import clean, clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.drawn import Bar, Column, Part
from lunalux_tui.theme.styles import ACCENT, BOLD, ERROR, HEADING, MUTED, WARNING

LONGEST_LINE = 6_000
LONGEST_TEXT = 120_000
LONGEST_IN_LINE = 2_000
SAMPLE = 400

MARKS = {"error": ("✗ ", ERROR | BOLD), "warning": ("⚠ ", WARNING), "note": ("· ", MUTED)}


def too_long(text: str, *, line: bool = False) -> bool:
    """Whether a field of the terminal would be slow with this text."""
    if line:
        return len(text) > LONGEST_IN_LINE
    if len(text) > LONGEST_TEXT:
        return True
    # The length first: a text is only split where it can hold such a line at all.
    return len(text) > LONGEST_LINE and max(map(len, text.split("\n"))) > LONGEST_LINE


class FieldHead(Bar):
    """The name of a field, and at the right how much is in it."""

    label: reactive[str] = reactive("")
    size_note: reactive[str] = reactive("")
    active: reactive[bool] = reactive(False)

    def left(self) -> Sequence[Part]:
        return [Part(self.label, (HEADING | BOLD) if self.active else MUTED)]

    def right(self) -> Sequence[Part]:
        return [Part(self.size_note, MUTED, weight=1)] if self.size_note else []


class FieldNote(Bar):
    """What is wrong with a field, in one line; not there when nothing is."""

    DEFAULT_CSS = "FieldNote { display: none; } FieldNote.-some { display: block; }"
    level = ""
    text: reactive[str] = reactive("")

    def say(self, level: str, text: str) -> None:
        self.level, self.text = level, text
        self.set_class(bool(text), "-some")
        self.refresh()

    def left(self) -> Sequence[Part]:
        mark, style = MARKS.get(self.level, ("", MUTED))
        return [Part(mark + self.text, style)]


@dataclass
class LongPaste(Message):
    """A paste that is too long to be shown here; `text` is all that stands in the field then."""

    text: str


class LineField(OneLineInput):
    """One line of a long form."""

    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder=placeholder, compact=True, classes="field-line")

    def put(self, pasted: str) -> None:
        start, end = sorted(self.selection)
        after = self.value[:start] + pasted + self.value[end:]
        if too_long(after, line=True):
            self.post_message(LongPaste(after))
        else:
            super().put(pasted)


class TextField(TextArea):
    """A text that grows with what is in it."""

    def __init__(self, placeholder: str) -> None:
        super().__init__(
            soft_wrap=True,
            show_line_numbers=False,
            tab_behavior="focus",
            compact=True,
            placeholder=placeholder,
            classes="field-text",
        )

    def on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        pasted = clean(event.text)
        start, end = sorted((self.selection.start, self.selection.end))
        if not too_long(pasted) and len(pasted) + len(self.text) <= LONGEST_TEXT:
            # As Textual does for typed text: the cursor ends after what was pasted.
            self.replace(pasted, start, end, maintain_selection_offset=False)
            return
        first = self.get_text_range((0, 0), start)
        self.post_message(LongPaste(first + pasted + self.get_text_range(end, self.document.end)))


class ChoiceField(Bar, can_focus=True):
    """One of a few values, side by side."""

    ACTIONS: ClassVar[tuple[Action, ...]] = (
        Action("form.next_choice", "next(1)", "right,space,enter", footer=1, palette=False),
        Action("form.previous_choice", "next(-1)", "left", palette=False),
    )
    BINDINGS = bindings(ACTIONS)

    value: reactive[str] = reactive("")

    @dataclass
    class Changed(Message):
        value: str

    def __init__(self, choices: Sequence[str], words: str) -> None:
        super().__init__(classes="field-choice")
        self._choices = choices
        self._words = words

    def left(self) -> Sequence[Part]:
        return [
            Part(
                f"{'●' if choice == self.value else '○'} {t(f'{self._words}.{choice}')}",
                (ACCENT | BOLD if self.has_focus else BOLD) if choice == self.value else MUTED,
                # In a narrow form the value that is set stays in view.
                weight=int(choice != self.value),
            )
            for choice in self._choices
        ]

    def action_next(self, step: int) -> None:
        at = self._choices.index(self.value) if self.value in self._choices else 0
        self.value = self._choices[(at + step) % len(self._choices)]
        self.post_message(self.Changed(self.value))

    def on_click(self) -> None:  # type: ignore[override]
        self.action_next(1)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()


class LockedField(Static, can_focus=True):
    """The beginning of a text that is too long for a field of the terminal."""

    def __init__(self) -> None:
        super().__init__(markup=False, classes="field-locked")

    def hold(self, text: str) -> None:
        sample = clean_line(text[:SAMPLE], SAMPLE)
        self.update(f"{sample}…\n{t('create.locked', n=f'{len(text):,}')}")


class FieldBox(Column):
    """A field with all that belongs to it.

    Args:
        field: its id; posted with what is typed.
        words: start of the keys of its words: `<words>.label`, `<words>.hint`.
        kind: "line", "text" or, with `choices`, "choice".
    """

    @dataclass
    class Edited(Message):
        """The person changed the text."""

        box: FieldBox
        text: str

        @property
        def control(self) -> FieldBox:
            return self.box

    def __init__(
        self,
        field: str,
        words: str,
        kind: str,
        choices: Sequence[str] = (),
        *,
        control: Widget | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id or f"box-{field}", classes="field-box")
        self.field = field
        self.words = words
        self.kind = kind
        self._choices = choices
        self._given = control
        self._text = ""
        self._locked: LockedField | None = None

    def compose(self) -> ComposeResult:
        yield FieldHead()
        yield self._given or self._made()
        yield FieldNote()

    def _made(self) -> Widget:
        hint = t(f"{self.words}.hint")
        match self.kind:
            case "choice":
                return ChoiceField(self._choices, f"{self.words}.value")
            case "line":
                return LineField(hint)
            case _:
                return TextField(hint)

    def on_mount(self) -> None:
        self.retranslate()
        self.show(self._text, force=True)

    def retranslate(self) -> None:
        self.query_one(FieldHead).label = t(f"{self.words}.label")
        control = self.field_control
        if isinstance(control, Input | TextArea):
            control.placeholder = t(f"{self.words}.hint")

    @property
    def field_control(self) -> Input | TextArea | ChoiceField:
        """What is typed into, also while it is hidden."""
        for control in self.walk_children():
            if isinstance(control, Input | TextArea | ChoiceField):
                return control
        raise LookupError(self.field)

    @property
    def target(self) -> Widget:
        """What takes the focus."""
        return self._locked if self._locked is not None and self._locked.display else self.field_control

    @property
    def text(self) -> str:
        return self._text

    def show(self, text: str, *, force: bool = False) -> None:
        """Show another text; the cursor stays where it was as far as it can."""
        if text == self._text and not force:
            return
        self._text = text
        if not self.is_mounted:
            return
        control = self.field_control
        locked = not isinstance(control, ChoiceField) and too_long(text, line=isinstance(control, Input))
        self._lock(locked)
        content = "" if locked else text
        # What the program shows is no edit of the person and must not be stored as one.
        with self.prevent(Input.Changed, TextArea.Changed):
            if isinstance(control, TextArea):
                at = control.cursor_location
                control.load_text(content)
                control.move_cursor(at)
            elif control.value != content:
                control.value = content

    def _lock(self, locked: bool) -> None:
        if locked and self._locked is None:
            self._locked = LockedField()
            self.mount(self._locked, after=self.query_one(FieldHead))
        if self._locked is not None:
            self._locked.hold(self._text)
            self._locked.display = locked
        self.field_control.display = not locked

    def judge(self, level: str = "", problem: str = "", size: str = "") -> None:
        """What to say about the text; "" for nothing."""
        self.query_one(FieldNote).say(level, problem)
        self.query_one(FieldHead).size_note = size

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(ChoiceField.Changed)
    @on(LongPaste)
    def _changed(self, event: Input.Changed | TextArea.Changed | ChoiceField.Changed | LongPaste) -> None:
        event.stop()
        if isinstance(event, LongPaste):
            text = event.text
            self.show(text)
        else:
            typed = event.text_area.text if isinstance(event, TextArea.Changed) else event.value
            text = clean(typed)
            if text == self._text:
                return
            # Otherwise signs that no text may hold were taken out, and the field has to show what is kept.
            if text == typed:
                self._text = text
            else:
                self.show(text)
        self.post_message(self.Edited(self, text))

    @on(Input.Submitted)
    def _next(self, event: Input.Submitted) -> None:
        """Enter leads to the next field."""
        event.stop()
        self.screen.focus_next()

    def on_descendant_focus(self) -> None:
        self.query_one(FieldHead).active = True
        self.call_after_refresh(self.scroll_visible, animate=False)  # its name too, not the text alone

    def on_descendant_blur(self) -> None:
        self.query_one(FieldHead).active = False

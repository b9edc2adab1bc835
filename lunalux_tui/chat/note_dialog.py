"""The author's note of a conversation: its text, where it stands in the prompt, and how often it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input, Label, TextArea

from lunalux_core.dialogue.assembly.prompt_material import NotePosition
from lunalux_core.dialogue.authors_note import DEEPEST, ROLES, ChatNote
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.answer_field import OneLineInput
from lunalux_tui.parts.dialog import CANCEL
from lunalux_tui.parts.draft_dialog import DraftDialog, offer
from lunalux_tui.parts.form_dialog import FormDialog
from lunalux_tui.parts.form_field import ChoiceField, TextField

POSITIONS: tuple[NotePosition, ...] = ("in_chat", "after_main", "before_main")
SCAN = ("no", "yes")


class NoteDialog(FormDialog[ChatNote], DraftDialog[ChatNote]):
    """Answers the note as the person left it, or None: then `unsaved` is what was not saved.

    Args:
        draft: what was not saved last time; one undo in its text shows the stored one again.
        keep: keeps what is being written.
    """

    ACTIONS = (Action("note.save", "save", "ctrl+s", footer=80, priority=True, palette=False), CANCEL)
    BINDINGS = bindings(ACTIONS)
    AUTO_FOCUS = "#note-text"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall")]  # noqa: RUF012
    CSS = """
    NoteDialog #dialog { width: 84; height: auto; padding: 0 1; }
    NoteDialog #dialog #fields { height: auto; max-height: 24; }
    NoteDialog #dialog #note-text { height: 8; margin: 0 1 1 1; }
    NoteDialog #dialog .field ChoiceField { width: 1fr; }
    NoteDialog #dialog .field Input { width: 12; }
    NoteDialog #dialog .field.-idle { display: none; }
    NoteDialog #dialog #outcome { margin: 1 1 0 1; }
    NoteDialog.-short #dialog #fields { max-height: 100%; }
    NoteDialog.-short #dialog #note-text { height: 3; margin: 0 1; }
    NoteDialog.-short #dialog #outcome { margin: 0 1; }
    """

    def __init__(
        self,
        note: ChatNote,
        *,
        draft: ChatNote | None = None,
        keep: Callable[[ChatNote], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(t("note.title"), hint=t("dialog.unsaved" if draft else "note.hint"))
        self._note = note
        self._draft = draft
        self.keep = keep
        self.unsaved = draft or note

    def compose_body(self) -> ComposeResult:
        note = self._draft or self._note
        with VerticalScroll(id="fields", can_focus=False):
            text = TextField(t("note.placeholder"))
            text.id = "note-text"
            text.load_text(self._note.prompt)
            offer(text, note.prompt)
            yield text
            yield from self._field("position", _choice(POSITIONS, "note.positions", note.position))
            yield from self._field("depth", OneLineInput(str(note.depth), compact=True))
            yield from self._field("role", _choice(ROLES, "note.roles", note.role))
            yield from self._field("interval", OneLineInput(str(note.interval), compact=True))
            yield from self._field("scan", _choice(SCAN, "note.scans", SCAN[note.scan]))

    def _field(self, name: str, control: Widget) -> Iterator[Widget]:
        control.id = f"note-{name}"
        with Horizontal(classes="field", id=f"row-{name}"):
            yield Label(t(f"note.{name}"), classes="label", markup=False)
            yield control

    def on_mount(self) -> None:
        self.call_after_refresh(self._follow)

    @property
    def text(self) -> TextArea:
        return self.query_one("#note-text", TextArea)

    def _chosen(self, name: str) -> str:
        return self.query_one(f"#note-{name}", ChoiceField).value

    def _number(self, name: str) -> int | None:
        """The number in a field, None where there is none within the bounds."""
        text = self.query_one(f"#note-{name}", Input).value.strip()
        # The length before the value: Python refuses to read a number of thousands of digits.
        number = int(text) if text.isdecimal() and len(text) < 9 else -1
        return number if 0 <= number <= DEEPEST else None

    def _read(self) -> ChatNote | str:
        """The note, or the name of the field that is wrong."""
        depth, interval = self._number("depth"), self._number("interval")
        if depth is None or interval is None:
            return "depth" if depth is None else "interval"
        position = next(position for position in POSITIONS if position == self._chosen("position"))
        role = next(role for role in ROLES if role == self._chosen("role"))
        scan = self._chosen("scan") == "yes"
        return ChatNote(self.text.text.strip(), position, depth, role, interval, scan)

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(ChoiceField.Changed)
    def _follow(self) -> None:
        """Say what the fields mean together."""
        self.query_one("#row-depth").set_class(self._chosen("position") != "in_chat", "-idle")
        note = self._read()
        for name in ("depth", "interval"):
            self.query_one(f"#note-{name}").set_class(self._number(name) is None, "-wrong")
        if isinstance(note, str):
            self.say(t("note.number", name=t(f"note.{note}"), high=DEEPEST), error=True)
        else:
            self.say(meaning(note))

    def written(self) -> ChatNote:
        """What stands here; numbers that are none are as they were."""
        note = self._read()
        return replace(self._note, prompt=self.text.text.strip()) if isinstance(note, str) else note

    @on(Input.Submitted)
    def action_save(self) -> None:
        note = self._read()
        if isinstance(note, str):
            self.query_one(f"#note-{note}").focus()
        else:
            self.finish(note)


def _choice(choices: Sequence[str], words: str, value: str) -> ChoiceField:
    field = ChoiceField(choices, words)
    field.value = value
    return field


def meaning(note: ChatNote) -> str:
    """What becomes of a note."""
    if not note.prompt:
        return t("note.told.empty")
    if not note.interval:
        return t("note.told.never")
    place = t(f"note.told.{note.position}", n=note.depth, role=t(f"note.roles.{note.role}"))
    return f"{place}\n{t('note.told.often', n=note.interval)}"

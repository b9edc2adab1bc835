"""One entry of the worldbook: its texts as fields, everything else as rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from textual import getters, on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message

from lunalux_core.editor.card_worldbook import Slot, join_keys, split_keys
from lunalux_core.editor.draft_checks import FieldRemark, check_text
from lunalux_core.text import clean
from lunalux_core.worldbook.entry import (
    AND_ALL,
    AND_ANY,
    AT_DEPTH,
    DEFAULT_DEPTH,
    NOT_ALL,
    NOT_ANY,
    OUTLET,
    Entry,
)
from lunalux_tui.actions import Action, bindings
from lunalux_tui.create.sections.editor_section import show_remark
from lunalux_tui.i18n import in_a_list, t
from lunalux_tui.parts.drawn import Column
from lunalux_tui.parts.form_field import FieldBox
from lunalux_tui.parts.rows import Row, Rows

TEXTS = {"comment": "line", "keys": "line", "secondary_keys": "line", "content": "text"}


@dataclass(frozen=True, slots=True)
class Setting:
    """A field of an entry that is set by a row.

    Args:
        kind: "flag", "choice", "number", "text" or "texts"; an "optional flag" or "optional number" may also
            be "as in the settings".
        when: for which entries the row is shown.
    """

    name: str
    kind: str
    choices: tuple[int, ...] = ()
    low: int = 0
    high: int = 0
    when: Callable[[Entry], bool] = lambda entry: True


def _at_depth(entry: Entry) -> bool:
    return entry.position == AT_DEPTH


SETTINGS = (
    Setting("constant", "flag"),
    Setting("position", "choice", tuple(range(8))),
    Setting("depth", "number", high=9999, when=_at_depth),
    Setting("role", "choice", (0, 1, 2), when=_at_depth),
    Setting("outlet_name", "text", when=lambda entry: entry.position == OUTLET),
    Setting("order", "number", low=-99999, high=99999),
    Setting("selective", "flag"),
    Setting("selective_logic", "choice", (AND_ANY, AND_ALL, NOT_ALL, NOT_ANY)),
    Setting("use_probability", "flag"),
    Setting("probability", "number", high=100),
    Setting("scan_depth", "optional number", high=1000),
    Setting("case_sensitive", "optional flag"),
    Setting("match_whole_words", "optional flag"),
    Setting("exclude_recursion", "flag"),
    Setting("prevent_recursion", "flag"),
    Setting("delay_until_recursion", "number", high=100),
    Setting("sticky", "number", high=99999),
    Setting("cooldown", "number", high=99999),
    Setting("delay", "number", high=99999),
    Setting("ignore_budget", "flag"),
    Setting("group", "text"),
    Setting("group_weight", "number", high=99999),
    Setting("group_override", "flag"),
    Setting("use_group_scoring", "optional flag"),
    Setting("match_persona_description", "flag"),
    Setting("match_character_description", "flag"),
    Setting("match_character_personality", "flag"),
    Setting("match_character_depth_prompt", "flag"),
    Setting("match_scenario", "flag"),
    Setting("match_creator_notes", "flag"),
    Setting("triggers", "texts"),
    Setting("vectorized", "flag"),
    Setting("automation_id", "text"),
)
BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}


def shown(setting: Setting, value: Any) -> str:
    """A value in words."""
    words = f"create.entry.{setting.name}.value.{value}"
    match setting.kind, value:
        case "choice", _:
            return t(words) if value in setting.choices else t("create.entry.nowhere")
        case (("optional flag" | "optional number"), None):
            return t("create.entry.as_set")
        case "number", None:
            return str(DEFAULT_DEPTH)
        case (("flag" | "optional flag"), _):
            return t("create.entry.on" if value else "create.entry.off")
        case "texts", _:
            return in_a_list(value) or t("create.entry.any")
        case (("number" | "optional number"), _):
            return f"{value:g}"
    return str(value) or "—"


ROW_ACTIONS = (
    Action("entry.change", "change(1)", "enter,space,right,l", footer=1, palette=False),
    Action("entry.change_back", "change(-1)", "left,h", palette=False),
)


class EntryRows(Rows):
    """What can be set of an entry."""

    ACTIONS = ROW_ACTIONS
    BINDINGS = bindings(ROW_ACTIONS)

    @dataclass
    class Change(Message):
        """The value of a row is to change: the next (1) or the one before (-1), or to be asked for."""

        setting: Setting
        step: int

    def action_change(self, step: int) -> None:
        if self.chosen:
            self.post_message(self.Change(BY_NAME[self.chosen], step))

    def action_choose(self) -> None:
        self.action_change(1)


class EntryForm(Column):
    """Shows an entry; posts what is to change of it."""

    rows = getters.query_one("#entry-rows", EntryRows)

    @dataclass
    class Edited(Message):
        """New values for fields of the entry; `joined`: merge them into the last undo step."""

        changes: Mapping[str, Any]
        joined: bool

    def __init__(self) -> None:
        super().__init__(id="entry-form")
        self.slot: Slot | None = None
        self._entry = Entry(0)

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False, classes="fields"):
            for name, kind in TEXTS.items():
                yield FieldBox(name, f"create.entry.{name}", kind)
        yield EntryRows(ground=0, id="entry-rows")

    @property
    def entry(self) -> Entry:
        return self._entry

    def show(self, slot: Slot | None) -> None:
        """Show an entry; None hides the form."""
        self.slot = slot
        self.display = slot is not None
        if slot is None:
            return
        self._entry = slot.entry
        for box in self.query(FieldBox):
            value = getattr(self._entry, box.field)
            if isinstance(value, tuple):
                # A list stays as it is typed while it means the same.
                if split_keys(box.text) != value:
                    # The field has one line, which a key with a line break in it would leave.
                    box.show(clean(join_keys(value)).replace("\n", " "))
            else:
                text = clean(value)
                box.show(text.replace("\n", " ") if box.kind == "line" else text)
            self._judge(box)
        self._show_rows()

    def _show_rows(self) -> None:
        self.rows.set_rows(
            [
                Row(
                    setting.name,
                    t(f"create.entry.{setting.name}.label"),
                    right=shown(setting, getattr(self._entry, setting.name)),
                )
                for setting in SETTINGS
                if setting.when(self._entry)
            ]
        )

    def retranslate(self) -> None:
        self._show_rows()

    def _judge(self, box: FieldBox) -> None:
        problem = None
        if box.field == "content":
            remark = next(check_text(box.text, sent=True), None)
            problem = FieldRemark(remark[0], "content", remark[1], remark[2]) if remark else None
            if not box.text.strip():
                problem = FieldRemark("warning", "content", "content")
        elif box.field == "keys" and not box.text.strip() and not self._entry.constant:
            problem = FieldRemark("warning", "keys", "keys")
        show_remark(box, problem, count=box.field == "content")

    @on(FieldBox.Edited)
    def _typed(self, event: FieldBox.Edited) -> None:
        event.stop()
        name = event.box.field
        self._judge(event.box)
        value = split_keys(event.text) if name in ("keys", "secondary_keys") else event.text
        changes: dict[str, Any] = {name: value}
        if name == "secondary_keys" and value and not self._entry.selective:
            # Secondary keys have an effect only in selective entries.
            changes["selective"] = True
        if value != getattr(self._entry, name):
            self.post_message(self.Edited(changes, True))

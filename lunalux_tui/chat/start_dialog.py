"""What the replies of a chat begin with, and whether that is shown."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Label

from lunalux_core.templates.template_values import ReplyStart
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import CANCEL
from lunalux_tui.parts.form_dialog import FormDialog
from lunalux_tui.parts.form_field import ChoiceField, TextField

SHOWN = ("shown", "hidden")


class StartDialog(FormDialog[ReplyStart]):
    """Answers the beginning, an empty one for none; None when the person left it."""

    ACTIONS = (Action("start.save", "save", "ctrl+s", footer=80, priority=True, palette=False), CANCEL)
    BINDINGS = bindings(ACTIONS)
    AUTO_FOCUS = "#start-text"
    CSS = """
    StartDialog #dialog { width: 84; height: auto; padding: 0 1; }
    StartDialog #dialog #fields { height: auto; max-height: 16; }
    StartDialog #dialog #start-text { height: 5; margin: 0 1 1 1; }
    StartDialog #dialog .field ChoiceField { width: 1fr; }
    StartDialog.-short #dialog #start-text { height: 3; margin: 0 1; }
    """

    def __init__(self, start: ReplyStart | None) -> None:
        super().__init__(t("directing.start.title"), hint=t("directing.start.hint"))
        self._start = start or ReplyStart("", "", show=True)

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="fields", can_focus=False):
            text = TextField(t("directing.start.placeholder"))
            text.id = "start-text"
            text.load_text(self._start.value)
            text.move_cursor(text.document.end)
            yield text
            shown = ChoiceField(SHOWN, "directing.start.shows")
            shown.id = "start-shown"
            shown.value = SHOWN[not self._start.show]
            with Horizontal(classes="field"):
                yield Label(t("directing.start.show"), classes="label", markup=False)
                yield shown

    def action_save(self) -> None:
        text = self.query_one("#start-text", TextField).text
        shown = self.query_one("#start-shown", ChoiceField).value == "shown"
        self.finish(ReplyStart("", text, shown))

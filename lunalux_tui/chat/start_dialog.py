"""What the replies of a chat begin with, and whether that is shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Label

from lunalux_core.templates.template_values import ReplyStart
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import CANCEL
from lunalux_tui.parts.draft_dialog import DraftDialog, offer
from lunalux_tui.parts.form_dialog import FormDialog
from lunalux_tui.parts.form_field import ChoiceField, TextField

SHOWN = ("shown", "hidden")


class StartDialog(FormDialog[ReplyStart], DraftDialog[ReplyStart]):
    """Answers the beginning, an empty one for none; None when the person left it: then `text` was not saved.

    Args:
        draft: the text that was not saved last time; one undo shows the stored one again.
        keep: keeps the text while it is being written.
    """

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

    def __init__(
        self,
        start: ReplyStart | None,
        *,
        draft: str = "",
        keep: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        hint = t("directing.start.hint")
        super().__init__(t("directing.start.title"), hint=f"{t('dialog.unsaved')}\n{hint}" if draft else hint)
        self._start = start or ReplyStart("", "", show=True)
        self.keep = keep
        self.unsaved = draft or self._start.value

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="fields", can_focus=False):
            text = TextField(t("directing.start.placeholder"))
            text.id = "start-text"
            text.load_text(self._start.value)
            offer(text, self.unsaved)
            yield text
            shown = ChoiceField(SHOWN, "directing.start.shows")
            shown.id = "start-shown"
            shown.value = SHOWN[not self._start.show]
            with Horizontal(classes="field"):
                yield Label(t("directing.start.show"), classes="label", markup=False)
                yield shown

    def written(self) -> str:
        return self.query_one("#start-text", TextField).text

    def action_save(self) -> None:
        self.unsaved = self.written()
        shown = self.query_one("#start-shown", ChoiceField).value == "shown"
        self.finish(ReplyStart("", self.unsaved, shown))

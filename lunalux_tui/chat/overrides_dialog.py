"""A chat's own scenario, examples and main prompt, in the place of the card's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Label, TextArea

from lunalux_core.dialogue.chat_texts import OVERRIDDEN, ChatOverrides
from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import CANCEL
from lunalux_tui.parts.draft_dialog import DraftDialog, offer
from lunalux_tui.parts.form_dialog import FormDialog
from lunalux_tui.parts.form_field import TextField


class OverridesDialog(FormDialog[ChatOverrides], DraftDialog[ChatOverrides]):
    """Answers the texts as the person left them, or None: then `unsaved` is what was not saved.

    Args:
        card: what the card says, shown in the empty fields.
        draft: what was not saved last time; one undo in a text shows the stored one again.
        keep: keeps what is being written.
    """

    ACTIONS = (Action("overrides.save", "save", "ctrl+s", footer=80, priority=True, palette=False), CANCEL)
    BINDINGS = bindings(ACTIONS)
    AUTO_FOCUS = "#override-scenario"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (22, "-tall"), (37, "-high")]  # noqa: RUF012
    CSS = """
    OverridesDialog #dialog { width: 84; height: auto; padding: 0 1; }
    OverridesDialog #dialog #fields { height: auto; max-height: 12; }
    OverridesDialog.-high #dialog #fields { max-height: 26; }
    OverridesDialog #dialog TextArea { height: 6; margin: 0 1 1 1; }
    OverridesDialog #dialog Label { margin: 0 1; color: $text-muted; }
    OverridesDialog.-short #dialog #fields { max-height: 9; }
    OverridesDialog.-short #dialog TextArea { height: 3; margin: 0 1; }
    """

    def __init__(
        self,
        overrides: ChatOverrides,
        card: Mapping[str, str],
        *,
        draft: ChatOverrides | None = None,
        keep: Callable[[ChatOverrides], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(t("overrides.title"), hint=t("dialog.unsaved" if draft else "overrides.hint"))
        self._texts = overrides
        self._card = card
        self.keep = keep
        self.unsaved = draft or overrides

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="fields", can_focus=False):
            for name in OVERRIDDEN:
                yield Label(t(f"overrides.fields.{name}"), markup=False)
                text = TextField(self._card.get(name, "")[:2000] or t("overrides.empty"))
                text.id = f"override-{name}"
                text.load_text(getattr(self._texts, name))
                offer(text, getattr(self.unsaved, name))
                yield text

    def written(self) -> ChatOverrides:
        return ChatOverrides(
            **{name: self.query_one(f"#override-{name}", TextArea).text.strip() for name in OVERRIDDEN}
        )

    def action_save(self) -> None:
        self.finish(self.written())

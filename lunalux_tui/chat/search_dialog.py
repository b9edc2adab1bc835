"""Finding words in this conversation, with this character, or everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on, work
from textual.widgets import Input

from lunalux_tui.actions import Action, bindings
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import CANCEL, question
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row
from lunalux_tui.render.message import moment

if TYPE_CHECKING:
    from lunalux_core.runtime import Runtime

SCOPES = ("conversation", "character", "everywhere")


class SearchDialog(PickDialog):
    """Answers `CONVERSATION_ID MESSAGE_ID` of the chosen place, or None."""

    ACTIONS = (
        Action("search.scope", "scope", "tab", footer=81, priority=True, palette=False),
        CANCEL,
    )
    BINDINGS = bindings(ACTIONS)
    TWO_LINES = True
    SIZE = "-tall -broad"
    PLACEHOLDER = "search.type"
    EMPTY = "search.start"

    def __init__(
        self, runtime: Runtime, conversation_id: str, opened: str, *, in_group: bool = False
    ) -> None:
        """`opened` is the id of the character that is talked with, or of the group."""
        super().__init__(question("search.title"))
        self._runtime = runtime
        self._conversation_id = conversation_id
        self._opened = opened
        self._in_group = in_group
        self._scope = 0 if conversation_id else 2

    def on_mount(self) -> None:
        self._show_scope()

    def _show_scope(self) -> None:
        scope = SCOPES[self._scope]
        words = "cast.search" if scope == "character" and self._in_group else f"search.{scope}"
        self.query_one("#dialog").border_subtitle = t(words)

    def action_scope(self) -> None:
        self._scope = (self._scope + 1) % len(SCOPES)
        self._show_scope()
        self._search(self.words)

    @on(Input.Changed, "#narrow")
    def _narrow(self) -> None:
        self._search(self.words)

    @work(exclusive=True, group="search", exit_on_error=False)
    async def _search(self, text: str) -> None:
        scope = SCOPES[self._scope]
        hits = await self._runtime.library.conversations.search(
            text,
            conversation_id=self._conversation_id if scope == "conversation" else None,
            character_id=self._opened if scope == "character" and not self._in_group else None,
            group_id=self._opened if scope == "character" and self._in_group else None,
        )
        self.rows.empty = t("dialog.nothing" if text.strip() else self.EMPTY)
        rows = [
            Row(
                f"{hit.conversation_id} {hit.message_id}",
                hit.excerpt,
                " · ".join(part for part in (hit.character_name, hit.title, moment(hit.created_at)) if part),
            )
            for hit in hits
        ]
        self.rows.set_rows(rows)

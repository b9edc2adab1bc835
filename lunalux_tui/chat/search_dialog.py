"""Finding words in every conversation, this one first; or in this one or with this character alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on, work
from textual.widgets import Input

from lunalux_tui.actions import Action, bindings
from lunalux_tui.chat.roster import plain
from lunalux_tui.i18n import t
from lunalux_tui.parts.dialog import CANCEL, question
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.rows import Row
from lunalux_tui.render.message import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lunalux_core.library.conversations import Hit
    from lunalux_core.runtime import Runtime

SCOPES = ("everywhere", "conversation", "character")
MOST = 100
"""Hits of one question to the library."""


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
        self._scope = 0
        self.sought: Sequence[str] = ()
        """The words of the answer."""

    def on_mount(self) -> None:
        self._show_scope()

    def _show_scope(self, matches: int | None = None) -> None:
        """Say where is searched, and how much was found."""
        scope = SCOPES[self._scope]
        words = "cast.search" if scope == "character" and self._in_group else f"search.{scope}"
        count = (
            "" if matches is None else t("search.found" if matches < MOST else "search.found_many", n=matches)
        )
        self.query_one("#dialog").border_subtitle = " · ".join(part for part in (count, t(words)) if part)

    def take(self, row_id: str) -> None:
        self.sought = self.words.split()
        super().take(row_id)

    def action_scope(self) -> None:
        self._scope = (self._scope + 1) % len(SCOPES)
        self._show_scope()
        self._search(self.words)

    @on(Input.Changed, "#narrow")
    def _narrow(self) -> None:
        self._search(self.words)

    @work(exclusive=True, group="search", exit_on_error=False)
    async def _search(self, text: str) -> None:
        hits = await self._hits(text, SCOPES[self._scope])
        self.rows.empty = t("dialog.nothing" if text.strip() else self.EMPTY)
        words = text.split()
        rows = [
            Row(
                f"{hit.conversation_id} {hit.message_id}",
                plain(hit.excerpt),
                " · ".join(part for part in (hit.character_name, hit.title, moment(hit.created_at)) if part),
                search_words=words,
            )
            for hit in hits
        ]
        # Not narrowed once more: an excerpt need not hold all the words that its message has.
        self.set_rows(rows)
        self._show_scope(len(hits) if words else None)

    async def _hits(self, text: str, scope: str) -> Sequence[Hit]:
        """What is found, nearest first: in this conversation, with this character, elsewhere."""
        search, here = self._runtime.library.conversations.search, self._conversation_id
        if scope == "conversation":
            return await search(text, conversation_id=here, limit=MOST)
        if scope == "character":
            owner = {"group_id" if self._in_group else "character_id": self._opened}
            return await search(text, **owner, limit=MOST)
        # Asked apart, or many newer hits elsewhere would leave no room for those of this conversation.
        near = await search(text, conversation_id=here, limit=MOST) if here else ()
        far = [hit for hit in await search(text, limit=MOST) if hit.conversation_id != here]
        return [*near, *sorted(far, key=lambda hit: hit.character_id != self._opened)]

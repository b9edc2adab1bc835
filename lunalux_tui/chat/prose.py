"""Story mode: the same tree read and written as one page of prose.

Nobody is named on the page, and what the person writes stands in it like what the model writes. Writing goes
on at the end, or at a passage that is chosen: what followed it stays in the tree as a branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from lunalux_tui.chat.protocols import Asker
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.library.conversations import Message
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.directing_actions import DirectingActions
    from lunalux_tui.chat.message_actions import MessageActions
    from lunalux_tui.chat.opener import Opener


class Page(Protocol):
    """The messages on screen."""

    selected: str

    @property
    def messages(self) -> Sequence[Message]:
        """Oldest first."""


class ProseView(Asker, Protocol):
    """What story mode asks of the screen."""

    @property
    def busy(self) -> bool:
        """Whether a reply is coming."""


class Prose:
    """Writes on in a page of prose."""

    def __init__(
        self,
        runtime: Runtime,
        opener: Opener,
        page: Page,
        messages: MessageActions,
        directing: DirectingActions,
        view: ProseView,
    ) -> None:
        self._runtime = runtime
        self._opener = opener
        self._page = page
        self._messages = messages
        self._directing = directing
        self._view = view

    async def write(self, text: str) -> None:
        """Put the person's text where writing goes on; the model writes on after it."""
        if await self._begins_here():
            self._messages.send(text)

    async def go_on(self) -> None:
        """Let the model write on: at the end of its own passage, or after the person's."""
        if not await self._begins_here():
            return
        messages = self._page.messages
        if messages and messages[-1].role == "assistant":
            self._messages.continue_reply()
        else:
            self._directing.answer()

    async def _begins_here(self) -> bool:
        """Make the chosen passage the last one; False while a reply comes."""
        if self._view.busy:
            self._view.say(t("chat.busy"))
            return False
        # Let go of it, or the next text would begin there again.
        chosen, self._page.selected = self._page.selected, ""
        messages = self._page.messages
        if chosen and messages and messages[-1].id != chosen:
            await self._runtime.chat.edits.truncate(chosen)
            await self._opener.reload(keep_place=False)
            self._view.say(t("prose.branched"), undo=True)
        return True

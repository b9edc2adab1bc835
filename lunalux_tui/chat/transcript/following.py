"""The open conversation follows what another program adds to the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lunalux_core.errors import LunaluxError, NotFound
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_tui.chat.screen_base import ChatBase


class Following:
    """Looks whether another program wrote, and if so, whether what is on screen is still all there is."""

    def __init__(self, screen: ChatBase) -> None:
        self._screen = screen
        self._looking = self._behind = False

    async def look(self) -> None:
        """Read the conversation again if another program changed it; while a reply comes, after that."""
        if self._looking:
            return
        self._looking = True
        try:
            if await self._screen.runtime.library.database.changed_elsewhere():
                self._behind = True
            if self._behind and not self._screen.busy:
                self._behind = False
                await self._catch_up()
        except LunaluxError:
            return  # whoever wants something of the library is told
        finally:
            self._looking = False

    async def _catch_up(self) -> None:
        screen = self._screen
        shown = screen.conversation
        if shown is None:
            return
        conversations = screen.runtime.library.conversations
        try:
            now = await conversations.get(shown.id)
            page = await conversations.page(shown.id, limit=len(screen.transcript.messages) + 2)
        except NotFound:
            self._gone()
            return
        if screen.conversation is None or screen.conversation.id != shown.id or screen.busy:
            self._behind = True
        elif now.title != shown.title or list(page) != screen.transcript.messages[-len(page) :]:
            notes = screen.transcript.notes
            await screen.reload()
            for words, hint, error in notes:  # what the program said is not answered by that
                screen.transcript.note(words, hint, error=error, go_there=False)

    def _gone(self) -> None:
        """Another program deleted the conversation; what stands in the prompt stays."""
        screen = self._screen
        typed = screen.prompt.text
        screen.close_conversation()
        screen.prompt.fill(typed)
        screen.transcript.note(t("chat.gone_elsewhere"), t("chat.choose_character"), error=False)

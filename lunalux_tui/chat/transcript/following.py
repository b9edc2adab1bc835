"""The open conversation follows what another program adds to the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lunalux_core.errors import LunaluxError, NotFound
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.library import Library
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.transcript.transcript import Transcript


class FollowingView(Protocol):
    """What is asked of the screen."""

    @property
    def busy(self) -> bool:
        """Whether a reply is coming."""


class Following:
    """Looks whether another program wrote, and if so, whether what is on screen is still all there is."""

    def __init__(self, library: Library, opener: Opener, transcript: Transcript, view: FollowingView) -> None:
        self._library = library
        self._opener = opener
        self._open = opener.chat
        self._transcript = transcript
        self._view = view
        self._looking = self._behind = False

    async def look(self) -> None:
        """Read the conversation again if another program changed it; while a reply comes, after that."""
        if self._looking:
            return
        self._looking = True
        try:
            if await self._library.database.changed_elsewhere():
                self._behind = True
            if self._behind and not self._view.busy:
                self._behind = False
                await self._catch_up()
        except LunaluxError:
            return  # whoever wants something of the library is told
        finally:
            self._looking = False

    async def _catch_up(self) -> None:
        shown, transcript = self._open.conversation, self._transcript
        if shown is None:
            return
        conversations = self._library.conversations
        try:
            now = await conversations.get(shown.id)
            page = await conversations.page(shown.id, limit=len(transcript.messages) + 2)
        except NotFound:
            self._gone()
            return
        conversation = self._open.conversation
        if conversation is None or conversation.id != shown.id or self._view.busy:
            self._behind = True
        elif now.title != shown.title or list(page) != transcript.messages[-len(page) :]:
            notes = transcript.notes
            await self._opener.reload()
            for words, hint, error in notes:  # what the program said is not answered by that
                transcript.note(words, hint, error=error, go_there=False)

    def _gone(self) -> None:
        """Another program deleted the conversation."""
        self._opener.conversation_gone()
        self._transcript.note(t("chat.gone_elsewhere"), t("chat.choose_character"), error=False)

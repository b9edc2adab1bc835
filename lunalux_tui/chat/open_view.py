"""What is open, shown in every part of the chat screen; and whatever depends on it follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lunalux_core.library.turns import uses_quick_replies
from lunalux_tui.chat.protocols import Background

if TYPE_CHECKING:
    from lunalux_core.library.conversations import Message
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.model_actions import ModelActions
    from lunalux_tui.chat.opener import OpenChat
    from lunalux_tui.chat.pane import ChatPane
    from lunalux_tui.chat.picture_actions import PictureActions
    from lunalux_tui.chat.protocols import TurnStarter
    from lunalux_tui.chat.quick_replies import QuickReplies
    from lunalux_tui.chat.roster_actions import RosterActions
    from lunalux_tui.chat.script_actions import ScriptActions


class ScreenView(Background, Protocol):
    """What is asked of the screen."""

    def refresh_bindings(self) -> None:
        """Other actions make sense now."""

    def call_after_refresh(self, callback: Callable[..., Any]) -> bool:
        """Do something behind the next frame."""


class Followers(Protocol):
    """What follows the conversation that is open."""

    @property
    def turns(self) -> TurnStarter: ...

    @property
    def roster(self) -> RosterActions: ...

    @property
    def scripts(self) -> ScriptActions: ...

    @property
    def models(self) -> ModelActions: ...

    @property
    def pictures(self) -> PictureActions: ...

    @property
    def quick_replies(self) -> QuickReplies: ...

    @property
    def replies_in_use(self) -> QuickReplies | None: ...


class OpenChatView:
    """Where what is open is shown (it is the `opener.OpenView` of the app)."""

    def __init__(
        self, runtime: Runtime, chat: OpenChat, pane: ChatPane, followers: Followers, screen: ScreenView
    ) -> None:
        self._runtime = runtime
        self._open = chat
        self._pane = pane
        self._followers = followers
        self._screen = screen

    # -- what is open ------------------------------------------------------------------------------

    def show_conversation(self, messages: Sequence[Message], *, typed: str = "") -> None:
        """Show another conversation, with what was `typed` while it was opened behind its draft."""
        self._pane.show_conversation(messages, typed=typed)
        self._followers.roster.mark_open()
        self._screen.call_after_refresh(self.ask_about_scripts)
        self._screen.run_in("profiles", self._follow_profiles)
        self._look_at_pictures()
        self._screen.run_in("replies", self._follow_replies)
        self._screen.refresh_bindings()

    async def show_again(self, *, keep_place: bool = True) -> None:
        """Show the conversation as it is now."""
        await self._pane.reload(keep_place=keep_place)
        self._look_at_pictures()
        self._screen.call_after_refresh(self.ask_about_scripts)

    def show_members(self) -> None:
        """Show the members of the group as they are now."""
        self._pane.show_head()
        self._pane.transcript.retranslate()
        self._screen.refresh_bindings()

    def show_nothing(self, *, typed: str = "") -> None:
        """Show that nothing is open; what was `typed` stays in the prompt."""
        self._pane.show_nothing(typed=typed)
        self._look_at_pictures()
        self._screen.refresh_bindings()

    async def reveal(self, message_id: str) -> None:
        """Bring a message of the conversation into view."""
        await self._pane.window.reveal(message_id)

    def typed(self) -> str:
        """What stands in the prompt."""
        return self._pane.prompt.text

    async def keep_draft(self) -> str:
        """Store what stands in the prompt with the conversation; the text as it was stored."""
        return await self._pane.draft.keep()

    def stop_turn(self) -> bool:
        """Stop the reply that is coming; False when there is none."""
        return self._followers.turns.stop()

    async def refresh_roster(self) -> None:
        """Read the list of characters again, as the search field narrows it."""
        await self._followers.roster.refresh()

    # -- what depends on it ------------------------------------------------------------------------

    def show_persona(self, name: str) -> None:
        """Name who the person is here."""
        self._pane.header.persona = name

    def show_found(self, words: Sequence[str]) -> None:
        """Let words that were looked for stand out in the messages, until the prompt is gone back to."""
        self._pane.transcript.search_words = tuple(words)

    def surroundings_changed(self) -> None:
        """Follow what scripts, presets and names make of the messages on screen."""
        self._pane.message_display.follow(anew=True)
        self.ask_about_scripts()

    def ask_about_scripts(self) -> None:
        """Ask about scripts of cards that were not asked about yet."""
        self._screen.run_in("scripts", self._followers.scripts.look)

    async def follow_script(self) -> None:
        """Follow profiles, presets, worldbooks and quick replies that a script changed."""
        await self._followers.models.follow_profiles()
        await self._followers.quick_replies.follow()

    # Methods, and not those of the followers themselves: these are made when the worker runs, behind the
    # first frame.

    async def _follow_profiles(self) -> None:
        await self._followers.models.follow_profiles()

    async def _follow_replies(self) -> None:
        used = self._followers.replies_in_use is not None
        if used or await self._runtime.library.database.read(uses_quick_replies):
            await self._followers.quick_replies.opened()

    def _look_at_pictures(self) -> None:
        """Show what waits beside the draft of the conversation that is open now; most have nothing."""
        chat = self._open
        waited, chat.pictures = bool(chat.pictures), ()
        if waited or (chat.conversation is not None and chat.conversation.has_pictures):
            self._screen.run_in("pictures", self._followers.pictures.look)

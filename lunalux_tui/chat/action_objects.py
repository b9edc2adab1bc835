"""The objects behind the chat screen, tied to each other; each is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

from lunalux_tui.chat.conversation_actions import ConversationActions
from lunalux_tui.chat.file_actions import FileActions
from lunalux_tui.chat.group_actions import GroupActions
from lunalux_tui.chat.message_actions import MessageActions
from lunalux_tui.chat.open_view import OpenChatView
from lunalux_tui.chat.opener import LibraryWatcher, OpenChat, Opener
from lunalux_tui.chat.protocols import Writing
from lunalux_tui.chat.questions import Questions
from lunalux_tui.chat.roster_actions import RosterActions
from lunalux_tui.chat.script_actions import ScriptActions
from lunalux_tui.chat.turn_runner import RunnerView, TurnRunner

if TYPE_CHECKING:
    from textual.timer import Timer

    from lunalux_core.documents.picture_refs import PictureRef
    from lunalux_core.errors import LunaluxError
    from lunalux_tui.chat.auto_mode import AutoMode
    from lunalux_tui.chat.directing_actions import DirectingActions
    from lunalux_tui.chat.memory_actions import MemoryActions
    from lunalux_tui.chat.model_actions import ModelActions
    from lunalux_tui.chat.moving_in import MovingIn
    from lunalux_tui.chat.pane import ChatPane
    from lunalux_tui.chat.picture_actions import PictureActions
    from lunalux_tui.chat.prose import Prose
    from lunalux_tui.chat.quick_replies import QuickReplies
    from lunalux_tui.chat.quick_reply_places import QuickReplyPlaces
    from lunalux_tui.chat.reply_bar import ReplyButton
    from lunalux_tui.chat.roster import Roster
    from lunalux_tui.chat.slash_actions import SlashActions
    from lunalux_tui.chat.slash_host import ScriptParts
    from lunalux_tui.parts.host import Host


class ChatView(RunnerView, Writing, Protocol):
    """All that the objects ask of the screen together; each says beside itself what it needs."""

    def notice(self, words: str, title: str, *, warn: bool = False) -> None: ...

    def show_error(self, error: LunaluxError) -> None: ...

    def copy(self, text: str) -> None: ...

    def perform(self, action: str, *arguments: object) -> None: ...

    async def show_pictures(self, pictures: Sequence[PictureRef]) -> None: ...

    async def show_reply_buttons(self, buttons: Sequence[ReplyButton]) -> None: ...

    def show_countdown(self, seconds: int | None) -> None: ...

    def set_interval(self, interval: float, callback: Callable[[], None]) -> Timer: ...

    def refresh_bindings(self) -> None: ...

    def call_after_refresh(self, callback: Callable[..., Any]) -> bool: ...


class ActionObjects:
    """What does the actions of the chat screen. Imports inside a method are of what the first frame does
    without."""

    def __init__(self, host: Host, chat: OpenChat, pane: ChatPane, roster: Roster, view: ChatView) -> None:
        self._host = host
        self._runtime = host.runtime
        self._open = chat
        self._pane = pane
        self._roster = roster
        self._view = view
        self.replies_in_use: QuickReplies | None = None
        """The quick replies in force, None where there were none since the start."""

    # -- what is open, and turns -------------------------------------------------------------------

    @cached_property
    def shown(self) -> OpenChatView:
        """Where what is open is shown."""
        return OpenChatView(self._runtime, self._open, self._pane, self, self._view)

    @cached_property
    def opener(self) -> Opener:
        return Opener(self._runtime, self._open, self.shown)

    @cached_property
    def library_watcher(self) -> LibraryWatcher:
        """What keeps the conversation in step with other programs."""
        return LibraryWatcher(
            self._runtime.library, self.opener, self._pane.transcript, self.shown, self.turns
        )

    @cached_property
    def turns(self) -> TurnRunner:
        conversations = self._runtime.library.conversations
        return TurnRunner(conversations, self._open, self._pane, self._roster, self, self._view)

    @cached_property
    def messages(self) -> MessageActions:
        pane = self._pane
        return MessageActions(
            self._runtime, self.opener, pane.transcript, pane.prompt, self.turns, self._view
        )

    @cached_property
    def directing(self) -> DirectingActions:
        """What directs the story."""
        from lunalux_tui.chat.directing_actions import DirectingActions

        return DirectingActions(
            self._runtime, self.opener, self.messages, self._pane.prompt, self.turns, self._view
        )

    @cached_property
    def prose(self) -> Prose:
        """What writes on in story mode."""
        from lunalux_tui.chat.prose import Prose

        return Prose(
            self._runtime, self.opener, self._pane.transcript, self.messages, self.directing, self._view
        )

    # -- scripts and quick replies -----------------------------------------------------------------

    @cached_property
    def _script_parts(self) -> ScriptParts:
        from lunalux_tui.chat.slash_host import ScriptParts

        return ScriptParts(self._pane.prompt, self.turns, self.shown, self._host, self._view)

    @cached_property
    def slash(self) -> SlashActions:
        """What runs slash commands."""
        from lunalux_tui.chat.slash_actions import SlashActions

        return SlashActions(self._runtime, self.opener, self._script_parts)

    @cached_property
    def quick_replies(self) -> QuickReplies:
        """The quick replies in force; loaded where there are any."""
        from lunalux_tui.chat.quick_replies import QuickReplies

        self.replies_in_use = QuickReplies(
            self._runtime, self.opener, self.slash, self.messages, self._script_parts
        )
        return self.replies_in_use

    @cached_property
    def reply_places(self) -> QuickReplyPlaces:
        """Where sets of quick replies are in force."""
        from lunalux_tui.chat.quick_reply_places import QuickReplyPlaces

        return QuickReplyPlaces(self._runtime, self.opener, self.quick_replies, self._view)

    # -- groups and the list -----------------------------------------------------------------------

    @cached_property
    def groups(self) -> GroupActions:
        return GroupActions(self._runtime, self.opener, self.shown, self.turns, self._view)

    @cached_property
    def auto_mode(self) -> AutoMode:
        """What lets a group go on by itself; loaded for groups that do."""
        from lunalux_tui.chat.auto_mode import AutoMode

        return AutoMode(self._runtime, self.opener, self.groups, self._pane.prompt, self.turns, self._view)

    @property
    def auto_mode_in_use(self) -> AutoMode | None:
        """None where no group went on by itself since the start."""
        group = self._open.group
        used = "auto_mode" in self.__dict__ or (group is not None and group.auto_mode)
        return self.auto_mode if used else None

    @cached_property
    def roster(self) -> RosterActions:
        return RosterActions(self._runtime, self.opener, self._roster, self.groups, self._host, self._view)

    # -- the rest ----------------------------------------------------------------------------------

    @cached_property
    def conversations(self) -> ConversationActions:
        return ConversationActions(
            self._runtime,
            self.opener,
            self.shown,
            self._pane.prompt,
            self.turns,
            self._host,
            self._view,
        )

    @cached_property
    def memory(self) -> MemoryActions:
        """What is remembered."""
        from lunalux_tui.chat.memory_actions import MemoryActions

        return MemoryActions(
            self._runtime, self.opener, self.questions, self.messages, self._pane.transcript, self._view
        )

    @cached_property
    def models(self) -> ModelActions:
        """The choice of a model."""
        from lunalux_tui.chat.model_actions import ModelActions

        return ModelActions(self._runtime, self.opener, self._pane, self._host, self._view)

    @cached_property
    def pictures(self) -> PictureActions:
        """What attaches pictures."""
        from lunalux_tui.chat.picture_actions import PictureActions

        return PictureActions(self._runtime, self._open, self._view)

    @cached_property
    def files(self) -> FileActions:
        return FileActions(self._runtime, self.opener, self.shown, self._pane.transcript, self._view)

    @cached_property
    def scripts(self) -> ScriptActions:
        """What asks about the scripts of cards."""
        return ScriptActions(self._runtime, self._open, self.questions, self.shown, self._view)

    @cached_property
    def questions(self) -> Questions:
        """Those above the prompt."""
        run = partial(self._view.run_in, "questions")
        return Questions(self._pane, run, self._view.refresh_bindings)

    @cached_property
    def moving_in(self) -> MovingIn:
        """The offer to bring another program's data along; made at the first start alone."""
        from lunalux_tui.chat.moving_in import MovingIn

        return MovingIn(self._runtime, self.questions, self.files.import_cards)

"""The conversation on screen: its header, the messages, what can be said next, the status, the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

from textual import getters
from textual.app import ComposeResult
from textual.message import Message as TextualMessage

from lunalux_core.errors import LunaluxError
from lunalux_core.library.conversations import Message
from lunalux_tui.chat.action_declarations import ChatTranscript
from lunalux_tui.chat.conversation_bars import SHOWN, ChatHeader, StatusBar, Suggestions
from lunalux_tui.chat.message_draft import MessageDraft
from lunalux_tui.chat.opener import OpenChat
from lunalux_tui.chat.prompt_field import Prompt
from lunalux_tui.chat.slash_list import SlashList
from lunalux_tui.chat.transcript.message_window import Window
from lunalux_tui.i18n import t, tell
from lunalux_tui.parts.drawn import Column
from lunalux_tui.parts.removal import removal

if TYPE_CHECKING:
    from lunalux_core.account import AccountState
    from lunalux_core.documents.picture_refs import PictureRef
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.reply_bar import ReplyButton
    from lunalux_tui.chat.transcript.message_window import MessageDisplay
    from lunalux_tui.parts.host import Host


class ChatPane(Column):
    """Shows what is open."""

    transcript = getters.query_one(ChatTranscript)
    prompt = getters.query_one(Prompt)
    status = getters.query_one(StatusBar)
    suggestions = getters.query_one(Suggestions)
    header = getters.query_one(ChatHeader)

    @dataclass
    class PriceChanged(TextualMessage):
        """A reply was not made because it became dearer; `words` say so."""

        words: str
        model_id: str

    def __init__(self, chat: OpenChat) -> None:
        super().__init__(id="main")
        self._open = chat
        self.chosen_model = ""
        """The model that profiles choose here, "" where they leave it to the settings."""

    def compose(self) -> ComposeResult:
        yield ChatHeader()
        yield ChatTranscript(id="transcript")
        yield Suggestions()
        yield StatusBar()
        prompt = Prompt(id="prompt")
        prompt.completion = commands = SlashList(prompt)
        yield commands
        yield prompt

    @property
    def _runtime(self) -> Runtime:
        return cast("Host", self.app).runtime

    @cached_property
    def window(self) -> Window:
        """The messages that are on screen."""
        return Window(self._runtime.library.conversations, self.transcript)

    @cached_property
    def draft(self) -> MessageDraft:
        """What stands in the prompt, as it is stored."""
        return MessageDraft(self._open, self.prompt, self._runtime.library.conversations)

    @cached_property
    def message_display(self) -> MessageDisplay:
        """What display scripts make of the messages; not needed for the first frame."""
        from lunalux_tui.chat.transcript.message_window import MessageDisplay

        # Workers of the screen, which tells when one of them fails.
        runtime = self._runtime
        return MessageDisplay(
            self.transcript,
            self.window,
            runtime.displays,
            self.screen.run_worker,
            lambda picture_hash: runtime.library.pictures.data(picture_hash),
        )

    # -- what is open ------------------------------------------------------------------------------

    def show_conversation(self, messages: Sequence[Message], *, typed: str = "") -> None:
        """Show the conversation that is open from its newest messages on. What was `typed` is not lost."""
        conversation = self._open.conversation
        if conversation is None:
            return
        self.draft.opened(conversation.draft)
        self.show_head()
        self.transcript.selected = ""
        self.window.show(conversation.id, messages)
        self.prompt.fill(conversation.draft + typed)
        self.follow_messages()

    def show_nothing(self, *, typed: str = "") -> None:
        """Show that nothing is open."""
        self.show_head()
        self.window.clear()
        self.prompt.fill(typed)
        self.last_reply(None)

    def show_head(self) -> None:
        """Name what is open, and who is in it."""
        conversation, group = self._open.conversation, self._open.group
        members = group.members if group else ()
        self.header.character = self._open.name
        self.header.members = tuple((member.name, member.muted) for member in members)
        self.header.conversation = conversation.title if conversation else ""
        self.status.mode = conversation.mode if conversation else ""
        self.transcript.text_layout.places = {
            member.character_id: place for place, member in enumerate(members)
        }

    async def reload(self, *, keep_place: bool = True) -> None:
        """Read the messages again after a change of the conversation's tree."""
        self.show_head()
        await self.window.reload(keep_place=keep_place)
        self.follow_messages()

    def follow_messages(self) -> None:
        """Suggestions, usage, history and display scripts follow the messages in the window."""
        messages = self.transcript.messages
        self.last_reply(messages[-1] if messages else None)
        self.remember_words()
        # After the frame: messages are seen at once, and again as scripts show them when that is known.
        self.call_after_refresh(self.message_display.follow, anew=True)

    def remember_words(self) -> None:
        """What the person said in the window can be brought back into the prompt."""
        messages = self.transcript.messages
        self.prompt.earlier = [message.content for message in messages if message.role == "user"]

    def last_reply(self, message: Message | None) -> None:
        """Show what belongs to the newest message: its suggestions, its usage, its cost."""
        reply = message if message is not None and message.role == "assistant" else None
        if reply is not None:
            self.header.speaker = (reply.speaker, reply.name)
        self.suggestions.suggestions = reply.suggestions if reply is not None else ()
        self.prompt.offers = self.suggestions.suggestions[:SHOWN]
        self.status.usage = message.usage if message is not None else None
        self.status.billing = message.billing if message is not None else None
        cost = message.extra.get("cost") if message is not None else None
        self.status.cost = cost if isinstance(cost, dict) else None
        self.status.window = self._window() if message is not None else 0

    def _window(self) -> int:
        """Tokens that the model in use has for prompt and reply; 0 where there is no such model."""
        from lunalux_core.dialogue.context_window import allowed_window

        models, settings = self._runtime.models, self._runtime.settings
        try:
            return allowed_window(
                models.windowed(models.resolve(self.chosen_model or settings.model)), settings
            )
        except LunaluxError:
            return 0

    def show_chosen_model(self, name: str) -> None:
        """Name the model that profiles choose here."""
        self.chosen_model = name
        self.show_account(cast("Host", self.app).account)

    def show_account(self, account: AccountState | None) -> None:
        """Name the model in use; where it is an official one, show the coins it takes."""
        model = self.chosen_model or self._runtime.settings.model
        official = model.startswith("official:")
        self.status.account = account if official else None
        self.header.model = t("model.practice") if model == "practice" else model
        if official and account is not None:
            rows = {f"official:{row['modelId']}": str(row["displayname"]) for row in account.models}
            self.header.model = f"✦ {rows[model]}" if model in rows else model

    def show_error(self, error: LunaluxError) -> None:
        """Write a failure into the transcript, with what to do about it."""
        message, hint = tell(error)
        self.transcript.note(message, hint)
        if error.code == "PRICE_CHANGED" and "model_id" in error.params:
            self.post_message(self.PriceChanged(message, str(error.params["model_id"])))

    async def show_pictures(self, pictures: Sequence[PictureRef]) -> None:
        """Show, above the prompt, what goes with the next message."""
        from lunalux_tui.chat.pictures_bar import PicturesBar

        await removal(self.query(PicturesBar).remove())
        self.prompt.attached = bool(pictures)
        if pictures:
            await self.mount(PicturesBar(pictures), before="#prompt")

    async def show_reply_buttons(self, buttons: Sequence[ReplyButton]) -> None:
        """Show quick replies above the prompt; none takes the bar away."""
        from lunalux_tui.chat.reply_bar import ReplyBar

        for bar in self.query(ReplyBar):
            if buttons:
                bar.buttons = buttons
                bar.refresh()
                return
            await removal(bar.remove())
        if buttons:
            await self.mount(ReplyBar(buttons), before="#prompt")

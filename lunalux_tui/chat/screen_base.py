"""The chat screen's state and the parts it is made of; what can be done on it stands in its children."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from textual import getters, work
from textual.app import ComposeResult
from textual.reactive import var
from textual.worker import Worker

from lunalux_core.errors import LunaluxError
from lunalux_core.library.characters import CharacterSummary
from lunalux_core.library.conversations import Conversation, Message
from lunalux_core.library.groups import Group
from lunalux_tui.actions import Action
from lunalux_tui.app.first_frame import FIRST
from lunalux_tui.chat.actions import CHAT_ACTIONS, ChatTranscript
from lunalux_tui.chat.bars import SHOWN, ChatHeader, StatusBar, Suggestions
from lunalux_tui.chat.prompt import Prompt
from lunalux_tui.chat.roster import Roster
from lunalux_tui.chat.transcript.window import Window
from lunalux_tui.i18n import t, tell
from lunalux_tui.parts.drawn import Beside, Column
from lunalux_tui.parts.keybar import KeyBar
from lunalux_tui.parts.screen import LunaScreen

if TYPE_CHECKING:
    from lunalux_core.account import AccountState
    from lunalux_core.dialogue.turn import Billed, TurnEvent, TurnOptions
    from lunalux_tui.chat.transcript.display import MessageDisplay
    from lunalux_tui.chat.transcript.following import Following
    from lunalux_tui.chat.turns import Turns

TURN = "turn"
EVERY = 1.0
"""Seconds between two looks whether another program wrote to the library."""


class ChatBase(LunaScreen[None]):
    """Layout, what is open, and how a turn runs."""

    ACTIONS: Sequence[Action] = CHAT_ACTIONS
    BLANK = True

    busy: var[bool] = var(False, bindings=True)
    """Whether a reply is coming."""

    transcript = getters.query_one(ChatTranscript)
    prompt = getters.query_one(Prompt)
    status = getters.query_one(StatusBar)
    suggestions = getters.query_one(Suggestions)
    header = getters.query_one(ChatHeader)
    roster = getters.query_one(Roster)

    def __init__(self) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (92, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (18, "-tall"), (30, "-high")]
        self.character: CharacterSummary | None = None
        self.group: Group | None = None
        self.groups: dict[str, Group] = {}
        """The groups in the list, by their ids."""

        self.conversation: Conversation | None = None
        self._waiting = ""
        """What was sent and is not known to be stored yet."""
        self._known = asyncio.Event()
        """Whether nothing waits."""
        self._known.set()
        self._kept: str | None = ""
        """The draft as it is stored, None while nobody can tell."""
        self._writes = 0

    @cached_property
    def turns(self) -> Turns:
        """The runner of turns; made by the first turn, since the first frame does without it."""
        from lunalux_tui.chat.turns import Turns

        return Turns(self, self.looks)

    @cached_property
    def looks(self) -> MessageDisplay:
        """What display scripts make of the messages; not needed for the first frame."""
        from lunalux_tui.chat.transcript.display import MessageDisplay

        return MessageDisplay(self)

    @cached_property
    def following(self) -> Following:
        """What keeps the conversation in step with other programs; the first frame does without it."""
        from lunalux_tui.chat.transcript.following import Following

        return Following(self)

    def _follow(self) -> None:
        work: Any = self.following.look
        self.run_worker(work, group="follow", exit_on_error=False)

    @property
    def window(self) -> Window:
        return self._window

    @property
    def character_name(self) -> str:
        """Who is talked with: the character, or the group."""
        return self.character.name if self.character else self.group.name if self.group else ""

    @property
    def opened(self) -> str:
        """Id of the row in the list that is open."""
        return self.character.id if self.character else self.group.id if self.group else ""

    def compose(self) -> ComposeResult:
        with Beside(id="body"):
            yield Roster(id="roster")
            with Column(id="main"):
                yield ChatHeader()
                yield ChatTranscript(id="transcript")
                yield Suggestions()
                yield StatusBar()
                yield Prompt(id="prompt")
        yield KeyBar()

    def on_mount(self) -> None:
        opening = self.lunalux.opening
        self._window = Window(self.runtime.library.conversations, self.transcript)
        self.transcript.sheet.show_thinking = self.runtime.settings.show_thinking
        self.apply_settings()
        self.header.persona = opening.persona
        known = {one.id: one for one in opening.characters}
        if opening.conversation is not None:
            self.character = known.get(opening.conversation.character_id)
            group_id = opening.conversation.group_id
            self.show_group(next((one for one in opening.groups if one.id == group_id), None))
            self._show(opening.conversation, list(opening.messages))
        self.show_roster(opening.characters, opening.groups)
        if opening.problem is not None:
            self.show_error(opening.problem)
        self.prompt.focus()
        self.set_interval(EVERY, self._follow)
        self.watch(self.app, "account", self.show_account, init=False)

    def apply_settings(self) -> None:
        """Follow the settings in force."""
        settings = self.runtime.settings
        self.prompt.enter_sends = settings.enter_sends
        for shown in self.roster.children:
            follow = getattr(shown, "apply_settings", None)
            if follow is not None:
                follow()
        self.show_account(self.lunalux.account)

    def show_account(self, account: AccountState | None) -> None:
        """Name the model in use; where it is an official one, show the coins it takes."""
        model = self.runtime.settings.model
        official = model.startswith("official:")
        self.status.account = account if official else None
        self.header.model = t("model.practice") if model == "practice" else model
        if official and account is not None:
            rows = {f"official:{row['modelId']}": str(row["displayname"]) for row in account.models}
            self.header.model = f"✦ {rows[model]}" if model in rows else model

    # -- what is open ------------------------------------------------------------------------------

    async def open_character(self, character_id: str, *, new: bool = False) -> None:
        """Open a character's latest conversation, or a new one."""
        chat, library = self.runtime.chat, self.runtime.library
        conversation = await (chat.start(character_id) if new else chat.open(character_id))
        await library.characters.touch(character_id)
        await self.open_conversation(conversation.id)

    async def open_group(self, group_id: str, *, new: bool = False) -> None:
        """Open a group's latest conversation, or a new one."""
        chat, library = self.runtime.chat, self.runtime.library
        conversation = await (chat.start_group(group_id) if new else chat.open_group(group_id))
        await library.groups.touch(group_id)
        await self.open_conversation(conversation.id)

    async def open_again(self, *, new: bool = False) -> None:
        """Open the latest conversation, or a new one, with who is talked with already."""
        if self.group is not None:
            await self.open_group(self.group.id, new=new)
        elif self.character is not None:
            await self.open_character(self.character.id, new=new)

    async def open_conversation(self, conversation_id: str, message_id: str = "") -> None:
        """Open a conversation, at one of its messages if one is named."""
        self.stop_turn()
        library = self.runtime.library
        await self.keep_draft()
        if message_id:
            await library.conversations.select(message_id)
        conversation = await library.conversations.get(conversation_id)
        if conversation.group_id:
            self.character = None
            self.show_group(await library.groups.get(conversation.group_id))
        else:
            self.character = (await library.characters.get(conversation.character_id)).summary
            self.show_group(None)
        page = await library.conversations.page(conversation_id, limit=FIRST)
        self._show(conversation, list(page))
        self.roster.rows.mark_current(self.opened)
        if message_id:
            await self.window.reveal(message_id)

    def _show(self, conversation: Conversation, messages: list[Message]) -> None:
        typed = self.prompt.text if self.conversation is None else ""
        self.conversation = conversation
        self._kept = conversation.draft
        self._writes += 1
        self.header.character = self.character_name
        self.header.conversation = conversation.title
        self.status.mode = conversation.mode
        self.transcript.selected = ""
        self.window.show(conversation.id, messages)
        self.prompt.fill(typed or conversation.draft)  # what was typed while it opened is not lost
        self.refresh_surroundings()
        self.refresh_bindings()

    def refresh_surroundings(self) -> None:
        """Suggestions, usage and history follow the messages in the window."""
        messages = self.transcript.messages
        self.last_reply(messages[-1] if messages else None)
        self.remember_words()
        self.call_after_refresh(self.surroundings_changed)

    def remember_words(self) -> None:
        """What the person said in the window can be brought back into the prompt."""
        messages = self.transcript.messages
        self.prompt.earlier = [message.content for message in messages if message.role == "user"]

    def surroundings_changed(self) -> None:
        """Follow, once the messages are on screen, what scripts make of them."""
        self.looks.follow(anew=True)

    def last_reply(self, message: Message | None) -> None:
        """Show what belongs to the newest message: its suggestions, its usage, its cost."""
        of_reply = message is not None and message.role == "assistant"
        self.suggestions.suggestions = message.suggestions if message is not None and of_reply else ()
        self.prompt.offers = self.suggestions.suggestions[:SHOWN]
        self.status.usage = message.usage if message is not None else None
        self.status.billing = message.billing if message is not None else None

    async def reload(self, *, keep_place: bool = True) -> None:
        """Read the conversation again after a change of its tree."""
        if self.conversation is None:
            return
        self.conversation = await self.runtime.library.conversations.get(self.conversation.id)
        self.header.conversation = self.conversation.title
        await self.window.reload(keep_place=keep_place)
        self.refresh_surroundings()

    async def refresh_roster(self) -> None:
        """Read the list of characters again, as the search field narrows it."""
        roster = self.roster
        found = await self.runtime.library.characters.list(roster.words, favourites=roster.favourites)
        groups = () if roster.favourites else await self.runtime.library.groups.list(roster.words)
        self.show_roster(found, groups)

    def show_roster(self, characters: Sequence[CharacterSummary], groups: Sequence[Group]) -> None:
        """Show these characters and groups in the list."""
        self.groups = {one.id: one for one in groups}
        self.roster.show(characters, self.opened, groups)

    def show_group(self, group: Group | None) -> None:
        """Show the members of the group that is open; None for a conversation with one character."""
        self.group = group
        members = group.members if group else ()
        self.transcript.sheet.places = {one.character_id: place for place, one in enumerate(members)}
        self.header.members = tuple((one.name, one.muted) for one in members)
        if group is not None:
            self.header.character = group.name
        self.refresh_bindings()

    def close_conversation(self) -> None:
        """Show that nothing is open."""
        self.character = self.conversation = None
        self.show_group(None)
        self.header.character = self.header.conversation = ""
        self.window.clear()
        self.prompt.fill("")
        self.last_reply(None)

    # -- turns -------------------------------------------------------------------------------------

    def start_turn(
        self, events: AsyncIterator[TurnEvent], *, restore: str = "", impersonate: bool = False
    ) -> Worker[None]:
        """Run a turn; there is never more than one."""
        return self.run_worker(
            self.turns.run(events, restore=restore, impersonate=impersonate),
            name=TURN,
            group=TURN,
            exclusive=True,
            exit_on_error=False,
        )

    def stop_turn(self) -> bool:
        """Stop the reply that is coming; False when there is none."""
        if not self.busy:
            return False
        self.workers.cancel_group(self, TURN)
        return True

    def turn_options(self) -> TurnOptions:
        from lunalux_core.dialogue.turn import TurnOptions

        return TurnOptions(mode=self.conversation.mode if self.conversation else "")

    def watch_busy(self, busy: bool) -> None:
        self.prompt.locked = busy

    def billed(self, event: Billed) -> None:
        """Show the cost at once; the core has told the account of its new wallet."""
        self.status.billing = {"method": event.method, "cost": event.cost}

    def words_wait(self, text: str) -> None:
        """The person's words are on their way; the prompt keeps them until they are stored."""
        self._waiting = text
        self._known.clear()

    def words_stored(self) -> None:
        """The person's words are on disk: only now the prompt lets go of them."""
        self.prompt.take(self._waiting)
        self._nothing_waits()

    def _nothing_waits(self) -> None:
        self._waiting = ""
        self._kept = None  # words that were stored have left the draft too
        self._known.set()

    def nobody_answers(self) -> None:
        """The words are stored and no reply follows, as in a group where nobody speaks unasked."""

    def turn_over(self) -> None:
        """A turn ended, one way or another: what stands in the prompt is a draft again."""
        if self._waiting:
            self._nothing_waits()
            self.prompt.post_message(self.prompt.Paused(self.prompt.text))

    def show_error(self, error: LunaluxError) -> None:
        """Write a failure into the transcript, with what to do about it."""
        message, hint = tell(error)
        self.transcript.note(message, hint)
        if error.code == "PRICE_CHANGED" and "model_id" in error.params:
            self._ask_price(message, str(error.params["model_id"]))

    @work(group="price", exclusive=True, exit_on_error=False)
    async def _ask_price(self, message: str, model_id: str) -> None:
        """A reply that became dearer is made, and paid, when the person agrees to its price."""
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        question = ConfirmDialog(t("chat.price.title"), t("chat.price.question", message=message))
        if await self.app.push_screen_wait(question):
            await self.runtime.account.agree(model_id)
            self.action_regenerate()

    def action_regenerate(self) -> None:
        """Ask for the reply again."""

    def show_failure(self, error: BaseException) -> None:
        if isinstance(error, LunaluxError):
            self.show_error(error)
        else:
            from lunalux_core.diagnostics.crash import crashed

            self.log.error("worker failed", error=repr(error))
            self.show_error(crashed(error, self.runtime.paths))

    # -- the draft ---------------------------------------------------------------------------------

    async def keep_draft(self) -> None:
        """Store what stands in the prompt with the conversation."""
        await self._known.wait()
        conversation, draft = self.conversation, self.prompt.text if self.is_mounted else ""
        if conversation is None or not self.is_mounted or draft == self._kept:
            return
        self._kept, self._writes = None, self._writes + 1
        number = self._writes
        await self.runtime.library.conversations.set(conversation.id, draft=draft)
        if number == self._writes and self.conversation is not None:
            from dataclasses import replace

            self._kept = draft
            self.conversation = replace(self.conversation, draft=draft)

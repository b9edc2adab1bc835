"""The chat screen: talk with a character, or with a group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from textual import getters, on
from textual.app import ComposeResult
from textual.events import DescendantFocus
from textual.reactive import var
from textual.worker import Worker, WorkerCancelled, WorkerFailed

from lunalux_core.errors import LunaluxError
from lunalux_core.library.character_list import CharacterSummary
from lunalux_core.library.conversations import Conversation, Message
from lunalux_core.library.groups import Group
from lunalux_core.library.turns import uses_quick_replies
from lunalux_tui.actions import bindings
from lunalux_tui.chat.actions import CHAT_ACTIONS, DIRECTING_ACTIONS, GROUP_ACTIONS, ChatTranscript
from lunalux_tui.chat.availability import available
from lunalux_tui.chat.bars import ChatHeader, StatusBar, Suggestions
from lunalux_tui.chat.conversation_actions import ConversationActions
from lunalux_tui.chat.file_actions import FileActions
from lunalux_tui.chat.group_actions import GroupActions
from lunalux_tui.chat.message_actions import MessageActions
from lunalux_tui.chat.opener import OpenChat, Opener
from lunalux_tui.chat.pane import ChatPane
from lunalux_tui.chat.prompt import Prompt
from lunalux_tui.chat.questions import Questions
from lunalux_tui.chat.roster import Roster
from lunalux_tui.chat.roster_actions import RosterActions
from lunalux_tui.chat.script_actions import ScriptActions
from lunalux_tui.chat.transcript.transcript import Transcript
from lunalux_tui.chat.transcript.window import Window
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import SideBySide
from lunalux_tui.parts.rows import Rows
from lunalux_tui.parts.screen import KeyBar, LunaScreen, PlaceBar

if TYPE_CHECKING:
    from textual.screen import Screen

    from lunalux_core.config.settings import Settings
    from lunalux_core.dialogue.direction import Direction
    from lunalux_core.dialogue.turn import TurnEvent
    from lunalux_core.documents.pictures import PictureRef
    from lunalux_tui.chat.auto_mode import AutoMode
    from lunalux_tui.chat.directing_actions import DirectingActions
    from lunalux_tui.chat.memory_actions import MemoryActions
    from lunalux_tui.chat.model_actions import ModelActions
    from lunalux_tui.chat.moving_in import MovingIn
    from lunalux_tui.chat.opener import LibraryWatcher
    from lunalux_tui.chat.picture_actions import PictureActions
    from lunalux_tui.chat.prose import Prose
    from lunalux_tui.chat.quick_replies import QuickReplies
    from lunalux_tui.chat.reply_bar import ReplyButton
    from lunalux_tui.chat.slash_actions import SlashActions
    from lunalux_tui.chat.turns import TurnController
    from lunalux_tui.chat.view import Answer, Work

Handed = Callable[..., None]

ASK_SERVER_AFTER = 2
"""Seconds from when a model is put in use: start-up and the first keys do not wait for it."""
TURN = "turn"
"""Group of the worker that runs a turn."""
SCRIPT = "script"
"""Group of the worker that runs a script of the person's."""
DIALOG = "dialog"
"""Group of the worker that waits for an answer; another question takes its place."""

EDIT = "edit"
"""Group of the workers that change messages; they wait for each other in the library."""

EVERY = 1.0
"""Seconds between two looks whether another program wrote to the library."""


def handed(group: str, method: Callable[[ChatScreen], Callable[..., Coroutine[Any, Any, None]]]) -> Handed:
    """An action that one of the objects does, in a worker of `group`."""

    def action(screen: ChatScreen, *arguments: Any) -> None:
        screen._run(group, partial(method(screen), *arguments), exclusive=group != EDIT)

    return action


def direct(method: Callable[[ChatScreen], Callable[..., object]]) -> Handed:
    """An action that one of the objects does at once."""

    def action(screen: ChatScreen, *arguments: Any) -> None:
        method(screen)(*arguments)

    return action


class ChatScreen(LunaScreen[None]):
    """Knows what is open, wires the parts to each other, and hands each action to the object that does it."""

    ACTIONS = (*CHAT_ACTIONS, *DIRECTING_ACTIONS, *GROUP_ACTIONS)
    BINDINGS = bindings(ACTIONS)
    PLACE = "chat"
    AUTO_FOCUS = ""
    BLANK = True

    busy: var[bool] = var(False, bindings=True)
    """Whether a reply is coming, or a script runs."""

    pane = getters.query_one(ChatPane)
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
        self.open_chat = OpenChat()

    def compose(self) -> ComposeResult:
        yield PlaceBar()
        with SideBySide(id="body"):
            yield Roster(id="roster")
            yield ChatPane(self.open_chat)
        yield KeyBar()

    def on_mount(self) -> None:
        opening, chat = self.lunalux.opening, self.open_chat
        self.transcript.text_layout.show_thinking = self.runtime.settings.show_thinking
        self.apply_settings()
        self.show_persona(opening.persona)
        if opening.conversation is not None:
            characters = {character.id: character for character in opening.characters}
            groups = {group.id: group for group in opening.groups}
            chat.character = characters.get(opening.conversation.character_id)
            chat.group = groups.get(opening.conversation.group_id or "")
            self.opener.show(opening.conversation, opening.messages)
        self.roster_actions.show(opening.characters, opening.groups, opening.last_words, opening.folders)
        if opening.problem is not None:
            self.show_error(opening.problem)
        if opening.groups and opening.folders:  # those in a closed folder are not known yet
            self._run("roster", self.refresh_roster)
        self.prompt.focus()
        self.set_interval(EVERY, partial(self._run, "follow", self._follow, exclusive=False))
        self.watch(self.app, "account", self.pane.show_account, init=False)

    # -- who does what -----------------------------------------------------------------------------

    @cached_property
    def turns(self) -> TurnController:
        """The runner of turns; made by the first turn, since the first frame does without it."""
        from lunalux_tui.chat.turns import TurnController

        return TurnController(self.pane, self.runtime.library.conversations)

    @cached_property
    def library_watcher(self) -> LibraryWatcher:
        """What keeps the conversation in step with other programs; the first frame does without it."""
        from lunalux_tui.chat.opener import LibraryWatcher

        return LibraryWatcher(self.runtime.library, self.opener, self.transcript, self)

    @cached_property
    def opener(self) -> Opener:
        return Opener(self.runtime, self.open_chat, self)

    @cached_property
    def message_actions(self) -> MessageActions:
        return MessageActions(self.runtime, self.opener, self.transcript, self)

    @cached_property
    def directing_actions(self) -> DirectingActions:
        """What directs the story; the first frame does without it."""
        from lunalux_tui.chat.directing_actions import DirectingActions

        return DirectingActions(self.runtime, self.opener, self)

    @cached_property
    def slash_actions(self) -> SlashActions:
        """What runs slash commands; the first frame does without it."""
        from lunalux_tui.chat.slash_actions import SlashActions

        return SlashActions(self.runtime, self.opener, self)

    @cached_property
    def quick_replies(self) -> QuickReplies:
        """The quick replies in force; loaded where there are any."""
        from lunalux_tui.chat.quick_replies import QuickReplies

        return QuickReplies(self.runtime, self.opener, self.slash_actions, self)

    @property
    def replies_followed(self) -> bool:
        """Whether any were ever in force since the start."""
        return "quick_replies" in self.__dict__

    async def _follow_replies(self) -> None:
        if self.replies_followed or await self.runtime.library.database.read(uses_quick_replies):
            await self.quick_replies.opened()

    @cached_property
    def memory_actions(self) -> MemoryActions:
        """What is remembered; the first frame does without it."""
        from lunalux_tui.chat.memory_actions import MemoryActions

        return MemoryActions(self.runtime, self.opener, self.questions, self)

    @cached_property
    def conversation_actions(self) -> ConversationActions:
        return ConversationActions(self.runtime, self.opener, self)

    @cached_property
    def group_actions(self) -> GroupActions:
        return GroupActions(self.runtime, self.opener, self)

    @cached_property
    def auto_mode(self) -> AutoMode:
        """What lets a group go on by itself; loaded for groups that do."""
        from lunalux_tui.chat.auto_mode import AutoMode

        return AutoMode(self.runtime, self.opener, self)

    def let_speak(self) -> None:
        self.group_actions.let_speak()

    def show_countdown(self, seconds: int | None) -> None:
        """Say in how many seconds the group goes on by itself."""
        self.status.countdown = seconds
        self.refresh_bindings()

    def _follow_auto_mode(self) -> None:
        if (self.group is not None and self.group.auto_mode) or "auto_mode" in self.__dict__:
            self.auto_mode.follow()

    @cached_property
    def file_actions(self) -> FileActions:
        return FileActions(self.runtime, self.opener, self)

    @cached_property
    def picture_actions(self) -> PictureActions:
        """What attaches pictures; the first frame does without it."""
        from lunalux_tui.chat.picture_actions import PictureActions

        return PictureActions(self.runtime, self.open_chat, self)

    @cached_property
    def script_actions(self) -> ScriptActions:
        return ScriptActions(self.runtime, self.open_chat, self.questions, self)

    @cached_property
    def questions(self) -> Questions:
        return Questions(self.pane, partial(self._run, "questions"), self.refresh_bindings)

    @cached_property
    def moving_in(self) -> MovingIn:
        """The offer to bring another program's data along; made at the first start alone."""
        from lunalux_tui.chat.moving_in import MovingIn

        return MovingIn(self.runtime, self.questions, self.file_actions.import_cards)

    @cached_property
    def model_actions(self) -> ModelActions:
        """The choice of a model; the first frame does without it."""
        from lunalux_tui.chat.model_actions import ModelActions

        return ModelActions(self.runtime, self.opener, self)

    @cached_property
    def roster_actions(self) -> RosterActions:
        return RosterActions(self.runtime, self.opener, self.roster, self.group_actions, self)

    # -- what is open ------------------------------------------------------------------------------

    @property
    def character(self) -> CharacterSummary | None:
        """Who is talked with, None in a group."""
        return self.open_chat.character

    @property
    def group(self) -> Group | None:
        """The group that is talked with, None with a single character."""
        return self.open_chat.group

    @property
    def conversation(self) -> Conversation | None:
        """As it was last read from the library."""
        return self.open_chat.conversation

    @property
    def character_name(self) -> str:
        """Who is talked with: the character, or the group."""
        return self.open_chat.name

    @property
    def streaming(self) -> bool:
        """Whether a reply grows on screen."""
        return self.transcript.streaming

    @property
    def window(self) -> Window:
        """The messages that are on screen."""
        return self.pane.window

    # -- showing it (`opener.OpenView`) ------------------------------------------------------------

    def show_conversation(self, messages: Sequence[Message], *, typed: str = "") -> None:
        self.pane.show_conversation(messages, typed=typed)
        self.roster.rows.mark_current(self.open_chat.row_id)
        self.call_after_refresh(self._ask_about_scripts)
        self._run("profiles", self._follow_profiles)
        self._look_at_pictures()
        self._run("replies", self._follow_replies)
        self.refresh_bindings()

    def _look_at_pictures(self) -> None:
        """Show what waits beside the draft of the conversation that is open now; most have nothing."""
        chat = self.open_chat
        waited, chat.pictures = bool(chat.pictures), ()
        if waited or (chat.conversation is not None and chat.conversation.has_pictures):
            self._run("pictures", self.picture_actions.look)

    async def show_again(self, *, keep_place: bool = True) -> None:
        await self.pane.reload(keep_place=keep_place)
        self._look_at_pictures()
        self.call_after_refresh(self._ask_about_scripts)

    def show_members(self) -> None:
        self.pane.show_head()
        self.transcript.retranslate()
        self.refresh_bindings()

    def show_nothing(self, *, typed: str = "") -> None:
        self.pane.show_nothing(typed=typed)
        self._look_at_pictures()
        self.refresh_bindings()

    async def reveal(self, message_id: str) -> None:
        await self.window.reveal(message_id)

    def typed(self) -> str:
        return self.prompt.text

    async def refresh_roster(self) -> None:
        """Read the list of characters again, as the search field narrows it."""
        await self.roster_actions.refresh()

    async def keep_draft(self) -> None:
        """Store what stands in the prompt with the conversation."""
        if self.is_mounted:
            await self.pane.draft.keep()

    def apply_settings(self) -> None:
        """Follow the settings in force."""
        self.prompt.enter_sends = self.runtime.settings.enter_sends
        for child in self.roster.children:
            follow = getattr(child, "apply_settings", None)
            if follow is not None:
                follow()
        self.pane.show_account(self.lunalux.account)
        self.status.prose = self.runtime.settings.prose
        self.transcript.show_prose(self.runtime.settings.prose)
        if self.replies_followed:
            self._run("replies", self.quick_replies.follow)
        self.set_timer(ASK_SERVER_AFTER, self._ask_server)

    def _ask_server(self) -> None:
        """Have a server near by asked what it is, so that the first turn knows its window; one far away hears
        nothing before the person says something."""
        models = self.runtime.models
        with suppress(LunaluxError):
            models.refresh(models.resolve(self.runtime.settings.model), near=True)

    def surroundings_changed(self) -> None:
        """Follow what scripts, presets and names make of the messages on screen."""
        self.pane.message_display.follow(anew=True)
        self._ask_about_scripts()

    def _ask_about_scripts(self) -> None:
        self._run("scripts", self._look_at_scripts)

    async def _look_at_scripts(self) -> None:
        await self.script_actions.look()

    async def _follow(self) -> None:
        await self.library_watcher.look()

    # -- turns -------------------------------------------------------------------------------------

    def start_turn(
        self, events: AsyncIterator[TurnEvent], *, restore: str = "", impersonate: bool = False
    ) -> Worker[None]:
        """Run a turn; there is never more than one. The words to `restore` stay until they are stored."""
        if restore:
            self.pane.draft.wait(restore)
        return self.run_worker(
            self._turn(events, restore, impersonate),
            name=TURN,
            group=TURN,
            exclusive=True,
            exit_on_error=False,
        )

    async def _turn(self, events: AsyncIterator[TurnEvent], restore: str, impersonate: bool) -> None:
        self.busy = True
        try:
            if self.replies_followed:
                events = self.quick_replies.watched(events)
            await self.turns.run(events, restore=restore, impersonate=impersonate)
        finally:
            self.busy = self.status.scripting
            self._run("last_words", self.roster_actions.show_last_words)
        if self.replies_followed and self.quick_replies.due and not self.busy:
            self.run_as_script(self.quick_replies.after_reply)
        self._follow_auto_mode()

    async def take_turn(self, events: AsyncIterator[TurnEvent], *, impersonate: bool = False) -> None:
        """Run a turn within a script, to its end; one that is stopped stops the script."""
        try:
            await self.start_turn(events, impersonate=impersonate).wait()
            if self.replies_followed and self.quick_replies.due:
                await self.quick_replies.after_reply()
        except WorkerFailed as failure:
            self.log.error("turn failed", error=repr(failure.error))  # shown as that of any worker
        except WorkerCancelled:  # so it ends when the turn is stopped, and also when the script itself is
            raise asyncio.CancelledError from None

    def stop_turn(self) -> bool:
        """Stop the reply that is coming, and the script that runs; False when there is neither."""
        if self.group is not None and self.group.auto_mode and (self.busy or self.auto_mode.waiting):
            self._run("auto", partial(self.auto_mode.switch, False))
            if not self.busy:
                return True
        if not self.busy:
            return False
        self.workers.cancel_group(self, SCRIPT)
        self.workers.cancel_group(self, TURN)
        return True

    def run_as_script(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something in the place of a script; there is never more than one."""
        if self.busy:
            self.say(t("chat.busy"))
            return
        self.busy = self.status.scripting = True
        self.transcript.clear_notes()
        self._run(SCRIPT, partial(self._script, work))

    async def _script(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        finally:
            self.busy = self.status.scripting = False
            self._run("last_words", self.roster_actions.show_last_words)

    @on(ChatPane.PriceChanged)
    def _price_changed(self, event: ChatPane.PriceChanged) -> None:
        self._run("price", partial(self.message_actions.ask_price, event.words, event.model_id))

    # -- asking and telling ------------------------------------------------------------------------

    def _run(self, group: str, work: Work, *, exclusive: bool = True) -> Worker[None]:
        """Do something in the background. Its coroutine is made only when it runs."""
        return self.run_worker(work, group=group, exclusive=exclusive, exit_on_error=False)

    async def ask(self, dialog: Screen[Answer]) -> Answer | None:
        """Show a dialog and wait for the answer; only in a worker."""
        return await self.app.push_screen_wait(dialog)

    def say(self, words: str, *, warn: bool = False, undo: bool = False) -> None:
        """Say what happened in the status line, with a button that takes it back if `undo`."""
        if not self.status.tell(words, warn=warn, undo=undo):
            self.notify(words, severity="warning" if warn else "information", markup=False)

    def notice(self, words: str, title: str, *, warn: bool = False) -> None:
        """A notice at the top, which takes nothing out of the status line."""
        self.notify(words, title=title, severity="warning" if warn else "information", markup=False)

    def note(self, words: str, hint: str = "", *, error: bool = True) -> None:
        """Say something that stays, in the transcript."""
        self.transcript.note(words, hint, error=error)

    def show_error(self, error: LunaluxError) -> None:
        """Write a failure into the transcript, with what to do about it."""
        self.pane.show_error(error)

    def show_failure(self, error: BaseException) -> None:
        if isinstance(error, LunaluxError):
            self.show_error(error)
        else:
            from lunalux_core.diagnostics.crash import crashed

            self.log.error("worker failed", error=repr(error))
            self.show_error(crashed(error, self.runtime.paths))

    def show_persona(self, name: str) -> None:
        """Name who the person is here."""
        self.header.persona = name

    def show_found(self, words: Sequence[str]) -> None:
        """Let words that were looked for stand out in the messages, until the prompt is gone back to."""
        self.transcript.found = tuple(words)

    def change_setting(self, key: str, value: object) -> None:
        """Store one setting and put it in force."""
        self.lunalux.change_setting(key, value)

    async def chat_surroundings_changed(self) -> None:
        """Follow profiles, presets, worldbooks and quick replies that a script changed."""
        await self.model_actions.follow_profiles()
        await self.quick_replies.follow()

    async def show_reply_buttons(self, buttons: Sequence[ReplyButton]) -> None:
        """Show quick replies above the prompt."""
        await self.pane.show_reply_buttons(buttons)
        self.refresh_bindings()

    def copy(self, text: str) -> None:
        """Put a text into the clipboard."""
        self.app.copy_to_clipboard(text)

    async def show_pictures(self, pictures: Sequence[PictureRef]) -> None:
        await self.pane.show_pictures(pictures)
        self.refresh_bindings()

    def ask_about_memory(self, model: str) -> None:
        """Ask whether a model that costs may write memories."""
        self.memory_actions.ask_about(model)

    def browse(self) -> None:
        """Leave the prompt for the messages."""
        self.transcript.focus()

    def work_at_memories(self, work: Work) -> Worker[None]:
        """Write memories in the background, whatever else is done."""
        return self._run("memories", work, exclusive=False)

    def show_memories(self) -> None:
        """Open the pane."""
        self._run(DIALOG, self.memory_actions.pane)

    # -- what the parts tell -----------------------------------------------------------------------

    @on(Prompt.Submitted)
    def _submitted(self, event: Prompt.Submitted) -> None:
        from lunalux_core.dialogue.direction import is_script

        if is_script(event.text):
            self.run_as_script(partial(self.slash_actions.run, event.text))
        elif self.runtime.settings.prose:
            self.status.from_passage = False
            self._run(EDIT, partial(self.prose.write, event.text))
        else:
            self.send(event.text)

    @cached_property
    def prose(self) -> Prose:
        """What writes on in story mode."""
        from lunalux_tui.chat.prose import Prose

        return Prose(self.runtime, self.opener, self.transcript, self)

    def continue_reply(self) -> None:
        self.message_actions.continue_reply()

    def answer_last(self) -> None:
        self.directing_actions.answer()

    def action_prose(self) -> None:
        """Read and write the chat as one page of prose, or as messages."""
        self.change_setting("chat.prose", not self.runtime.settings.prose)

    def send(self, text: str) -> None:
        """Say something."""
        self.message_actions.send(text)

    def put_typed(self, text: str) -> None:
        """Put a text in the place of what stands in the prompt; one undo brings that back."""
        self.prompt.rewrite(text)

    def point_at(self, text: str, line: int, column: int) -> None:
        """Put the cursor to a place (from 1) of the text that stands in the prompt."""
        if self.prompt.text == text:
            self.prompt.move_cursor((line - 1, column - 1))

    def take_typed(self, text: str) -> None:
        """Empty the prompt of a text that is stored."""
        self.prompt.take(text)

    def say_directed(self, text: str, direction: Direction, *, replies: int = 1) -> None:
        """Send the person's words with what they say about the reply."""
        self.message_actions.send(text, direction=direction, replies=replies)

    @on(Prompt.Paused)
    def _paused(self) -> None:
        self._run("draft", self.keep_draft)

    @on(Prompt.Left)
    def _left_prompt(self) -> None:
        if not self.stop_turn():
            if self.status.from_passage:  # to the end again, before the prompt is left
                self.status.from_passage, self.transcript.selected = False, ""
                return
            self.transcript.focus()
            if not self.transcript.selected and not self.transcript.streaming:
                self.transcript.select_step(0)

    @on(Prompt.Paged)
    def _paged(self, event: Prompt.Paged) -> None:
        self.transcript.page(event.way)
        if event.way in {"first", "last"}:
            self.action_end(event.way == "first")

    async def _to_end_of_conversation(self, first: bool) -> None:
        """Read what lies between the window and that end, and show it."""
        await (self.window.first() if first else self.window.last())
        if self.transcript.has_focus and (messages := self.transcript.messages):
            self.transcript.selected = messages[0 if first else -1].id
        self.pane.message_display.follow()

    @on(Prompt.Swiped)
    def _swiped_in_prompt(self, event: Prompt.Swiped) -> None:
        if self.check_action("swipe", (event.step,)):
            self.action_swipe(event.step)

    @on(Transcript.SwipeWanted)
    def _swipe_clicked(self, event: Transcript.SwipeWanted) -> None:
        self.transcript.selected = event.message_id
        if self.check_action("swipe", (event.step,)):
            self.action_swipe(event.step)

    @on(Transcript.Scrolled)
    def _scrolled(self, event: Transcript.Scrolled) -> None:
        self.status.below = event.below

    @on(Prompt.FilesPasted)
    def _files_pasted(self, event: Prompt.FilesPasted) -> None:
        self._run(DIALOG, partial(self._import_dropped, event))

    async def _import_dropped(self, event: Prompt.FilesPasted) -> None:
        paths = await self.picture_actions.dropped(event.paths)
        if paths and not await self.file_actions.import_dropped(paths):
            self.prompt.put(event.text)  # their paths were meant as a text

    @on(Suggestions.Picked)
    def _picked(self, event: Suggestions.Picked) -> None:
        self._take(event.text)

    def _take(self, suggestion: str) -> None:
        self.prompt.rewrite(suggestion)
        self.prompt.focus()

    @on(Transcript.OlderWanted)
    def _older_wanted(self) -> None:
        self._run("older", partial(self._widen, older=True), exclusive=False)

    @on(Transcript.NewerWanted)
    def _newer_wanted(self) -> None:
        self._run("newer", partial(self._widen, older=False), exclusive=False)

    async def _widen(self, *, older: bool) -> None:
        await (self.window.older() if older else self.window.newer())
        self.pane.message_display.follow()

    @on(Roster.Searched)
    def _searched(self) -> None:
        self._run("roster", self.refresh_roster)

    @on(Rows.Chosen, "#roster-rows")
    def _chosen(self, event: Rows.Chosen) -> None:
        self._run("open", partial(self.roster_actions.open, event.id))

    def key_escape(self) -> None:
        """Escape in any other place: stop the reply, else go back to writing."""
        if not self.stop_turn():
            self.action_focus_prompt()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        self.status.browsing = event.widget is self.transcript

    def on_screen_resume(self) -> None:
        """Back from a dialog or another place, where scripts, presets and names may have changed."""
        if self.conversation is not None:
            self.call_after_refresh(self.surroundings_changed)

    # -- actions -----------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what cannot be done now."""
        if action == "quick_reply":
            return self.replies_followed and self.quick_replies.has(parameters[0])
        now = available(
            action,
            self.open_chat,
            busy=self.busy,
            waiting=self.status.countdown is not None,
            question=self.questions.standing,
        )
        return super().check_action(action, parameters) if now is None else now

    action_stop = direct(lambda screen: screen.stop_turn)
    action_regenerate = direct(lambda screen: screen.message_actions.regenerate)
    action_impersonate = direct(lambda screen: screen.message_actions.impersonate)
    action_repeat_instruction = direct(lambda screen: screen.directing_actions.repeat)
    action_expand = direct(lambda screen: screen.directing_actions.expand)
    action_answer = direct(lambda screen: screen.directing_actions.answer)
    action_copy = direct(lambda screen: screen.message_actions.copy)
    action_copy_code = direct(lambda screen: screen.message_actions.copy_code)
    action_fold = direct(lambda screen: screen.message_actions.fold)
    action_edit_row = direct(lambda screen: screen.roster_actions.edit)
    action_mark_character = direct(lambda screen: screen.roster.mark)

    action_swipe = handed(EDIT, lambda screen: screen.message_actions.swipe)
    action_edit = handed(EDIT, lambda screen: screen.message_actions.edit)
    action_delete = handed(EDIT, lambda screen: screen.message_actions.delete)
    action_truncate = handed(EDIT, lambda screen: screen.message_actions.truncate)
    action_hide = handed(EDIT, lambda screen: screen.message_actions.hide)
    action_undo = handed(EDIT, lambda screen: screen.message_actions.undo)
    action_redo = handed(EDIT, lambda screen: screen.message_actions.redo)

    action_conversations = handed(DIALOG, lambda screen: screen.conversation_actions.choose)
    action_new_conversation = handed(DIALOG, lambda screen: screen.conversation_actions.new)
    action_rename = handed(DIALOG, lambda screen: screen.conversation_actions.rename)
    action_tree = handed(DIALOG, lambda screen: screen.conversation_actions.tree)
    action_search = handed(DIALOG, lambda screen: screen.conversation_actions.search)
    action_personas = handed(DIALOG, lambda screen: screen.conversation_actions.personas)
    action_modes = handed(DIALOG, lambda screen: screen.conversation_actions.modes)
    action_note = handed(DIALOG, lambda screen: screen.conversation_actions.note)
    action_inspect = handed(DIALOG, lambda screen: screen.conversation_actions.inspect)
    action_books = handed(DIALOG, lambda screen: screen.conversation_actions.books)
    action_models = handed(DIALOG, lambda screen: screen.model_actions.choose)
    action_preset = handed(DIALOG, lambda screen: screen._show_preset)

    action_instruct = handed(DIALOG, lambda screen: screen.directing_actions.instruct)
    action_rewrite = handed(DIALOG, lambda screen: screen.directing_actions.rewrite)
    action_several = handed(DIALOG, lambda screen: screen.directing_actions.several)
    action_store = handed(EDIT, lambda screen: screen.directing_actions.store)
    action_narrate = handed(EDIT, lambda screen: screen.directing_actions.narrate)
    action_speak_as = handed(DIALOG, lambda screen: screen.directing_actions.speak_as)
    action_quick_replies = handed(DIALOG, lambda screen: screen.quick_replies.choose)
    action_reply_sets = handed(DIALOG, lambda screen: screen.quick_replies.places)
    action_in_person = handed(DIALOG, lambda screen: screen.directing_actions.in_person)
    action_overrides = handed(DIALOG, lambda screen: screen.directing_actions.overrides)
    action_out_of_character = handed(DIALOG, lambda screen: screen.directing_actions.out_of_character)
    action_begin_with = handed(DIALOG, lambda screen: screen.directing_actions.begin_with)
    action_profiles = handed(DIALOG, lambda screen: screen.model_actions.profiles)

    action_attach = handed(DIALOG, lambda screen: screen.picture_actions.attach)
    action_detach = handed("pictures", lambda screen: screen.picture_actions.detach)

    action_export = handed(DIALOG, lambda screen: screen.file_actions.export)
    action_import_chat = handed(DIALOG, lambda screen: screen.file_actions.import_chat)
    action_import_cards = handed(DIALOG, lambda screen: screen.file_actions.import_named)
    action_move_in = handed(DIALOG, lambda screen: screen.moving_in.answer)

    action_scripts = handed(DIALOG, lambda screen: screen.script_actions.choose)
    action_answer_scripts = handed("scripts", lambda screen: screen.script_actions.answer)

    action_memory = handed(DIALOG, lambda screen: screen.memory_actions.pane)
    action_memories_here = handed(DIALOG, lambda screen: screen.memory_actions.covering)
    action_always_in = handed(EDIT, lambda screen: screen.memory_actions.keep_message)
    action_answer_memory = handed("memory", lambda screen: screen.memory_actions.answer)

    action_new_group = handed(DIALOG, lambda screen: screen.group_actions.new)
    action_speak = handed(DIALOG, lambda screen: screen.group_actions.speak)
    action_members = handed(DIALOG, lambda screen: screen.group_actions.members)
    action_group_order = handed(DIALOG, lambda screen: screen.group_actions.order)
    action_auto_mode = handed("auto", lambda screen: screen.auto_mode.switch)
    action_auto_delay = handed(DIALOG, lambda screen: screen.group_actions.auto_delay)
    action_rename_group = handed(DIALOG, lambda screen: screen.group_actions.rename)
    action_delete_group = handed(DIALOG, lambda screen: screen.group_actions.delete_open)

    action_favourite = handed("roster", lambda screen: screen.roster_actions.favourite)
    action_start_page = handed(DIALOG, lambda screen: screen.conversation_actions.start_page)
    action_tag_characters = handed(DIALOG, lambda screen: screen.roster_actions.tag)
    action_narrow_by_tags = handed(DIALOG, lambda screen: screen.roster_actions.narrow)
    action_sort_characters = handed(DIALOG, lambda screen: screen.roster_actions.sort)
    action_export_characters = handed(DIALOG, lambda screen: screen.roster_actions.export)
    action_undo_roster = handed("roster", lambda screen: screen.roster_actions.undo)
    action_mark = handed(DIALOG, lambda screen: screen.message_actions.mark)
    action_delete_character = handed(DIALOG, lambda screen: screen.roster_actions.delete)

    def action_end(self, first: bool) -> None:
        """To the first message of the conversation, or to the newest and stay there while it grows."""
        self._run("ends", partial(self._to_end_of_conversation, first))

    def action_continue_reply(self) -> None:
        if self.runtime.settings.prose:
            self._run(EDIT, self.prose.go_on)
        else:
            self.message_actions.continue_reply()

    def target(self) -> Message | None:
        """The message an action means: the chosen one, or the last one."""
        return self.message_actions.target

    def action_raw(self) -> None:
        """The model's own words, before the output contract and the scripts."""
        from lunalux_tui.chat.raw_dialog import RawDialog

        message = self.target()
        if message is not None:
            self.app.push_screen(RawDialog(message))

    def action_suggestion(self, number: int) -> None:
        suggestion = self.suggestions.pick(number)
        if suggestion:
            self._take(suggestion)

    def action_quick_reply(self, place: int, menu: bool = False) -> None:
        """Press a button of quick replies, or open its menu."""
        if menu or self.quick_replies.only_opens_a_menu(place):
            self._run(DIALOG, partial(self.quick_replies.open_menu, place))
        else:
            self.quick_replies.press(place)

    def action_reply_buttons(self) -> None:
        """Show the buttons of quick replies, or do without them."""
        self.change_setting("chat.reply_buttons", not self.runtime.settings.reply_buttons)

    def edit_character(self, character_id: str) -> None:
        """Open a card in its editor."""
        self.lunalux.edit_character(character_id)

    def action_edit_character(self) -> None:
        """Change the card of the character that is open."""
        if self.character is not None:
            self.edit_character(self.character.id)

    def action_focus_prompt(self) -> None:
        self.roster.clear()
        if not self.runtime.settings.prose:  # there, writing goes on at what is chosen
            self.transcript.selected = ""
        self.transcript.found = ()
        self.status.from_passage = bool(self.transcript.selected)
        self.prompt.focus()
        self.remove_class("-list")

    def action_toggle_list(self) -> None:
        """Show or hide the list of characters; on a narrow screen it lies over the conversation."""
        if not self.has_class("-narrow"):
            self.toggle_class("-no-list")
        elif self.has_class("-list"):
            self.action_focus_prompt()
        else:  # it lies over the prompt, so what is typed goes to it
            self.add_class("-list")
            self.roster.rows.focus()

    def action_find_character(self) -> None:
        self.remove_class("-no-list")
        if self.has_class("-narrow"):
            self.add_class("-list")
        self.roster.find()

    def action_only_favourites(self) -> None:
        self.roster.favourites = not self.roster.favourites

    def put_in_use(self, settings: Settings, name: str) -> None:
        """Put settings with a new model in force, and use the model."""
        self.lunalux.apply_settings(settings)
        self.lunalux.change_setting("chat.model", name)

    @property
    def chosen_model(self) -> str:
        """The model that profiles choose here, "" where there is none."""
        return self.pane.chosen_model

    def show_chosen_model(self, name: str) -> None:
        """Name that model beside the prompt."""
        self.pane.chosen_model = name
        self.pane.show_account(self.lunalux.account)

    def work_at_model(self, work: Work) -> Worker[None]:
        """Ask a model in the background."""
        return self._run("greet", work)

    async def _follow_profiles(self) -> None:
        await self.model_actions.follow_profiles()

    async def _show_preset(self) -> None:
        """The prompts of the preset in use, and the way to another one."""
        from lunalux_tui.parts.preset_choice import in_use
        from lunalux_tui.parts.preset_dialog import PresetDialog

        await self.ask(PresetDialog(await in_use(self.lunalux)))

    async def import_cards(self, paths: Sequence[str]) -> None:
        """Import files of every kind, tell what became of them, and open a single new character."""
        await self.file_actions.import_cards(paths)

"""The chat screen: talk with a character, or with a group."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING

from textual import getters, on
from textual.app import ComposeResult
from textual.events import DescendantFocus
from textual.reactive import var
from textual.signal import Signal

from lunalux_core.errors import LunaluxError
from lunalux_core.library.character_list import CharacterSummary
from lunalux_core.library.conversations import Conversation
from lunalux_core.library.groups import Group
from lunalux_tui.actions import bindings
from lunalux_tui.chat.action_declarations import (
    CHAT_ACTIONS,
    DIRECTING_ACTIONS,
    GROUP_ACTIONS,
    ChatTranscript,
)
from lunalux_tui.chat.action_handlers import DIALOG, EDIT, HANDLERS
from lunalux_tui.chat.action_objects import ActionObjects
from lunalux_tui.chat.availability import available
from lunalux_tui.chat.conversation_bars import ChatHeader, StatusBar, Suggestions
from lunalux_tui.chat.opener import OpenChat
from lunalux_tui.chat.pane import ChatPane
from lunalux_tui.chat.prompt_field import Prompt
from lunalux_tui.chat.roster import Roster
from lunalux_tui.chat.transcript.message_window import Window
from lunalux_tui.chat.transcript.transcript import Transcript
from lunalux_tui.parts.drawn import SideBySide
from lunalux_tui.parts.key_bar import KeyBar
from lunalux_tui.parts.place_bar import PlaceBar
from lunalux_tui.parts.rows import Rows
from lunalux_tui.parts.screen import START, LunaScreen

if TYPE_CHECKING:
    from textual.screen import Screen

    from lunalux_core.documents.picture_refs import PictureRef
    from lunalux_tui.chat.protocols import Answer
    from lunalux_tui.chat.reply_bar import ReplyButton

ASK_SERVER_AFTER = 2
"""Seconds from when a model is put in use: start-up and the first keys do not wait for it."""

LONGEST_START = 5.0
"""Seconds that words typed before a conversation is open wait for one."""

LOOK = 0.02
"""Seconds between two looks whether one is open."""

EVERY = 1.0
"""Seconds between two looks whether another program wrote to the library."""


class ChatScreen(LunaScreen[None]):
    """Knows what is open, hands what the person does to the object that does it, and runs the workers."""

    ACTIONS = (*CHAT_ACTIONS, *DIRECTING_ACTIONS, *GROUP_ACTIONS)
    BINDINGS = bindings(ACTIONS)
    HANDLERS = HANDLERS
    PLACE = "chat"
    AUTO_FOCUS = ""
    BLANK = True

    busy: var[bool] = var(False, bindings=True)
    """Whether a reply is coming, or a script runs."""

    turn_over: Signal[None]
    """Published when a reply or a script has ended."""

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
        self.turn_over = Signal(self, "turn over")

    def compose(self) -> ComposeResult:
        yield PlaceBar()
        with SideBySide(id="body"):
            yield Roster(id="roster")
            yield ChatPane(self.open_chat)
        yield KeyBar()

    @cached_property
    def objects(self) -> ActionObjects:
        """What does the actions."""
        return ActionObjects(self.lunalux, self.open_chat, self.pane, self.roster, self)

    def on_mount(self) -> None:
        opening, chat, objects = self.lunalux.opening, self.open_chat, self.objects
        self.transcript.text_layout.show_thinking = self.runtime.settings.show_thinking
        self.apply_settings()
        objects.shown.show_persona(opening.persona)
        if opening.conversation is not None:
            characters = {character.id: character for character in opening.characters}
            groups = {group.id: group for group in opening.groups}
            chat.character = characters.get(opening.conversation.character_id)
            chat.group = groups.get(opening.conversation.group_id or "")
            objects.opener.show(opening.conversation, opening.messages)
        objects.roster.show(opening.characters, opening.groups, opening.last_words, opening.folders)
        if opening.problem is not None:
            self.show_error(opening.problem)
        if opening.groups and opening.folders:  # those in a closed folder are not known yet
            self.run_in("roster", objects.roster.refresh)
        self.prompt.focus()
        look = objects.library_watcher.look
        self.set_interval(EVERY, partial(self.run_in, "follow", look, exclusive=False))
        self.watch(self.app, "account", self.pane.show_account, init=False)

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

    def watch_busy(self, busy: bool) -> None:
        if not busy:
            self.turn_over.publish(None)

    # -- settings ----------------------------------------------------------------------------------

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
        if (replies := self.objects.replies_in_use) is not None:
            self.run_in("replies", replies.follow)
        self.set_timer(ASK_SERVER_AFTER, self._ask_server)

    def _ask_server(self) -> None:
        """Have a server near by asked what it is, so that the first turn knows its window; one far away hears
        nothing before the person says something."""
        models = self.runtime.models
        with suppress(LunaluxError):
            models.refresh(models.resolve(self.runtime.settings.model), near=True)

    async def keep_draft(self) -> None:
        """Store what stands in the prompt with the conversation."""
        if self.is_mounted:
            if self.prompt.text and self.conversation is None:
                await self._opened()
            await self.pane.draft.keep()

    async def _opened(self) -> None:
        """Wait until the app has opened a conversation, if it is still about to; what is typed before that
        belongs to it."""
        for _ in range(round(LONGEST_START / LOOK)):
            starting = any(worker.group == START and worker.is_running for worker in self.app.workers)
            if self.conversation is not None or not starting:
                return
            await asyncio.sleep(LOOK)

    # -- what the objects ask of it ----------------------------------------------------------------

    def stop_in(self, group: str) -> None:
        """Call off what runs in a group of workers."""
        self.workers.cancel_group(self, group)

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

    def copy(self, text: str) -> None:
        """Put a text into the clipboard."""
        self.app.copy_to_clipboard(text)

    def show_countdown(self, seconds: int | None) -> None:
        """Say in how many seconds the group goes on by itself."""
        self.status.countdown = seconds
        self.refresh_bindings()

    async def show_pictures(self, pictures: Sequence[PictureRef]) -> None:
        """Show what goes with the next message."""
        await self.pane.show_pictures(pictures)
        self.refresh_bindings()

    async def show_reply_buttons(self, buttons: Sequence[ReplyButton]) -> None:
        """Show quick replies above the prompt."""
        await self.pane.show_reply_buttons(buttons)
        self.refresh_bindings()

    # -- what the parts tell -----------------------------------------------------------------------

    @on(Prompt.Submitted)
    def _submitted(self, event: Prompt.Submitted) -> None:
        from lunalux_core.dialogue.direction import is_script

        if is_script(event.text):
            self.objects.turns.run_as_script(partial(self.objects.slash.run, event.text))
        elif self.runtime.settings.prose:
            self.status.from_passage = False
            self.run_in(EDIT, partial(self.objects.prose.write, event.text))
        else:
            self.objects.messages.send(event.text)

    @on(Prompt.Paused)
    def _paused(self) -> None:
        self.run_in("draft", self.keep_draft)

    @on(Prompt.Left)
    def _left_prompt(self) -> None:
        if not self.objects.turns.stop():
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
            self.perform("swipe", event.step)

    @on(Transcript.SwipeWanted)
    def _swipe_clicked(self, event: Transcript.SwipeWanted) -> None:
        self.transcript.selected = event.message_id
        if self.check_action("swipe", (event.step,)):
            self.perform("swipe", event.step)

    @on(Transcript.Scrolled)
    def _scrolled(self, event: Transcript.Scrolled) -> None:
        self.status.below = event.below

    @on(Prompt.FilesPasted)
    def _files_pasted(self, event: Prompt.FilesPasted) -> None:
        self.run_in(DIALOG, partial(self._import_dropped, event))

    async def _import_dropped(self, event: Prompt.FilesPasted) -> None:
        paths = await self.objects.pictures.dropped(event.paths)
        if paths and not await self.objects.files.import_dropped(paths):
            self.prompt.put(event.text)  # their paths were meant as a text

    @on(Suggestions.Picked)
    def _picked(self, event: Suggestions.Picked) -> None:
        self._take(event.text)

    def _take(self, suggestion: str) -> None:
        self.prompt.rewrite(suggestion)
        self.prompt.focus()

    @on(Transcript.OlderWanted)
    def _older_wanted(self) -> None:
        self.run_in("older", partial(self._widen, older=True), exclusive=False)

    @on(Transcript.NewerWanted)
    def _newer_wanted(self) -> None:
        self.run_in("newer", partial(self._widen, older=False), exclusive=False)

    async def _widen(self, *, older: bool) -> None:
        await (self.window.older() if older else self.window.newer())
        self.pane.message_display.follow()

    @on(Roster.Searched)
    def _searched(self) -> None:
        self.run_in("roster", self.objects.roster.refresh)

    @on(Rows.Chosen, "#roster-rows")
    def _chosen(self, event: Rows.Chosen) -> None:
        self.run_in("open", partial(self.objects.roster.open, event.id))

    @on(ChatPane.PriceChanged)
    def _price_changed(self, event: ChatPane.PriceChanged) -> None:
        self.run_in("price", partial(self.objects.messages.ask_price, event.words, event.model_id))

    def key_escape(self) -> None:
        """Escape in any other place: stop the reply, else go back to writing."""
        if not self.objects.turns.stop():
            self.action_focus_prompt()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        self.status.browsing = event.widget is self.transcript

    def on_screen_resume(self) -> None:
        """Back from a dialog or another place, where scripts, presets and names may have changed."""
        if self.conversation is not None:
            self.call_after_refresh(self.objects.shown.surroundings_changed)

    # -- actions -----------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what cannot be done now."""
        if action == "quick_reply":
            replies = self.objects.replies_in_use
            return replies is not None and replies.has(parameters[0])
        now = available(
            action,
            self.open_chat,
            busy=self.busy,
            waiting=self.status.countdown is not None,
            question=self.objects.questions.standing,
        )
        return super().check_action(action, parameters) if now is None else now

    def action_end(self, first: bool) -> None:
        """To the first message of the conversation, or to the newest and stay there while it grows."""
        self.run_in("ends", partial(self._to_end_of_conversation, first))

    def action_continue_reply(self) -> None:
        if self.runtime.settings.prose:
            self.run_in(EDIT, self.objects.prose.go_on)
        else:
            self.objects.messages.continue_reply()

    def action_raw(self) -> None:
        """The model's own words, before the output contract and the scripts."""
        from lunalux_tui.chat.raw_dialog import RawDialog

        message = self.objects.messages.target
        if message is not None:
            self.app.push_screen(RawDialog(message))

    def action_suggestion(self, number: int) -> None:
        suggestion = self.suggestions.pick(number)
        if suggestion:
            self._take(suggestion)

    def action_quick_reply(self, place: int, menu: bool = False) -> None:
        """Press a button of quick replies, or open its menu."""
        replies = self.objects.quick_replies
        if menu or replies.only_opens_a_menu(place):
            self.run_in(DIALOG, partial(replies.open_menu, place))
        else:
            replies.press(place)

    def action_reply_buttons(self) -> None:
        """Show the buttons of quick replies, or do without them."""
        self.lunalux.change_setting("chat.reply_buttons", not self.runtime.settings.reply_buttons)

    def action_prose(self) -> None:
        """Read and write the chat as one page of prose, or as messages."""
        self.lunalux.change_setting("chat.prose", not self.runtime.settings.prose)

    def action_edit_character(self) -> None:
        """Change the card of the character that is open."""
        if self.character is not None:
            self.lunalux.edit_character(self.character.id)

    def action_focus_prompt(self) -> None:
        self.roster.clear()
        if not self.runtime.settings.prose:  # there, writing goes on at what is chosen
            self.transcript.selected = ""
        self.transcript.search_words = ()
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

    def action_mark_character(self) -> None:
        """Mark the character under the cursor, or no longer."""
        self.roster.mark()

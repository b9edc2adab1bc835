"""The chat screen: talk with a character, or with a group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from textual import getters, on
from textual.app import ComposeResult
from textual.events import DescendantFocus
from textual.reactive import var
from textual.worker import Worker

from lunalux_core.errors import LunaluxError
from lunalux_core.library.characters import CharacterSummary
from lunalux_core.library.conversations import Conversation, Message
from lunalux_core.library.groups import Group
from lunalux_tui.actions import bindings
from lunalux_tui.app.first_frame import FIRST
from lunalux_tui.chat.actions import CHAT_ACTIONS, GROUP_ACTIONS, ChatTranscript
from lunalux_tui.chat.bars import ChatHeader, StatusBar, Suggestions
from lunalux_tui.chat.conversation_actions import ConversationActions
from lunalux_tui.chat.file_actions import FileActions
from lunalux_tui.chat.group_actions import GroupActions
from lunalux_tui.chat.message_actions import MessageActions
from lunalux_tui.chat.open_chat import OpenChat
from lunalux_tui.chat.pane import ChatPane
from lunalux_tui.chat.prompt import Prompt
from lunalux_tui.chat.roster import Roster
from lunalux_tui.chat.roster_actions import RosterActions
from lunalux_tui.chat.script_actions import ScriptActions
from lunalux_tui.chat.transcript.transcript import Transcript
from lunalux_tui.chat.transcript.window import Window
from lunalux_tui.i18n import t
from lunalux_tui.parts.drawn import Beside
from lunalux_tui.parts.keybar import KeyBar
from lunalux_tui.parts.rows import Rows
from lunalux_tui.parts.screen import LunaScreen

if TYPE_CHECKING:
    from textual.screen import Screen

    from lunalux_core.chat.card_scripts import CardScripts
    from lunalux_core.dialogue.turn import TurnEvent
    from lunalux_tui.chat.transcript.following import Following
    from lunalux_tui.chat.turns import TurnController
    from lunalux_tui.chat.view import Answer

Work = Callable[[], Coroutine[Any, Any, None]]

TURN = "turn"
"""Group of the worker that runs a turn."""
DIALOG = "dialog"
"""Group of the worker that waits for an answer; another question takes its place."""

EVERY = 1.0
"""Seconds between two looks whether another program wrote to the library."""

NOT_WHILE_BUSY = frozenset(
    {"regenerate", "continue_reply", "impersonate", "swipe", "edit", "delete", "truncate"}
)
IN_A_CONVERSATION = frozenset(
    {
        *NOT_WHILE_BUSY,
        *("tree", "rename", "export", "modes", "note", "copy", "copy_code", "undo", "redo", "hide"),
        *("scripts", "raw", "inspect"),
    }
)
IN_A_GROUP = frozenset(action.method for action in GROUP_ACTIONS if action.id != "group.new")


class ChatScreen(LunaScreen[None]):
    """Knows what is open, wires the parts to each other, and hands each action to the object that does it."""

    ACTIONS = (*CHAT_ACTIONS, *GROUP_ACTIONS)
    BINDINGS = bindings(ACTIONS)
    PLACE = "chat"
    AUTO_FOCUS = ""
    BLANK = True

    busy: var[bool] = var(False, bindings=True)
    """Whether a reply is coming."""

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
        self.groups: dict[str, Group] = {}
        """The groups in the list, by their ids."""

    def compose(self) -> ComposeResult:
        with Beside(id="body"):
            yield Roster(id="roster")
            yield ChatPane(self.open_chat)
        yield KeyBar()

    def on_mount(self) -> None:
        opening, chat = self.lunalux.opening, self.open_chat
        self.transcript.sheet.show_thinking = self.runtime.settings.show_thinking
        self.apply_settings()
        self.show_persona(opening.persona)
        if opening.conversation is not None:
            characters = {one.id: one for one in opening.characters}
            groups = {one.id: one for one in opening.groups}
            chat.character = characters.get(opening.conversation.character_id)
            chat.group = groups.get(opening.conversation.group_id or "")
            self._show(opening.conversation, opening.messages)
        self._show_roster(opening.characters, opening.groups)
        if opening.problem is not None:
            self.show_error(opening.problem)
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
    def following(self) -> Following:
        """What keeps the conversation in step with other programs; the first frame does without it."""
        from lunalux_tui.chat.transcript.following import Following

        return Following(self.runtime.library, self.open_chat, self.transcript, self)

    @cached_property
    def message_actions(self) -> MessageActions:
        return MessageActions(self.runtime, self.open_chat, self.transcript, self)

    @cached_property
    def conversation_actions(self) -> ConversationActions:
        return ConversationActions(self.runtime, self.open_chat, self)

    @cached_property
    def group_actions(self) -> GroupActions:
        return GroupActions(self.runtime, self.open_chat, self)

    @cached_property
    def file_actions(self) -> FileActions:
        return FileActions(self.runtime, self.open_chat, self)

    @cached_property
    def script_actions(self) -> ScriptActions:
        return ScriptActions(self.runtime, self.open_chat, self)

    @cached_property
    def roster_actions(self) -> RosterActions:
        return RosterActions(self.runtime, self)

    # -- what is open ------------------------------------------------------------------------------

    @property
    def character(self) -> CharacterSummary | None:
        """Who is talked with, None in a group."""
        return self.open_chat.character

    @character.setter
    def character(self, character: CharacterSummary | None) -> None:
        self.open_chat.character = character

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
    def window(self) -> Window:
        """The messages that are on screen."""
        return self.pane.window

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
        library, chat = self.runtime.library, self.open_chat
        await self.keep_draft()
        if message_id:
            await library.conversations.select(message_id)
        conversation = await library.conversations.get(conversation_id)
        if conversation.group_id:
            chat.character, chat.group = None, await library.groups.get(conversation.group_id)
        else:
            chat.character = (await library.characters.get(conversation.character_id)).summary
            chat.group = None
        page = await library.conversations.page(conversation_id, limit=FIRST)
        self._show(conversation, page)
        self.roster.rows.mark_current(chat.row_id)
        if message_id:
            await self.reveal(message_id)

    def _show(self, conversation: Conversation, messages: Sequence[Message]) -> None:
        typed = self.prompt.text if self.conversation is None else ""  # while it opened
        self.open_chat.conversation = conversation
        self.pane.show_conversation(messages, typed=typed)
        self.call_after_refresh(self._ask_about_scripts)
        self.refresh_bindings()

    async def reload(self, *, keep_place: bool = True) -> None:
        """Read the conversation again after a change of its tree."""
        if self.conversation is None:
            return
        self.open_chat.conversation = await self.runtime.library.conversations.get(self.conversation.id)
        await self.pane.reload(keep_place=keep_place)
        self.call_after_refresh(self._ask_about_scripts)

    async def reveal(self, message_id: str) -> None:
        """Bring a message of the conversation into view."""
        await self.window.reveal(message_id)

    def _close(self) -> None:
        """Show that nothing is open."""
        chat = self.open_chat
        chat.character = chat.group = chat.conversation = None
        self.pane.show_nothing()
        self.refresh_bindings()

    def conversation_gone(self) -> None:
        """Another program deleted the conversation; what stands in the prompt stays."""
        typed = self.prompt.text
        self._close()
        self.prompt.fill(typed)

    async def group_changed(self) -> None:
        """Read the group that is open again, and draw its members as they are now."""
        if self.group is not None:
            self.open_chat.group = await self.runtime.library.groups.get(self.group.id)
            self.pane.show_head()
            self.refresh_bindings()
            self.transcript.retranslate()
            await self.refresh_roster()

    async def group_deleted(self, group_id: str) -> None:
        """Show nothing of a group any more."""
        if self.group is not None and self.group.id == group_id:
            self._close()
        await self.refresh_roster()

    async def character_deleted(self, character_id: str) -> None:
        """Show nothing of a character any more, also not as the member of a group."""
        if self.character is not None and self.character.id == character_id:
            self._close()
        await self.group_changed()
        await self.refresh_roster()

    async def refresh_roster(self) -> None:
        """Read the list of characters again, as the search field narrows it."""
        roster, library = self.roster, self.runtime.library
        characters = await library.characters.list(roster.words, favourites=roster.favourites)
        self._show_roster(characters, () if roster.favourites else await library.groups.list(roster.words))

    def _show_roster(self, characters: Sequence[CharacterSummary], groups: Sequence[Group]) -> None:
        self.groups = {one.id: one for one in groups}
        self.roster.show(characters, self.open_chat.row_id, groups)

    async def keep_draft(self) -> None:
        """Store what stands in the prompt with the conversation."""
        if self.is_mounted:
            await self.pane.draft.keep()

    def apply_settings(self) -> None:
        """Follow the settings in force."""
        self.prompt.enter_sends = self.runtime.settings.enter_sends
        for shown in self.roster.children:
            follow = getattr(shown, "apply_settings", None)
            if follow is not None:
                follow()
        self.pane.show_account(self.lunalux.account)

    def surroundings_changed(self) -> None:
        """Follow what scripts, presets and names make of the messages on screen."""
        self.pane.looks.follow(anew=True)
        self._ask_about_scripts()

    def _ask_about_scripts(self) -> None:
        self._run("scripts", self._look_at_scripts)

    async def _look_at_scripts(self) -> None:
        await self.script_actions.look()
        self.refresh_bindings()

    async def _follow(self) -> None:
        await self.following.look()

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
            await self.turns.run(events, restore=restore, impersonate=impersonate)
        finally:
            self.busy = False

    def stop_turn(self) -> bool:
        """Stop the reply that is coming; False when there is none."""
        if not self.busy:
            return False
        self.workers.cancel_group(self, TURN)
        return True

    def watch_busy(self, busy: bool) -> None:
        self.prompt.locked = busy

    @on(ChatPane.PriceChanged)
    def _price_changed(self, event: ChatPane.PriceChanged) -> None:
        self._run("price", partial(self._ask_price, event.words, event.model_id))

    async def _ask_price(self, words: str, model_id: str) -> None:
        """A reply that became dearer is made, and paid, when the person agrees to its price."""
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        if await self.ask(ConfirmDialog(t("chat.price.title"), t("chat.price.question", message=words))):
            await self.runtime.account.agree(model_id)
            self.action_regenerate()

    # -- asking and telling ------------------------------------------------------------------------

    def _run(self, group: str, work: Work, *, exclusive: bool = True) -> Worker[None]:
        """Do something in the background. No coroutine is made of it before its turn has come."""
        return self.run_worker(work, group=group, exclusive=exclusive, exit_on_error=False)

    async def ask(self, dialog: Screen[Answer]) -> Answer | None:
        """Show a dialog and wait for the answer; only in a worker."""
        return await self.app.push_screen_wait(dialog)

    def say(self, words: str, *, warn: bool = False) -> None:
        """A notice."""
        self.notify(words, severity="warning" if warn else "information", markup=False)

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

    async def show_scripts(self, question: CardScripts | None) -> None:
        """Show the question about the scripts of a card; None for no question."""
        await self.pane.show_scripts(question)

    # -- what the parts tell -----------------------------------------------------------------------

    @on(Prompt.Submitted)
    def _submitted(self, event: Prompt.Submitted) -> None:
        self.message_actions.send(event.text)

    @on(Prompt.Paused)
    def _paused(self) -> None:
        self._run("draft", self.keep_draft)

    @on(Prompt.Left)
    def _left_prompt(self) -> None:
        if not self.stop_turn():
            self.transcript.focus()
            if not self.transcript.selected and not self.transcript.streaming:
                self.transcript.select_step(0)

    @on(Prompt.FilesPasted)
    def _files_pasted(self, event: Prompt.FilesPasted) -> None:
        self._run(DIALOG, partial(self._import_dropped, event))

    async def _import_dropped(self, event: Prompt.FilesPasted) -> None:
        if not await self.file_actions.import_dropped(event.paths):
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
        self.pane.looks.follow()

    @on(Roster.Searched)
    def _searched(self) -> None:
        self._run("roster", self.refresh_roster)

    @on(Rows.Chosen, "#roster-rows")
    def _chosen(self, event: Rows.Chosen) -> None:
        self._run("open", partial(self._open_row, event.id))

    async def _open_row(self, row_id: str) -> None:
        await (self.open_group(row_id) if row_id in self.groups else self.open_character(row_id))
        self.action_focus_prompt()

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
        chat = self.open_chat
        if action == "stop":
            return self.busy
        if action == "answer_scripts":
            return self.script_actions.asking is not None
        if action == "edit_character":
            return chat.character is not None
        if action in {"conversations", "new_conversation"}:
            return bool(chat.row_id)
        if action in IN_A_GROUP:
            return chat.group is not None and not (self.busy and action == "speak")
        if action in IN_A_CONVERSATION:
            return chat.conversation is not None and not (self.busy and action in NOT_WHILE_BUSY)
        return super().check_action(action, parameters)

    def action_stop(self) -> None:
        self.stop_turn()

    def action_regenerate(self) -> None:
        self.message_actions.regenerate()

    def action_continue_reply(self) -> None:
        self.message_actions.continue_reply()

    def action_impersonate(self) -> None:
        self.message_actions.impersonate()

    def action_swipe(self, step: int) -> None:
        self._run("edit", partial(self.message_actions.swipe, step), exclusive=False)

    def action_edit(self, as_branch: bool = False) -> None:
        self._run("edit", partial(self.message_actions.edit, as_branch), exclusive=False)

    def action_delete(self, only_this: bool = False) -> None:
        self._run("edit", partial(self.message_actions.delete, only_this), exclusive=False)

    def action_truncate(self) -> None:
        self._run("edit", self.message_actions.truncate, exclusive=False)

    def action_hide(self) -> None:
        self._run("edit", self.message_actions.hide, exclusive=False)

    def action_undo(self) -> None:
        self._run("edit", self.message_actions.undo, exclusive=False)

    def action_redo(self) -> None:
        self._run("edit", self.message_actions.redo, exclusive=False)

    def target(self) -> Message | None:
        """The message an action means: the chosen one, or the last one."""
        return self.message_actions.target

    def action_copy(self) -> None:
        message = self.target()
        if message is not None:
            self.app.copy_to_clipboard(message.content)
            self.say(t("chat.copied"))

    def action_copy_code(self) -> None:
        from lunalux_tui.render.blocks import code_blocks

        message = self.target()
        blocks = code_blocks(self.transcript.sheet.text(message)) if message else []
        if blocks:
            self.app.copy_to_clipboard("\n\n".join(blocks))
        self.say(t("chat.code_copied" if blocks else "chat.no_code"))

    def action_raw(self) -> None:
        """The model's own words, before the output contract and the scripts."""
        from lunalux_tui.chat.raw_dialog import RawDialog

        message = self.target()
        if message is not None:
            self.app.push_screen(RawDialog(message))

    def action_fold(self) -> None:
        message = self.target()
        if message is not None and not self.transcript.toggle_fold(message.id):
            self.transcript.selected = message.id

    def action_suggestion(self, number: int) -> None:
        suggestion = self.suggestions.pick(number)
        if suggestion:
            self._take(suggestion)

    def action_conversations(self) -> None:
        self._run(DIALOG, self.conversation_actions.choose)

    def action_new_conversation(self) -> None:
        self._run(DIALOG, self.conversation_actions.new)

    def action_rename(self) -> None:
        self._run(DIALOG, self.conversation_actions.rename)

    def action_tree(self) -> None:
        self._run(DIALOG, self.conversation_actions.tree)

    def action_search(self) -> None:
        self._run(DIALOG, self.conversation_actions.search)

    def action_personas(self) -> None:
        self._run(DIALOG, self.conversation_actions.personas)

    def action_modes(self) -> None:
        self._run(DIALOG, self.conversation_actions.modes)

    def action_note(self) -> None:
        self._run(DIALOG, self.conversation_actions.note)

    def action_inspect(self) -> None:
        self._run(DIALOG, partial(self.conversation_actions.inspect, self.prompt.text))

    def action_models(self) -> None:
        self._run(DIALOG, self._choose_model)

    async def _choose_model(self) -> None:
        from lunalux_tui.parts.models_dialog import ModelsDialog

        name = await self.ask(ModelsDialog(self.runtime))
        if name:
            self.lunalux.change_setting("chat.model", name)

    def action_preset(self) -> None:
        self._run(DIALOG, self._show_preset)

    async def _show_preset(self) -> None:
        """The prompts of the preset in use, and the way to another one."""
        from lunalux_tui.parts.preset_choice import in_use
        from lunalux_tui.parts.preset_dialog import PresetDialog

        await self.ask(PresetDialog(await in_use(self.lunalux)))

    def action_scripts(self) -> None:
        self._run(DIALOG, self.script_actions.choose)

    def action_answer_scripts(self, allowed: bool) -> None:
        self._run("scripts", partial(self.script_actions.answer, allowed))

    def action_export(self) -> None:
        self._run(DIALOG, self.file_actions.export)

    def action_import_chat(self) -> None:
        self._run(DIALOG, self.file_actions.import_chat)

    def action_import_cards(self) -> None:
        self._run(DIALOG, self.file_actions.import_named)

    async def import_cards(self, paths: Sequence[str]) -> None:
        """Import files of every kind, tell what became of them, and open a single new character."""
        await self.file_actions.import_cards(paths)

    def action_new_group(self) -> None:
        self._run(DIALOG, self._new_group)

    async def _new_group(self) -> None:
        if await self.group_actions.new():
            await self.refresh_roster()
            self.prompt.focus()

    def action_speak(self) -> None:
        self._run(DIALOG, self.group_actions.speak)

    def action_members(self) -> None:
        self._run(DIALOG, self.group_actions.members)

    def action_group_order(self) -> None:
        self._run(DIALOG, self.group_actions.order)

    def action_rename_group(self) -> None:
        self._run(DIALOG, self.group_actions.rename)

    def action_delete_group(self) -> None:
        self._run(DIALOG, self.group_actions.delete_open)

    def action_focus_prompt(self) -> None:
        self.transcript.selected = ""
        self.prompt.focus()
        self.remove_class("-list")

    def action_toggle_list(self) -> None:
        """Show or hide the list of characters; on a narrow screen it lies over the conversation."""
        self.toggle_class("-list" if self.has_class("-narrow") else "-no-list")

    def action_find_character(self) -> None:
        self.remove_class("-no-list")
        if self.has_class("-narrow"):
            self.add_class("-list")
        self.roster.find()

    def action_only_favourites(self) -> None:
        self.roster.favourites = not self.roster.favourites

    def action_favourite(self) -> None:
        self._run("roster", partial(self.roster_actions.favourite, self.roster.rows.chosen))

    def action_delete_character(self) -> None:
        row_id = self.roster.rows.chosen
        if row_id in self.groups:
            self._run(DIALOG, partial(self.group_actions.delete, self.groups[row_id]))
        elif row_id:
            self._run(DIALOG, partial(self.roster_actions.delete, row_id))

    def action_edit_character(self) -> None:
        """Change the card of the character that is open."""
        if self.character is not None:
            self.lunalux.edit_character(self.character.id)

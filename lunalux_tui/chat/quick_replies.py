"""Quick replies in the app: those in force as buttons, and those that run by themselves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from lunalux_core.chat.scripts.automation import Automation
from lunalux_core.dialogue.turn import TurnCompleted
from lunalux_core.ids import now_ms
from lunalux_core.library.quick_replies import StoredSet
from lunalux_core.stscript.reply_menu import MenuEntry, menu_of
from lunalux_tui.chat.reply_bar import ReplyButton
from lunalux_tui.i18n import in_a_list, t

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import TurnEvent
    from lunalux_core.runtime import Runtime
    from lunalux_core.stscript.quick_reply_files import QuickReply, QuickReplySet
    from lunalux_tui.chat.message_actions import MessageActions
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.slash_actions import SlashActions
    from lunalux_tui.chat.slash_host import ScriptParts

JUST_NOW_MS = 20_000
"""A conversation as young as this is a new one when it is opened."""


class QuickReplies:
    """Follows which sets are in force where the person is, and runs what is due."""

    def __init__(
        self,
        runtime: Runtime,
        opener: Opener,
        slash: SlashActions,
        messages: MessageActions,
        parts: ScriptParts,
    ) -> None:
        self._runtime = runtime
        self._opener = opener
        self._slash = slash
        self._messages = messages
        self._prompt = parts.prompt
        self._turns = parts.turns
        self._view = parts.view
        self._automation = Automation(self._run)
        self._started = False
        self._opened = ""
        self._new: set[str] = set()
        self._replied = False
        self._entries: set[str] = set()
        self.buttons: Sequence[ReplyButton] = ()

    # -- which are in force ------------------------------------------------------------------------

    async def follow(self) -> None:
        """Read which sets are in force in the chat that is open, and show their buttons."""
        chat = self._opener.chat
        in_force: Sequence[tuple[StoredSet, bool]] = ()
        if chat.conversation is not None:
            in_force = await self._runtime.library.quick_replies.in_force(chat.conversation.id, chat.row_id)
        self._automation.follow([stored for stored, _ in in_force])
        between = self._automation.waits_for("user", "member", "generation")
        # The core stops between the steps of a turn only where something may be due there.
        self._runtime.chat.loop.moments = self if between else None
        pressable = [
            (reply, stored.content)
            for stored, visible in in_force
            if visible
            for reply in stored.content.replies
            if not reply.hidden
        ]
        sets = await self._sets() if any(reply.menus for reply, _ in pressable) else ()
        self.buttons = [
            ReplyButton(reply, of, menu=bool(menu_of(MenuEntry(reply, of), sets))) for reply, of in pressable
        ]
        shown = self.buttons if self._runtime.settings.reply_buttons else ()
        await self._view.show_reply_buttons(shown)
        await self._ask_once([stored for stored, _ in in_force])

    async def opened(self) -> None:
        """Another conversation is on screen: follow it, and run what is due then."""
        await self.follow()
        conversation = self._opener.chat.conversation
        # A conversation is shown anew after every change; what is due when it is opened is due once.
        if conversation is None or conversation.id == self._opened:
            return
        self._opened = conversation.id
        new = conversation.id not in self._new and now_ms() - conversation.created_at < JUST_NOW_MS
        # Opened again within these seconds it is not new any more.
        self._new.add(conversation.id)
        first, self._started = not self._started, True
        moments = [
            moment
            for moment, due in (("startup", first), ("chat", True), ("new_chat", new))
            if due and self._automation.waits_for(moment)  # type: ignore[arg-type]
        ]
        if moments and not self._turns.busy:
            self._turns.run_as_script(lambda: self._fire(moments))

    async def _fire(self, moments: Sequence[str]) -> None:
        for moment in moments:
            await self._automation.fire(moment)  # type: ignore[arg-type]

    async def _ask_once(self, sets: Sequence[StoredSet]) -> None:
        """Ask, the first time a set is in force, whether what it brings may run by itself."""
        from lunalux_tui.parts.ask_dialog import ConfirmDialog

        for stored in sets:
            if stored.automatic is not None or not (own := stored.content.automatic):
                continue
            names = in_a_list(reply.label or reply.title for reply in own[:6])
            title = t("quick.ask.title", name=stored.name)
            question = ConfirmDialog(title, t("quick.ask.question", n=len(own), names=names))
            # Kept before the answer: a dialog that is torn down must not ask again at once.
            await self._runtime.library.quick_replies.allow(stored.id, False)
            if await self._view.ask(question):
                await self._runtime.library.quick_replies.allow(stored.id, True)
                # It asks about the other sets, too.
                await self.follow()
                return

    async def choose(self) -> None:
        """Have one of the library chosen; those of sets in force stand first."""
        from lunalux_tui.parts.pick_dialog import PickDialog
        from lunalux_tui.parts.rows import Row

        stored = await self._runtime.library.quick_replies.list()
        chat = self._opener.chat
        set_ids: set[str] = set()
        if chat.conversation is not None:
            in_force = await self._runtime.library.quick_replies.in_force(chat.conversation.id, chat.row_id)
            set_ids = {quick_set.id for quick_set, _ in in_force}
        sets = sorted(stored, key=lambda stored_set: stored_set.id not in set_ids)
        replies = [
            (quick_set.content, reply)
            for quick_set in sets
            for reply in quick_set.content.replies
            if not reply.hidden
        ]
        if not replies:
            self._view.say(t("slash.no_replies"))
            return
        contents = [quick_set.content for quick_set in stored]
        rows = [
            Row(
                str(place),
                (reply.label or reply.message) + (" ▸" if menu_of(MenuEntry(reply, of), contents) else ""),
                reply.title or reply.message,
                of.name,
            )
            for place, (of, reply) in enumerate(replies)
        ]
        chosen = await self._view.ask(PickDialog(t("slash.replies"), rows, two_lines=True))
        if chosen:
            reply_set, reply = replies[int(chosen)]
            await self._choose_behind(MenuEntry(reply, reply_set), contents)

    async def open_menu(self, place: int) -> None:
        """Have one chosen of the menu that a button of the bar opens."""
        if self.has(place):
            shown = self.buttons[place]
            await self._choose_behind(MenuEntry(shown.reply, shown.of), await self._sets(), itself=False)

    async def _choose_behind(
        self, entry: MenuEntry, sets: Sequence[QuickReplySet], *, itself: bool = True
    ) -> None:
        from lunalux_tui.chat.reply_menu import chosen_in_menu

        if (chosen := await chosen_in_menu(self._view, entry, sets, itself=itself)) is not None:
            self.use(chosen.chosen, chosen.of)

    async def _sets(self) -> Sequence[QuickReplySet]:
        return [stored.content for stored in await self._runtime.library.quick_replies.list()]

    # -- pressing one ------------------------------------------------------------------------------

    def has(self, place: object) -> bool:
        """Whether there is a button at a place of the bar."""
        shown = self._runtime.settings.reply_buttons
        return shown and isinstance(place, int) and 0 <= place < len(self.buttons)

    def only_opens_a_menu(self, place: int) -> bool:
        """Whether a button of the bar says nothing itself."""
        return self.has(place) and self.buttons[place].menu and not self.buttons[place].reply.message.strip()

    def press(self, place: int) -> None:
        """Press a button of the bar."""
        if self.has(place):
            shown = self.buttons[place]
            self.use(shown.reply, shown.of)

    def use(self, reply: QuickReply, reply_set: QuickReplySet) -> None:
        """Do what a reply says: a script is run, words are sent, or put into the prompt where its set says
        so."""
        document = reply_set.document
        words = self._prompt.text
        if reply.is_script:
            self._turns.run_as_script(lambda: self._pressed(reply))
            return
        before = bool(document.get("placeBeforeInput"))
        inserts = bool(document.get("injectInput")) and words.strip()
        if document.get("disableSend"):
            parts = (reply.message, words) if before else (words, reply.message)
            self._prompt.rewrite(" ".join(part for part in parts if part))
        elif inserts:
            self._prompt.take(words)
            self._messages.send(" ".join((reply.message, words) if before else (words, reply.message)))
        else:
            self._messages.send(reply.message)

    async def _pressed(self, reply: QuickReply) -> None:
        with self._automation.quiet(reply):
            await self._slash.run(reply.message.lstrip())

    # -- running by itself -------------------------------------------------------------------------

    async def _run(self, reply: QuickReply, turns: bool) -> bool:
        """Run one that is due. Only scripts run by themselves: nobody's words are sent for them."""
        if reply.is_script:
            return await self._slash.run_automatic(reply, turns=turns)
        return True

    async def said(self) -> None:
        await self._automation.fire("user", turns=False)

    async def drafted(self, speaker: str) -> None:
        await self._automation.fire("member", turns=False)

    async def generating(self) -> None:
        await self._automation.fire("generation", turns=False)

    def watched(self, events: AsyncIterator[TurnEvent]) -> AsyncIterator[TurnEvent]:
        """The events of a turn, looked at for what is due after it."""
        self._replied, self._entries = False, set()
        # Where nothing can be due, a turn runs without another generator around it.
        if not self._automation.waits_for("reply") and not self._automation.ids:
            return events
        return self._watching(events)

    async def _watching(self, events: AsyncIterator[TurnEvent]) -> AsyncIterator[TurnEvent]:
        async with aclosing(cast("AsyncGenerator[TurnEvent, None]", events)) as steps:
            async for event in steps:
                if isinstance(event, TurnCompleted) and event.message is not None:
                    self._replied = True
                    self._entries |= _automation_ids(event.report) & self._automation.ids
                yield event

    @property
    def due(self) -> bool:
        """Whether something is to be run after the turn that just ended."""
        return self._replied and (bool(self._entries) or self._automation.waits_for("reply"))

    async def after_reply(self) -> None:
        """Run what is due after a turn."""
        self._replied = False
        entries, self._entries = self._entries, set()
        if entries:
            await self._automation.fire(None, ids=entries)
        await self._automation.fire("reply")


def _automation_ids(report: Mapping[str, object]) -> set[str]:
    """The ids that the worldbook entries of a turn carry."""
    book = report.get("worldbook")
    activated = book.get("activated") if isinstance(book, dict) else None
    ids = [entry.get("automation_id") for entry in activated or () if isinstance(entry, dict)]
    return {identity for identity in ids if isinstance(identity, str)}

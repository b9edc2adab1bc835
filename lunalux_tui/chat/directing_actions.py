"""Directing a story: say how a reply is to be, have one rewritten, write as somebody, ask for several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.dialogue.direction import Direction, Voice
    from lunalux_core.dialogue.turn import TurnOptions
    from lunalux_core.runtime import Runtime
    from lunalux_tui.chat.message_actions import MessageActions
    from lunalux_tui.chat.opener import Opener
    from lunalux_tui.chat.protocols import Asker, PromptText, TurnStarter

MOST_REPLIES = 9
"""Versions that can be asked for at once."""


class DirectingActions:
    """Actions that tell the model, or the story, something beside the person's own words."""

    def __init__(
        self,
        runtime: Runtime,
        opener: Opener,
        messages: MessageActions,
        prompt: PromptText,
        turns: TurnStarter,
        view: Asker,
    ) -> None:
        self._runtime = runtime
        self._opener = opener
        self._open = opener.chat
        self._messages = messages
        self._prompt = prompt
        self._turns = turns
        self._view = view
        self._last = ""

    @property
    def _place(self) -> str:
        """Id of the conversation, "" where there is none or a reply is coming."""
        conversation = self._open.conversation
        return conversation.id if conversation is not None and not self._turns.busy else ""

    # -- how a reply is to be ----------------------------------------------------------------------

    async def instruct(self) -> None:
        """Ask for an instruction, and for a reply that follows it: to what stands in the prompt, else a new
        version of the last reply."""
        from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept

        if not (place := self._place):
            return
        hint = t("directing.instruct.send" if self._prompt.text.strip() else "directing.instruct.again")
        dialog = AskDialog(t("directing.instruct.title"), value=self._last, hint=hint)
        draft = self._runtime.library.drafts.of(f"instruct:{place}", self._last)
        # Where a reply has begun meanwhile, nothing is followed and the words stay a draft.
        if (wish := await ask_kept(self._view.ask, dialog, draft)) and self._place:
            self.follow(wish)
            await draft.forget()

    def repeat(self) -> None:
        """Give the last instruction once more."""
        if self._last:
            self.follow(self._last)
        else:
            self._view.say(t("directing.none_yet"))

    def follow(self, instruction: str, words: str | None = None) -> None:
        """A reply that follows an instruction: to these words, else to what stands in the prompt, else in the
        place of the last reply."""
        from lunalux_core.dialogue.direction import Direction

        if not self._place:
            return
        self._last = instruction
        words = self._prompt.text if words is None else words
        if words.strip():
            self._messages.send(words, direction=Direction(instruction))
        else:
            self._again(self._options(Direction(instruction)))

    def _again(self, options: TurnOptions) -> None:
        """Another version of the last reply, or a first one."""
        chat, message = self._runtime.chat, self._messages.target
        # A line that a person wrote as somebody is answered and not written anew.
        if message is not None and message.is_reply and not message.by_somebody:
            self._turns.start(chat.regenerate(message.id, options, "swipe"))
        else:
            self._turns.start(chat.answer(self._place, options))

    def _options(self, direction: Direction) -> TurnOptions:
        return replace(self._open.turn_options(), direction=direction)

    async def rewrite(self) -> None:
        """Have a reply written again as an instruction says; the old one stays as a swipe."""
        from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept

        message = self._messages.target
        if not self._place or message is None:
            return
        if not message.is_reply:
            self._view.say(t("directing.rewrite.not_a_reply"), warn=True)
            return
        hint = t("directing.rewrite.hint")
        dialog = AskDialog(t("directing.rewrite.title"), hint=hint)
        draft = self._runtime.library.drafts.of(f"rewrite:{message.id}")
        if (wish := await ask_kept(self._view.ask, dialog, draft)) and self._place:
            self._last = wish
            self._turns.start(self._runtime.chat.rewrite(message.id, wish, self._open.turn_options()))
            await draft.forget()

    def expand(self) -> None:
        """Write out what stands in the prompt; one undo there brings the outline back."""
        from lunalux_core.dialogue.direction import Direction

        if not self._place:
            return
        outline = self._prompt.text.strip()
        if not outline:
            self._view.say(t("directing.outline_empty"))
            return
        events = self._runtime.chat.impersonate(self._place, self._options(Direction(outline=outline)))
        self._turns.start(events, impersonate=True)

    async def in_person(self) -> None:
        """Have the person's next words written in a grammatical person; what stands in the prompt is their
        outline."""
        from lunalux_core.dialogue.direction import Direction, Person
        from lunalux_tui.parts.pick_dialog import PickDialog
        from lunalux_tui.parts.rows import Row

        if not self._place:
            return
        persons: tuple[Person, ...] = ("first", "second", "third")
        rows = [Row(person, t(f"directing.person.{person}")) for person in persons]
        dialog = PickDialog(t("directing.person.title"), rows, hint=t("directing.person.hint"))
        answer = await self._view.ask(dialog)
        chosen = next((person for person in persons if person == answer), None)
        if chosen is None or not self._place:
            return
        direction = Direction(outline=self._prompt.text.strip(), person=chosen)
        events = self._runtime.chat.impersonate(self._place, self._options(direction))
        self._turns.start(events, impersonate=True)

    async def several(self) -> None:
        """Ask for several replies at once, all of them swipes."""
        from lunalux_core.dialogue.direction import Direction
        from lunalux_tui.parts.pick_dialog import PickDialog
        from lunalux_tui.parts.rows import Row

        if not self._place:
            return
        rows = [
            Row(str(number), t("directing.several.row", n=number)) for number in range(2, MOST_REPLIES + 1)
        ]
        answer = await self._view.ask(PickDialog(t("directing.several.title"), rows, current="3"))
        # A reply may have begun while the question was open.
        if not answer or not self._place:
            return
        words = self._prompt.text
        if words.strip():
            self._messages.send(words, direction=Direction(), replies=int(answer))
        else:
            self._again(replace(self._open.turn_options(), replies=int(answer)))

    def answer(self) -> None:
        """A reply to what stands last, without a new word."""
        if self._place:
            self._turns.start(self._runtime.chat.answer(self._place, self._open.turn_options()))

    # -- whose words -------------------------------------------------------------------------------

    async def store(self) -> None:
        """Store what stands in the prompt; nobody answers."""
        from lunalux_core.dialogue.direction import Voice

        await self._store(Voice())

    async def narrate(self) -> None:
        """Store what stands in the prompt as a line of the narrator's."""
        from lunalux_core.dialogue.direction import Voice

        await self._store(Voice("narrator"))

    async def speak_as(self) -> None:
        """Store what stands in the prompt as a line of somebody's."""
        from lunalux_core.dialogue.direction import Voice
        from lunalux_tui.parts.ask_dialog import AskDialog

        if not self._place or not self._has_words():
            return
        dialog = AskDialog(t("directing.as.title"), value=self._open.name, hint=t("directing.as.hint"))
        if name := await self._view.ask(dialog):
            await self._store(Voice("somebody", name))

    def _has_words(self) -> bool:
        if self._prompt.text.strip():
            return True
        self._view.say(t("directing.write_first"))
        return False

    async def _store(self, voice: Voice) -> None:
        own = voice.kind == "person"
        # Pictures alone are a message, but only of the person's own.
        if not self._place or not ((own and self._open.pictures) or self._has_words()):
            return
        typed = self._prompt.text
        options = self._open.sent_options() if own else self._open.turn_options()
        options = replace(options, voice=voice)
        await self._runtime.chat.say(self._place, typed.strip(), options)
        self._prompt.take(typed)
        await self._opener.reload(keep_place=False)

    # -- what replies begin with, and are made with ------------------------------------------------

    async def begin_with(self) -> None:
        """What the replies of this chat begin with."""
        from lunalux_core.dialogue.turn_input import reply_start
        from lunalux_tui.chat.start_dialog import StartDialog

        conversation = self._open.conversation
        if conversation is None:
            return
        conversations = self._runtime.library.conversations
        before = reply_start(await conversations.get(conversation.id))
        saved = before.value if before else ""
        draft = self._runtime.library.drafts.of(f"start:{conversation.id}", saved)
        dialog = StartDialog(before, draft=await draft.read(), keep=draft.keep)
        start = await self._view.ask(dialog)
        await draft.keep(dialog.unsaved)  # also an answer, until it stands where it belongs
        if start is None:
            if dialog.unsaved != saved:
                self._view.say(t("dialog.draft_kept"))
            return
        value = {"value": start.value, "show": start.show} if start.value.strip() else {}
        await conversations.set(conversation.id, reply_start=value)
        await draft.forget()
        await self._opener.reload()
        self._view.say(t("directing.start.kept" if value else "directing.start.gone"))

    async def overrides(self) -> None:
        """The chat's own scenario, examples and main prompt, in the place of the card's."""
        import json

        from lunalux_core.chat.overrides import change_overrides
        from lunalux_core.dialogue.chat_texts import OVERRIDDEN, ChatOverrides
        from lunalux_core.library.cells import object_in, plain_text
        from lunalux_tui.chat.overrides_dialog import OverridesDialog

        conversation = self._open.conversation
        if conversation is None:
            return
        library, drafts = self._runtime.library, self._runtime.library.drafts
        before = ChatOverrides.read((await library.conversations.get(conversation.id)).metadata)
        key, card = f"overrides:{conversation.id}", await self._card_texts(OVERRIDDEN)
        kept = object_in(await drafts.get(key))
        # By name: another version of the program may have kept other texts.
        draft = ChatOverrides(**{name: plain_text(kept.get(name)) for name in OVERRIDDEN}) if kept else None

        async def keep(texts: ChatOverrides) -> None:
            written = json.dumps(asdict(texts), ensure_ascii=False)
            await drafts.keep(key, "" if texts == before else written)

        dialog = OverridesDialog(before, card, draft=draft, keep=keep)
        texts = await self._view.ask(dialog)
        await keep(dialog.unsaved if texts is None else texts)  # until they stand where they belong
        if texts is None:
            if dialog.unsaved != before:
                self._view.say(t("dialog.draft_kept"))
            return
        await change_overrides(library, conversation.id, lambda _: texts)
        await drafts.keep(key, "")
        await self._opener.reload()
        self._view.say(t("overrides.kept" if texts.named else "overrides.gone"))

    async def out_of_character(self) -> None:
        """The note beside the story that every prompt of this chat carries; an empty one takes it away."""
        from lunalux_core.chat.standing_note import keep_note, note_in
        from lunalux_tui.parts.ask_dialog import AskDialog, ask_kept

        conversation = self._open.conversation
        if conversation is None:
            return
        library = self._runtime.library
        before = note_in((await library.conversations.get(conversation.id)).metadata)
        dialog = AskDialog(t("directing.ooc.title"), value=before, hint=t("directing.ooc.hint"))
        draft = library.drafts.of(f"ooc:{conversation.id}", before)
        note = await ask_kept(self._view.ask, dialog, draft)
        if note is None or note == before:
            return
        await keep_note(library, conversation.id, note)
        await draft.forget()
        await self._opener.reload()
        self._view.say(t("directing.ooc.kept" if note else "directing.ooc.gone"))

    async def _card_texts(self, names: Mapping[str, str]) -> Mapping[str, str]:
        """What the card says, by our names; nothing in a group."""
        if self._open.character is None:
            return {}
        from lunalux_core.dialogue.active_books import parsed_card

        character = await self._runtime.library.characters.get(self._open.character.id)
        card = parsed_card(character.document)
        return {name: getattr(card, field) for name, field in names.items()}

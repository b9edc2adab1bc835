"""What a person does to messages, without an app: a real library, and a screen that is written on paper."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from lunalux_core.config.settings import load_settings
from lunalux_core.dialogue.turn import TurnEvent
from lunalux_core.library.conversations import Message
from lunalux_core.runtime import Runtime
from lunalux_tui import i18n
from lunalux_tui.chat.message_actions import MessageActions
from lunalux_tui.chat.opener import OpenChat, Opener


class Prompt:
    """What the person writes."""

    text = ""

    def take(self, text: str) -> None:
        self.text = self.text.removeprefix(text)


class Paper:
    """The messages, the turns and the screen around them, as far as the actions know them."""

    def __init__(self, runtime: Runtime, chat: OpenChat) -> None:
        self.runtime, self.chat = runtime, chat
        self.messages: Sequence[Message] = ()
        self.selected = self.revealed = self.copied = ""
        self.prompt = Prompt()
        self.busy = False
        self.begun: list[AsyncIterator[TurnEvent]] = []
        self.told: list[str] = []
        self.answer: Any = None
        """What the person says to the next dialog."""

    # -- the messages on screen

    async def show_again(self, *, keep_place: bool = True) -> None:
        assert self.chat.conversation is not None
        self.messages = await self.runtime.library.conversations.page(self.chat.conversation.id)

    def show_conversation(self, messages: Sequence[Message], *, typed: str = "") -> None:
        self.messages = messages

    def reveal(self, message_id: str) -> None:
        self.revealed = message_id

    def toggle_fold(self, message_id: str) -> bool:
        return False

    def text(self, message: Message) -> str:
        return message.content

    # -- turns

    def start(
        self, events: AsyncIterator[TurnEvent], *, restore: str = "", impersonate: bool = False
    ) -> None:
        self.begun.append(events)

    def stop(self) -> bool:
        return False

    async def run(self) -> None:
        """Let the turn that was begun come to its end."""
        async for _ in self.begun.pop():
            pass
        await self.show_again()

    async def keep_draft(self) -> None: ...

    def stop_turn(self) -> bool:
        return False

    def typed(self) -> str:
        return ""

    # -- the screen

    async def ask(self, dialog: Any) -> Any:
        return self.answer(dialog) if callable(self.answer) else self.answer

    def say(self, words: str, *, warn: bool = False, undo: bool = False) -> None:
        self.told.append(words + (" [undo]" if undo else ""))

    def copy(self, text: str) -> None:
        self.copied = text


@asynccontextmanager
async def a_chat() -> AsyncIterator[tuple[MessageActions, Paper]]:
    """A conversation in which one thing was said and answered."""
    i18n.use("en")
    async with Runtime.open(load_settings()) as runtime:
        await runtime.first_start()
        chat = OpenChat()
        paper: Any = Paper(runtime, chat)
        opener = Opener(runtime, chat, paper)
        actions = MessageActions(runtime, opener, paper, paper.prompt, paper, paper)
        await opener.open_character((await runtime.library.characters.list())[0].id)
        actions.send("Hello")
        await paper.run()
        yield actions, paper


def words(paper: Paper) -> list[str]:
    return [message.content for message in paper.messages]


async def test_what_is_sent_while_a_reply_comes_begins_no_second_turn() -> None:
    async with a_chat() as (actions, paper):
        assert words(paper)[1] == "Hello" and len(words(paper)) == 3
        paper.busy, paper.prompt.text = True, "Wait"
        actions.send("Wait")
        for act in (actions.regenerate, actions.continue_reply, actions.impersonate):
            act()
        assert not paper.begun and paper.prompt.text == "Wait"
        assert paper.told == [i18n.t("chat.busy")]


async def test_an_instruction_alone_is_answered_and_becomes_no_message() -> None:
    async with a_chat() as (actions, paper):
        paper.prompt.text = "((be curt))"
        actions.send("((be curt))")
        await paper.run()
        assert paper.prompt.text == "" and not any("curt" in content for content in words(paper))
        assert [message.role for message in paper.messages][-2:] == ["assistant", "assistant"]


async def test_behind_the_last_version_a_new_one_is_made_and_the_first_is_found_again() -> None:
    async with a_chat() as (actions, paper):
        first = paper.messages[-1]
        await actions.swipe(1)
        await paper.run()
        assert paper.messages[-1].id != first.id and paper.messages[-1].swipes == 2
        paper.selected = paper.messages[-1].id
        await actions.swipe(-1)
        assert paper.messages[-1].content == first.content and not paper.begun
        assert paper.selected == paper.revealed == first.id, "what was chosen stays chosen"


async def test_a_deleted_message_takes_along_what_follows_and_comes_back() -> None:
    async with a_chat() as (actions, paper):
        before = words(paper)
        paper.selected = paper.messages[1].id
        await actions.delete()
        assert words(paper) == before[:1]
        assert paper.told == [i18n.t("chat.deleted_with", n=1) + " [undo]"]
        await actions.undo()
        assert words(paper) == before
        await actions.redo()
        await actions.redo()
        assert words(paper) == before[:1] and paper.told[-1] == i18n.t("chat.nothing_to_redo")


async def test_an_edit_that_is_left_waits_in_its_dialog() -> None:
    def leave(dialog: Any) -> None:
        dialog.text = "Hello there"

    def go_on(dialog: Any) -> str:
        return str(dialog.text) + ", at last"

    async with a_chat() as (actions, paper):
        paper.selected, paper.answer = paper.messages[1].id, leave
        await actions.edit()
        assert words(paper)[1] == "Hello" and paper.told == [i18n.t("chat.edit_kept")]
        paper.answer = go_on
        await actions.edit(as_branch=True)
        assert words(paper)[1] == "Hello there, at last" and paper.messages[1].swipes == 2


async def test_code_is_copied_without_what_stands_around_it() -> None:
    async with a_chat() as (actions, paper):
        actions.copy_code()
        assert not paper.copied and paper.told == [i18n.t("chat.no_code")]
        paper.answer = "Look:\n\n```py\nlamp = 1\n```\n\nThere."
        await actions.edit()
        actions.copy_code()
        assert paper.copied.strip() == "lamp = 1"

"""Turns without an app: real events of a real library, and a view that only writes down what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lunalux_core.config.settings import load_settings
from lunalux_core.dialogue.turn import (
    Billed,
    ScriptSkipped,
    TextDelta,
    TurnEvent,
    TurnOptions,
    TurnStarted,
)
from lunalux_core.errors import LunaluxError, NetworkError
from lunalux_core.library.conversations import Conversation, Message
from lunalux_core.runtime import Runtime
from lunalux_tui import i18n
from lunalux_tui.chat.turn_controller import TurnController


class Page:
    """A view of turns on paper: what happened, in order, and what would be on screen at the end."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.reply: str | None = None
        """The reply that grows."""
        self.grown = asyncio.Event()
        """Whether some of a reply was there."""
        self.settled: list[Message | None] = []
        self.prompt = ""
        self.errors: list[LunaluxError] = []
        self.warnings: list[str] = []
        self.afterwards: list[Callable[[], Coroutine[Any, Any, None]]] = []

    @property
    def streaming(self) -> bool:
        return self.reply is not None

    def turn_began(self, *, impersonated: bool) -> None:
        self.told.append("began")

    async def path_changed(self, words: Message | None) -> None:
        self.told.append(f"after {words.content}" if words else "after an earlier message")

    def reply_began(self, reply: Message | None) -> None:
        self.told.append(f"{reply.name} writes" if reply else "nobody answers")
        self.reply = "" if reply else None

    def reply_grew(self, text: str = "", thinking: str = "", *, anew: bool = False) -> None:
        if self.reply is not None:
            self.reply = text if anew else self.reply + text
            if text:
                self.grown.set()

    async def reply_ended(self, message: Message | None, *, whole: bool = False) -> None:
        self.told.append("whole" if whole else "broke off")
        self.settled.append(message)
        self.reply = None

    async def version_stored(self, number: int, of: int) -> None:
        self.told.append(f"version {number} of {of}")

    def words_written(self, text: str) -> None:
        self.told.append("written")
        self.prompt = text

    def billed(self, event: Billed) -> None:
        self.told.append(f"billed {event.cost}")

    def warn(self, words: str, *, title: str = "", stays: bool = False) -> None:
        self.warnings.append(words)

    def turn_failed(self, error: LunaluxError, restore: str) -> None:
        self.errors.append(error)
        self.prompt = self.prompt or restore

    def reply_done(self, text: str, seconds: float) -> None:
        self.told.append("done")

    def turn_over(self) -> None:
        self.told.append("over")

    def call_later(self, callback: Callable[[], Coroutine[Any, Any, None]]) -> object:
        self.afterwards.append(callback)
        return None


@asynccontextmanager
async def a_chat() -> AsyncIterator[tuple[Runtime, Conversation, Page, TurnController]]:
    """A conversation with a starter character, and a controller that shows its turns on a page."""
    i18n.use("en")
    async with Runtime.open(load_settings()) as runtime:
        await runtime.first_start()
        character = (await runtime.library.characters.list())[0]
        conversation = await runtime.chat.start(character.id)
        page = Page()
        yield runtime, conversation, page, TurnController(page, runtime.library.conversations)


async def test_a_turn_is_shown_from_the_words_to_the_whole_reply() -> None:
    async with a_chat() as (runtime, conversation, page, turns):
        await turns.run(runtime.chat.send(conversation.id, "Hello", TurnOptions()), restore="Hello")
        *_, words, reply = await runtime.library.conversations.page(conversation.id)
        assert words.content == "Hello"
        assert page.told == ["began", "after Hello", f"{reply.name} writes", "whole", "done", "over"]
        assert page.settled == [reply], "what is stored stands on screen"
        assert not page.prompt and not page.errors

        page.told.clear()
        await turns.run(runtime.chat.regenerate(reply.id, TurnOptions()))
        assert page.told[:3] == ["began", "after an earlier message", f"{reply.name} writes"]


async def test_a_stopped_turn_is_over_at_once_and_shows_what_came_of_it_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LUNALUX_PRACTICE_RATE", "20")
    async with a_chat() as (runtime, conversation, page, turns):
        running = asyncio.create_task(
            turns.run(runtime.chat.send(conversation.id, "Tell me a long story", TurnOptions()))
        )
        await asyncio.wait_for(page.grown.wait(), 60)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert page.told[-1] == "over" and "whole" not in page.told
        (settle,) = page.afterwards
        await settle()
        stored = (await runtime.library.conversations.page(conversation.id))[-1]
        assert page.settled == [stored]
        assert stored.content and stored.status != "pending"


async def test_words_that_could_not_be_stored_come_back() -> None:
    async with a_chat() as (runtime, _, page, turns):
        await turns.run(runtime.chat.send("no-such-conversation", "Hello", TurnOptions()), restore="Hello")
        assert [error.code for error in page.errors] == ["CONVERSATION_NOT_FOUND"]
        assert page.prompt == "Hello"
        assert page.told == ["began", "over"]


async def test_a_turn_that_breaks_off_leaves_the_reply_as_stored_and_the_words_where_they_are() -> None:
    async with a_chat() as (runtime, conversation, page, turns):
        await turns.run(runtime.chat.send(conversation.id, "Hello", TurnOptions()))
        *_, words, reply = await runtime.library.conversations.page(conversation.id)

        async def breaks() -> AsyncIterator[TurnEvent]:
            yield TurnStarted(conversation.id, words, reply, "practice")
            yield TextDelta("half a ")
            raise NetworkError("NETWORK", "gone")

        page.told.clear()
        page.settled.clear()
        await turns.run(breaks(), restore="Hello")
        assert page.told[-2:] == ["broke off", "over"]
        assert page.settled == [reply]
        assert [error.code for error in page.errors] == ["NETWORK"]
        assert not page.prompt, "the words are stored: giving them back would double them"


async def test_words_in_the_persons_place_go_into_the_prompt_also_when_they_broke_off() -> None:
    async with a_chat() as (runtime, conversation, page, turns):
        await turns.run(runtime.chat.impersonate(conversation.id, TurnOptions()), impersonate=True)
        assert page.prompt
        assert page.told == ["began", "written", "done", "over"], "nothing of it is a message"

        async def breaks() -> AsyncIterator[TurnEvent]:
            yield TextDelta("I would ")
            yield TextDelta("rather")
            raise NetworkError("NETWORK", "gone")

        await turns.run(breaks(), impersonate=True)
        assert page.prompt == "I would rather"


async def test_many_scripts_that_fail_are_one_notice() -> None:
    async def skips() -> AsyncIterator[TurnEvent]:
        for number in range(300):
            yield ScriptSkipped(f"script {number}", "too slow")

    async with a_chat() as (_, _conversation, page, turns):
        await turns.run(skips())
        assert len(page.warnings) == 1
        assert "300" in page.warnings[0] and "script 0" in page.warnings[0]

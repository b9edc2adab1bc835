"""The real app over a real library in a temporary home, ready to be driven by a pilot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual.css.query import NoMatches
from textual.pilot import Pilot
from textual.timer import Timer

from lunalux_core.config.settings import load_settings
from lunalux_core.database import Connection
from lunalux_core.library.conversations import MessageRole, append_message, create_conversation, new_message
from lunalux_core.runtime import Runtime
from lunalux_tui.app.app import LunaluxApp
from lunalux_tui.app.first_frame import read_opening
from lunalux_tui.chat.screen import ChatScreen


async def until(pilot: Pilot[None], condition: Callable[[], object], seconds: float = 60) -> None:
    """Let the app work until `condition` holds; what it looks at may not be on screen yet.

    Then the screen that is on top has its widgets, too, and what its widgets were told has reached them.
    """

    def holds() -> bool:
        try:
            return bool(condition()) and pilot.app.screen.is_mounted
        except NoMatches:
            return False

    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - anything may be waited for
            await asyncio.sleep(0.01)
    await pilot.pause(0)


async def settle(pilot: Pilot[None], seconds: float = 60) -> None:
    """Let the app work until it has done what it was asked for and shows it.

    Nothing is at work for the screen on top but what waits for an answer of the person; no message, no short
    timer and no drawing is left. A pause of a fixed length says nothing of that on a busy machine.
    """
    still = 0
    async with asyncio.timeout(seconds):
        while still < 3:
            await asyncio.sleep(0.01)
            still = still + 1 if _rests(pilot) else 0
    await pilot.pause(0)


def _rests(pilot: Pilot[None]) -> bool:
    app = pilot.app
    screens = app.screen_stack
    # A question may have been left open in a mode that is not shown.
    everywhere = [screen for stack in app._screen_stacks.values() for screen in stack]
    answers = sum(
        callback.future is not None for screen in everywhere for callback in screen._result_callbacks
    )
    at_work = [
        worker
        for worker in app.workers
        if worker.node is app or app.screen in worker.node.ancestors_with_self
    ]
    if sum(not worker.is_finished for worker in at_work) > answers:
        return False
    if app.screen._dirty_widgets or app.screen._layout_required or app.screen._callbacks:
        return False
    return all(
        not node.message_queue_size
        and not node._next_callbacks
        and not any(_soon(timer) for timer in node._timers)
        for node in (app, *screens, *app.screen.walk_children())
    )


def _soon(timer: Timer) -> bool:
    """Whether a timer ends a short pause, as after the last letter that was typed."""
    return timer._repeat == 0 and timer._interval < 1 and timer._task is not None and not timer._task.done()


class Driven:
    """An app that runs, with the few things tests ask of it."""

    def __init__(self, app: LunaluxApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def chat(self) -> ChatScreen:
        return self.app.chat

    async def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """See `until`."""
        await until(self.pilot, condition, seconds)

    async def settle(self) -> None:
        """See `settle`."""
        await settle(self.pilot)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause(0.02)

    async def write(self, text: str) -> None:
        """Put a text into the prompt, as a paste does."""
        self.chat.prompt.insert(text)
        await self.pilot.pause()

    async def say(self, text: str) -> None:
        """Send a text and wait for the whole reply."""
        before = len(self.contents())
        await self.write(text)
        await self.press("enter")
        await self.until(lambda: len(self.contents()) >= before + 2 and not self.chat.busy)

    def contents(self) -> list[str]:
        """The messages on screen."""
        return [message.content for message in self.chat.transcript.messages]

    def notes(self) -> list[str]:
        """The notes of the program in the transcript."""
        return [entry.note[0] for entry in self.chat.transcript.text_layout.entries if entry.note]

    def told(self) -> str:
        """What the status line says, and the notices on screen."""
        notices = (f"{note.title} {note.message}" for note in self.app._notifications)
        return "\n".join([self.chat.status.told, *notices])

    def drawn(self) -> str:
        """The words of the transcript as they are laid out."""
        entries = self.chat.transcript.text_layout.entries
        return "\n".join("".join(text for text, _ in line) for entry in entries for line in entry.lines)


@asynccontextmanager
async def open_app(
    size: tuple[int, int] = (120, 40), *, character: str = "", wait: bool = True, notices: bool = False
) -> AsyncIterator[Driven]:
    """The app, with a conversation open (on a first start: with a starter character)."""
    async with Runtime.open(load_settings()) as runtime:
        app = LunaluxApp(runtime, await read_opening(runtime, character))
        async with app.run_test(size=size, notifications=notices) as pilot:
            driven = Driven(app, pilot)
            if wait:
                await driven.until(lambda: app.chat.conversation is not None and app.account is not None)
            yield driven


async def stored_conversation(count: int) -> str:
    """A conversation of `count` messages with the first starter; returns its id."""
    async with Runtime.open(load_settings()) as runtime:
        await runtime.first_start()
        character = (await runtime.library.characters.list())[0]

        def fill(connection: Connection) -> str:
            conversation = create_conversation(connection, character.id, "Long")
            last = None
            for number in range(count):
                role: MessageRole = "user" if number % 2 else "assistant"
                text = f"Message {number} " + "with some words to fill a line or two. " * (number % 3 + 1)
                last = new_message(conversation.id, last, role, role.title(), text)
                append_message(connection, last)
            return conversation.id

        return await runtime.library.database.write(fill)

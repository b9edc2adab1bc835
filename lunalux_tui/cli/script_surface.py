"""A terminal as a script on a conversation sees it: it shows on stderr, and asks whoever sits at it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from lunalux_core.chat.scripts.conversation_host import ConversationHost
from lunalux_core.dialogue.turn import TurnCompleted, TurnOptions
from lunalux_tui.cli import output
from lunalux_tui.i18n import t

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn import TurnEvent
    from lunalux_core.errors import LunaluxError
    from lunalux_core.runtime import Runtime
    from lunalux_core.stscript.interpreter import ScriptOutcome


class TerminalSurface:
    """See `chat.scripts.surface.Surface`. A model that a script chooses is used until its end; what would
    stand in the prompt is the draft of the conversation.

    Args:
        place: id of the conversation.
        asks: whether there is somebody to ask.
    """

    panes: Sequence[str] = ()

    def __init__(self, runtime: Runtime, place: str, *, asks: bool) -> None:
        self._runtime = runtime
        self._place = place
        self._options = TurnOptions()
        self.asks = asks
        self.echoes: list[str] = []

    def open_pane(self, name: str) -> None:
        raise AssertionError(name)  # a terminal has none, so no command asks for one

    def options(self) -> TurnOptions:
        return self._options

    def words(self, key: str, **values: object) -> str:
        return t(f"slash.{key}", **values)

    def command_help(self, key: str) -> str:
        return t(key)

    def told(self, error: LunaluxError) -> str:
        return output.sentence(error)[0]

    async def echo(self, text: str, severity: str, title: str) -> None:
        self.echoes.append(text)
        output.note(f"{title}: {text}" if title else text)

    async def ask_text(self, question: str, default: str) -> str:
        return output.answer(f"{question} ".lstrip()).rstrip("\r\n") or default

    async def show_text(self, text: str) -> None:
        output.note(text)
        output.answer("⏎ ")

    async def choose(self, question: str, labels: Sequence[str]) -> str:
        output.note(question)
        for number, label in enumerate(labels, 1):
            output.note(f"{number}. {label}")
        typed = output.answer("> ").strip()
        return labels[int(typed) - 1] if typed.isdecimal() and 0 < int(typed) <= len(labels) else ""

    async def put_typed(self, text: str) -> None:
        await self._runtime.library.conversations.set(self._place, draft=text)

    async def take_turn(self, events: AsyncIterator[TurnEvent], *, impersonate: bool = False) -> None:
        async with aclosing(cast("AsyncGenerator[TurnEvent, None]", events)) as steps:
            async for event in steps:
                if not isinstance(event, TurnCompleted):
                    continue
                if event.message is None:
                    await self.put_typed(event.text)
                else:
                    output.note(f"{event.message.name}: {event.message.content}")

    async def open_chat(self, conversation_id: str) -> None:
        self._place = conversation_id
        output.note(t("slash.chat_opened", id=conversation_id))

    async def messages_changed(self, *, to_end: bool = False) -> None:
        """A terminal shows no messages."""

    async def surroundings_changed(self) -> None:
        """A terminal shows nothing of them."""

    async def use_model(self, name: str) -> None:
        self._options = replace(self._options, model=name)

    async def use_preset(self, key: str) -> None:
        self._options = replace(self._options, preset=key)


async def run_on_conversation(
    runtime: Runtime, conversation: str, script: str, *, asks: bool
) -> tuple[ScriptOutcome, list[str]]:
    """Run a script on a conversation; what became of it, and what it showed.

    Args:
        conversation: an id, or its beginning.
    """
    from lunalux_core.chat.script_setting import script_setting
    from lunalux_core.stscript.commands.command_table import everything
    from lunalux_core.stscript.interpreter import Interpreter

    place = await runtime.library.conversations.named(conversation)
    await runtime.chat.recover(output.journal_damaged)
    surface = TerminalSurface(runtime, place.id, asks=asks)
    setting = await script_setting(runtime.chat.previews, place.id, surface.options())
    host = ConversationHost(runtime, surface, place.id, setting)
    interpreter = Interpreter(host, everything(host.offers), setting)
    # The host stores what the script sets: before each turn, whose macros read it, and at the end.
    host.stores = interpreter.stores
    try:
        outcome = await interpreter.run(script)
    finally:
        # Also after a failure: what the commands before it have set stays set.
        await host.keep_variables()
    return outcome, surface.echoes

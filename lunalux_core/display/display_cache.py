"""How messages are to be shown, by conversation (see `display.display_scripts`).

Light to import: what works on texts is loaded on the database's thread, when the first look is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunalux_core.database import Connection, Database
    from lunalux_core.dialogue.turn_input import TurnReader
    from lunalux_core.display.display_scripts import Display, DisplayCache, DisplayedMessage
    from lunalux_core.library.conversations import Message
    from lunalux_core.regex.engine import EcmaEngine


class Displays:
    """Gives the display of a conversation as its scripts, names and variables are now."""

    def __init__(
        self, database: Database, reader: Callable[[], TurnReader], engine: Callable[[], EcmaEngine]
    ) -> None:
        self._database = database
        self._reader = reader
        self._engine = engine

    @cached_property
    def _memory(self) -> DisplayCache:
        from lunalux_core.display.display_scripts import DisplayCache

        return DisplayCache()

    async def of(self, conversation_id: str) -> Display:
        """Read it anew; what was worked out before is remembered. Raises NotFound."""

        def read(connection: Connection) -> Display:
            from lunalux_core.display.display_scripts import Display
            from lunalux_core.display.speaker_scripts import read_speaker_scripts

            scripts = read_speaker_scripts(connection, self._reader(), conversation_id)
            return Display(*scripts, self._engine, self._memory)

        return await self._database.read(read)

    async def path(self, conversation_id: str, messages: Sequence[Message]) -> list[DisplayedMessage | None]:
        """The looks of the newest messages of the path on screen, oldest first; None as it is stored."""
        import asyncio

        display = await self.of(conversation_id)
        pairs = list(zip(messages, depths(messages), strict=True))
        return await asyncio.to_thread(lambda: [display.show(*pair) for pair in pairs])


def depths(messages: Sequence[Message], below: int = 0) -> list[int | None]:
    """How many messages stand below each; those kept out of the prompt neither have a depth nor count.

    Args:
        below: how many stand below the last of `messages`.
    """
    result: list[int | None] = []
    for message in reversed(messages):
        result.append(None if message.hidden else below)
        below += not message.hidden
    return result[::-1]

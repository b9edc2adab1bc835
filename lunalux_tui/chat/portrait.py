"""Who is talked with, below the list of characters; with the face that the last reply calls for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from lunalux_core.errors import NotFound
from lunalux_tui.parts.picture import Picture

if TYPE_CHECKING:
    from pathlib import Path

    from lunalux_core.library.portraits import Gallery
    from lunalux_tui.chat.screen import ChatScreen


class Portrait(Picture):
    """The picture of the one who spoke last."""

    def __init__(self, chat: ChatScreen) -> None:
        super().__init__(id="portrait")
        self._chat = chat
        self._gallery: tuple[str, Gallery] | None = None

    def on_mount(self) -> None:
        for what in ("character", "conversation", "speaker"):
            self.watch(self._chat.header, what, self.look, init=False)
        self.apply_settings()
        self.look()

    def apply_settings(self) -> None:
        """Follow the settings in force."""
        self.set_class(not self._chat.runtime.settings.portrait, "-off")
        super().redraw()

    def look(self, _: None = None) -> None:
        """Show who spoke last, as the last reply has it."""
        # A worker of the screen: drawing again ends the workers of a picture.
        work: Any = self._look  # no coroutine: one whose turn never comes is complained about at the end
        self._chat.run_worker(work, group="portrait", exclusive=True, exit_on_error=False)

    async def _look(self) -> None:
        spoken = [message for message in self._chat.transcript.messages if message.role == "assistant"]
        last = spoken[-1] if spoken else None
        character = self._chat.character
        identity = (last.speaker if last else "") or (character.id if character else "")
        if not identity:
            self.show(None)
            return
        try:
            gallery = await self._of(identity)
        except NotFound:  # a member of a group who left the library
            self.show(None, who=last.name if last else "")
            return
        source: Path | bytes | None = gallery.main
        turn_over = self._chat.turn_over
        turn_over.unsubscribe(self)
        if gallery.expressions:
            turn_over.subscribe(self, self.look)  # each reply may call for another face
            expression = gallery.expression(last.content if last else "")
            source = await asyncio.to_thread(gallery.picture, expression)
        self.show(source, who=last.name if last else self._chat.character_name, seed=identity)

    async def _of(self, identity: str) -> Gallery:
        if self._gallery is None or self._gallery[0] != identity:
            from lunalux_core.cards.card import Card
            from lunalux_core.library.portraits import read_gallery

            characters = self._chat.runtime.library.characters
            character = await characters.get(identity)
            card = Card.parse(character.document)
            gallery = await asyncio.to_thread(
                read_gallery, characters.pictures, identity, character.summary.picture, card
            )
            self._gallery = (identity, gallery)
        return self._gallery[1]


async def show_portrait(chat: ChatScreen) -> None:
    """Put the portrait under the list of characters."""
    if not chat.query(Portrait):
        await chat.roster.mount(Portrait(chat))

"""Small drawings of the pictures in messages; nothing of this is loaded before a message has one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from lunalux_tui.parts.picture_support import cell_of, pictures_wanted, tell_terminal
from lunalux_tui.render.picture_drawing import draw

if TYPE_CHECKING:
    from lunalux_core.documents.picture_refs import PictureRef
    from lunalux_tui.chat.transcript.transcript import Transcript
    from lunalux_tui.render.picture_drawing import Drawing

ROWS = 8
"""Lines of a drawing at most: a look, no more."""
WIDEST = 36
"""Cells of its width at most."""


class Thumbnails:
    """Draws the pictures of the messages on screen, beside everything else.

    Args:
        data: gives the bytes of a picture by its hash, nothing where it is gone.
    """

    def __init__(self, transcript: Transcript, data: Callable[[str], Awaitable[bytes]]) -> None:
        self._transcript = transcript
        self._data = data
        self._drops: dict[str, str] = {}
        self._failed: set[str] = set()

    async def follow(self) -> None:
        """Draw what is missing, and let go of what is not here any more."""
        app, text_layout = self._transcript.app, self._transcript.text_layout
        if not pictures_wanted(app):
            return
        here: set[str] = set()
        for message in self._transcript.messages:
            missing = False
            for picture in message.pictures:
                here.add(picture.hash)
                if picture.hash in text_layout.thumbnails or picture.hash in self._failed:
                    continue
                drawing = await self._drawn(picture)
                if drawing is None:
                    # Tried once: the same hash always means the same bytes.
                    self._failed.add(picture.hash)
                    continue
                tell_terminal(app, drawing.upload)
                self._drops[picture.hash] = drawing.drop
                text_layout.thumbnails[picture.hash] = drawing.lines
                missing = True
            if missing:
                self._transcript.update(message)
        # The terminal keeps a picture until it is told to let it go.
        for gone in text_layout.thumbnails.keys() - here:
            del text_layout.thumbnails[gone]
            tell_terminal(app, self._drops.pop(gone, ""))

    async def _drawn(self, picture: PictureRef) -> Drawing | None:
        data = await self._data(picture.hash)
        columns, rows = fitted(picture.width, picture.height)
        if not data:
            return None
        try:
            return await asyncio.to_thread(draw, data, columns, rows, cell_of(self._transcript.app))
        except ValueError:
            return None


def fitted(width: int, height: int) -> tuple[int, int]:
    """Columns and rows for a picture of these pixels; a cell is twice as high as wide."""
    rows = ROWS
    columns = round(rows * 2 * width / max(height, 1))
    if columns > WIDEST:
        columns = WIDEST
        rows = round(WIDEST * height / max(width, 1) / 2)
    return max(columns, 2), max(rows, 1)

"""One picture in a place of its own: a portrait, a preview, the large picture of a market card.

    yield Picture(path, who=character.name, seed=character.id)      # a file
    picture.source = png_bytes                                      # another one, later

The picture is cut to fill the widget (set its width and height in CSS; a cell is about twice as high as
wide, so 30 by 15 is square), in full where the terminal can (Kitty, Ghostty), else in quadrant blocks. It
is read and drawn in a thread; the screen never waits. Where there is no picture, or none that can be
drawn, or pictures are switched off (`ui.pictures`), the monogram of `who` stands there, or nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from lunalux_core.text import clean_line
from lunalux_tui.parts.drawn import Drawn
from lunalux_tui.parts.picture_support import cell_of, pictures_wanted, tell_terminal
from lunalux_tui.render.monogram import monogram
from lunalux_tui.render.picture_drawing import Drawing, draw
from lunalux_tui.theme.styles import SURFACE

if TYPE_CHECKING:
    from lunalux_tui.theme.palette import Palette

FILE_LIMIT = 64 * 1024 * 1024


class Picture(Drawn):
    """A picture from a file or from bytes (PNG, WebP, JPEG, GIF).

    Args:
        source: a path, the bytes, or None for none yet.
        who: whose picture it is; its first sign stands in while there is none.
        seed: what the monogram's colour depends on; by default `who`.
    """

    DEFAULT_CSS = "Picture { width: 30; height: 15; }"

    source: reactive[Path | bytes | None] = reactive(None)
    who: reactive[str] = reactive("")
    seed: reactive[str] = reactive("")

    class Drawn(Message):
        """The source was drawn, or could not be (`ok` False)."""

        def __init__(self, picture: Picture, ok: bool) -> None:
            super().__init__()
            self.picture = picture
            self.ok = ok

        @property
        def control(self) -> Picture:
            return self.picture

    ALLOW_SELECT = False

    def __init__(
        self,
        source: Path | bytes | None = None,
        *,
        who: str = "",
        seed: str = "",
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._drawing: Drawing | None = None
        # Past the watchers: there is neither a size nor an app to draw for yet.
        self.set_reactive(Picture.source, source)
        self.set_reactive(Picture.who, who)
        self.set_reactive(Picture.seed, seed)

    def show(self, source: Path | bytes | None, *, who: str = "", seed: str = "") -> None:
        """Show another picture, of somebody else."""
        self.who, self.seed = who, seed
        self.source = source

    def redraw(self) -> None:
        """Draw again: the size, a setting, or what is in the file has changed."""
        if self.source is None or not self.display or not all(self.size) or not pictures_wanted(self.app):
            # A drawing that is under way would bring the picture back.
            self.workers.cancel_node(self)
            self._put(None)
        else:
            self._draw(self.source, *self.size)

    apply_settings = redraw

    def watch_source(self) -> None:
        self._put(None)
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    def on_unmount(self) -> None:
        self._put(None)

    @work(group="picture", exclusive=True, exit_on_error=False)
    async def _draw(self, source: Path | bytes, width: int, height: int) -> None:
        try:
            drawing = await asyncio.to_thread(_drawn, source, width, height, cell_of(self.app))
        except (OSError, ValueError):
            drawing = None  # the monogram stays
        self._put(drawing)
        self.post_message(self.Drawn(self, drawing is not None))

    def _put(self, drawing: Drawing | None) -> None:
        if self._drawing is not None:
            # The terminal keeps what was uploaded until it is told to forget it.
            tell_terminal(self.app, self._drawing.drop)
        self._drawing = drawing
        if drawing is not None:
            tell_terminal(self.app, drawing.upload)
        self.refresh()

    def draw(self, palette: Palette, width: int, height: int) -> Sequence[Strip]:
        lines = self._drawing.lines if self._drawing is not None else None
        if lines is None and self.who and width > 2:
            who = clean_line(self.who, 40)
            lines = monogram(who, self.seed or who, palette, width, height)
        ground = palette.style(SURFACE)
        strips = [Strip(line).adjust_cell_length(width, ground) for line in (lines or ())[:height]]
        blank = palette.strip([(" " * width, SURFACE)], width)
        return [*strips, *[blank] * (height - len(strips))]


def _drawn(source: Path | bytes, width: int, height: int, cell: object) -> Drawing:
    from lunalux_tui.render.picture_drawing import Cell

    if isinstance(source, Path):
        if source.stat().st_size > FILE_LIMIT:
            raise ValueError("too large a file")
        source = source.read_bytes()
    return draw(source, width, height, cell if isinstance(cell, Cell) else None)

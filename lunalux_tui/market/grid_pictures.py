"""Whether the market's grid has pictures or monograms, and how large a picture is drawn."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from lunalux_tui.market.card_face import HEIGHT, PICTURE_WIDTH
from lunalux_tui.market.picture_queue import PictureQueue
from lunalux_tui.parts.picture_support import cell_of, pictures_wanted, tell_terminal
from lunalux_tui.render.picture_drawing import Cell, draw

if TYPE_CHECKING:
    from textual.app import App

    from lunalux_core.market import Market
    from lunalux_tui.market.grid import MarketGrid


class GridPictures:
    """Gives the grid its thumbnails, and takes them away when they are not wanted any more.

    Args:
        start: runs the fetching of a picture beside the screen.
        later: calls something after seconds.
    """

    def __init__(
        self,
        start: Callable[[Coroutine[Any, Any, None]], object],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._start = start
        self._later = later
        self._cell: Cell | None = None
        self._drawn: PictureQueue | None = None

    def follow_settings(self, app: App[Any], grid: MarketGrid, market: Market) -> None:
        """Pictures as the settings want them and the terminal's cells are now."""
        if not pictures_wanted(app):
            self.close()
            grid.thumbnails = None
        elif self._drawn is None or self._cell != cell_of(app):
            self.close()
            self._cell = cell_of(app)
            self._drawn = grid.thumbnails = PictureQueue(
                fetch=market.thumbnail,
                forget=market.forget_thumbnail,
                draw=partial(draw, columns=PICTURE_WIDTH, rows=HEIGHT, cell=self._cell),
                start=self._start,
                later=self._later,
                ready=grid.redraw,
                write=partial(tell_terminal, app),
            )
        grid.redraw()

    def retry(self) -> None:
        """Ask again for pictures that could not be had."""
        if self._drawn is not None:
            self._drawn.retry()

    def close(self) -> None:
        """Let the terminal forget the pictures."""
        if self._drawn is not None:
            self._drawn.close()
        self._drawn = None

"""Pictures in character cells, and the queue that brings them while the person looks at something else.

A cell shows four pixels in two colours (quadrant blocks), so a picture needs no ability of the terminal
but colours. Pillow is imported with the first picture, in a thread. Pictures of strangers are opened under
limits; one that cannot be shown is simply not there, and the card keeps its monogram.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias

from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from lunalux_core.errors import LunaluxError, NetworkError
from lunalux_core.library.market import MarketCard

Picture: TypeAlias = tuple[tuple[Segment, ...], ...]
"""Lines of a picture, from the top."""

Pixel: TypeAlias = tuple[int, int, int]

FORMATS = ("PNG", "WEBP", "JPEG", "GIF")
LARGEST = 16_000_000
"""Pixels of the largest picture that is opened."""

KEPT = 600
"""Pictures held in memory; some 20 KB each."""

AT_ONCE = 4
QUIET_SECONDS = 10
"""After a failure of the network no picture is asked for this long."""

FLAT = 80
"""Difference in light (of 2550) within a cell that is drawn as one colour."""

_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
"""By the bits of the pixels in the first colour: top left 1, top right 2, bottom left 4, bottom right 8."""


def mosaic(data: bytes, columns: int, rows: int) -> Picture:
    """The middle of a picture as `rows` lines of `columns` cells (blocking; run it in a thread).

    Raises:
        ValueError: no picture, damaged, or too large.
    """
    import io

    from PIL import Image, ImageOps  # a tenth of a second that the first frame does without

    wide, high = columns * 2, rows * 2
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > LARGEST:
                raise ValueError("too many pixels")
            opened.draft("RGB", (wide * 4, high * 8))
            ground = Image.new("RGBA", opened.size, (20, 19, 28, 255))
            whole = Image.alpha_composite(ground, opened.convert("RGBA")).convert("RGB")
        # A cell is twice as high as wide; faces are in the upper part.
        box = Image.Resampling.BOX
        fitted = ImageOps.fit(whole, (columns * 4, rows * 8), box, centering=(0.5, 0.25))
        raw = fitted.resize((wide, high), box).tobytes()
    except (OSError, ArithmeticError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error
    pixels = list(zip(raw[::3], raw[1::3], raw[2::3], strict=True))
    return tuple(
        _line(pixels[y * wide : (y + 1) * wide], pixels[(y + 1) * wide : (y + 2) * wide])
        for y in range(0, high, 2)
    )


def _line(upper: Sequence[Pixel], lower: Sequence[Pixel]) -> tuple[Segment, ...]:
    return tuple(_cell((*upper[x : x + 2], *lower[x : x + 2])) for x in range(0, len(upper), 2))


def _cell(pixels: Sequence[Pixel]) -> Segment:
    """Four pixels as one character: the light ones in one colour, the dark ones in the other."""
    lights = [red * 3 + green * 6 + blue for red, green, blue in pixels]
    middle = sum(lights) / 4 if max(lights) - min(lights) > FLAT else max(lights)
    mask = sum(1 << place for place, light in enumerate(lights) if light > middle)
    ink = [pixel for place, pixel in enumerate(pixels) if mask >> place & 1]
    ground = [pixel for place, pixel in enumerate(pixels) if not mask >> place & 1]
    return Segment(_QUADRANTS[mask], Style(color=_mean(ink or ground), bgcolor=_mean(ground or ink)))


def _mean(pixels: Sequence[Pixel]) -> Color:
    red, green, blue = (sum(channel) // len(pixels) for channel in zip(*pixels, strict=True))
    return Color.from_rgb(red, green, blue)


class Thumbnails:
    """Brings the pictures of the cards in view, a few at a time, the newest wish first.

    Args:
        fetch: gives the bytes of a card's picture.
        start: runs a coroutine as a worker of the screen.
        ready: hears the id of a card whose picture has come.
        columns: width of a picture in cells.
        rows: height of a picture in cells.
    """

    def __init__(
        self,
        fetch: Callable[[MarketCard], Awaitable[bytes]],
        start: Callable[[Coroutine[Any, Any, None]], object],
        ready: Callable[[str], None],
        columns: int,
        rows: int,
    ) -> None:
        self._fetch = fetch
        self._start = start
        self._ready = ready
        self._draw = partial(mosaic, columns=columns, rows=rows)
        self._kept: OrderedDict[str, Picture | None] = OrderedDict()
        self._wanted: list[MarketCard] = []
        self._running = 0
        self._quiet_until = 0.0

    def get(self, card: MarketCard) -> Picture | None:
        """The picture of a card, when it has come."""
        return self._kept.get(_key(card))

    def want(self, cards: Iterable[MarketCard]) -> None:
        """Bring the pictures of these cards; what was wanted before and has not begun is dropped."""
        if time.monotonic() < self._quiet_until:
            return
        self._wanted = [card for card in cards if card.thumbnail and _key(card) not in self._kept]
        while self._running < min(AT_ONCE, len(self._wanted)):
            self._running += 1
            self._start(self._work())

    def retry(self) -> None:
        """Try the pictures again that could not be had."""
        self._quiet_until = 0.0
        for key in [key for key, picture in self._kept.items() if picture is None]:
            self._kept.pop(key, None)

    async def _work(self) -> None:
        try:
            while self._wanted:
                card = self._wanted.pop(0)
                key = _key(card)
                self._kept[key] = None  # nobody else begins it; stays so when it fails
                try:
                    self._kept[key] = await asyncio.to_thread(self._draw, await self._fetch(card))
                except NetworkError:
                    self._kept.pop(key, None)
                    self._wanted.clear()
                    self._quiet_until = time.monotonic() + QUIET_SECONDS
                except (LunaluxError, ValueError):
                    continue
                except asyncio.CancelledError:
                    self._kept.pop(key, None)
                    raise
                else:
                    self._ready(card.id)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        finally:
            self._running -= 1


def _key(card: MarketCard) -> str:
    """A picture's address without its signature, which changes with every list."""
    return card.thumbnail.partition("?")[0]

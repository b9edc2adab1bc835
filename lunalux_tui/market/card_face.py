"""One market card as lines of text: what the grid draws in each of its cells.

Everything here is a function of the card, the width and the palette; texts are cut by terminal cells and
never read as markup.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lunalux_core.library.market_cache import MarketCard
from lunalux_core.text import clean_line
from lunalux_tui.i18n import t
from lunalux_tui.parts.amounts import DOWNLOADS, LIKES, LUNA, compact
from lunalux_tui.parts.drawn import fit
from lunalux_tui.render.monogram import monogram
from lunalux_tui.render.picture_drawing import Lines
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.palette import Palette
from lunalux_tui.theme.styles import (
    ACCENT,
    BOLD,
    ERROR,
    MUTED,
    NARRATION,
    PANEL,
    SURFACE,
    USER,
    WARNING,
    Run,
)

HEIGHT = 5
PICTURE_WIDTH = 10
INTRO_LINES = 2
TAGS_SHOWN = 2
SMALLEST_WITH_PICTURE = 30
"""Cells of a card below which the picture is left out."""


@dataclass(frozen=True, slots=True)
class Face:
    """How a card is to be drawn now."""

    width: int
    selected: bool
    liked: bool
    picture: Lines | None


def card_lines(card: MarketCard, face: Face, palette: Palette) -> list[list[Segment]]:
    """The `HEIGHT` lines of a card, each `face.width` cells."""
    with_picture = face.width >= SMALLEST_WITH_PICTURE
    room = face.width - 3 - (PICTURE_WIDTH + 1 if with_picture else 0)
    texts = [_name(card, face, room), _stats(card, face.liked), *_intro(card, room), _tags(card, room)]
    left = (
        face.picture
        if face.picture is not None
        else monogram(card.name, card.id, palette, PICTURE_WIDTH, HEIGHT)
    )
    ground = PANEL if face.selected else SURFACE
    lines = []
    for number, runs in enumerate(texts):
        line = [Segment("▌" if face.selected else " ", palette.style(ACCENT | ground))]
        if with_picture:
            line += left[number]
            line.append(Segment(" ", palette.style(ground)))
        line.append(Segment(" ", palette.style(ground)))
        used = 0
        for text, style in runs:
            used += cell_len(text)
            line.append(Segment(text, palette.style(style | ground)))
        line.append(Segment(" " * (room - used + 1), palette.style(ground)))
        lines.append(line)
    return lines


def skeleton_lines(width: int, palette: Palette, phase: int = 0) -> list[list[Segment]]:
    """A card that is still to come: its shape in quiet blocks."""
    ground, block = palette.style(SURFACE), palette.style(PANEL)
    with_picture = width >= SMALLEST_WITH_PICTURE
    room = width - 3 - (PICTURE_WIDTH + 1 if with_picture else 0)
    lengths = (0.55, 0.4, 0.95, 0.7, 0.5)
    lines = []
    for number in range(HEIGHT):
        bar = max(int(room * lengths[(number + phase) % HEIGHT]), 2) if number else max(room // 2, 2)
        left = [Segment(" " * PICTURE_WIDTH, block), Segment(" ", ground)] if with_picture else []
        text = "▁" if number == HEIGHT - 1 else "▂"
        shade = Style(color=block.bgcolor, bgcolor=ground.bgcolor)
        lines.append(
            [
                Segment(" ", ground),
                *left,
                Segment(" ", ground),
                Segment(text * bar, shade),
                Segment(" " * (room - bar + 1), ground),
            ]
        )
    return lines


def _name(card: MarketCard, face: Face, room: int) -> list[Run]:
    name = clean_line(card.name, 120) or t("market.nameless")
    marks: list[Run] = []
    if card.nsfw:
        marks.append((" 18+", WARNING | BOLD))
    if card.original:
        marks.append((" ✦", ACCENT))
    left = room - sum(cell_len(text) for text, _ in marks)
    return [(fit(name, left), BOLD | (ACCENT if face.selected else 0)), *marks]


def _stats(card: MarketCard, liked: bool) -> list[Run]:
    return [
        (f"{LIKES} {compact(card.likes)}", (ERROR | BOLD) if liked else MUTED),
        (f"  {DOWNLOADS} {compact(card.downloads)}", MUTED),
        (f"  {LUNA} {compact(card.coins)}", USER if card.coins else MUTED),
    ]


def _intro(card: MarketCard, room: int) -> list[list[Run]]:
    # No more of it than can be shown: an intro may have thousands of signs.
    text = clean_line(card.intro, room * (INTRO_LINES + 1)) or t("market.no_intro")
    lines = wrap([(text, NARRATION if card.intro else MUTED)], room)
    shown = [[(text, style) for text, style in line] for line in lines[:INTRO_LINES]]
    if len(lines) > INTRO_LINES:
        last = "".join(text for text, _ in shown[-1]).rstrip()
        # A full line gets one cell too many on purpose: `fit` cuts it and ends it with the ellipsis.
        shown[-1] = [(fit(last + "…" if cell_len(last) < room else last + "……", room), NARRATION)]
    while len(shown) < INTRO_LINES:
        shown.append([])
    return shown


def _tags(card: MarketCard, room: int) -> list[Run]:
    """Two tags, then how many more there are."""
    more = len(card.tags) - TAGS_SHOWN
    tail = f" +{more}" if more > 0 else ""
    left = room - len(tail)
    runs: list[Run] = []
    shown = card.tags[:TAGS_SHOWN]
    for place, tag in enumerate(shown):
        # The first of two tags leaves the second its length, but takes at least half.
        share = left if place == len(shown) - 1 else max(left - 1 - cell_len(shown[-1]) - 1, left // 2)
        text = fit(clean_line(tag, 60), share - 1)
        if not text:
            break
        runs.append((f"#{text}" + (" " if place < len(shown) - 1 else ""), MUTED))
        left -= cell_len(runs[-1][0])
    if tail:
        runs.append((tail, MUTED))
    return runs

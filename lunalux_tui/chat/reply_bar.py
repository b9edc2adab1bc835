"""Buttons of quick replies above the prompt: each with the digit that presses it, on its set's colour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.style import Style
from textual.strip import Strip

from lunalux_core.stscript.quick_reply_files import QuickReply, QuickReplySet
from lunalux_core.text import clean_line
from lunalux_tui.parts.drawn import Bar, Part
from lunalux_tui.theme.palette import Palette
from lunalux_tui.theme.styles import ACCENT, BOLD

# The digits before it pick suggestions.
FIRST_DIGIT = 4
KEYED = 6
"""Buttons with a key: alt with a digit after those of the suggestions."""
LABEL = 24
"""Cells of a label at most."""

# Icons are named as in Font Awesome, which SillyTavern uses; these have a sign that terminals can draw.
_SIGNS = {
    **dict.fromkeys(("dice", "dice-d6", "dice-d20", "dice-one", "dice-six"), "⚄"),
    **dict.fromkeys(("play", "forward", "step-forward", "circle-play"), "▶"),
    **dict.fromkeys(("pause", "stop"), "■"),
    **dict.fromkeys(("heart", "heart-pulse", "hand-holding-heart"), "♥"),
    **dict.fromkeys(("star", "wand-magic-sparkles", "magic", "wand-sparkles"), "★"),
    **dict.fromkeys(("pen", "pencil", "pen-to-square", "edit", "feather"), "✎"),
    **dict.fromkeys(("comment", "comments", "message", "quote-left"), "❝"),
    **dict.fromkeys(("user", "users", "person", "people-group"), "☺"),
    **dict.fromkeys(("book", "book-open", "scroll", "bookmark"), "≣"),
    **dict.fromkeys(("trash", "trash-can", "xmark", "times", "ban"), "×"),
    **dict.fromkeys(("check", "circle-check"), "✓"),
    **dict.fromkeys(("plus", "circle-plus"), "+"),
    **dict.fromkeys(("rotate", "rotate-right", "arrows-rotate", "sync", "repeat"), "↻"),
    **dict.fromkeys(("clock", "hourglass", "stopwatch"), "◔"),
    **dict.fromkeys(("eye", "magnifying-glass", "search"), "◉"),
    **dict.fromkeys(("music", "guitar"), "♪"),
    **dict.fromkeys(("sun", "lightbulb", "fire"), "☼"),
    **dict.fromkeys(("moon", "cloud-moon"), "☾"),
    **dict.fromkeys(("gear", "cog", "sliders", "wrench"), "⚙"),
    **dict.fromkeys(("arrow-right", "share", "location-arrow", "paper-plane"), "→"),
}
_COLOR = re.compile(r"rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)(?:[\s,/]+([\d.]+)%?)?\s*\)|#([0-9a-f]{6})", re.I)


@dataclass(frozen=True, slots=True)
class ReplyButton:
    """One quick reply with the set it comes from. `menu`: it opens replies of other sets."""

    reply: QuickReply
    of: QuickReplySet
    menu: bool = False

    @property
    def words(self) -> str:
        """Its sign and label; a sign nobody can draw here is left out."""
        label = clean_line(self.reply.label or self.reply.title or self.reply.message, LABEL)
        sign = _SIGNS.get(self.reply.icon.removeprefix("fa-"), "")
        return label if not sign else f"{sign} {label}" if self.reply.show_label else sign


def color_of(written: str) -> tuple[int, int, int] | None:
    """The colour that a set names; None where it names none, or one that cannot be seen."""
    match = _COLOR.search(written)
    if match is None:
        return None
    if match[5]:
        return int(match[5][:2], 16), int(match[5][2:4], 16), int(match[5][4:], 16)
    if match[4] is not None and float(match[4].rstrip(".") or 0) == 0:
        return None
    red, green, blue = (min(int(match[place][:4]), 255) for place in (1, 2, 3))
    return red, green, blue


class ReplyBar(Bar):
    """One line; what does not fit is left out from the end, and stands in the list of quick replies."""

    DEFAULT_CSS = "ReplyBar { height: 1; }"
    GAP = " "

    def __init__(self, buttons: Sequence[ReplyButton]) -> None:
        super().__init__(id="reply-bar")
        self.buttons = buttons

    def left(self) -> Sequence[Part]:
        parts = []
        for place, shown in enumerate(self.buttons):
            action, weight = f"screen.quick_reply({place})", 2 * place + 1
            parts.append(Part(self._text(place, shown), ACCENT | BOLD, action, weight))
            if shown.menu:
                menu = f"screen.quick_reply({place}, True)"
                parts.append(Part("▾ ", ACCENT | BOLD, menu, weight + 1))
        return parts

    @staticmethod
    def _text(place: int, shown: ReplyButton) -> str:
        digit = f"{place + FIRST_DIGIT} " if place < KEYED else ""
        return f" {digit}{shown.words}" + ("" if shown.menu else " ")

    def draw(self, palette: Palette, width: int, height: int) -> Sequence[Strip]:
        strip = palette.strip(self._runs(), width)
        for start, end, action in self.zones:
            shown = self.buttons[int(action.partition("(")[2].rstrip(")").partition(",")[0])]
            strip = _colored(strip, start, end, shown.of)
        return [strip]


def _colored(strip: Strip, start: int, end: int, reply_set: QuickReplySet) -> Strip:
    """A button on the colour of its set, or with it at its edge alone."""
    color = color_of(reply_set.color)
    if color is None:
        return strip
    if reply_set.document.get("onlyBorderColor"):
        end = start + 1
    red, green, blue = color
    # How light a colour looks, in thousandths: green counts most, blue least.
    dark = red * 299 + green * 587 + blue * 114 < 128_000
    style = Style(color="#ffffff" if dark else "#000000", bgcolor=f"#{red:02x}{green:02x}{blue:02x}")
    parts = (strip.crop(0, start), strip.crop(start, end).apply_style(style), strip.crop(end))
    return Strip.join(parts)

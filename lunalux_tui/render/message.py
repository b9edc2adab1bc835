"""A stored message as lines: a header, the thinking block, the words, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from lunalux_core.text import clean, clean_line
from lunalux_tui.i18n import t
from lunalux_tui.render.layout import Fold, Words, lay_out
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.styles import (
    ACCENT,
    BOLD,
    CHARACTER,
    ERROR,
    ITALIC,
    MUTED,
    SPEAKERS,
    USER,
    WARNING,
    Line,
    Run,
)

if TYPE_CHECKING:
    from rich.segment import Segment

    from lunalux_core.display.display_scripts import DisplayedMessage
    from lunalux_core.documents.picture_refs import PictureRef
    from lunalux_core.library.conversations import Message

THINKING: Fold = (-1,)
"""The thinking block among the folds of a message."""

THINKING_STYLE = MUTED | ITALIC

WIDEST = 100
"""Cells of a line of reading; a wider screen leaves the rest empty."""

_NOTES = {"stopped": ("message.stopped", WARNING), "failed": ("message.failed", ERROR)}
_ENDINGS = {
    "length": "message.ended_length",
    "cut": "message.ended_cut",
    "filtered": "message.ended_filtered",
    "tool": "message.ended_tool",
}
"""What stands under a reply that did not end by itself, by why it ended."""


@dataclass(slots=True)
class Rendered:
    """Lines of one message, which of them open or close something, and which are drawn of cells."""

    lines: list[Line] = field(default_factory=list)
    folds: dict[int, Fold] = field(default_factory=dict)
    pixels: dict[int, tuple[Segment, ...]] = field(default_factory=dict)


def render_message(
    message: Message,
    width: int,
    opened: Mapping[Fold, int],
    today: str = "",
    place: int | None = None,
    shown: DisplayedMessage | None = None,
    *,
    last: bool = False,
    thumbnails: Mapping[str, Sequence[tuple[Segment, ...]]] | None = None,
    prose: bool = False,
) -> Rendered:
    """The lines of a message, without the empty line between messages.

    Args:
        place: as in `header`.
        shown: what display scripts make of it; None shows it as it is stored.
        last: whether nothing follows, so that the reply can go on.
        thumbnails: drawings of pictures, by their hashes.
        prose: whether it is a passage of a page: without its header and reasoning.
    """
    rendered = Rendered([] if prose else [header(message, width, today, place)])
    thought = shown.thinking if shown else message.thinking
    if thought and not prose:
        rendered.folds[1] = THINKING
        thinking = lay_out(clean(thought), width - 2, base=THINKING_STYLE)
        rendered.lines += thinking_block(thinking.lines, bool(opened.get(THINKING)))
    for picture in message.pictures:
        drawing = thumbnails.get(picture.hash, ()) if thumbnails else ()
        if drawing and len(drawing[0]) <= width:
            rendered.pixels |= dict(enumerate(drawing, len(rendered.lines)))
            rendered.lines += [()] * len(drawing)
        rendered.lines += wrap([(picture_words(picture), MUTED)], width)
    if message.pictures and not message.content:
        return rendered
    laid = lay_out(clean(shown.text if shown else message.content), width, opened=opened, words=words())
    top = len(rendered.lines)
    rendered.folds |= {line + top: fold for line, fold in laid.folds.items()}
    rendered.lines += laid.lines
    if shown and shown.hidden:
        left_out = clean_line(", ".join(shown.hidden), 200)
        rendered.lines += wrap([("⋯ ", MUTED), (t("message.macros_hidden", names=left_out), MUTED)], width)
    if ended_oddly(message):
        note = _NOTES.get(message.status)
        key, style = note or (_ENDINGS[message.finish or ""], WARNING)
        rendered.lines += wrap([("⚠ ", style), (t(key), style)], width)
        if last:
            hint = t("message.try_again" if message.status == "failed" else "message.go_on")
            rendered.lines += wrap([("  ", style), (hint, MUTED)], width)
    return rendered


def picture_words(picture: PictureRef) -> str:
    """A picture in a line: its name and size."""
    size = f"{picture.width} × {picture.height}"
    return f"▣ {clean_line(picture.name, 80)}  {size} · {max(round(picture.size / 1024), 1)} KB"


def ended_oddly(message: Message) -> bool:
    """Whether a reply did not end by itself, which is said under it."""
    return message.status in _NOTES or (message.status == "done" and message.finish in _ENDINGS)


def header(message: Message, width: int, today: str = "", place: int | None = None) -> Line:
    """Name and marks at the left, swipe and time at the right.

    Args:
        place: of the speaker among the members of a group, whose sign and colour it has; None elsewhere.
    """
    style = USER if message.role == "user" else CHARACTER if message.role == "assistant" else MUTED
    sign = ""
    if place is not None:
        sign, style = SPEAKERS[place % len(SPEAKERS)]
        sign += " "
    right: list[str] = []
    if message.hidden:
        right.append(t("message.hidden"))
    if message.swipes > 1:
        right.append(f"‹{message.swipe + 1}/{message.swipes}›")
    if message.created_at:
        right.append(moment(message.created_at, today))
    tail = "  ".join(right)
    name = sign + (clean_line(message.name, 60) or t(f"message.role.{message.role}"))
    room = max(width - cell_len(tail) - 2, 4)
    if cell_len(name) > room:
        name = set_cell_size(name, room - 1) + "…"
    gap = " " * max(width - cell_len(name) - cell_len(tail), 1)
    return ((name, style | BOLD), (gap, 0), (tail, MUTED))


def thinking_block(lines: Sequence[Line], opened: bool, growing: bool = False) -> list[Line]:
    """The thinking block from its laid out lines, folded to its heading or open."""
    title = t("message.thinking_now") if growing else t("message.thinking", n=len(lines))
    block: list[Line] = [(("▾ " if opened else "▸ ", ACCENT), (title, THINKING_STYLE))]
    if opened:
        block += [(("┊ ", MUTED), *line) for line in lines]
    return block


def words() -> Words:
    """The layout's own words in the language in use."""
    return Words(t("message.panel"), t("message.fold"), t("message.script"), t("message.longer"))


def moment(milliseconds: int, today: str = "") -> str:
    """A time of today as 14:02, another day's with its date. `today` is YYYY-MM-DD."""
    try:
        when = datetime.fromtimestamp(milliseconds / 1000)
    except (ValueError, OverflowError, OSError):  # no calendar has it: better no date than no message
        return ""
    if when.strftime("%Y-%m-%d") == (today or datetime.now().strftime("%Y-%m-%d")):
        return when.strftime("%H:%M")
    return when.strftime("%Y-%m-%d %H:%M")


def note_lines(message: str, hint: str, width: int, *, error: bool = True) -> list[Line]:
    """A note of the program between messages: what happened and what to do."""
    style = ERROR if error else ACCENT
    bar: Run = ("┃ ", style)
    lines = wrap([(clean(message), style | BOLD)], width, [bar], [bar])
    if hint:
        lines += wrap([(clean(hint), MUTED)], width, [bar], [bar])
    return lines

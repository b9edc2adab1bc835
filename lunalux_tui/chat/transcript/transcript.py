"""The transcript: every message of the window in one scroll view, drawn from cached strips.

One widget and no children, so ten messages or six hundred cost the same per frame. A streaming reply lays
out only its open end, is painted a few times a second, and stays at the end of the view unless
the person scrolled away from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import events
from textual.geometry import Offset, Region, Size
from textual.message import Message as TextualMessage
from textual.reactive import reactive
from textual.strip import Strip

from lunalux_core.library.conversations import Message
from lunalux_tui.chat.transcript.transcript_layout import TranscriptLayout
from lunalux_tui.parts.drawn import palette_of, within
from lunalux_tui.parts.selectable import Selectable
from lunalux_tui.render.layout import Fold
from lunalux_tui.theme.palette import Palette
from lunalux_tui.theme.styles import ACCENT, Line, Run

if TYPE_CHECKING:
    from lunalux_core.display.display_scripts import DisplayedMessage

FRAMES = 12
"""Paints a second at most. The first piece after a pause is painted at once."""


class Pacer:
    """Collects pieces of a reply and of its reasoning, and hands them on at a steady pace.

    Args:
        paint: takes the new text and the new reasoning.
    """

    def __init__(self, paint: Callable[[str, str], None]) -> None:
        self._paint = paint
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._painted = 0.0

    def text(self, piece: str) -> None:
        self._text.append(piece)
        self._schedule()

    def thinking(self, piece: str) -> None:
        self._thinking.append(piece)
        self._schedule()

    def forget(self) -> None:
        """Drop what was not painted: the whole message is shown instead."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._text.clear()
        self._thinking.clear()

    def _schedule(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            # At once after a pause, else when the last frame is old enough: a fast stream cannot starve the
            # keys.
            self._timer = loop.call_at(max(self._painted + 1 / FRAMES, loop.time()), self._flush)

    def _flush(self) -> None:
        text, thinking = "".join(self._text), "".join(self._thinking)
        self.forget()
        self._painted = asyncio.get_running_loop().time()
        self._paint(text, thinking)


MARGIN = 2


def arrow_at(line: Line, x: int) -> int:
    """Which arrow of a heading such as "‹2/3›" a cell means: -1 in its left half, 1 in the right, else 0."""
    text = "".join(part for part, _ in line)
    start, end = text.rfind("‹"), text.rfind("›")
    if not 0 <= start < end:
        return 0
    left, right = cell_len(text[:start]), cell_len(text[: end + 1])
    if not left <= x < right:
        return 0
    return -1 if x < (left + right) // 2 else 1


class Transcript(Selectable, can_focus=True):
    """Shows messages, wherever they come from."""

    virtual_size = reactive(Size(0, 0), layout=False)  # growing must not lay out the whole screen again
    selected: reactive[str] = reactive("", repaint=False)
    """Id of the message that keys act on; "" for none."""
    search_words: reactive[tuple[str, ...]] = reactive(())
    """Words that were looked for; they stand out in every message."""

    class OlderWanted(TextualMessage):
        """The person scrolled near the first message of the window."""

    class NewerWanted(TextualMessage):
        """The person scrolled to the last message of the window."""

    @dataclass
    class SwipeWanted(TextualMessage):
        """One of the arrows of a message was clicked."""

        message_id: str
        step: int

    @dataclass
    class Scrolled(TextualMessage):
        """Another number of lines lies below the view."""

        below: int

    @dataclass
    class Selected(TextualMessage):
        """Another message was chosen."""

        message_id: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.text_layout = TranscriptLayout()
        self._palette: Palette | None = None
        self._width = 0
        self._asked = False
        self._pacer = Pacer(self._paint)
        self._jumping = False
        self._following = True
        self._below = 0

    # -- contents ----------------------------------------------------------------------------------

    @property
    def messages(self) -> list[Message]:
        """The messages of the window, oldest first."""
        return [entry.message for entry in self.text_layout.entries if entry.message is not None]

    def show(self, messages: Iterable[Message], *, keep_place: bool = False) -> None:
        """Replace everything. Goes to the end, unless `keep_place`; a greeting alone is read from the top."""
        self._pacer.forget()
        place = self._kept() if keep_place else None
        before = [message.id for message in self.messages]
        self.text_layout.show(messages)
        if place is None or self.text_layout.line(place) is None:
            alone = self.messages
            place = (alone[0].id, 0) if len(alone) == 1 and alone[0].role == "assistant" else None
        self._asked = False
        self._keep_choice(before)
        self._changed(place)

    def _keep_choice(self, before: Sequence[str] = ()) -> None:
        """While letters act on messages, one is chosen: in the place of one that went, else the last."""
        ids = [message.id for message in self.messages]
        if self.selected in ids or not (self.selected or self.has_focus):
            return
        at = before.index(self.selected) if self.selected in before else len(ids)
        self.selected = ids[min(at, len(ids) - 1)] if ids and self.has_focus else ""

    def on_focus(self) -> None:
        self._keep_choice()

    def prepend(self, messages: Sequence[Message]) -> None:
        """Put older messages above; what is in view stays where it is."""
        place = self._kept()
        self.text_layout.insert(0, messages)
        self._asked = False
        self._changed(place)

    def append(self, *messages: Message) -> None:
        """Put messages at the end and go there."""
        self.text_layout.insert(len(self.text_layout.entries), messages)
        self._changed(None, below=True)

    def extend(self, messages: Sequence[Message], drop: int) -> None:
        """Put newer messages below and drop the first `drop` entries; the view stays."""
        # Not `_kept`, which would follow the end: it was the end of the window only.
        place = self.text_layout.place(self.scroll_offset.y)
        self.text_layout.insert(len(self.text_layout.entries), messages)
        self.text_layout.keep(drop, len(self.text_layout.entries))
        self._changed(place)

    def keep_first(self, count: int) -> None:
        """Drop all but the first `count` entries; the view stays."""
        place = self.text_layout.place(self.scroll_offset.y)
        self.text_layout.keep(0, count)
        self._changed(place)

    def update(self, message: Message) -> None:
        """Show a changed message in its place; where its height stays, only lines that differ are drawn."""
        place, height = self._kept(), self.text_layout.height
        entry = self.text_layout.find(message.id)
        if entry is None:
            return
        before, pixels = entry.lines, entry.pixels
        self.text_layout.update(message)
        if self.text_layout.height != height or entry.pixels != pixels or self.text_layout.streaming:
            self._changed(place)
            return
        top = (self.text_layout.top(message.id) or 0) - self.scroll_offset.y
        for line, (old, new) in enumerate(zip(before, entry.lines, strict=False)):
            if old != new and 0 <= top + line < self.size.height:
                self.refresh(Region(0, top + line, self.size.width, 1))

    def redisplay(self, displayed_messages: Mapping[str, DisplayedMessage | None]) -> None:
        """Show messages as display scripts have them (None: as they are stored); the view stays."""
        place = self._kept()
        if self.text_layout.redisplay(displayed_messages):
            self._changed(place)

    def text(self, message: Message) -> str:
        """The words of a message as they are shown."""
        return self.text_layout.text(message)

    def note(self, message: str, hint: str = "", *, error: bool = True, go_there: bool = True) -> None:
        """Write a note of the program at the end."""
        self.text_layout.note(message, hint, error)
        self._changed(None if go_there else self._kept(), below=True)

    @property
    def notes(self) -> Sequence[tuple[str, str, bool]]:
        """The program's notes: what happened, what to do, whether it is an error."""
        return [entry.note for entry in self.text_layout.entries if entry.note is not None]

    def clear_notes(self) -> None:
        """Remove the program's notes."""
        if self.text_layout.clear_notes():
            self._changed(self._kept())

    def _changed(self, place: tuple[str, int] | None, *, below: bool = False) -> None:
        """Draw changed contents; at `place`, or at the end.

        Args:
            below: nothing above the last message moved, so what is selected there still is.
        """
        if not below:
            self.forget_selection()
        self._grow()
        line = None if place is None else self.text_layout.line(place)
        self._following = line is None
        self._jump(self.max_scroll_y if line is None else line)
        self._tell_below()
        self.refresh()

    # -- streaming ---------------------------------------------------------------------------------

    @property
    def streaming(self) -> bool:
        return self.text_layout.streaming

    def begin_stream(self, message: Message) -> None:
        """Start a reply at the end, or go on with the one that is there."""
        self.text_layout.begin_stream(message)
        # While letters act on messages, the new reply is the one that is meant.
        if self.has_focus:
            self.selected = message.id
        self._changed(None, below=True)

    def stream_text(self, text: str) -> None:
        """More of the reply; painted within a frame."""
        self._pacer.text(text)

    def stream_thinking(self, text: str) -> None:
        """More of the reasoning; painted within a frame."""
        self._pacer.thinking(text)

    def restream(self, text: str, thinking: str) -> None:
        """What was shown of the reply so far is something else: these words and this reasoning."""
        self._pacer.forget()
        place = self._kept()
        self.text_layout.restream(text, thinking)
        self._changed(place)

    def end_stream(self, message: Message | None) -> None:
        """The reply ended: show it as it was stored, or take an empty one away."""
        self._pacer.forget()
        place = self._kept()
        self.text_layout.end_stream(message)
        self._keep_choice()
        self._changed(place, below=True)

    def _paint(self, text: str, thinking: str) -> None:
        # Asked before the lines grow: afterwards the end has moved and nothing would be followed.
        following = self.at_end
        first, grown = self.text_layout.stream(text, thinking)
        if grown:
            self._grow()
            if following:
                self.go_to_end()
            else:
                self._tell_below()
        y = max(first - self.scroll_offset.y, 0)
        if y < self.size.height:
            self.refresh(Region(0, y, self.size.width, self.size.height - y))

    # -- geometry ----------------------------------------------------------------------------------

    @property
    def at_end(self) -> bool:
        """Whether the end is in view, so that growth is followed."""
        return self._following

    def _kept(self) -> tuple[str, int] | None:
        """The place that a change must leave where it is; None for the end, when that is followed."""
        return None if self._following else self.text_layout.place(self.scroll_offset.y)

    def _grow(self) -> None:
        self.virtual_size = Size(self._width, self.text_layout.height)
        # By hand, because `virtual_size` brings no layout here, which would tell the bar.
        self.vertical_scrollbar.window_virtual_size = self.text_layout.height
        self.vertical_scrollbar.window_size = self.size.height

    def _jump(self, y: int) -> None:
        # `watch_scroll_y` must not take this for the person's own scrolling.
        self._jumping = True
        self.scroll_to(y=min(max(y, 0), self.max_scroll_y), animate=False, force=True)
        self._jumping = False

    def go_to_end(self) -> None:
        """Show the end, and stay there while it grows."""
        self._following = True
        self._jump(self.max_scroll_y)

    def page(self, way: str) -> None:
        """Scroll as a pager does: "up" or "down" by a view, to the "first" or the "last" line."""
        if way == "last":
            self.go_to_end()
        elif way == "first":
            self._following = False
            self.scroll_to(y=0, animate=False, force=True)
        else:
            step = max(self.size.height - 2, 1)
            target = self.scroll_offset.y + (step if way == "down" else -step)
            self.scroll_to(y=min(max(target, 0), self.max_scroll_y), animate=False, force=True)
            if way == "up" and target <= 0:
                self.post_message(self.OlderWanted())

    def _tell_below(self) -> None:
        below = max(int(self.max_scroll_y - self.scroll_offset.y), 0)
        if below != self._below:
            self._below = below
            self.post_message(self.Scrolled(below))

    def reveal(self, message_id: str) -> None:
        """Scroll as little as shows a message of the window."""
        top = self.text_layout.top(message_id)
        entry = self.text_layout.find(message_id)
        if top is None or entry is None:
            return
        y, view = self.scroll_offset.y, self.size.height
        if top < y or entry.height > view:
            self._jump(top)
        elif top + entry.height > y + view:
            self._jump(top + entry.height - view)

    def on_unmount(self) -> None:
        self._pacer.forget()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        place = self._kept()
        if self.size.width != self._width:
            self._width = self.size.width
            self.text_layout.set_width(self._width - 2 * MARGIN)
        self._changed(place)

    def retranslate(self) -> None:
        """Lay everything out again, in another language or on another day."""
        place = self._kept()
        self.text_layout.relayout()
        self._changed(place)

    def show_prose(self, prose: bool) -> None:
        """Show all as one page of prose, or as messages."""
        if prose != self.text_layout.prose:
            self.text_layout.prose = prose
            self.retranslate()

    # -- drawing -----------------------------------------------------------------------------------

    def _forget_strips(self, palette: Palette) -> None:
        self._palette = palette
        for entry in self.text_layout.entries:
            entry.strips = {}

    def render_lines(self, crop: Region) -> list[Strip]:
        """Strips of the visible lines, each made once and kept until its line changes."""
        palette = palette_of(self)
        if palette is not self._palette:
            self._forget_strips(palette)
        if self.size.width != self._width:
            self._fit()  # the first frame comes before the event that tells of the size
        top, width = self.scroll_offset.y, self.size.width
        strips = [self._strip(palette, top + y, width) for y in crop.line_range]
        if self.text_selection is not None:
            strips = [self.marked(strip, top + y) for strip, y in zip(strips, crop.line_range, strict=True)]
        return within(self, strips, crop)

    def line_at(self, line: int) -> Strip:
        return self._strip(palette_of(self), line, self.size.width)

    def runs_of(self, line: int) -> Sequence[Run]:
        entry, place = self.text_layout.at(line)
        if entry is None or place >= len(entry.lines):
            return ()
        return (("  ", 0), *entry.lines[place])

    def _strip(self, palette: Palette, line: int, width: int) -> Strip:
        entry, place = self.text_layout.at(line)
        if entry is None or place >= len(entry.lines):
            return palette.blank(width)
        # A chain of comparisons: its id is the chosen one, and that is not "".
        chosen = entry.id == self.selected != ""
        strip = entry.strips.get((place, chosen))
        if strip is None:
            margin = ("▌ " if chosen else "  ", ACCENT)
            words = entry.lines[place]
            if self.search_words and entry.message is not None:
                from lunalux_tui.render.search_marks import found_runs

                words = tuple(found_runs(words, self.search_words))
            strip = palette.strip((margin, *words), width, chosen)
            if drawn := entry.pixels.get(place):
                cells = Strip(drawn)
                strip = Strip.join([strip.crop(0, MARGIN), cells, strip.crop(MARGIN + cells.cell_length)])
            entry.strips[place, chosen] = strip
        return strip

    # -- choosing and folding ----------------------------------------------------------------------

    def watch_search_words(self) -> None:
        if self._palette is not None:
            self._forget_strips(self._palette)

    def watch_selected(self, selected: str) -> None:
        self.refresh()
        self.post_message(self.Selected(selected))

    def select_step(self, step: int) -> None:
        """Choose the next (+1) or previous (-1) message; the last one when none was chosen."""
        ids = [message.id for message in self.messages]
        if not ids:
            return
        at = ids.index(self.selected) + step if self.selected in ids else len(ids) - 1
        if at < 0:
            self.post_message(self.OlderWanted())
        elif at >= len(ids):
            self.post_message(self.NewerWanted())
        self.selected = ids[min(max(at, 0), len(ids) - 1)]
        self.reveal(self.selected)

    def toggle_fold(self, message_id: str, fold: Fold | None = None) -> bool:
        """Open or close a fold of a message (its first by default); False when it has none."""
        entry = self.text_layout.find(message_id)
        if entry is None or not entry.folds:
            return False
        place = self.text_layout.place(self.scroll_offset.y)
        self.text_layout.toggle(entry, next(iter(entry.folds.values())) if fold is None else fold)
        self._changed(place)
        return True

    def jump_places(self) -> Iterator[tuple[Offset, str]]:
        """The messages whose first line is in view."""
        for place, message in enumerate(self.messages):
            y = (self.text_layout.top(message.id) or 0) - self.scroll_offset.y
            if 0 <= y < self.size.height:
                yield Offset(0, y), f"choose_at({place})"

    def action_choose_at(self, place: int) -> None:
        """Choose a message by its place in the window."""
        self.selected = self.messages[place].id

    def on_click(self, event: events.Click) -> None:
        if event.chain > 1 or self.text_selection is not None:
            return  # the end of a drag, or a word is meant
        entry, line = self.text_layout.at(self.scroll_offset.y + event.y)
        if entry is None or entry.message is None:
            return
        fold = entry.folds.get(line)
        headed = line == 0 and not self.text_layout.prose
        step = arrow_at(entry.lines[line], event.x - MARGIN) if headed else 0
        if step:
            self.post_message(self.SwipeWanted(entry.id, step))
        elif fold is not None:
            self.toggle_fold(entry.id, fold)
        else:
            self.selected = entry.id

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._following = new_value >= self.max_scroll_y
        self._tell_below()
        if self._jumping:
            return
        # Lines that go away move the view up as well; only the person's own way up asks for older messages.
        upwards = new_value < old_value and new_value < self.max_scroll_y
        if upwards and new_value < self.size.height and not self._asked:
            # Asked once until messages were added above, or every line of the way would ask again.
            self._asked = True
            self.post_message(self.OlderWanted())
        elif new_value > old_value and new_value >= self.max_scroll_y:
            self.post_message(self.NewerWanted())

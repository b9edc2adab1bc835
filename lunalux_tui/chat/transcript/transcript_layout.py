"""The transcript as a column of lines: which message stands where, and what a streaming reply changes.

No widget: the layout knows the width and nothing of the view. Heights are always right, so scrolling is
exact; strips are made by the widget and kept here until their line changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from textual.strip import Strip

from lunalux_core.library.conversations import Message
from lunalux_tui.render.layout import Fold, GrowingText
from lunalux_tui.render.markdown import parse_blocks
from lunalux_tui.render.message import (
    THINKING,
    THINKING_STYLE,
    WIDEST,
    ended_oddly,
    header,
    note_lines,
    render_message,
    thinking_block,
    words,
)
from lunalux_tui.theme.styles import Line

if TYPE_CHECKING:
    from rich.segment import Segment

    from lunalux_core.display.display_scripts import DisplayedMessage


@dataclass(slots=True)
class TranscriptEntry:
    """One message, or one note of the program, and the empty line under it."""

    message: Message | None = None
    note: tuple[str, str, bool] | None = None
    opened: dict[Fold, int] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    folds: dict[int, Fold] = field(default_factory=dict)
    pixels: dict[int, tuple[Segment, ...]] = field(default_factory=dict)
    strips: dict[tuple[int, bool], Strip] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.message.id if self.message else ""

    @property
    def height(self) -> int:
        return len(self.lines) + 1


@dataclass(slots=True)
class Stream:
    """The reply under way."""

    entry: TranscriptEntry
    body: GrowingText
    thinking: GrowingText
    head: list[Line] = field(default_factory=list)


def first_difference(before: Sequence[Line], after: Sequence[Line]) -> int:
    """The first line that differs."""
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        if old is not new and old != new:
            return index
    return min(len(before), len(after))


TOP = 1
"""Empty lines above the first entry."""


class TranscriptLayout:
    """Entries from top to bottom, and the line each begins at."""

    def __init__(self) -> None:
        self.entries: list[TranscriptEntry] = []
        self.show_thinking = False
        self.prose = False
        """Whether all is one page of prose, without names."""
        self.today = ""
        self.places: dict[str, int] = {}
        """Places of the members of a group, by their ids."""
        self.displayed: dict[str, DisplayedMessage] = {}
        """What display scripts make of messages, by their ids."""
        self.thumbnails: dict[str, Sequence[tuple[Segment, ...]]] = {}
        """Drawings of pictures, by their hashes."""
        self._tops: list[int] = [TOP]
        self._width = 0
        self._stream: Stream | None = None
        self._last: TranscriptEntry | None = None

    @property
    def height(self) -> int:
        return self._tops[-1]

    @property
    def streaming(self) -> bool:
        return self._stream is not None

    def find(self, message_id: str) -> TranscriptEntry | None:
        # From the end, where the messages stand that are asked for most.
        return next((e for e in reversed(self.entries) if message_id and e.id == message_id), None)

    def at(self, line: int) -> tuple[TranscriptEntry | None, int]:
        """The entry that a line belongs to, and the line within it."""
        # `_tops` has one item more than there are entries: the end of the last.
        index = bisect_right(self._tops, line) - 1
        if index < 0 or index >= len(self.entries):
            return None, 0
        return self.entries[index], line - self._tops[index]

    def top(self, message_id: str) -> int | None:
        """The first line of a message."""
        for entry, top in zip(self.entries, self._tops, strict=False):
            if message_id and entry.id == message_id:
                return top
        return None

    def place(self, line: int) -> tuple[str, int]:
        """A line as a message and a distance from its top: holds when other messages change."""
        index = max(bisect_right(self._tops, line) - 1, 0)
        for entry, top in zip(self.entries[index:], self._tops[index:], strict=False):
            if entry.message is not None:
                return entry.id, line - top
        return "", 0

    def line(self, place: tuple[str, int]) -> int | None:
        """The line of a place, if its message is still there."""
        top = self.top(place[0])
        return None if top is None else top + place[1]

    # -- contents ----------------------------------------------------------------------------------

    def show(self, messages: Iterable[Message]) -> None:
        """Replace everything; entries of unchanged messages are kept as they are laid out."""
        earlier = {entry.id: entry for entry in self.entries if entry.message}
        self._stream = None
        self.entries = []
        for message in messages:
            old = earlier.get(message.id)
            # The same entry: its lines, strips and open folds need not be made again.
            if old is not None and old.message == message:
                self.entries.append(old)
            else:
                self.entries.append(self._entry(message, old.opened if old else None))
        self._forget_displayed()
        self.measure()

    def insert(self, index: int, messages: Sequence[Message]) -> None:
        self.entries[index:index] = [self._entry(message) for message in messages]
        self.measure()

    def update(self, message: Message) -> bool:
        """Lay a changed message out anew; False when it is not there."""
        entry = self.find(message.id)
        if entry is None:
            return False
        entry.message = message
        self.render(entry)
        self.measure()
        return True

    def redisplay(self, displayed_messages: Mapping[str, DisplayedMessage | None]) -> bool:
        """Show messages as display scripts have them, or (None) as they are stored; whether any changed."""
        changed = False
        for message_id, displayed in displayed_messages.items():
            before = self.displayed.pop(message_id, None)
            if displayed is not None:
                self.displayed[message_id] = displayed
            entry = self.find(message_id)
            streams = self._stream is not None and entry is self._stream.entry
            if entry is not None and not streams and not _same(before, displayed):
                self.render(entry)
                changed = True
        if changed:
            self.measure()
        return changed

    def shown(self, message: Message) -> DisplayedMessage | None:
        """What display scripts make of a message, if it is of its words as they are now."""
        displayed = self.displayed.get(message.id)
        return displayed if displayed is not None and displayed.source == message.content else None

    def text(self, message: Message) -> str:
        """The words of a message as they are shown."""
        displayed = self.shown(message)
        return message.content if displayed is None else displayed.text

    def keep(self, start: int, end: int) -> None:
        """Drop all entries outside [start, end)."""
        self.entries = self.entries[start:end]
        self._forget_displayed()
        self.measure()

    def _forget_displayed(self) -> None:
        """Of messages that are not here any more."""
        if self.displayed:
            here = {entry.id for entry in self.entries}
            self.displayed = {
                message_id: displayed
                for message_id, displayed in self.displayed.items()
                if message_id in here
            }

    def note(self, message: str, hint: str, error: bool) -> None:
        entry = TranscriptEntry(note=(message, hint, error))
        self.render(entry)
        self.entries.append(entry)
        self.measure()

    def clear_notes(self) -> bool:
        """Remove the notes; False when there was none."""
        kept = [entry for entry in self.entries if entry.note is None]
        if len(kept) == len(self.entries):
            return False
        self.entries = kept
        self.measure()
        return True

    def toggle(self, entry: TranscriptEntry, fold: Fold) -> None:
        """Open or close a fold; an HTML panel goes from closed to text to source."""
        states = 3 if self._is_panel(entry, fold) else 2
        entry.opened[fold] = (entry.opened.get(fold, 0) + 1) % states
        if self._stream is not None and self._stream.entry is entry:
            self.redraw_stream(head=True)
        else:
            self.render(entry)
            self.measure()

    def _is_panel(self, entry: TranscriptEntry, fold: Fold) -> bool:
        if entry.message is None or fold == THINKING or len(fold) != 1:
            return False
        folds = [b for b in parse_blocks(self.text(entry.message)) if b.kind in {"fold", "panel", "script"}]
        return fold[0] < len(folds) and folds[fold[0]].kind == "panel"

    # -- streaming ---------------------------------------------------------------------------------

    def begin_stream(self, message: Message) -> None:
        """Start a reply at the end, or go on with the one that is there."""
        entry = self.find(message.id)
        if entry is None:
            entry = self._entry(message)
            self.entries.append(entry)
        entry.message = message
        self._stream = self._new_stream(entry, message.content, message.thinking)
        entry.lines = []
        self.redraw_stream(head=True)

    def stream_text(self) -> str:
        """What has come of the reply under way."""
        return self._stream.body.text if self._stream is not None else ""

    def stream(self, text: str, thinking: str) -> tuple[int, bool]:
        """More of the reply; answers with the first changed line and whether the height changed."""
        stream = self._stream
        if stream is None:
            return self.height, False
        if thinking:
            stream.thinking.add(thinking)
        if text:
            stream.body.add(text)
        return self.redraw_stream(head=bool(thinking))

    def restream(self, text: str, thinking: str) -> None:
        """What came of the reply so far is something else: these words and this reasoning."""
        stream = self._stream
        if stream is None or stream.entry.message is None:
            return
        self._stream = self._new_stream(stream.entry, stream.entry.message.content + text, thinking)
        stream.entry.strips = {}
        self.redraw_stream(head=True)

    def end_stream(self, message: Message | None) -> None:
        """The reply ended: lay it out as it was stored, or take an empty one away."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        if message is None:
            self.entries = [entry for entry in self.entries if entry is not stream.entry]
        else:
            stream.entry.message = message
            self.render(stream.entry)
        self.measure()

    def redraw_stream(self, *, head: bool) -> tuple[int, bool]:
        """Put the stream's lines into its entry; see `stream`."""
        stream = self._stream
        assert stream is not None and stream.entry.message is not None
        entry, before = stream.entry, stream.entry.lines
        if head or not stream.head:
            place = self._place(stream.entry.message)
            message = stream.entry.message
            stream.head = [] if self.prose else [header(message, self.text_width, self.today, place)]
            entry.folds = {}
            if stream.thinking.text and not self.prose:
                entry.folds[1] = THINKING
                opened = bool(entry.opened.get(THINKING))
                stream.head += thinking_block(stream.thinking.lines, opened, growing=not stream.body.text)
        entry.lines = [*stream.head, *stream.body.lines]
        first = first_difference(before, entry.lines)
        # Strips above the first changed line are still right; a streaming reply changes only its end.
        for key in [key for key in entry.strips if key[0] >= first]:
            del entry.strips[key]
        grown = len(entry.lines) != len(before)
        if grown:
            self.measure()
        return (self.top(entry.id) or 0) + first, grown

    def _new_stream(self, entry: TranscriptEntry, text: str, thinking: str) -> Stream:
        return Stream(
            entry,
            GrowingText(self.text_width, text, words=words()),
            GrowingText(self.text_width - 2, thinking, base=THINKING_STYLE),
        )

    # -- layout ------------------------------------------------------------------------------------

    @property
    def text_width(self) -> int:
        return max(min(self._width, WIDEST), 8)

    def set_width(self, width: int) -> None:
        """Lay everything out for lines of `width` cells."""
        self._width = width
        self.relayout()

    def relayout(self) -> None:
        """Lay everything out again: another width or language."""
        stream = self._stream
        for entry in self.entries:
            if stream is None or entry is not stream.entry:
                self.render(entry)
        self.measure()
        if stream is not None:
            # What is settled was cut for the old width: all of it is laid out again.
            self._stream = self._new_stream(stream.entry, stream.body.text, stream.thinking.text)
            stream.entry.strips = {}
            self.redraw_stream(head=True)

    def render(self, entry: TranscriptEntry) -> None:
        """Lay one entry out; nothing before the width is known."""
        entry.strips = {}
        if not self._width:
            return
        if entry.message is not None:
            message = entry.message
            rendered = render_message(
                message,
                self.text_width,
                entry.opened,
                self.today,
                self._place(message),
                self.shown(message) if self.displayed else None,
                last=entry is self._last,
                thumbnails=self.thumbnails,
                prose=self.prose,
            )
            entry.lines, entry.folds, entry.pixels = rendered.lines, rendered.folds, rendered.pixels
        elif entry.note is not None:
            words, hint, error = entry.note
            entry.lines = note_lines(words, hint, self.text_width, error=error)

    def _place(self, message: Message) -> int | None:
        return self.places.get(message.speaker) if message.speaker else None

    def measure(self) -> None:
        """Find every entry's first line anew."""
        last = next((entry for entry in reversed(self.entries) if entry.message is not None), None)
        if last is not self._last:
            changed, self._last = (self._last, last), last
            streaming = self._stream.entry if self._stream is not None else None
            for entry in changed:  # only the last message says how it can go on
                if entry and entry is not streaming and entry.message and ended_oddly(entry.message):
                    self.render(entry)
        self._tops = list(accumulate((entry.height for entry in self.entries), initial=TOP))

    def _entry(self, message: Message, opened: dict[Fold, int] | None = None) -> TranscriptEntry:
        entry = TranscriptEntry(message, opened=opened or {})
        if self.show_thinking and opened is None:
            entry.opened[THINKING] = 1
        self.render(entry)
        return entry


def _same(before: DisplayedMessage | None, after: DisplayedMessage | None) -> bool:
    """Whether both are drawn alike."""
    if before is None or after is None:
        return before is after
    return (before.text, before.thinking, before.hidden) == (after.text, after.thinking, after.hidden)

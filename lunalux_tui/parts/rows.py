"""A list of rows with a cursor: characters, conversations, models, branches, search results.

Rows have one height and are drawn when they are seen, so ten thousand cost what ten do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from lunalux_core.text import clean_line
from lunalux_tui.parts.drawn import fit, palette_of, within
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, SURFACE, Line, Run

NEAREST = 28
"""Cells from which on values stand beside their titles."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a title, something at its right, and (in lists of two lines) a detail under it.

    `mark` is a sign before the title (a star, a check); `indent` cells are left free before it.
    """

    id: str
    title: str
    detail: str = ""
    right: str = ""
    mark: str = ""
    indent: str = ""
    strong: bool = False
    tone: int = ACCENT
    """Style of the sign."""

    search_words: Sequence[str] = ()
    """Words that were looked for; they stand out in the title."""


class Rows(ScrollView, can_focus=True):
    """Shows rows; posts `Chosen` for enter and click, `Moved` when the cursor moves."""

    ALLOW_SELECT = False  # dragging over rows means nothing; a click chooses
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "edge(0)", show=False),
        Binding("end,G", "edge(-1)", show=False),
        Binding("enter", "choose", show=False),
    ]

    VALUES: ClassVar[bool] = False
    """Whether what stands at the right is the value of the title, in a column beside the titles."""

    cursor: reactive[int] = reactive(0, repaint=False)
    empty: reactive[str] = reactive("")
    """What to say when there is no row."""

    @dataclass
    class Chosen(Message):
        """Enter or a click on a row."""

        rows: Rows
        id: str

        @property
        def control(self) -> Rows:
            return self.rows

    @dataclass
    class Moved(Message):
        """The cursor stands on another row."""

        rows: Rows
        id: str

        @property
        def control(self) -> Rows:
            return self.rows

    def __init__(
        self, *, two_lines: bool = False, ground: int = SURFACE, id: str | None = None, enter: bool = True
    ) -> None:
        """`enter=False` leaves the key to what stands around, whose footer then tells of it."""
        super().__init__(id=id)
        self._enter = enter
        self._rows: Sequence[Row] = ()
        self._height = 2 if two_lines else 1
        self._longest = 0
        self._ground = ground
        self.current = ""
        self.always_here = False

    @property
    def rows(self) -> Sequence[Row]:
        return self._rows

    @property
    def chosen(self) -> str:
        """Id of the row under the cursor, "" when there is none."""
        return self._rows[self.cursor].id if 0 <= self.cursor < len(self._rows) else ""

    def set_rows(self, rows: Sequence[Row], *, at: str | None = None) -> None:
        """Replace the rows; the cursor goes to the row `at`, or stays on the row it was on."""
        wanted = at if at is not None else self.chosen
        self._rows = rows
        if self.VALUES:
            self._longest = max((cell_len(clean_line(row.title, 300)) for row in rows), default=0)
        places = {row.id: place for place, row in enumerate(rows)}
        self.virtual_size = Size(self.size.width, len(rows) * self._height)
        self.cursor = places.get(wanted, min(self.cursor, max(len(rows) - 1, 0)))
        # The watcher sees a new number only, and the cursor may keep its number among other rows.
        self._show_cursor()
        self.refresh()

    def mark_current(self, row_id: str) -> None:
        """Mark the row of what is open, wherever the cursor is."""
        self.current = row_id
        self.refresh()

    def watch_cursor(self) -> None:
        self._show_cursor()
        self.refresh()
        if self.chosen:
            self.post_message(self.Moved(self, self.chosen))

    def _show_cursor(self) -> None:
        top, view = self.cursor * self._height, self.size.height
        y = self.scroll_offset.y
        if top < y:
            self.scroll_to(y=top, animate=False, force=True)
        # Without a size there is no view yet; `on_resize` looks again.
        elif view and top + self._height > y + view:
            self.scroll_to(y=top + self._height - view, animate=False, force=True)

    def action_move(self, step: int) -> None:
        self.cursor = min(max(self.cursor + step, 0), max(len(self._rows) - 1, 0))

    def action_page(self, step: int) -> None:
        self.action_move(step * max(self.size.height // self._height - 1, 1))

    def action_edge(self, place: int) -> None:
        self.cursor = place % len(self._rows) if self._rows else 0

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._enter if action == "choose" else super().check_action(action, parameters)

    def action_choose(self) -> None:
        if self.chosen:
            self.post_message(self.Chosen(self, self.chosen))

    def jump_places(self) -> Iterator[tuple[Offset, str]]:
        """The rows in view."""
        top = self.scroll_offset.y
        # Rounded up: a row whose first line is above the view has nowhere to show its letter.
        for place in range(-(-top // self._height), len(self._rows)):
            y = place * self._height - top
            if y >= self.size.height:
                return
            yield Offset(0, y), f"choose_at({place})"

    def action_choose_at(self, place: int) -> None:
        """Choose a row by its place, as a click does."""
        self.cursor = place
        self.action_choose()

    def on_click(self, event: events.Click) -> None:
        place = (self.scroll_offset.y + event.y) // self._height
        if 0 <= place < len(self._rows):
            self.action_choose_at(place)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._rows) * self._height)
        self._show_cursor()

    def render_lines(self, crop: Region) -> list[Strip]:
        width, palette = self.size.width, palette_of(self)
        strips = []
        for y in crop.line_range:
            place, line = divmod(self.scroll_offset.y + y, self._height)
            runs, selected = self._line(place, line, width)
            if selected and palette.cursor:
                # The bar at the left stays as it is and marks the row a second time.
                runs = (runs[0], *((text, style | palette.cursor) for text, style in runs[1:]))
            strips.append(palette.strip(runs, width, selected))
        return within(self, strips, crop)

    def _line(self, place: int, line: int, width: int) -> tuple[Line, bool]:
        ground = self._ground
        if place >= len(self._rows):
            text = f" {self.empty}" if place == 0 and line == 0 and not self._rows else ""
            return (
                (fit(text, width), MUTED | ground),
                (" " * (width - cell_len(fit(text, width))), ground),
            ), False
        row = self._rows[place]
        here = place == self.cursor and (self.has_focus or self.always_here)
        ground = 0 if here else ground
        runs: list[Run] = [("▌" if here else " ", ACCENT | ground), (row.indent, MUTED | ground)]
        current = row.id == self.current
        if line == 0:
            runs += self._title(
                row, width - 2 - cell_len(row.indent), ground, bold=current or row.strong or here
            )
        else:
            room = width - 4 - cell_len(row.indent)
            runs.append(("  " + fit(clean_line(row.detail, 400), room), MUTED | ground))
        used = sum(cell_len(text) for text, _ in runs)
        runs.append((" " * max(width - used, 0), ground))
        return tuple(runs), here

    def _title(self, row: Row, room: int, ground: int, *, bold: bool) -> list[Run]:
        mark = f"{row.mark} " if row.mark else ""
        column = max(self._longest + 4, NEAREST) if self.VALUES else room
        # A long value gets half of the row, or more where the titles leave it.
        right = fit(clean_line(row.right, 80), max(room // 2, room - column))
        title_room = min(column, room - (cell_len(right) + 1 if right else 0)) - cell_len(mark)
        title = fit(clean_line(row.title, 300), title_room)
        style = ground | (BOLD if bold else 0) | (ACCENT if row.id == self.current else 0)
        gap = " " * (title_room - cell_len(title) + (1 if right else 0))
        titled: list[Run] = [(title, style)]
        if row.search_words:
            from lunalux_tui.render.search_marks import found_runs

            titled = found_runs(titled, row.search_words)
        return [(mark, row.tone | ground), *titled, (gap, ground), (right, MUTED | ground)]

"""The card as JSON, as it is right now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.strip import Strip

from lunalux_core.documents.json_text import dump_json
from lunalux_core.text import clean_line
from lunalux_tui.actions import Action, bindings
from lunalux_tui.parts.drawn import fit, palette_of, within
from lunalux_tui.parts.selectable import Selectable
from lunalux_tui.theme.styles import ACCENT, CODE, MUTED, SPEECH, SURFACE, Run

if TYPE_CHECKING:
    from textual.timer import Timer

PAUSE = 0.15
"""Seconds without a key after which the JSON follows what is typed."""

ACTIONS = (
    Action("create.copy_json", "screen.copy_json", "y", footer=1),
    Action("create.save_json", "screen.save_json", "s", footer=2),
)


class JsonView(Selectable, can_focus=True):
    """Lines of JSON, drawn when they are seen; what changed last is in view."""

    ACTIONS: ClassVar[tuple[Action, ...]] = ACTIONS
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(ACTIONS),
        Binding("home,g", "scroll_home", show=False),
        Binding("end,G", "scroll_end", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[str] = ()
        self._changed = (0, 0)
        self._pause: Timer | None = None

    @property
    def lines(self) -> Sequence[str]:
        return self._lines

    def show_later(self, document: Mapping[str, Any]) -> None:
        """Show a document once typing pauses."""
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(PAUSE, partial(self.show_document, document))

    def show_document(self, document: Mapping[str, Any]) -> None:
        """Show a document, line by line."""
        # A worker of the screen, which tells when one of them fails.
        work: Any = partial(self._write, document)
        self.screen.run_worker(work, group="preview", exclusive=True, exit_on_error=False)

    async def _write(self, document: Mapping[str, Any]) -> None:
        self.show(await asyncio.to_thread(lambda: dump_json(document, indent=2).split("\n")))

    def show(self, lines: Sequence[str]) -> None:
        """Show another text; goes to the first line that differs."""
        before = self._lines
        if lines == before:
            return
        self._lines = lines
        self.forget_selection()
        # Compared from the beginning and from the end: what is left between is what changed.
        shorter = min(len(before), len(lines))
        first = next((at for at in range(shorter) if before[at] != lines[at]), shorter)
        rest = shorter - first
        back = next((at for at in range(rest) if before[-1 - at] != lines[-1 - at]), rest)
        # A first text has nothing that changed.
        self._changed = (first, len(lines) - back) if before else (0, 0)
        self.virtual_size = Size(self.size.width, len(lines))
        if before:
            top, height = self.scroll_offset.y, max(self.size.height, 1)
            if not top <= first < top + height:
                self.scroll_to(y=max(first - height // 3, 0), animate=False, force=True)
        self.refresh()

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._lines))

    def render_lines(self, crop: Region) -> list[Strip]:
        strips = [self.line_at(self.scroll_offset.y + y) for y in crop.line_range]
        return within(self, strips, crop)

    def line_at(self, line: int) -> Strip:
        runs, width = self.runs_of(line), self.size.width
        used = sum(cell_len(text) for text, _ in runs)
        strip = palette_of(self).strip([*runs, (" " * max(width - used, 0), SURFACE)], width)
        return self.marked(strip, line)

    def runs_of(self, line: int) -> Sequence[Run]:
        return self._runs(line, self.size.width) if 0 <= line < len(self._lines) else []

    def _runs(self, at: int, width: int) -> list[Run]:
        line = self._lines[at]
        bare = line.lstrip(" ")
        first, end = self._changed
        mark: Run = ("▎", ACCENT | SURFACE) if first <= at < end else (" ", SURFACE)
        indent = " " * min(len(line) - len(bare), width // 2)
        room = width - 2 - len(indent)
        # Cut first: a line may hold a whole description, of which a screen shows a hundred signs.
        text = fit(clean_line(bare, width * 2), room)
        runs: list[Run] = [mark, (indent, SURFACE)]
        key, colon, value = text.partition('": ')
        if bare.startswith('"') and colon:
            return [*runs, (key + colon, MUTED | SURFACE), (value, _style(value) | SURFACE)]
        return [*runs, (text, _style(text) | SURFACE)]


def _style(value: str) -> int:
    return SPEECH if value.startswith('"') else CODE if value[:1].isalnum() or value[:1] == "-" else MUTED

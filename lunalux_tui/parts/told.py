"""Words in a dialog."""

from __future__ import annotations

from rich.cells import cell_len
from textual.app import RenderResult
from textual.content import Content
from textual.geometry import Size
from textual.widgets import Static

from lunalux_tui.i18n import language
from lunalux_tui.render.wrap import wrap


class Told(Static):
    """A text without markup. A Chinese one is wrapped as a conversation is: no line begins with a comma."""

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(text, markup=False, id=id, classes=classes)

    @property
    def _wraps(self) -> bool:
        """Whether the lines are ours: those of styled texts and of other languages are Textual's."""
        return language() == "zh" and isinstance(self.content, str)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        if not self._wraps:
            return super().get_content_width(container, viewport)
        return max(map(cell_len, str(self.content).splitlines()), default=0)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        if not self._wraps:
            return super().get_content_height(container, viewport, width)
        return len(self._lines(width)) if width else 0

    def render(self) -> RenderResult:
        width = self.content_size.width
        if not self._wraps or not width:
            return super().render()
        return Content("\n".join(self._lines(width)))

    def _lines(self, width: int) -> list[str]:
        return ["".join(text for text, _ in line) for line in wrap([(str(self.content), 0)], width)]

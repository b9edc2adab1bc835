"""From style bits to terminal styles, by the theme's colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip

from lunalux_tui.theme import styles as bit
from lunalux_tui.theme.styles import Run

# By precedence: where a run has several of them, the first gives the colour.
_COLOURS = (
    (bit.ERROR, "lx-error"),
    (bit.WARNING, "lx-warning"),
    (bit.ACCENT, "lx-accent"),
    (bit.CHARACTER, "lx-character"),
    (bit.USER, "lx-user"),
    (bit.LINK, "lx-link"),
    (bit.CODE, "lx-code"),
    (bit.SPEECH, "lx-speech"),
    (bit.HEADING, "lx-heading"),
    (bit.MUTED, "lx-muted"),
    (bit.NARRATION, "lx-narration"),
    (bit.QUOTE, "lx-quote"),
    (bit.SPEAKER_2, "lx-speaker-2"),
    (bit.SPEAKER_3, "lx-speaker-3"),
    (bit.SPEAKER_4, "lx-speaker-4"),
    (bit.SPEAKER_5, "lx-speaker-5"),
    (bit.SPEAKER_6, "lx-speaker-6"),
)

_MARKS = {"bold": bit.BOLD, "italic": bit.ITALIC, "underline": bit.UNDERLINE, "reverse": bit.REVERSE}


class Palette:
    """Styles of one theme on one background; every combination of bits is made once.

    Args:
        variables: colours by name (`lx-speech` and so on).
        foreground: colour of plain text.
        background: colour under everything; `surface` and `panel` are the two grounds raised above it.
    """

    def __init__(
        self, variables: Mapping[str, str], foreground: str, background: str, surface: str, panel: str
    ) -> None:
        self._variables = variables
        self._foreground = Color.parse(foreground)
        self._background = Color.parse(background)
        self._surface = Color.parse(surface)
        self._panel = Color.parse(panel)
        self._selection = Color.parse(variables.get("lx-selection", surface))
        words = variables.get("lx-cursor-style", "").split()
        self.cursor = sum(bits for word, bits in _MARKS.items() if word in words)
        """Bits for the row under the cursor, where colour alone would not show it."""

        self._styles: dict[tuple[int, bool], Style] = {}
        self._blank: Strip | None = None

    def style(self, bits: int, selected: bool = False) -> Style:
        """The terminal style of some bits; `selected` for lines of the chosen message."""
        style = self._styles.get((bits, selected))
        if style is None:
            style = self._styles[bits, selected] = self._make(bits, selected)
        return style

    def strip(self, line: Sequence[Run], width: int, selected: bool = False) -> Strip:
        """A line padded to `width` cells."""
        segments = [Segment(text, self.style(bits, selected)) for text, bits in line]
        used = sum(cell_len(text) for text, _ in line)
        if used < width:
            segments.append(Segment(" " * (width - used), self.style(bit.PLAIN, selected)))
        strip = Strip(segments, max(used, width))
        return strip if used <= width else strip.crop(0, width)

    def blank(self, width: int) -> Strip:
        """An empty line."""
        # One is enough: all lines of a view have its width.
        if self._blank is None or self._blank.cell_length != width:
            self._blank = self.strip((), width)
        return self._blank

    def _make(self, bits: int, selected: bool) -> Style:
        words = self._words(bits, selected)
        return Style(
            color=self._colour(bits).rich_color,
            bgcolor=self._ground(bits, selected).rich_color,
            # None and not False: False would switch off what a style under this one has.
            reverse=bool(bits & bit.REVERSE) or "reverse" in words or None,
            bold=bool(bits & bit.BOLD) or "bold" in words or None,
            italic=bool(bits & bit.ITALIC) or "italic" in words or None,
            underline=bool(bits & (bit.UNDERLINE | bit.LINK)) or "underline" in words or None,
            strike=bool(bits & bit.STRIKE) or None,
            dim="dim" in words or None,
        )

    def _words(self, bits: int, selected: bool) -> set[str]:
        """What a theme's `[styles]` asks for besides colour."""
        names = [name for flag, name in _COLOURS if bits & flag]
        names += ["lx-selection"] if selected else []
        return {word for name in names for word in self._variables.get(f"{name}-style", "").split()}

    def _ground(self, bits: int, selected: bool) -> Color:
        if selected:
            return self._selection
        if bits & bit.CODE and "lx-code-background" in self._variables:
            return Color.parse(self._variables["lx-code-background"])
        if bits & bit.PANEL:
            return self._panel
        return self._surface if bits & bit.SURFACE else self._background

    def _colour(self, bits: int) -> Color:
        for flag, name in _COLOURS:
            if bits & flag:
                return Color.parse(self._variables.get(name, "ansi_default"))
        return self._foreground

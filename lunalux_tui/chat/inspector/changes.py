"""The way from one change to the next where two turns are compared."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from lunalux_tui.parts.reader import Reader
from lunalux_tui.parts.rows import Row, Rows
from lunalux_tui.theme.styles import Run

SIGNS = {"same": "  ", "gone": "− ", "new": "+ "}
"""What a compared line begins with."""
_CHANGED = (SIGNS["gone"], SIGNS["new"])


def blocks(runs: Sequence[Run]) -> list[int]:
    """The places of the runs with which changed lines begin: one for lines that follow each other."""
    # Nothing stands before the first line, so a change may begin there.
    changed = [False, *(text.startswith(_CHANGED) for text, _ in runs)]
    return [place for place, (before, now) in enumerate(pairwise(changed)) if now and not before]


def walk_text(reader: Reader, runs: Sequence[Run], step: int) -> bool:
    """Bring the next change into sight that is out of it; False where there is none in this direction."""
    lines = [reader.line_of(place) for place in blocks(runs)]
    top, bottom = reader.scroll_offset.y, reader.scroll_offset.y + reader.size.height
    out = [line for line in lines if line >= bottom] if step > 0 else [line for line in lines if line < top]
    if not out:
        return False
    line = out[0] if step > 0 else out[-1]
    # With the line above it in sight, which shows where it stands.
    reader.scroll_to(y=max(line - 1, 0), animate=False)
    return True


def walk_rows(rows: Rows, step: int) -> bool:
    """Choose the next row that is marked as changed; False where there is none in this direction."""
    places = range(rows.cursor + step, len(rows.rows) if step > 0 else -1, step)
    place = next((place for place in places if _differs(rows.rows[place])), None)
    if place is None:
        return False
    rows.cursor = place
    return True


def _differs(row: Row) -> bool:
    return row.mark in {"+", "−", "~"}

"""Words that were looked for, made to stand out in drawn lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise

from lunalux_tui.theme.styles import ACCENT, BOLD, REVERSE, Run

FOUND = ACCENT | BOLD | REVERSE


def found_runs(line: Sequence[Run], words: Sequence[str]) -> list[Run]:
    """A line with every place of `words` (any case) in a style of its own."""
    text = "".join(piece for piece, _ in line)
    # The longer first: of two words that begin alike, the whole of the longer one stands out.
    pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True) if word)
    places = [place.span() for place in re.finditer(pattern, text, re.IGNORECASE)] if pattern else []
    if not places:
        return list(line)
    ends = accumulate(len(piece) for piece, _ in line)
    cuts = sorted({0, *ends, *(cut for place in places for cut in place)})
    styles = [style for piece, style in line for _ in piece]
    runs: list[Run] = []
    for start, end in pairwise(cuts):
        inside = any(first <= start < last for first, last in places)
        runs.append((text[start:end], styles[start] | FOUND if inside else styles[start]))
    return runs

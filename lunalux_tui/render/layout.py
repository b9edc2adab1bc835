"""Blocks into lines of a given width."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from lunalux_tui.render.markdown import LONGEST, Block, parse_blocks, parse_inline
from lunalux_tui.render.wrap import wrap
from lunalux_tui.theme.styles import ACCENT, BOLD, CODE, HEADING, MUTED, QUOTE, UNDERLINE, Line, Run

MOST_COLUMNS = 16
DEEPEST_FOLD = 4
MOST_SHOWN = 200_000
"""Characters of a text that are laid out; what a hostile server adds to that is counted, not drawn."""

Fold = tuple[int, ...]
"""Where a fold stands: its number among the folds of the text, within its parent's, and so on."""


@dataclass(frozen=True, slots=True)
class Words:
    """The few words that the layout itself writes, in the person's language."""

    panel: str = "HTML panel, {n} lines"
    fold: str = "Details"
    script: str = "Needs a script runtime"
    longer: str = "{n} more characters are not shown"


@dataclass(slots=True)
class LaidOutText:
    """Lines, and which of them open or close a fold: line number to fold."""

    lines: list[Line] = field(default_factory=list)
    folds: dict[int, Fold] = field(default_factory=dict)


def lay_out(
    text: str,
    width: int,
    *,
    base: int = 0,
    growing: bool = False,
    opened: Mapping[Fold, int] | None = None,
    words: Words = Words(),
) -> LaidOutText:
    """The lines of a text.

    Args:
        width: cells of a line.
        base: style bits of everything.
        growing: whether the text is still streaming in; an open mark then holds to the end.
        opened: state of folds: absent closed, 1 open, 2 a panel's source.
        words: the layout's own words.
    """
    layout = _Layout(max(width, 8), base, growing, opened or {}, words)
    layout.add(parse_blocks(text[:MOST_SHOWN]))
    if len(text) > MOST_SHOWN:
        layout.laid.lines.append(((words.longer.format(n=len(text) - MOST_SHOWN), MUTED | base),))
    return layout.laid


class _Layout:
    def __init__(
        self, width: int, base: int, growing: bool, opened: Mapping[Fold, int], words: Words
    ) -> None:
        self.laid = LaidOutText()
        self._width = width
        self._base = base
        self._growing = growing
        self._opened = opened
        self._words = words

    def add(self, blocks: Sequence[Block], indent: Sequence[Run] = (), parent: Fold = ()) -> None:
        lines = self.laid.lines
        folds = 0
        for place, block in enumerate(blocks):
            if lines and not block.close and not (place == 0 and indent):
                lines.append(tuple(indent))
            growing = self._growing and place == len(blocks) - 1
            match block.kind:
                case "fold" | "panel" | "script":
                    self._fold(block, indent, (*parent, folds))
                    folds += 1
                case "table":
                    lines.extend((*indent, *line) for line in self._table(block))
                case _:
                    lines.extend(self._lines(block, indent, growing))

    def _lines(self, block: Block, indent: Sequence[Run], growing: bool) -> list[Line]:
        base = self._base
        match block.kind:
            case "rule":
                room = self._width - sum(cell_len(text) for text, _ in indent)
                return [(*indent, ("─" * min(room, 40), MUTED | base))]
            case "heading":
                style = base | HEADING | BOLD | (UNDERLINE if block.level == 1 else 0)
                return wrap(parse_inline(block.text, style), self._width, indent, indent)
            case "quote":
                bar: list[Run] = [*indent, ("▎ " * block.level, QUOTE | base)]
                return wrap(parse_inline(block.text, base | QUOTE, growing), self._width, bar, bar)
            case "item":
                return self._item(block, indent, growing)
            case "fence":
                bar = [*indent, ("│ ", MUTED | base)]
                return wrap([(block.text.expandtabs(4), base | CODE)], self._width, bar, bar)
            case _:
                return wrap(parse_inline(block.text, base, growing), self._width, indent, indent)

    def _item(self, block: Block, indent: Sequence[Run], growing: bool) -> list[Line]:
        margin = "  " * block.level
        first: list[Run] = [*indent, (margin, self._base), (f"{block.mark} ", self._base | ACCENT)]
        rest: list[Run] = [*indent, (margin + " " * (cell_len(block.mark) + 1), self._base)]
        return wrap(parse_inline(block.text, self._base, growing), self._width, first, rest)

    def _fold(self, block: Block, indent: Sequence[Run], fold: Fold) -> None:
        laid = self.laid
        state = self._opened.get(fold, 0)
        laid.folds[len(laid.lines)] = fold
        sign = "▾ " if state else "▸ "
        heading: list[Run] = [(sign, ACCENT | self._base), (self._title(block), MUTED | self._base)]
        laid.lines.extend(wrap(heading, self._width, indent, indent))
        inner: list[Run] = [*indent, ("┊ ", MUTED | self._base)]
        if state == 1 and block.kind != "script":
            # Folds in folds come from strangers: beyond this depth their text is plain.
            nested = parse_blocks(block.text) if len(fold) < DEEPEST_FOLD else [Block("text", block.text)]
            self.add(nested, inner, fold)
        elif state:
            laid.lines.extend(wrap([(block.source, self._base | CODE)], self._width, inner, inner))

    def _title(self, block: Block) -> str:
        if block.kind == "script":
            return self._words.script
        if block.kind == "panel":
            title = self._words.panel.format(n=block.level)
            return f"{title}: {block.mark}" if block.mark else title
        return block.mark or self._words.fold

    def _table(self, block: Block) -> Iterator[Line]:
        # The second line is the rule under the heading.
        rows = [_cells(line) for index, line in enumerate(block.text.split("\n")) if index != 1]
        columns = min(max(map(len, rows)), MOST_COLUMNS)
        cells = [
            [
                parse_inline(cell, self._base | (BOLD if number == 0 else 0))
                # Rows of a table that a model wrote may be shorter or longer than its heading.
                for cell in (row + [""] * columns)[:columns]
            ]
            for number, row in enumerate(rows)
        ]
        widths = _column_widths(cells, columns, self._width - 3 * (columns - 1))
        if sum(widths) + 3 * (columns - 1) > self._width:
            yield from self._narrow_table(cells)
            return
        for number, row in enumerate(cells):
            wrapped = [wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
            for height in range(max(map(len, wrapped))):
                yield self._row(wrapped, widths, height)
            if number == 0:
                yield (("─┼─".join("─" * width for width in widths), MUTED | self._base),)

    def _narrow_table(self, cells: Sequence[Sequence[Sequence[Run]]]) -> Iterator[Line]:
        """A table that has no room for its columns: a row after another, cells one behind the other."""
        for row in cells:
            runs: list[Run] = []
            for number, cell in enumerate(row):
                runs += [(" │ ", MUTED | self._base), *cell] if number else cell
            yield from wrap(runs, self._width)

    def _row(self, wrapped: Sequence[Sequence[Line]], widths: Sequence[int], height: int) -> Line:
        runs: list[Run] = []
        for column, lines in enumerate(wrapped):
            if column:
                runs.append((" │ ", MUTED | self._base))
            line = lines[height] if height < len(lines) else ()
            runs.extend(line)
            missing = widths[column] - sum(cell_len(text) for text, _ in line)
            if missing > 0 and column < len(wrapped) - 1:
                runs.append((" " * missing, self._base))
        return tuple(runs)


def _cells(line: str) -> list[str]:
    line = line.strip().removeprefix("|")
    if line.endswith("|") and not line.endswith("\\|"):
        line = line[:-1]
    # An escaped bar is no border; it stands as a sign that no cleaned text has until the line is cut.
    return [cell.strip().replace("\0", "|") for cell in line.replace("\\|", "\0").split("|")]


def _column_widths(cells: Sequence[Sequence[Sequence[Run]]], columns: int, room: int) -> list[int]:
    widths = [
        max(max((sum(cell_len(text) for text, _ in row[column]) for row in cells), default=1), 1)
        for column in range(columns)
    ]
    # The widest column gives way first, by an eighth at a time, so that the others keep their words.
    while sum(widths) > room:
        widest = max(range(columns), key=widths.__getitem__)
        if widths[widest] <= 4:
            break
        widths[widest] -= max(1, min(sum(widths) - room, widths[widest] // 8))
    return widths


HTML_PATIENCE = 20_000
"""Characters after which even HTML is settled as it stands."""

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_HOLDS = re.compile(r"<[a-z!%]", re.IGNORECASE)
"""HTML is understood as a whole: while a tag stands in the open end, nothing of it is settled."""


class GrowingText:
    """Lines of a text that only ever gets longer.

    Attributes:
        text: the text so far.
        lines: all lines so far.
        settled: how many of them cannot change any more.
    """

    def __init__(self, width: int, text: str = "", base: int = 0, words: Words = Words()) -> None:
        self._width = width
        self._base = base
        self._words = words
        self.text = ""
        self._open = ""
        self._continues = False
        self.lines: list[Line] = []
        self.settled = 0
        if text:
            self.add(text)

    def add(self, more: str) -> None:
        """Lay out with `more` at the end."""
        room = MOST_SHOWN - len(self.text)
        self.text += more
        if room <= 0:
            return
        self._open += more[:room]
        del self.lines[self.settled :]
        while (cut := self._cut()) is not None:
            self._settle(*cut)
        self._lay_out(self._open, growing=True)

    def _cut(self) -> tuple[str, str, bool] | None:
        """What can be settled, what stays open, and whether the open part goes on without a gap."""
        text = self._open
        # A tag may still be closed; what it holds could change how all before it is drawn.
        if len(text) < HTML_PATIENCE and _HOLDS.search(text):
            return None
        gap = text.rfind("\n\n")
        # An odd number of fences: the gap is inside of a code block and no end of a paragraph.
        fences = _FENCE.findall(text[:gap] if gap > 0 else "")
        if gap > 0 and len(fences) % 2 == 0:
            return text[:gap], text[gap + 2 :].lstrip("\n"), False
        if len(text) <= LONGEST:
            return None
        at = max(text.rfind("\n", 1, LONGEST), text.rfind(" ", LONGEST // 2, LONGEST))
        at = at if at > 0 else LONGEST
        fences = _FENCE.findall(text[:at])
        # Cut within a code block: the rest begins with a fence of its own, to be drawn as code.
        reopened = f"{fences[-1]}\n" if len(fences) % 2 else ""
        return text[:at], reopened + text[at:].removeprefix("\n").removeprefix(" "), True

    def _settle(self, finished: str, rest: str, continues: bool) -> None:
        self._lay_out(finished, growing=False)
        self.settled = len(self.lines)
        self._open = rest
        self._continues = continues

    def _lay_out(self, text: str, *, growing: bool) -> None:
        laid = lay_out(text, self._width, base=self._base, growing=growing, words=self._words).lines
        if laid and self.lines and not self._continues:
            self.lines.append(())
        self.lines.extend(laid)

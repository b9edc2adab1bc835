"""The wallet's history as a chart: the balance over time, in columns of eighths.

A chart of our own: two numbers over a time line need no plotting library, start at once, follow the theme
and keep to the width of any terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.cells import cell_len
from textual.reactive import reactive

from lunalux_tui.i18n import t
from lunalux_tui.parts.amounts import LUNA, STAR, compact
from lunalux_tui.parts.drawn import Part
from lunalux_tui.parts.panel import Panel
from lunalux_tui.theme.styles import ACCENT, BOLD, MUTED, USER

HEIGHT = 6
SIDE_BY_SIDE = 64
"""Cells from which both coins are drawn beside each other."""

SHORT_SECONDS = 60
"""Below this all movements count the same width."""

FEW = 3
"""Up to so many movements are drawn as a line."""

EIGHTHS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Point:
    """A balance after a movement; `at` in seconds since 1970."""

    at: float
    balance: int


def moment(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time; 0 for what is none."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return 0.0
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def balances(movements: Sequence[Mapping[str, Any]], currency: str, now: int) -> list[Point]:
    """The balance after every movement of a coin, oldest first, counted back from the balance `now`."""
    points: list[Point] = []
    balance = now
    for movement in movements:  # newest first
        if movement.get("currency") != currency or movement.get("status") == "REFUNDED":
            continue
        points.append(Point(moment(str(movement.get("createdAt", ""))), balance))
        balance -= int(movement.get("amount", 0))
    # Something was there before the oldest of these movements: the line begins with it.
    if points and balance:
        points.append(Point(points[-1].at, balance))
    return points[::-1]


def columns(points: Sequence[Point], width: int) -> list[int]:
    """The balance in each of `width` stretches of time; where times do not tell, each point has its share."""
    if not points:
        return []
    first, span = points[0].at, points[-1].at - points[0].at
    # Movements of one moment have no span to divide by.
    if span < SHORT_SECONDS:
        return [points[column * len(points) // width].balance for column in range(width)]
    values, place = [], 0
    for column in range(width):
        while place + 1 < len(points) and (points[place + 1].at - first) / span <= (column + 1) / width:
            place += 1
        values.append(points[place].balance)
    return values


def bars(values: Sequence[int], height: int) -> list[str]:
    """Columns from the top line to the bottom one; the lowest value still shows."""
    top = max(max(values, default=0), 1)
    levels = [max(round(value / top * height * 8), 1 if value > 0 else 0) for value in values]
    return [
        "".join(EIGHTHS[min(max(level - row * 8, 0), 8)] for level in levels)
        for row in reversed(range(height))
    ]


def steps(values: Sequence[int], height: int) -> list[str]:
    """The same as one line, for so few movements that columns would be a slab of colour."""
    top = max(max(values, default=0), 1)
    levels = [height - 1 - round(max(value, 0) / top * (height - 1)) for value in values]
    rows = [[" "] * len(values) for _ in range(height)]
    for place, level in enumerate(levels):
        before = levels[place - 1] if place else level
        rows[level][place] = "─"
        if level != before:
            upper, lower = min(level, before), max(level, before)
            rows[upper][place], rows[lower][place] = ("╭", "╯") if level < before else ("╮", "╰")
            for row in range(upper + 1, lower):
                rows[row][place] = "│"
    return ["".join(row) for row in rows]


class HistoryPanel(Panel):
    """Two charts: star and luna."""

    movements: reactive[Sequence[Mapping[str, Any]]] = reactive((), layout=True)

    def title(self) -> str:
        return t("wallet.history")

    def rows(self, width: int) -> Sequence[Sequence[Part]]:
        state = self.account
        if state is None or not state.wallet:
            return ()
        if not self.movements:
            return ((Part(t("wallet.no_history"), MUTED),),)
        if width < SIDE_BY_SIDE:
            return [*self._chart("star", state.star, width), (), *self._chart("luna", state.luna, width)]
        half = (width - 4) // 2
        left, right = self._chart("star", state.star, half), self._chart("luna", state.luna, half)
        return [(*a, Part("    "), *b) for a, b in zip(left, right, strict=True)]

    def _chart(self, currency: str, now: int, width: int) -> list[Sequence[Part]]:
        style, sign = (ACCENT, STAR) if currency == "star" else (USER, LUNA)
        points = balances(self.movements, currency, now)
        scale = 6
        values = columns(points, width - scale)
        top = max((value for value in values), default=0)
        name = f"{sign} {t(f'wallet.{currency}')}"
        head = Part(name, style | BOLD)
        lines: list[Sequence[Part]] = [(head, Part(" " * (width - cell_len(name))))]
        draw = bars if len(points) > FEW else steps
        for row, text in enumerate(draw(values, HEIGHT) if values else [" " * (width - scale)] * HEIGHT):
            label = compact(top) if row == 0 else "0" if row == HEIGHT - 1 else ""
            lines.append(
                (
                    Part(f"{label:>{scale - 2}} ┤" if label else " " * (scale - 1) + "│", MUTED),
                    Part(text, style),
                )
            )
        first, last = _day(points[0].at if points else 0), _day(points[-1].at if points else 0)
        room = width - scale - len(first) - len(last)
        foot = first + " " * max(room, 1) + last if first != last else first.rjust(width - scale)
        lines.append((Part(" " * scale + foot, MUTED),))
        return lines


def _day(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%m-%d") if at else "     "

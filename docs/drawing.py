"""Draws the rooms of the code from its imports: `python docs/drawing.py` renews docs/architecture.md.

A room is a folder of `lunalux_core` or `lunalux_tui` (of `lunalux_core.backend` too), or a module that stands
beside them. Every import counts, those for the type checker as well.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = Path(__file__).resolve().parent / "architecture.md"
BEGIN, END = "<!-- drawn by docs/drawing.py -->", "<!-- end of the drawing -->"
EVERYWHERE = {"core.errors", "core.text", "core.ids", "tui.i18n", "tui.actions"}
"""Used by nearly every room: not drawn as arrows."""


def modules() -> dict[str, Path]:
    found = {}
    for package in ("lunalux_core", "lunalux_tui"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(module: str) -> str:
    package, *rest = module.split(".")
    side = "core" if package == "lunalux_core" else "tui"
    depth = 2 if rest[:1] == ["backend"] else 1
    return ".".join([side, *rest[:depth]])


def imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in known:
                    yield whole
                elif node.module in known:
                    yield node.module


def arrows() -> tuple[dict[str, set[str]], Counter[str]]:
    """Which room uses which; how many modules each has."""
    known = modules()
    uses: dict[str, set[str]] = defaultdict(set)
    files: Counter[str] = Counter()
    for module, path in known.items():
        if module in ("lunalux_core", "lunalux_tui", "lunalux_core.backend"):
            continue
        room = room_of(module)
        files[room] += 1
        uses[room] |= {room_of(other) for other in imported(path, known)} - {room}
    rooms = set(files)
    return {room: (uses[room] & rooms) - EVERYWHERE for room in sorted(rooms)}, files


def groups(uses: Mapping[str, set[str]]) -> list[set[str]]:
    """Rooms that reach each other, lowest first."""
    reach = {room: set(others) for room, others in uses.items()}
    changed = True
    while changed:
        changed = False
        for room in reach:
            more = set().union(*(reach.get(other, set()) for other in reach[room])) - reach[room]
            if more:
                reach[room] |= more
                changed = True
    found: list[set[str]] = []
    for room in uses:
        if not any(room in group for group in found):
            found.append({room} | {other for other in reach[room] if room in reach.get(other, set())})
    return found


def floors(uses: Mapping[str, set[str]]) -> list[list[set[str]]]:
    """Groups of rooms by how high they stand: each uses what is on floors below it only."""
    parts = groups(uses)
    home = {room: number for number, group in enumerate(parts) for room in group}
    below = [
        {home[other] for room in group for other in uses[room]} - {number}
        for number, group in enumerate(parts)
    ]
    height: dict[int, int] = {}

    def high(number: int) -> int:
        if number not in height:
            height[number] = 1 + max((high(other) for other in below[number]), default=-1)
        return height[number]

    found: dict[int, list[set[str]]] = defaultdict(list)
    for number, group in enumerate(parts):
        found[high(number)].append(group)
    return [found[level] for level in sorted(found, reverse=True)]


def drawing() -> str:
    uses, files = arrows()
    told = [BEGIN, "", "```text"]
    levels = floors(uses)
    for number, level in enumerate(levels):
        names = sorted(" ⇄ ".join(sorted(group)) for group in level)
        told.append(f"{len(levels) - 1 - number:2}  " + "   ".join(names))
    told += ["```", "", "A room uses rooms on lower floors only; `⇄` joins rooms that know each other.", ""]
    told += ["| room | modules | uses |", "| --- | ---: | --- |"]
    for room, others in uses.items():
        named = ", ".join(f"`{other}`" for other in sorted(others))
        told.append(f"| `{room}` | {files[room]} | {named} |")
    return "\n".join([*told, "", END])


def page(text: str) -> str:
    """The page with its drawing renewed."""
    start, rest = text.split(BEGIN, 1)
    return start + drawing() + rest.split(END, 1)[1]


def main() -> None:
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()

"""`/fuzzy`: which text of a list another text is like, though letters differ.

Two texts are compared as Fuse.js does it: in pieces of 32 characters, by how many letters have to be changed,
put in or taken out for a piece to stand somewhere in the other text.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from lunalux_core.stscript.commands.declaration import Command, Invocation
from lunalux_core.stscript.commands.flow_commands import lookup
from lunalux_core.stscript.script_values import UNDEFINED, dump_json, parse_json, to_number

# Fuse.js keeps the beginnings of a piece as the bits of one number, and in JavaScript those are 32.
PIECE = 32
THRESHOLD = 0.4
_CHECK_EVERY = 2_048


async def _fuzzy(call: Invocation) -> str:
    """The first of `list=` that stands in the text, or (mode=best) the one that the text is most like."""
    items, threshold = _items(call), _threshold(call)
    if not call.text or not items or math.isnan(threshold):
        return ""
    best = (call.argument("mode") or "").strip().lower() == "best"
    find = _best if best else _first
    # In a thread: long texts take a while, and the app must not stand still.
    return await asyncio.to_thread(find, items, call.text, threshold, call.interpreter.budget.check)


def _items(call: Invocation) -> list[str]:
    written = call.argument("list") or ""
    value = lookup(call, written)
    try:
        items = parse_json(written if value is UNDEFINED else value)
    except ValueError:
        return []
    return [item for item in items if isinstance(item, str)] if isinstance(items, list) else []


def _threshold(call: Invocation) -> float:
    """From 0 (no letter may differ) to 1."""
    written = call.argument("threshold")
    return THRESHOLD if written is None else min(max(to_number(written), 0.0), 1.0)


def _first(items: list[str], text: str, threshold: float, check: Callable[[], None]) -> str:
    # An empty item is found in every text, as it is there.
    alike = (item for item in items if not item or unlikeness(item, text, threshold, check) is not None)
    return next(alike, "")


def _best(items: list[str], text: str, threshold: float, check: Callable[[], None]) -> str:
    ranked = []
    for place, item in enumerate(items):
        score = unlikeness(text, item, threshold, check) if item.strip() else None
        if score is not None:
            # A match in a text of few words weighs more.
            weight = math.floor(1000 / math.sqrt(sum(map(bool, item.split(" ")))) + 0.5) / 1000
            ranked.append((score**weight, place, item))
    return min(ranked)[2] if ranked else ""


def unlikeness(
    pattern: str, text: str, threshold: float, check: Callable[[], None] = lambda: None
) -> float | None:
    """How far the pattern is from standing in the text, from 0 (they are the same) to 1; None where that is
    more than `threshold` for each of its pieces.

    Args:
        check: called now and then; it raises where the work takes too long.
    """
    pattern, text = pattern.lower(), text.lower()
    if pattern == text:
        return 0.0
    if not pattern:
        return None
    scores = []
    for piece in _pieces(pattern):
        # A little more, because 0.29 * 100 is less than 29. Fuse.js divides, so 29 letters may differ there.
        most = min(int(threshold * len(piece) + 1e-9), len(piece) - 1)
        errors = _errors(piece, text, most, check)
        # Only equal texts have the score 0; a text that merely contains the pattern comes after them.
        scores.append(None if errors is None else max(errors / len(piece), 0.001))
    if all(score is None for score in scores):
        return None
    # A piece that is found nowhere counts as wholly different.
    return sum(1.0 if score is None else score for score in scores) / len(scores)


def _pieces(pattern: str) -> list[str]:
    """The last one overlaps the one before it, so that it is as long as the others."""
    whole = len(pattern) // PIECE * PIECE
    if not whole:
        return [pattern]
    pieces = [pattern[start : start + PIECE] for start in range(0, whole, PIECE)]
    return pieces if whole == len(pattern) else [*pieces, pattern[-PIECE:]]


def _errors(piece: str, text: str, most: int, check: Callable[[], None]) -> int | None:
    """The fewest letters in which the piece differs from some place of the text, `most` at most."""
    if piece in text:
        return 0
    masks = dict.fromkeys(piece, 0)
    for place, letter in enumerate(piece):
        masks[letter] |= 1 << place
    whole = 1 << (len(piece) - 1)
    # rows[n]: which beginnings of the piece end here with n errors, a bit for each
    rows = [(1 << errors) - 1 for errors in range(most + 1)]
    fewest: int | None = None
    for index, letter in enumerate(text):
        if index % _CHECK_EVERY == 0:
            check()
        mask = masks.get(letter, 0)
        before, above = rows[0], 0
        rows[0] = above = (before << 1 | 1) & mask
        for errors in range(1, len(rows)):
            here = rows[errors]
            rows[errors] = (here << 1 | 1) & mask | before | (before | above) << 1 | 1
            before, above = here, rows[errors]
        for errors, row in enumerate(rows):
            if row & whole:
                fewest = errors
                del rows[errors:]
                break
        if not rows:
            break
    return fewest


def _if_empty(call: Invocation) -> str:
    """`value=`, or the text where that is empty or a list or an object without anything in it."""
    value = call.argument("value") or ""
    try:
        empty = parse_json(value) in ("", [], {})
    except ValueError:
        empty = not value
    return call.text if empty else value


def _keys(call: Invocation) -> str:
    """The names in an object as a list; the numbers of a list."""
    try:
        value = parse_json(call.value)
    except ValueError:
        return "[]"
    if isinstance(value, dict):
        return dump_json(list(value))
    return dump_json([str(place) for place in range(len(value))] if isinstance(value, list) else [])


COMMANDS = (
    Command("fuzzy", _fuzzy),
    Command("ifempty", _if_empty, ours=True),
    Command("keys", _keys, ours=True),
)

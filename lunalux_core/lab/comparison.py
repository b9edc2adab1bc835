"""Two results beside each other: words that differ, what they took, and what the prompt changed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Literal

from lunalux_core.dialogue.prompt_beginning import compare_beginnings
from lunalux_core.dialogue.turn_record_diff import compare_entries, compare_messages

if TYPE_CHECKING:
    from lunalux_core.library.lab import Cell, LabRow, LabRun, LabRuns

WordMark = Literal["same", "gone", "new"]
MOST_WORDS = 4_000
"""Words of a text that are compared one by one; a longer one is shown as taken out and put in."""
# Kana, Chinese characters and Hangul.
_SIGNS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_WORDS = re.compile(rf"\s+|[{_SIGNS}]|[^\W{_SIGNS}]+|[^\w\s]")
"""Words and signs; of writing without blanks between words each sign is one."""


_FIELDS = ("content", "thinking", "finish", "model", "usage", "cost", "billing", "speed", "seconds", "prompt")


async def compared_turn(runs: LabRuns, run: LabRun, turn: str) -> dict[str, Any]:
    """What came of a turn in a run: its results in order, each with its `difference` from the same repeat of
    the first variant (`base`), else from its first reply. Those that were not had yet are left out."""
    cells = [cell for cell in run.cells if cell.turn == turn]
    rows = [(cell, row) for cell in cells if (row := await runs.result(run.id, cell.key))]
    return await asyncio.to_thread(_compared, turn, rows)


def _compared(turn: str, rows: Sequence[tuple[Cell, LabRow]]) -> dict[str, Any]:
    base = rows[0][0].variant if rows else None
    bases = {cell.repeat: row for cell, row in rows if cell.variant == base}
    results = []
    for cell, row in rows:
        first = rows[0][1]
        # Further replies of the first variant stand beside its first: so much is chance.
        other = first if cell.variant == base else bases.get(cell.repeat, first)
        results.append(_result(cell, row, None if row is other else other))
    return {"turn": turn, "base": base, "results": results}


def _result(cell: Cell, row: LabRow, base: LabRow | None) -> dict[str, Any]:
    """One result; `difference` is None for the base itself."""
    difference = None
    if base is not None:
        pieces = word_changes(str(base.reply.get("content", "")), str(row.reply.get("content", "")))
        difference = {
            "words": differing(pieces),
            "pieces": [{"mark": mark, "text": text} for mark, text in pieces],
            "prompt": prompt_changes(base.record, row.record),
        }
    return {
        "variant": cell.variant,
        "repeat": cell.repeat,
        **{name: row.reply.get(name) for name in _FIELDS},
        "checks": [dict(check) for check in row.checks],
        "difference": difference,
        "created_at": row.created_at,
    }


def word_changes(before: str, now: str) -> list[tuple[WordMark, str]]:
    """Both texts as pieces in order: what both have, what only the first has, what only the second has."""
    if before == now:
        return [("same", now)] if now else []
    old, new = _WORDS.findall(before), _WORDS.findall(now)
    if max(len(old), len(new)) > MOST_WORDS:
        return list(_changed(before, now))
    pieces: list[tuple[WordMark, str]] = []
    # Without `autojunk`, which would leave frequent words out of a long comparison.
    for kind, first, last, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(("same", "".join(new[start:end])))
            continue
        if first < last:
            pieces.append(("gone", "".join(old[first:last])))
        if start < end:
            pieces.append(("new", "".join(new[start:end])))
    return list(_joined(pieces))


def _joined(pieces: Sequence[tuple[WordMark, str]]) -> Iterator[tuple[WordMark, str]]:
    """Without islands of blanks: between two changes they read as part of both."""
    gone, new = "", ""
    for number, (mark, text) in enumerate(pieces):
        if mark == "gone":
            gone += text
        elif mark == "new":
            new += text
        elif not text.strip() and (gone or new) and number < len(pieces) - 1:
            gone, new = gone + text, new + text
        else:
            yield from _changed(gone, new)
            gone, new = "", ""
            yield "same", text
    yield from _changed(gone, new)


def _changed(gone: str, new: str) -> Iterator[tuple[WordMark, str]]:
    if gone:
        yield "gone", gone
    if new:
        yield "new", new


def differing(pieces: Sequence[tuple[WordMark, str]]) -> int:
    """How many words only one of both texts has; signs that are no words do not count."""
    changed = (text for mark, text in pieces if mark != "same")
    return sum(1 for text in changed for word in _WORDS.findall(text) if word[0].isalnum())


def prompt_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What another variant made of a prompt; both are records (`dialogue.turn_record`).

    `cause` and `slot` tell what changed first (`prompt_beginning`), `messages` what became of each part,
    `entries` which worldbook entries came and went, `parameters` what else the request asks for. Empty, with
    the cause "same", where all is alike.
    """
    if not before or not now:
        lists: dict[str, Any] = {"messages": [], "entries": [], "parameters": []}
        return {"cause": None, "slot": "", "shared_tokens": 0, **lists}
    told = compare_beginnings(now, before)
    return {
        "cause": told["cause"],
        "slot": told["slot"],
        "shared_tokens": told["shared_tokens"],
        "messages": list(_messages(before, now)),
        "entries": list(_entries(before, now)),
        "parameters": list(_parameters(before, now)),
    }


def _messages(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    names = {**before.get("names", {}), **now.get("names", {})}
    for each in compare_messages(now["messages"], before["messages"]):
        if each.mark == "same":
            continue
        slots = str(each.message["slot"]).split("+")
        yield {
            "mark": each.mark,
            "slot": each.message["slot"],
            "names": [str(names[slot]) for slot in slots if slot in names],
            "role": each.message["role"],
            "tokens_before": each.before["tokens"] if each.before is not None else 0,
            "tokens": each.now["tokens"] if each.now is not None else 0,
            "before": each.before["content"] if each.before is not None else "",
            "now": each.now["content"] if each.now is not None else "",
        }


def _entries(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    named = {}
    for record in (before, now):
        for entry in record["worldbook"]["activated"]:
            named[str(entry["book"]), str(entry["uid"])] = entry["comment"] or str(entry["uid"])
    for (book, uid), mark in compare_entries(now, before).items():
        if mark != "same":
            yield {"mark": mark, "book": book, "uid": uid, "name": str(named[book, uid])}


def _parameters(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    asked, were = (
        {parameter["name"]: parameter["value"] for parameter in record["parameters"]}
        for record in (now, before)
    )
    for name in [*asked, *(name for name in were if name not in asked)]:
        if asked.get(name) != were.get(name):
            yield {"name": name, "before": were.get(name), "now": asked.get(name)}

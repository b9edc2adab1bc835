"""Memories as files: worldbooks with the fields of SillyTavern's Memory Books, and Markdown.

In a worldbook every memory is an ordinary entry, so that any program can use it: `STMB_start` and `STMB_end`
are the numbers of its first and last message on the branch shown, from 0. What only we know stands under
`lunalux`, so that our own file keeps all. A Markdown file is for people: a heading for each memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lunalux_core.database import Connection
from lunalux_core.documents.coerce import as_flag, as_object, as_optional_integer, as_text
from lunalux_core.errors import LunaluxError
from lunalux_core.library.conversations import load_conversation
from lunalux_core.library.memories import (
    KINDS,
    Memory,
    add_memory,
    coverage_of,
    load_memories,
    path_ids,
)
from lunalux_core.text import clean, clean_line
from lunalux_core.worldbook.read import Book, Entry, read_book, write_world_info

OURS = "lunalux"
MARK, START, END = "stmemorybooks", "STMB_start", "STMB_end"
LONGEST_TEXT = 200_000
_LONGEST_LINE = 500
_META = re.compile(r"^\*(?P<kind>[a-z]+)(?P<rest>(?: · .*)?)\*$")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import stored; `skipped` were there already, `notes` says what differs from the file."""

    memories: tuple[Memory, ...]
    skipped: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    """A memory of a file: the range by numbers (from 0) or, in our own, by ids with fingerprints."""

    memory: Memory
    numbers: tuple[int, int] | None = None
    coverage: tuple[tuple[str, str], ...] = ()


# -- out ----------------------------------------------------------------------------------------------------


def memory_book(connection: Connection, conversation_id: str) -> dict[str, Any]:
    """All memories of a conversation as a worldbook in SillyTavern's own shape.

    Raises:
        NotFound: CONVERSATION_NOT_FOUND.
    """
    place = load_conversation(connection, conversation_id)
    numbers = _numbers(connection, place.head_id)
    memories = [one for one in load_memories(connection, conversation_id) if one.state != "failed"]
    entries = tuple(_entry(uid, one) for uid, one in enumerate(memories))
    document = write_world_info(Book(place.title or "Memories", entries))
    for uid, one in enumerate(memories):
        written = document["entries"][str(uid)]
        written[MARK] = True
        if one.first in numbers and one.last in numbers:
            written[START], written[END] = numbers[one.first], numbers[one.last]
        written[OURS] = _own(connection, one)
    return document


def memory_text(connection: Connection, conversation_id: str) -> str:
    """All memories of a conversation as Markdown."""
    place = load_conversation(connection, conversation_id)
    numbers = _numbers(connection, place.head_id)
    parts = [f"# {place.title or 'Memories'}\n"]
    for one in load_memories(connection, conversation_id):
        if one.state == "failed":
            continue
        told: list[str] = [one.kind]
        if one.first in numbers and one.last in numbers:
            told.append(f"messages {numbers[one.first]}-{numbers[one.last]}")
        told += [f"keywords: {', '.join(one.keywords)}"] if one.keywords else []
        told += ["pinned"] if one.pinned else []
        parts.append(f"## {one.name}\n\n*{' · '.join(told)}*\n\n{one.text.strip()}\n")
    return "\n".join(parts)


def _numbers(connection: Connection, head: str) -> dict[str, int]:
    return {identity: number for number, identity in enumerate(reversed(path_ids(connection, head)))}


def _entry(uid: int, memory: Memory) -> Entry:
    always = memory.pinned or memory.kind in ("fact", "marked")
    return Entry(
        uid=uid,
        keys=memory.keywords,
        comment=memory.name,
        content=memory.text,
        constant=always,
        vectorized=not always,
        order=uid + 1,
    )


def _own(connection: Connection, memory: Memory) -> dict[str, Any]:
    return {
        "id": memory.id,
        "kind": memory.kind,
        "title": memory.title,
        "coverage": [list(one) for one in coverage_of(connection, memory.id)],
        "speaker": memory.speaker,
        "pinned": memory.pinned,
        "state": memory.state,
        "sources": [dict(one) for one in memory.sources],
        "parts": list(memory.parts),
        "made_by": memory.made_by,
        "instruction": memory.instruction,
        "created_at": memory.created_at,
    }


# -- in -----------------------------------------------------------------------------------------------------


def read_memory_book(document: Any, name: str, conversation_id: str) -> tuple[list[_Read], list[str]]:
    """The memories of a worldbook. Raises InvalidInput (WORLDBOOK_UNKNOWN)."""
    read = read_book(document, name)
    found: list[_Read] = []
    off = 0
    for entry in read.book.entries:
        if entry.disabled:
            off += 1
        elif entry.content.strip():
            found.append(_from_entry(entry, conversation_id))
    notes = [f"{off} entries are switched off and were left out."] if off else []
    return found, notes


def read_memory_text(text: str, conversation_id: str) -> list[_Read]:
    """The memories of a Markdown file: one for each heading of the second level."""
    found = []
    for section in re.split(r"(?m)^##[ \t]+", text)[1:]:
        heading, _, body = section.partition("\n")
        lines = body.strip().split("\n")
        meta = _META.match(lines[0].strip()) if lines else None
        kind = meta["kind"] if meta and meta["kind"] in KINDS else "summary"
        told = [one.strip() for one in meta["rest"].split(" · ")] if meta else []
        words = next((one.partition(":")[2] for one in told if one.startswith("keywords:")), "")
        span = next((m for one in told if (m := re.fullmatch(r"messages (\d{1,7})-(\d{1,7})", one))), None)
        content = "\n".join(lines[1:] if meta else lines).strip()
        if not content:
            continue
        title = clean_line(heading, _LONGEST_LINE)
        if clean_line(content, _LONGEST_LINE).startswith(title.rstrip("…")):  # a name made of its words
            title = ""
        memory = Memory(
            "",
            conversation_id,
            kind,
            clean(content)[:LONGEST_TEXT],
            title,
            tuple(filter(None, (clean_line(one, 200).strip() for one in words.split(",")))),
            pinned="pinned" in told,
        )
        found.append(_Read(memory, (int(span[1]), int(span[2])) if span else None))
    return found


def store_memories(connection: Connection, conversation_id: str, found: Sequence[_Read]) -> Imported:
    """Store what was read, within a transaction; what is there with the same words and range is left.

    Raises:
        NotFound: CONVERSATION_NOT_FOUND.
    """
    path = path_ids(connection, load_conversation(connection, conversation_id).head_id)[::-1]
    known = {_same(one) for one in load_memories(connection, conversation_id)}
    stored: list[Memory] = []
    named: dict[str, str] = {}
    skipped = strayed = 0
    for one in found:
        memory, coverage = _placed(connection, one, path)
        strayed += bool(one.numbers or one.coverage) and not memory.last
        if _same(memory) in known:
            skipped += 1
            continue
        known.add(_same(memory))
        parts = tuple(named.get(part, part) for part in memory.parts)
        kept = add_memory(connection, replace(memory, id="", parts=parts), coverage)
        if memory.id:
            named[memory.id] = kept.id
        stored.append(kept)
    notes = []
    if strayed:
        notes.append(f"{strayed} memories cover messages that are not here; they belong to the whole chat.")
    return Imported(tuple(stored), skipped, tuple(notes))


def _same(memory: Memory) -> tuple[str, ...]:
    return memory.kind, memory.text, memory.first, memory.last


def _from_entry(entry: Entry, conversation_id: str) -> _Read:
    raw = entry.raw
    own = as_object(raw.get(OURS)) or as_object(as_object(raw.get("extensions")).get(OURS))
    kind = as_text(own.get("kind"))
    if kind not in KINDS:
        kind = "fact" if entry.constant and not as_flag(raw.get(MARK)) else "summary"
    memory = Memory(
        as_text(own.get("id")),
        conversation_id,
        kind,  # type: ignore[arg-type]
        clean(entry.content)[:LONGEST_TEXT],
        clean_line(as_text(own.get("title")) if own else entry.comment, _LONGEST_LINE),
        tuple(clean_line(one, 200) for one in entry.keys),
        speaker=clean_line(as_text(own.get("speaker")), 200),
        pinned=as_flag(own.get("pinned")) if own else entry.constant,
        state="edited" if own.get("state") == "edited" else "fresh",
        sources=tuple(one for one in _objects(own.get("sources"))),
        parts=tuple(one for one in own.get("parts") or () if isinstance(one, str)),
        made_by=clean_line(as_text(own.get("made_by")), 200) or "import",
        instruction=clean_line(as_text(own.get("instruction")), 200),
        created_at=as_optional_integer(own.get("created_at")) or 0,
    )
    start, end = as_optional_integer(raw.get(START)), as_optional_integer(raw.get(END))
    numbers = (start, end) if start is not None and end is not None else None
    pairs = own.get("coverage")
    coverage = tuple(
        (one[0], one[1])
        for one in (pairs if isinstance(pairs, list) else ())
        if isinstance(one, list) and len(one) == 2 and all(isinstance(part, str) for part in one)
    )
    return _Read(memory, numbers, coverage)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _placed(
    connection: Connection, one: _Read, path: Sequence[str]
) -> tuple[Memory, Sequence[tuple[str, str]] | None]:
    """The memory at its messages: our own file's where they are here, else those with its numbers."""
    memory = one.memory
    if one.coverage and _here(connection, memory.conversation_id, one.coverage[-1][0]):
        return replace(memory, first=one.coverage[0][0], last=one.coverage[-1][0]), one.coverage
    if one.numbers is not None:
        start, end = sorted(one.numbers)
        if 0 <= start <= end < len(path):
            return replace(memory, first=path[start], last=path[end]), None
    return memory, ()


def _here(connection: Connection, conversation_id: str, message_id: str) -> bool:
    from lunalux_core.library.conversations import load_message

    try:
        return load_message(connection, message_id).conversation_id == conversation_id
    except LunaluxError:
        return False

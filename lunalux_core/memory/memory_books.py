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
from lunalux_core.documents.json_text import well_formed_value
from lunalux_core.errors import LunaluxError
from lunalux_core.ids import LATEST_MS
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
from lunalux_core.worldbook.book_reader import Book, Entry, read_book, write_world_info

EXTENSION_KEY = "lunalux"
MARK, START, END = "stmemorybooks", "STMB_start", "STMB_end"
LONGEST_TEXT = 200_000
_LONGEST_LINE = 500
_HEADING = re.compile(r"(?m)^\\*##[ \t]")
_ESCAPED = re.compile(r"(?m)^\\(\\*##[ \t])")
"""A line of a text that looks like a heading, and how it is written so that it is none."""
_COMMA = re.compile(r"(?<!\\),")
_META = re.compile(r"^\*(?P<kind>[a-z]+)(?P<rest>(?: · .*)?)\*$")


@dataclass(frozen=True, slots=True)
class ImportedMemories:
    """What an import stored; `skipped` were there already, so many `strayed` from messages that are not here
    and belong to the whole chat now."""

    memories: tuple[Memory, ...]
    skipped: int
    strayed: int


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
    memories = [memory for memory in load_memories(connection, conversation_id) if memory.state != "failed"]
    entries = tuple(_entry(uid, memory) for uid, memory in enumerate(memories))
    document = write_world_info(Book(place.title or "Memories", entries))
    for uid, memory in enumerate(memories):
        written = document["entries"][str(uid)]
        written[MARK] = True
        if memory.first in numbers and memory.last in numbers:
            written[START], written[END] = numbers[memory.first], numbers[memory.last]
        written[EXTENSION_KEY] = _own(connection, memory)
    return document


def memory_text(connection: Connection, conversation_id: str) -> str:
    """All memories of a conversation as Markdown."""
    place = load_conversation(connection, conversation_id)
    numbers = _numbers(connection, place.head_id)
    parts = [f"# {place.title or 'Memories'}\n"]
    for memory in load_memories(connection, conversation_id):
        if memory.state == "failed":
            continue
        facts: list[str] = [memory.kind]
        if memory.first in numbers and memory.last in numbers:
            facts.append(f"messages {numbers[memory.first]}-{numbers[memory.last]}")
        facts += [f"speaker: {_on_one_line(memory.speaker)}"] if memory.speaker else []
        facts += [f"keywords: {', '.join(map(_on_one_line, memory.keywords))}"] if memory.keywords else []
        facts += ["pinned"] if memory.pinned else []
        heading = clean_line(memory.title, _LONGEST_LINE) or memory.name
        facts += ["titled"] if memory.title and _begins(memory.text, heading) else []
        body = _HEADING.sub(r"\\\g<0>", memory.text.strip())
        parts.append(f"## {heading}\n\n*{' · '.join(facts)}*\n\n{body}\n")
    return "\n".join(parts)


def _on_one_line(word: str) -> str:
    """A word in a line of Markdown whose parts are divided by commas and points."""
    return clean_line(word, 200).replace(",", "\\,").replace(" · ", " ‧ ")


def _begins(text: str, heading: str) -> bool:
    """Whether a heading may be no title but the beginning of the text."""
    return clean_line(text, _LONGEST_LINE).startswith(heading.rstrip("…"))


def _read_from_line(word: str) -> str:
    return clean_line(word.replace("\\,", ",").replace(" ‧ ", " · "), 200).strip()


def _numbers(connection: Connection, head: str) -> dict[str, int]:
    return {identity: number for number, identity in enumerate(reversed(path_ids(connection, head)))}


def _entry(uid: int, memory: Memory) -> Entry:
    # Elsewhere a fact without keywords would never be called, so it
    # is constant; the rest waits for its words.
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
        "coverage": [list(pair) for pair in coverage_of(connection, memory.id)],
        "speaker": memory.speaker,
        "pinned": memory.pinned,
        "state": memory.state,
        "sources": [dict(source) for source in memory.sources],
        "parts": list(memory.parts),
        "made_by": memory.made_by,
        "instruction": memory.instruction,
        "created_at": memory.created_at,
    }


# -- in -----------------------------------------------------------------------------------------------------


def read_memory_book(document: Any, name: str, conversation_id: str) -> tuple[list[_Read], int]:
    """The memories of a worldbook, and how many are switched off and were left out.

    Raises:
        InvalidInput: WORLDBOOK_UNKNOWN.
    """
    read = read_book(document, name)
    records: list[_Read] = []
    off = 0
    for entry in read.book.entries:
        if entry.disabled:
            off += 1
        elif entry.content.strip():
            records.append(_from_entry(entry, conversation_id))
    return records, off


def read_memory_text(text: str, conversation_id: str) -> list[_Read]:
    """The memories of a Markdown file: one for each heading of the second level."""
    records = []
    # What stands before the first heading is the title of the file; a mark of some editors is nothing.
    for section in re.split(r"(?m)^##[ \t]+", text.removeprefix("\ufeff"))[1:]:
        heading, _, body = section.partition("\n")
        lines = body.strip().split("\n")
        meta = _META.match(lines[0].strip()) if lines else None
        kind = meta["kind"] if meta and meta["kind"] in KINDS else "summary"
        facts = [fact.strip() for fact in meta["rest"].split(" · ")] if meta else []
        words, speaker = (
            next((fact.partition(":")[2] for fact in facts if fact.startswith(label)), "")
            for label in ("keywords:", "speaker:")
        )
        span = next((m for fact in facts if (m := re.fullmatch(r"messages (\d{1,7})-(\d{1,7})", fact))), None)
        content = _ESCAPED.sub(r"\g<1>", "\n".join(lines[1:] if meta else lines)).strip()
        if not content:
            continue
        title = clean_line(heading, _LONGEST_LINE)
        if _begins(content, title) and "titled" not in facts:  # a name made of its words
            title = ""
        memory = Memory(
            "",
            conversation_id,
            kind,
            clean(content)[:LONGEST_TEXT],
            title,
            tuple(filter(None, (_read_from_line(word) for word in _COMMA.split(words)))),
            speaker=_read_from_line(speaker),
            pinned="pinned" in facts,
        )
        records.append(_Read(memory, (int(span[1]), int(span[2])) if span else None))
    return records


def store_memories(
    connection: Connection, conversation_id: str, records: Sequence[_Read]
) -> ImportedMemories:
    """Store what was read, within a transaction; what is there with the same words and range is left.

    Raises:
        NotFound: CONVERSATION_NOT_FOUND.
    """
    path = path_ids(connection, load_conversation(connection, conversation_id).head_id)[::-1]
    # Grows below, so that a file which has one memory twice stores it once.
    known_texts = {_same(memory) for memory in load_memories(connection, conversation_id)}
    stored: list[Memory] = []
    named: dict[str, str] = {}
    skipped = strayed = 0
    for record in records:
        memory, coverage = _placed(connection, record, path)
        strayed += bool(record.numbers or record.coverage) and not memory.last
        if _same(memory) in known_texts:
            skipped += 1
            continue
        known_texts.add(_same(memory))
        # Chapters come after the summaries they are made of, which have new ids here by then.
        parts = tuple(named.get(part, part) for part in memory.parts)
        kept = add_memory(connection, replace(memory, id="", parts=parts), coverage)
        if memory.id:
            named[memory.id] = kept.id
        stored.append(kept)
    return ImportedMemories(tuple(stored), skipped, strayed)


def _same(memory: Memory) -> tuple[str, ...]:
    """What two memories share that are one; what two members of a group know alike is two."""
    return memory.kind, memory.text, memory.speaker, memory.first, memory.last


def _from_entry(entry: Entry, conversation_id: str) -> _Read:
    raw = entry.raw
    own = as_object(raw.get(EXTENSION_KEY)) or as_object(as_object(raw.get("extensions")).get(EXTENSION_KEY))
    own = well_formed_value(dict(own))
    kind = as_text(own.get("kind"))
    if kind not in KINDS:
        # Memory Books marks its scenes; what is constant without that mark was written by hand.
        kind = "fact" if entry.constant and not as_flag(raw.get(MARK)) else "summary"
    memory = Memory(
        as_text(own.get("id")),
        conversation_id,
        kind,  # type: ignore[arg-type]
        clean(entry.content)[:LONGEST_TEXT],
        clean_line(as_text(own.get("title")) if own else entry.comment, _LONGEST_LINE),
        tuple(clean_line(key, 200) for key in entry.keys),
        speaker=clean_line(as_text(own.get("speaker")), 200),
        pinned=as_flag(own.get("pinned")) if own else entry.constant,
        state="edited" if own.get("state") == "edited" else "fresh",
        sources=tuple(_source(source) for source in _list(own.get("sources")) if isinstance(source, dict)),
        parts=tuple(part for part in _list(own.get("parts")) if isinstance(part, str)),
        made_by=clean_line(as_text(own.get("made_by")), 200) or "import",
        instruction=clean_line(as_text(own.get("instruction")), 200),
        created_at=moment(own.get("created_at")),
    )
    start, end = as_optional_integer(raw.get(START)), as_optional_integer(raw.get(END))
    numbers = (start, end) if start is not None and end is not None else None
    pairs = own.get("coverage")
    coverage = tuple(
        (pair[0], pair[1])
        for pair in (pairs if isinstance(pairs, list) else ())
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
    )
    return _Read(memory, numbers, coverage)


def moment(value: Any) -> int:
    """Milliseconds since 1970, 0 where it says no time that there can be."""
    number = as_optional_integer(value) or 0
    return number if 0 < number <= LATEST_MS else 0


def _source(given: Mapping[str, Any]) -> Mapping[str, Any]:
    messages = [message_id for message_id in _list(given.get("messages")) if isinstance(message_id, str)]
    return {"sentence": clean(as_text(given.get("sentence"))), "messages": messages}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _placed(
    connection: Connection, record: _Read, path: Sequence[str]
) -> tuple[Memory, Sequence[tuple[str, str]] | None]:
    """The memory at its messages: our own file's where they are here, else those with its numbers."""
    memory = record.memory
    # Our own file read back into its chat: ids and fingerprints count more than places on a branch.
    if record.coverage and _here(connection, memory.conversation_id, record.coverage[-1][0]):
        return replace(memory, first=record.coverage[0][0], last=record.coverage[-1][0]), record.coverage
    if record.numbers is not None:
        start, end = sorted(record.numbers)
        if 0 <= start <= end < len(path):
            return replace(memory, first=path[start], last=path[end]), None
    return memory, ()


def _here(connection: Connection, conversation_id: str, message_id: str) -> bool:
    from lunalux_core.library.conversations import load_message

    try:
        return load_message(connection, message_id).conversation_id == conversation_id
    except LunaluxError:
        return False

"""Memories inside chat files: whole in our own JSON, and as SillyTavern's rolling summary.

SillyTavern keeps one summary of all that was said up to a message in that message's `extra.memory`; where the
message goes, the one before it counts again. Here each becomes a summary from the first message to that one,
of which the newest that still holds tells for the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lunalux_core.database import Connection
from lunalux_core.documents.coerce import as_flag, as_text, is_integer
from lunalux_core.documents.json_text import well_formed_value
from lunalux_core.library.conversations import load_conversation
from lunalux_core.library.memories import (
    KINDS,
    Memory,
    add_memory,
    coverage_of,
    fingerprints,
    load_memories,
    path_ids,
)
from lunalux_core.memory.memory_books import LONGEST_TEXT, moment
from lunalux_core.memory.memory_reader import MemoryReader
from lunalux_core.memory.memory_wording import plain_story
from lunalux_core.memory.selection import select
from lunalux_core.text import clean, clean_line

MEMORY = "memory"
"""In a message's `extra`."""
MADE_BY = "SillyTavern"
MOST_ROLLING = 5
"""Of the rolling summaries of a chat, so many of the newest are taken in."""
ALL_TOKENS = 10**9


def rolling_of(line: Mapping[str, Any]) -> str:
    """The rolling summary that a line of a SillyTavern chat carries, "" if none."""
    extra = line.get("extra")
    return clean(as_text(extra.get(MEMORY))).strip()[:LONGEST_TEXT] if isinstance(extra, dict) else ""


def store_rolling(connection: Connection, conversation_id: str, texts: Sequence[tuple[str, str]]) -> None:
    """Keep the newest rolling summaries of a chat that was just stored.

    Args:
        texts: messages of the branch that is shown, in its order, with their summaries.
    """
    path = path_ids(connection, load_conversation(connection, conversation_id).head_id)[::-1]
    place = {identity: number for number, identity in enumerate(path)}
    # Each tells the story from its beginning, so older ones say little that the newest do not.
    for message_id, text in [pair for pair in texts if pair[0] in place][-MOST_ROLLING:]:
        coverage = fingerprints(connection, path[: place[message_id] + 1])
        add_memory(connection, Memory("", conversation_id, "summary", text, made_by=MADE_BY), coverage)


def rolling_text(connection: Connection, conversation_id: str) -> tuple[str, str] | None:
    """The message that a rolling summary of this conversation belongs to, and its text.

    It is all that summaries and chapters tell of the branch that is shown.
    """
    path = path_ids(connection, load_conversation(connection, conversation_id).head_id)
    story = MemoryReader().read(connection, conversation_id, set(path))
    if story is None:
        return None
    told = [used for used in select(story, ALL_TOKENS).stable if used.memory.kind in ("summary", "chapter")]
    placed = [used.memory.last for used in told if used.memory.last]
    if not placed:
        return None
    # The path has its lowest message first.
    last = min(placed, key=path.index)
    return last, plain_story(told)


def memories_for_file(
    connection: Connection, conversation_id: str, place: Mapping[str, int]
) -> list[dict[str, Any]]:
    """All memories for our own JSON, by the numbers of their messages.

    Args:
        place: the number of each message in the file.
    """
    memories = load_memories(connection, conversation_id)
    number = {memory.id: at for at, memory in enumerate(memories)}
    return [
        {
            "kind": memory.kind,
            "title": memory.title,
            "text": memory.text,
            "keywords": list(memory.keywords),
            "covers": [place[each] for each, _ in coverage_of(connection, memory.id) if each in place],
            "sound": memory.sound,
            "speaker": memory.speaker,
            "pinned": memory.pinned,
            "state": memory.state,
            "reason": memory.reason,
            "sources": [
                {
                    **source,
                    "messages": [place[each] for each in _texts(source.get("messages")) if each in place],
                }
                for source in memory.sources
            ],
            "parts": [number[part] for part in memory.parts if part in number],
            "made_by": memory.made_by,
            "instruction": memory.instruction,
            "created_at": memory.created_at,
        }
        for memory in memories
    ]


def store_from_file(
    connection: Connection, conversation_id: str, entries: Sequence[Any], ids: Sequence[str]
) -> None:
    """Keep the memories of our own JSON; `ids` are the stored messages by their numbers there."""
    memory_ids: dict[int, str] = {}
    for at, entry in enumerate(well_formed_value(list(entries))):
        # The number stays taken, since chapters name their parts by it.
        if not isinstance(entry, dict) or entry.get("kind") not in KINDS:
            continue
        covers = [number for number in _numbers(entry.get("covers")) if 0 <= number < len(ids)]
        state = entry.get("state")
        memory = Memory(
            "",
            conversation_id,
            entry["kind"],
            clean(as_text(entry.get("text")))[:LONGEST_TEXT],
            clean_line(as_text(entry.get("title")), 500),
            tuple(clean_line(keyword, 200) for keyword in _texts(entry.get("keywords"))),
            speaker=clean_line(as_text(entry.get("speaker")), 200),
            pinned=as_flag(entry.get("pinned")),
            state=state if state in ("edited", "failed") else "fresh",
            reason=clean_line(as_text(entry.get("reason")), 500),
            made_by=clean_line(as_text(entry.get("made_by")), 200) or "import",
            instruction=clean_line(as_text(entry.get("instruction")), 200),
            created_at=moment(entry.get("created_at")),
        )
        memory = replace(
            memory,
            sources=_sources(entry.get("sources"), ids),
            parts=tuple(memory_ids[part] for part in _numbers(entry.get("parts")) if part in memory_ids),
        )
        if not memory.text.strip() and memory.state != "failed":
            continue
        coverage = fingerprints(connection, [ids[number] for number in covers])
        # No message has an empty fingerprint, so what was stale where it came from stays so.
        if not as_flag(entry.get("sound", True)):
            coverage = [(message_id, "") for message_id, _ in coverage]
        memory_ids[at] = add_memory(connection, memory, coverage).id


def _sources(value: Any, ids: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {
            "sentence": clean(as_text(source.get("sentence"))),
            "messages": [
                ids[number] for number in _numbers(source.get("messages")) if 0 <= number < len(ids)
            ],
        }
        for source in (value if isinstance(value, list) else ())
        if isinstance(source, dict)
    )


def _numbers(value: Any) -> list[int]:
    numbers = value if isinstance(value, list) else ()
    return [number for number in numbers if is_integer(number)]


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []

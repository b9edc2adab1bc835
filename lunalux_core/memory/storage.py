"""Storing memories that a model wrote: all of an answer or nothing, and only if nothing changed meanwhile.

The model takes minutes, in which the person may edit, swipe or delete what the memory is about. A failure
stores a mark with its reason. All functions run inside one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_core.database import Connection
from lunalux_core.errors import NotFound
from lunalux_core.library.conversations import load_conversation
from lunalux_core.library.memories import (
    PERSON,
    Memory,
    add_memory,
    fingerprints,
    load_memories,
    remove_memory,
    store_memory,
)
from lunalux_core.memory.due import Rules, Scene, due_events, is_covered
from lunalux_core.memory.story_memory import EVENTS


def store_scene(
    connection: Connection,
    conversation_id: str,
    scene: Scene,
    memories: Sequence[tuple[Memory, tuple[str, ...]]],
) -> list[Memory]:
    """Store the memories of a scene; none where its messages changed or another memory covers them now.

    Args:
        memories: each with the ids of the messages it covers.
    """
    coverage, retries = scene.coverage, scene.retries
    if not _exists(connection, conversation_id):
        return []
    # A message may have been edited, swiped or deleted since it was read.
    if fingerprints(connection, [message_id for message_id, _ in coverage]) != list(coverage):
        return []
    # Asked before anything is taken away: a summary that is written anew stays where another covers it.
    instead = retries.id if retries is not None else ""
    if is_covered(connection, conversation_id, [message for message, _ in coverage], besides=instead):
        return []
    if retries is not None:
        _take_back(connection, retries)
    marks = dict(coverage)
    facts = {
        memory.text.casefold()
        for memory in load_memories(connection, conversation_id)
        if memory.kind == "fact"
    }
    stored = []
    for memory, where in memories:
        if memory.kind == "fact" and memory.text.casefold() in facts:
            continue
        facts.add(memory.text.casefold())
        stored.append(
            add_memory(connection, memory, [(message_id, marks[message_id]) for message_id in where])
        )
    return stored


def store_chapter(
    connection: Connection, memory: Memory, coverage: Sequence[tuple[str, str]], parts: Sequence[Memory]
) -> list[Memory]:
    """Store a chapter of these summaries; not where one of them changed or is part of another chapter now."""
    if not _exists(connection, memory.conversation_id):
        return []
    here = {memory.id: memory for memory in load_memories(connection, memory.conversation_id)}
    inside = {
        part for memory in here.values() if memory.kind == "chapter" and memory.sound for part in memory.parts
    }
    same = all(
        part.id in here and here[part.id].text == part.text and here[part.id].sound and part.id not in inside
        for part in parts
    )
    return [add_memory(connection, memory, coverage)] if same else []


def store_failure(
    connection: Connection, conversation_id: str, scene: Scene, reason: str, model: str
) -> Memory | None:
    """Store a mark of the failure, which replaces the mark of an earlier one.

    Returns:
        The mark; None if the conversation is gone or if the scene has a summary already.
    """
    before = scene.retries
    if not _exists(connection, conversation_id):
        return None
    # If rewriting a summary failed, the summary stays.
    if before is not None and before.state != "failed":
        return None
    tries = before.extra.get("tries") if before is not None else 0
    mark = Memory(
        before.id if before is not None else "",
        conversation_id,
        "summary",
        "",
        state="failed",
        reason=reason,
        made_by=model,
        extra={"tries": (tries if isinstance(tries, int) else 0) + 1},
        number=before.number if before is not None else 0,
        first=before.first if before is not None else "",
        last=before.last if before is not None else "",
    )
    if before is None:
        return add_memory(connection, mark, scene.coverage)
    store_memory(connection, mark)
    return mark


def store_events(connection: Connection, conversation_id: str, rules: Rules) -> bool:
    """Store the event lines of replies as facts, which needs no model; whether there were any."""
    scenes = due_events(connection, conversation_id, rules)
    for scene in scenes:
        text = "\n".join(message.event for message in scene.messages if message.event)
        wanted = Memory("", conversation_id, "fact", text, made_by=EVENTS)
        add_memory(connection, wanted, scene.coverage)
    return bool(scenes)


def _take_back(connection: Connection, memory: Memory) -> None:
    """Remove what is written anew: the memory, and the journals that a model wrote of the same scene."""
    for journal in load_memories(connection, memory.conversation_id):
        same_scene = (journal.first, journal.last) == (memory.first, memory.last)
        if (
            journal.kind == "journal"
            and same_scene
            and journal.state != "edited"
            and journal.made_by != PERSON
        ):
            remove_memory(connection, journal.id)
    remove_memory(connection, memory.id)


def _exists(connection: Connection, conversation_id: str) -> bool:
    try:
        load_conversation(connection, conversation_id)
    except NotFound:
        return False
    return True

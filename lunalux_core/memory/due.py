"""What is to be remembered next: scenes of the story that no memory covers, and summaries for a chapter.

A scene is due when what is uncovered and older than the protected newest part has reached its size, or where
it ends sooner: after a message that the person said it ends with, or at a line of a message that is a rule. A
reply that is still being written is nobody's past. Where writing failed, the same scene is due again after a
while, each time a longer one, or at once when a person asks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lunalux_core.database import Connection
from lunalux_core.ids import now_ms
from lunalux_core.library.conversations import Message, load_conversation, load_message, load_path
from lunalux_core.library.memories import (
    Memory,
    Outline,
    coverage_by,
    coverages,
    load_memories,
    path_outline,
)
from lunalux_core.memory.story_memory import EVENTS, STANDING_IN

TOKENS_PER_BYTE = 0.36
"""Of a text in UTF-8, near enough to tell a scene's size: for Latin letters and for ideographs alike."""
FRAME = 4
NEWEST_LEFT = 4
"""Messages that stay as they are even when a person asks for all to be written."""
LEAST_MESSAGES = 2
"""A scene has so many messages at least."""
RETRY_MS = 5 * 60 * 1000
MOST_TRIES = 5
"""After so many failures a scene is only tried again when a person asks."""
RULED_SHARE = 0.25
"""A rule ends a scene that has reached so much of its size: some cards draw one in every reply."""
_RULE = re.compile(
    r"^[ \t]*(?:(?:[*\-_~#＊—][ \t]*){3,}|(?:[◇◆※⁂✦✧❖][ \t]*)+)$",
    re.MULTILINE,
)
KEPT_SUMMARIES = 2
"""So many of the newest summaries stay outside of chapters."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Messages to remember, oldest first; `retries` is the memory that failed for them before."""

    messages: tuple[Message, ...]
    before: str = ""
    retries: Memory | None = None

    @property
    def coverage(self) -> tuple[tuple[str, str], ...]:
        return coverage_by(self.messages)


@dataclass(frozen=True, slots=True)
class Chapter:
    """Summaries that become one chapter, in their order, and the messages they cover."""

    summaries: tuple[Memory, ...]
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """When something is due; sizes in tokens. `everything` takes what is smaller than a scene too, `now` what
    failed lately; both only where a person asks.
    """

    scene: int
    protected: int
    chapter: int = 8
    everything: bool = False
    now: bool = False


def due_scenes(connection: Connection, conversation_id: str, rules: Rules) -> list[Scene]:
    """The scenes that are due on the branch that is shown, the oldest first.

    Raises:
        NotFound: CONVERSATION_NOT_FOUND.
    """
    path, memories = _branch(connection, conversation_id)
    ids = {message.id for message in path}
    covered = coverages(connection, conversation_id, STANDING_IN)
    # Only what this branch can use: a summary of another swipe says nothing about this one.
    told = {
        message_id: memory
        for memory in memories
        if memory.usable_on(ids)
        for message_id in covered.get(memory.id, ())
    }
    failed = {
        message_id: memory
        for memory in memories
        if memory.state == "failed"
        for message_id in covered.get(memory.id, ())
    }
    scenes: list[Scene] = []
    for run in _runs(_unprotected(path, rules), told):
        for part in _parts(run, rules, failed, _ruled(connection, run)):
            before = told.get(part[0].parent_id)
            retries = failed.get(part[0].id)
            if retries is None or rules.now or _ripe(retries):
                messages = load_path(connection, part[-1].id, len(part))
                scenes.append(Scene(tuple(messages), before.text if before is not None else "", retries))
    return scenes


def due_chapter(connection: Connection, conversation_id: str, rules: Rules) -> Chapter | None:
    """The oldest summaries in a row that are enough for a chapter."""
    if not rules.chapter:
        return None
    path, memories = _branch(connection, conversation_id)
    parents = {message.id: message.parent_id for message in path}
    here = set(parents)
    covered = coverages(connection, conversation_id, STANDING_IN)
    usable = [memory for memory in memories if memory.usable_on(here) and memory.id in covered]
    inside = {part for memory in usable if memory.kind == "chapter" for part in memory.parts}
    open_ = [memory for memory in usable if memory.kind == "summary" and memory.id not in inside]
    row: list[Memory] = []
    for summary in open_[: len(open_) - KEPT_SUMMARIES]:
        after = covered[row[-1].id][-1] if row else ""
        # A gap between two summaries would be a gap in the chapter that nobody sees.
        if row and parents.get(covered[summary.id][0]) != after:
            row = []
        row.append(summary)
        if len(row) >= max(rules.chapter, 2):
            return Chapter(tuple(row), tuple(message for each in row for message in covered[each.id]))
    return None


def due_events(connection: Connection, conversation_id: str, rules: Rules) -> list[Scene]:
    """Scenes whose replies came with lines of events, which nobody has made a fact of yet."""
    scenes = due_scenes(connection, conversation_id, rules)
    noted = {
        (memory.first, memory.last)
        for memory in load_memories(connection, conversation_id)
        if memory.made_by == EVENTS
    }
    return [
        scene
        for scene in scenes
        if any(message.event for message in scene.messages)
        and (scene.messages[0].id, scene.messages[-1].id) not in noted
    ]


def is_covered(
    connection: Connection, conversation_id: str, messages: Collection[str], besides: str = ""
) -> bool:
    """Whether a memory that can be used covers any of these messages; one `besides` does not count."""
    usable = {
        memory.id
        for memory in load_memories(connection, conversation_id)
        if memory.sound and memory.state != "failed"
    }
    wanted = set(messages)
    covered = coverages(connection, conversation_id, ("summary",))
    return any(wanted & set(ids) for memory, ids in covered.items() if memory in usable and memory != besides)


def _branch(connection: Connection, conversation_id: str) -> tuple[list[Outline], list[Memory]]:
    place = load_conversation(connection, conversation_id)
    return path_outline(connection, place.head_id), load_memories(connection, conversation_id)


def _size(message: Outline) -> int:
    return int(message.size * TOKENS_PER_BYTE) + FRAME


def _unprotected(path: Sequence[Outline], rules: Rules) -> Sequence[Outline]:
    """What is older than the protected newest part; at least the last messages are in that."""
    settled = list(path)
    while settled and settled[-1].pending:
        settled.pop()
    end = max(len(settled) - NEWEST_LEFT, 0)
    if rules.everything:
        return settled[:end]
    spent = sum(map(_size, settled[end:]))
    while end > 0 and spent < rules.protected:
        end -= 1
        spent += _size(settled[end])
    return settled[:end]


def _runs(path: Sequence[Outline], told: Mapping[str, Memory]) -> list[list[Outline]]:
    """Messages in a row that nothing covers."""
    runs: list[list[Outline]] = [[]]
    for message in path:
        if message.id in told:
            runs.append([])
        else:
            runs[-1].append(message)
    return [run for run in runs if run]


def _ruled(connection: Connection, run: Sequence[Outline]) -> set[str]:
    """The messages after which a rule ends the scene: it may open the next one just as well."""
    ends = set()
    for above, message in zip((None, *run), run, strict=False):
        if not message.ruled or message.hidden:
            continue
        text = load_message(connection, message.id).content.strip()
        if (rule := _RULE.search(text)) is None:
            continue
        if rule.start() * 2 > len(text):
            ends.add(message.id)
        elif above is not None:
            ends.add(above.id)
    return ends


def _parts(
    run: list[Outline], rules: Rules, failed: Mapping[str, Memory], ruled: Collection[str]
) -> list[list[Outline]]:
    """Scenes of about the wished size, each with a reply at its end where that can be; a scene that failed
    keeps its borders. One that ends sooner is due at once."""
    parts: list[list[Outline]] = []
    part: list[Outline] = []
    size = 0
    for place, message in enumerate(run):
        before = failed.get(run[place - 1].id) if place else None
        if part and before is not None and failed.get(message.id) is not before:
            parts.append(part)
            part, size = [], 0
        part.append(message)
        size += 0 if message.hidden else _size(message)
        following = run[place + 1] if place + 1 < len(run) else None
        whole = message.role == "assistant" and (following is None or following.role != "assistant")
        # A scene is tried again over the very messages that failed, for which the mark stands.
        inside = failed.get(message.id)
        if inside is not None and following is not None and failed.get(following.id) is inside:
            continue
        ends = message.ends_scene or (message.id in ruled and size >= rules.scene * RULED_SHARE)
        full = size >= rules.scene and (whole or size >= 2 * rules.scene)
        if len(part) >= LEAST_MESSAGES and (ends or full):
            parts.append(part)
            part, size = [], 0
    if part and ((rules.everything and len(part) >= LEAST_MESSAGES) or part[-1].id in failed):
        parts.append(part)
    return [part for part in parts if any(not each.hidden and each.size for each in part)]


def _ripe(failed: Memory) -> bool:
    """Whether it is time to try again."""
    tries = failed.extra.get("tries")
    number = tries if isinstance(tries, int) else 1
    # Five minutes, then three times as long each time: a server that is down is not asked at every reply.
    return number < MOST_TRIES and now_ms() - failed.updated_at >= RETRY_MS * 3 ** (number - 1)

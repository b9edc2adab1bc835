"""Which memories go into a prompt, which messages they stand in for, and why the others stay out.

Two parts. The *stable* one is the same in every turn until a memory is added or changed, so that a
provider's cache of the prompt's beginning holds: what is pinned, facts and marked messages, chapters, the
newest summaries. The *recalled* one is what the last messages call for; it changes with them and therefore
stands low in the history. Costs are the untaught estimates kept with each memory, for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lunalux_core.library.memories import PERSON, Memory
from lunalux_core.memory.recall import Keywords, fused

Why = Literal["pinned", "fact", "marked", "chapter", "summary", "journal", "recalled"]
LeftWhy = Literal[
    "budget",
    "too_long",
    "in_chapter",
    "covered",
    "not_called",
    "speaker",
    "stale",
    "failed",
    "no_room",
    "off",
]

STABLE_SHARE = 0.6
"""Of the budget, for the stable part; what it leaves and the rest is for what is recalled."""
FACT_SHARE = 0.5
"""Of the stable part at most, for facts and marked messages that are not pinned."""
PINNED_SHARE = 2.0
"""What is pinned is always in, up to so many budgets."""
STANDING_IN = ("summary", "chapter")
"""Kinds that stand in for the messages they cover."""
EVENTS = "events"
"""In `made_by`: the lines of events that replies came with, not written by a model of its own."""
MOST_NAMED = 200
"""Memories that the record names for each reason; all are counted."""


@dataclass(frozen=True, slots=True)
class StoryMemory:
    """The memories of a conversation as one turn sees them.

    `usable` are those of this branch whose messages are as they were, in the order of the story; `unusable`
    says why for the others. `covered` has the messages, oldest first, of those that stand in for messages.
    """

    usable: tuple[Memory, ...] = ()
    unusable: Mapping[LeftWhy, Sequence[str]] = field(default_factory=dict)
    covered: Mapping[str, Sequence[str]] = field(default_factory=dict)
    keywords: Keywords | None = None
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Used:
    """A memory that goes into the prompt, and what for; `by` names the keywords or rankings."""

    memory: Memory
    why: Why
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """What became of all memories. Both parts are in the order of the story."""

    stable: tuple[Used, ...] = ()
    recalled: tuple[Used, ...] = ()
    left: Mapping[LeftWhy, Sequence[str]] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()
    budget: int = 0

    @property
    def tokens(self) -> int:
        return sum(used.memory.tokens for used in (*self.stable, *self.recalled))

    def record(self, names: Mapping[str, str], replaced: int) -> dict[str, Any]:
        """For the record of a turn: every memory used and left out, with the reason."""
        return {
            "budget": self.budget,
            "tokens": self.tokens,
            "replaced_messages": replaced,
            "used": [
                {
                    "id": used.memory.id,
                    "name": used.memory.name,
                    "kind": used.memory.kind,
                    "why": used.why,
                    "by": list(used.by),
                    "place": place,
                    "tokens": used.memory.tokens,
                }
                for place, part in (("stable", self.stable), ("recalled", self.recalled))
                for used in part
            ],
            "left_out": [
                {
                    "why": why,
                    "count": len(ids),
                    "memories": [
                        {"id": memory_id, "name": names.get(memory_id, "")} for memory_id in ids[:MOST_NAMED]
                    ],
                }
                for why, ids in self.left.items()
                if ids
            ],
        }


def select(
    story: StoryMemory,
    budget: int,
    *,
    speaker: Collection[str] = (),
    rankings: Sequence[tuple[str, Sequence[str]]] = (),
    reasons: Mapping[str, Sequence[str]] | None = None,
) -> Selection:
    """Fill the budget.

    Args:
        speaker: names and id of who speaks; journals of others stay out.
        rankings: what the last messages call for, each with its name, closest first.
        reasons: for a memory that is called for, the words that did it.
    """
    return _Filling(story, budget, speaker).run(rankings, reasons or {})


def nothing(story: StoryMemory, why: LeftWhy) -> Selection:
    """A selection that uses nothing, for one reason."""
    return Selection(left={**story.unusable, why: [memory.id for memory in story.usable]})


class _Filling:
    """One selection under way."""

    def __init__(self, story: StoryMemory, budget: int, speaker: Collection[str]) -> None:
        self._story = story
        self._budget = budget
        self._speaker = {name.casefold() for name in speaker}
        self._used: dict[str, Used] = {}
        self._left: dict[LeftWhy, list[str]] = {why: list(ids) for why, ids in story.unusable.items()}
        self._out: set[str] = set()
        self._stable = int(budget * STABLE_SHARE)
        self._spent = 0

    def run(
        self, rankings: Sequence[tuple[str, Sequence[str]]], reasons: Mapping[str, Sequence[str]]
    ) -> Selection:
        groups: dict[str, list[Memory]] = {}
        for memory in self._story.usable:
            groups.setdefault("pinned" if memory.pinned else memory.kind, []).append(memory)
        self._take_pinned([memory for memory in groups.get("pinned", ()) if not self._foreign(memory)])
        facts = [*groups.get("fact", ()), *groups.get("marked", ())]
        facts.sort(key=lambda memory: (memory.made_by == PERSON, memory.number), reverse=True)
        self._take(
            facts,
            lambda memory: "fact" if memory.kind == "fact" else "marked",
            int(self._stable * FACT_SHARE),
        )
        self._take(groups.get("chapter", [])[::-1], lambda _: "chapter", self._stable)
        self._skip_parts()
        summaries = [memory for memory in groups.get("summary", ())[::-1] if memory.id not in self._out]
        self._take(summaries, lambda _: "summary", self._stable, contiguous=True)
        self._drop_told()
        stable = self._in_order(self._used)
        recalled = self._recall(groups.get("journal", ()), rankings, reasons)
        self._leave_rest()
        return Selection(
            stable,
            recalled,
            {why: ids for why, ids in self._left.items() if ids},
            self._replaced(),
            self._budget,
        )

    def _foreign(self, memory: Memory) -> bool:
        """Whether it is what somebody else knows."""
        own = not memory.speaker or memory.speaker.casefold() in self._speaker
        return memory.kind == "journal" and not own

    def _leave(self, memory: Memory, why: LeftWhy) -> None:
        self._left.setdefault(why, []).append(memory.id)
        self._out.add(memory.id)

    def _take_pinned(self, pinned: Sequence[Memory]) -> None:
        spent, most = 0, int(self._budget * PINNED_SHARE)
        for memory in reversed(pinned):
            if spent + memory.tokens > most:
                self._leave(memory, "budget")
                continue
            spent += memory.tokens
            self._used[memory.id] = Used(memory, "pinned")
        self._spent += spent

    def _take(
        self,
        newest_first: Sequence[Memory],
        why: Callable[[Memory], Why],
        most: int,
        *,
        contiguous: bool = False,
    ) -> None:
        """Take what fits, the newest first; `contiguous` ends at the first that does not."""
        for memory in newest_first:
            if memory.tokens > self._stable:
                self._left.setdefault("too_long", []).append(memory.id)
                continue
            if self._spent + memory.tokens > most:
                if contiguous:
                    break
                continue
            self._spent += memory.tokens
            self._used[memory.id] = Used(memory, why(memory))

    def _skip_parts(self) -> None:
        """What a chapter in the prompt tells, its summaries need not."""
        chapters = [used.memory for used in self._used.values() if used.memory.kind == "chapter"]
        parts = {part for chapter in chapters for part in chapter.parts}
        for memory in self._story.usable:
            if memory.id in parts and memory.id not in self._used:
                self._out.add(memory.id)
                self._left.setdefault("in_chapter", []).append(memory.id)

    def _drop_told(self) -> None:
        """Events of messages that a summary in the prompt tells of are told twice otherwise."""
        message_ids = {
            message
            for used in self._used.values()
            if used.memory.kind in STANDING_IN
            for message in self._story.covered.get(used.memory.id, ())
        }
        for used in list(self._used.values()):
            memory = used.memory
            if memory.made_by == EVENTS and not memory.pinned and {memory.first, memory.last} <= message_ids:
                del self._used[memory.id]
                self._spent -= memory.tokens
                self._leave(memory, "covered")

    def _recall(
        self,
        journals: Sequence[Memory],
        rankings: Sequence[tuple[str, Sequence[str]]],
        reasons: Mapping[str, Sequence[str]],
    ) -> tuple[Used, ...]:
        """What the last messages call for, and what the one who speaks wrote down last."""
        by_id = {memory.id: memory for memory in self._story.usable}
        room = self._budget - self._spent
        recalled: dict[str, Used] = {}
        own = [journal for journal in journals if not self._foreign(journal)]
        for memory in own[-1:]:
            if memory.tokens <= room:
                recalled[memory.id] = Used(memory, "journal")
                room -= memory.tokens
        for identity in fused([ranking for _, ranking in rankings]):
            if identity not in by_id or identity in self._used or identity in recalled:
                continue
            memory = by_id[identity]
            if memory.kind == "tracker":
                continue
            if self._foreign(memory):
                self._leave(memory, "speaker")
                continue
            if memory.tokens > room:
                self._leave(memory, "budget")
                continue
            room -= memory.tokens
            by = reasons.get(identity) or [name for name, ranking in rankings if identity in ranking]
            recalled[identity] = Used(memory, "recalled", tuple(by))
            self._out.discard(identity)
            if identity in self._left.get("in_chapter", ()):
                self._left["in_chapter"].remove(identity)
        self._used.update(recalled)
        return self._in_order(recalled)

    def _leave_rest(self) -> None:
        named = {memory_id for ids in self._left.values() for memory_id in ids}
        for memory in self._story.usable:
            if memory.id in self._used or memory.id in named or memory.kind == "tracker":
                continue
            if self._foreign(memory):
                self._leave(memory, "speaker")
            elif memory.keywords or memory.kind == "journal":
                self._leave(memory, "not_called")
            else:
                self._leave(memory, "budget")

    def _replaced(self) -> frozenset[str]:
        """The messages that are told by a summary, in the prompt or called back when it is needed.

        One that is too long for any prompt stands in for nothing.
        """
        long = set(self._left.get("too_long", ()))
        usable = (
            memory for memory in self._story.usable if memory.kind in STANDING_IN and memory.id not in long
        )
        return frozenset(message for memory in usable for message in self._story.covered.get(memory.id, ()))

    def _in_order(self, used: Mapping[str, Used]) -> tuple[Used, ...]:
        if not used:
            return ()
        return tuple(used[memory.id] for memory in self._story.usable if memory.id in used)
